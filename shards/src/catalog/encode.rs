//! How is a catalog written to the log?
//!
//! ```text
//! catalog  u8 format = 3 | u64 version | u16 shard_count | u32 table_next | u32 index_next
//!          | u32 n | n tables
//! table    u32 id | text name | kind | u32 n | n columns | positions key | u32 routing
//!          | u32 n | n indexes | u32 n | n constraints | comment | rewrite
//!          | u64 since (0 none)
//! kind     u8 1 relation | u8 2 collection | u8 3 edge, u32 source, u32 target
//!          | u8 4 entries of a unique constraint, u32 table
//!          | u8 5 sequence: u64 start, u64 increment, u64 min, u64 max (two's complement),
//!                           u8 cycle, u32 cache, u32 owner (0 none)
//!          | u8 6 answers to requests with idempotency keys
//!          | u8 7 view: query
//!          | u8 8 materialized view: query, u8 1 holds nothing | u8 2 whole, u64 since
//!                                   | u8 3 being filled, u64 process
//!          | u8 9 unfinished: u64 process, kind (not 9)
//! query    text | u32 n | n reads: text name, u32 table, u32 n, n columns: u32 id, text name
//! column   u32 id | text name | type | u8 flags (1 not null, 2 hidden, 4 generated,
//!          8 a default follows, 16 takes only its default, 32 the value of rows before it follows,
//!          64 dropped, 128 older snapshots may see nulls)
//!          | [text default] | [bytes, the field as rows have it] | comment
//! type     u8 tag | numeric: u8 precision, u8 scale as i8 | vector: u32 dimension
//!                 | varchar: u32 length | array: the type of its elements
//! index    u32 id | text name | u8 1 ordered: positions
//!                             | u8 2 vector: u32 column, u8 metric, u32 m, u32 ef_construction,
//!                                            u32 ef_search
//!                             | u8 3 text: u8 stem, u32 n, n fields
//!                             each followed by: comment
//! field    u32 column | u32 n | n texts (the path)
//! constraint  text name | comment | [u8 4 some records may not keep it]
//!                       | u8 1 check: text condition
//!                       | u8 2 unique: positions, u32 entries, u32 index, u64 filling (0 no)
//!                       | u8 3 foreign: positions, u32 target, positions, action of delete,
//!                                       action of update
//! action   u8 1 no action | u8 2 restrict | u8 3 cascade | u8 4 set null | u8 5 set default
//! positions  u32 n | n times u32
//! comment  u8 0 none | u8 1, text
//! rewrite  u8 0 none | u8 1 source: u64 process | u8 2 copy: u32 table, u64 process
//!                    | u8 3 begun: u64 process
//! ```
//! Numbers are little-endian (`codec`). Format 2 is read as well: it has no
//! comments and no rewrites. So is format
//! 1: it has no constraints either, kinds 4 to 9 and flag 16 do not occur. A reader refuses formats it does not know. Names and tags are
//! never reused for another meaning.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::encode_constraint::{put_constraint, put_sequence, take_constraint, take_sequence};
use super::encode_view::{put_content, put_view, take_content, take_view};
use super::{Altered, Catalog, Column, Index, IndexKind, Rewrite, Table, TableKind, TextField};
use crate::codec::{Reader, Writer};
use crate::error::Error;
use crate::ids::{CatalogVersion, ColumnId, IndexId, TableId, Timestamp};
use crate::row::value_of_field;
use crate::value::ColumnType;
use crate::vector::Metric;

const FORMAT: u8 = 3;
/// The format without comments.
const FORMAT_SILENT: u8 = 2;
/// The format without comments and constraints.
const FORMAT_BARE: u8 = 1;

const KIND_RELATION: u8 = 1;
const KIND_COLLECTION: u8 = 2;
const KIND_EDGE: u8 = 3;
const KIND_ENTRIES: u8 = 4;
const KIND_SEQUENCE: u8 = 5;
const KIND_ANSWERS: u8 = 6;
const KIND_VIEW: u8 = 7;
const KIND_MATERIALIZED: u8 = 8;
const KIND_UNFINISHED: u8 = 9;

