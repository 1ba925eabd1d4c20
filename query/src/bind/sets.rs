//! Which functions give several rows, and how do they stand in a FROM list?
//!
//! `FROM t, jsonb_array_elements(t.tags) AS tag` becomes one item,
//!
//! ```text
//! __unnest('<spec>', (SELECT * FROM t), json_array_elements(t.tags))
//! ```
//!
//! whose second argument holds what is to the left, null if there is nothing, and whose others give
//! lists: one row comes of each element ([`crate::plan`] makes it so). So a function sees all tables
//! to its left, as if it were written `LATERAL`.
//!
//! The planner cannot give a function columns of an outer query. Where the function is the first item
//! of a subquery and takes columns of one table around it, that table is read again, and the records
//! are found by their keys:
//!
//! ```text
//! EXISTS (SELECT 1 FROM jsonb_object_keys(t.doc) AS k WHERE k = 'x')
//! EXISTS (SELECT 1 FROM t AS __own, jsonb_object_keys(__own.doc) AS k
//!             WHERE k = 'x' AND __own._key = t._key)
//! ```

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, Expr, FunctionArg, FunctionArgExpr, Ident, Join, JoinConstraint,
    JoinOperator, SelectItem, TableAlias, TableFactor, TableWithJoins, Value, visit_expressions,
    visit_expressions_mut,
};
use serde_json::json;

use super::engine_function::arguments;
use super::json::{check_path, twin};
use super::query::Binder;
use super::scope::{KEY, Relation, Scope, ScopeColumn};
use super::select_list::natural_name;
use super::{build, engine_function};
use crate::error::{Error, Result, code};
use crate::functions::{MATCHES_LIST, ORDINALS};
use crate::syntax::{name_of, position_of};

/// Name of the table function that gives a row for each element of lists.
pub const UNNEST_FUNCTION: &str = "__unnest";

/// The alias of a function of a SELECT list that was moved to FROM; `*` does not show it.
const MOVED: &str = "__rows";

/// What the alias of a table that is read again begins with.
const OWN: &str = "__own";

/// What is handed to [`UNNEST_FUNCTION`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unnesting {
    /// The alias of the rows.
    pub alias: String,
    /// The names of the columns, one for each list.
    pub columns: Vec<String>,
    /// Whether a row to the left without elements stays, with nulls.
    pub outer: bool,
}

/// A column that a function gives.
struct SetColumn {
    /// The function whose list holds the column's values.
    list: &'static str,
    /// Its name; `None` = that of the rows.
    name: Option<&'static str>,
    json: bool,
}

/// Functions of a FROM list, by their `json_` name.
const FUNCTIONS: &[(&str, &[SetColumn])] = &[
    ("json_array_elements", &[json_column("json_array_elements", Some("value"))]),
    ("json_array_elements_text", &[text_column("json_array_elements_text", Some("value"))]),
    ("json_object_keys", &[text_column("json_object_keys", None)]),
    (
        "json_each",
        &[
            text_column("json_object_keys", Some("key")),
            json_column("json_object_values", Some("value")),
        ],
    ),
    (
        "json_each_text",
        &[
            text_column("json_object_keys", Some("key")),
            text_column("json_object_values_text", Some("value")),
        ],
    ),
    ("json_path_query", &[json_column("json_path_items", None)]),
    ("generate_series", &[text_column("generate_series", None)]),
    ("generate_subscripts", &[text_column("generate_subscripts", None)]),
    ("pg_partition_ancestors", &[text_column("pg_partition_ancestors", None)]),
    ("regexp_matches", &[text_column(MATCHES_LIST, None)]),
    ("regexp_split_to_table", &[text_column("regexp_split_to_array", None)]),
    ("string_to_table", &[text_column("string_to_array", None)]),
];

/// Functions that take more than one value.
const SEVERAL: &[&str] = &[
    "generate_series",
    "generate_subscripts",
    "regexp_matches",
    "regexp_split_to_table",
    "string_to_table",
];

const fn json_column(list: &'static str, name: Option<&'static str>) -> SetColumn {
    SetColumn { list, name, json: true }
}

/// A column of texts, or of whatever else is not JSON.
const fn text_column(list: &'static str, name: Option<&'static str>) -> SetColumn {
    SetColumn { list, name, json: false }
}

fn columns_of(function: &str) -> Option<&'static [SetColumn]> {
    let function = twin(function);
    FUNCTIONS.iter().find(|(name, _)| *name == function).map(|(_, columns)| *columns)
}

