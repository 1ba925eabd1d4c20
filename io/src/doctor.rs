//! Is this machine fit, and what would help?
//!
//! Facts are plain data; each finding carries a grade and, unless it is good, a remedy somebody
//! can carry out. Nothing here needs a running executor.

use std::fs;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::buffer::AlignedBuffer;
use crate::file::{Space, space};
use crate::format::BLOCK_BYTES;
use crate::limits;
use crate::rt::{self, cpu_count, cpu_list};
use crate::time;

/// Writes measured per sync method. The median of 32 takes 10 ms on a good disk.
const TRIALS: usize = 32;
/// A kernel below this lacks fixes the runtime needs.
const KERNEL_MIN: (u32, u32) = (6, 1);
/// A kernel below this has known slow paths.
const KERNEL_GOOD: (u32, u32) = (6, 6);
/// A sync above this makes commits slow for every client.
const SYNC_SLOW: Duration = Duration::from_millis(5);
/// Free room below this ends soon: two spare log files and a little.
const SPACE_MIN: u64 = 256 << 20;
/// Free room below this deserves a look.
const SPACE_GOOD: u64 = 2 << 30;

/// How good a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// As it should be.
    Good,
    /// The server runs, but not as well as it could.
    Warning,
    /// The server does not start.
    Fatal,
}

/// One fact about the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub name: &'static str,
    /// How good it is.
    pub grade: Grade,
    /// What was found.
    pub fact: String,
    /// What would help; empty when nothing is wrong.
    pub remedy: String,
}

impl Finding {
    fn good(name: &'static str, fact: String) -> Self {
        Self { name, grade: Grade::Good, fact, remedy: String::new() }
    }

    fn bad(name: &'static str, grade: Grade, fact: String, remedy: &str) -> Self {
        Self { name, grade, fact, remedy: remedy.to_owned() }
    }
}

/// How long it takes to make 4 KiB durable in a file that is already there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncTimes {
    /// By a write that carries its own sync (`O_DSYNC`).
    pub with_write: Duration,
    /// By a write followed by `fdatasync`.
    pub after_write: Duration,
}

/// Returns every finding about this machine and the data directory `data`, which need not exist.
///
/// **Cost**: some 10 ms, much more on a disk with slow syncs; writes a small file into the
/// directory (or the nearest one above it that exists) and removes it.
pub fn examine(data: &Path) -> Vec<Finding> {
    let folder = existing(data);
    vec![
        kernel(),
        uring(),
        memlock(),
        cpus(),
        room(space(&folder), &folder),
        sync(sync_times(&folder), &folder),
    ]
}

/// Returns the kernel's version; empty if unknown.
pub fn kernel_version() -> String {
    let text = read("/proc/sys/kernel/osrelease").unwrap_or_default();
    text.trim().to_owned()
}

/// Returns why io_uring cannot be used and what would help; `None` when it works.
pub fn uring_fault() -> Option<(String, String)> {
    rt::uring_fault()
}

/// Returns the limit of locked memory in bytes; `u64::MAX` when there is none.
pub fn memlock_bytes() -> u64 {
    rt::memlock_bytes()
}

/// Measures both ways of making a write durable, in directory `folder`.
///
/// **Errors**: those of the operating system.
pub fn sync_times(folder: &Path) -> io::Result<SyncTimes> {
    let name = format!("doctor-{}-{:016x}.trial", std::process::id(), time::random_u64());
    let path = folder.join(name);
    let measured = measure(&path);
    // A file that cannot be removed says so at the next attempt.
    fs::remove_file(&path).ok();
    measured
}

fn measure(path: &Path) -> io::Result<SyncTimes> {
    let after = open(path, libc::O_DIRECT).or_else(|_| open(path, 0))?;
    let zeros = AlignedBuffer::zeroed(TRIALS * BLOCK_BYTES);
    after.write_all_at(&zeros, 0)?;
    after.sync_data()?;
    let dsync = libc::O_DSYNC;
    let with = open(path, libc::O_DIRECT | dsync).or_else(|_| open(path, dsync))?;
    let (mut with_times, mut after_times) = (Vec::new(), Vec::new());
    for index in 0..TRIALS {
        let place = (index * BLOCK_BYTES) as u64;
        let begun = time::now();
        with.write_all_at(&zeros[..BLOCK_BYTES], place)?;
        with_times.push(begun.elapsed());
        let begun = time::now();
        after.write_all_at(&zeros[..BLOCK_BYTES], place)?;
        after.sync_data()?;
        after_times.push(begun.elapsed());
    }
    Ok(SyncTimes { with_write: median(with_times), after_write: median(after_times) })
}

