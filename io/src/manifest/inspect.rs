//! What stands in the files of a manifest, line by line, for a person?

use std::fmt::Write as _;

use crate::file::Dir;

use super::error::{Error, Result};
use super::scan::{self, Scan};
use super::{name, open};

/// Returns one line for each generation and frame in `dir`. Writes nothing; what is broken is said
/// in its place.
///
/// **Errors**: `Disk` when a file cannot be read at all.
pub async fn inspect(dir: &Dir) -> Result<String> {
    let mut text = String::new();
    let names = open::names(dir).await?;
    for number in &names.generations {
        inspect_file(dir, &name::file(*number), &mut text).await?;
    }
    for number in &names.drafts {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "file {}: unfinished", name::draft(*number));
    }
    Ok(text)
}

async fn inspect_file(dir: &Dir, name: &str, text: &mut String) -> Result<()> {
    let bytes = match open::read(dir, name).await {
        Ok((file, bytes)) => {
            file.close().await?;
            bytes
        }
        Err(Error::Damaged(damage)) => {
            let _ = writeln!(text, "file {name}\n  damage: {damage}");
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let _ = writeln!(text, "file {name}: {} bytes", bytes.len());
    match scan::frames(name, &bytes) {
        Ok(scan) => describe(name, &bytes, &scan, text),
        Err(damage) => {
            let _ = writeln!(text, "  damage: {damage}");
        }
    }
    Ok(())
}

fn describe(name: &str, bytes: &[u8], scan: &Scan, text: &mut String) {
    let (header, sum) = (scan.header, scan.header_checksum);
    let _ = writeln!(
        text,
        "  generation {}, {}, checksum {sum:08x}",
        header.generation, header.identity
    );
    for frame in &scan.frames {
        let found = frame.header;
        let _ = writeln!(
            text,
            "    {:>10}  sequence {}, {}, {} bytes, checksum {:08x}",
            frame.offset,
            found.link.sequence,
            found.kind.name(),
            found.body_bytes,
            found.checksum
        );
    }
    if let Err(damage) = scan::check_end(name, bytes, scan) {
        let _ = writeln!(text, "  damage: {damage}");
    } else if (bytes.len() as u64) > scan.end {
        let rest = bytes.len() as u64 - scan.end;
        let _ = writeln!(text, "    {:>10}  a torn frame, {rest} bytes", scan.end);
    }
}