/// A function in a FROM list.
#[derive(Debug)]
pub(super) struct SetCall {
    function: String,
    args: Vec<Expr>,
    alias: Option<TableAlias>,
    ordinality: bool,
    position: usize,
}

/// Returns the function that an item of a FROM list calls, if it gives rows.
///
/// **Errors**: 0A000 for what it cannot be given.
pub(super) fn set_call(factor: &TableFactor) -> Result<Option<SetCall>> {
    let (name, args, alias, ordinality) = match factor {
        TableFactor::Table { name, args: Some(args), alias, with_ordinality, .. } => {
            (name, &args.args, alias, *with_ordinality)
        }
        TableFactor::Function { name, args, alias, with_ordinality, .. } => {
            (name, args, alias, *with_ordinality)
        }
        TableFactor::UNNEST { alias, array_exprs, with_offset, with_ordinality, .. } => {
            if *with_offset {
                return Err(Error::unsupported("WITH OFFSET").with_hint("Use WITH ORDINALITY."));
            }
            return Ok(Some(SetCall {
                function: "unnest".to_owned(),
                args: array_exprs.clone(),
                alias: alias.clone(),
                ordinality: *with_ordinality,
                position: 0,
            }));
        }
        _ => return Ok(None),
    };
    let Some(ident) = name.0.last().and_then(|part| part.as_ident()) else { return Ok(None) };
    let function = ident.value.to_lowercase();
    if columns_of(&function).is_none() && function != "unnest" {
        return Ok(None);
    }
    let args = args.iter().map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr.clone()),
        _ => Err(Error::unsupported("an argument with a name").with_hint("Leave the name out.")),
    });
    let args = args.collect::<Result<_>>()?;
    let position = position_of(ident.span);
    Ok(Some(SetCall { function, args, alias: alias.clone(), ordinality, position }))
}

/// Returns whether a join with a function keeps the rows on its left that have no elements, and
/// the condition that belongs to WHERE.
///
/// **Errors**: 0A000 for other joins.
pub(super) fn join_of_set(join: &Join) -> Result<(bool, Option<Expr>)> {
    let refused = |what: &str| {
        Err(Error::unsupported(format!("{what} with a function that gives rows"))
            .with_hint("Use CROSS JOIN LATERAL, or LEFT JOIN LATERAL ... ON true."))
    };
    let (constraint, outer) = match &join.join_operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::CrossJoin(constraint) => (constraint, false),
        JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => (constraint, true),
        JoinOperator::Right(_) | JoinOperator::RightOuter(_) => return refused("RIGHT JOIN"),
        JoinOperator::FullOuter(_) => return refused("FULL JOIN"),
        _ => return refused("this join"),
    };
    match constraint {
        JoinConstraint::None if !outer => Ok((false, None)),
        JoinConstraint::On(Expr::Value(value)) if value.value == Value::Boolean(true) => {
            Ok((outer, None))
        }
        JoinConstraint::On(condition) if !outer => Ok((false, Some(condition.clone()))),
        _ => refused("this condition of a join"),
    }
}

impl Binder<'_> {
    /// Binds a function that gives rows for each row of `left`, and adds its rows to the scope.
    pub(super) fn bind_rows(
        &mut self,
        mut call: SetCall,
        mut left: Option<TableWithJoins>,
        outer: bool,
        scope: &mut Scope<'_>,
        filters: &mut Vec<Expr>,
    ) -> Result<TableWithJoins> {
        let own = match left {
            None => self.own_record(&call, scope),
            Some(_) => None,
        };
        let json = match own {
            Some(own) => {
                call.args = own.args;
                left = Some(own.record);
                filters.push(own.condition);
                scope.add(own.relation, 0)?;
                own.json
            }
            None => self.bind_all(&mut call.args, scope)?,
        };
        let alias = call.alias.as_ref().map(|alias| name_of(&alias.name).text);
        let alias = alias.unwrap_or_else(|| call.function.clone());
        let (mut lists, mut columns) = lists_of(&call, &json, &alias)?;
        if call.ordinality {
            lists.push(build::call(ORDINALS, lists.clone()));
            columns.push(shown("ordinality", false));
        }
        if let Some(alias) = &call.alias {
            super::from::rename(&mut columns, alias)?;
        }
        let alone = columns.len() - usize::from(call.ordinality) == 1;
        let value = columns.first().filter(|_| alone).map(|column| column.name.clone());
        let spec = Unnesting {
            alias: alias.clone(),
            columns: columns.iter().map(|column| column.name.clone()).collect(),
            outer,
        };
        let relation = Relation { value, ..Relation::derived(Some(alias), columns) };
        scope.add(relation, call.position)?;
        let left = match left {
            None => build::literal(Value::Null),
            Some(left) => {
                let all = vec![SelectItem::Wildcard(Default::default())];
                let select = build::select(all, vec![left], None);
                Expr::Subquery(Box::new(build::query(select, Vec::new(), None)))
            }
        };
        let mut args = vec![build::text(&spec.encode()), left];
        args.append(&mut lists);
        Ok(build::from_item(build::table_function(UNNEST_FUNCTION, args)))
    }
}

