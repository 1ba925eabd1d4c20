//! In which order is the server started, loaded, killed and questioned?

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use pieskieo_io::file::host;
use pieskieo_io::rt::{self, Queue, RuntimeOptions};
use pieskieo_io::time;

use crate::client::Client;

use super::check;
use super::journal::{Dice, Journal, Model};
use super::options::CrashOptions;
use super::report::Report;
use super::server::{Launch, Server, last_words};
use super::workload;

/// Longest time a clean stop may take.
const STOP_MAX: Duration = Duration::from_secs(30);
/// Of so many starts, one is killed before it is ready.
const EARLY_KILL_ONE_IN: i64 = 6;
/// Longest time until such a kill.
const EARLY_KILL_MS_MAX: i64 = 150;
/// Ports the server is given one of.
const PORTS: (u16, u16) = (20_000, 60_000);

/// Runs all cycles on one core of this process and returns what was found.
///
/// **Errors**: the run could not begin: no program, no folder, no io_uring.
pub fn run(options: CrashOptions) -> Result<Report, String> {
    let given = options.folder.clone();
    let folder = match &given {
        Some(folder) => {
            host::create_folder(folder).map_err(|cause| format!("create the folder: {cause}"))?;
            folder.clone()
        }
        None => host::scratch_folder("crash").map_err(|cause| cause.to_string())?,
    };
    let launch = launch(&options, &folder)?;
    let runtime = RuntimeOptions { pin: false, ..RuntimeOptions::cores(1) };
    let main = move |_| cycles(options.clone(), launch.clone());
    let running = rt::start(runtime, main).map_err(|cause| cause.to_string())?;
    let mut reports = running.join().map_err(|cause| cause.to_string())?;
    let report = reports.pop().ok_or("the core gave no report")?;
    if given.is_none() && report.is_clean() {
        host::remove_folder(&folder).map_err(|cause| cause.to_string())?;
    }
    Ok(report)
}

fn launch(options: &CrashOptions, folder: &std::path::Path) -> Result<Launch, String> {
    let program = match &options.server {
        Some(program) => program.clone(),
        None => {
            let own = std::env::current_exe().map_err(|cause| cause.to_string())?;
            own.with_file_name("pieskieo")
        }
    };
    if !host::exists(&program) {
        return Err(format!("there is no server at {}; build it first", program.display()));
    }
    let span = u64::from(PORTS.1 - PORTS.0);
    let port = PORTS.0 + (time::random_u64() % span) as u16;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let (data, log): (PathBuf, PathBuf) = (folder.join("data"), folder.join("server.log"));
    Ok(Launch { program, data, log, address, shards: options.shards })
}

/// The state of a run between two lives of the server.
struct Run {
    options: CrashOptions,
    launch: Launch,
    dice: Rc<Dice>,
    model: Model,
    report: Report,
}

async fn cycles(options: CrashOptions, launch: Launch) -> Report {
    let seed = options.seed.unwrap_or_else(time::random_u64);
    let dice = Rc::new(Dice::new(seed));
    let report = Report { seed, ..Report::default() };
    let log = launch.log.clone();
    let mut run = Run { options, launch, dice, model: Model::new(), report };
    if let Err(failure) = run.all().await {
        run.report.failure =
            Some(format!("{failure}\nlast words of the server:\n{}", last_words(&log, 20)));
    }
    run.report
}

impl Run {
    async fn all(&mut self) -> Result<(), String> {
        let (mut server, client) = self.start().await?;
        let prepared = workload::prepare(&client).await;
        prepared.map_err(|cause| format!("create the tables: {cause}"))?;
        for cycle in 1..=self.options.cycles {
            let journal = Rc::new(Journal::new(i64::from(cycle)));
            self.live(server, &journal).await?;
            self.report.count(&journal);
            let client;
            (server, client) = self.start().await?;
            self.check(&client, &journal).await?;
            if !self.report.violations.is_empty() {
                return Err(format!("a promise was broken in life {cycle}"));
            }
        }
        self.stop_cleanly(server).await
    }

    /// Starts the server until it is ready; now and then kills it before.
    async fn start(&mut self) -> Result<(Server, Client), String> {
        while self.report.kills > 0 && self.dice.below(EARLY_KILL_ONE_IN) == 0 {
            let server = self.launch.start()?;
            let pause = self.dice.below(EARLY_KILL_MS_MAX);
            rt::sleep(Duration::from_millis(pause as u64)).await;
            server.kill().await?;
            self.report.early_kills += 1;
        }
        let mut server = self.launch.start()?;
        let max = Duration::from_millis(self.options.ready_ms_max);
        let (client, took) = server.ready(max).await?;
        self.report.starts.push(took);
        Ok((server, client))
    }

    /// Loads the server, kills it, and waits for everyone to notice.
    async fn live(&mut self, mut server: Server, journal: &Rc<Journal>) -> Result<(), String> {
        let known = Rc::new(self.model.edges.clone());
        let mut writers = Vec::new();
        for _ in 0..self.options.connections {
            let opened = Client::open(self.launch.address).await;
            let client = opened.map_err(|cause| format!("connect: {cause}"))?;
            for _ in 0..self.options.in_flight {
                let (journal, dice, known) = (journal.clone(), self.dice.clone(), known.clone());
                let writer = workload::write(client.clone(), journal, dice, known);
                writers.push(rt::spawn(Queue::Net, "writer", writer));
            }
        }
        let load = 20 + self.dice.below(self.options.load_ms_max.max(1) as i64);
        rt::sleep(Duration::from_millis(load as u64)).await;
        if let Some(status) = server.exit_status()? {
            return Err(format!("the server stopped by itself: {status}"));
        }
        server.kill().await?;
        self.report.kills += 1;
        journal.is_over.set(true);
        for writer in writers {
            writer.await;
        }
        Ok(())
    }

    async fn check(&mut self, client: &Client, journal: &Journal) -> Result<(), String> {
        let checked = check::check(client, journal, &mut self.model, &self.dice).await;
        let findings = checked.map_err(|cause| format!("check life {}: {cause}", journal.cycle))?;
        self.report.unknown_present += findings.unknown_present;
        self.report.unknown_absent += findings.unknown_absent;
        let life = journal.cycle;
        let spelled = findings.violations.into_iter();
        self.report.violations.extend(spelled.map(|text| format!("life {life}: {text}")));
        Ok(())
    }

    /// Ends the server the polite way; it must end well and lose nothing either.
    async fn stop_cleanly(&mut self, server: Server) -> Result<(), String> {
        let status = server.stop(STOP_MAX).await?;
        if !status.success() {
            return Err(format!("a clean stop ended with {status}"));
        }
        let (server, client) = self.start().await?;
        let nothing = Journal::new(i64::from(self.options.cycles) + 1);
        self.check(&client, &nothing).await?;
        server.kill().await
    }
}