const INDEX_ORDERED: u8 = 1;
const INDEX_VECTOR: u8 = 2;
const INDEX_TEXT: u8 = 3;

const TYPE_ARRAY: u8 = 19;

const FLAG_NOT_NULL: u8 = 1;
const FLAG_HIDDEN: u8 = 2;
const FLAG_GENERATED: u8 = 4;
const FLAG_DEFAULT: u8 = 8;
const FLAG_ALWAYS: u8 = 16;
const FLAG_MISSING: u8 = 32;
const FLAG_DROPPED: u8 = 64;
const FLAG_HELD_NULLS: u8 = 128;

/// Returns the bytes of a catalog.
pub(crate) fn encode(catalog: &Catalog) -> Vec<u8> {
    let Catalog { version, shard_count, table_next, index_next, tables, drafted: _ } = catalog;
    let mut out = Writer::with_capacity(64 + 512 * tables.len());
    out.u8(FORMAT);
    out.u64(version.0);
    out.u16(*shard_count);
    out.u32(table_next.0);
    out.u32(index_next.0);
    out.count(tables.len());
    for table in tables.values() {
        put_table(&mut out, table);
    }
    out.into_bytes()
}

/// Returns the catalog these bytes hold.
///
/// **Errors**: `Corrupt` for anything that [`encode`] does not write.
pub(crate) fn decode(bytes: &[u8]) -> Result<Catalog, Error> {
    let mut input = Reader::new(bytes, "catalog snapshot");
    let format = input.u8("format")?;
    if !(FORMAT_BARE..=FORMAT).contains(&format) {
        return Err(input.corrupt("format"));
    }
    let version = CatalogVersion(input.u64("version")?);
    let shard_count = input.u16("shard count")?;
    let table_next = TableId(input.u32("next table")?);
    let index_next = IndexId(input.u32("next index")?);
    if shard_count == 0 {
        return Err(input.corrupt("shard count"));
    }
    let mut tables = BTreeMap::new();
    for _ in 0..input.count("table count")? {
        let table = take_table(&mut input, format)?;
        tables.insert(table.id, Arc::new(table));
    }
    input.finish()?;
    let drafted = BTreeSet::new();
    let mut catalog = Catalog { version, shard_count, table_next, index_next, tables, drafted };
    catalog.link();
    Ok(catalog)
}

fn put_table(out: &mut Writer, table: &Table) {
    let Table { id, name, kind, columns, key, routing, indexes, constraints, .. } = table;
    out.u32(id.0);
    out.text(name);
    put_kind(out, kind);
    out.count(columns.len());
    for column in columns {
        put_column(out, column);
    }
    put_positions(out, key);
    out.count(*routing);
    out.count(indexes.len());
    for index in indexes {
        put_index(out, index);
    }
    out.count(constraints.len());
    for constraint in constraints {
        put_constraint(out, constraint);
    }
    put_comment(out, table.comment.as_deref());
    put_rewrite(out, table.rewrite);
    out.u64(table.since.map_or(0, |since| since.0));
}

fn put_kind(out: &mut Writer, kind: &TableKind) {
    match kind {
        TableKind::Relation => out.u8(KIND_RELATION),
        TableKind::Collection => out.u8(KIND_COLLECTION),
        TableKind::Edge { source, target } => {
            out.u8(KIND_EDGE);
            out.u32(source.0);
            out.u32(target.0);
        }
        TableKind::Entries { of } => {
            out.u8(KIND_ENTRIES);
            out.u32(of.0);
        }
        TableKind::Sequence(shape) => {
            out.u8(KIND_SEQUENCE);
            put_sequence(out, shape);
        }
        TableKind::Answers => out.u8(KIND_ANSWERS),
        TableKind::View(query) => {
            out.u8(KIND_VIEW);
            put_view(out, query);
        }
        TableKind::Materialized { query, content } => {
            out.u8(KIND_MATERIALIZED);
            put_view(out, query);
            put_content(out, *content);
        }
        TableKind::Unfinished { process, becomes } => {
            out.u8(KIND_UNFINISHED);
            out.u64(*process);
            put_kind(out, becomes);
        }
    }
}

