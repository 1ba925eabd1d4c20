//! Which paths does a MATCH pattern ask for?
//!
//! A pattern is a chain: `nodes[i]` and `nodes[i + 1]` are joined by `edges[i]`. It travels
//! through `sqlparser`'s tree as the JSON text of one string literal.

use pieskieo_shards::request::Direction;
use serde_json::{Value, json};

use crate::error::{Error, Result};

/// The table function a MATCH pattern is replaced by.
pub const MATCH_FUNCTION: &str = "__match";

/// A chain of nodes and edges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// One more than edges.
    pub nodes: Vec<PatternNode>,
    /// Between consecutive nodes.
    pub edges: Vec<PatternEdge>,
    /// Where MATCH stood, in characters from 1.
    pub position: usize,
}

/// `(a:person {id: 1})`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternNode {
    /// Table alias of the node. Bound patterns name each node once; a name that begins with `__`
    /// was not written by the user.
    pub variable: Option<String>,
    /// The table; bound patterns always have one.
    pub table: Option<String>,
    /// `name: expression`; bound patterns have none, binding moved them to WHERE.
    pub properties: Vec<(String, String)>,
    /// Where it stood, in characters from 1.
    pub position: usize,
}

/// `-[k:knows*1..3 {since: 2000}]->`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternEdge {
    /// Table alias of the edge.
    pub variable: Option<String>,
    /// The edge table.
    pub table: String,
    /// Which way it is followed from the node before to the node after.
    pub direction: Direction,
    /// Fewest hops, at least 1.
    pub min: u32,
    /// Most hops.
    pub max: u32,
    /// `name: expression`, as for nodes.
    pub properties: Vec<(String, String)>,
    /// Where it stood, in characters from 1.
    pub position: usize,
}

impl PatternEdge {
    /// Returns whether the edge is always one hop, so that its columns can be read.
    pub fn single(&self) -> bool {
        self.min == 1 && self.max == 1
    }
}

impl Pattern {
    /// Returns the text that [`Pattern::decode`] reads.
    pub fn encode(&self) -> String {
        let nodes: Vec<Value> = self
            .nodes
            .iter()
            .map(|node| {
                json!({
                    "variable": node.variable, "table": node.table,
                    "properties": properties_json(&node.properties), "position": node.position,
                })
            })
            .collect();
        let edges: Vec<Value> = self
            .edges
            .iter()
            .map(|edge| {
                json!({
                    "variable": edge.variable, "table": edge.table,
                    "direction": direction_name(edge.direction), "min": edge.min, "max": edge.max,
                    "properties": properties_json(&edge.properties), "position": edge.position,
                })
            })
            .collect();
        json!({ "nodes": nodes, "edges": edges, "position": self.position }).to_string()
    }

    /// Reads what [`Pattern::encode`] wrote.
    ///
    /// # Errors
    ///
    /// XX000: only our own text is read.
    pub fn decode(text: &str) -> Result<Self> {
        decode(text).ok_or_else(|| Error::internal(format!("unreadable pattern {text}")))
    }
}

/// Returns the word for a direction, as TRAVERSE writes it.
pub(crate) fn direction_name(direction: Direction) -> &'static str {
    match direction {
        Direction::Out => "OUT",
        Direction::In => "IN",
        Direction::Both => "BOTH",
    }
}

/// Returns the direction a word means.
pub(crate) fn direction_named(name: &str) -> Option<Direction> {
    match name {
        "OUT" => Some(Direction::Out),
        "IN" => Some(Direction::In),
        "BOTH" => Some(Direction::Both),
        _ => None,
    }
}

fn properties_json(properties: &[(String, String)]) -> Value {
    properties.iter().map(|(name, value)| json!([name, value])).collect()
}

fn decode(text: &str) -> Option<Pattern> {
    let root: Value = serde_json::from_str(text).ok()?;
    let nodes = root.get("nodes")?.as_array()?.iter().map(decode_node).collect::<Option<_>>()?;
    let edges = root.get("edges")?.as_array()?.iter().map(decode_edge).collect::<Option<_>>()?;
    Some(Pattern { nodes, edges, position: number(&root, "position")? })
}

fn decode_node(node: &Value) -> Option<PatternNode> {
    Some(PatternNode {
        variable: optional_text(node, "variable"),
        table: optional_text(node, "table"),
        properties: decode_properties(node)?,
        position: number(node, "position")?,
    })
}

fn decode_edge(edge: &Value) -> Option<PatternEdge> {
    Some(PatternEdge {
        variable: optional_text(edge, "variable"),
        table: optional_text(edge, "table")?,
        direction: direction_named(edge.get("direction")?.as_str()?)?,
        min: number(edge, "min")?,
        max: number(edge, "max")?,
        properties: decode_properties(edge)?,
        position: number(edge, "position")?,
    })
}

fn decode_properties(owner: &Value) -> Option<Vec<(String, String)>> {
    let pairs = owner.get("properties")?.as_array()?;
    pairs
        .iter()
        .map(|pair| {
            let name = pair.get(0)?.as_str()?;
            Some((name.to_owned(), pair.get(1)?.as_str()?.to_owned()))
        })
        .collect()
}

fn optional_text(owner: &Value, field: &str) -> Option<String> {
    owner.get(field)?.as_str().map(str::to_owned)
}

fn number<T: TryFrom<u64>>(owner: &Value, field: &str) -> Option<T> {
    T::try_from(owner.get(field)?.as_u64()?).ok()
}
