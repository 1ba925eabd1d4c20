//! Do files and directories keep their promises on both back ends?

use std::io::ErrorKind;

use pieskieo_io::file::{AlignedBuffer, Dir, OpenOptions, ScratchFile};

use crate::both;

fn pattern(bytes: usize, seed: u8) -> AlignedBuffer {
    let text: Vec<u8> = (0..bytes).map(|index| (index / 7) as u8 ^ seed).collect();
    AlignedBuffer::copy_of(&text)
}

#[test]
fn what_was_written_is_read_back() {
    both(1, |_, path| async move {
        let dir = Dir::create(&path).await.unwrap();
        let file = dir.create_file("a", 0).await.unwrap();
        for (position, bytes) in [(0, 4096), (8192, 4096), (4096, 12288), (65536, 3 << 20)] {
            let seed = position as u8 ^ bytes as u8;
            file.write_at(pattern(bytes, seed), position).await.unwrap();
            let read = file.read_at(position, bytes).await.unwrap();
            assert_eq!(&read[..], &pattern(bytes, seed)[..], "{bytes} at {position}");
        }
        assert_eq!(file.len(), 65536 + (3 << 20));
        file.sync_data().await.unwrap();
        file.close().await.unwrap();
        let again = dir.open_file("a", OpenOptions::default()).await.unwrap();
        assert_eq!(again.len(), 65536 + (3 << 20));
        let read = again.read_at(0, 4096).await.unwrap();
        assert_eq!(&read[..], &pattern(4096, 0)[..]);
    });
}

#[test]
fn new_files_hold_zeros() {
    both(1, |_, path| async move {
        let dir = Dir::create(&path).await.unwrap();
        let file = dir.create_file("a", 16384).await.unwrap();
        assert_eq!(file.len(), 16384);
        let read = file.read_at(4096, 8192).await.unwrap();
        assert_eq!(&read[..], &[0; 8192]);
        file.write_at(pattern(4096, 1), 0).await.unwrap();
        let replaced = dir.create_file("a", 4096).await.unwrap();
        assert_eq!(&replaced.read_at(0, 4096).await.unwrap()[..], &[0; 4096]);
    });
}

#[test]
fn reads_end_with_the_file() {
    both(1, |_, path| async move {
        let dir = Dir::create(&path).await.unwrap();
        let file = dir.create_file("a", 0).await.unwrap();
        file.write_at(pattern(8192, 3), 0).await.unwrap();
        assert_eq!(file.read_at(4096, 65536).await.unwrap().len(), 4096);
        assert_eq!(file.read_at(0, 4 << 20).await.unwrap().len(), 8192);
        assert_eq!(file.read_at(8192, 4096).await.unwrap().len(), 0);
        assert_eq!(file.read_at(1 << 20, 4096).await.unwrap().len(), 0);
        assert_eq!(file.read_at(0, 0).await.unwrap().len(), 0);
    });
}

#[test]
fn parts_of_blocks_are_refused() {
    both(1, |_, path| async move {
        let dir = Dir::create(&path).await.unwrap();
        let file = dir.create_file("a", 8192).await.unwrap();
        for (position, bytes) in [(1, 4096), (512, 4096), (0, 100), (0, 4097)] {
            let read = file.read_at(position, bytes).await.unwrap_err();
            assert_eq!(read.kind(), ErrorKind::InvalidInput);
            let write = file.write_at(AlignedBuffer::zeroed(bytes), position).await.unwrap_err();
            assert_eq!(write.kind(), ErrorKind::InvalidInput);
        }
        file.write_at(AlignedBuffer::zeroed(0), 0).await.unwrap();
    });
}

#[test]
fn durable_writes_work_in_both_ways() {
    both(1, |_, path| async move {
        let dir = Dir::create(&path).await.unwrap();
        drop(dir.create_file("a", 8192).await.unwrap());
        let file = dir.open_file("a", OpenOptions { dsync: true }).await.unwrap();
        file.write_at(pattern(4096, 9), 4096).await.unwrap();
        file.sync_data().await.unwrap();
        assert_eq!(&file.read_at(4096, 4096).await.unwrap()[..], &pattern(4096, 9)[..]);
    });
}

#[test]
fn what_was_read_can_be_written() {
    both(1, |_, path| async move {
        let dir = Dir::create(&path).await.unwrap();
        let from = dir.create_file("a", 0).await.unwrap();
        from.write_at(pattern(8192, 5), 0).await.unwrap();
        let to = dir.create_file("b", 0).await.unwrap();
        to.write_at(from.read_at(0, 8192).await.unwrap(), 0).await.unwrap();
        let mut changed = from.read_at(0, 4096).await.unwrap();
        changed[0] ^= 1;
        to.write_at(changed, 8192).await.unwrap();
        assert_eq!(&to.read_at(0, 8192).await.unwrap()[..], &pattern(8192, 5)[..]);
        assert_eq!(to.read_at(8192, 4096).await.unwrap()[0], pattern(1, 5)[0] ^ 1);
        assert_eq!(from.read_at(0, 4096).await.unwrap()[0], pattern(1, 5)[0]);
    });
}

