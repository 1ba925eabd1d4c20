//! How is a query made of pieces of a changing statement?

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, ObjectName, Query, SelectItem, SetExpr, TableAlias, TableFactor, TableWithJoins,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

use crate::error::{Error, Result};

/// Returns `SELECT items FROM table AS alias, others WHERE filter`.
///
/// **Errors**: none in practice.
pub fn select(
    table: &str,
    alias: &str,
    others: &[TableWithJoins],
    items: Vec<SelectItem>,
    filter: Option<Expr>,
) -> Result<Query> {
    let template = "SELECT 1 FROM t AS a";
    let parsed = Parser::new(&PostgreSqlDialect {})
        .try_with_sql(template)
        .and_then(|mut parser| parser.parse_query());
    let mut query = *parsed.map_err(|error| Error::internal(error.to_string()))?;
    let SetExpr::Select(select) = query.body.as_mut() else {
        return Err(Error::internal("the template is a SELECT"));
    };
    select.projection = items;
    select.selection = filter;
    if let Some(from) = select.from.first_mut()
        && let TableFactor::Table { name, alias: named, .. } = &mut from.relation
    {
        *name = ObjectName::from(vec![ident(table)]);
        *named =
            Some(TableAlias { explicit: true, name: ident(alias), columns: Vec::new(), at: None });
    }
    select.from.extend(others.iter().cloned());
    Ok(query)
}

/// Returns the column `alias.name AS shown`.
pub fn column(alias: &str, name: &str, shown: &str) -> SelectItem {
    let expr = Expr::CompoundIdentifier(vec![ident(alias), ident(name)]);
    SelectItem::ExprWithAlias { expr, alias: ident(shown) }
}

/// Returns `expr AS shown`.
pub fn item(expr: Expr, shown: &str) -> SelectItem {
    SelectItem::ExprWithAlias { expr, alias: ident(shown) }
}

fn ident(name: &str) -> Ident {
    Ident::with_quote('"', name)
}
