//! How are the queries of views written in a catalog?
//!
//! The byte table is in `encode`.

use super::{Content, ViewQuery, ViewRead};
use crate::codec::{Reader, Writer};
use crate::error::Error;
use crate::ids::{ColumnId, TableId, Timestamp};

const NOTHING: u8 = 1;
const WHOLE: u8 = 2;
const FILLING: u8 = 3;

pub(super) fn put_view(out: &mut Writer, query: &ViewQuery) {
    let ViewQuery { text, reads } = query;
    out.text(text);
    out.count(reads.len());
    for ViewRead { name, table, columns } in reads {
        out.text(name);
        out.u32(table.0);
        out.count(columns.len());
        for (id, name) in columns {
            out.u32(id.0);
            out.text(name);
        }
    }
}

pub(super) fn take_view(input: &mut Reader<'_>) -> Result<ViewQuery, Error> {
    let text = input.text("view query")?.to_owned();
    let mut reads = Vec::new();
    for _ in 0..input.count("view reads")? {
        let name = input.text("name in a view")?.to_owned();
        let table = TableId(input.u32("table of a view")?);
        let mut columns = Vec::new();
        for _ in 0..input.count("columns of a view")? {
            let id = ColumnId(input.u32("column of a view")?);
            columns.push((id, input.text("column name in a view")?.to_owned()));
        }
        reads.push(ViewRead { name, table, columns });
    }
    Ok(ViewQuery { text, reads })
}

pub(super) fn put_content(out: &mut Writer, content: Content) {
    match content {
        Content::Nothing => out.u8(NOTHING),
        Content::Whole(since) => {
            out.u8(WHOLE);
            out.u64(since.0);
        }
        Content::Filling(process) => {
            out.u8(FILLING);
            out.u64(process);
        }
    }
}

pub(super) fn take_content(input: &mut Reader<'_>) -> Result<Content, Error> {
    Ok(match input.u8("content")? {
        NOTHING => Content::Nothing,
        WHOLE => Content::Whole(Timestamp(input.u64("since")?)),
        FILLING => Content::Filling(input.u64("filling")?),
        _ => return Err(input.corrupt("content")),
    })
}
