//! Which relations are there, and how is one declared?

use pieskieo_shards::catalog::Catalog;

use super::super::relation::{CATALOG, Column, Relation, Rows, Source};
use super::{class, constraint, empty, kind, server, view};

/// Returns every relation of the schema.
pub fn relations() -> impl Iterator<Item = &'static Relation> {
    let stored = class::RELATIONS.iter().chain(constraint::RELATIONS).chain(kind::RELATIONS);
    stored.chain(server::RELATIONS).chain(view::RELATIONS).chain(empty::RELATIONS)
}

/// Declares a relation whose rows come from the catalog.
pub(super) const fn relation(
    name: &'static str,
    number: u32,
    columns: &'static [Column],
    rows: fn(&Catalog, &mut Rows),
) -> Relation {
    Relation { schema: CATALOG, name, columns, source: Source::Catalog(rows), number }
}