fn take_table(input: &mut Reader<'_>, format: u8) -> Result<Table, Error> {
    let id = TableId(input.u32("table id")?);
    let name = input.text("table name")?.to_owned();
    let tag = input.u8("table kind")?;
    let kind = match tag {
        KIND_UNFINISHED => {
            let process = input.u64("filling")?;
            // One level: `take_kind` refuses the tag.
            let tag = input.u8("table kind")?;
            TableKind::Unfinished { process, becomes: Box::new(take_kind(input, tag)?) }
        }
        _ => take_kind(input, tag)?,
    };
    let mut columns = Vec::new();
    for _ in 0..input.count("column count")? {
        columns.push(take_column(input, format)?);
    }
    let key = take_positions(input)?;
    let routing = input.count("routing")?;
    let mut indexes = Vec::new();
    for _ in 0..input.count("index count")? {
        indexes.push(Arc::new(take_index(input, format)?));
    }
    let count = if format == FORMAT_BARE { 0 } else { input.count("constraint count")? };
    let mut constraints = Vec::new();
    for _ in 0..count {
        constraints.push(Arc::new(take_constraint(input, columns.len(), format)?));
    }
    let comment = take_comment(input, format)?;
    let (rewrite, since) = match format {
        FORMAT => (take_rewrite(input)?, input.u64("first commit of the records")?),
        _ => (None, 0),
    };
    let since = Some(Timestamp(since)).filter(|since| since.0 != 0);
    let sound = !key.is_empty()
        && key.iter().all(|&position| position < columns.len())
        && (1..=key.len()).contains(&routing);
    if !sound {
        return Err(input.corrupt("table key"));
    }
    let referrers = Vec::new();
    let table = Table {
        id,
        name,
        kind,
        columns,
        key,
        routing,
        indexes,
        constraints,
        referrers,
        comment,
        rewrite,
        since,
    };
    Ok(table)
}

fn put_rewrite(out: &mut Writer, rewrite: Option<Rewrite>) {
    match rewrite {
        None => out.u8(0),
        Some(Rewrite::Source { process }) => {
            out.u8(1);
            out.u64(process);
        }
        Some(Rewrite::Copy { of, process }) => {
            out.u8(2);
            out.u32(of.0);
            out.u64(process);
        }
        Some(Rewrite::Begun { process }) => {
            out.u8(3);
            out.u64(process);
        }
    }
}

fn take_rewrite(input: &mut Reader<'_>) -> Result<Option<Rewrite>, Error> {
    Ok(match input.u8("rewrite")? {
        0 => None,
        1 => Some(Rewrite::Source { process: input.u64("who rewrites")? }),
        2 => {
            let of = TableId(input.u32("rewritten table")?);
            Some(Rewrite::Copy { of, process: input.u64("who rewrites")? })
        }
        3 => Some(Rewrite::Begun { process: input.u64("who has begun it")? }),
        _ => return Err(input.corrupt("rewrite")),
    })
}

fn take_kind(input: &mut Reader<'_>, tag: u8) -> Result<TableKind, Error> {
    Ok(match tag {
        KIND_RELATION => TableKind::Relation,
        KIND_COLLECTION => TableKind::Collection,
        KIND_EDGE => TableKind::Edge {
            source: TableId(input.u32("edge source")?),
            target: TableId(input.u32("edge target")?),
        },
        KIND_ENTRIES => TableKind::Entries { of: TableId(input.u32("table of entries")?) },
        KIND_SEQUENCE => TableKind::Sequence(take_sequence(input)?),
        KIND_ANSWERS => TableKind::Answers,
        KIND_VIEW => TableKind::View(take_view(input)?),
        KIND_MATERIALIZED => {
            TableKind::Materialized { query: take_view(input)?, content: take_content(input)? }
        }
        _ => return Err(input.corrupt("table kind")),
    })
}

