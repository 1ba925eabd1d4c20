//! What do SCORE(), DISTANCE() and DEPTH() mean?

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
};

use super::build;
use super::path::position;
use super::scope::{DEPTH, DISTANCE, Relation, SCORE, Scope};
use crate::error::{Error, Result, code};
use crate::syntax::name_of;

/// Functions that give the distance of two vectors.
const DISTANCE_FUNCTIONS: &[&str] =
    &["cosine_distance", "inner_product", "l1_distance", "l2_distance", "negative_inner_product"];

/// Returns the arguments of a call that are plain expressions.
pub(crate) fn arguments(function: &Function) -> Vec<&Expr> {
    let FunctionArguments::List(list) = &function.args else { return Vec::new() };
    list.args
        .iter()
        .filter_map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
            _ => None,
        })
        .collect()
}

/// Returns the name of a function, lower case.
pub(super) fn function_name(function: &Function) -> String {
    match function.name.0.last().and_then(|part| part.as_ident()) {
        Some(ident) => ident.value.to_lowercase(),
        None => String::new(),
    }
}

/// Returns whether an expression is a distance of vectors, as ORDER BY has it.
pub(super) fn is_distance(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => is_distance(inner),
        Expr::BinaryOp { op: BinaryOperator::Custom(op), .. } => {
            matches!(op.as_str(), "<->" | "<=>" | "<#>" | "<+>")
        }
        Expr::Function(function) => DISTANCE_FUNCTIONS.contains(&function_name(function).as_str()),
        _ => false,
    }
}

/// Returns what a call of SCORE, DISTANCE or DEPTH stands for; `None` for other functions.
///
/// **Errors**: 42P09 when it could mean several tables, 42883 when it means none.
pub(super) fn meaning(function: &Function, scope: &Scope<'_>) -> Result<Option<Expr>> {
    let name = function_name(function);
    let made = match name.as_str() {
        "score" => SCORE,
        "distance" => DISTANCE,
        "depth" => DEPTH,
        _ => return Ok(None),
    };
    let at = position(&Expr::Function(function.clone()));
    let shown = name.to_uppercase();
    match arguments(function).as_slice() {
        [] => {}
        [Expr::Identifier(alias)] => {
            let alias = name_of(alias);
            let relation = scope
                .relation(&alias.text)
                .ok_or_else(|| scope.undefined_relation(&alias.text, alias.position))?;
            if relation.column(made).is_none() {
                return Err(nothing(&shown).at(alias.position));
            }
            return Ok(Some(build::column(relation.name.as_deref(), made)));
        }
        _ => {
            return Err(Error::new(
                code::UNDEFINED_FUNCTION,
                format!("{shown}() takes nothing or the alias of a table"),
            )
            .at(at));
        }
    }
    if made == DISTANCE && scope.with_column(DISTANCE).is_empty() {
        return match &scope.distance {
            Some(expr) => Ok(Some(expr.clone())),
            None => Err(nothing(&shown).at(at)),
        };
    }
    if made == SCORE
        && let Some(alias) = &scope.searched
    {
        return Ok(Some(build::column(Some(alias), SCORE)));
    }
    let mut having = scope.with_column(made);
    if made == SCORE {
        having.retain(|relation| relation.is_shown());
    }
    match having.as_slice() {
        [one] => Ok(Some(build::column(one.name.as_deref(), made))),
        [] => Err(nothing(&shown).at(at)),
        several => Err(ambiguous(&shown, several).at(at)),
    }
}

fn nothing(shown: &str) -> Error {
    let hint = match shown {
        "SCORE" => "Add MATCHES(column, 'words') to WHERE.",
        "DISTANCE" => "Sort by a distance such as ORDER BY embedding <=> $1, or use SIMILAR TO.",
        _ => "Follow edges with TRAVERSE or a pattern such as -[:knows*1..3]->.",
    };
    Error::new(code::UNDEFINED_FUNCTION, format!("{shown}() has no meaning here")).with_hint(hint)
}

fn ambiguous(shown: &str, several: &[&Relation]) -> Error {
    let names: Vec<&str> = several.iter().filter_map(|relation| relation.name.as_deref()).collect();
    Error::new(code::AMBIGUOUS_ALIAS, format!("{shown}() could refer to several tables"))
        .with_hint(format!("Name one: {shown}({}).", names.first().unwrap_or(&"t")))
}
