//! Which way of making a write durable is faster on this disk?
//!
//! Drives with power-loss protection complete a synchronous write at write speed; on others it
//! costs several times a write followed by one flush. So both are measured once per directory, on
//! a file of written zeros as the log's own are, and the answer is kept in a small file.

use std::time::Duration;

use crate::file::{AlignedBuffer, Dir, File, OpenOptions};
use crate::format::BLOCK_BYTES;
use crate::time;

use super::error::{Error, Result};
use super::name;
use super::options::SyncMethod;
use super::position::StreamId;

/// Writes measured per method; the median of so many is stable to a few percent, and even at
/// 10 ms each the whole measurement ends within a second.
const TRIAL_COUNT: usize = 24;

/// Returns the method to use: the fixed one, the remembered one, or the faster one.
pub(super) async fn settle(dir: &Dir, stream: StreamId, wanted: SyncMethod) -> Result<SyncMethod> {
    if wanted != SyncMethod::Calibrated {
        return Ok(wanted);
    }
    if let Some(method) = remembered(dir).await? {
        return Ok(method);
    }
    let (method, with, after) = measure(dir, stream).await?;
    let text = format!("{}\n", method_name(method));
    dir.write_small_atomically(name::SYNC_FILE, text.as_bytes())
        .await
        .map_err(|cause| Error::storage("write", name::SYNC_FILE, cause))?;
    tracing::info!(
        method = method_name(method),
        with_write_us = with.as_micros() as u64,
        after_write_us = after.as_micros() as u64,
        "measured how this disk syncs"
    );
    Ok(method)
}

/// Returns the word a method goes by in the small file.
fn method_name(method: SyncMethod) -> &'static str {
    match method {
        SyncMethod::Calibrated => "calibrated",
        SyncMethod::WithWrite => "with-write",
        SyncMethod::AfterWrite => "after-write",
    }
}

/// Returns the method an earlier start chose. An unreadable answer is measured again: it decides
/// speed, never safety.
async fn remembered(dir: &Dir) -> Result<Option<SyncMethod>> {
    let names = dir.list().await.map_err(|cause| Error::storage("list", "", cause))?;
    if !names.iter().any(|name| name == name::SYNC_FILE) {
        return Ok(None);
    }
    let text = dir
        .read_small(name::SYNC_FILE)
        .await
        .map_err(|cause| Error::storage("read", name::SYNC_FILE, cause))?;
    let known = [SyncMethod::WithWrite, SyncMethod::AfterWrite];
    Ok(known.into_iter().find(|method| text.trim_ascii() == method_name(*method).as_bytes()))
}

async fn measure(dir: &Dir, stream: StreamId) -> Result<(SyncMethod, Duration, Duration)> {
    let trial = name::trial(stream);
    let fail = |operation, cause| Error::storage(operation, &trial, cause);
    let bytes = (TRIAL_COUNT * BLOCK_BYTES) as u64;
    let file = dir.create_file(&trial, bytes).await.map_err(|cause| fail("create", cause))?;
    let zeros = AlignedBuffer::zeroed(TRIAL_COUNT * BLOCK_BYTES);
    file.write_at(zeros, 0).await.map_err(|cause| fail("fill", cause))?;
    file.sync_data().await.map_err(|cause| fail("sync", cause))?;
    let options = OpenOptions { dsync: true };
    let with = dir.open_file(&trial, options).await.map_err(|cause| fail("open", cause))?;
    let (mut with_write, mut after_write) = (Vec::new(), Vec::new());
    for index in 0..TRIAL_COUNT {
        let offset = (index * BLOCK_BYTES) as u64;
        with_write.push(one_trial(&with, offset, false).await.map_err(|c| fail("write", c))?);
        after_write.push(one_trial(&file, offset, true).await.map_err(|c| fail("write", c))?);
    }
    with.close().await.map_err(|cause| fail("close", cause))?;
    file.close().await.map_err(|cause| fail("close", cause))?;
    dir.remove(&trial).await.map_err(|cause| fail("remove", cause))?;
    let (with, after) = (median(with_write), median(after_write));
    let method = if with <= after { SyncMethod::WithWrite } else { SyncMethod::AfterWrite };
    Ok((method, with, after))
}

async fn one_trial(file: &File, offset: u64, sync: bool) -> crate::Result<Duration> {
    let started = time::now();
    let buffer = AlignedBuffer::zeroed(BLOCK_BYTES);
    file.write_at(buffer, offset).await?;
    if sync {
        file.sync_data().await?;
    }
    Ok(time::now().since(started))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
