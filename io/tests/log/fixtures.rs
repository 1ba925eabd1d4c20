//! Does today's code read the logs of every released version, and refuse their damaged twins?
//!
//! A variant is a folder under `fixtures/vN`; files it does not have are those of `whole`. To
//! write the fixtures of a new version, run this test with `PIESKIEO_WRITE_FIXTURES=1` once.
//! Fixtures of released versions are never edited.

use std::path::{Path, PathBuf};

use pieskieo_io::file::{AlignedBuffer, host};
use pieskieo_io::sim::{SimOptions, World};
use pieskieo_io::wal::{DamageKind, Error, Lsn, WalOptions};

use crate::harness::{self, check_entries, dir, files, frames, open, path, put, run};

const FILE_BYTES: u64 = 20 << 10;
const RECORD_COUNT: u64 = 20;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1")
}

fn options() -> WalOptions {
    WalOptions { database: *b"fixture database", ..WalOptions::small(FILE_BYTES) }
}

/// Short records of known content, so that the fixture stays small.
fn short(number: u64) -> Vec<u8> {
    let mut record = number.to_le_bytes().to_vec();
    record.resize(8 + (number as usize * 97) % 700, number as u8);
    if number == 17 {
        record.resize(9000, 0x17);
    }
    record
}

/// Returns a machine that holds a variant's files.
fn load(variant: &str) -> World {
    let mut world = World::new(1, SimOptions::default());
    let mut names = host::list(fixtures().join("whole")).expect("the fixture");
    let own = host::list(fixtures().join(variant)).expect("the variant");
    let missing = own.iter().find_map(|name| name.strip_suffix(".missing")).map(str::to_owned);
    names.retain(|name| missing.as_ref() != Some(name));
    let mut contents = Vec::new();
    for name in names {
        let folder = if own.contains(&name) { variant } else { "whole" };
        let bytes = host::read(fixtures().join(folder).join(&name)).expect("a fixture file");
        contents.push((name, bytes));
    }
    run(&mut world, async move {
        let dir = dir().await;
        for (name, bytes) in contents {
            let file = dir.create_file(&name, bytes.len() as u64).await.expect("created");
            file.write_at(AlignedBuffer::copy_of(&bytes), 0).await.expect("written");
            file.sync_data().await.expect("synced");
        }
        dir.sync().await.expect("synced");
    });
    world
}

fn outcome(variant: &str) -> Result<u64, Box<pieskieo_io::wal::Damage>> {
    let opened = run(&mut load(variant), async {
        let (wal, entries) = open(&options()).await?;
        wal.close().await?;
        Ok(entries)
    });
    match opened {
        Ok(entries) => {
            for (index, (lsn, bytes)) in entries.iter().enumerate() {
                assert_eq!(lsn.0, index as u64 + 1);
                assert_eq!(*bytes, short(lsn.0), "LSN {lsn}");
            }
            Ok(entries.len() as u64)
        }
        Err(Error::Damaged(damage)) => Err(damage),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn the_first_version_is_read_and_its_damage_refused() {
    if std::env::var_os("PIESKIEO_WRITE_FIXTURES").is_some() {
        write_fixtures();
    }
    assert_eq!(outcome("whole").expect("whole"), RECORD_COUNT);
    assert_eq!(outcome("lost-confirmation").expect("nothing lost"), RECORD_COUNT);
    let kept = outcome("torn-tail").expect("a torn tail is cut");
    assert!((1..RECORD_COUNT).contains(&kept));
    let kind = |variant| outcome(variant).expect_err("refused").kind;
    assert_eq!(kind("flipped-bit"), DamageKind::AcknowledgedFrame);
    assert_eq!(kind("missing-file"), DamageKind::MissingFile { epoch: 2 });
    assert_eq!(kind("lost-header"), DamageKind::Header);
    assert_eq!(kind("newer-version"), DamageKind::Version { version: 2 });
}

/// Writes the fixtures of the present version.
fn write_fixtures() {
    let mut world = World::new(1, SimOptions::default());
    run(&mut world, async {
        let (wal, entries) = open(&options()).await.expect("opened");
        check_entries(&entries, Lsn::FIRST);
        for number in 1..=RECORD_COUNT {
            let lsn = wal.append(&short(number)).expect("room");
            if number % 3 == 0 {
                wal.durable(lsn).await.expect("durable");
            }
        }
        wal.close().await.expect("closed");
    });
    for (name, ..) in files(&world) {
        save("whole", &name, &world.file_bytes(&path(&name)).expect("a file"));
    }
    let all = frames(&world);
    let [.., data, confirm] = &all[..] else { panic!("two frames") };
    let variant = |name: &str, file: &str, changes: &[(u64, &[u8])]| {
        let mut copy = load("whole");
        for (offset, bytes) in changes {
            put(&mut copy, file, *offset, bytes);
        }
        save(name, file, &copy.file_bytes(&path(file)).expect("a file"));
    };
    let blank = [0; 4096];
    variant("lost-confirmation", &confirm.file, &[(confirm.offset, &blank)]);
    let torn: [(u64, &[u8]); 2] = [(confirm.offset, &blank), (data.offset + 70, b"torn")];
    variant("torn-tail", &data.file, &torn);
    variant("flipped-bit", &all[1].file, &[(all[1].offset + 70, b"\xff\xff")]);
    variant("lost-header", &files(&world)[1].0, &[(0, &blank)]);
    let first = files(&world)[0].0.clone();
    let mut block = load("whole").file_bytes(&path(&first)).expect("a file")[..4096].to_vec();
    block[8] = 2;
    let sum = pieskieo_io::codec::checksum::checksum(&block[..100]);
    block[100..104].copy_from_slice(&sum.to_le_bytes());
    variant("newer-version", &first, &[(0, &block)]);
    save("missing-file", &format!("{}.missing", files(&world)[1].0), b"");
    assert_eq!(harness::STREAM.0, 0);
}

fn save(variant: &str, name: &str, bytes: &[u8]) {
    let folder = fixtures().join(variant);
    host::create_folder(&folder).expect("a folder");
    host::write(folder.join(name), bytes).expect("written");
}
