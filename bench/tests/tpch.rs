//! Are the questions of TPC-H answered alike on 1, 2 and 8 shards, by one core and by all?
//!
//! Whether the answers are the published ones is for `pieskieo-bench tpch`: they are published for a
//! gigabyte.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "what surprises a test stops it, and it looks at the server from outside"
)]

mod support;

use std::sync::{Arc, Mutex};

use pieskieo_bench::tpch;
use serde_json::Value;
use support::{Folder, serve};

/// 60,000 lines of orders.
const SCALE: f64 = 0.01;

/// The rows of each answer.
type Answers = Vec<(usize, Vec<Vec<Value>>)>;

/// Loads a server with so many shards and asks; `shared`: all cores take part in every question.
fn answers(shards: u16, shared: bool) -> Answers {
    let folder = Folder::fresh();
    let found = Arc::new(Mutex::new(Answers::new()));
    let told = found.clone();
    serve(&folder, shards, move |client| {
        let told = told.clone();
        Box::pin(async move {
            tpch::load(&client, SCALE).await.unwrap();
            let setting = if shared { "0" } else { "1000000000" };
            for (number, text) in tpch::questions(SCALE) {
                let text = format!("SET parallel_rows = {setting}; {text}");
                let answer = client.query(&text, &[]).await;
                let answer =
                    answer.unwrap_or_else(|failure| panic!("question {number}: {failure}"));
                told.lock().unwrap().push((number, answer.rows));
            }
        })
    });
    std::mem::take(&mut *found.lock().unwrap())
}

#[test]
fn every_question_has_the_same_answer_on_any_number_of_shards() {
    let alone = answers(1, false);
    assert_eq!(alone.len(), 22);
    let empty: Vec<usize> =
        alone.iter().filter(|(_, rows)| rows.is_empty()).map(|(number, _)| *number).collect();
    assert!(empty.len() <= 3, "questions without rows prove little: {empty:?}");
    for (shards, shared) in [(2, false), (2, true), (8, true)] {
        for ((number, rows), (_, expected)) in answers(shards, shared).iter().zip(&alone) {
            assert_eq!(rows, expected, "question {number}, {shards} shards, shared: {shared}");
        }
    }
}
