//! Which calls and operators stand for others?
//!
//! | written | becomes |
//! | --- | --- |
//! | `a ^ b`, `\|/ a`, `\|\|/ a`, `@ a` | `power(a, b)`, `sqrt(a)`, `cbrt(a)`, `abs(a)` |
//! | `(a, b) OVERLAPS (c, d)` | a function of four values |
//! | `f(p) WITHIN GROUP (ORDER BY x)` | `f_of(array_agg(x ORDER BY x), p)` |
//! | `localtimestamp`, `localtime`, `current_timestamp(2)` | casts of `now()`, rounded |
//! | `ARRAY(SELECT x …)` | `(SELECT array_or_empty(array_agg(x)) …)` |
//! | `x LIKE ANY (ARRAY[a, b])`, `x ~ ALL (ARRAY[a, b])` | `x LIKE a OR x LIKE b`, `x ~ a AND x ~ b` |
//! | `substring(x FROM 'pattern')` | a function of regular expressions |
//! | `f(VARIADIC ARRAY[a, b])` | `f(a, b)` |
//! | `current_setting(x)` | `(SELECT setting FROM pg_settings WHERE name = x)` |
//! | `a OPERATOR(pg_catalog.~) b` | `a ~ b` |

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, DuplicateTreatment, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArgumentClause, FunctionArguments, GroupByExpr, OrderByKind, Query,
    SelectItem, SetExpr, TimezoneInfo, UnaryOperator, Value, ValueWithSpan,
};

use super::build;
use super::engine_function::{arguments, function_name};
use super::path::position;
use crate::error::{Error, Result, code};
use crate::functions::{
    ARRAY_OR_EMPTY, LIKE_ESCAPED, OVERLAPS, ROUND_MOMENT, check_pattern, function_behind,
    like_escaped, translate_pattern,
};
use crate::syntax::VARIADIC;

/// Alias of the session's settings where they are read for a function.
const SETTINGS: &str = "__settings";
/// Names of their columns there.
const SETTING_NAME: &str = "__setting_name";
const SETTING_VALUE: &str = "__setting_value";

/// Puts a function in the place of an operator the planner does not know.
pub(super) fn operator_instead(expr: &mut Expr) {
    let taken = |expr: &mut Expr| std::mem::replace(expr, build::literal(Value::Null));
    let made = match expr {
        Expr::Like { any: true, pattern, .. } | Expr::ILike { any: true, pattern, .. } => {
            let Expr::Array(array) = unwrapped(pattern) else { return };
            let each = array.elem.clone().into_iter().map(|pattern| with_pattern(expr, pattern));
            match each.reduce(|a, b| build::binary(a, BinaryOperator::Or, b)) {
                Some(any) => any,
                None => return,
            }
        }
        Expr::AnyOp { left, compare_op, right, .. } => match each_of(left, compare_op, right) {
            Some(all) => joined(all, BinaryOperator::Or),
            None => return,
        },
        Expr::AllOp { left, compare_op, right } => match each_of(left, compare_op, right) {
            Some(all) => joined(all, BinaryOperator::And),
            None => return,
        },
        Expr::Substring { expr, substring_from: Some(from), substring_for: None, .. }
            if is_text(from) =>
        {
            build::call("regexp_part", vec![taken(expr), taken(from)])
        }
        Expr::Collate { expr, collation } if is_by_bytes(&collation.to_string()) => taken(expr),
        Expr::Value(value) => {
            if let Value::UnicodeStringLiteral(text) = &mut value.value {
                value.value = Value::SingleQuotedString(std::mem::take(text));
            }
            return;
        }
        Expr::BinaryOp { op: op @ BinaryOperator::PGCustomBinaryOperator(_), .. } => {
            let Some(plain) = operator_named(op) else { return };
            *op = plain;
            return operator_instead(expr);
        }
        Expr::BinaryOp { left, op: BinaryOperator::PGExp, right } => {
            build::call("power", vec![taken(left), taken(right)])
        }
        Expr::BinaryOp { left, op: BinaryOperator::PGStartsWith, right } => {
            build::call("starts_with", vec![taken(left), taken(right)])
        }
        Expr::BinaryOp { left, op: BinaryOperator::Overlaps, right } => {
            let (Expr::Tuple(one), Expr::Tuple(other)) = (left.as_mut(), right.as_mut()) else {
                return;
            };
            if one.len() != 2 || other.len() != 2 {
                return;
            }
            let values = one.iter_mut().chain(other).map(taken).collect();
            build::call(OVERLAPS, values)
        }
        Expr::UnaryOp { op, expr } => {
            let name = match op {
                UnaryOperator::PGSquareRoot => "sqrt",
                UnaryOperator::PGCubeRoot => "cbrt",
                UnaryOperator::PGAbs => "abs",
                _ => return,
            };
            build::call(name, vec![taken(expr)])
        }
        _ => return,
    };
    *expr = made;
}

