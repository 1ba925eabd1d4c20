//! Is a data directory that is not what was written refused, naming the file and what to do?
//!
//! Every case damages a copy of one sound directory. A start must refuse it, and an examination of
//! the files alone must find the same, unless only one of them can.

#![allow(
    clippy::disallowed_methods,
    reason = "files are damaged behind the back of the layer that guards them"
)]

#[allow(dead_code, reason = "the scenarios of the simulator use the rest")]
#[path = "sim/model.rs"]
mod model;

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use pieskieo_io::codec::checksum::checksum;
use pieskieo_io::file::Dir;
use pieskieo_io::format::{file_header, manifest_header, segment_header};
use pieskieo_io::rt::{self, RuntimeOptions};
use pieskieo_io::wal::{self, WalOptions};
use pieskieo_shards::Error;
use pieskieo_shards::actor::{Boot, BootOptions, Core, StorageOptions, meta};
use pieskieo_shards::examine::{self, ShardCheck};
use pieskieo_shards::ids::ShardId;
use pieskieo_shards::request::Expect;

use crate::model::{ACCOUNTS, create_schema, put};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("pieskieo-refused-{name}-{}", std::process::id());
        let folder = Self(std::env::temp_dir().join(name));
        fs::remove_dir_all(&folder.0).ok();
        folder
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's own cleaning.
        fs::remove_dir_all(&self.0).ok();
    }
}

fn run<T, Fut>(main: impl Fn() -> Fut + Send + Clone + 'static) -> T
where
    Fut: Future<Output = T> + 'static,
    T: Send + 'static,
{
    let options = RuntimeOptions { pin: false, ..RuntimeOptions::cores(1) };
    let running = rt::start(options, move |_| main()).expect("the real back end");
    running.join().expect("no core panics").pop().expect("one core")
}

/// Opens a directory as a server does, works and closes.
fn life<Fut>(
    path: &Path,
    main: impl Fn(Rc<Core>) -> Fut + Send + Clone + 'static,
) -> Result<(), Error>
where
    Fut: Future<Output = Result<(), Error>> + 'static,
{
    let wal = WalOptions::small(128 << 10);
    let storage = StorageOptions {
        flush_bytes: 16 << 10,
        log_bytes: 32 << 10,
        group_bytes: 1 << 10,
        ..StorageOptions::default()
    };
    let options = BootOptions { path: path.into(), cores: 1, shard_count: Some(2), wal, storage };
    let boot = Arc::new(Boot::new(options).expect("there is a core"));
    run(move || {
        let (boot, main) = (boot.clone(), main.clone());
        async move {
            let core = Core::open(boot.take(rt::core())?).await?;
            main(core.clone()).await?;
            core.close().await
        }
    })
}

/// A directory with several segments in each shard.
fn sound(path: &Path) {
    let made = life(path, |core| async move {
        create_schema(&core).await?;
        for first in (0..4_000).step_by(100) {
            let mut txn = core.begin();
            let rows = (first..first + 100).map(|id| put(&core, ACCOUNTS, &[id, id], Expect::Any));
            txn.write(rows.collect())?;
            txn.commit().await?;
            rt::sleep(Duration::from_millis(5)).await;
        }
        loop {
            let stats = core.stats().await?;
            if stats.iter().all(|shard| shard.segments >= 2) {
                return Ok(());
            }
            rt::sleep(Duration::from_millis(20)).await;
        }
    });
    made.expect("a sound directory");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("a copy");
        }
    }
}

fn check(path: &Path) -> Vec<ShardCheck> {
    let path = path.to_path_buf();
    run(move || {
        let path = path.clone();
        async move {
            let stored = meta::peek(&path).expect("a description").expect("a description");
            let mut found = Vec::new();
            for shard in 0..stored.shard_count {
                let folder = path.join(meta::SEGMENT_FOLDER).join(shard.to_string());
                let dir = Dir::open(&folder).await.expect("a folder");
                let checked = examine::check(&dir, stored.uuid, ShardId(shard)).await;
                found.push(checked.expect("every file can be read"));
            }
            found
        }
    })
}

/// What is wrong with the logs, given what the segments contain.
fn check_logs(path: &Path) -> Vec<String> {
    let contained: Vec<u64> = check(path).iter().map(|shard| shard.checkpoint).collect();
    let path = path.join(meta::LOG_FOLDER);
    run(move || {
        let (path, contained) = (path.clone(), contained.clone());
        async move {
            let dir = Dir::open(&path).await.expect("a folder");
            let of = |stream: wal::StreamId| wal::Lsn(contained[usize::from(stream.0)]);
            let report = wal::verify_from(&dir, of).await.expect("every file can be read");
            let damage = report.streams.iter().flat_map(|stream| &stream.damage);
            damage.map(ToString::to_string).collect()
        }
    })
}

