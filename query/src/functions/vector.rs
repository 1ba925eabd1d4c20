//! How far apart are two vectors, and what else can be asked of one?
//!
//! A vector argument is a VECTOR column, a list of numbers, a text `[1, 2, 3]` or a JSON array of
//! numbers. Sums are in f64, so that the result does not depend on the width of a register.

use std::borrow::Cow;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Float32Array, Float64Array, Float64Builder, Int32Builder,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float32Type};
use datafusion::common::{Result, exec_err, plan_err};
use datafusion::error::DataFusionError;
use pieskieo_shards::document;
use pieskieo_shards::value::{ColumnType, Value};
use pieskieo_shards::vector::Metric;

use super::function::{Arity, Call, Function};
use crate::error::{Error, code};

/// Returns the functions of this file.
pub fn functions() -> Vec<Function> {
    let two = Arity::Exactly(2);
    let one = Arity::Exactly(1);
    vec![
        Function::new("l2_distance", two, distance_type, |call| binary(call, l2))
            .aliases(&["euclidean_distance"]),
        Function::new("cosine_distance", two, distance_type, |call| binary(call, cosine)),
        Function::new("negative_inner_product", two, distance_type, |call| {
            binary(call, |a, b| -dot(a, b))
        })
        .aliases(&["vector_negative_inner_product"]),
        Function::new("inner_product", two, distance_type, |call| binary(call, dot)),
        Function::new("l1_distance", two, distance_type, |call| binary(call, l1)),
        Function::new("vector_dims", one, dims_type, dims),
        Function::new("vector_norm", one, norm_type, norm).aliases(&["l2_norm"]),
    ]
}

/// Returns the metric that orders like the function with this name, smaller first.
pub fn metric_of(function: &str) -> Option<Metric> {
    match function {
        "l2_distance" => Some(Metric::L2),
        "cosine_distance" => Some(Metric::Cosine),
        "negative_inner_product" => Some(Metric::InnerProduct),
        _ => None,
    }
}

/// Returns the distance between two vectors of the same dimension, smaller is nearer.
pub fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    positive_nan(match metric {
        Metric::L2 => l2(a, b),
        Metric::Cosine => cosine(a, b),
        Metric::InnerProduct => -dot(a, b),
    })
}

/// The processor's own NaN, that of `0.0 / 0.0`, has a sign and would sort before all numbers.
fn positive_nan(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value }
}

fn is_vector(ty: &DataType) -> bool {
    match ty {
        DataType::Null | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::BinaryView => true,
        DataType::FixedSizeList(item, _) | DataType::List(item) | DataType::LargeList(item) => {
            item.data_type().is_numeric() || item.data_type() == &DataType::Null
        }
        _ => false,
    }
}

fn vectors_only(types: &[DataType]) -> Result<()> {
    for ty in types {
        if !is_vector(ty) {
            let name = crate::outcome::type_name(ty);
            return plan_err!("no function matches a vector argument of type {name}");
        }
    }
    let mut dims = types.iter().filter_map(|ty| match ty {
        DataType::FixedSizeList(_, dim) => Some(*dim),
        _ => None,
    });
    if let (Some(a), Some(b)) = (dims.next(), dims.next())
        && a != b
    {
        return Err(different(a as usize, b as usize));
    }
    Ok(())
}

fn distance_type(types: &[DataType]) -> Result<DataType> {
    vectors_only(types).map(|()| DataType::Float64)
}

fn norm_type(types: &[DataType]) -> Result<DataType> {
    vectors_only(types).map(|()| DataType::Float64)
}

fn dims_type(types: &[DataType]) -> Result<DataType> {
    vectors_only(types).map(|()| DataType::Int32)
}

fn different(a: usize, b: usize) -> DataFusionError {
    let message = format!("different vector dimensions {a} and {b}");
    DataFusionError::External(Box::new(Error::new(code::DATA_EXCEPTION, message)))
}

fn l2(a: &[f32], b: &[f32]) -> f64 {
    sum(a, b, |a, b| (a - b) * (a - b)).sqrt()
}

fn l1(a: &[f32], b: &[f32]) -> f64 {
    sum(a, b, |a, b| (a - b).abs())
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    sum(a, b, |a, b| a * b)
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let similarity = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
    1.0 - similarity.clamp(-1.0, 1.0)
}

