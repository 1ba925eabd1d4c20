//! What do files hold now, and what after a crash?
//!
//! Every file has pages of 4 KiB, each with what it holds now and what is durable. Every directory
//! has its names now, its durable names, and the changes between them in order: a crash keeps a
//! beginning of that order, as journaling file systems do.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::format::BLOCK_BYTES;

/// Number of a file, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct InodeId(u64);

/// Content of 4 KiB; `None` is zeros.
type Page = Option<Rc<[u8; BLOCK_BYTES]>>;

/// Random decisions of a crash or a failed sync.
pub(crate) trait Fate {
    /// Returns a number below `bound`.
    fn pick(&mut self, bound: u64) -> u64;
}

impl<F: FnMut(u64) -> u64> Fate for F {
    fn pick(&mut self, bound: u64) -> u64 {
        self(bound)
    }
}

#[derive(Clone, Default)]
struct Sector {
    now: Page,
    durable: Page,
    /// A sync will make `now` durable.
    dirty: bool,
}

#[derive(Default)]
struct Inode {
    sectors: BTreeMap<u64, Sector>,
    len: u64,
    len_durable: u64,
    /// Names that lead here.
    linked: bool,
    /// Where it was made, or renamed to.
    path: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    File(InodeId),
    Folder,
}

#[derive(Clone)]
enum Change {
    Link(String, Entry),
    Unlink(String),
    Rename(String, String),
}

#[derive(Default)]
struct Folder {
    names: BTreeMap<String, Entry>,
    durable: BTreeMap<String, Entry>,
    pending: Vec<Change>,
}

/// All files and directories.
#[derive(Default)]
pub(crate) struct Disk {
    folders: BTreeMap<PathBuf, Folder>,
    inodes: BTreeMap<InodeId, Inode>,
    inode_next: u64,
    /// Bytes of sectors of files that have a name.
    used: u64,
}

fn missing(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("there is no such {what}"))
}

impl Folder {
    fn change(&mut self, change: Change) {
        apply(&mut self.names, &change);
        self.pending.push(change);
    }
}

fn apply(names: &mut BTreeMap<String, Entry>, change: &Change) {
    match change {
        Change::Link(name, entry) => {
            names.insert(name.clone(), *entry);
        }
        Change::Unlink(name) => {
            names.remove(name);
        }
        Change::Rename(from, to) => {
            if let Some(entry) = names.remove(from) {
                names.insert(to.clone(), entry);
            }
        }
    }
}

impl Disk {
    fn folder(&self, path: &Path) -> io::Result<&Folder> {
        self.folders.get(path).ok_or_else(|| missing("directory"))
    }

    fn folder_mut(&mut self, path: &Path) -> io::Result<&mut Folder> {
        self.folders.get_mut(path).ok_or_else(|| missing("directory"))
    }

    /// Returns whether a directory exists.
    pub(crate) fn has_folder(&self, path: &Path) -> bool {
        self.folders.contains_key(path)
    }

    /// Makes a directory outside of all others, durable at once.
    pub(crate) fn create_root(&mut self, path: &Path) {
        self.folders.entry(path.to_owned()).or_default();
    }

    /// Makes a directory in another; not durable before the other is synced.
    pub(crate) fn create_folder(&mut self, parent: &Path, name: &str) -> io::Result<PathBuf> {
        let path = parent.join(name);
        let folder = self.folder_mut(parent)?;
        match folder.names.get(name) {
            Some(Entry::Folder) => {}
            Some(Entry::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
            None => {
                folder.change(Change::Link(name.to_owned(), Entry::Folder));
                self.folders.insert(path.clone(), Folder::default());
            }
        }
        Ok(path)
    }

    /// Creates a file of `len` zeros, in place of one of that name.
    pub(crate) fn create(&mut self, folder: &Path, name: &str, len: u64) -> io::Result<InodeId> {
        if self.folder(folder)?.names.get(name) == Some(&Entry::Folder) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let before = self.find(folder, name).ok();
        let id = InodeId(self.inode_next);
        self.inode_next += 1;
        let path = folder.join(name);
        self.inodes.insert(id, Inode { len, linked: true, path, ..Inode::default() });
        self.folder_mut(folder)?.change(Change::Link(name.to_owned(), Entry::File(id)));
        before.into_iter().for_each(|before| self.unlink(before));
        Ok(id)
    }

    pub(crate) fn find(&self, folder: &Path, name: &str) -> io::Result<InodeId> {
        match self.folder(folder)?.names.get(name) {
            Some(Entry::File(id)) => Ok(*id),
            Some(Entry::Folder) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(missing("file")),
        }
    }

    pub(crate) fn remove(&mut self, folder: &Path, name: &str) -> io::Result<()> {
        let id = self.find(folder, name)?;
        self.folder_mut(folder)?.change(Change::Unlink(name.to_owned()));
        self.unlink(id);
        Ok(())
    }

    pub(crate) fn rename(&mut self, folder: &Path, from: &str, to: &str) -> io::Result<()> {
        let id = self.find(folder, from)?;
        let before = self.find(folder, to).ok().filter(|before| *before != id);
        self.inode_mut(id)?.path = folder.join(to);
        self.folder_mut(folder)?.change(Change::Rename(from.to_owned(), to.to_owned()));
        before.into_iter().for_each(|before| self.unlink(before));
        Ok(())
    }

    pub(crate) fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        Ok(self.folder(folder)?.names.keys().cloned().collect())
    }

