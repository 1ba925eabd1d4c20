//! Is this the kind of file that was asked for, and is it at rest?
//!
//! Files of a data folder are looked at while the folder is kept to this process; a copy elsewhere
//! needs no keeping.

use std::io::Read;
use std::path::{Path, PathBuf};

use pieskieo_io::file::{DirLock, host};
use pieskieo_io::format::{
    BLOCK_BYTES, file_header, manifest_header, segment_header, segment_trailer,
};
use pieskieo_io::segment::parse_segment_name;
use pieskieo_shards::actor::meta::{LOG_FOLDER, META_FILE};

use crate::serve::ServeError;

/// How far above a file its data folder can be.
const DEPTH_MAX: usize = 3;

/// What can be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Files of the log.
    Wal,
    /// A segment.
    Segment,
    /// A manifest.
    Manifest,
    /// A whole data folder.
    Layout,
}

/// Files of one folder, kept from being written.
pub(super) struct Source {
    pub folder: PathBuf,
    /// Names of the files, in order; empty for a whole data folder.
    pub files: Vec<String>,
    pub lock: Option<DirLock>,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Wal => "a log file",
            Self::Segment => "a segment",
            Self::Manifest => "a manifest",
            Self::Layout => "a data folder",
        }
    }

    fn command(self) -> &'static str {
        match self {
            Self::Wal => "pieskieo inspect wal",
            Self::Segment => "pieskieo inspect segment",
            Self::Manifest => "pieskieo inspect manifest",
            Self::Layout => "pieskieo inspect layout",
        }
    }

    /// What the first eight bytes are, and the version this program reads.
    fn magic(self) -> Option<([u8; 8], u32)> {
        match self {
            Self::Wal => Some((file_header::MAGIC_VALUE, file_header::VERSION_VALUE)),
            Self::Segment => Some((segment_header::MAGIC_VALUE, segment_header::VERSION_VALUE)),
            Self::Manifest => Some((manifest_header::MAGIC_VALUE, manifest_header::VERSION_VALUE)),
            Self::Layout => None,
        }
    }

    fn is_name(self, name: &str) -> bool {
        match self {
            Self::Wal => name.ends_with(".wal"),
            Self::Segment => parse_segment_name(name).is_some(),
            Self::Manifest => name.starts_with("manifest-") && !name.ends_with(".draft"),
            Self::Layout => false,
        }
    }
}

/// Returns the files that a path means.
///
/// **Errors**: none are there; one is not of this kind; a server has them open.
pub(super) fn find(kind: Kind, path: &Path) -> Result<Source, ServeError> {
    let shown = path.display();
    if !host::exists(path) {
        return Err(ServeError(format!(
            "\"{shown}\" does not exist: give the path of {} or of the folder it is in",
            kind.name()
        )));
    }
    let lock = lock_above(path)?;
    let Ok(names) = host::list(path) else {
        if kind == Kind::Layout {
            return Err(ServeError(format!(
                "\"{shown}\" is a file, not a data folder: use `pieskieo inspect \
                 wal|segment|manifest`"
            )));
        }
        let (folder, name) = (path.parent(), path.file_name());
        let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
        let name = name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        check_file(kind, path)?;
        let folder = folder.unwrap_or(Path::new(".")).to_path_buf();
        return Ok(Source { folder, files: vec![name], lock });
    };
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    if kind == Kind::Layout {
        if !has(META_FILE) {
            return Err(ServeError(format!(
                "\"{shown}\" is no data folder, it has no file {META_FILE}: give the folder that \
                 `pieskieo serve --data` was given"
            )));
        }
        return Ok(Source { folder: path.to_path_buf(), files: Vec::new(), lock });
    }
    if kind == Kind::Wal && has(META_FILE) && has(LOG_FOLDER) {
        drop(lock);
        return find(kind, &path.join(LOG_FOLDER));
    }
    let mut files: Vec<String> = names.into_iter().filter(|name| kind.is_name(name)).collect();
    files.sort();
    if files.is_empty() {
        return Err(ServeError(format!(
            "\"{shown}\" holds no file of this kind: give the path of {}",
            kind.name()
        )));
    }
    Ok(Source { folder: path.to_path_buf(), files, lock })
}

/// Keeps the data folder to this process that a path is in, if it is in one.
fn lock_above(path: &Path) -> Result<Option<DirLock>, ServeError> {
    let above = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut folders = above.ancestors().take(DEPTH_MAX + 1);
    let Some(data) = folders.find(|folder| host::exists(folder.join(META_FILE))) else {
        return Ok(None);
    };
    host::lock_folder(data).map(Some).map_err(|error| {
        ServeError(format!("{error}: stop the server first, or look at a copy of the file"))
    })
}

/// Refuses a file that is not of this kind. What is damaged in one that is, is shown.
fn check_file(kind: Kind, path: &Path) -> Result<(), ServeError> {
    let shown = path.display();
    let told = |cause: &dyn std::fmt::Display| ServeError(format!("read \"{shown}\": {cause}"));
    let bytes = host::file_bytes(path).map_err(|error| told(&error))?;
    let mut front = Vec::new();
    let file = host::open_reader(path).map_err(|error| told(&error))?;
    file.take(BLOCK_BYTES as u64).read_to_end(&mut front).map_err(|error| told(&error))?;
    if kind == Kind::Wal && !front.is_empty() && front.iter().all(|byte| *byte == 0) {
        // A spare.
        return Ok(());
    }
    let found = front.first_chunk::<8>();
    let of = |kind: &Kind| kind.magic().is_some_and(|(magic, _)| found == Some(&magic));
    let kinds = [Kind::Wal, Kind::Segment, Kind::Manifest];
    let Some(actual) = kinds.into_iter().find(of) else {
        if bytes == 0 {
            return Err(ServeError(format!("\"{shown}\" is empty: restore it from a backup")));
        }
        if kind.is_name(&path.file_name().unwrap_or_default().to_string_lossy()) {
            // Its name says that it was one: show what is left.
            return Ok(());
        }
        let hint = match found == Some(&segment_trailer::MAGIC_VALUE) {
            true => "it begins with the end of a segment",
            false => "it does not begin as one of Pieskieo's files does",
        };
        return Err(ServeError(format!(
            "\"{shown}\" is not {}: {hint}; give a file below the folders \"log\" or \"segments\"",
            kind.name()
        )));
    };
    if actual != kind {
        return Err(ServeError(format!(
            "\"{shown}\" is {}, not {}: use `{}`",
            actual.name(),
            kind.name(),
            actual.command()
        )));
    }
    let version = front.get(8..12).and_then(|bytes| bytes.first_chunk::<4>());
    let known = kind.magic().map(|(_, version)| version);
    if let (Some(version), Some(known)) = (version.map(|b| u32::from_le_bytes(*b)), known)
        && version > known
    {
        return Err(ServeError(format!(
            "\"{shown}\" has format version {version}, this program reads {known}: use the version \
             of Pieskieo that wrote it"
        )));
    }
    if front.len() < BLOCK_BYTES {
        return Err(ServeError(format!(
            "\"{shown}\" is cut off: it has {bytes} bytes, its first block alone has \
             {BLOCK_BYTES}; restore it from a backup"
        )));
    }
    Ok(())
}