/// Adds up in eight lanes, in a fixed order.
fn sum(a: &[f32], b: &[f32], term: impl Fn(f64, f64) -> f64) -> f64 {
    let mut lanes = [0.0_f64; 8];
    let (chunks_a, chunks_b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = chunks_a
        .remainder()
        .iter()
        .zip(chunks_b.remainder())
        .map(|(a, b)| term(f64::from(*a), f64::from(*b)))
        .sum();
    for (a, b) in chunks_a.zip(chunks_b) {
        for lane in 0..8 {
            lanes[lane] += term(f64::from(a[lane]), f64::from(b[lane]));
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// A column of vectors, each borrowed where the array holds f32 already.
enum Vectors<'a> {
    Fixed { array: &'a dyn Array, elements: &'a Float32Array, dim: usize },
    Other(&'a ArrayRef),
}

impl<'a> Vectors<'a> {
    fn open(array: &'a ArrayRef) -> Self {
        if let DataType::FixedSizeList(item, dim) = array.data_type()
            && item.data_type() == &DataType::Float32
        {
            let list = array.as_fixed_size_list();
            let elements = list.values().as_primitive::<Float32Type>();
            if elements.null_count() == 0 {
                return Self::Fixed { array, elements, dim: *dim as usize };
            }
        }
        Self::Other(array)
    }

    fn get(&self, row: usize) -> Result<Option<Cow<'a, [f32]>>> {
        match self {
            Self::Fixed { array, .. } if array.is_null(row) => Ok(None),
            Self::Fixed { elements, dim, .. } => {
                let start = row * dim;
                Ok(Some(Cow::Borrowed(&elements.values()[start..start + dim])))
            }
            Self::Other(array) => Ok(vector_at(array.as_ref(), row)?.map(Cow::Owned)),
        }
    }
}

/// Returns the vector at `row` of an array of any type a vector may be written in.
///
/// **Errors**: a text or list that is no vector.
pub fn vector_at(array: &dyn Array, row: usize) -> Result<Option<Vec<f32>>> {
    if array.data_type() == &DataType::Null || array.is_null(row) {
        return Ok(None);
    }
    let list = match array.data_type() {
        DataType::FixedSizeList(..) => array.as_fixed_size_list().value(row),
        DataType::List(_) => array.as_list::<i32>().value(row),
        DataType::LargeList(_) => array.as_list::<i64>().value(row),
        DataType::BinaryView => {
            let elements = document::to_vector(array.as_binary_view().value(row)).map_err(shard)?;
            return Ok(Some(elements));
        }
        DataType::Utf8 => return parse(array.as_string::<i32>().value(row)).map(Some),
        DataType::LargeUtf8 => return parse(array.as_string::<i64>().value(row)).map(Some),
        DataType::Utf8View => return parse(array.as_string_view().value(row)).map(Some),
        other => return exec_err!("a value of type {other} is no vector"),
    };
    let floats = cast(&list, &DataType::Float32)?;
    if floats.null_count() > 0 {
        return exec_err!("a vector must not contain nulls");
    }
    Ok(Some(floats.as_primitive::<Float32Type>().values().to_vec()))
}

/// Reads `[1, 2, 3]`.
fn parse(text: &str) -> Result<Vec<f32>> {
    let dim = text.split(',').count() as u32;
    match Value::parse(text, &ColumnType::Vector(dim)).map_err(shard)? {
        Value::Vector(elements) => Ok(elements.to_vec()),
        _ => exec_err!("\"{text}\" is no vector"),
    }
}

fn shard(error: pieskieo_shards::Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

fn binary(call: &Call, apply: fn(&[f32], &[f32]) -> f64) -> Result<ArrayRef> {
    let (left, right) = (Vectors::open(&call.args[0]), Vectors::open(&call.args[1]));
    let mut out = Float64Builder::with_capacity(call.rows);
    // A constant side is read once: a text would be parsed again for each row.
    let constant = if call.args[1].len() == 1 { right.get(0)? } else { None };
    for row in 0..call.rows {
        let a = left.get(call.at(0, row))?;
        let b = match &constant {
            Some(vector) => Some(Cow::Borrowed(vector.as_ref())),
            None => right.get(call.at(1, row))?,
        };
        match (a, b) {
            (Some(a), Some(b)) if a.len() == b.len() => {
                out.append_value(positive_nan(apply(&a, &b)))
            }
            (Some(a), Some(b)) => return Err(different(a.len(), b.len())),
            _ => out.append_null(),
        }
    }
    Ok(Arc::new(out.finish()))
}

fn dims(call: &Call) -> Result<ArrayRef> {
    let vectors = Vectors::open(&call.args[0]);
    let mut out = Int32Builder::with_capacity(call.rows);
    for row in 0..call.rows {
        out.append_option(vectors.get(call.at(0, row))?.map(|vector| vector.len() as i32));
    }
    Ok(Arc::new(out.finish()))
}

fn norm(call: &Call) -> Result<ArrayRef> {
    let vectors = Vectors::open(&call.args[0]);
    let mut out = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        out.push(vectors.get(call.at(0, row))?.map(|vector| dot(&vector, &vector).sqrt()));
    }
    Ok(Arc::new(Float64Array::from(out)))
}