/// The files of shard 0 with this ending or beginning, in order.
fn files(path: &Path, folder: &str, part: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(path.join(folder)).expect("a folder");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.file_name().is_some_and(|name| name.to_string_lossy().contains(part)));
    files.sort();
    files
}

fn segments(path: &Path) -> Vec<PathBuf> {
    let mut files = files(path, "segments/0", ".segment");
    // A close may leave one that is not finished.
    files.retain(|file| file.extension().is_some_and(|end| end == "segment"));
    files
}

fn name(path: &Path) -> String {
    path.file_name().expect("a file").to_string_lossy().into_owned()
}

fn change(path: &Path, with: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).expect("a file");
    with(&mut bytes);
    fs::write(path, bytes).expect("written");
}

/// Makes a header block one of the next version, checksum included.
fn renew(path: &Path, checksum_at: usize) {
    change(path, |bytes| {
        bytes[8..12].copy_from_slice(&2_u32.to_le_bytes());
        let sum = checksum(&bytes[..checksum_at]).to_le_bytes();
        bytes[checksum_at..checksum_at + 4].copy_from_slice(&sum);
    });
}

/// Damages a directory and returns what a refusal must name.
type Damage = fn(&Path) -> Vec<String>;

const VERSION: &str = "use the version of Pieskieo that wrote it";
const ELSEWHERE: &str = "put back the file that belongs here";

fn told(path: &Path, remedy: &str) -> Vec<String> {
    vec![name(path), remedy.to_owned()]
}

/// What a start refuses and an examination of shard 0's folder finds.
const BOTH: &[(&str, Damage)] = &[
    ("a missing segment", |path| {
        let file = segments(path).remove(0);
        fs::remove_file(&file).expect("removed");
        told(&file, "put the file back")
    }),
    ("two swapped segments", |path| {
        let files = segments(path);
        let aside = path.join("aside");
        fs::rename(&files[0], &aside).expect("renamed");
        fs::rename(&files[1], &files[0]).expect("renamed");
        fs::rename(&aside, &files[1]).expect("renamed");
        told(&files[0], ELSEWHERE)
    }),
    ("a segment of another shard", |path| {
        let file = segments(path).remove(0);
        let other = files(path, "segments/1", ".segment").remove(0);
        fs::copy(other, &file).expect("a copy");
        told(&file, ELSEWHERE)
    }),
    ("a segment cut off", |path| {
        let file = segments(path).remove(0);
        change(&file, |bytes| bytes.truncate(bytes.len() - 4096));
        told(&file, "from a backup")
    }),
    ("a segment of a newer format", |path| {
        let file = segments(path).remove(0);
        renew(&file, segment_header::CHECKSUM.offset);
        told(&file, VERSION)
    }),
    ("a missing manifest", |path| {
        let file = files(path, "segments/0", "manifest-").remove(0);
        fs::remove_file(&file).expect("removed");
        vec!["segments/0".to_owned(), "no manifest".to_owned(), "from a backup".to_owned()]
    }),
    ("a manifest of a newer format", |path| {
        let file = files(path, "segments/0", "manifest-").remove(0);
        renew(&file, manifest_header::CHECKSUM.offset);
        told(&file, VERSION)
    }),
    ("a manifest of another shard", |path| {
        let file = files(path, "segments/0", "manifest-").remove(0);
        let other = files(path, "segments/1", "manifest-").remove(0);
        fs::copy(other, &file).expect("a copy");
        told(&file, ELSEWHERE)
    }),
    ("a manifest with a damaged snapshot", |path| {
        let file = files(path, "segments/0", "manifest-").remove(0);
        change(&file, |bytes| bytes[4096 + 40] ^= 1);
        told(&file, "from a backup")
    }),
];

/// What only a start refuses here: it is not in shard 0's folder of segments.
const START: &[(&str, Damage)] = &[
    ("a log file of a newer format", |path| {
        let is_log = |file: &PathBuf| {
            fs::read(file).is_ok_and(|bytes| bytes.starts_with(&file_header::MAGIC_VALUE))
        };
        let file = files(path, "log", "00000-").into_iter().rfind(is_log).expect("a log file");
        renew(&file, file_header::CHECKSUM.offset);
        told(&file, VERSION)
    }),
    ("a description of a newer format", |path| {
        let file = path.join(meta::META_FILE);
        let text = fs::read_to_string(&file).expect("a text");
        fs::write(&file, text.replace("format 1", "format 2")).expect("written");
        told(&file, VERSION)
    }),
    ("a missing description", |path| {
        let file = path.join(meta::META_FILE);
        fs::remove_file(&file).expect("removed");
        told(&file, "put it back")
    }),
    ("another database's description", |path| {
        let file = path.join(meta::META_FILE);
        let text = fs::read_to_string(&file).expect("a text");
        let at = text.find("uuid ").expect("an identity") + 5;
        let end = text.find("checksum ").expect("a checksum");
        let other = format!("{}{}{}", &text[..at], "0".repeat(32), &text[at + 32..end]);
        let sum = checksum(other.as_bytes());
        fs::write(&file, format!("{other}checksum {sum:08x}\n")).expect("written");
        vec!["manifest-".to_owned(), ELSEWHERE.to_owned()]
    }),
    ("a missing log", |path| {
        for file in files(path, "log", "00000-") {
            fs::remove_file(file).expect("removed");
        }
        vec!["log".to_owned(), "from a backup".to_owned()]
    }),
];

