//! In which order do the parts of a server start and stop?
//!
//! 1. The data folder is opened and locked; its shard count is known or made.
//! 2. One executor starts per core; each recovers its shards and waits for the others.
//! 3. Each core opens its door on the same address; the first one tells which port it got.
//! 4. All cores are ready; `/readyz` answers 200.
//!
//! Stopping goes the other way: doors close and let requests end, then logs are closed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pieskieo_io::file::host;
use pieskieo_io::rt::{self, CoreId, Queue, Running, RuntimeOptions, Stopper};
use pieskieo_io::wal::{SyncMethod, WalOptions};
use pieskieo_net::postgres::Verifier;
use pieskieo_net::tls::TlsFiles;
use pieskieo_net::{Door, Front, NetOptions, PostgresOptions, Recorder, Speaks};
use pieskieo_query::{Database, Exchange, QueryMemory, SessionOptions, SettingListing};
use pieskieo_shards::actor::{Boot, BootOptions, Core, StorageOptions, meta};

use crate::budget::Budget;
use crate::config::{Config, Setting};

/// Why a server could not start, or stopped by itself.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ServeError(pub(crate) String);

/// What is known once the server is ready.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where PostgreSQL's protocol is spoken, if anywhere.
    pub postgres: Option<SocketAddr>,
    /// Shards of the data folder.
    pub shards: u16,
}

/// A server in this process.
pub struct Server {
    running: Running<Result<(), ServeError>>,
    ready: flume::Receiver<Facts>,
}

/// What every core needs to start.
struct Plan {
    boot: Boot,
    budget: Budget,
    /// What the queries of all cores share.
    queries: QueryMemory,
    /// What their sessions have to do with each other.
    exchange: Exchange,
    config: Config,
    tls: Option<TlsFiles>,
    /// Recognises the password of PostgreSQL's clients.
    verifier: Option<Verifier>,
    recorder: Recorder,
    cores: usize,
    /// Where core 0 tells the others which addresses were taken.
    address: (flume::Sender<Addresses>, flume::Receiver<Addresses>),
    ready: flume::Sender<Facts>,
}

/// Where a server listens: for HTTP, and for PostgreSQL's protocol.
type Addresses = (SocketAddr, Option<SocketAddr>);

impl Server {
    /// Starts a server and returns before it is ready.
    ///
    /// **Errors**: the folder is in use, damaged or of another shard count; the machine has no
    /// io_uring; TLS files that cannot be read.
    pub fn start(config: Config) -> Result<Self, ServeError> {
        let Booted { cores, boot, budget } = boot(&config)?;
        let (ready, told) = flume::bounded(1);
        let plan = Arc::new(Plan {
            boot,
            exchange: Exchange::default(),
            queries: QueryMemory::new(budget.queries as usize)
                .with_spill(config.data.clone(), config.spill_bytes),
            budget,
            tls: tls_files(&config)?,
            verifier: verifier(&config)?,
            config,
            recorder: Recorder::install(),
            cores,
            address: flume::bounded(cores),
            ready,
        });
        let options = RuntimeOptions::cores(u16::try_from(cores).unwrap_or(u16::MAX));
        let running = rt::start(options, move |core| serve_core(core, plan.clone()))
            .map_err(|error| ServeError(error.to_string()))?;
        Ok(Self { running, ready: told })
    }

    /// Waits until every core has recovered and listens.
    ///
    /// **Errors**: why a core could not; everything has stopped then.
    pub fn wait_ready(self) -> Result<(Self, Facts), ServeError> {
        let Ok(facts) = self.ready.recv() else {
            self.join()?;
            return Err(ServeError("the server was stopped before it was ready".to_owned()));
        };
        Ok((self, facts))
    }

    /// Returns a handle that stops the server from any thread.
    pub fn stopper(&self) -> Stopper {
        self.running.stopper()
    }

    /// Waits until every core has stopped.
    ///
    /// **Errors**: the first core that failed, and why.
    pub fn join(self) -> Result<(), ServeError> {
        let results = self.running.join().map_err(|error| ServeError(error.to_string()))?;
        results.into_iter().collect()
    }
}

