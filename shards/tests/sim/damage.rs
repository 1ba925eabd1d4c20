//! What becomes of each damaged part of each file, in an examination, a repair and a start?
//!
//! | damaged | examination | repair | start without it |
//! | --- | --- | --- | --- |
//! | image, list | no record is lost | dropped | filled from records |
//! | fences, filter | no record is lost | written anew | made anew |
//! | ordered index | no record is lost | dropped, filled at start | reads by key are answered |
//! | records | named by keys | left | who reads them is told, all else is answered |
//! | mirrors | no record is lost | left | records are read |

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use pieskieo_io::file::Dir;
use pieskieo_io::manifest;
use pieskieo_io::rt;
use pieskieo_io::segment::{self, PartKind};
use pieskieo_shards::Error;
use pieskieo_shards::actor::Core;
use pieskieo_shards::examine::{check, layout, repair};
use pieskieo_shards::ids::ShardId;
use pieskieo_shards::request::{Access, Direction, Expect, ReadView, Reply, Request};
use pieskieo_shards::txn::EdgeWrite;

use crate::harness::{DATA, Machine, Plan};
use crate::model::{ACCOUNTS, KNOWS, create_schema, key, node, put, read, read_all, row, verify};

const ROWS: i64 = 160;
const EDGES: i64 = 60;
/// Bytes of the blocks a segment begins and ends with.
const BLOCK: u64 = 4096;

/// What damage of a part leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// A start makes it anew, and so does a repair.
    Anew,
    /// A repair makes it anew; until then who needs it is told.
    Repaired,
    /// It is lost.
    Lost,
}