/// What `OPERATOR(pg_catalog.~)` and the like mean; `None` for an operator with another name.
fn operator_named(op: &BinaryOperator) -> Option<BinaryOperator> {
    let BinaryOperator::PGCustomBinaryOperator(parts) = op else { return None };
    let name = match parts.as_slice() {
        [name] => name,
        [schema, name] if schema.eq_ignore_ascii_case("pg_catalog") => name,
        _ => return None,
    };
    Some(match name.as_str() {
        "=" => BinaryOperator::Eq,
        "<>" | "!=" => BinaryOperator::NotEq,
        "<" => BinaryOperator::Lt,
        "<=" => BinaryOperator::LtEq,
        ">" => BinaryOperator::Gt,
        ">=" => BinaryOperator::GtEq,
        "+" => BinaryOperator::Plus,
        "-" => BinaryOperator::Minus,
        "*" => BinaryOperator::Multiply,
        "/" => BinaryOperator::Divide,
        "%" => BinaryOperator::Modulo,
        "||" => BinaryOperator::StringConcat,
        "~" => BinaryOperator::PGRegexMatch,
        "~*" => BinaryOperator::PGRegexIMatch,
        "!~" => BinaryOperator::PGRegexNotMatch,
        "!~*" => BinaryOperator::PGRegexNotIMatch,
        "~~" => BinaryOperator::PGLikeMatch,
        "~~*" => BinaryOperator::PGILikeMatch,
        "!~~" => BinaryOperator::PGNotLikeMatch,
        "!~~*" => BinaryOperator::PGNotILikeMatch,
        _ => return None,
    })
}

/// Whether an expression is a text as it is written.
fn is_text(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(
        value.value,
        Value::SingleQuotedString(_) | Value::EscapedStringLiteral(_)
    ))
}

/// Whether a collation compares bytes, as all of our comparisons do.
fn is_by_bytes(name: &str) -> bool {
    let name = name.replace('"', "");
    let name = name.strip_prefix("pg_catalog.").unwrap_or(&name);
    ["C", "POSIX", "ucs_basic", "default"].contains(&name)
}

fn unwrapped(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(inner) => unwrapped(inner),
        expr => expr,
    }
}

/// A LIKE with another pattern.
fn with_pattern(like: &Expr, with: Expr) -> Expr {
    let mut like = like.clone();
    if let Expr::Like { any, pattern, .. } | Expr::ILike { any, pattern, .. } = &mut like {
        *any = false;
        **pattern = with;
    }
    like
}

/// The comparisons of a value with each pattern of an array that is written out. `None` for
/// comparisons that the engine's own ANY and ALL know.
fn each_of(left: &Expr, op: &BinaryOperator, right: &Expr) -> Option<Vec<Expr>> {
    let patterns = matches!(
        op,
        BinaryOperator::PGRegexMatch
            | BinaryOperator::PGRegexIMatch
            | BinaryOperator::PGRegexNotMatch
            | BinaryOperator::PGRegexNotIMatch
            | BinaryOperator::PGLikeMatch
            | BinaryOperator::PGILikeMatch
            | BinaryOperator::PGNotLikeMatch
            | BinaryOperator::PGNotILikeMatch
    );
    let Expr::Array(array) = unwrapped(right) else { return None };
    let each = array.elem.iter().map(|with| build::binary(left.clone(), op.clone(), with.clone()));
    (patterns && !array.elem.is_empty()).then(|| each.collect())
}

fn joined(all: Vec<Expr>, op: BinaryOperator) -> Expr {
    let one = all.into_iter().reduce(|a, b| build::binary(a, op.clone(), b));
    one.unwrap_or_else(|| build::literal(Value::Null))
}

