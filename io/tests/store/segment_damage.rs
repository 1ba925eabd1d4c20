//! Is every changed byte of a segment noticed, and every file that is not the one asked for?

use proptest::prelude::*;

use pieskieo_io::segment::{
    Codec, Damage, DamageKind, Error, PartKind, Segment, SegmentId, SegmentIdentity, SegmentSeal,
    segment_name,
};
use pieskieo_io::sim::{SimOptions, World};
use pieskieo_io::wal::StreamId;

use crate::harness::{
    Part, damage, dir, holding, identity, path, raw, read, run, small_parts, snapshot, write,
};

/// Returns a machine with a small segment of number 1, and its seal.
fn written() -> (World, SegmentSeal) {
    let mut world = World::new(3, SimOptions::default());
    let sealed = run(&mut world, async { write(identity(1), &small_parts()).await });
    (world, sealed.expect("written"))
}

fn refused(world: &mut World, identity: SegmentIdentity, seal: SegmentSeal) -> Damage {
    let before = snapshot(world);
    let opened = run(world, async move { read(identity, seal).await });
    assert_eq!(before, snapshot(world), "reading changes nothing");
    damage(opened.expect_err("refused"))
}

#[test]
fn every_flipped_byte_is_noticed_and_named() {
    let (mut world, seal) = written();
    let name = segment_name(SegmentId(1));
    assert_eq!(seal.file_bytes, 3 * 4096);
    for offset in 0..seal.file_bytes {
        let bit = (offset % 8) as u32;
        assert!(world.flip_bit(&path(&name), offset, bit));
        let found = refused(&mut world, identity(1), seal);
        assert_eq!(found.file, name);
        assert!(found.offset <= offset, "{found} for byte {offset}");
        assert_ne!(found.expected, found.found, "{found} for byte {offset}");
        assert!(world.flip_bit(&path(&name), offset, bit));
    }
    let whole = run(&mut world, async move { read(identity(1), seal).await });
    assert_eq!(whole.expect("whole again"), raw(&small_parts()));
}

#[test]
fn an_open_segment_verifies_every_byte() {
    let (mut world, seal) = written();
    let name = segment_name(SegmentId(1));
    for offset in (0..seal.file_bytes).step_by(7).chain(4096..4700) {
        let (file, flip) = (name.clone(), offset);
        let found = run(&mut world, async move {
            let segment = Segment::open(&dir().await, identity(1), seal).await.expect("whole");
            let file = dir().await.open_file(&file, Default::default()).await.expect("there");
            let block = flip / 4096 * 4096;
            let mut bytes = file.read_at(block, 4096).await.expect("read");
            bytes[(flip % 4096) as usize] ^= 0x10;
            file.write_at(bytes, block).await.expect("written");
            let found = segment.verify().await.expect("readable");
            let mut bytes = file.read_at(block, 4096).await.expect("read");
            bytes[(flip % 4096) as usize] ^= 0x10;
            file.write_at(bytes, block).await.expect("written");
            assert_eq!(segment.verify().await.expect("readable"), vec![]);
            found
        });
        assert_eq!(found.len(), 1, "byte {offset}: {found:?}");
        assert!(found[0].offset <= offset && found[0].file == name);
    }
}

#[test]
fn damage_names_part_and_block() {
    let (mut world, seal) = written();
    let name = segment_name(SegmentId(1));
    world.flip_bit(&path(&name), 4096, 0);
    let found = refused(&mut world, identity(1), seal);
    assert_eq!((found.kind, found.offset), (DamageKind::Checksum, 4096));
    assert_eq!(found.block, Some((PartKind(7), 0)));
    let text = found.to_string();
    assert!(text.contains("offset 4096, part 7, block 0: the checksum is wrong"), "{text}");
}

#[test]
fn a_file_of_another_length_is_refused() {
    let (world, seal) = written();
    let files = snapshot(&world);
    let (name, bytes) = &files[0];
    for cut in (0..bytes.len()).step_by(512).chain([1, bytes.len() - 1]) {
        let mut short = holding(&[(name.clone(), bytes[..cut].to_vec())]);
        let found = refused(&mut short, identity(1), seal);
        assert_eq!(found.kind, DamageKind::Length, "{cut} bytes");
        // Even a seal of that length does not make it whole.
        let seal = SegmentSeal { file_bytes: cut as u64, ..seal };
        refused(&mut short, identity(1), seal);
    }
    let longer = [bytes.clone(), vec![0; 4096]].concat();
    let found = refused(&mut holding(&[(name.clone(), longer)]), identity(1), seal);
    assert_eq!(found.kind, DamageKind::Length);
}

#[test]
fn a_missing_file_is_damage() {
    let (mut world, seal) = written();
    let seal = SegmentSeal { id: SegmentId(2), ..seal };
    assert_eq!(refused(&mut world, identity(2), seal).kind, DamageKind::Missing);
}

#[test]
fn a_file_of_another_owner_is_refused() {
    let (mut world, seal) = written();
    let others = [
        SegmentIdentity { database: [0; 16], ..identity(1) },
        SegmentIdentity { stream: StreamId(2), ..identity(1) },
    ];
    for other in others {
        assert_eq!(refused(&mut world, other, seal).kind, DamageKind::Identity);
    }
    // Under the name of another segment.
    let bytes = snapshot(&world).remove(0).1;
    let mut renamed = holding(&[(segment_name(SegmentId(2)), bytes)]);
    let seal = SegmentSeal { id: SegmentId(2), ..seal };
    assert_eq!(refused(&mut renamed, identity(2), seal).kind, DamageKind::Identity);
}

