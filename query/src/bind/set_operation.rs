//! How do INTERSECT ALL and EXCEPT ALL count?
//!
//! The planner's own forms do not: a row is on the other side or it is not. Here equal rows get
//! numbers on both sides, and rows with their numbers occur once:
//!
//! ```text
//! SELECT a FROM (
//!     SELECT a, row_number() OVER (PARTITION BY a) AS __nth FROM (left)
//!     EXCEPT
//!     SELECT b, row_number() OVER (PARTITION BY b) FROM (right))
//! ```

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArguments, SelectItem, SetExpr, SetOperator, SetQuantifier, Value, WindowSpec,
    WindowType,
};

use super::build;
use super::scope::ScopeColumn;
use crate::error::{Error, Result};

/// Name of the column with the numbers.
const NTH: &str = "__nth";
/// The alias of a side.
const SIDE: &str = "__side";

/// Numbers the rows on both sides of a bound INTERSECT ALL or EXCEPT ALL.
///
/// **Errors**: 0A000 where the columns are not known.
pub(super) fn count_repeated(
    body: &mut SetExpr,
    columns: &[ScopeColumn],
    others: &[ScopeColumn],
) -> Result<()> {
    let SetExpr::SetOperation { op, set_quantifier, left, right } = body else { return Ok(()) };
    let counts = matches!(op, SetOperator::Intersect | SetOperator::Except | SetOperator::Minus);
    if !counts || *set_quantifier != SetQuantifier::All {
        return Ok(());
    }
    if columns.iter().chain(others).any(|column| column.name.is_empty()) {
        return Err(Error::unsupported("INTERSECT ALL or EXCEPT ALL of unknown columns")
            .with_hint("List the columns."));
    }
    *set_quantifier = SetQuantifier::None;
    for (side, columns) in [(left, columns), (right, others)] {
        let rows = std::mem::replace(side.as_mut(), SetExpr::Values(no_rows()));
        **side = numbered(rows, columns);
    }
    let both = std::mem::replace(body, SetExpr::Values(no_rows()));
    let list = columns.iter().map(|column| plain(&column.name)).collect();
    *body = selected(list, both);
    Ok(())
}

fn no_rows() -> datafusion::sql::sqlparser::ast::Values {
    datafusion::sql::sqlparser::ast::Values {
        explicit_row: false,
        value_keyword: false,
        rows: Vec::new(),
    }
}

/// `SELECT list FROM (rows) AS __side`.
fn selected(list: Vec<SelectItem>, rows: SetExpr) -> SetExpr {
    let mut query = build::query(build::select(Vec::new(), Vec::new(), None), Vec::new(), None);
    *query.body = rows;
    let from = build::from_item(build::derived(query, Some(build::table_alias(SIDE))));
    SetExpr::Select(Box::new(build::select(list, vec![from], None)))
}

fn plain(name: &str) -> SelectItem {
    SelectItem::UnnamedExpr(build::column(Some(SIDE), name))
}

/// The rows with their numbers among equal ones.
fn numbered(rows: SetExpr, columns: &[ScopeColumn]) -> SetExpr {
    let mut number = build::call("row_number", Vec::new());
    if let Expr::Function(function) = &mut number {
        debug_assert!(matches!(function.args, FunctionArguments::List(_)));
        let by = columns.iter().map(|column| build::column(Some(SIDE), &column.name));
        // Without columns all rows are equal.
        let by: Vec<Expr> = match columns.is_empty() {
            true => vec![build::literal(Value::Boolean(true))],
            false => by.collect(),
        };
        function.over = Some(WindowType::WindowSpec(WindowSpec {
            window_name: None,
            partition_by: by,
            order_by: Vec::new(),
            window_frame: None,
        }));
    }
    let mut list: Vec<SelectItem> = columns.iter().map(|column| plain(&column.name)).collect();
    list.push(SelectItem::ExprWithAlias { expr: number, alias: build::ident(NTH) });
    selected(list, rows)
}
