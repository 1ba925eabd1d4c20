//! How does a test put statements to a whole database in this process?
//!
//! The database runs on executors of its own; a [`Client`] sends it texts from the test's thread
//! and waits for the answers.

#![allow(dead_code, reason = "each test file uses its own part of this")]

pub mod compatibility;
pub mod conversation;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow_array::RecordBatch;
use pieskieo_io::rt::{self, CoreId, Queue, RuntimeOptions, Stopper};
use pieskieo_io::wal::WalOptions;
use pieskieo_query::outcome::ColumnInfo;
use pieskieo_query::result::json::write_rows;
use pieskieo_query::{
    BulkConflict, BulkReport, Database, Error, Outcome, Param, Session, SessionOptions, Token,
};
use pieskieo_shards::actor::{Boot, BootOptions, Core, StorageOptions};
use serde_json::Value as Json;

/// Executors of a test's database, at most.
const CORES_MAX: u16 = 2;

/// How long the past is kept.
const HOUR: Duration = Duration::from_secs(3600);

/// One statement's answer, on any thread.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Names and types.
    pub columns: Vec<ColumnInfo>,
    /// Rows as Arrow.
    pub batches: Vec<RecordBatch>,
    /// Records changed.
    pub affected: Option<u64>,
}

impl Answer {
    /// Returns the rows as clients see them in JSON.
    pub fn rows(&self) -> Vec<Vec<Json>> {
        let mut out = b"[".to_vec();
        let full = self.batches.iter().filter(|batch| batch.num_rows() > 0);
        for (position, batch) in full.enumerate() {
            if position > 0 {
                out.push(b',');
            }
            write_rows(batch, &mut out).expect("every type can be written");
        }
        out.push(b']');
        serde_json::from_slice(&out).expect("rows are JSON")
    }
}

/// All answers to a text, and the transaction that goes on.
type Said = Result<(Vec<Answer>, Option<Token>), Error>;

/// What a client asks for.
enum Question {
    Statements(Asked),
    Errand(Errand, flume::Sender<Result<Told, Error>>),
}

/// What is asked for without a text.
pub enum Errand {
    /// Compares constraints with records.
    Verify,
    /// Loads records into a table.
    Load(&'static str, Vec<Json>, BulkConflict),
    /// Stores a record.
    Put(&'static str, &'static str, Json),
    /// Changes fields of a record.
    Patch(&'static str, &'static str, Json),
    /// Deletes a record.
    Delete(&'static str, &'static str),
}

/// What an errand gives.
#[derive(Debug)]
pub enum Told {
    /// Differences.
    Findings(Vec<String>),
    /// What a load did.
    Report(BulkReport),
    /// Whether there was, or is now, a record.
    Record(bool),
}

/// A text, its parameters, and where the answers go.
struct Asked {
    text: String,
    params: Vec<Param>,
    transaction: Option<Token>,
    reply: flume::Sender<Said>,
}

/// A session, seen from the test's thread. Like a real client it sends the name of its transaction
/// with every request until one answers without.
pub struct Client {
    questions: flume::Sender<Question>,
    transaction: Mutex<Option<Token>>,
}

impl Client {
    /// Runs the statements of a text and returns all their answers.
    pub fn ask_all(&self, text: &str, params: &[Json]) -> Result<Vec<Answer>, Error> {
        let (reply, answers) = flume::bounded(1);
        let params = params.iter().cloned().map(Param::Json).collect();
        let transaction = self.transaction();
        let asked = Asked { text: text.to_owned(), params, transaction, reply };
        self.questions
            .send(Question::Statements(asked))
            .expect("the database runs as long as the test");
        let (answers, transaction) = answers.recv().expect("every question is answered")?;
        self.join(transaction);
        Ok(answers)
    }

    /// Runs an errand.
    pub fn run(&self, errand: Errand) -> Result<Told, Error> {
        let (reply, told) = flume::bounded(1);
        let question = Question::Errand(errand, reply);
        self.questions.send(question).expect("the database runs as long as the test");
        told.recv().expect("every errand is run")
    }

    /// Compares constraints with records.
    pub fn verify(&self) {
        match self.run(Errand::Verify) {
            Ok(Told::Findings(findings)) => assert!(findings.is_empty(), "{findings:#?}"),
            other => panic!("{other:?}"),
        }
    }

    /// Loads records.
    pub fn load(&self, table: &'static str, records: Vec<Json>, how: BulkConflict) -> BulkReport {
        match self.run(Errand::Load(table, records, how)) {
            Ok(Told::Report(report)) => report,
            other => panic!("{other:?}"),
        }
    }

    /// Returns the transaction the client is in.
    pub fn transaction(&self) -> Option<Token> {
        *self.transaction.lock().expect("no client panics here")
    }

    /// Puts the client into a transaction, or out of it.
    pub fn join(&self, transaction: Option<Token>) {
        *self.transaction.lock().expect("no client panics here") = transaction;
    }

    /// Runs the statements of a text and returns the last answer.
    pub fn ask(&self, text: &str) -> Result<Answer, Error> {
        let answers = self.ask_all(text, &[])?;
        Ok(answers.into_iter().next_back().expect("a text holds a statement"))
    }