    pub(crate) fn sync_folder(&mut self, folder: &Path) -> io::Result<()> {
        let folder = self.folder_mut(folder)?;
        folder.durable = folder.names.clone();
        folder.pending.clear();
        Ok(())
    }

    fn unlink(&mut self, id: InodeId) {
        if let Some(inode) = self.inodes.get_mut(&id) {
            inode.linked = false;
            self.used -= (inode.sectors.len() * BLOCK_BYTES) as u64;
        }
    }

    fn inode_mut(&mut self, id: InodeId) -> io::Result<&mut Inode> {
        self.inodes.get_mut(&id).ok_or_else(|| missing("file"))
    }

    pub(crate) fn len(&self, id: InodeId) -> u64 {
        self.inodes.get(&id).map_or(0, |inode| inode.len)
    }

    /// Returns whether a file's path begins with a text.
    pub(crate) fn is_below(&self, id: InodeId, beginning: &str) -> bool {
        let inode = self.inodes.get(&id);
        inode.is_some_and(|inode| inode.path.to_string_lossy().starts_with(beginning))
    }

    /// Returns up to `count` bytes from `position`, fewer at the end of the file.
    pub(crate) fn read(&self, id: InodeId, position: u64, count: usize) -> io::Result<Vec<u8>> {
        let inode = self.inodes.get(&id).ok_or_else(|| missing("file"))?;
        let end = inode.len.min(position.saturating_add(count as u64));
        let mut bytes = Vec::with_capacity(end.saturating_sub(position) as usize);
        let mut next = position;
        while next < end {
            let within = (next % BLOCK_BYTES as u64) as usize;
            let part = (BLOCK_BYTES - within).min((end - next) as usize);
            match inode.sectors.get(&(next / BLOCK_BYTES as u64)).and_then(|s| s.now.as_ref()) {
                Some(page) => bytes.extend_from_slice(&page[within..within + part]),
                None => bytes.resize(bytes.len() + part, 0),
            }
            next += part as u64;
        }
        Ok(bytes)
    }

    /// Writes whole sectors, those for which `keep` says yes.
    pub(crate) fn write(
        &mut self,
        id: InodeId,
        position: u64,
        bytes: &[u8],
        bytes_max: u64,
        keep: &mut dyn FnMut() -> bool,
    ) -> io::Result<()> {
        let mut used = self.used;
        let inode = self.inodes.get_mut(&id).ok_or_else(|| missing("file"))?;
        for (part, number) in bytes.chunks(BLOCK_BYTES).zip(position / BLOCK_BYTES as u64..) {
            if !keep() {
                continue;
            }
            let mut page = [0; BLOCK_BYTES];
            page[..part.len()].copy_from_slice(part);
            if inode.linked && !inode.sectors.contains_key(&number) {
                if used + BLOCK_BYTES as u64 > bytes_max {
                    self.used = used;
                    return Err(io::ErrorKind::StorageFull.into());
                }
                used += BLOCK_BYTES as u64;
            }
            let sector = inode.sectors.entry(number).or_default();
            sector.now = page.iter().any(|byte| *byte != 0).then(|| Rc::new(page));
            sector.dirty = true;
            inode.len = inode.len.max(number * BLOCK_BYTES as u64 + part.len() as u64);
        }
        self.used = used;
        Ok(())
    }

