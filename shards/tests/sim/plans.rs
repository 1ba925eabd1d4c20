//! What happens to a whole database while clients work, and what may be lost of it?
//!
//! | fault | what happens | what may be lost |
//! | --- | --- | --- |
//! | `Trouble(…)` | `harness::Trouble`, life after life | nothing |
//! | `Recovery` | the power goes, and again while the process starts | nothing |
//! | `EveryPoll` | the power goes at a poll of a task: with enough seeds, at each | nothing |
//! | `LiesAndCut` | syncs do nothing, then the power goes | see below |
//! | `LostWrites` | writes do nothing, then the power goes | see below |
//! | `FlippedBits` | a bit of a file is flipped between two lives | nothing |
//!
//! A disk that lies may lose what was acknowledged, and then no program can tell that the end of a
//! log was longer. Either the database refuses to start, or the reader, naming the file; or what
//! is there is a beginning of what was committed, with one log, and nothing that nobody wrote,
//! with several.
//!
//! After a bit was flipped, every answer is right or an error that names the file, also in a life
//! that goes on for a while after it.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use pieskieo_io::sim::{Outcome, SimOptions};
use pieskieo_io::{rt, time};
use pieskieo_shards::Error;
use pieskieo_shards::actor::Core;

use crate::harness::{DATA, Machine, Plan, Trouble, must_blame_the_disk};
use crate::ledger::{Keeps, Ledger, compare};
use crate::model::verify;
use crate::workload::{Workload, found};

const CLIENTS: usize = 2;
/// Transactions of a client in one life.
const STEPS: usize = 10;
/// Seeds that share a run of which every poll is the last one once.
pub const POLL_STRIDE: u64 = 211;
/// Bits that are flipped one after the other.
const FLIPS: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Trouble(Trouble),
    Recovery,
    EveryPoll,
    LiesAndCut,
    LostWrites,
    FlippedBits,
}

/// One life of the process.
#[derive(Clone)]
pub struct Life {
    pub workload: Workload,
    pub ledger: Ledger,
    /// Transactions of each client.
    pub steps: usize,
    /// What must be left when it begins.
    pub keeps: Keeps,
    /// How long it rests at the end, for what is done in the background.
    pub rest: Duration,
}

/// Compares the database with the ledger at one snapshot, and every index with its records.
async fn audit(core: &Rc<Core>, life: &Life, keeps: Keeps) -> Result<(), Error> {
    match compare(core, &life.ledger, keeps).await {
        Ok(content) if keeps != Keeps::Pieces => match life.workload.check(core, &content).await {
            Err(Error::StaleCatalog { .. }) => {}
            checked => checked?,
        },
        // Another core has changed the schema meanwhile.
        Ok(_) | Err(Error::StaleCatalog { .. }) => {}
        Err(error) => return Err(error),
    }
    verify(core).await
}

async fn client(core: Rc<Core>, life: Life) -> Result<(), Error> {
    for step in 0..life.steps {
        life.workload.step(&core, &life.ledger).await?;
        if step % 4 == 3 {
            life.workload.reshape(&core, &life.ledger).await?;
            rt::sleep(Duration::from_micros(time::random_u64() % 2000)).await;
        }
    }
    Ok(())
}

impl Life {
    fn new(workload: Workload, ledger: &Ledger, steps: usize) -> Self {
        let (ledger, rest) = (ledger.clone(), Duration::ZERO);
        Self { workload, ledger, steps, keeps: Keeps::Everything, rest }
    }

    /// Looks, works, looks again.
    pub async fn live(self, core: Rc<Core>) -> Result<(), Error> {
        if core.id().0 == 0 {
            audit(&core, &self, self.keeps).await?;
        }
        if self.keeps != Keeps::Everything {
            // Others would add to it before it is known what is left.
            return Ok(());
        }
        found(&core, self.workload, &self.ledger).await?;
        let spawn = |_| {
            let client = client(core.clone(), self.clone());
            rt::spawn(rt::Queue::Net, "client", client)
        };
        let clients: Vec<_> = (0..CLIENTS).map(spawn).collect();
        rt::sleep(Duration::from_micros(time::random_u64() % 3000)).await;
        audit(&core, &self, Keeps::Everything).await?;
        let mut done = Ok(());
        for client in clients {
            done = done.and(client.await);
        }
        done?;
        rt::sleep(self.rest).await;
        if core.id().0 == 0 { audit(&core, &self, Keeps::Everything).await } else { Ok(()) }
    }
}