    /// Runs statements that must succeed and returns the rows of the last.
    pub fn rows(&self, text: &str) -> Vec<Vec<Json>> {
        match self.ask(text) {
            Ok(answer) => answer.rows(),
            Err(error) => panic!("{text}\n{error:?}"),
        }
    }
}

/// A data folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn fresh() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pieskieo-query-{}-{number}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's own cleaning.
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// Runs a conversation with a fresh database of so many shards.
pub fn with_database<T>(shards: u16, talk: impl FnOnce(&dyn Fn() -> Client) -> T) -> T {
    with_options(shards, SessionOptions::default(), talk)
}

/// As [`with_database`], with sessions that have these options.
pub fn with_options<T>(
    shards: u16,
    sessions_have: SessionOptions,
    talk: impl FnOnce(&dyn Fn() -> Client) -> T,
) -> T {
    talk_to(&Folder::fresh(), shards, sessions_have, talk)
}

/// A conversation with a database that opens sessions.
pub type Talk<'t> = &'t dyn Fn(&dyn Fn() -> Client);

/// Runs conversations one after the other, each with the database restarted over the same folder.
pub fn with_restarts(shards: u16, talks: &[Talk<'_>]) {
    let folder = Folder::fresh();
    for talk in talks {
        talk_to(&folder, shards, SessionOptions::default(), talk);
    }
}

fn talk_to<T>(
    folder: &Folder,
    shards: u16,
    sessions_have: SessionOptions,
    talk: impl FnOnce(&dyn Fn() -> Client) -> T,
) -> T {
    let cores = shards.min(CORES_MAX);
    let wal = WalOptions { file_bytes: 4 << 20, ..WalOptions::default() };
    // Small, so that what is asked is read from segments too.
    let storage =
        StorageOptions { flush_bytes: 16 << 10, retention: HOUR, ..StorageOptions::default() };
    let path = folder.0.clone();
    let options = BootOptions { path, cores, shard_count: Some(shards), wal, storage };
    let boot = Arc::new(Boot::new(options).expect("there are cores"));
    let options = RuntimeOptions { pin: false, ..RuntimeOptions::cores(cores) };
    let (sessions, opened) = flume::unbounded::<flume::Receiver<Question>>();
    let running = rt::start(options, move |core| {
        serve(core, boot.clone(), sessions_have.clone(), opened.clone())
    });
    let running = running.expect("this machine can run the real back end");
    let guard = StopAtEnd(running.stopper());
    let open = || {
        let (sender, questions) = flume::unbounded();
        sessions.send(questions).expect("the database runs as long as the test");
        Client { questions: sender, transaction: Mutex::default() }
    };
    let talked = talk(&open);
    drop(guard);
    running.join().expect("no core panics");
    talked
}

/// Stops the database also when the conversation panics.
struct StopAtEnd(Stopper);

impl Drop for StopAtEnd {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// One core: sessions are opened on all in turn.
async fn serve(
    id: CoreId,
    boot: Arc<Boot>,
    options: SessionOptions,
    opened: flume::Receiver<flume::Receiver<Question>>,
) {
    let taken = boot.take(id).expect("each core is taken once");
    let core = Core::open(taken).await.expect("a fresh folder opens");
    let database = Database::open(core.clone(), options);
    drop(rt::spawn(Queue::Net, "sessions", async move {
        while let Ok(questions) = opened.recv_async().await {
            let session = database.session();
            let talk = converse(database.clone(), session, questions);
            drop(rt::spawn(Queue::Net, "session", talk));
        }
    }));
    rt::shutdown_requested().await;
    core.close().await.expect("a healthy core closes");
}

/// Answers one client until it goes away.
async fn converse(database: Database, session: Session, questions: flume::Receiver<Question>) {
    while let Ok(question) = questions.recv_async().await {
        let Asked { text, params, transaction, reply } = match question {
            Question::Statements(asked) => asked,
            Question::Errand(errand, reply) => {
                reply.send(run(&database, &session, errand).await).ok();
                continue;
            }
        };
        let cancel = session.cancel_handle();
        let answers = match session.run_in(transaction, &text, &params, &cancel).await {
            Ok(answer) => gather(answer.outcomes).await.map(|all| (all, answer.transaction)),
            Err(error) => Err(error),
        };
        // A test that failed no longer listens.
        reply.send(answers).ok();
    }
}

async fn run(database: &Database, session: &Session, errand: Errand) -> Result<Told, Error> {
    Ok(match errand {
        Errand::Verify => Told::Findings(database.verify_constraints().await?),
        Errand::Load(table, records, how) => {
            Told::Report(session.insert_records(table, &records, how).await?)
        }
        Errand::Put(table, key, record) => {
            Told::Record(session.records().put(table, &[key.to_owned()], &record).await?)
        }
        Errand::Patch(table, key, fields) => {
            let found = session.records().patch(table, &[key.to_owned()], &fields).await?;
            Told::Record(found.is_some())
        }
        Errand::Delete(table, key) => {
            Told::Record(session.records().delete(table, &[key.to_owned()]).await?)
        }
    })
}

async fn gather(outcomes: Vec<Outcome>) -> Result<Vec<Answer>, Error> {
    let mut answers = Vec::with_capacity(outcomes.len());
    for outcome in outcomes {
        let Outcome { columns, rows, affected, .. } = outcome;
        answers.push(Answer { columns, batches: rows.collect().await?, affected });
    }
    Ok(answers)
}