#[test]
fn many_operations_are_under_way_at_once() {
    both(2, |core, path| async move {
        let dir = Dir::create(&path).await.unwrap();
        let file = dir.create_file(&format!("{}", core.0), 0).await.unwrap();
        let writes = (0..64u64).map(|n| file.write_at(pattern(4096, n as u8), n * 4096));
        for written in futures::future::join_all(writes).await {
            written.unwrap();
        }
        let reads = (0..64u64).map(|n| file.read_at(n * 4096, 4096));
        for (read, n) in futures::future::join_all(reads).await.into_iter().zip(0u8..) {
            assert_eq!(&read.unwrap()[..], &pattern(4096, n)[..]);
        }
    });
}

#[test]
fn names_change_as_asked() {
    both(1, |_, path| async move {
        let dir = Dir::create(path.join("deep/er")).await.unwrap();
        assert_eq!(dir.list().await.unwrap(), Vec::<String>::new());
        for name in ["b", "a", "c"] {
            dir.create_file(name, 0).await.unwrap().close().await.unwrap();
        }
        assert_eq!(dir.list().await.unwrap(), ["a", "b", "c"]);
        dir.rename("a", "d").await.unwrap();
        dir.rename("b", "c").await.unwrap();
        dir.remove("c").await.unwrap();
        dir.sync().await.unwrap();
        assert_eq!(dir.list().await.unwrap(), ["d"]);
        let sub = dir.subdir("s").await.unwrap();
        sub.create_file("x", 4096).await.unwrap();
        let sub = dir.subdir("s").await.unwrap();
        assert_eq!(sub.list().await.unwrap(), ["x"]);
        assert_eq!(dir.list().await.unwrap(), ["d", "s"]);
        let same = Dir::open(path.join("deep/er")).await.unwrap();
        assert_eq!(same.list().await.unwrap(), ["d", "s"]);
    });
}

#[test]
fn what_is_not_there_is_not_found() {
    both(1, |_, path| async move {
        let missing = Dir::open(path.join("no")).await.unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        assert!(missing.to_string().contains("/no\""), "{missing}");
        let dir = Dir::create(&path).await.unwrap();
        let kind = |error: pieskieo_io::Error| error.kind();
        let options = OpenOptions::default();
        assert_eq!(
            dir.open_file("x", options).await.map_err(kind).err(),
            Some(ErrorKind::NotFound)
        );
        assert_eq!(dir.remove("x").await.map_err(kind), Err(ErrorKind::NotFound));
        assert_eq!(dir.rename("x", "y").await.map_err(kind), Err(ErrorKind::NotFound));
        assert_eq!(dir.read_small("x").await.map_err(kind), Err(ErrorKind::NotFound));
    });
}

#[test]
fn names_with_slashes_are_refused() {
    both(1, |_, path| async move {
        let dir = Dir::create(&path).await.unwrap();
        for name in ["", ".", "..", "a/b", "/etc"] {
            let refused = dir.create_file(name, 0).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{name:?}");
        }
    });
}

#[test]
fn small_files_are_replaced_whole() {
    both(1, |_, path| async move {
        let dir = Dir::create(&path).await.unwrap();
        for text in [&b"first"[..], b"", b"a longer text than before"] {
            dir.write_small_atomically("m", text).await.unwrap();
            assert_eq!(dir.read_small("m").await.unwrap(), text);
        }
        let large = vec![7; 100_000];
        dir.write_small_atomically("m", &large).await.unwrap();
        assert_eq!(dir.read_small("m").await.unwrap(), large);
        assert_eq!(dir.list().await.unwrap(), ["m"]);
    });
}

#[test]
fn open_files_outlive_their_names() {
    both(1, |_, path| async move {
        let dir = Dir::create(&path).await.unwrap();
        let file = dir.create_file("a", 0).await.unwrap();
        file.write_at(pattern(4096, 2), 0).await.unwrap();
        dir.remove("a").await.unwrap();
        assert_eq!(&file.read_at(0, 4096).await.unwrap()[..], &pattern(4096, 2)[..]);
        file.write_at(pattern(4096, 3), 4096).await.unwrap();
        file.sync_data().await.unwrap();
    });
}

#[test]
fn a_scratch_file_has_no_name() {
    both(1, |_, path| async move {
        let dir = Dir::create(&path).await.unwrap();
        let file = ScratchFile::create(&path).unwrap();
        assert!(file.is_empty());
        file.append(b"one ").unwrap();
        file.append(b"two").unwrap();
        assert_eq!(file.len(), 7);
        for (at, len, expected) in
            [(0, 4, &b"one "[..]), (4, 100, b"two"), (7, 100, b""), (99, 100, b"")]
        {
            assert_eq!(file.read(at, len).await.unwrap(), expected, "{len} at {at}");
        }
        assert!(dir.list().await.unwrap().is_empty());
    });
}