/// A file, what it is, and where its parts are.
#[derive(Clone, Debug)]
struct Target {
    file: String,
    name: String,
    places: Vec<(&'static str, u64)>,
}

fn folder() -> PathBuf {
    Path::new(DATA).join("segments").join("0")
}

fn fate(name: &str, place: &str) -> Fate {
    let is_image = name.starts_with("image of") || name.starts_with("keys changed");
    match place {
        _ if is_image => Fate::Anew,
        "fences" | "filter" | "zones" => Fate::Anew,
        _ if name.starts_with("index") => Fate::Repaired,
        _ => Fate::Lost,
    }
}

async fn put_rows(core: &Rc<Core>, rows: Range<i64>) -> Result<(), Error> {
    for first in rows.clone().step_by(4) {
        let mut txn = core.begin();
        let ids = first..rows.end.min(first + 4);
        txn.write(ids.map(|id| put(core, ACCOUNTS, &[id, id * 2], Expect::Any)).collect())?;
        txn.commit().await?;
    }
    Ok(())
}

async fn put_edges(core: &Rc<Core>) -> Result<(), Error> {
    for id in 0..EDGES {
        let (source, target) = (id % 10, id % 7);
        let mut txn = core.begin();
        txn.write_edge(EdgeWrite {
            table: KNOWS,
            key: key(core, KNOWS, &[source, id]),
            source: node(source),
            target_before: None,
            target_after: Some(node(target)),
            row: Some(row(core, KNOWS, &[source, target, id])),
            expect: Expect::Absent,
        })?;
        txn.commit().await?;
        if id == EDGES - 4 {
            // An image of these, and a list of the few that come behind them.
            rt::sleep(Duration::from_secs(2)).await;
        }
    }
    Ok(())
}

/// A machine whose shard has all it was given in segments, and nothing in its log.
fn filled() -> Machine {
    let mut machine = Plan { seed: 7, cores: 1, shards: 1 }.world();
    machine.live(|core| async move {
        create_schema(&core).await?;
        put_rows(&core, 0..ROWS).await?;
        put_edges(&core).await?;
        put_rows(&core, 0..ROWS / 2).await?;
        rt::sleep(Duration::from_secs(2)).await;
        verify(&core).await
    });
    machine.storage.flush_bytes = 1;
    machine.live(|core| async move {
        put_rows(&core, 0..1).await?;
        rt::sleep(Duration::from_secs(2)).await;
        Ok(())
    });
    machine
}

/// Runs `work` in the shard's folder while nobody has it open.
fn offline<T: 'static, Fut>(machine: &mut Machine, work: fn(Dir) -> Fut) -> T
where
    Fut: Future<Output = T> + 'static,
{
    let done = machine
        .world
        .run(1, move |_| async move { work(Dir::open(&folder()).await.expect("a folder")).await });
    done.finished().remove(0)
}

async fn database(dir: &Dir) -> [u8; 16] {
    let names = dir.list().await.expect("a folder");
    let mut found = None;
    for name in names.iter().filter(|name| name.ends_with(".segment")) {
        let examined = segment::examine(dir, name).await.expect("a segment");
        found = found.or(examined.identity.map(|identity| identity.database));
    }
    found.expect("one of the segments has its header")
}

/// Returns what an examination finds.
fn faults(machine: &mut Machine) -> Vec<String> {
    offline(machine, |dir| async move {
        let database = database(&dir).await;
        check(&dir, database, ShardId(0)).await.expect("it can be read").faults
    })
}

/// Returns what a repair does.
fn repairs(machine: &mut Machine) -> Vec<String> {
    offline(machine, |dir| async move {
        let database = database(&dir).await;
        repair(&dir, database, ShardId(0)).await.expect("it can be read").done
    })
}

/// Returns one file of each kind; of runs, one that has several groups where there is one.
async fn targets(dir: Dir) -> Vec<Target> {
    let newest = manifest::newest(&dir).await.expect("a folder").expect("a manifest");
    let layout = layout(&manifest::read(&dir, &newest).await.expect("a manifest")).expect("sound");
    let runs = layout.runs.iter().map(|run| (run.bytes, run.tree.clone(), run.file.clone()));
    let images = layout.images.iter().map(|image| (0, image.name.clone(), image.file.clone()));
    let mut kinds: BTreeMap<String, (u64, String)> = BTreeMap::new();
    for (bytes, name, file) in runs.chain(images) {
        let kept = kinds.entry(name).or_insert((bytes, file.clone()));
        if kept.0 < bytes {
            *kept = (bytes, file);
        }
    }
    let mut targets = Vec::new();
    for (name, (_, file)) in kinds {
        let found = segment::examine(&dir, &file).await.expect("a segment");
        let mut places = vec![("header", 20), ("trailer", found.bytes - BLOCK + 20)];
        let mut end = BLOCK;
        for part in &found.parts {
            let block = &part.blocks[part.blocks.len() / 2];
            let what = match part.kind {
                PartKind(1) => "groups",
                PartKind(2) => "fences",
                PartKind(3) => "filter",
                PartKind(4) => "zones",
                PartKind(16) => "head",
                PartKind(17) => "blocks",
                PartKind(18) => "keys",
                other => panic!("part {other}"),
            };
            places.push((what, block.offset + u64::from(block.stored_bytes) / 2));
            let ends = part.blocks.iter().map(|block| block.offset + u64::from(block.stored_bytes));
            end = end.max(ends.max().unwrap_or(0));
        }
        places.push(("footer", end + 5));
        targets.push(Target { file, name, places });
    }
    targets
}

/// Returns the keys between which an error says that nothing can be read.
fn range_in(text: &str) -> (i64, i64) {
    let numbers: Vec<i64> = text
        .split("(id)=(")
        .skip(1)
        .map(|rest| rest.split(')').next().and_then(|number| number.parse().ok()).expect("a key"))
        .collect();
    assert_eq!(numbers.len(), 2, "{text}");
    (numbers[0], numbers[1])
}

/// Reads every row by its key and returns those that cannot be read. `file` is the damaged one.
async fn unreadable(core: &Rc<Core>, file: &str) -> Result<Vec<i64>, Error> {
    let lease = core.lease();
    let view = ReadView::at(lease.snapshot());
    let mut lost = Vec::new();
    for id in 0..ROWS {
        let access = Access::Keys(vec![key(core, ACCOUNTS, &[id])]);
        match read(core, ShardId(0), ACCOUNTS, access, view).await {
            Ok(found) => {
                let found: Vec<&[i64]> = found.iter().map(|found| &*found.values).collect();
                assert_eq!(found, [&[id, id * 2][..]], "row {id}");
            }
            Err(Error::Corrupt(text)) => {
                let parts = [file, "offset ", "records of \"accounts\""];
                assert!(parts.iter().all(|part| text.contains(part)), "{text}");
                let (first, last) = range_in(&text);
                assert!((first..=last).contains(&id), "row {id}: {text}");
                lost.push(id);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(lost)
}

/// Looks what a server answers whose records in `file` are damaged, and whether it stays so.
async fn answers_around(core: Rc<Core>, file: String) -> Result<(), Error> {
    let lost = unreadable(&core, &file).await?;
    assert!(!lost.is_empty() && lost.len() < ROWS as usize, "{lost:?}");
    let lease = core.lease();
    let all = read_all(&core, ACCOUNTS, lease.snapshot()).await;
    assert!(matches!(&all, Err(Error::Corrupt(text)) if text.contains(&file)), "{all:?}");
    drop(lease);
    for id in 0..ROWS {
        let mut txn = core.begin();
        txn.write(vec![put(&core, ACCOUNTS, &[id, id * 2], Expect::Any)])?;
        match txn.commit().await {
            Ok(_) => assert!(!lost.contains(&id), "row {id} was written unseen"),
            Err(Error::Corrupt(_)) => assert!(lost.contains(&id), "row {id} is readable"),
            Err(error) => return Err(error),
        }
    }
    // Checkpoints and merges have their turn.
    rt::sleep(Duration::from_secs(5)).await;
    assert_eq!(unreadable(&core, &file).await?, lost);
    Ok(())
}

/// Starts the machine and looks whether what it answers is what this damage leads to.
fn start(machine: &mut Machine, target: &Target, place: &'static str, is_repaired: bool) {
    let fate = fate(&target.name, place);
    let is_of_accounts = target.name == "records of \"accounts\"";
    let file = target.file.clone();
    machine.live(move |core| {
        let file = file.clone();
        async move {
            match fate {
                Fate::Lost if is_of_accounts && place == "groups" => {
                    answers_around(core, file).await
                }
                Fate::Lost if is_of_accounts => {
                    assert!(!unreadable(&core, &file).await?.is_empty());
                    Ok(())
                }
                _ => {
                    assert_eq!(unreadable(&core, &file).await?, Vec::<i64>::new());
                    let is_whole = fate == Fate::Anew || fate == Fate::Repaired && is_repaired;
                    if is_whole { verify(&core).await } else { Ok(()) }
                }
            }
        }
    });
}

#[test]
fn each_damaged_part_has_its_fate() {
    let all = offline(&mut filled(), targets);
    let names: Vec<&str> = all.iter().map(|target| &*target.name).collect();
    assert_eq!(
        names,
        [
            "image of adjacency of \"knows\"",
            "index \"accounts_balance\" of \"accounts\"",
            "keys changed since the image of adjacency of \"knows\"",
            "mirrors of \"knows\"",
            "records of \"accounts\"",
            "records of \"knows\"",
        ]
    );
    for target in &all {
        for (place, offset) in &target.places {
            let fate = fate(&target.name, place);
            let what = format!("{place} of {} ({}): {fate:?}", target.name, target.file);
            eprintln!("{what}");
            let mut machine = filled();
            let path = folder().join(&target.file);
            assert_eq!(faults(&mut machine), Vec::<String>::new());
            assert!(machine.world.flip_bit(&path, *offset, 3), "{what}");
            let told = faults(&mut machine).join("\n");
            assert!(told.contains(&target.file) && told.contains("offset "), "{what}: {told}");
            let is_lost = fate == Fate::Lost && target.name.starts_with("records");
            assert_eq!(told.contains("records are lost"), is_lost, "{what}: {told}");
            start(&mut machine, target, place, false);
            let mut machine = filled();
            assert!(machine.world.flip_bit(&path, *offset, 3));
            let done = repairs(&mut machine);
            let left = faults(&mut machine);
            let is_good = fate != Fate::Lost;
            assert_eq!((!done.is_empty(), left.is_empty()), (is_good, is_good), "{what}: {left:?}");
            assert_eq!(repairs(&mut machine), Vec::<String>::new(), "{what}: once is enough");
            start(&mut machine, target, place, true);
            if fate != Fate::Lost {
                machine.live(|core| async move {
                    verify(&core).await?;
                    put_rows(&core, 0..ROWS).await?;
                    rt::sleep(Duration::from_secs(2)).await;
                    verify(&core).await
                });
                machine.live(|core| async move { verify(&core).await });
            }
        }
    }
}

#[test]
fn an_adjacency_that_lacks_edges_does_not_answer() {
    let mut machine = filled();
    let all = offline(&mut machine, targets);
    let mut places = Vec::new();
    for (name, place) in [("image of adjacency", "blocks"), ("records of \"knows\"", "groups")] {
        let target = all.iter().find(|target| target.name.starts_with(name)).expect("a file");
        let (_, offset) = target.places.iter().find(|(what, _)| *what == place).expect("a part");
        assert!(machine.world.flip_bit(&folder().join(&target.file), *offset, 3));
        places.push(target.file.clone());
    }
    for _ in 0..2 {
        let file = places[1].clone();
        machine.live(move |core| {
            let file = file.clone();
            async move {
                assert_eq!(unreadable(&core, &file).await?, Vec::<i64>::new());
                let lease = core.lease();
                let view = ReadView::at(lease.snapshot());
                for direction in [Direction::Out, Direction::In] {
                    let nodes = vec![node(3)];
                    let request = Request::Expand { edge: KNOWS, direction, nodes, view };
                    match core.call(ShardId(0), request).await {
                        Err(Error::Corrupt(text)) => assert!(text.contains(&file), "{text}"),
                        Err(error) => return Err(error),
                        Ok(Reply::Neighbors(found)) => panic!("it answered {found:?}"),
                        Ok(other) => panic!("it answered {other:?}"),
                    }
                }
                // No image of what is not whole.
                rt::sleep(Duration::from_secs(3)).await;
                Ok(())
            }
        });
    }
}
