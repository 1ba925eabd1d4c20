//! How do two rankings of the same records become one?
//!
//! Reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009): a record's score is the sum
//! of `1 / (60 + rank)` over the rankings it is in. It needs no common scale of the scores.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, Float64Array, RecordBatch, UInt32Array};
use arrow_schema::{DataType, Field, Schema};
use arrow_select::concat::concat_batches;

use crate::error::Result;
use crate::exec::fetch::rows_at;

/// The constant of the method: how little the first ranks stand out.
const SMOOTHING: f64 = 60.0;

/// Fuses rankings whose first column is the record's key, whose last is a measure of their own, and
/// whose other columns are those of the answer. Its last column is `_score`, higher is better.
///
/// **Errors**: none in practice.
pub fn fuse(rankings: &[Vec<RecordBatch>], limit: usize) -> Result<Option<RecordBatch>> {
    let mut rows = Vec::new();
    for ranking in rankings {
        for batch in ranking {
            let kept: Vec<usize> = (0..batch.num_columns() - 1).collect();
            rows.push(batch.project(&kept)?);
        }
    }
    let Some(first) = rows.first() else { return Ok(None) };
    let schema = first.schema();
    let all = concat_batches(&schema, &rows)?;
    let keys = all.column(0).as_binary::<i32>();
    let mut scores: HashMap<&[u8], (f64, u32), ahash::RandomState> = HashMap::default();
    let mut row = 0;
    for ranking in rankings {
        let count: usize = ranking.iter().map(RecordBatch::num_rows).sum();
        for rank in 1..=count {
            let score = scores.entry(keys.value(row)).or_insert((0.0, row as u32));
            score.0 += 1.0 / (SMOOTHING + rank as f64);
            row += 1;
        }
    }
    let mut ranked: Vec<(f64, u32)> = scores.into_values().collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    ranked.truncate(limit);
    let places = UInt32Array::from_iter_values(ranked.iter().map(|(_, row)| *row));
    let mut columns = rows_at(&all, &places)?;
    columns.remove(0);
    let score = Float64Array::from_iter_values(ranked.iter().map(|(score, _)| *score));
    columns.push(Arc::new(score) as ArrayRef);
    let mut fields = schema.fields()[1..].to_vec();
    fields.push(Arc::new(Field::new("_score", DataType::Float64, false)));
    Ok(Some(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?))
}
