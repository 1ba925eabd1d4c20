//! Which data directory is this, and how many shards has it?
//!
//! One small text file, `pieskieo.meta`, written atomically when the directory is created and never
//! changed afterwards:
//!
//! ```text
//! pieskieo data directory
//! format 1
//! uuid 6f1d0e6a...            32 hex digits, random
//! shards 2
//! checksum 5c1f09aa           CRC32C of the lines before, 8 hex digits
//! ```
//! The number of shards decides which shard owns a slot, so it is fixed for the directory's life.
//! Nothing else would notice another digit there: the records of a shard nobody asks are just not
//! found. Directories that are older than the last line have none.

use std::fmt::Write as _;
use std::path::Path;

use pieskieo_io::codec::checksum::checksum;
use pieskieo_io::file::{self, Dir};
use pieskieo_io::time;

use super::limits::SHARDS_MAX;
use crate::error::Error;

/// Name of the file within the data directory.
pub const META_FILE: &str = "pieskieo.meta";

/// Folders of a data directory.
const FOLDERS: [&str; 3] = [LOG_FOLDER, SEGMENT_FOLDER, HISTORY_FOLDER];
/// Folder of the logs within the data directory.
pub const LOG_FOLDER: &str = "log";
/// Folder of the segments within the data directory: one folder per shard in it.
pub const SEGMENT_FOLDER: &str = "segments";
/// Folder of what is known of the past, where it is kept.
pub const HISTORY_FOLDER: &str = "history";

const TITLE: &str = "pieskieo data directory";
const FORMAT: u32 = 1;

/// What a data directory says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Identity of the directory, random.
    pub uuid: [u8; 16],
    /// Number of shards, 1..=1024.
    pub shard_count: u16,
}

/// Reads the directory's description with plain blocking calls; `None` when there is none yet.
/// For start-up code that must know the number of shards before there is an executor.
///
/// **Errors**: `Corrupt` when it is not ours, `Storage` when it cannot be read.
pub fn peek(directory: &Path) -> Result<Option<Meta>, Error> {
    let path = directory.join(META_FILE);
    match file::host::read_to_string(&path) {
        Ok(text) => parse(&text).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::Storage(format!("read {}: {error}", path.display()))),
    }
}

/// Reads the directory's description, or writes a new one with `requested` shards (`fallback`
/// when nothing was requested).
///
/// **Errors**: `InvalidValue` when the directory has another number of shards than requested.
pub(crate) async fn open_or_create(
    dir: &Dir,
    requested: Option<u16>,
    fallback: u16,
) -> Result<Meta, Error> {
    let names = dir.list().await.map_err(storage)?;
    if names.iter().any(|name| name == META_FILE) {
        let bytes = dir.read_small(META_FILE).await.map_err(storage)?;
        let meta = parse(&String::from_utf8_lossy(&bytes))?;
        return check(meta, requested);
    }
    // It is written before anything else, so it cannot be missing beside these.
    if let Some(folder) = names.iter().find(|name| FOLDERS.contains(&name.as_str())) {
        return Err(Error::Corrupt(format!(
            "{META_FILE} is missing beside the folder \"{folder}\": put it back, or restore the \
             whole data directory from a backup"
        )));
    }
    let shard_count = requested.unwrap_or(fallback);
    if !(1..=SHARDS_MAX).contains(&shard_count) {
        return Err(Error::InvalidValue(format!(
            "{shard_count} shards were asked for; a data directory has 1 to {SHARDS_MAX}"
        )));
    }
    let mut uuid = [0; 16];
    time::fill_random(&mut uuid);
    let meta = Meta { uuid, shard_count };
    dir.write_small_atomically(META_FILE, print(&meta).as_bytes()).await.map_err(storage)?;
    Ok(meta)
}

fn check(meta: Meta, requested: Option<u16>) -> Result<Meta, Error> {
    match requested {
        Some(count) if count != meta.shard_count => Err(Error::InvalidValue(format!(
            "the data directory was created with {} shards, {count} were asked for; start with \
             {} or leave the number out",
            meta.shard_count, meta.shard_count
        ))),
        _ => Ok(meta),
    }
}

fn storage(error: pieskieo_io::Error) -> Error {
    Error::Storage(error.to_string())
}