/// Runs a workload under a fault.
pub fn run(workload: Workload, fault: Fault, seed: u64) {
    match fault {
        Fault::Trouble(trouble) => drop(through(workload, trouble, seed)),
        Fault::Recovery => cut_in_recovery(workload, seed),
        Fault::EveryPoll => cut_at_polls(workload, seed),
        Fault::LiesAndCut => {
            deceived(workload, seed, |options| options.sync_lie_ppm = 300_000);
        }
        Fault::LostWrites => {
            deceived(workload, seed, |options| options.write_loss_ppm = 20_000);
        }
        Fault::FlippedBits => flipped(workload, seed),
    }
}

fn main_of(life: Life) -> impl Fn(Rc<Core>) -> futures::future::LocalBoxFuture<'static, Ended> {
    move |core| Box::pin(life.clone().live(core))
}

type Ended = Result<(), Error>;

/// Runs a workload through one trouble after the other of a kind, and looks when all is well.
pub fn through(workload: Workload, trouble: Trouble, seed: u64) -> Machine {
    let ledger = Ledger::default();
    let mut machine = Plan::from_seed(seed).world();
    for _ in 0..3 {
        machine.live_in(trouble, main_of(Life::new(workload, &ledger, STEPS)));
    }
    machine.live(main_of(Life::new(workload, &ledger, 2)));
    assert!(ledger.acknowledged() > 0, "nothing was done");
    machine
}

fn cut_in_recovery(workload: Workload, seed: u64) {
    let ledger = Ledger::default();
    let mut machine = Plan::from_seed(seed).world();
    machine.live_until_crash(main_of(Life::new(workload, &ledger, 2 * STEPS)));
    for _ in 0..5 {
        let operation = 1 + machine.pick(60);
        let well = machine.change(|options| options.crash_at_operation = Some(operation));
        match machine.try_live(main_of(Life::new(workload, &ledger, 1))) {
            Outcome::Crashed => {}
            Outcome::Finished(results) => {
                results.into_iter().for_each(|result| result.expect("nothing fails"));
            }
            other => panic!("the run ended as {other:?}"),
        }
        machine.change(|options| *options = well);
    }
    machine.live(main_of(Life::new(workload, &ledger, 2)));
}

/// Cuts the power at every poll whose number has this seed's remainder.
fn cut_at_polls(workload: Workload, seed: u64) {
    let plan = Plan { seed: seed / POLL_STRIDE, cores: 2, shards: 2 };
    let mut calm = plan.world();
    calm.live(main_of(Life::new(workload, &Ledger::default(), 2)));
    let last = calm.world.polls();
    assert!(last > 200, "a life has only {last} polls");
    for poll in (seed % POLL_STRIDE..last).step_by(POLL_STRIDE as usize) {
        let ledger = Ledger::default();
        let mut machine = plan.world();
        let well = machine.change(|options| options.crash_at_poll = Some(poll));
        let outcome = machine.try_live(main_of(Life::new(workload, &ledger, 2)));
        assert!(matches!(outcome, Outcome::Crashed), "{outcome:?} at poll {poll} of {last}");
        machine.change(|options| *options = well);
        machine.live(main_of(Life::new(workload, &ledger, 1)));
    }
}

/// Panics unless an error says which file is damaged.
fn must_name_a_file(error: &Error) {
    let names = [".wal", "segment", "manifest-", "pieskieo.meta"];
    let named = |text: &String| names.iter().any(|name| text.contains(name));
    assert!(matches!(error, Error::Corrupt(text) if named(text)), "{error:?}");
}

