//! How does a test start a real server and talk to it?

#![allow(dead_code, reason = "each test file uses its own part of this")]

pub mod pg;
pub mod program;
pub mod wire;

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use pieskieo::config::{Config, Settings};
use pieskieo::serve::Server;
pub use pieskieo_bench::client::Client;
use pieskieo_bench::client::Failure;
use pieskieo_io::rt::{self, RuntimeOptions};
use serde_json::Value;

/// A data folder that goes away with the test.
pub struct Folder(PathBuf);

impl Folder {
    /// Makes a fresh one.
    pub fn fresh() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pieskieo-test-{}-{number}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    /// Makes a fresh one that is there.
    pub fn made() -> Self {
        let folder = Self::fresh();
        std::fs::create_dir_all(folder.path()).unwrap();
        folder
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Returns the settings of a test server.
pub fn config(folder: &Folder, shards: u16) -> Config {
    let flags = [
        ("data", folder.path().display().to_string()),
        ("listen", "127.0.0.1:0".to_owned()),
        ("shards", shards.to_string()),
        ("statement_timeout_ms", "300000".to_owned()),
    ];
    let settings = Settings::gather(&flags.into_iter().collect(), |_| None, None).unwrap();
    settings.check().unwrap()
}

/// What a test does with a connection.
pub type Talk = Pin<Box<dyn Future<Output = ()>>>;

/// Starts a server over the folder, runs the conversation, stops the server cleanly.
pub fn serve(folder: &Folder, shards: u16, talk: impl Fn(Client) -> Talk + Send + Sync + 'static) {
    let talk = Arc::new(talk);
    serve_at(config(folder, shards), move |address| {
        let talk = talk.clone();
        Box::pin(async move { talk(Client::open(address).await.unwrap()).await })
    });
}

/// Starts a server, runs the conversation with its address, stops the server cleanly.
pub fn serve_at(config: Config, talk: impl Fn(SocketAddr) -> Talk + Send + Sync + 'static) {
    let server = Server::start(config).unwrap();
    let stopper = server.stopper();
    let (server, facts) = server.wait_ready().unwrap();
    let talked = converse(facts.address, talk);
    stopper.stop();
    server.join().unwrap();
    talked.unwrap();
}

fn converse(
    address: SocketAddr,
    talk: impl Fn(SocketAddr) -> Talk + Send + Sync + 'static,
) -> Result<(), String> {
    let talk = Arc::new(talk);
    let options = RuntimeOptions { pin: false, ..RuntimeOptions::cores(1) };
    let running = rt::start(options, move |_core| {
        let talk = talk.clone();
        async move { talk(address).await }
    });
    running.map_err(|e| e.to_string())?.join().map(drop).map_err(|e| e.to_string())
}

/// Runs statements and returns the rows of the last one.
pub async fn rows(client: &Client, pql: &str, params: &[Value]) -> Vec<Value> {
    match client.query(pql, params).await {
        Ok(answer) => answer.rows.into_iter().map(Value::Array).collect(),
        Err(failure) => panic!("{pql}\n{failure}"),
    }
}

/// Runs a statement that must be refused and returns the problem object.
pub async fn refused(client: &Client, pql: &str, params: &[Value]) -> Value {
    match client.query(pql, params).await {
        Err(Failure::Refused { problem, .. }) => problem,
        other => panic!("{pql}\nshould be refused: {other:?}"),
    }
}

/// Returns a folder of the shared data sets, or says loudly that the test is skipped.
pub fn shared(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    let folder = std::env::var_os("PIESKIEO_SHARED_DATA")
        .map_or_else(|| root.join("../shared/data"), PathBuf::from)
        .join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: the data set \"{name}\" is not at {}", folder.display());
    None
}
