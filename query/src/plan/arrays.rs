//! Which types do the operands of an array's operators have?
//!
//! `ARRAY[1, 2]` is an array of BIGINT, a column may be one of INT; a text such as `'{1,2}'` beside
//! an array is one; a parameter has no type yet.

use std::sync::Arc;

use arrow_schema::{DataType, Field};
use datafusion::common::tree_node::Transformed;
use datafusion::common::{ExprSchema, Result};
use datafusion::logical_expr::expr::{Placeholder, ScalarFunction};
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;
use datafusion::logical_expr::{Expr, ExprSchemable, cast};

use crate::functions::{ARRAY_ALL, ARRAY_ANY};

/// Gives the operands of `ANY` and `ALL` one type.
///
/// **Errors**: none of its own.
pub fn quantified(expr: Expr, schema: &dyn ExprSchema) -> Result<Transformed<Expr>> {
    let Expr::ScalarFunction(ScalarFunction { func, args }) = &expr else {
        return Ok(Transformed::no(expr));
    };
    let ([op, needle, array], true) =
        (args.as_slice(), [ARRAY_ANY, ARRAY_ALL].contains(&func.name()))
    else {
        return Ok(Transformed::no(expr));
    };
    let of_needle = known_type(needle, schema);
    let of_items = known_type(array, schema).and_then(|ty| item_of(&ty).cloned());
    let common = match (of_needle, of_items) {
        (Some(a), Some(b)) if is_text(&a) && !is_text(&b) && needle.as_literal().is_some() => b,
        (Some(a), Some(b)) => comparison_coercion(&a, &b).unwrap_or(b),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => return Ok(Transformed::no(expr)),
    };
    let needle = as_type(needle.clone(), &common, schema);
    let array = as_type(array.clone(), &list_of(&common), schema);
    let args = vec![op.clone(), needle, array];
    Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction { func: func.clone(), args })))
}

/// Gives two operands of which one is an array the same type; `false` leaves them as they are.
pub fn aligned(left: Expr, right: Expr, schema: &dyn ExprSchema) -> (bool, Expr, Expr) {
    let items =
        [&left, &right].map(|expr| known_type(expr, schema).map(|ty| (item_of(&ty).cloned(), ty)));
    let common = match items {
        [Some((Some(a), _)), Some((Some(b), _))] => match (a, b) {
            (DataType::Null, item) | (item, DataType::Null) => item,
            (a, b) if a == b => a,
            (a, b) => match comparison_coercion(&a, &b) {
                Some(common) => common,
                None => return (false, left, right),
            },
        },
        [Some((Some(item), _)), None] | [None, Some((Some(item), _))] => item,
        [Some((Some(item), _)), Some((None, other))]
        | [Some((None, other)), Some((Some(item), _))]
            if is_text(&other) =>
        {
            item
        }
        _ => return (false, left, right),
    };
    let list = list_of(&common);
    (true, as_type(left, &list, schema), as_type(right, &list, schema))
}

/// Returns the type of an array's elements; vectors are no arrays.
pub fn item_of(ty: &DataType) -> Option<&DataType> {
    match ty {
        DataType::List(item) | DataType::LargeList(item) => Some(item.data_type()),
        _ => None,
    }
}

fn list_of(item: &DataType) -> DataType {
    DataType::List(Arc::new(Field::new("item", item.clone(), true)))
}

fn is_text(ty: &DataType) -> bool {
    matches!(ty, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Returns the type of an expression; `None` for nulls and for parameters without one.
fn known_type(expr: &Expr, schema: &dyn ExprSchema) -> Option<DataType> {
    if let Expr::Placeholder(Placeholder { field: None, .. }) = expr {
        return None;
    }
    expr.get_type(schema).ok().filter(|ty| ty != &DataType::Null)
}

/// Casts to a type, or says that it is a parameter's.
fn as_type(expr: Expr, ty: &DataType, schema: &dyn ExprSchema) -> Expr {
    match expr {
        Expr::Placeholder(Placeholder { id, field: None }) => {
            let field = Some(Arc::new(Field::new("", ty.clone(), true)));
            Expr::Placeholder(Placeholder { id, field })
        }
        expr if known_type(&expr, schema).as_ref() == Some(ty) => expr,
        expr => cast(expr, ty.clone()),
    }
}