/// The disk says that it did what it did not, for one life; then the power goes.
fn deceived(workload: Workload, seed: u64, lie: impl FnOnce(&mut SimOptions)) {
    let ledger = Ledger::default();
    let mut machine = Plan::from_seed(seed).world();
    machine.live(main_of(Life::new(workload, &ledger, STEPS)));
    let honest = machine.change(lie);
    match machine.try_live(main_of(Life::new(workload, &ledger, STEPS))) {
        Outcome::Finished(results) => {
            for error in results.into_iter().filter_map(Result::err) {
                let is_read = matches!(error, Error::Corrupt(_));
                if is_read { must_name_a_file(&error) } else { must_blame_the_disk(&error) }
            }
        }
        other => panic!("the run ended as {other:?}"),
    }
    machine.change(|options| *options = honest);
    machine.world.crash();
    let is_one = machine.plan.shards == 1;
    let keeps = if is_one { Keeps::Beginning } else { Keeps::Pieces };
    let life = Life { keeps, ..Life::new(workload, &ledger, STEPS) };
    if let Some(error) = first_error(&mut machine, life) {
        return must_name_a_file(&error);
    }
    if is_one {
        machine.live_until_crash(main_of(Life::new(workload, &ledger, STEPS)));
        machine.live(main_of(Life::new(workload, &ledger, 2)));
    }
}

/// Runs one life that must not end but by itself; returns the first core's error.
fn first_error(machine: &mut Machine, life: Life) -> Option<Error> {
    match machine.try_live(main_of(life)) {
        Outcome::Finished(results) => results.into_iter().find_map(Result::err),
        other => panic!("the run ended as {other:?}"),
    }
}

fn flipped(workload: Workload, seed: u64) {
    let ledger = Ledger::default();
    let mut machine = Plan::from_seed(seed).world();
    let rest = Duration::from_secs(machine.pick(2));
    let life = Life { rest, ..Life::new(workload, &ledger, 2 * STEPS) };
    if machine.pick(2) == 0 {
        machine.live(main_of(life));
    } else {
        // Killed when everything is quiet: the last frame of every log is confirmed.
        let rest = Duration::from_secs(3600);
        let well = machine.change(|options| options.crash_after = Some(Duration::from_secs(3)));
        let outcome = machine.try_live(main_of(Life { rest, ..life }));
        assert!(matches!(outcome, Outcome::Crashed), "{outcome:?}");
        machine.change(|options| *options = well);
    }
    // As a server does that reads it in the folder.
    machine.asks_for_shards = false;
    for _ in 0..FLIPS {
        let (file, offset, bit) = any_bit(&mut machine);
        assert!(machine.world.flip_bit(&file, offset, bit), "{} {offset}", file.display());
        let steps = machine.pick(2) as usize * 3;
        let error = first_error(&mut machine, Life::new(workload, &ledger, steps));
        if let Some(error) = error {
            must_name_a_file(&error);
            machine.world.flip_bit(&file, offset, bit);
        }
    }
}

/// Picks a bit of a file, mostly of a byte that says something.
fn any_bit(machine: &mut Machine) -> (PathBuf, u64, u32) {
    let mut folders = vec![PathBuf::from(DATA), Path::new(DATA).join("log")];
    for shard in 0..machine.plan.shards {
        folders.push(Path::new(DATA).join("segments").join(shard.to_string()));
    }
    loop {
        let folder = &folders[machine.pick(folders.len() as u64) as usize];
        let mut files = machine.files_in(folder);
        if files.is_empty() {
            continue;
        }
        let file = files.swap_remove(machine.pick(files.len() as u64) as usize);
        let bytes = machine.world.file_bytes(&file).expect("a listed file");
        if bytes.is_empty() {
            continue;
        }
        let full: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
        let offset = match machine.pick(8) {
            0 => machine.pick(bytes.len() as u64),
            _ if full.is_empty() => 0,
            _ => full[machine.pick(full.len() as u64) as usize] as u64,
        };
        return (file, offset, machine.pick(8) as u32);
    }
}
