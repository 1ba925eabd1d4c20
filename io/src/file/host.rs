//! How do command-line tools read and write ordinary files?
//!
//! Plain blocking calls, for threads that are no cores: configuration, import and export, tests of
//! the binary. The server's own data never goes this way.

#![expect(clippy::disallowed_methods, reason = "this is where others are sent to")]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::lock::DirLock;
use crate::error::Result;

/// Returns all bytes of a file.
///
/// **Errors**: those of the operating system.
pub fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    fs::read(path)
}

/// Returns a file's text.
///
/// **Errors**: those of the operating system; `InvalidData` when it is not UTF-8.
pub fn read_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    fs::read_to_string(path)
}

/// Writes a whole file, replacing what was there.
///
/// **Errors**: those of the operating system.
pub fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    fs::write(path, bytes)
}

/// Opens a file for reading.
///
/// **Errors**: those of the operating system.
pub fn open_reader(path: impl AsRef<Path>) -> io::Result<fs::File> {
    fs::File::open(path)
}

/// Creates a file for writing, replacing what was there.
///
/// **Errors**: those of the operating system.
pub fn create(path: impl AsRef<Path>) -> io::Result<fs::File> {
    fs::File::create(path)
}

/// Opens a file for writing at its end, creating it as needed.
///
/// **Errors**: those of the operating system.
pub fn append(path: impl AsRef<Path>) -> io::Result<fs::File> {
    fs::OpenOptions::new().create(true).append(true).open(path)
}

/// Returns the length of a file.
///
/// **Errors**: those of the operating system.
pub fn file_bytes(path: impl AsRef<Path>) -> io::Result<u64> {
    fs::metadata(path).map(|metadata| metadata.len())
}

/// Returns whether there is a file or directory of this path.
pub fn exists(path: impl AsRef<Path>) -> bool {
    path.as_ref().exists()
}

/// Returns the names in a directory, sorted; names that are no text are left out.
///
/// **Errors**: those of the operating system.
pub fn list(path: impl AsRef<Path>) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        names.extend(entry?.file_name().into_string().ok());
    }
    names.sort_unstable();
    Ok(names)
}

/// Creates a directory and those above it.
///
/// **Errors**: those of the operating system.
pub fn create_folder(path: impl AsRef<Path>) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// Removes a directory with everything in it.
///
/// **Errors**: those of the operating system.
pub fn remove_folder(path: impl AsRef<Path>) -> io::Result<()> {
    fs::remove_dir_all(path)
}

/// Creates a new empty directory among the system's temporary ones and returns its path.
///
/// **Errors**: those of the operating system.
pub fn scratch_folder(name: &str) -> io::Result<PathBuf> {
    let number = crate::time::random_u64();
    let path = std::env::temp_dir().join(format!("{name}-{}-{number:016x}", std::process::id()));
    fs::create_dir_all(&path)?;
    Ok(path)
}

/// Keeps a directory to this process until the result is dropped.
///
/// **Errors**: `Locked` when another process has it; `File` when it cannot be asked for.
pub fn lock_folder(path: impl AsRef<Path>) -> Result<DirLock> {
    DirLock::acquire(path.as_ref())
}
