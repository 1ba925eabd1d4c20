//! What does an expression mean?
//!
//! Every function here returns whether the expression's values are JSON.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentClause, FunctionArguments, ObjectNamePart, OrderByExpr, Query, UnaryOperator,
    Value, WindowFrameBound, WindowSpec, WindowType,
};

use pieskieo_shards::value::ColumnType;

use super::engine_function::{arguments, function_name, meaning};
use super::json;
use super::json::{Wanted, kind_of, needs_order, wanted_by, wrap};
use super::path::position;
use super::query::{Binder, Place};
use super::scope::{Scope, ScopeColumn};
use super::similar::similar_instead;
use super::{build, calls, interval, object_name, subquery, text_search};
use crate::error::{Error, Result, code};
use crate::functions::{ARRAY_ALL, ARRAY_ANY, MATCHES_UNSTEMMED};
use crate::syntax::column_type;

/// Stack that must be left before an expression is bound on a new piece of stack.
const STACK_LEFT_MIN: usize = 128 * 1024;
/// Size of a new piece of stack.
const STACK_PIECE: usize = 2 * 1024 * 1024;

impl Binder<'_> {
    /// Binds an expression in place.
    pub(super) fn bind_expr(&mut self, expr: &mut Expr, scope: &Scope<'_>) -> Result<bool> {
        stacker::maybe_grow(STACK_LEFT_MIN, STACK_PIECE, || self.bind_one(expr, scope))
    }

    /// Binds an expression that is used as true or false.
    pub(super) fn bind_condition(&mut self, expr: &mut Expr, scope: &Scope<'_>) -> Result<()> {
        if self.bind_expr(expr, scope)? {
            wrap(expr, Wanted::Bool);
        }
        Ok(())
    }

    /// Binds a condition of WHERE or HAVING.
    pub(super) fn bind_filter(&mut self, expr: &mut Expr, scope: &Scope<'_>) -> Result<()> {
        subquery::row_members_as_exists(expr);
        let before = std::mem::replace(&mut self.filtering, true);
        let bound = self.bind_passing(expr, scope);
        self.filtering = before;
        bound
    }

    /// Binds a condition that rows pass if it is true: null is as good as false.
    pub(super) fn bind_passing(&mut self, expr: &mut Expr, scope: &Scope<'_>) -> Result<()> {
        let place = std::mem::replace(&mut self.place, Place::All);
        let bound = self.bind_condition(expr, scope);
        self.place = place;
        bound
    }

    /// Binds an expression that is used as text.
    fn bind_text(&mut self, expr: &mut Expr, scope: &Scope<'_>) -> Result<()> {
        if self.bind_expr(expr, scope)? {
            wrap(expr, Wanted::Text);
        }
        Ok(())
    }

    /// Binds sort keys. JSON is sorted by keys of its own.
    pub(super) fn bind_order(
        &mut self,
        keys: &mut Vec<OrderByExpr>,
        scope: &Scope<'_>,
    ) -> Result<()> {
        let mut bound = Vec::with_capacity(keys.len());
        for mut key in std::mem::take(keys) {
            if self.bind_expr(&mut key.expr, scope)? {
                json::sort_key(&mut key);
            }
            bound.push(key);
        }
        *keys = bound;
        Ok(())
    }

    fn bind_one(&mut self, expr: &mut Expr, scope: &Scope<'_>) -> Result<bool> {
        subquery::not_in_instead(expr);
        calls::operator_instead(expr);
        let place = self.place;
        self.place = match expr {
            Expr::Nested(_) | Expr::BinaryOp { op: BinaryOperator::And, .. } => place,
            Expr::BinaryOp { op: BinaryOperator::Or, .. } if place == Place::All => Place::Some,
            Expr::BinaryOp { op: BinaryOperator::Or, .. } => place,
            _ => Place::Value,
        };
        let bound = match expr {
            Expr::InSubquery { expr: left, .. } if !matches!(left.as_ref(), Expr::Tuple(_)) => {
                self.bind_member(expr, scope, place).map(|()| false)
            }
            _ => self.bind_form(expr, scope),
        };
        self.place = place;
        bound
    }

    /// Binds a query whose values are compared: numbers of objects stay numbers in it.
    fn bind_value_query(
        &mut self,
        query: &mut Query,
        scope: &Scope<'_>,
    ) -> Result<Vec<ScopeColumn>> {
        let shows = std::mem::replace(&mut self.shows_names, false);
        let bound = self.bind_query(query, Some(scope));
        self.shows_names = shows;
        bound
    }

    /// Binds `x IN (query)`. The planner's joins answer what a filter asks, where null is as good
    /// as false; elsewhere, and where the query depends on the row, it is written otherwise.
    fn bind_member(&mut self, expr: &mut Expr, scope: &Scope<'_>, place: Place) -> Result<()> {
        let Expr::InSubquery { expr: left, subquery, negated } = expr else { return Ok(()) };
        let json = self.bind_expr(left, scope)?;
        let before = scope.reached.replace(false);
        let columns = self.bind_value_query(subquery, scope)?;
        let depends = scope.reached.get();
        scope.reached.set(before || depends);
        let column = columns.first();
        if json && column.is_some_and(|column| !column.json) {
            let ty = column.and_then(|column| column.ty.as_ref());
            wrap(left, super::select_list::wanted_for(ty));
        }
        let joined = match (place, *negated) {
            // The planner's join forgets nulls when the left side is the same for all rows.
            (Place::All, true) => !depends && subquery::varies(left),
            (Place::All | Place::Some, false) => true,
            (Place::Some, true) | (Place::Value, _) => false,
        };
        if !joined && columns.len() == 1 && (subquery::asks(left) || !subquery::aggregates(left)) {
            if subquery::asks(left) {
                return Err(Error::unsupported("a query on both sides of IN, here")
                    .with_hint("Compute the left side in a query of the FROM list."));
            }
            qualify(left, scope);
            subquery::bound_member_instead(expr, place != Place::Value);
        }
        Ok(())
    }

    fn bind_form(&mut self, expr: &mut Expr, scope: &Scope<'_>) -> Result<bool> {
        match expr {
            Expr::Identifier(_) => self.bind_identifier(expr, scope),
            Expr::CompoundIdentifier(_) => self.bind_compound(expr, scope),
            Expr::CompoundFieldAccess { .. } => self.bind_access(expr, scope),
            Expr::Nested(inner) => self.bind_expr(inner, scope),
            Expr::Value(_) | Expr::TypedString(_) => Ok(false),
            Expr::Interval(_) => interval::bind(expr).map(|()| false),
            Expr::UnaryOp { op: UnaryOperator::BitwiseNot, expr: inner } => {
                let value = std::mem::replace(inner.as_mut(), build::literal(Value::Null));
                let ones = build::literal(Value::Number("-1".to_owned(), false));
                let flipped = build::binary(value, BinaryOperator::PGBitwiseXor, ones);
                *expr = Expr::Nested(Box::new(flipped));
                self.bind_expr(expr, scope)
            }
            Expr::SimilarTo { .. } => {
                similar_instead(expr)?;
                self.bind_expr(expr, scope)
            }
            Expr::BinaryOp { .. } => self.bind_binary(expr, scope),
            Expr::UnaryOp { op, expr: inner } => {
                if self.bind_expr(inner, scope)? {
                    let not = matches!(op, UnaryOperator::Not);
                    wrap(inner, if not { Wanted::Bool } else { Wanted::Number });
                }
                Ok(false)
            }
            Expr::Function(_) => self.bind_function(expr, scope),
            Expr::Cast { .. } => self.bind_cast(expr, scope),
            Expr::Case { .. } => self.bind_case(expr, scope),
            Expr::Subquery(query) => {
                let columns = self.bind_value_query(query, scope)?;
                Ok(columns.first().is_some_and(|column| column.json))
            }
            Expr::Exists { .. } if !self.filtering => {
                subquery::count_instead(expr);
                self.bind_expr(expr, scope)
            }
            Expr::Exists { subquery, .. } => self.bind_query(subquery, Some(scope)).map(|_| false),
            Expr::AnyOp { .. } | Expr::AllOp { .. } if subquery::is_quantified(expr) => {
                subquery::member_instead(expr);
                self.bind_expr(expr, scope)
            }
            Expr::InSubquery { expr: row, .. } if matches!(row.as_ref(), Expr::Tuple(_)) => {
                subquery::row_member_instead(expr);
                self.bind_expr(expr, scope)
            }
            _ => self.bind_predicate(expr, scope).map(|()| false),
        }
    }

    /// Binds the forms that are true or false, and the rest.
    fn bind_predicate(&mut self, expr: &mut Expr, scope: &Scope<'_>) -> Result<()> {
        match expr {
            Expr::IsNull(inner) | Expr::IsNotNull(inner) => {
                self.bind_expr(inner, scope).map(|_| ())
            }
            Expr::IsTrue(inner)
            | Expr::IsNotTrue(inner)
            | Expr::IsFalse(inner)
            | Expr::IsNotFalse(inner)
            | Expr::IsUnknown(inner)
            | Expr::IsNotUnknown(inner) => self.bind_condition(inner, scope),
            Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => {
                self.bind_same_type(&mut [left, right], scope)
            }
            Expr::InList { expr, list, .. } => {
                let mut parts: Vec<&mut Expr> = vec![expr];
                parts.extend(list.iter_mut());
                self.bind_same_type(&mut parts, scope)
            }
            Expr::InUnnest { expr, array_expr, .. } => {
                self.bind_expr(expr, scope)?;
                self.bind_expr(array_expr, scope).map(|_| ())
            }
            Expr::Between { expr, low, high, .. } => {
                self.bind_same_type(&mut [expr, low, high], scope)
            }
            Expr::Like { expr, pattern, escape_char, .. }
            | Expr::ILike { expr, pattern, escape_char, .. } => {
                calls::escape_instead(pattern, escape_char)?;
                self.bind_text(expr, scope)?;
                self.bind_text(pattern, scope)
            }
            Expr::RLike { expr, pattern, .. } => {
                self.bind_text(expr, scope)?;
                self.bind_text(pattern, scope)
            }
            Expr::AnyOp { left, right, compare_op, .. } => {
                self.bind_expr(left, scope)?;
                self.bind_expr(right, scope)?;
                *expr = quantified(ARRAY_ANY, left, compare_op, right);
                Ok(())
            }
            Expr::AllOp { left, right, compare_op } => {
                self.bind_expr(left, scope)?;
                self.bind_expr(right, scope)?;
                *expr = quantified(ARRAY_ALL, left, compare_op, right);
                Ok(())
            }
            other => self.bind_special(other, scope),
        }
    }

    /// Binds syntax that stands for a function, and lists.
    fn bind_special(&mut self, expr: &mut Expr, scope: &Scope<'_>) -> Result<()> {
        match expr {
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                self.bind_text(expr, scope)?;
                for part in [substring_from, substring_for].into_iter().flatten() {
                    self.bind_expr(part, scope)?;
                }
                Ok(())
            }
            Expr::Trim { expr, trim_what, .. } => {
                self.bind_text(expr, scope)?;
                trim_what.as_mut().map_or(Ok(()), |what| self.bind_text(what, scope))
            }
            Expr::Position { expr, r#in } => {
                self.bind_text(expr, scope)?;
                self.bind_text(r#in, scope)
            }
            Expr::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
                self.bind_text(expr, scope)?;
                self.bind_text(overlay_what, scope)?;
                self.bind_expr(overlay_from, scope)?;
                overlay_for.as_mut().map_or(Ok(()), |part| self.bind_expr(part, scope).map(|_| ()))
            }
            Expr::Ceil { expr, .. } | Expr::Floor { expr, .. } => {
                if self.bind_expr(expr, scope)? {
                    wrap(expr, Wanted::Number);
                }
                Ok(())
            }
            Expr::Extract { expr, .. } | Expr::Collate { expr, .. } => self.bind_text(expr, scope),
            Expr::AtTimeZone { timestamp, time_zone } => {
                self.bind_expr(timestamp, scope)?;
                self.bind_expr(time_zone, scope).map(|_| ())
            }
            Expr::Tuple(items) => self.bind_each(items.iter_mut(), scope),
            Expr::Array(array) => self.bind_each(array.elem.iter_mut(), scope),
            Expr::GroupingSets(sets) | Expr::Cube(sets) | Expr::Rollup(sets) => {
                self.bind_each(sets.iter_mut().flatten(), scope)
            }
            other => Err(Error::unsupported(format!("the expression {other}")).at(position(other))),
        }
    }

    fn bind_each<'e>(
        &mut self,
        items: impl Iterator<Item = &'e mut Expr>,
        scope: &Scope<'_>,
    ) -> Result<()> {
        for item in items {
            self.bind_expr(item, scope)?;
        }
        Ok(())
    }

    /// Binds operands that are compared with each other: JSON ones are read as the kind of the
    /// others.
    fn bind_same_type(&mut self, operands: &mut [&mut Expr], scope: &Scope<'_>) -> Result<()> {
        let mut json = Vec::with_capacity(operands.len());
        for operand in operands.iter_mut() {
            json.push(self.bind_expr(operand, scope)?);
        }
        if !json.contains(&true) {
            return Ok(());
        }
        let kinds = operands.iter().zip(&json).filter(|(_, json)| !**json);
        let kind = kinds.map(|(operand, _)| kind_of(operand)).find(Option::is_some).flatten();
        let all_json = !json.contains(&false);
        for (operand, json) in operands.iter_mut().zip(json) {
            if json && !all_json {
                wrap(operand, kind.unwrap_or(Wanted::Text));
            }
        }
        Ok(())
    }

    fn bind_binary(&mut self, expr: &mut Expr, scope: &Scope<'_>) -> Result<bool> {
        let Expr::BinaryOp { left, op, right } = expr else { return Ok(false) };
        match op {
            BinaryOperator::And | BinaryOperator::Or | BinaryOperator::Xor => {
                self.bind_condition(left, scope)?;
                self.bind_condition(right, scope)?;
                Ok(false)
            }
            BinaryOperator::Arrow | BinaryOperator::HashArrow | BinaryOperator::HashMinus => {
                self.bind_expr(left, scope)?;
                self.bind_expr(right, scope)?;
                Ok(true)
            }
            BinaryOperator::StringConcat => {
                let left = self.bind_expr(left, scope)?;
                Ok(self.bind_expr(right, scope)? && left)
            }
            // A JSON value without a field, or less a number.
            BinaryOperator::Minus => {
                let json = self.bind_expr(left, scope)?;
                self.bind_expr(right, scope)?;
                let names = matches!(right.as_ref(), Expr::Array(_));
                Ok(json && (names || kind_of(right) == Some(Wanted::Text)))
            }
            BinaryOperator::AtQuestion | BinaryOperator::AtAt => {
                self.bind_expr(left, scope)?;
                self.bind_expr(right, scope)?;
                json::check_path(right)?;
                Ok(false)
            }
            BinaryOperator::PGRegexMatch
            | BinaryOperator::PGRegexIMatch
            | BinaryOperator::PGRegexNotMatch
            | BinaryOperator::PGRegexNotIMatch => {
                self.bind_text(left, scope)?;
                self.bind_text(right, scope)?;
                calls::translate_literal(right)?;
                Ok(false)
            }
            BinaryOperator::PGLikeMatch
            | BinaryOperator::PGILikeMatch
            | BinaryOperator::PGNotLikeMatch
            | BinaryOperator::PGNotILikeMatch
            | BinaryOperator::PGStartsWith => {
                self.bind_text(left, scope)?;
                self.bind_text(right, scope)?;
                Ok(false)
            }
            BinaryOperator::Spaceship => {
                *op = BinaryOperator::Custom("<=>".to_owned());
                self.bind_expr(left, scope)?;
                self.bind_expr(right, scope)?;
                Ok(false)
            }
            _ => {
                self.bind_expr(left, scope)?;
                self.bind_expr(right, scope)?;
                Ok(false)
            }
        }
    }

    fn bind_cast(&mut self, expr: &mut Expr, scope: &Scope<'_>) -> Result<bool> {
        let at = position(expr);
        let Expr::Cast { kind, expr: inner, data_type, .. } = expr else { return Ok(false) };
        let within = object_name::cast_to(inner);
        self.bind_expr(inner, scope)?;
        if matches!(kind, CastKind::TryCast | CastKind::SafeCast) {
            return Ok(matches!(data_type, DataType::JSON | DataType::JSONB));
        }
        if let Some(named) = object_name::named(data_type) {
            let inner = std::mem::replace(inner.as_mut(), build::literal(Value::Null));
            *expr = named.read(inner);
            return Ok(false);
        }
        if object_name::is_open_vector(data_type) {
            match object_name::dimension_of(inner) {
                Some(sized) => *data_type = sized,
                // Whatever it is compared with says how long it is.
                None if matches!(inner.as_ref(), Expr::Value(_)) => {
                    *expr = std::mem::replace(inner.as_mut(), build::literal(Value::Null));
                    return Ok(false);
                }
                None => {}
            }
        }
        let Expr::Cast { expr: inner, data_type, .. } = expr else { return Ok(false) };
        if let Some(plain) = object_name::plain(data_type) {
            *data_type = plain;
        }
        if let Some(within) = within.filter(|_| object_name::is_text(data_type)) {
            let number = std::mem::replace(inner.as_mut(), build::literal(Value::Null));
            **inner = within.write(number);
        }
        if matches!(data_type, DataType::JSON | DataType::JSONB) {
            return Ok(true);
        }
        // A cast to a length cuts off what is longer, where storing refuses it.
        if let ColumnType::Varchar(length) = column_type(data_type).map_err(|error| error.at(at))? {
            *data_type = DataType::Text;
            let whole = std::mem::replace(expr, build::literal(Value::Null));
            *expr = build::call("left", vec![whole, build::number(u64::from(length))]);
        }
        Ok(false)
    }

    fn bind_case(&mut self, expr: &mut Expr, scope: &Scope<'_>) -> Result<bool> {
        let Expr::Case { operand, conditions, else_result, .. } = expr else { return Ok(false) };
        match operand {
            None => {
                for when in conditions.iter_mut() {
                    self.bind_condition(&mut when.condition, scope)?;
                }
            }
            Some(operand) => {
                let mut parts: Vec<&mut Expr> = vec![operand];
                parts.extend(conditions.iter_mut().map(|when| &mut when.condition));
                self.bind_same_type(&mut parts, scope)?;
            }
        }
        let mut results: Vec<&mut Expr> =
            conditions.iter_mut().map(|when| &mut when.result).collect();
        results.extend(else_result.as_deref_mut());
        self.bind_results(&mut results, scope)
    }

    /// Binds expressions that give one value together: JSON only if all of them are.
    fn bind_results(&mut self, results: &mut [&mut Expr], scope: &Scope<'_>) -> Result<bool> {
        let mut json = Vec::with_capacity(results.len());
        for result in results.iter_mut() {
            let null = matches!(result, Expr::Value(value) if value.value == Value::Null);
            json.push((self.bind_expr(result, scope)?, null));
        }
        let any = json.iter().any(|(json, _)| *json);
        let all = json.iter().all(|(json, null)| *json || *null);
        if !any || all {
            return Ok(any);
        }
        let kind = results.iter().zip(&json).filter(|(_, (json, _))| !json);
        let kind = kind.map(|(result, _)| kind_of(result)).find(Option::is_some).flatten();
        for (result, (json, _)) in results.iter_mut().zip(json) {
            if json {
                wrap(result, kind.unwrap_or(Wanted::Text));
            }
        }
        Ok(false)
    }

    fn bind_function(&mut self, expr: &mut Expr, scope: &Scope<'_>) -> Result<bool> {
        let Expr::Function(function) = &mut *expr else { return Ok(false) };
        if let Some(meaning) = meaning(function, scope)? {
            *expr = meaning;
            return Ok(false);
        }
        let at = function
            .name
            .0
            .last()
            .and_then(ObjectNamePart::as_ident)
            .map_or(0, |ident| crate::syntax::position_of(ident.span));
        let name = function_name(function);
        lower_name(function);
        if calls::instead(expr).map_err(|error| error.at(at))? {
            return self.bind_expr(expr, scope);
        }
        let Expr::Function(function) = &mut *expr else { return Ok(false) };
        interval::complete(function, &name)?;
        let json = self.bind_arguments(function, scope)?;
        self.bind_clauses(function, scope)?;
        if matches!(json::twin(&name).as_ref(), "json_agg" | "json_object_agg") {
            check_aggregate(function, &name).map_err(|error| error.at(at))?;
            return Ok(json::aggregate(expr, &name));
        }
        if let Some(path) = json::path_argument(&name, function) {
            json::check_path(path)?;
        }
        if json.contains(&true) && needs_order(&name) {
            return Err(Error::new(
                code::UNDEFINED_FUNCTION,
                format!("{name}() of a JSON value has no order to go by"),
            )
            .with_hint(format!("Say which type is meant, for example {name}(field::DOUBLE)."))
            .at(at));
        }
        if name == "matches" && text_search::is_unstemmed(function, scope) {
            function.name = build::object(MATCHES_UNSTEMMED);
        }
        self.read_json_arguments(function, &name, &json);
        if name == "mod"
            && let [left, right] = arguments(function).as_slice()
        {
            let (left, right) = ((*left).clone(), (*right).clone());
            *expr = Expr::Nested(Box::new(build::binary(left, BinaryOperator::Modulo, right)));
            return Ok(false);
        }
        let json_first = json.first() == Some(&true);
        let passes = matches!(
            name.as_str(),
            "coalesce"
                | "nullif"
                | "first_value"
                | "last_value"
                | "nth_value"
                | "lag"
                | "lead"
                | "any_value"
        );
        let wrapped = wanted_by(&name, &arguments(function)).is_some();
        Ok(json::gives_json(&name) || (passes && json_first && !wrapped))
    }

    fn bind_arguments(&mut self, function: &mut Function, scope: &Scope<'_>) -> Result<Vec<bool>> {
        let mut json = Vec::new();
        let takes_rows = json::takes_rows(&function_name(function));
        match &mut function.args {
            FunctionArguments::None => {}
            FunctionArguments::Subquery(query) => {
                self.bind_query(query, Some(scope))?;
            }
            FunctionArguments::List(list) => {
                for arg in &mut list.args {
                    let (FunctionArg::Named { arg, .. }
                    | FunctionArg::ExprNamed { arg, .. }
                    | FunctionArg::Unnamed(arg)) = arg;
                    json.push(match arg {
                        FunctionArgExpr::Expr(expr) if takes_rows && scope.is_row(expr) => {
                            *expr = scope.row(expr)?;
                            self.bind_expr(expr, scope)?
                        }
                        FunctionArgExpr::Expr(expr) => self.bind_expr(expr, scope)?,
                        _ => false,
                    });
                }
                for clause in &mut list.clauses {
                    if let FunctionArgumentClause::OrderBy(keys) = clause {
                        self.bind_order(keys, scope)?;
                    }
                }
            }
        }
        Ok(json)
    }

    fn bind_clauses(&mut self, function: &mut Function, scope: &Scope<'_>) -> Result<()> {
        if let Some(filter) = &mut function.filter {
            self.bind_condition(filter, scope)?;
        }
        self.bind_order(&mut function.within_group, scope)?;
        if let Some(WindowType::WindowSpec(spec)) = &mut function.over {
            self.bind_window(spec, scope)?;
        }
        Ok(())
    }

    /// Binds a window.
    pub(super) fn bind_window(&mut self, spec: &mut WindowSpec, scope: &Scope<'_>) -> Result<()> {
        self.bind_each(spec.partition_by.iter_mut(), scope)?;
        self.bind_order(&mut spec.order_by, scope)?;
        let Some(frame) = &mut spec.window_frame else { return Ok(()) };
        let bounds = [Some(&mut frame.start_bound), frame.end_bound.as_mut()];
        for bound in bounds.into_iter().flatten() {
            if let WindowFrameBound::Preceding(Some(expr))
            | WindowFrameBound::Following(Some(expr)) = bound
            {
                // The planner takes a span only as it is written.
                if !matches!(expr.as_ref(), Expr::Interval(_)) {
                    self.bind_expr(expr, scope)?;
                }
            }
        }
        Ok(())
    }

    fn read_json_arguments(&self, function: &mut Function, name: &str, json: &[bool]) {
        if !json.contains(&true) {
            return;
        }
        let others: Vec<&Expr> = arguments(function);
        let Some(wanted) = wanted_by(name, &others) else { return };
        let FunctionArguments::List(list) = &mut function.args else { return };
        for (arg, json) in list.args.iter_mut().zip(json) {
            if let (FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)), true) = (arg, *json) {
                wrap(expr, wanted);
            }
        }
    }
}

