//! Which files are there, and how do names change safely?
//!
//! A name is created, renamed or removed at once and durable only after `sync`. Of several changes
//! that were not synced, a crash keeps the first ones.

use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::block_file::{File, OpenOptions};
use super::lock::DirLock;
use crate::error::{Error, Result};
use crate::limits::SMALL_FILE_BYTES_MAX;
use crate::rt::{Back, Pool, blocking, with_current};
use crate::sim::Machine;

/// Ending of a small file that is being written.
const DRAFT: &str = ".draft";

/// An open directory. Cheap to clone.
#[derive(Clone)]
pub struct Dir {
    path: Rc<PathBuf>,
    /// The simulated machine; `None` on a real one.
    machine: Option<Rc<Machine>>,
}

/// Runs a file operation on the pool for them.
async fn on_pool<T: Send + 'static>(
    operation: &'static str,
    path: PathBuf,
    work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> Result<T> {
    let whole = move || work(&path).map_err(|cause| Error::file(operation, &path, &cause));
    blocking(Pool::Files, whole).await?
}

impl Dir {
    /// Opens a directory that exists.
    ///
    /// **Errors**: `File` when it does not exist or is no directory.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::at(path.as_ref(), false).await
    }

    /// Opens a directory, creating it and those above it as needed. Created ones are durable.
    ///
    /// **Errors**: `File` when it cannot be created or is no directory.
    pub async fn create(path: impl AsRef<Path>) -> Result<Self> {
        Self::at(path.as_ref(), true).await
    }

    async fn at(path: &Path, create: bool) -> Result<Self> {
        let machine = with_current(|core| match &core.back {
            Back::Uring(_) => None,
            Back::Sim(machine) => Some(machine.clone()),
        });
        let (operation, path) = ("open directory", path.to_owned());
        match &machine {
            Some(machine) => {
                let found = machine.root(&path, create).await;
                found.map_err(|cause| Error::file(operation, &path, &cause))?;
            }
            None => {
                let work = move |path: &Path| {
                    if create && !path.is_dir() {
                        create_durably(path)?;
                    }
                    if path.is_dir() { fs::read_dir(path).map(drop) } else { not_a_directory(path) }
                };
                on_pool(operation, path.clone(), work).await?;
            }
        }
        Ok(Self { path: Rc::new(path), machine })
    }

    /// Returns the path the directory was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a directory in this one, creating it as needed. A created one is durable after this
    /// one is synced.
    ///
    /// **Errors**: `File`.
    pub async fn subdir(&self, name: &str) -> Result<Self> {
        let path = self.member("create directory", name)?;
        match &self.machine {
            Some(machine) => {
                let made = machine.names(|disk| disk.create_folder(&self.path, name)).await;
                made.map_err(|cause| Error::file("create directory", &path, &cause))?;
            }
            None => on_pool("create directory", path.clone(), make_folder).await?,
        }
        Ok(Self { path: Rc::new(path), machine: self.machine.clone() })
    }

    /// Creates a file of `len` zeros, in place of one of that name, and opens it. No room is
    /// reserved on the disk: zeros that must have their place are written.
    ///
    /// **Errors**: `File`.
    pub async fn create_file(&self, name: &str, len: u64) -> Result<File> {
        let path = self.member("create", name)?;
        match &self.machine {
            Some(machine) => {
                let created = machine.names(|disk| disk.create(&self.path, name, len)).await;
                let id = created.map_err(|cause| Error::file("create", &path, &cause))?;
                Ok(File::open_sim(machine.clone(), id, path, OpenOptions::default()))
            }
            None => {
                let work = move |path: &Path| create_file(path).and_then(|file| file.set_len(len));
                on_pool("create", path.clone(), work).await?;
                File::open_uring(path, OpenOptions::default()).await
            }
        }
    }

    /// Opens a file that exists, for reading and writing.
    ///
    /// **Errors**: `File`, with kind `NotFound` when there is no such file.
    pub async fn open_file(&self, name: &str, options: OpenOptions) -> Result<File> {
        let path = self.member("open", name)?;
        match &self.machine {
            Some(machine) => {
                let found = machine.names(|disk| disk.find(&self.path, name)).await;
                let id = found.map_err(|cause| Error::file("open", &path, &cause))?;
                Ok(File::open_sim(machine.clone(), id, path, options))
            }
            None => File::open_uring(path, options).await,
        }
    }

    /// Returns the names of files and directories in this one, sorted.
    ///
    /// **Errors**: `File`.
    pub async fn list(&self) -> Result<Vec<String>> {
        let path = self.path.to_path_buf();
        let Some(machine) = &self.machine else {
            return on_pool("list", path, list).await;
        };
        let names = machine.names(|disk| disk.names(&self.path)).await;
        names.map_err(|cause| Error::file("list", &path, &cause))
    }

    /// Gives a file another name in this directory; a file of that name is replaced. A crash
    /// leaves the old or the new name, never neither.
    ///
    /// **Errors**: `File`.
    pub async fn rename(&self, from: &str, to: &str) -> Result<()> {
        let path = self.member("rename", from)?;
        let target = self.member("rename", to)?;
        match &self.machine {
            Some(machine) => machine
                .names(|disk| disk.rename(&self.path, from, to))
                .await
                .map_err(|cause| Error::file("rename", &path, &cause)),
            None => on_pool("rename", path, move |path| fs::rename(path, target)).await,
        }
    }

    /// Removes a file.
    ///
    /// **Errors**: `File`, with kind `NotFound` when there is no such file.
    pub async fn remove(&self, name: &str) -> Result<()> {
        let path = self.member("remove", name)?;
        match &self.machine {
            Some(machine) => machine
                .names(|disk| disk.remove(&self.path, name))
                .await
                .map_err(|cause| Error::file("remove", &path, &cause)),
            None => on_pool("remove", path, |path| fs::remove_file(path)).await,
        }
    }

    /// Returns when every change of names before the call is durable.
    ///
    /// **Errors**: `File`.
    pub async fn sync(&self) -> Result<()> {
        let path = self.path.to_path_buf();
        match &self.machine {
            Some(machine) => machine
                .sync_folder(&self.path)
                .await
                .map_err(|cause| Error::file("sync directory", &path, &cause)),
            None => on_pool("sync directory", path, sync_folder).await,
        }
    }

    /// Returns all bytes of a small file.
    ///
    /// **Errors**: `File`, with kind `NotFound` when there is no such file and `FileTooLarge`
    /// above 16 MiB.
    pub async fn read_small(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.member("read", name)?;
        let Some(machine) = &self.machine else {
            return on_pool("read", path, read_small).await;
        };
        let fail = |cause| Error::file("read", &path, &cause);
        let id = machine.names(|disk| disk.find(&self.path, name)).await.map_err(fail)?;
        let len = machine.disk.borrow().len(id);
        if len > SMALL_FILE_BYTES_MAX as u64 {
            return Err(fail(io::ErrorKind::FileTooLarge.into()));
        }
        machine.read(id, 0, len as usize).await.map_err(fail)
    }

    /// Replaces a small file, or creates it, durably. A crash leaves the old bytes or the new ones.
    ///
    /// **Errors**: `File`; the old bytes are still there then, or already the new ones.
    pub async fn write_small_atomically(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.member("write", name)?;
        let draft = format!("{name}{DRAFT}");
        match &self.machine {
            Some(machine) => machine
                .replace_small(&self.path, &draft, name, bytes)
                .await
                .map_err(|cause| Error::file("write", &path, &cause)),
            None => {
                let (folder, bytes) = (self.path.to_path_buf(), bytes.to_vec());
                let work = move |path: &Path| replace_small(&folder, &draft, path, &bytes);
                on_pool("write", path, work).await
            }
        }
    }

    /// Keeps the directory to this process until the result is dropped.
    ///
    /// **Errors**: `Locked` when another process has it; `File` when it cannot be asked for.
    pub async fn lock(&self) -> Result<DirLock> {
        if self.machine.is_some() {
            return Ok(DirLock::simulated());
        }
        let path = self.path.to_path_buf();
        blocking(Pool::Files, move || DirLock::acquire(&path)).await?
    }

    /// Returns the path of a member, which must be a plain name.
    fn member(&self, operation: &'static str, name: &str) -> Result<PathBuf> {
        if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "this is not a plain name");
            return Err(Error::file(operation, Path::new(name), &error));
        }
        Ok(self.path.join(name))
    }
}

