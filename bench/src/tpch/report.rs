//! How are the figures of TPC-H told?

use serde_json::{Value, json};

/// What became of one question.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The answer is the published one.
    Right,
    /// It is not; where.
    Wrong(String),
    /// No answer of this scale is published.
    Unknown,
    /// The server refused.
    Refused(String),
}

/// One question.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its number.
    pub number: usize,
    /// Median of the times, the first left out; ms.
    pub millis: f64,
    /// Rows of the answer.
    pub rows: usize,
    /// What became of it.
    pub verdict: Verdict,
}

/// All that was asked.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Seconds of loading; `None` = nothing was loaded.
    pub load_seconds: Option<f64>,
    /// Question by question.
    pub asked: Vec<Asked>,
}

impl Report {
    /// Returns whether everything was answered, and nothing wrongly.
    pub fn is_right(&self) -> bool {
        self.asked.iter().all(|one| matches!(one.verdict, Verdict::Right | Verdict::Unknown))
    }

    /// Returns the sum of the medians, ms.
    pub fn millis(&self) -> f64 {
        self.asked.iter().map(|one| one.millis).sum()
    }

    /// Returns the figures for people.
    pub fn text(&self) -> String {
        let mut out = String::new();
        if let Some(seconds) = self.load_seconds {
            out.push_str(&format!("loaded in {seconds:.1} s\n"));
        }
        for Asked { number, millis, rows, verdict } in &self.asked {
            let verdict = match verdict {
                Verdict::Right => "right".to_owned(),
                Verdict::Wrong(difference) => format!("WRONG: {difference}"),
                Verdict::Unknown => "not published".to_owned(),
                Verdict::Refused(cause) => format!("REFUSED: {cause}"),
            };
            out.push_str(&format!("{number:>2} {millis:>9.1} ms {rows:>6} rows  {verdict}\n"));
        }
        let right = self.asked.iter().filter(|one| one.verdict == Verdict::Right).count();
        let (asked, seconds) = (self.asked.len(), self.millis() / 1e3);
        out.push_str(&format!("{asked} questions, {right} as published, {seconds:.2} s in all"));
        out
    }

    /// Returns the figures for programs.
    pub fn json(&self) -> Value {
        let asked = self.asked.iter().map(|one| {
            json!({
                "number": one.number,
                "millis": one.millis,
                "rows": one.rows,
                "right": one.verdict == Verdict::Right,
            })
        });
        json!({
            "load_seconds": self.load_seconds,
            "millis": self.millis(),
            "asked": asked.collect::<Vec<_>>(),
        })
    }
}