fn put_column(out: &mut Writer, column: &Column) {
    let Column { id, name, ty, not_null, default, hidden, generated, always, altered, comment } =
        column;
    let Altered { dropped, missing, held_nulls } = altered;
    out.u32(id.0);
    out.text(name);
    put_type(out, ty);
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    out.u8(flag(*not_null, FLAG_NOT_NULL)
        | flag(*hidden, FLAG_HIDDEN)
        | flag(*generated, FLAG_GENERATED)
        | flag(*always, FLAG_ALWAYS)
        | flag(*dropped, FLAG_DROPPED)
        | flag(missing.is_some(), FLAG_MISSING)
        | flag(*held_nulls, FLAG_HELD_NULLS)
        | flag(default.is_some(), FLAG_DEFAULT));
    if let Some(text) = default {
        out.text(text);
    }
    if let Some(value) = missing {
        out.blob(value);
    }
    put_comment(out, comment.as_deref());
}

fn take_column(input: &mut Reader<'_>, format: u8) -> Result<Column, Error> {
    let id = ColumnId(input.u32("column id")?);
    let name = input.text("column name")?.to_owned();
    let ty = take_type(input)?;
    let flags = input.u8("column flags")?;
    let default = match flags & FLAG_DEFAULT {
        0 => None,
        _ => Some(input.text("column default")?.to_owned()),
    };
    let missing = match flags & FLAG_MISSING {
        0 => None,
        _ => Some(Arc::from(input.blob("value of rows before the column")?)),
    };
    if missing.as_ref().is_some_and(|field| value_of_field(&ty, field).is_err()) {
        return Err(input.corrupt("value of rows before the column"));
    }
    Ok(Column {
        id,
        name,
        ty,
        not_null: flags & FLAG_NOT_NULL != 0,
        default,
        hidden: flags & FLAG_HIDDEN != 0,
        generated: flags & FLAG_GENERATED != 0,
        always: flags & FLAG_ALWAYS != 0,
        altered: Altered {
            dropped: flags & FLAG_DROPPED != 0,
            missing,
            held_nulls: flags & FLAG_HELD_NULLS != 0,
        },
        comment: take_comment(input, format)?,
    })
}

pub(super) fn put_comment(out: &mut Writer, comment: Option<&str>) {
    out.u8(u8::from(comment.is_some()));
    if let Some(text) = comment {
        out.text(text);
    }
}

pub(super) fn take_comment(input: &mut Reader<'_>, format: u8) -> Result<Option<Arc<str>>, Error> {
    if format <= FORMAT_SILENT {
        return Ok(None);
    }
    match input.u8("whether there is a comment")? {
        0 => Ok(None),
        1 => Ok(Some(input.text("comment")?.into())),
        _ => Err(input.corrupt("whether there is a comment")),
    }
}

fn put_type(out: &mut Writer, ty: &ColumnType) {
    match ty {
        ColumnType::Bool => out.u8(1),
        ColumnType::Int => out.u8(2),
        ColumnType::BigInt => out.u8(3),
        ColumnType::Float => out.u8(4),
        ColumnType::Double => out.u8(5),
        ColumnType::Numeric { precision, scale } => {
            out.u8(6);
            out.u8(*precision);
            out.u8(scale.to_le_bytes()[0]);
        }
        ColumnType::Text => out.u8(7),
        ColumnType::Bytea => out.u8(8),
        ColumnType::Date => out.u8(9),
        ColumnType::Timestamp => out.u8(10),
        ColumnType::TimestampTz => out.u8(11),
        ColumnType::Uuid => out.u8(12),
        ColumnType::Json => out.u8(13),
        ColumnType::Vector(dimension) => {
            out.u8(14);
            out.u32(*dimension);
        }
        ColumnType::SmallInt => out.u8(15),
        ColumnType::Varchar(length) => {
            out.u8(16);
            out.u32(*length);
        }
        ColumnType::Time => out.u8(17),
        ColumnType::Interval => out.u8(18),
        ColumnType::Array(element) => {
            out.u8(TYPE_ARRAY);
            put_type(out, element);
        }
    }
}

fn take_type(input: &mut Reader<'_>) -> Result<ColumnType, Error> {
    match input.u8("column type")? {
        TYPE_ARRAY => {
            let tag = input.u8("element type")?;
            take_scalar(input, tag)?.array_of().ok_or_else(|| input.corrupt("element type"))
        }
        tag => take_scalar(input, tag),
    }
}