/// Writes a pattern of LIKE with the planner's own sign that escapes, the backslash.
///
/// **Errors**: 0A000 for a sign that is no literal, 22025 for a sign of several letters.
pub(super) fn escape_instead(pattern: &mut Expr, escape: &mut Option<ValueWithSpan>) -> Result<()> {
    let Some(given) = escape.take() else { return Ok(()) };
    let (Value::SingleQuotedString(sign) | Value::EscapedStringLiteral(sign)) = &given.value else {
        return Err(Error::unsupported("ESCAPE of something that is no text"));
    };
    if sign == "\\" {
        return Ok(());
    }
    let mut letters = sign.chars();
    let sign = letters.next();
    if letters.next().is_some() {
        return Err(Error::new(code::ESCAPE_SEQUENCE, "invalid escape string")
            .with_hint("Escape string must be empty or one character.")
            .at(crate::syntax::position_of(given.span)));
    }
    let Expr::Value(value) = pattern else {
        let computed = std::mem::replace(pattern, build::literal(Value::Null));
        *pattern = build::call(
            LIKE_ESCAPED,
            vec![computed, build::text(&sign.map_or_else(String::new, String::from))],
        );
        return Ok(());
    };
    if let Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) = &mut value.value {
        *text = like_escaped(text, sign);
    }
    Ok(())
}

/// Writes a pattern that is a literal as the planner's regular expressions are read.
///
/// **Errors**: 2201B for one that cannot be read.
pub(super) fn translate_literal(pattern: &mut Expr) -> Result<()> {
    let at = position(pattern);
    let Expr::Value(value) = pattern else { return Ok(()) };
    if let Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) = &mut value.value {
        check_pattern(text).map_err(|error| error.at(at))?;
        let translated = translate_pattern(text);
        // Here a dot finds line ends; a pattern without one is left as it is, for LIKE.
        let dots = translated.contains('.');
        *text = if dots { format!("(?s){translated}") } else { translated };
    }
    Ok(())
}

/// Puts another expression in the place of a call. Returns whether it did.
///
/// **Errors**: 42883 for aggregates of sorted values without what they need.
pub(super) fn instead(expr: &mut Expr) -> Result<bool> {
    let Expr::Function(function) = expr else { return Ok(false) };
    let name = function_name(function);
    let spread = spread(function, &name)?;
    let digits = || match arguments(function).as_slice() {
        [Expr::Value(value)] => Some(Expr::Value(value.clone())),
        _ => None,
    };
    let made = match name.as_str() {
        "localtimestamp" => rounded(cast(now(), timestamp()), digits()),
        "localtime" => {
            let moment = rounded(cast(now(), timestamp()), digits());
            cast(moment, DataType::Time(None, TimezoneInfo::None))
        }
        "current_timestamp" | "now" if digits().is_some() => {
            let zoned = DataType::Timestamp(None, TimezoneInfo::WithTimeZone);
            rounded(cast(now(), zoned), digits())
        }
        "transaction_timestamp" | "statement_timestamp" => now(),
        "current_setting" if !arguments(function).is_empty() => setting_named(function),
        "timeofday" => cast(build::call("clock_timestamp", Vec::new()), DataType::Text),
        "timezone" => match arguments(function).as_slice() {
            [zone, moment] => Expr::AtTimeZone {
                timestamp: Box::new((*moment).clone()),
                time_zone: Box::new((*zone).clone()),
            },
            _ => return Ok(spread),
        },
        "make_timestamptz" if arguments(function).len() == 7 => zoned(function),
        "date_trunc" if arguments(function).len() == 3 => {
            let args: Vec<Expr> = arguments(function).into_iter().cloned().collect();
            let at = |moment: Expr| Expr::AtTimeZone {
                timestamp: Box::new(moment),
                time_zone: Box::new(args[2].clone()),
            };
            let local = at(args[1].clone());
            at(build::call("date_trunc", vec![args[0].clone(), local]))
        }
        "array" => match &function.args {
            FunctionArguments::Subquery(query) => array_of_query(query)?,
            _ => return Ok(spread),
        },
        "array_agg" | "string_agg" | "json_agg" | "jsonb_agg" => {
            sort_distinct(function);
            return Ok(spread);
        }
        _ if !function.within_group.is_empty() => match function_behind(&name) {
            Some(behind) => sorted(function, &name, behind)?,
            None => return Ok(spread),
        },
        "mode" | "percentile_cont" | "percentile_disc" => {
            let message = format!("WITHIN GROUP is required for ordered-set aggregate {name}");
            return Err(Error::new(code::WRONG_OBJECT_TYPE, message)
                .with_hint(format!("Write {name}(...) WITHIN GROUP (ORDER BY value).")));
        }
        _ => return Ok(spread),
    };
    *expr = made;
    Ok(true)
}

