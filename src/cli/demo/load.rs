//! How does the tree become tables, documents, edges, text and vectors?

use serde_json::{Value, json};

use super::tree::Tree;
use crate::cli::client::Client;
use crate::cli::embed;
use crate::cli::run::Failure;
use crate::cli::screen;

/// The tables of the demo, as a person would create them.
const SCHEMA: &str = "\
CREATE TABLE package (
  id BIGINT PRIMARY KEY, name TEXT NOT NULL, version TEXT NOT NULL, license TEXT NOT NULL,
  description TEXT, repository TEXT, readme TEXT
);
CREATE COLLECTION manifest (package BIGINT PRIMARY KEY);
CREATE EDGE depends FROM package TO package (features TEXT);
CREATE EDGE dev_depends FROM package TO package (features TEXT);
CREATE EDGE build_depends FROM package TO package (features TEXT);
CREATE TABLE section (
  id BIGINT PRIMARY KEY, package BIGINT NOT NULL, title TEXT, body TEXT, embedding VECTOR(256)
);
CREATE INDEX package_name ON package (name);
CREATE INDEX package_text ON package USING text (name, description, readme);
CREATE INDEX section_embedding ON section USING hnsw (embedding vector_cosine_ops);";

/// Creates the tables and stores the tree.
///
/// **Errors**: the server refuses something.
pub fn store(client: &Client, tree: &Tree) -> Result<(), Failure> {
    screen::line(SCHEMA);
    client.query(SCHEMA, &[])?;
    let packages = tree.packages.iter();
    let count = load(client, "package", packages.clone().map(|one| one.row.clone()))?;
    screen::line(format_args!("{count} packages are rows"));
    let count = load(client, "manifest", packages.map(|one| one.manifest.clone()))?;
    screen::line(format_args!("{count} manifests are JSON documents"));
    for table in ["depends", "dev_depends", "build_depends"] {
        let edges = tree.edges.iter().filter(|edge| edge.table == table).map(
            |edge| json!({ "src": edge.source, "dst": edge.target, "features": edge.features }),
        );
        let count = load(client, table, edges)?;
        screen::line(format_args!("{count} dependencies are \"{table}\" edges"));
    }
    let sections = tree.sections.iter().enumerate().map(|(id, section)| {
        let text = format!("{}\n{}", section.title, section.body);
        json!({
            "id": id, "package": section.package, "title": section.title, "body": section.body,
            "embedding": embed::embed(&text),
        })
    });
    let count = load(client, "section", sections)?;
    screen::line(format_args!("{count} README sections are text with vectors"));
    Ok(())
}

fn load(
    client: &Client,
    table: &str,
    records: impl Iterator<Item = Value>,
) -> Result<u64, Failure> {
    let mut lines = Vec::new();
    for record in records {
        lines.extend_from_slice(record.to_string().as_bytes());
        lines.push(b'\n');
    }
    let answer = client.load(table, &lines[..], false)?;
    let number = |name: &str| answer.get(name).and_then(Value::as_u64).unwrap_or(0);
    if number("failed") > 0 {
        return Err(format!("\"{table}\" refused records: {}", answer["errors"]));
    }
    Ok(number("inserted"))
}
