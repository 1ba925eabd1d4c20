//! How is one directory kept to one process?
//!
//! By an advisory lock on a file in it, which the kernel releases when the process ends in
//! whatever way. The file holds the number of the process, for the message only, and stays.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use crate::error::{Error, Result};

/// Name of the file.
const LOCK_FILE: &str = "lock";

/// The lock of a directory. Dropping it releases the directory.
#[derive(Debug)]
#[must_use = "dropping it releases the directory"]
pub struct DirLock {
    /// `None` in the simulator, where there are no other processes.
    _file: Option<fs::File>,
}

impl DirLock {
    pub(super) fn simulated() -> Self {
        Self { _file: None }
    }

    /// Takes the lock, or says who has it.
    pub(super) fn acquire(folder: &Path) -> Result<Self> {
        let path = folder.join(LOCK_FILE);
        let fail = |cause| Error::file("lock", &path, &cause);
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(fail)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                let mut number = String::new();
                // The number only makes the message better.
                file.read_to_string(&mut number).ok();
                let number = number.trim();
                let known = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
                let holder = if known { format!(" (process {number})") } else { String::new() };
                return Err(Error::Locked { path: folder.display().to_string(), holder });
            }
            Err(fs::TryLockError::Error(cause)) => return Err(fail(cause)),
        }
        file.set_len(0).map_err(fail)?;
        file.write_all(std::process::id().to_string().as_bytes()).map_err(fail)?;
        Ok(Self { _file: Some(file) })
    }
}