/// A record of an outer query's table, read again.
struct OwnRecord {
    record: TableWithJoins,
    /// What its alias has: the key alone, so that other names still mean the outer query's.
    relation: Relation,
    /// That it is the outer query's record.
    condition: Expr,
    /// Arguments of a function over its columns, bound, and whether they are JSON.
    args: Vec<Expr>,
    json: Vec<bool>,
}

impl Binder<'_> {
    fn bind_all(&mut self, args: &mut [Expr], scope: &Scope<'_>) -> Result<Vec<bool>> {
        args.iter_mut().map(|arg| self.bind_expr(arg, scope)).collect()
    }

    /// Finds the table around a subquery whose columns a function takes that is its first item.
    fn own_record(&mut self, call: &SetCall, scope: &Scope<'_>) -> Option<OwnRecord> {
        let around = scope.parent.filter(|_| scope.relations.is_empty())?;
        if self.bind_all(&mut call.args.clone(), &Scope::default()).is_ok() {
            return None;
        }
        let own = format!("{OWN}{}", self.depth());
        let taken = call.alias.as_ref().map(|alias| name_of(&alias.name).text);
        around.relations.iter().find_map(|outer| {
            let (table, alias) = (outer.table.as_ref()?, outer.name.as_ref()?);
            let others = call.args.iter().any(|arg| names_others(arg, alias, around));
            if Some(alias) == taken.as_ref() || others {
                return None;
            }
            let mut args = call.args.clone();
            args.iter_mut().for_each(|arg| rename_table(arg, alias, &own));
            let whole = Relation::of_table(table, &own);
            let inside = Scope { relations: vec![whole], ..Scope::default() };
            let json = self.bind_all(&mut args, &inside).ok()?;
            let key = |alias: &str| build::column(Some(alias), KEY);
            Some(OwnRecord {
                record: build::from_item(build::table(&table.name, Some(&own))),
                relation: Relation::derived(Some(own.clone()), vec![ScopeColumn::made(KEY)]),
                condition: build::binary(key(&own), BinaryOperator::Eq, key(alias)),
                args,
                json,
            })
        })
    }
}

