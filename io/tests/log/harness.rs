//! What do the log's tests share?

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use pieskieo_io::codec::frame::FrameHeader;
use pieskieo_io::file::Dir;
use pieskieo_io::format::{BLOCK_BYTES, file_header};
use pieskieo_io::sim::World;
use pieskieo_io::wal::{Error, Lsn, StreamId, Wal, WalOptions};

pub const DIR: &str = "/log";
pub const STREAM: StreamId = StreamId(0);
pub const FILE_BYTES: u64 = 64 << 10;

pub type Entries = Vec<(Lsn, Vec<u8>)>;

pub fn options() -> WalOptions {
    WalOptions::small(FILE_BYTES)
}

/// Returns the record with this number: mostly short, sometimes longer than a frame.
pub fn record(number: u64) -> Vec<u8> {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let bytes = match mixed % 23 {
        0 => 20_000 + mixed % 20_000,
        1..=4 => 2_000 + mixed % 3_000,
        _ => mixed % 300,
    };
    let mut record = number.to_le_bytes().to_vec();
    record.extend((0..bytes).map(|i| (i ^ mixed) as u8));
    record
}

pub async fn dir() -> Dir {
    Dir::create(DIR).await.expect("a directory")
}

/// Opens the log and drains its replay.
pub async fn open(options: &WalOptions) -> Result<(Wal, Entries), Error> {
    let (wal, mut replay) = Wal::open(&dir().await, STREAM, options).await?;
    let mut entries = Vec::new();
    while let Some(entry) = replay.next().await? {
        entries.push(entry);
    }
    Ok((wal, entries))
}

/// Checks that the entries are records 0, 1, 2, … with the LSNs from `first` on.
#[track_caller]
pub fn check_entries(entries: &Entries, first: Lsn) {
    for (index, (lsn, bytes)) in entries.iter().enumerate() {
        assert_eq!(lsn.0, first.0 + index as u64, "LSNs have no gap");
        assert!(*bytes == record(lsn.0), "LSN {lsn} holds another record");
    }
}

/// Runs `main` on a machine with one core.
pub fn run<T: 'static>(world: &mut World, main: impl Future<Output = T> + 'static) -> T {
    let main = Rc::new(RefCell::new(Some(main)));
    let outcome = world.run(1, move |_| main.borrow_mut().take().expect("one core"));
    outcome.finished().pop().expect("one core")
}

/// Appends records `from..=to` in groups of `group`, waits for each group, and closes or leaves.
pub async fn fill(from: u64, to: u64, group: u64, close: bool) {
    let (wal, entries) = open(&options()).await.expect("a whole log");
    check_entries(&entries, Lsn::FIRST);
    assert_eq!(entries.len() as u64 + 1, from);
    for number in from..=to {
        let lsn = wal.append(&record(number)).expect("room");
        assert_eq!(lsn, Lsn(number));
        if number % group == 0 || number == to {
            wal.durable(lsn).await.expect("durable");
        }
    }
    if close {
        wal.close().await.expect("closed");
    }
}

/// A frame as it stands in a file.
#[derive(Clone, Debug)]
pub struct Frame {
    pub file: String,
    pub offset: u64,
    pub header: FrameHeader,
}

/// Returns the path of a file of the log.
pub fn path(file: &str) -> std::path::PathBuf {
    Path::new(DIR).join(file)
}

/// Returns the log files in use, by epoch, with their epochs and salt.
pub fn files(world: &World) -> Vec<(String, u64, u64)> {
    let mut found = Vec::new();
    for name in world.file_names(Path::new(DIR)) {
        let bytes = world.file_bytes(&path(&name)).expect("a listed file");
        if bytes.starts_with(&file_header::MAGIC_VALUE) {
            let number = |field: pieskieo_io::format::Field| {
                let bytes = &bytes[field.offset..field.end()];
                u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
            };
            found.push((name, number(file_header::EPOCH), number(file_header::SALT)));
        }
    }
    found.sort_by_key(|(_, epoch, _)| *epoch);
    found
}

/// Returns every frame of the log in order, found without the code under test's recovery.
pub fn frames(world: &World) -> Vec<Frame> {
    let mut found = Vec::new();
    for (file, epoch, salt) in files(world) {
        let bytes = world.file_bytes(&path(&file)).expect("a listed file");
        let mut offset = BLOCK_BYTES;
        while let Some(Ok((header, _))) =
            bytes.get(offset..).map(|rest| FrameHeader::decode(salt, rest))
            && header.epoch == epoch
        {
            found.push(Frame { file: file.clone(), offset: offset as u64, header });
            offset += header.frame_bytes() as usize;
        }
    }
    found
}

/// Overwrites bytes of a file.
pub fn put(world: &mut World, file: &str, offset: u64, bytes: &[u8]) {
    for (index, byte) in bytes.iter().enumerate() {
        let changed = world.damage(&path(file), offset + index as u64, |old| *old = *byte);
        assert!(changed, "the place exists");
    }
}