    /// Makes the sectors from `range` durable, and the length.
    pub(crate) fn sync(&mut self, id: InodeId, range: std::ops::Range<u64>) -> io::Result<()> {
        let inode = self.inode_mut(id)?;
        for sector in inode.sectors.range_mut(range).map(|(_, sector)| sector) {
            if sector.dirty {
                sector.durable = sector.now.clone();
                sector.dirty = false;
            }
        }
        inode.len_durable = inode.len;
        Ok(())
    }

    /// A sync that fails: any part becomes durable, and no later sync will repair the rest.
    pub(crate) fn fail_sync(&mut self, id: InodeId, fate: &mut dyn Fate) -> io::Result<()> {
        let inode = self.inode_mut(id)?;
        for sector in inode.sectors.values_mut().filter(|sector| sector.dirty) {
            if fate.pick(2) == 0 {
                sector.durable = sector.now.clone();
            }
            sector.dirty = false;
        }
        Ok(())
    }

    /// Loses what a power cut loses.
    pub(crate) fn crash(&mut self, fate: &mut dyn Fate) {
        self.crash_names(fate);
        let mut linked: Vec<InodeId> = Vec::new();
        for folder in self.folders.values() {
            linked.extend(folder.names.values().filter_map(|entry| match entry {
                Entry::File(id) => Some(*id),
                Entry::Folder => None,
            }));
        }
        self.inodes.retain(|id, _| linked.contains(id));
        self.used = 0;
        for inode in self.inodes.values_mut() {
            inode.linked = true;
            // All, nothing, or any part: the first two are what mostly happens.
            let mood = fate.pick(4);
            for sector in inode.sectors.values_mut() {
                let survives = sector.dirty
                    && match mood {
                        0 => false,
                        1 => true,
                        _ => fate.pick(2) == 0,
                    };
                if survives {
                    sector.durable = sector.now.clone();
                }
                sector.now = sector.durable.clone();
                sector.dirty = false;
            }
            if inode.len != inode.len_durable && (mood == 0 || (mood > 1 && fate.pick(2) == 0)) {
                inode.len = inode.len_durable;
            }
            inode.len_durable = inode.len;
            let end = inode.len.div_ceil(BLOCK_BYTES as u64);
            inode.sectors.retain(|number, _| *number < end);
            self.used += (inode.sectors.len() * BLOCK_BYTES) as u64;
        }
    }

    fn crash_names(&mut self, fate: &mut dyn Fate) {
        for folder in self.folders.values_mut() {
            let kept = fate.pick(folder.pending.len() as u64 + 1) as usize;
            let mut names = std::mem::take(&mut folder.durable);
            folder.pending.iter().take(kept).for_each(|change| apply(&mut names, change));
            folder.pending.clear();
            folder.durable = names.clone();
            folder.names = names;
        }
        // A directory whose name was lost is gone with everything in it.
        let lost = |folders: &BTreeMap<PathBuf, Folder>, path: &Path| {
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
                return false;
            };
            let name = name.to_string_lossy();
            folders.get(parent).is_some_and(|f| f.names.get(&*name) != Some(&Entry::Folder))
        };
        let paths: Vec<PathBuf> = self.folders.keys().cloned().collect();
        for path in paths {
            let parent_lost = path.ancestors().any(|ancestor| lost(&self.folders, ancestor));
            if parent_lost {
                self.folders.remove(&path);
            }
        }
    }

    fn find_path(&self, path: &Path) -> Option<InodeId> {
        let (folder, name) = (path.parent()?, path.file_name()?);
        self.find(folder, &name.to_string_lossy()).ok()
    }

    /// Returns all bytes of a file.
    pub(crate) fn bytes(&self, path: &Path) -> Option<Vec<u8>> {
        let id = self.find_path(path)?;
        self.read(id, 0, self.len(id) as usize).ok()
    }

    /// Changes one byte, now and for good.
    pub(crate) fn damage(
        &mut self,
        path: &Path,
        offset: u64,
        change: impl FnOnce(&mut u8),
    ) -> bool {
        let Some(id) = self.find_path(path) else { return false };
        let Some(inode) = self.inodes.get_mut(&id) else { return false };
        if offset >= inode.len {
            return false;
        }
        let sector = inode.sectors.entry(offset / BLOCK_BYTES as u64).or_insert_with(|| {
            self.used += BLOCK_BYTES as u64;
            Sector::default()
        });
        let mut page = sector.now.as_ref().map_or([0; BLOCK_BYTES], |page| **page);
        change(&mut page[(offset % BLOCK_BYTES as u64) as usize]);
        sector.now = Some(Rc::new(page));
        sector.durable = sector.now.clone();
        true
    }
}
