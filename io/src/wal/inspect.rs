//! What stands in the log files, line by line, for a person?

use std::fmt::Write as _;

use crate::file::Dir;

use super::arrange::{Found, Live};
use super::error::Result;
use super::header::{FileHeader, HeaderBlock};
use super::options::SyncMethod;
use super::position::StreamId;
use super::scan::{FrameAt, Scanner, Step};
use super::survey;
use super::tail::Seen;

/// Returns one line per file and per frame of every stream in `dir`. Writes nothing.
///
/// **Errors**: `Storage` when a file cannot be read at all.
pub async fn inspect(dir: &Dir) -> Result<String> {
    let mut text = String::new();
    for stream in survey::streams(dir).await? {
        inspect_stream(dir, stream, &mut text).await?;
    }
    Ok(text)
}

async fn inspect_stream(dir: &Dir, stream: StreamId, text: &mut String) -> Result<()> {
    let names = survey::names(dir, stream).await?;
    let survey = survey::survey(dir, &names.files, SyncMethod::AfterWrite, false).await?;
    // Writing to a string cannot fail.
    let _ = writeln!(text, "stream {stream}: {} files", names.files.len());
    for (found, file) in survey.found.iter().zip(&survey.files) {
        describe_file(found, text);
        if let HeaderBlock::Valid(header, checksum) = found.header
            && header.file_bytes == found.bytes
        {
            let live = Live { name: found.name.clone(), header, checksum };
            inspect_frames(Scanner::new(file.clone(), live), text).await?;
        }
    }
    Ok(())
}

fn describe_file(found: &Found, text: &mut String) {
    let Found { name, bytes, header, inside } = found;
    let _ = match header {
        HeaderBlock::Valid(header, checksum) => describe_header(name, header, *checksum, text),
        HeaderBlock::Blank | HeaderBlock::Broken => {
            let word = if matches!(header, HeaderBlock::Blank) { "spare" } else { "unreadable" };
            let frames = match inside.frame {
                Some(frame) => format!(", frames of epoch {} inside", frame.epoch),
                None => String::new(),
            };
            writeln!(text, "  file {name}: {word}, {bytes} bytes{frames}")
        }
        HeaderBlock::Version(version) => {
            writeln!(text, "  file {name}: format version {version}, {bytes} bytes")
        }
    };
}

fn describe_header(
    name: &str,
    header: &FileHeader,
    checksum: u32,
    text: &mut String,
) -> std::fmt::Result {
    let database: String = header.database.iter().map(|byte| format!("{byte:02x}")).collect();
    writeln!(
        text,
        "  file {name}: epoch {}, first LSN {}, first sequence {}, released {}, {} bytes, frames \
         up to {} bytes, database {database}, checksum {checksum:08x}, previous {:08x}",
        header.epoch,
        header.first_lsn,
        header.first_sequence,
        header.released_lsn,
        header.file_bytes,
        header.frame_bytes_max,
        header.previous_checksum
    )
}

async fn inspect_frames(mut scanner: Scanner, text: &mut String) -> Result<()> {
    loop {
        match scanner.step().await? {
            Step::Frame(frame) => describe_frame(&frame, text),
            Step::Stop(seen) => {
                let stop = scanner.stop(seen);
                let word = match seen {
                    Seen::FileEnd => "the file is full",
                    Seen::Nothing => "no further frame",
                    Seen::Torn => "a torn frame",
                    Seen::Stray(_) => "a frame out of place",
                    Seen::Alien => "a frame nothing of ours writes",
                };
                let (offset, sequence, lsn) = (stop.offset, stop.sequence, stop.lsn);
                let _ = writeln!(
                    text,
                    "    {offset:>10}  sequence {sequence}, LSN {lsn} would follow: {word}"
                );
                for frame in scanner.beyond().await? {
                    let _ = writeln!(
                        text,
                        "    {:>10}  beyond: sequence {}, LSN {}, durable {}, window from {}",
                        frame.offset,
                        frame.sequence,
                        frame.first_lsn,
                        frame.durable_lsn,
                        frame.window_base
                    );
                }
                return Ok(());
            }
        }
    }
}

fn describe_frame(frame: &FrameAt, text: &mut String) {
    let header = frame.header;
    let _ = writeln!(
        text,
        "    {:>10}  sequence {}, {}, LSN {} + {}, {} bytes, durable {}, window from {}",
        frame.offset,
        header.sequence,
        header.kind.name(),
        header.first_lsn,
        header.record_count,
        header.body_bytes,
        header.durable_lsn,
        header.window_base
    );
}
