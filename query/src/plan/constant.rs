//! Which value does an expression without columns have?
//!
//! Literals, parameters and casts of them are read directly: that is what inserted rows are made
//! of. Everything else is planned and evaluated once.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::Schema;
use datafusion::common::DFSchema;
use datafusion::sql::sqlparser::ast::{CastKind, Expr, UnaryOperator, Value as Literal};
use pieskieo_shards::catalog::Catalog;
use pieskieo_shards::document;
use pieskieo_shards::value::{ColumnType, Value};

use super::Engine;
use super::casts::rewrite_expr_again;
use super::params::{is_planned, param_named, scalar};
use crate::Param;
use crate::error::{Error, Result};
use crate::exec::predicate::evaluate;
use crate::result::column_type as column_type_of;
use crate::syntax::column_type;

/// What a constant may refer to.
#[derive(Clone, Copy)]
pub struct Constants<'a> {
    /// Plans what is not simple.
    pub engine: &'a Engine,
    /// The catalog.
    pub catalog: &'a Arc<Catalog>,
    /// The parameters.
    pub params: &'a [Param],
}

impl Constants<'_> {
    /// Returns the value of `expr` as a column of type `ty` stores it.
    ///
    /// **Errors**: a value that does not fit; whatever evaluating the expression reports.
    pub fn value(&self, expr: &Expr, ty: &ColumnType) -> Result<Value> {
        match self.simple(expr, ty) {
            Some(value) => value,
            None => self.planned(expr, ty),
        }
    }

    /// Returns the value of `expr` as an open field of a document holds it: a text is a text, not
    /// the text of a JSON value.
    ///
    /// **Errors**: as [`Constants::value`].
    pub fn field(&self, expr: &Expr) -> Result<Value> {
        if let Expr::Value(value) = expr {
            let text = match &value.value {
                Literal::SingleQuotedString(text)
                | Literal::EscapedStringLiteral(text)
                | Literal::UnicodeStringLiteral(text) => text,
                Literal::DollarQuotedString(text) => &text.value,
                _ => return self.value(expr, &ColumnType::Json),
            };
            let text = Value::Text(text.as_str().into());
            return Ok(Value::Json(document::from_value(&text, &ColumnType::Text)?));
        }
        let array = self.evaluated(expr)?;
        let Some(from) = column_type_of(array.data_type()) else {
            return Ok(Value::from_array(array.as_ref(), 0, &ColumnType::Json)?);
        };
        match Value::from_array(array.as_ref(), 0, &from)? {
            Value::Null => Ok(Value::Null),
            Value::Json(bytes) => Ok(Value::Json(bytes)),
            value => Ok(Value::Json(document::from_value(&value, &from)?)),
        }
    }

    /// Reads what needs no planning; `None` = it does.
    fn simple(&self, expr: &Expr, ty: &ColumnType) -> Option<Result<Value>> {
        match expr {
            Expr::Nested(inner) => self.simple(inner, ty),
            Expr::Value(value) => self.literal(&value.value, ty),
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match expr.as_ref() {
                Expr::Value(value) => match &value.value {
                    Literal::Number(digits, _) => Some(number(&format!("-{digits}"), ty)),
                    _ => None,
                },
                _ => None,
            },
            Expr::Cast {
                kind: CastKind::Cast | CastKind::DoubleColon, expr, data_type, ..
            } => {
                let through = column_type(data_type).ok()?;
                let value = match self.simple(expr, &through)? {
                    Ok(value) => value,
                    Err(error) => return Some(Err(error)),
                };
                Some(value.coerce_from(&through, ty).map_err(Error::from))
            }
            _ => None,
        }
    }

    fn literal(&self, literal: &Literal, ty: &ColumnType) -> Option<Result<Value>> {
        Some(match literal {
            Literal::Null => Ok(Value::Null),
            Literal::Boolean(value) => {
                Value::Bool(*value).coerce_from(&ColumnType::Bool, ty).map_err(Error::from)
            }
            Literal::Number(digits, _) => number(digits, ty),
            Literal::SingleQuotedString(text)
            | Literal::EscapedStringLiteral(text)
            | Literal::UnicodeStringLiteral(text) => self.text(text, ty),
            Literal::DollarQuotedString(text) => self.text(&text.value, ty),
            Literal::Placeholder(name) => {
                param_named(self.params, name).and_then(|param| param_value(param, ty))
            }
            _ => return None,
        })
    }

    fn text(&self, text: &str, ty: &ColumnType) -> Result<Value> {
        if *ty == ColumnType::Text {
            return Ok(Value::Text(text.into()));
        }
        Ok(Value::parse(text, ty)?)
    }

    /// Returns whether an expression may have another value each time.
    ///
    /// **Errors**: those of planning it.
    pub fn is_volatile(&self, expr: &Expr) -> Result<bool> {
        let planned = self.engine.plan_expr(self.catalog, expr.clone(), &DFSchema::empty())?;
        Ok(planned.is_volatile())
    }

    fn planned(&self, expr: &Expr, ty: &ColumnType) -> Result<Value> {
        Ok(Value::from_array(self.evaluated(expr)?.as_ref(), 0, ty)?)
    }

    fn evaluated(&self, expr: &Expr) -> Result<ArrayRef> {
        let schema = DFSchema::empty();
        let planned = self.engine.plan_expr(self.catalog, expr.clone(), &schema)?;
        let is_planned = is_planned(&planned, self.params)?;
        let mut planned = self.with_params(planned)?;
        if !is_planned {
            planned = rewrite_expr_again(planned, &schema)?;
        }
        let compiled = self.engine.compile(planned, &schema)?;
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        let one = Arc::new(Schema::empty());
        let one = RecordBatch::try_new_with_options(one, Vec::new(), &options)?;
        evaluate(compiled.as_ref(), &one)
    }

    /// Puts parameters in the places of an expression's placeholders.
    ///
    /// **Errors**: `42P02`, and values that do not fit.
    pub fn with_params(
        &self,
        expr: datafusion::logical_expr::Expr,
    ) -> Result<datafusion::logical_expr::Expr> {
        use datafusion::common::tree_node::{Transformed, TreeNode};
        use datafusion::logical_expr::Expr as Planned;
        let replaced = expr.transform(|expr| match &expr {
            Planned::Placeholder(placeholder) => {
                let ty = placeholder.field.as_ref().map(|field| field.data_type().clone());
                let value = param_named(self.params, &placeholder.id)
                    .and_then(|param| scalar(param, ty.as_ref()))
                    .map_err(crate::exec::here::external)?;
                Ok(Transformed::yes(Planned::Literal(value, None)))
            }
            _ => Ok(Transformed::no(expr)),
        })?;
        Ok(replaced.data)
    }
}