fn open(path: &Path, flags: i32) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(false).custom_flags(flags).open(path)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Returns the nearest directory at or above `path` that exists.
fn existing(path: &Path) -> PathBuf {
    let found = path.ancestors().find(|folder| folder.is_dir());
    found.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

#[expect(clippy::disallowed_methods, reason = "facts of the machine are small files")]
fn read(path: &str) -> io::Result<String> {
    fs::read_to_string(path)
}

fn kernel() -> Finding {
    let version = kernel_version();
    grade_kernel(&version)
}

fn grade_kernel(version: &str) -> Finding {
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    let mut next = || numbers.next().and_then(Result::ok);
    let name = "kernel";
    let (Some(major), Some(minor)) = (next(), next()) else {
        let remedy = "use Linux 6.6 or newer";
        return Finding::bad(name, Grade::Warning, format!("unknown ({version})"), remedy);
    };
    let fact = format!("Linux {version}");
    if (major, minor) < KERNEL_MIN {
        let remedy = "use Linux 6.6 or newer: io_uring hangs and leaks on kernels before 6.1";
        return Finding::bad(name, Grade::Warning, fact, remedy);
    }
    if (major, minor) < KERNEL_GOOD {
        let remedy = "Linux 6.6 or newer writes directly without a detour over helper threads";
        return Finding::bad(name, Grade::Warning, fact, remedy);
    }
    Finding::good(name, fact)
}

fn uring() -> Finding {
    let name = "io_uring";
    match uring_fault() {
        None => Finding::good(name, "available".to_owned()),
        Some((cause, remedy)) => Finding::bad(name, Grade::Fatal, cause, &remedy),
    }
}

fn memlock() -> Finding {
    let bytes = memlock_bytes();
    let name = "locked memory";
    let fact = match bytes {
        u64::MAX => "unlimited".to_owned(),
        bytes => format!("{} KiB", bytes >> 10),
    };
    let wanted = limits::IO_MEMORY_BYTES_MAX * limits::RINGS_PER_CORE * cpu_count() as u64;
    if bytes < limits::MEMLOCK_BYTES_MIN {
        let remedy = "raise it: `ulimit -l 8192`, or LimitMEMLOCK=8M in the service's unit";
        return Finding::bad(name, Grade::Fatal, fact, remedy);
    }
    if bytes < (8 << 20) && bytes < wanted {
        let remedy = "raise it to 8 MiB or more: less of the I/O memory is registered";
        return Finding::bad(name, Grade::Warning, fact, remedy);
    }
    Finding::good(name, fact)
}

fn cpus() -> Finding {
    let (count, list) = (cpu_count(), cpu_list());
    let fact = format!("{count} usable, {} in the affinity mask {list:?}", list.len());
    if count < list.len() {
        let remedy = "the CPU quota is below the mask: executors are not pinned beyond the quota";
        return Finding::bad("CPUs", Grade::Warning, fact, remedy);
    }
    Finding::good("CPUs", fact)
}

fn room(space: io::Result<Space>, folder: &Path) -> Finding {
    let name = "disk space";
    let shown = folder.display();
    match space {
        Err(cause) => {
            let remedy = "check that the directory exists and may be read";
            Finding::bad(name, Grade::Warning, format!("unknown at \"{shown}\": {cause}"), remedy)
        }
        Ok(space) => {
            let (free, total) = (space.free_bytes >> 20, space.total_bytes >> 20);
            let fact = format!("{free} MiB of {total} MiB free at \"{shown}\"");
            let remedy = "free some space: the log alone keeps three files of 64 MiB per shard";
            match space.free_bytes {
                ..SPACE_MIN => Finding::bad(name, Grade::Fatal, fact, remedy),
                SPACE_MIN..SPACE_GOOD => Finding::bad(name, Grade::Warning, fact, remedy),
                _ => Finding::good(name, fact),
            }
        }
    }
}

fn sync(times: io::Result<SyncTimes>, folder: &Path) -> Finding {
    let name = "sync latency";
    match times {
        Err(cause) => {
            let fact = format!("cannot write to \"{}\": {cause}", folder.display());
            let remedy = "give the server's user the right to write there";
            Finding::bad(name, Grade::Fatal, fact, remedy)
        }
        Ok(times) => {
            let (with, after) = (times.with_write, times.after_write);
            let fact = format!("O_DSYNC {with:.0?}, fdatasync {after:.0?} per 4 KiB");
            if with.min(after) > SYNC_SLOW {
                let remedy = "commits wait for this: use a drive with power-loss protection";
                return Finding::bad(name, Grade::Warning, fact, remedy);
            }
            Finding::good(name, fact)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn grades(version: &str, grade: Grade) {
        let finding = grade_kernel(version);
        assert_eq!(finding.grade, grade, "{version}");
        assert_eq!(finding.remedy.is_empty(), grade == Grade::Good);
    }

    #[test]
    fn kernels_are_graded() {
        grades("6.18.44-custom", Grade::Good);
        grades("6.6.0", Grade::Good);
        grades("6.1.0-13-amd64", Grade::Warning);
        grades("5.15.0", Grade::Warning);
        grades("", Grade::Warning);
    }

    #[test]
    fn every_bad_finding_has_a_remedy() {
        let folder = crate::file::host::scratch_folder("doctor").expect("a folder");
        let findings = examine(&folder.join("not/there"));
        assert_eq!(findings.len(), 6);
        for finding in findings {
            assert_eq!(finding.remedy.is_empty(), finding.grade == Grade::Good, "{finding:?}");
        }
        assert_eq!(crate::file::host::list(&folder).expect("readable"), Vec::<String>::new());
        crate::file::host::remove_folder(&folder).expect("removable");
    }

    #[test]
    fn a_full_disk_is_fatal() {
        let space = Space { free_bytes: 1 << 20, total_bytes: 1 << 30 };
        assert_eq!(room(Ok(space), Path::new("x")).grade, Grade::Fatal);
    }
}