#[test]
fn what_is_not_what_was_written_is_refused_by_name() {
    let folder = Folder::new("start");
    let original = folder.0.join("sound");
    sound(&original);
    for found in check(&original) {
        assert_eq!(found.faults, Vec::<String>::new());
        assert!(found.checkpoint > 0, "{found:?}");
    }
    assert_eq!(check_logs(&original), Vec::<String>::new());
    let cases = BOTH.iter().map(|case| (case, true)).chain(START.iter().map(|case| (case, false)));
    for (number, ((what, damage), both)) in cases.enumerate() {
        let path = folder.0.join(number.to_string());
        copy(&original, &path);
        let parts = damage(&path);
        if both {
            let faults = check(&path).remove(0).faults.join("\n");
            let named = parts.iter().all(|part| faults.contains(part));
            assert!(named, "{what}: an examination says {faults:?}, wanted {parts:?}");
        }
        let refused = life(&path, |_| async { Ok(()) });
        let text = refused.expect_err(what).to_string();
        for part in &parts {
            assert!(text.contains(part), "{what}: a start says {text:?}, wanted {part:?}");
        }
    }
    life(&original, |_| async { Ok(()) }).expect("the original is sound");
}

#[test]
fn damaged_blocks_are_told_by_file_offset_and_keys() {
    let folder = Folder::new("blocks");
    sound(&folder.0);
    // A close may leave segments that no manifest names.
    let unnamed = check(&folder.0).remove(0).facts.join("\n");
    let mut hit = 0;
    for file in segments(&folder.0) {
        // The first row group begins behind the header block.
        change(&file, |bytes| bytes[4096 + 50] ^= 0x40);
        hit += usize::from(!unnamed.contains(&name(&file)));
    }
    let extra = folder.0.join("segments/0/9999999999.segment");
    fs::copy(&segments(&folder.0)[0], extra).expect("a copy");
    let found = check(&folder.0).remove(0);
    assert_eq!(found.faults.len(), hit, "{:?}", found.faults);
    let all = found.faults.join("\n");
    assert!(all.contains("offset 4096, part 1, block 0: the checksum is wrong"), "{all}");
    assert!(all.contains("records of \"accounts\", keys (id)=(") && all.contains("lost"), "{all}");
    assert!(all.contains("index \"accounts_balance\" of \"accounts\", keys 0x"), "{all}");
    assert!(all.contains("no record is lost"), "{all}");
    let facts = found.facts.join("\n");
    assert!(facts.contains("\"9999999999.segment\" is named by no manifest"), "{facts}");
}

#[test]
fn a_repair_leaves_files_that_belong_elsewhere() {
    let folder = Folder::new("foreign");
    sound(&folder.0);
    let unnamed = check(&folder.0).remove(0).facts.join("\n");
    let mut files = segments(&folder.0);
    files.retain(|file| !unnamed.contains(&name(file)));
    // Each gets the bytes of the one behind it.
    let bytes: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).expect("a segment")).collect();
    for (number, file) in files.iter().enumerate() {
        fs::write(file, &bytes[(number + 1) % files.len()]).expect("written");
    }
    let path = folder.0.clone();
    let done = run(move || {
        let path = path.clone();
        async move {
            let stored = meta::peek(&path).expect("a description").expect("a description");
            let dir = Dir::open(&path.join(meta::SEGMENT_FOLDER).join("0")).await.expect("it");
            let repaired = examine::repair(&dir, stored.uuid, ShardId(0)).await;
            repaired.expect("every file can be read").done
        }
    });
    assert_eq!(done, Vec::<String>::new());
    for (number, file) in files.iter().enumerate() {
        let kept = fs::read(file).expect("it is there");
        assert!(kept == bytes[(number + 1) % files.len()], "{file:?}");
    }
    assert_eq!(check(&folder.0).remove(0).faults.len(), files.len());
}