/// Returns the text up to the checksum.
fn describe(meta: &Meta) -> String {
    let mut text = format!("{TITLE}\nformat {FORMAT}\nuuid ");
    for byte in meta.uuid {
        write!(text, "{byte:02x}").expect("a string takes everything");
    }
    writeln!(text, "\nshards {}", meta.shard_count).expect("a string takes everything");
    text
}

fn print(meta: &Meta) -> String {
    let text = describe(meta);
    let sum = checksum(text.as_bytes());
    format!("{text}checksum {sum:08x}\n")
}

fn parse(text: &str) -> Result<Meta, Error> {
    let damaged = |what: &str| Error::Corrupt(format!("{META_FILE} is damaged: {what}"));
    let mut lines = text.lines();
    if lines.next() != Some(TITLE) {
        return Err(damaged("it does not start as a Pieskieo data directory does"));
    }
    let mut field = |name: &str| {
        lines
            .next()
            .and_then(|line| line.strip_prefix(name))
            .and_then(|rest| rest.strip_prefix(' '))
            .ok_or_else(|| damaged(&format!("\"{name}\" is missing")))
    };
    let format = field("format")?;
    if format != FORMAT.to_string() {
        return Err(Error::Corrupt(format!(
            "{META_FILE}: the data directory has format {format}, this program reads format \
             {FORMAT}; use the version of Pieskieo that wrote it"
        )));
    }
    let digits = field("uuid")?;
    let number = u128::from_str_radix(digits, 16).map_err(|_| damaged("bad uuid"))?;
    if digits.len() != 32 {
        return Err(damaged("bad uuid"));
    }
    let shard_count = field("shards")?.parse().map_err(|_| damaged("bad number of shards"))?;
    if !(1..=SHARDS_MAX).contains(&shard_count) {
        return Err(damaged("bad number of shards"));
    }
    let meta = Meta { uuid: number.to_be_bytes(), shard_count };
    let is_whole = text == print(&meta) || text == describe(&meta);
    if is_whole { Ok(meta) } else { Err(damaged("its checksum is another")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn description_survives_its_text() {
        let meta = Meta { uuid: *b"0123456789abcdef", shard_count: 7 };
        assert_eq!(parse(&print(&meta)).unwrap(), meta);
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let meta = Meta { uuid: *b"0123456789abcdef", shard_count: 3 };
        let text = print(&meta).into_bytes();
        for place in 0..text.len() * 8 {
            let mut changed = text.clone();
            changed[place / 8] ^= 1 << (place % 8);
            let read = parse(&String::from_utf8_lossy(&changed));
            assert!(matches!(read, Err(Error::Corrupt(_))), "bit {place}: {read:?}");
        }
    }

    #[test]
    fn a_description_without_a_checksum_is_of_an_older_directory() {
        let text = "pieskieo data directory\nformat 1\n\
                    uuid 000102030405060708090a0b0c0d0e0f\nshards 2\n";
        let uuid = std::array::from_fn(|place| place as u8);
        assert_eq!(parse(text).unwrap(), Meta { uuid, shard_count: 2 });
    }

    #[test]
    fn damage_and_other_formats_are_refused() {
        let text = print(&Meta { uuid: [7; 16], shard_count: 7 });
        for (from, to) in [
            ("pieskieo data", "somebody's data"),
            ("format 1", "format 2"),
            ("uuid 07", "uuid 0"),
            ("uuid 07", "uuid zz"),
            ("shards 7", "shards 0"),
            ("shards 7", "shards 99999"),
            ("shards 7", ""),
        ] {
            let changed = text.replacen(from, to, 1);
            assert!(matches!(parse(&changed), Err(Error::Corrupt(_))), "{changed}");
        }
    }

    #[test]
    fn another_number_of_shards_is_refused_naming_both() {
        let meta = Meta { uuid: [7; 16], shard_count: 2 };
        assert_eq!(check(meta.clone(), None).unwrap(), meta);
        assert_eq!(check(meta.clone(), Some(2)).unwrap(), meta);
        let message = check(meta, Some(4)).unwrap_err().to_string();
        assert!(message.contains("created with 2 shards, 4 were asked for"), "{message}");
    }
}
