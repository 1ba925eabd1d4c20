//! What are Cranfield's documents, queries and judgements?
//!
//! 1,400 abstracts on aerodynamics, 225 questions, and how well abstracts answer them. Questions
//! are numbered by their order in the file.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use pieskieo::csv::{self, CsvOptions};
use serde_json::Value;

use super::jsonl::Jsonl;

/// The collection.
pub struct Cranfield {
    /// Documents in file order.
    pub documents: Vec<Abstract>,
    /// Questions; number `n` of the judgements is at `n - 1`.
    pub queries: Vec<String>,
    /// Per question (position in `queries`): document id to gain.
    pub judgements: Vec<BTreeMap<u32, f64>>,
}

/// One document.
pub struct Abstract {
    /// Its number.
    pub id: u32,
    /// Title; may be empty.
    pub title: String,
    /// Text; may be empty.
    pub body: String,
}

impl Cranfield {
    /// Reads the folder with `docs.jsonl`, `queries.jsonl` and `qrels.tsv`.
    ///
    /// A judgement goes from 1 (a complete answer) to 4 (of little interest); 5 is of no interest
    /// and -1 is a 1 mistyped. The gain is 5 minus it: 4, 3, 2, 1, 0.
    ///
    /// **Errors**: those of reading, and `InvalidData` for anything else in the files.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let mut documents = Vec::new();
        for document in Jsonl::open(folder.join("docs.jsonl"))? {
            let document = document?;
            let id = document["id"].as_u64().and_then(|id| u32::try_from(id).ok());
            documents.push(Abstract {
                id: id.ok_or_else(|| wrong("a document without number"))?,
                title: text(&document["title"]),
                body: text(&document["body"]),
            });
        }
        let mut queries = Vec::new();
        for query in Jsonl::open(folder.join("queries.jsonl"))? {
            queries.push(text(&query?["text"]));
        }
        let mut judgements = vec![BTreeMap::new(); queries.len()];
        let options = CsvOptions { separator: b'\t', ..CsvOptions::default() };
        for row in csv::open(folder.join("qrels.tsv"), options)? {
            let row = row?;
            let [query, document, relevance] = numbers(&row)?;
            let relevance = if relevance == -1 { 1 } else { relevance };
            let query = usize::try_from(query - 1).ok();
            let judged = query.and_then(|query| judgements.get_mut(query));
            let judged = judged.ok_or_else(|| wrong("a judgement on no question"))?;
            let document = u32::try_from(document).map_err(|_| wrong("a negative document"))?;
            judged.insert(document, (5 - relevance).max(0) as f64);
        }
        Ok(Self { documents, queries, judgements })
    }
}

fn numbers(row: &[Option<String>]) -> io::Result<[i64; 3]> {
    let numbers: Option<Vec<i64>> =
        row.iter().map(|field| field.as_deref()?.trim().parse().ok()).collect();
    numbers
        .and_then(|numbers| numbers.try_into().ok())
        .ok_or_else(|| wrong("a judgement is three numbers"))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
