//! What is handed to `__traverse`?

use pieskieo_shards::request::Direction;
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::syntax::{direction_name, direction_named};

/// The table function a TRAVERSE clause becomes.
pub const TRAVERSE_FUNCTION: &str = "__traverse";

/// One TRAVERSE clause, all names resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traversal {
    /// The edge table.
    pub edge: String,
    /// Which way.
    pub direction: Direction,
    /// Fewest hops, at least 1.
    pub min: u32,
    /// Most hops.
    pub max: u32,
    /// Alias of the nodes started from; `source_alias._key` is a column of the input.
    pub source_alias: String,
    /// Their table.
    pub source_table: String,
    /// Alias of the nodes reached.
    pub alias: String,
    /// Their table.
    pub table: String,
}

impl Traversal {
    /// Returns the text that [`Traversal::decode`] reads.
    pub fn encode(&self) -> String {
        json!({
            "edge": self.edge, "direction": direction_name(self.direction),
            "min": self.min, "max": self.max,
            "source_alias": self.source_alias, "source_table": self.source_table,
            "alias": self.alias, "table": self.table,
        })
        .to_string()
    }

    /// Reads what [`Traversal::encode`] wrote.
    ///
    /// # Errors
    ///
    /// XX000: only our own text is read.
    pub fn decode(text: &str) -> Result<Self> {
        decode(text).ok_or_else(|| Error::internal(format!("unreadable traversal {text}")))
    }
}

fn decode(text: &str) -> Option<Traversal> {
    let root: Value = serde_json::from_str(text).ok()?;
    let name = |field: &str| root.get(field)?.as_str().map(str::to_owned);
    let hops = |field: &str| u32::try_from(root.get(field)?.as_u64()?).ok();
    Some(Traversal {
        edge: name("edge")?,
        direction: direction_named(&name("direction")?)?,
        min: hops("min")?,
        max: hops("max")?,
        source_alias: name("source_alias")?,
        source_table: name("source_table")?,
        alias: name("alias")?,
        table: name("table")?,
    })
}