#[test]
fn a_file_with_a_header_or_an_end_of_another_is_refused() {
    let (world, seal) = written();
    let whole = snapshot(&world).remove(0).1;
    let mut second = World::new(3, SimOptions::default());
    run(&mut second, async { write(identity(2), &small_parts()).await }).expect("written");
    let other = snapshot(&second).remove(0).1;
    let last = whole.len() - 4096;
    for glued in
        [[&other[..4096], &whole[4096..]].concat(), [&whole[..last], &other[last..]].concat()]
    {
        let mut world = holding(&[(segment_name(SegmentId(1)), glued)]);
        assert_eq!(refused(&mut world, identity(1), seal).kind, DamageKind::Identity);
    }
}

#[test]
fn a_wrong_seal_is_refused() {
    let (mut world, seal) = written();
    let wrong = SegmentSeal { checksum: seal.checksum ^ 1, ..seal };
    assert_eq!(refused(&mut world, identity(1), wrong).kind, DamageKind::Seal);
    let wrong = SegmentSeal { id: SegmentId(2), ..seal };
    assert_eq!(refused(&mut world, identity(1), wrong).kind, DamageKind::Seal);
    let wrong = SegmentSeal { file_bytes: seal.file_bytes + 4096, ..seal };
    assert_eq!(refused(&mut world, identity(1), wrong).kind, DamageKind::Length);
    // A file that was replaced by another of the same name.
    let mut parts = small_parts();
    parts[1].1[0].0[0] ^= 1;
    let mut replaced = World::new(3, SimOptions::default());
    let other = run(&mut replaced, async move { write(identity(1), &parts).await });
    assert_eq!(other.expect("written").file_bytes, seal.file_bytes);
    assert_eq!(refused(&mut replaced, identity(1), seal).kind, DamageKind::Seal);
}

#[test]
fn a_failed_read_is_no_damage() {
    let (mut world, seal) = written();
    world.change(|options| options.read_fault_ppm = 300_000);
    let (mut failed, mut whole) = (0, 0);
    for _ in 0..60 {
        match run(&mut world, async move { read(identity(1), seal).await }) {
            Ok(parts) => {
                assert_eq!(parts, raw(&small_parts()));
                whole += 1;
            }
            Err(Error::Disk(_)) => failed += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(failed > 10, "{failed} failed, {whole} whole");
}

#[test]
fn a_block_beyond_the_limit_is_refused_and_the_writer_goes_on() {
    let mut world = World::new(3, SimOptions::default());
    run(&mut world, async {
        let dir = dir().await;
        let created = pieskieo_io::segment::SegmentWriter::create(&dir, identity(1)).await;
        let mut writer = created.expect("created");
        writer.begin_part(PartKind(0));
        let long = vec![0; pieskieo_io::segment::limits::RAW_BYTES_MAX + 1];
        let refused = writer.put(&long, Codec::Zstd).await.expect_err("too long");
        assert!(matches!(refused, Error::TooLarge { .. }), "{refused}");
        assert_eq!(writer.put(&long[1..], Codec::Zstd).await.expect("just fits"), 0);
        let seal = writer.finish().await.expect("finished");
        let segment = Segment::open(&dir, identity(1), seal).await.expect("whole");
        assert!(segment.read(PartKind(0), 0).await.expect("whole") == long[1..]);
    });
}

fn parts() -> impl Strategy<Value = Vec<Part>> {
    let codec = (0..3usize).prop_map(|index| Codec::ALL[index].1);
    let block = (proptest::collection::vec(any::<u8>(), 0..40), 1..400usize, codec)
        .prop_map(|(bytes, times, codec)| (bytes.repeat(times), codec));
    let blocks = proptest::collection::vec(block, 0..12);
    let parts = proptest::collection::vec(blocks, 0..5);
    let kind = |index: usize| PartKind((index * 1000) as u16 ^ 5);
    parts.prop_map(move |parts| {
        parts.into_iter().enumerate().map(|(index, blocks)| (kind(index), blocks)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_parts_come_back(parts in parts(), seed: u64) {
        let mut world = World::new(seed, SimOptions::default());
        let expected = raw(&parts);
        let found = run(&mut world, async move {
            let seal = write(identity(1), &parts).await?;
            read(identity(1), seal).await
        });
        prop_assert_eq!(found.expect("whole"), expected);
    }

    /// A file made of any bytes at all, or with any bytes in it, never stops the reader.
    #[test]
    fn any_bytes_are_refused(
        at in 0..3usize * 4096,
        bytes in proptest::collection::vec(any::<u8>(), 1..300),
        alone: bool,
    ) {
        let (world, seal) = written();
        let (name, mut whole) = snapshot(&world).remove(0);
        let end = (at + bytes.len()).min(whole.len());
        if alone {
            whole.fill(0);
        }
        let before = whole.clone();
        whole[at..end].copy_from_slice(&bytes[..end - at]);
        if alone || whole != before {
            refused(&mut holding(&[(name, whole)]), identity(1), seal);
        }
    }
}