/// `current_setting(x)` of a name that is not written out: what the session's settings say. Their
/// columns get other names first: `x` may be a column called `name`.
fn setting_named(function: &Function) -> Expr {
    let lower = |expr: Expr| build::call("lower", vec![expr]);
    let named = arguments(function).first().map_or(build::literal(Value::Null), |of| (*of).clone());
    let renamed = |(column, alias): (&str, &str)| SelectItem::ExprWithAlias {
        expr: build::column(Some(SETTINGS), column),
        alias: build::ident(alias),
    };
    let columns = [("name", SETTING_NAME), ("setting", SETTING_VALUE)].map(renamed);
    let all = vec![build::from_item(build::table_in("pg_catalog", "pg_settings", SETTINGS))];
    let all = build::query(build::select(columns.into(), all, None), Vec::new(), None);
    let from = vec![build::from_item(build::derived(all, Some(build::table_alias(SETTINGS))))];
    let of = |column: &str| build::column(Some(SETTINGS), column);
    let filter = build::binary(lower(of(SETTING_NAME)), BinaryOperator::Eq, lower(named));
    let value = SelectItem::UnnamedExpr(of(SETTING_VALUE));
    let select = build::select(vec![value], from, Some(filter));
    Expr::Subquery(Box::new(build::query(select, Vec::new(), None)))
}

fn timestamp() -> DataType {
    DataType::Timestamp(None, TimezoneInfo::None)
}

fn now() -> Expr {
    build::call("now", Vec::new())
}

fn cast(expr: Expr, data_type: DataType) -> Expr {
    let expr = Box::new(expr);
    Expr::Cast { kind: CastKind::Cast, expr, data_type, array: false, format: None }
}

fn rounded(expr: Expr, digits: Option<Expr>) -> Expr {
    match digits {
        Some(digits) => build::call(ROUND_MOMENT, vec![expr, digits]),
        None => expr,
    }
}

/// `make_timestamptz(…, zone)`: the time there.
fn zoned(function: &Function) -> Expr {
    let mut args: Vec<Expr> = arguments(function).into_iter().cloned().collect();
    let zone = args.pop().unwrap_or_else(|| build::text("UTC"));
    let timestamp = Box::new(build::call("make_timestamp", args));
    Expr::AtTimeZone { timestamp, time_zone: Box::new(zone) }
}

/// `f(p) WITHIN GROUP (ORDER BY x)`.
fn sorted(function: &Function, name: &str, behind: &str) -> Result<Expr> {
    let [key] = function.within_group.as_slice() else {
        return Err(Error::unsupported(format!("{name}() over several sorted values")));
    };
    let hypothetical = !matches!(name, "mode" | "percentile_cont" | "percentile_disc");
    let direct: Vec<Expr> = arguments(function).into_iter().cloned().collect();
    let wanted = usize::from(name != "mode");
    if direct.len() != wanted {
        let message = format!("function {name}() WITHIN GROUP takes {wanted} arguments");
        return Err(Error::new(code::UNDEFINED_FUNCTION, message));
    }
    if function.over.is_some() {
        return Err(Error::unsupported(format!("{name}() WITHIN GROUP over a window")));
    }
    let descends = key.options.asc == Some(false);
    let mut all = build::call("array_agg", vec![key.expr.clone()]);
    if let Expr::Function(all) = &mut all {
        all.filter = function.filter.clone();
        if let FunctionArguments::List(list) = &mut all.args {
            list.duplicate_treatment = Some(DuplicateTreatment::All);
            list.clauses.push(FunctionArgumentClause::OrderBy(vec![key.clone()]));
        }
    }
    let mut args = vec![all];
    args.extend(direct);
    if hypothetical {
        args.push(build::literal(Value::Boolean(descends)));
    }
    Ok(build::call(behind, args))
}