/// Returns a parameter as a column of type `ty` stores it.
///
/// **Errors**: a value that does not fit.
pub fn param_value(param: &Param, ty: &ColumnType) -> Result<Value> {
    match param {
        Param::Json(json) if json.is_null() => Ok(Value::Null),
        Param::Json(json) => Ok(Value::from_json(json, ty)?),
        Param::Typed { value, ty: own } => Ok(value.clone().coerce_from(own, ty)?),
    }
}

fn number(digits: &str, ty: &ColumnType) -> Result<Value> {
    match ty {
        // A number literal with a fraction is rounded by the type it is stored as.
        ColumnType::SmallInt | ColumnType::Int | ColumnType::BigInt
            if digits.contains(['.', 'e', 'E']) =>
        {
            let value = Value::parse(digits, &ColumnType::Double)?;
            Ok(value.coerce_from(&ColumnType::Double, ty)?)
        }
        ColumnType::SmallInt
        | ColumnType::Int
        | ColumnType::BigInt
        | ColumnType::Float
        | ColumnType::Double
        | ColumnType::Numeric { .. }
        | ColumnType::Text
        | ColumnType::Varchar(_)
        | ColumnType::Json => Ok(Value::parse(digits, ty)?),
        _ => {
            let value = Value::parse(digits, &ColumnType::Double)?;
            Ok(value.coerce_from(&ColumnType::Double, ty)?)
        }
    }
}
