//! How is text searched in records that are reached, not scanned?
//!
//! A score exists where a text index is read. Records that an edge leads to, or that a nearest
//! search has chosen, are not read through it. When their SCORE() is wanted the index is searched
//! beside them and joined by key:
//!
//! ```text
//! … AS n WHERE MATCHES(n.body, 'x')   →   …, (SELECT _key, _score FROM t AS n
//!                                            WHERE MATCHES(n.body, 'x')) AS __text
//!                                         WHERE … AND __text._key = n._key
//! ```

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, OrderByExpr, Select, SelectItem, TableFactor, Value as Literal,
    visit_expressions,
};
use pieskieo_shards::catalog::{IndexKind, Table, TextField};

use super::build;
use super::engine_function::{arguments, function_name};
use super::scope::{KEY, SCORE, Scope};
use crate::syntax::name_of;

/// Stack for walking an expression of the deepest shape the limits allow.
const STACK_PIECE: usize = 8 * 1024 * 1024;
/// Stack that must be left to walk without a new piece.
const STACK_LEFT_MIN: usize = 4 * 1024 * 1024;

/// A MATCHES in a WHERE clause.
pub(super) struct Search {
    /// The relation whose text is searched.
    pub alias: String,
    /// Whether its records are scanned.
    pub scanned: bool,
    /// The call.
    call: Expr,
}

/// A search beside the records.
pub(super) struct Joined {
    pub relation: TableFactor,
    pub condition: Expr,
    pub alias: String,
}

/// Finds the searches that every row must pass, one for each relation, not yet bound.
pub(super) fn find(selection: Option<&Expr>, scope: &Scope<'_>) -> Vec<Search> {
    let mut searches: Vec<Search> = Vec::new();
    let mut left: Vec<&Expr> = selection.into_iter().collect();
    while let Some(expr) = left.pop() {
        match expr {
            Expr::Nested(inner) => left.push(inner),
            Expr::BinaryOp { left: first, op: BinaryOperator::And, right } => {
                left.push(first);
                left.push(right);
            }
            Expr::Function(function) if function_name(function) == "matches" => {
                let searched = arguments(function).first().and_then(|first| owner(first, scope));
                if let Some((alias, scanned)) = searched
                    && searches.iter().all(|search| search.alias != alias)
                {
                    searches.push(Search { alias, scanned, call: expr.clone() });
                }
            }
            _ => {}
        }
    }
    searches
}

/// The relation a column belongs to, and whether it is scanned.
fn owner(column: &Expr, scope: &Scope<'_>) -> Option<(String, bool)> {
    let first = match column {
        Expr::Identifier(ident) => ident,
        Expr::CompoundIdentifier(idents) => idents.first()?,
        Expr::CompoundFieldAccess { root, .. } => return owner(root, scope),
        _ => return None,
    };
    let name = name_of(first).text;
    let by_name = scope.relations.iter().find(|relation| relation.name.as_deref() == Some(&name));
    let relation = by_name
        .or_else(|| scope.relations.iter().find(|relation| relation.column(&name).is_some()))
        .or_else(|| scope.relations.iter().find(|relation| relation.is_open()))?;
    Some((relation.name.clone()?, relation.scanned))
}

/// Returns whether a select or its sort keys call SCORE().
pub(super) fn uses_score(select: &Select, order: &[OrderByExpr]) -> bool {
    let is_score = |expr: &Expr| match expr {
        Expr::Function(function) if function_name(function) == "score" => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    stacker::maybe_grow(STACK_LEFT_MIN, STACK_PIECE, || {
        visit_expressions(select, is_score).is_break()
            || order.iter().any(|key| visit_expressions(key, is_score).is_break())
    })
}

/// Makes a search of its own for a relation that is not scanned.
pub(super) fn join(search: &Search, scope: &Scope<'_>) -> Option<Joined> {
    let table = scope.relation(&search.alias)?.table.as_ref()?;
    let column = |name: &str| SelectItem::UnnamedExpr(build::column(Some(&search.alias), name));
    let from = vec![build::from_item(build::table(&table.name, Some(&search.alias)))];
    let select = build::select(vec![column(KEY), column(SCORE)], from, Some(search.call.clone()));
    let alias = format!("__text_{}", search.alias);
    let query = build::query(select, Vec::new(), None);
    Some(Joined {
        relation: build::derived(query, Some(build::table_alias(&alias))),
        condition: build::binary(
            build::column(Some(&alias), KEY),
            BinaryOperator::Eq,
            build::column(Some(&search.alias), KEY),
        ),
        alias,
    })
}

/// Returns whether the text index over the searched columns keeps words as they are. The arguments
/// are bound.
pub(super) fn is_unstemmed(function: &Function, scope: &Scope<'_>) -> bool {
    let args = arguments(function);
    let Some((_, texts)) = args.split_last() else { return false };
    let searched: Option<Vec<(&Table, TextField)>> =
        texts.iter().map(|text| text_field(text, scope)).collect();
    let Some(searched) = searched.filter(|searched| !searched.is_empty()) else { return false };
    let table = searched[0].0;
    let stems = |stem: bool| {
        table.indexes.iter().any(|index| match &index.kind {
            IndexKind::Text { fields, stem: stemmed } => {
                *stemmed == stem && searched.iter().all(|(_, field)| fields.contains(field))
            }
            _ => false,
        })
    };
    stems(false) && !stems(true)
}

/// Returns the table and the text that a bound expression reads: a column, or a path into one.
fn text_field<'s>(text: &Expr, scope: &'s Scope<'_>) -> Option<(&'s Table, TextField)> {
    match text {
        Expr::Identifier(ident) => {
            let relation = scope.relations.iter().find(|one| one.column(&ident.value).is_some())?;
            column_field(relation.table.as_deref()?, &ident.value)
        }
        Expr::CompoundIdentifier(idents) => {
            let [alias, name] = idents.as_slice() else { return None };
            column_field(scope.relation(&alias.value)?.table.as_deref()?, &name.value)
        }
        Expr::Function(call) if function_name(call) == "json_get" => {
            let args = arguments(call);
            let (document, steps) = args.split_first()?;
            let (table, mut field) = text_field(document, scope)?;
            for step in steps {
                let Expr::Value(value) = step else { return None };
                let Literal::SingleQuotedString(step) = &value.value else { return None };
                field.path.push(step.clone());
            }
            Some((table, field))
        }
        _ => None,
    }
}

fn column_field<'s>(table: &'s Table, name: &str) -> Option<(&'s Table, TextField)> {
    let column = table.column_named(name)?;
    Some((table, TextField { column, path: Vec::new() }))
}