/// The different values of an aggregate come in their order, as PostgreSQL finds them by sorting.
fn sort_distinct(function: &mut Function) {
    let FunctionArguments::List(list) = &mut function.args else { return };
    let distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
    let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(value))) = list.args.first() else {
        return;
    };
    if distinct && list.clauses.is_empty() && function.over.is_none() {
        let key = build::ascending(value.clone());
        list.clauses.push(FunctionArgumentClause::OrderBy(vec![key]));
    }
}

/// Alias of a query whose values become an array, and of those values.
const VALUES: &str = "__values";

/// `ARRAY(query)`: the values of its only column, in its order.
fn array_of_query(query: &Query) -> Result<Expr> {
    let mut query = query.clone();
    if query.order_by.is_none() && has_query_inside(&mut query) {
        // An aggregate takes no query: the values are made below it.
        let alias = Some(build::table_alias(VALUES));
        let value = SelectItem::UnnamedExpr(build::column(Some(VALUES), VALUES));
        let from = vec![build::from_item(build::derived(query, alias))];
        query = build::query(build::select(vec![value], from, None), Vec::new(), None);
    }
    let limited = query.limit_clause.is_some() || query.fetch.is_some();
    if let SetExpr::Select(select) = query.body.as_mut()
        && let [SelectItem::UnnamedExpr(value) | SelectItem::ExprWithAlias { expr: value, .. }] =
            select.projection.as_slice()
        && !limited
        && select.distinct.is_none()
        && select.having.is_none()
        && matches!(&select.group_by, GroupByExpr::Expressions(keys, _) if keys.is_empty())
        && !super::subquery::aggregates(value)
    {
        let mut all = build::call("array_agg", vec![value.clone()]);
        let keys = query.order_by.take().map(|order| order.kind);
        if let (Some(OrderByKind::Expressions(keys)), Expr::Function(all)) = (keys, &mut all)
            && let FunctionArguments::List(list) = &mut all.args
        {
            list.clauses.push(FunctionArgumentClause::OrderBy(keys));
        }
        select.projection = vec![SelectItem::UnnamedExpr(build::call(ARRAY_OR_EMPTY, vec![all]))];
        return Ok(Expr::Subquery(Box::new(query)));
    }
    Err(Error::unsupported("ARRAY() of a query with groups, DISTINCT or LIMIT")
        .with_hint("Put the query into FROM: ARRAY(SELECT x FROM (SELECT ...) AS t)."))
}

/// Whether the only column of a query asks another one; then it is given a name.
fn has_query_inside(query: &mut Query) -> bool {
    let SetExpr::Select(select) = query.body.as_mut() else { return false };
    let [SelectItem::UnnamedExpr(value) | SelectItem::ExprWithAlias { expr: value, .. }] =
        select.projection.as_slice()
    else {
        return false;
    };
    if !super::subquery::asks(value) {
        return false;
    }
    let named = SelectItem::ExprWithAlias { expr: value.clone(), alias: build::ident(VALUES) };
    select.projection = vec![named];
    true
}

/// Writes out `VARIADIC ARRAY[…]`. Returns whether there was one.
///
/// **Errors**: 0A000 for an array that is not written out.
fn spread(function: &mut Function, name: &str) -> Result<bool> {
    let FunctionArguments::List(list) = &mut function.args else { return Ok(false) };
    let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Function(last)))) = list.args.last()
    else {
        return Ok(false);
    };
    if function_name(last) != VARIADIC {
        return Ok(false);
    }
    let elements = match arguments(last).as_slice() {
        [Expr::Array(array)] => array.elem.clone(),
        _ => {
            return Err(Error::unsupported("VARIADIC with an array that is not written out")
                .with_hint(format!("Write {name}(VARIADIC ARRAY[a, b]), or {name}(a, b).")));
        }
    };
    list.args.pop();
    let elements = elements.into_iter().map(FunctionArgExpr::Expr).map(FunctionArg::Unnamed);
    list.args.extend(elements);
    Ok(true)
}