fn take_scalar(input: &mut Reader<'_>, tag: u8) -> Result<ColumnType, Error> {
    Ok(match tag {
        1 => ColumnType::Bool,
        2 => ColumnType::Int,
        3 => ColumnType::BigInt,
        4 => ColumnType::Float,
        5 => ColumnType::Double,
        6 => ColumnType::Numeric {
            precision: input.u8("precision")?,
            scale: i8::from_le_bytes([input.u8("scale")?]),
        },
        7 => ColumnType::Text,
        8 => ColumnType::Bytea,
        9 => ColumnType::Date,
        10 => ColumnType::Timestamp,
        11 => ColumnType::TimestampTz,
        12 => ColumnType::Uuid,
        13 => ColumnType::Json,
        14 => ColumnType::Vector(input.u32("dimension")?),
        15 => ColumnType::SmallInt,
        16 => ColumnType::Varchar(input.u32("length")?),
        17 => ColumnType::Time,
        18 => ColumnType::Interval,
        _ => return Err(input.corrupt("column type")),
    })
}

fn put_index(out: &mut Writer, index: &Index) {
    let Index { id, name, kind, comment } = index;
    out.u32(id.0);
    out.text(name);
    match kind {
        IndexKind::Ordered { columns } => {
            out.u8(INDEX_ORDERED);
            put_positions(out, columns);
        }
        IndexKind::Vector { column, metric, m, ef_construction, ef_search } => {
            out.u8(INDEX_VECTOR);
            out.count(*column);
            out.u8(match metric {
                Metric::L2 => 1,
                Metric::Cosine => 2,
                Metric::InnerProduct => 3,
            });
            out.count(*m);
            out.count(*ef_construction);
            out.count(*ef_search);
        }
        IndexKind::Text { fields, stem } => {
            out.u8(INDEX_TEXT);
            out.u8(u8::from(*stem));
            out.count(fields.len());
            for TextField { column, path } in fields {
                out.count(*column);
                out.count(path.len());
                for step in path {
                    out.text(step);
                }
            }
        }
    }
    put_comment(out, comment.as_deref());
}

fn take_index(input: &mut Reader<'_>, format: u8) -> Result<Index, Error> {
    let id = IndexId(input.u32("index id")?);
    let name = input.text("index name")?.to_owned();
    let kind = match input.u8("index kind")? {
        INDEX_ORDERED => IndexKind::Ordered { columns: take_positions(input)? },
        INDEX_VECTOR => IndexKind::Vector {
            column: input.count("vector column")?,
            metric: match input.u8("metric")? {
                1 => Metric::L2,
                2 => Metric::Cosine,
                3 => Metric::InnerProduct,
                _ => return Err(input.corrupt("metric")),
            },
            m: input.count("m")?,
            ef_construction: input.count("ef_construction")?,
            ef_search: input.count("ef_search")?,
        },
        INDEX_TEXT => take_text_index(input)?,
        _ => return Err(input.corrupt("index kind")),
    };
    let comment = take_comment(input, format)?;
    Ok(Index { id, name, kind, comment })
}

fn take_text_index(input: &mut Reader<'_>) -> Result<IndexKind, Error> {
    let stem = match input.u8("stem")? {
        0 => false,
        1 => true,
        _ => return Err(input.corrupt("stem")),
    };
    let mut fields = Vec::new();
    for _ in 0..input.count("field count")? {
        let column = input.count("text column")?;
        let mut path = Vec::new();
        for _ in 0..input.count("path length")? {
            path.push(input.text("path")?.to_owned());
        }
        fields.push(TextField { column, path });
    }
    Ok(IndexKind::Text { fields, stem })
}

pub(super) fn put_positions(out: &mut Writer, positions: &[usize]) {
    out.count(positions.len());
    for &position in positions {
        out.count(position);
    }
}

pub(super) fn take_positions(input: &mut Reader<'_>) -> Result<Vec<usize>, Error> {
    let mut positions = Vec::new();
    for _ in 0..input.count("position count")? {
        positions.push(input.count("position")?);
    }
    Ok(positions)
}

#[cfg(test)]
#[path = "encode_tests.rs"]
mod tests;