/// A data folder about to be served.
pub(crate) struct Booted {
    pub cores: usize,
    pub boot: Boot,
    pub budget: Budget,
}

/// Opens the data folder and decides how many cores serve it, with how much memory.
pub(crate) fn boot(config: &Config) -> Result<Booted, ServeError> {
    let stored = meta::peek(&config.data).map_err(|error| ServeError(error.to_string()))?;
    let usable = rt::cpu_count().max(1);
    let shards = match (&stored, config.shards) {
        (Some(meta), _) => usize::from(meta.shard_count),
        (None, Some(shards)) => usize::from(shards),
        (None, None) => usable,
    };
    let cores = usable.min(shards).max(1);
    let sync = match config.wal_sync.as_str() {
        "dsync" => SyncMethod::WithWrite,
        "fdatasync" => SyncMethod::AfterWrite,
        _ => SyncMethod::Calibrated,
    };
    let budget = Budget::of(config, shards);
    let storage = StorageOptions {
        memory_bytes: budget.shard as usize,
        flush_bytes: budget.flush as usize,
        hot_bytes_max: (budget.flush as usize).saturating_mul(4),
        cache_bytes: budget.cache as usize,
        retention: config.retention,
        ..StorageOptions::default()
    };
    let options = BootOptions {
        path: config.data.clone(),
        cores: u16::try_from(cores).unwrap_or(u16::MAX),
        shard_count: config.shards.or(Some(u16::try_from(shards).unwrap_or(u16::MAX))),
        wal: WalOptions { sync, ..WalOptions::default() },
        storage,
    };
    let boot = Boot::new(options).map_err(|error| ServeError(error.to_string()))?;
    Ok(Booted { cores, boot, budget })
}

fn tls_files(config: &Config) -> Result<Option<TlsFiles>, ServeError> {
    let Some((cert, key)) = &config.tls else { return Ok(None) };
    let read = |path: &std::path::Path| {
        host::read(path)
            .map_err(|error| ServeError(format!("cannot read \"{}\": {error}", path.display())))
    };
    Ok(Some(TlsFiles {
        cert_path: cert.display().to_string(),
        cert_pem: read(cert)?,
        key_path: key.display().to_string(),
        key_pem: read(key)?,
    }))
}

/// Reads the password of PostgreSQL's clients.
fn verifier(config: &Config) -> Result<Option<Verifier>, ServeError> {
    let Some(path) = &config.pg_password_file else { return Ok(None) };
    let shown = path.display();
    let text = host::read_to_string(path)
        .map_err(|error| ServeError(format!("cannot read \"{shown}\": {error}")))?;
    match text.lines().next().filter(|line| !line.is_empty()) {
        Some(password) => Ok(Some(Verifier::of(password))),
        None => Err(ServeError(format!("the first line of \"{shown}\" should be a password"))),
    }
}

/// Everything one core does, from recovery to the end.
async fn serve_core(core: CoreId, plan: Arc<Plan>) -> Result<(), ServeError> {
    let boot = plan.boot.take(core).map_err(|error| ServeError(error.to_string()))?;
    let engine = match Core::open(boot).await {
        Ok(engine) => engine,
        Err(error) => {
            rt::request_shutdown();
            return Err(ServeError(error.to_string()));
        }
    };
    let result = open_door(core, &plan, &engine).await;
    rt::request_shutdown();
    let closed = engine.close().await.map_err(|error| ServeError(error.to_string()));
    result.and(closed)
}

