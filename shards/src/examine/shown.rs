//! How do a tree, an image and a key look to a person?

use std::fmt::Write as _;

use crate::catalog::Catalog;
use crate::key::Key;
use crate::storage::{ImageKind, Imaged, Part, TreeName};

/// Returns what a tree is to its table.
pub(super) fn tree_name(catalog: Option<&Catalog>, tree: TreeName) -> String {
    let table = catalog.and_then(|catalog| catalog.tables.get(&tree.table));
    let name = table.map_or_else(
        || format!("table {} (dropped)", tree.table),
        |table| format!("\"{}\"", table.name),
    );
    match tree.part {
        Part::Records => format!("records of {name}"),
        Part::Mirrors => format!("mirrors of {name}"),
        Part::Ordered(id) => {
            let index = table.and_then(|table| table.index(id));
            let index = index.map_or_else(|| id.to_string(), |index| format!("\"{}\"", index.name));
            format!("index {index} of {name}")
        }
    }
}

/// Returns what a file about an index is.
pub(super) fn image_name(catalog: Option<&Catalog>, image: &Imaged) -> String {
    let (table, part) = (image.name.table, image.name.index.map_or(Part::Mirrors, Part::Ordered));
    let whole = match image.name.index {
        Some(_) => tree_name(catalog, TreeName { table, part }),
        None => tree_name(catalog, TreeName { table, part }).replace("mirrors", "adjacency"),
    };
    match image.kind {
        ImageKind::Whole => format!("image of {whole}"),
        ImageKind::Changes => format!("keys changed since the image of {whole}"),
    }
}

/// Keys of a tree that cannot be read.
pub(crate) struct Damaged<'a> {
    pub tree: TreeName,
    /// Both included.
    pub first: &'a [u8],
    pub last: &'a [u8],
}

impl Damaged<'_> {
    /// Says which keys they are, what is lost with them, and what can be done.
    pub fn shown(&self, catalog: Option<&Catalog>) -> String {
        let Self { tree, first, last } = *self;
        let (name, lost) = (tree_name(catalog, tree), lost(tree.part));
        let (first, last) = (key_shown(catalog, tree, first), key_shown(catalog, tree, last));
        format!("{name}, keys {first} to {last}: {lost}")
    }
}

/// Says what is lost with keys of a tree.
fn lost(part: Part) -> &'static str {
    match part {
        Part::Records => "records are lost; all other keys stay readable",
        Part::Ordered(_) => "no record is lost; `pieskieo verify --repair` makes the index anew",
        Part::Mirrors => {
            "no record is lost: the edges are records of the shards of their sources; export the \
             table and import it into a new one"
        }
    }
}

/// Returns whether a tree can be made from the records of its shard.
pub(super) fn is_derived(tree: TreeName) -> bool {
    matches!(tree.part, Part::Ordered(_))
}

/// Returns a key, by the columns of the table where they are known.
pub(super) fn key_shown(catalog: Option<&Catalog>, tree: TreeName, key: &[u8]) -> String {
    let table = catalog.and_then(|catalog| catalog.tables.get(&tree.table));
    if let Some(table) = table.filter(|_| tree.part == Part::Records)
        && let Ok(key) = Key::from_bytes(key, &table.key_types(), table.routing)
    {
        return key.display(table);
    }
    let mut shown = String::with_capacity(2 + key.len() * 2);
    shown.push_str("0x");
    for byte in key {
        // Writing to a string cannot fail.
        let _ = write!(shown, "{byte:02x}");
    }
    shown
}
