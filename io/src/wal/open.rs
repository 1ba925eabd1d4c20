//! In which order is a stream opened?
//!
//! Settle how writes are synced; remove half-made files; sync and read every header; decide which
//! files are the log; for a new log, make its first file; hand out the replay. The stream takes
//! records only when that is drained.

use std::cell::RefCell;
use std::rc::Rc;

use crate::file::{Dir, File};
use crate::format::BLOCK_BYTES;
use crate::time;

use super::arrange::{self, Live, Need};
use super::error::{Error, Result};
use super::handle::Wal;
use super::header::FileHeader;
use super::keeper;
use super::limits;
use super::options::{SyncMethod, WalOptions};
use super::position::{Lsn, StreamId};
use super::replay::{Handover, Replay};
use super::state::Shared;
use super::survey;
use super::writer;

impl Wal {
    /// Opens `stream` in `dir`, or begins it. Drain the replay; then appends are allowed.
    ///
    /// **Cost**: reads the header of every file; a new stream also writes one file of zeros.
    ///
    /// **Errors**: `Options`; `Damaged` when a file is missing, foreign or unreadable; `Storage`.
    pub async fn open(dir: &Dir, stream: StreamId, options: &WalOptions) -> Result<(Self, Replay)> {
        options.validate()?;
        let sync = super::calibrate::settle(dir, stream, options.sync).await?;
        let mut names = survey::names(dir, stream).await?;
        for leftover in std::mem::take(&mut names.unfinished) {
            let removed = dir.remove(&leftover).await;
            removed.map_err(|cause| Error::storage("remove", &leftover, cause))?;
        }
        dir.sync().await.map_err(|cause| Error::storage("sync", "", cause))?;
        let survey = survey::survey(dir, &names.files, sync, true).await?;
        let need = Need {
            stream,
            database: options.database,
            start: options.start,
            end_min: options.end_min,
        };
        let arrangement = arrange::arrange(&survey.found, &need)?;
        let is_new = arrangement.live.is_empty();
        let files = if is_new {
            vec![begin(dir, stream, options, sync, names.next_slot).await?]
        } else {
            let file = |live: Live| survey.file(&live.name).map(|file| (live, file));
            arrangement.live.into_iter().filter_map(file).collect()
        };
        let next_slot = names.next_slot + u32::from(is_new);
        let shared = Shared::new(options.clone(), next_slot);
        let tasks = Rc::new(RefCell::new(Vec::new()));
        let (dir, spares) = (dir.clone(), arrangement.spares);
        let handover =
            Handover { shared: shared.clone(), dir, stream, sync, spares, tasks: tasks.clone() };
        let replay = Replay::new(handover, files, is_new)
            .ok_or_else(|| Error::storage("open", "", "the log has no files"))?;
        Ok((Self { shared, tasks }, replay))
    }
}

/// Makes the first file of a stream.
async fn begin(
    dir: &Dir,
    stream: StreamId,
    options: &WalOptions,
    sync: SyncMethod,
    slot: u32,
) -> Result<(Live, Rc<File>)> {
    let fill = keeper::Fill { bytes: options.file_bytes, hurry: &|| true };
    let spare = keeper::create(dir, stream, slot, sync, fill).await?;
    let header = FileHeader {
        stream,
        database: options.database,
        salt: time::random_u64(),
        epoch: 1,
        first_lsn: Lsn::FIRST,
        first_sequence: 1,
        released_lsn: Lsn::FIRST,
        created_us: time::wall().0,
        file_bytes: options.file_bytes,
        frame_bytes_max: options.frame_bytes_max as u32,
        flight_count_max: limits::FLIGHT_COUNT_MAX,
        previous_checksum: 0,
    };
    let (block, checksum) = header.encode();
    let name = spare.name;
    let buffer = writer::fill(&block, &[], BLOCK_BYTES);
    let fail = |operation, cause: String| Error::storage(operation, &name, cause);
    spare.file.write_at(buffer, 0).await.map_err(|e| fail("write the header", e.to_string()))?;
    spare.file.sync_data().await.map_err(|e| fail("sync", e.to_string()))?;
    Ok((Live { name, header, checksum }, spare.file))
}