async fn open_door(
    core: CoreId,
    plan: &Plan,
    engine: &std::rc::Rc<Core>,
) -> Result<(), ServeError> {
    let database = Database::open(engine.clone(), session_options(plan));
    let options = NetOptions {
        listen: plan.config.listen,
        tls: plan.tls.clone(),
        statement_timeout: Duration::from_millis(plan.config.statement_timeout_ms),
        postgres: plan.config.pg_listen.map(|listen| PostgresOptions {
            verifier: plan.verifier.clone(),
            message_bytes_max: plan.config.pg_message_bytes,
            ..PostgresOptions::at(listen)
        }),
        memory_bytes: plan.budget.total,
    };
    let front = Front::new(database, options, plan.recorder.clone());
    let (door, second) = open_doors(core, plan, &front).await?;
    front.set_ready(true);
    let address = door.address().unwrap_or(plan.config.listen);
    let postgres = second.as_ref().and_then(Door::address);
    if core.0 == 0 {
        drop(rt::spawn(Queue::Maintenance, "sum up metrics", plan.recorder.clone().sum_up()));
        for _ in 1..plan.cores {
            // A core that is gone no longer wants to know.
            let _gone = plan.address.0.send_async((address, postgres)).await;
        }
        let facts = Facts { address, postgres, shards: engine.shard_count() };
        // Whoever started the server may not wait for it.
        let _gone = plan.ready.send_async(facts).await;
    }
    let failed = std::pin::pin!(engine.failed());
    let serving = std::pin::pin!(async {
        let second = async {
            if let Some(second) = second {
                second.serve().await;
            }
        };
        futures::future::join(door.serve(), second).await
    });
    match futures::future::select(failed, serving).await {
        futures::future::Either::Left((error, _)) => {
            tracing::error!(%error, "the engine failed; stopping so that recovery can follow");
            Err(ServeError(error.to_string()))
        }
        futures::future::Either::Right(_) => Ok(()),
    }
}

/// Opens the doors of one core.
///
/// **Errors**: an address that is taken or not ours; a certificate that cannot be used.
async fn open_doors(
    core: CoreId,
    plan: &Plan,
    front: &std::rc::Rc<Front>,
) -> Result<(Door, Option<Door>), ServeError> {
    let is_first = core.0 == 0;
    let (http, postgres) = match is_first {
        true => (plan.config.listen, plan.config.pg_listen),
        false => chosen(plan).await?,
    };
    let open = |speaks, address| {
        let opened = match is_first {
            true => Door::open_first(speaks, address, front.clone()),
            false => Door::open(speaks, address, front.clone()),
        };
        opened.map_err(|error| ServeError(error.to_string()))
    };
    let door = open(Speaks::Http, http)?;
    let second = postgres.map(|address| open(Speaks::Postgres, address)).transpose()?;
    Ok((door, second))
}

/// Waits for the addresses core 0 listens on: port 0 means a free port, the same for all.
///
/// **Errors**: core 0 could not listen and has asked everybody to stop.
async fn chosen(plan: &Plan) -> Result<Addresses, ServeError> {
    let told = std::pin::pin!(plan.address.1.recv_async());
    let stop = std::pin::pin!(rt::shutdown_requested());
    match futures::future::select(told, stop).await {
        futures::future::Either::Left((Ok(address), _)) => Ok(address),
        _ => Err(ServeError("core 0 does not listen".to_owned())),
    }
}

/// Shows a setting to those who ask the database for it.
fn told((setting, value): &(&Setting, String)) -> SettingListing {
    let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    SettingListing {
        name: setting.key.to_owned(),
        value: given(value),
        default: given(setting.default),
        kind: "server",
        description: format!("{} ({})", setting.meaning, setting.unit),
    }
}

fn session_options(plan: &Plan) -> SessionOptions {
    let config = &plan.config;
    SessionOptions {
        query_memory: plan.queries.clone(),
        exchange: plan.exchange.clone(),
        statement_timeout: Some(Duration::from_millis(config.statement_timeout_ms)),
        transaction_idle: Duration::from_millis(config.transaction_idle_timeout_ms),
        key_retention: Duration::from_millis(config.idempotency_retention_ms),
        slow_statement: config.slow_statement_ms.map(Duration::from_millis),
        server_settings: config.told.iter().map(told).collect(),
        index_defaults: pieskieo_query::IndexDefaults {
            ef_search: config.ef_search,
            ef_construction: config.ef_construction,
            ..pieskieo_query::IndexDefaults::default()
        },
        ..SessionOptions::default()
    }
}
