//! How is what was found shown?

use serde_json::{Map, Value};

/// One file, or one shard: facts about it, and rows of one kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Section {
    /// Facts by name, in order.
    pub facts: Map<String, Value>,
    /// What the rows are.
    pub rows_name: &'static str,
    /// Rows of the same columns.
    pub rows: Vec<Map<String, Value>>,
    /// What is not as it was written.
    pub damage: Vec<String>,
}

impl Section {
    /// Returns a section with a first fact.
    pub fn new(name: &str, value: impl Into<Value>, rows_name: &'static str) -> Self {
        let mut section = Self { rows_name, ..Self::default() };
        section.fact(name, value);
        section
    }

    /// Adds a fact.
    pub fn fact(&mut self, name: &str, value: impl Into<Value>) {
        self.facts.insert(name.to_owned(), value.into());
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [(&str, Value); N]) {
        let cells = cells.into_iter().map(|(name, value)| (name.to_owned(), value));
        self.rows.push(cells.collect());
    }

    /// Returns it as one JSON object.
    pub fn json(&self) -> Value {
        let mut object = self.facts.clone();
        let rows = self.rows.iter().cloned().map(Value::Object).collect();
        object.insert(self.rows_name.to_owned(), Value::Array(rows));
        let damage = self.damage.iter().cloned().map(Value::String).collect();
        object.insert("damage".to_owned(), Value::Array(damage));
        Value::Object(object)
    }

    /// Returns the facts as one line.
    pub fn title(&self) -> String {
        let shown = |(name, value): (&String, &Value)| match value {
            Value::String(text) => format!("{} {text}", name.replace('_', " ")),
            value => format!("{} {value}", name.replace('_', " ")),
        };
        self.facts.iter().map(shown).collect::<Vec<_>>().join(", ")
    }
}

/// Returns an identity as people write it.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