impl fmt::Debug for Dir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dir").field("path", &self.path).finish()
    }
}

fn not_a_directory(path: &Path) -> io::Result<()> {
    let kind = if path.exists() { io::ErrorKind::NotADirectory } else { io::ErrorKind::NotFound };
    Err(kind.into())
}

/// Creates a directory and those above it, each durable in the one above.
fn create_durably(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().unwrap_or(Path::new(""));
    create_durably(parent)?;
    make_folder(path)?;
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    sync_folder(parent)
}

fn make_folder(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made,
    }
}

fn list(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        // A name that is no text is none of ours.
        names.extend(entry?.file_name().into_string().ok());
    }
    names.sort_unstable();
    Ok(names)
}

#[expect(clippy::disallowed_methods, reason = "this is where files are opened")]
fn sync_folder(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

#[expect(clippy::disallowed_methods, reason = "this is where files are created")]
fn create_file(path: &Path) -> io::Result<fs::File> {
    fs::File::create(path)
}

#[expect(clippy::disallowed_methods, reason = "this is where files are opened")]
fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    let file = fs::File::open(path)?;
    let mut bytes = Vec::new();
    file.take(SMALL_FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > SMALL_FILE_BYTES_MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

fn replace_small(folder: &Path, draft: &str, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = folder.join(draft);
    let mut file = create_file(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    sync_folder(folder)
}
