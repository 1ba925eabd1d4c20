//! How is the server started, awaited, killed and stopped?

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use pieskieo_io::file::host;
use pieskieo_io::rt::{self, Pool};
use pieskieo_io::time;

use crate::client::Client;

/// Pause between two questions whether the server is ready.
const POLL: Duration = Duration::from_millis(5);

/// How the server is started.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// Directory of the data.
    pub data: PathBuf,
    /// File the server's output is appended to.
    pub log: PathBuf,
    /// Where it listens.
    pub address: SocketAddr,
    /// Number of shards.
    pub shards: u16,
}

/// A running server. Dropping it kills the process.
#[derive(Debug)]
pub struct Server {
    child: Option<Child>,
    address: SocketAddr,
}

impl Launch {
    /// Starts the program; it may not be ready yet.
    pub fn start(&self) -> Result<Server, String> {
        let open = || host::append(&self.log).map_err(|cause| format!("open the log: {cause}"));
        let child = Command::new(&self.program)
            .arg("serve")
            .arg("--data")
            .arg(&self.data)
            .args(["--listen", &self.address.to_string()])
            .args(["--shards", &self.shards.to_string()])
            .stdin(Stdio::null())
            .stdout(open()?)
            .stderr(open()?)
            .spawn()
            .map_err(|cause| format!("start {}: {cause}", self.program.display()))?;
        Ok(Server { child: Some(child), address: self.address })
    }
}

impl Server {
    /// Waits until the server is ready and returns a connection to it and the time it took.
    pub async fn ready(&mut self, max: Duration) -> Result<(Client, Duration), String> {
        let started = time::now();
        loop {
            if let Some(status) = self.exit_status()? {
                return Err(format!("the server stopped while starting: {status}"));
            }
            if let Ok(client) = Client::open(self.address).await
                && rt::timeout(Duration::from_secs(1), client.is_ready()).await.unwrap_or(false)
            {
                return Ok((client, started.elapsed()));
            }
            if started.elapsed() > max {
                return Err(format!("the server was not ready after {max:?}"));
            }
            rt::sleep(POLL).await;
        }
    }

    /// Returns how the server ended, if it did.
    pub fn exit_status(&mut self) -> Result<Option<ExitStatus>, String> {
        let Some(child) = &mut self.child else { return Err("the server is gone".to_owned()) };
        child.try_wait().map_err(|cause| format!("look after the server: {cause}"))
    }

    /// Kills the process without warning and waits until it is gone.
    pub async fn kill(mut self) -> Result<(), String> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        child.kill().map_err(|cause| format!("kill the server: {cause}"))?;
        wait(child).await.map(drop)
    }

    /// Asks the process to end and waits until it has.
    pub async fn stop(mut self, max: Duration) -> Result<ExitStatus, String> {
        let Some(child) = self.child.take() else { return Err("the server is gone".to_owned()) };
        let id = child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status();
        asked.map_err(|cause| format!("send the signal: {cause}"))?;
        match rt::timeout(max, wait(child)).await {
            Ok(status) => status,
            Err(rt::Elapsed) => Err(format!("the server did not stop within {max:?}")),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Nothing more can be done for a process that will not die.
            child.kill().ok();
            child.wait().ok();
        }
    }
}

async fn wait(mut child: Child) -> Result<ExitStatus, String> {
    let waited = rt::blocking(Pool::Files, move || child.wait()).await;
    let status = waited.map_err(|cause| cause.to_string())?;
    status.map_err(|cause| format!("wait for the server: {cause}"))
}

/// Returns the last lines of the server's output.
pub fn last_words(log: &Path, lines: usize) -> String {
    let text = host::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
