//! What is at a path?

use std::path::{Path, PathBuf};

use pieskieo_io::rt::{self, RuntimeOptions};

use super::section::Section;
use super::source::{self, Kind, Source};
use super::{files, layout};
use crate::serve::ServeError;

/// Looks at a path and returns what it holds. Writes nothing.
///
/// **Errors**: there is no such file, it is of another kind, a newer format or no file of ours; a
/// server has it open.
pub fn inspect(kind: Kind, path: &Path) -> Result<Vec<Section>, ServeError> {
    let source = source::find(kind, path)?;
    let running = rt::start(RuntimeOptions::cores(1), {
        let (folder, files) = (source.folder.clone(), source.files.clone());
        move |_| sections(kind, folder.clone(), files.clone())
    });
    let told = |error: &dyn std::fmt::Display| ServeError(error.to_string());
    let found = running.map_err(|error| told(&error))?.join().map_err(|error| told(&error))?;
    let Source { lock, .. } = source;
    drop(lock);
    found.into_iter().next().unwrap_or_else(|| Err(ServeError("nothing was read".to_owned())))
}

async fn sections(
    kind: Kind,
    folder: PathBuf,
    files: Vec<String>,
) -> Result<Vec<Section>, ServeError> {
    match kind {
        Kind::Wal => files::logs(&folder, &files).await,
        Kind::Segment => files::segments(&folder, &files).await,
        Kind::Manifest => files::manifests(&folder, &files).await,
        Kind::Layout => layout::whole(&folder).await,
    }
}
