//! What stands in a segment, line by line, for a person?

use std::fmt::Write as _;

use crate::file::Dir;

use super::error::{Error, Result};
use super::footer::Table;
use super::identity::SegmentId;
use super::open::{self, Ending};

/// Returns one line for the file, and one for each part and block. Needs no manifest and writes
/// nothing; what is broken is said in its place.
///
/// **Errors**: `Disk` when the file cannot be read at all.
pub async fn inspect(dir: &Dir, id: SegmentId) -> Result<String> {
    let mut text = String::new();
    match open::open_file(dir, id).await {
        Ok((file, name)) => {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "file {name}: {} bytes", file.len());
            match open::read_header(&file, &name).await {
                Ok(identity) => {
                    let _ = writeln!(text, "  header: {identity}");
                }
                Err(error) => broken(error, &mut text)?,
            }
            match open::read_ending(&file, &name).await {
                Ok(ending) => describe(&ending, &mut text),
                Err(error) => broken(error, &mut text)?,
            }
            file.close().await?;
        }
        Err(error) => broken(error, &mut text)?,
    }
    Ok(text)
}

fn broken(error: Error, text: &mut String) -> Result<()> {
    let Error::Damaged(damage) = error else { return Err(error) };
    let _ = writeln!(text, "  damage: {damage}");
    Ok(())
}

fn describe(ending: &Ending, text: &mut String) {
    let Ending { trailer, table } = ending;
    let _ = writeln!(
        text,
        "  trailer: {}, footer of {} bytes at {}, checksum {:08x}",
        trailer.identity, trailer.footer_bytes, trailer.footer_offset, trailer.footer_checksum
    );
    for part in &table.parts {
        let _ = writeln!(text, "  part {}: {} blocks", part.kind, part.count);
        describe_blocks(table, part.kind, part.count, text);
    }
}

fn describe_blocks(table: &Table, kind: super::PartKind, count: u32, text: &mut String) {
    let blocks = table.run(kind, 0, count).unwrap_or(&[]);
    for (index, block) in blocks.iter().enumerate() {
        let _ = writeln!(
            text,
            "    {:>10}  block {index}: {} bytes, {} from {}, checksum {:08x}",
            block.offset,
            block.raw_bytes,
            block.codec.name(),
            block.stored_bytes,
            block.checksum
        );
    }
}