/// Returns whether an expression may mean another table around than that of an alias. A field of a
/// document may have any name, so binding would not find out.
fn names_others(expr: &Expr, alias: &str, around: &Scope<'_>) -> bool {
    let others = |ident: &Ident| {
        let name = name_of(ident).text;
        name != alias && (around.relation(&name).is_some() || around.relations.len() > 1)
    };
    let found = visit_expressions(expr, |expr: &Expr| {
        let named = match expr {
            Expr::Identifier(ident) => Some(ident),
            Expr::CompoundIdentifier(idents) => idents.first(),
            _ => None,
        };
        match named.is_some_and(others) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    found.is_break()
}

/// Makes names that begin with one alias begin with another.
fn rename_table(expr: &mut Expr, from: &str, to: &str) {
    let _ = visit_expressions_mut(expr, |expr| {
        let first = match expr {
            Expr::CompoundIdentifier(idents) => idents.first_mut(),
            Expr::CompoundFieldAccess { root, access_chain } => {
                match (root.as_mut(), access_chain.first()) {
                    (Expr::Identifier(ident), Some(AccessExpr::Dot(_))) => Some(ident),
                    _ => None,
                }
            }
            _ => None,
        };
        if let Some(first) = first.filter(|first| name_of(first).text == from) {
            *first = Ident { span: first.span, ..build::ident(to) };
        }
        ControlFlow::<()>::Continue(())
    });
}

/// The lists of a call, and the columns they give.
fn lists_of(call: &SetCall, json: &[bool], alias: &str) -> Result<(Vec<Expr>, Vec<ScopeColumn>)> {
    if call.args.is_empty() {
        let message = format!("function {}() wants a value", call.function);
        return Err(Error::new(code::UNDEFINED_FUNCTION, message).at(call.position));
    }
    let Some(described) = columns_of(&call.function) else {
        let several = call.args.len() > 1;
        let lists = call.args.iter().zip(json).map(|(arg, json)| match json {
            true => build::call("json_array_elements", vec![arg.clone()]),
            false => arg.clone(),
        });
        let name = if several { "unnest" } else { alias };
        let columns = json.iter().map(|json| shown(name, *json)).collect();
        return Ok((lists.collect(), numbered(columns)));
    };
    if twin(&call.function) == "json_path_query" {
        call.args.get(1).map_or(Ok(()), check_path)?;
    } else if call.args.len() > 1 && !SEVERAL.contains(&call.function.as_str()) {
        let message = format!("function {}() takes one value", call.function);
        return Err(Error::new(code::UNDEFINED_FUNCTION, message).at(call.position));
    }
    let lists = described.iter().map(|column| build::call(column.list, call.args.clone()));
    let columns = described.iter().map(|column| shown(column.name.unwrap_or(alias), column.json));
    Ok((lists.collect(), columns.collect()))
}

fn shown(name: &str, json: bool) -> ScopeColumn {
    ScopeColumn { name: name.to_owned(), json, hidden: false, ty: None }
}

/// Gives columns of one name numbers from the second on.
fn numbered(mut columns: Vec<ScopeColumn>) -> Vec<ScopeColumn> {
    for (number, column) in columns.iter_mut().enumerate().skip(1) {
        column.name = format!("{}_{}", column.name, number + 1);
    }
    columns
}

/// All items of a FROM list as one.
pub(super) fn joined(items: Vec<TableWithJoins>) -> Option<TableWithJoins> {
    let mut items = items.into_iter();
    let mut first = items.next()?;
    for item in items {
        let relation = if item.joins.is_empty() {
            item.relation
        } else {
            TableFactor::NestedJoin { table_with_joins: Box::new(item), alias: None }
        };
        let join_operator = JoinOperator::CrossJoin(JoinConstraint::None);
        first.joins.push(Join { relation, global: false, join_operator });
    }
    Some(first)
}

/// Moves a function that gives rows from a SELECT list to the end of its FROM list.
///
/// **Errors**: 0A000 for several, and for one that gives several columns.
pub(super) fn move_to_from(items: &mut [SelectItem], from: &mut Vec<TableWithJoins>) -> Result<()> {
    let mut moved = false;
    for item in items {
        let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = &*item
        else {
            continue;
        };
        let Expr::Function(function) = expr else { continue };
        let name = engine_function::function_name(function);
        let Some(columns) = columns_of(&name) else { continue };
        let position = super::path::position(expr);
        if moved || columns.len() > 1 {
            let what = match moved {
                true => "several functions that give rows in one SELECT list".to_owned(),
                false => format!("{name}() in a SELECT list"),
            };
            let hint = format!("Put it into FROM: FROM t, {name}(...) AS r.");
            return Err(Error::unsupported(what).with_hint(hint).at(position));
        }
        moved = true;
        let args: Vec<Expr> = arguments(function).into_iter().cloned().collect();
        let mut factor = build::table_function(&name, args);
        if let TableFactor::Table { name: called, alias, .. } = &mut factor {
            let mut ident: Ident = build::ident(&name);
            ident.span = function
                .name
                .0
                .last()
                .and_then(|part| part.as_ident())
                .map_or(ident.span, |written| written.span);
            *called = ident.into();
            *alias = Some(build::table_alias(MOVED));
        }
        from.push(build::from_item(factor));
        let alias = match item {
            SelectItem::ExprWithAlias { alias, .. } => alias.clone(),
            SelectItem::UnnamedExpr(expr) => build::ident(&natural_name(expr)),
            _ => continue,
        };
        *item = SelectItem::ExprWithAlias { expr: Expr::Identifier(build::ident(MOVED)), alias };
    }
    Ok(())
}

impl Unnesting {
    /// Returns the text that [`Unnesting::decode`] reads.
    pub fn encode(&self) -> String {
        json!({"alias": self.alias, "columns": self.columns, "outer": self.outer}).to_string()
    }

    /// Reads what [`Unnesting::encode`] wrote.
    ///
    /// # Errors
    ///
    /// XX000: only our own text is read.
    pub fn decode(text: &str) -> Result<Self> {
        decode(text).ok_or_else(|| Error::internal(format!("unreadable list of columns {text}")))
    }
}

fn decode(text: &str) -> Option<Unnesting> {
    let root: serde_json::Value = serde_json::from_str(text).ok()?;
    let columns = root.get("columns")?.as_array()?.iter();
    Some(Unnesting {
        alias: root.get("alias")?.as_str()?.to_owned(),
        columns: columns.map(|name| name.as_str().map(str::to_owned)).collect::<Option<_>>()?,
        outer: root.get("outer")?.as_bool()?,
    })
}