/// The number of arguments that a JSON aggregate takes.
fn check_aggregate(function: &Function, name: &str) -> Result<()> {
    let wanted = if name.ends_with("object_agg") { 2 } else { 1 };
    match arguments(function).len() == wanted {
        true => Ok(()),
        false => {
            let message = format!("function {name}() takes {wanted} arguments");
            Err(Error::new(code::UNDEFINED_FUNCTION, message))
        }
    }
}

/// `x op ANY(array)` as a function; the operator is a text.
fn quantified(name: &str, left: &mut Expr, op: &BinaryOperator, right: &mut Expr) -> Expr {
    let taken = |expr: &mut Expr| std::mem::replace(expr, build::literal(Value::Null));
    build::call(name, vec![build::text(&op.to_string()), taken(left), taken(right)])
}

/// Writes the table before a column, where one has it: the name goes into another query.
fn qualify(expr: &mut Expr, scope: &Scope<'_>) {
    let Expr::Identifier(name) = expr else { return };
    let mut owners = scope.relations.iter().filter(|r| r.column(&name.value).is_some());
    if let (Some(owner), None) = (owners.next(), owners.next())
        && let Some(table) = &owner.name
    {
        *expr = build::column(Some(table), &name.value);
    }
}

/// Function names are case-insensitive; the planner's are lower case.
fn lower_name(function: &mut Function) {
    for part in &mut function.name.0 {
        if let ObjectNamePart::Identifier(ident) = part
            && ident.quote_style.is_none()
        {
            ident.value = ident.value.to_lowercase();
        }
    }
    // `pg_catalog.lower(x)` is `lower(x)`.
    if function.name.0.len() == 2
        && function.name.0[0].as_ident().is_some_and(|ident| ident.value == "pg_catalog")
    {
        function.name.0.remove(0);
    }
}
