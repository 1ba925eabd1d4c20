//! What does a condition say about the values of single columns?
//!
//! A comparison of a column with a constant, one of several that must all hold, bounds the column.
//! Whatever is not understood bounds nothing.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use pieskieo_shards::request::{ScanColumn, Wanted};
use pieskieo_shards::row::{rank_of_float, rank_of_integer};
use pieskieo_shards::value::ColumnType;

use super::columns::TableColumns;

/// Returns the bounds that the conjunction of `filters` sets to columns of `table`.
pub fn wanted(table: &TableColumns, filters: &[Expr]) -> Vec<Wanted> {
    let parts = filters.iter().flat_map(split_conjunction);
    parts.filter_map(|part| bound(table, part)).collect()
}

fn bound(table: &TableColumns, part: &Expr) -> Option<Wanted> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = part else { return None };
    let (column, op, constant) = match (&**left, &**right) {
        (Expr::Column(column), Expr::Literal(constant, _)) => (column, *op, constant),
        (Expr::Literal(constant, _), Expr::Column(column)) => (column, op.swap()?, constant),
        _ => return None,
    };
    let ScanColumn::Column(column) = table.scan_column(table.position(&column.name)?) else {
        return None;
    };
    let rank = rank(&table.table().columns.get(column)?.ty, constant)?;
    // Open ends are taken for closed ones: zeros of both signs have one rank.
    let (low, high) = match op {
        Operator::Eq => (rank, rank),
        Operator::Lt | Operator::LtEq => (0, rank),
        Operator::Gt | Operator::GtEq => (rank, u64::MAX),
        _ => return None,
    };
    Some(Wanted { column, low, high })
}

/// Returns the rank of a constant of a column's own type.
fn rank(ty: &ColumnType, constant: &ScalarValue) -> Option<u64> {
    match (ty, constant) {
        (ColumnType::SmallInt, ScalarValue::Int16(Some(value))) => {
            Some(rank_of_integer((*value).into()))
        }
        (ColumnType::Int, ScalarValue::Int32(Some(value)))
        | (ColumnType::Date, ScalarValue::Date32(Some(value))) => {
            Some(rank_of_integer((*value).into()))
        }
        (ColumnType::BigInt, ScalarValue::Int64(Some(value)))
        | (
            ColumnType::Timestamp | ColumnType::TimestampTz,
            ScalarValue::TimestampMicrosecond(Some(value), _),
        )
        | (ColumnType::Time, ScalarValue::Time64Microsecond(Some(value))) => {
            Some(rank_of_integer(*value))
        }
        (ColumnType::Float, ScalarValue::Float32(Some(value))) => rank_of_float((*value).into()),
        (ColumnType::Double, ScalarValue::Float64(Some(value))) => rank_of_float(*value),
        _ => None,
    }
}
