//! What may the user of the crash runner choose?

use std::path::PathBuf;

/// Settings of a run.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "crash", about = "Kills a loaded server again and again and checks what is left")]
pub struct CrashOptions {
    /// The server's program; the one beside this program if not given.
    #[arg(long, env = "PIESKIEO_BIN")]
    pub server: Option<PathBuf>,
    /// How often the server is killed.
    #[arg(long, default_value_t = 200)]
    pub cycles: u32,
    /// Decides moments and content; a random one is chosen and printed if not given.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Shards of the server.
    #[arg(long, default_value_t = 2)]
    pub shards: u16,
    /// HTTP/2 connections.
    #[arg(long, default_value_t = 4)]
    pub connections: u16,
    /// Requests under way on each connection.
    #[arg(long, default_value_t = 8)]
    pub in_flight: u16,
    /// Longest time under load before a kill, in milliseconds.
    #[arg(long, default_value_t = 1000)]
    pub load_ms_max: u64,
    /// Longest time a start may take until the server is ready, in milliseconds.
    #[arg(long, default_value_t = 60_000)]
    pub ready_ms_max: u64,
    /// Directory for data and the server's output, kept afterwards; a temporary one, removed when
    /// all went well, if not given.
    #[arg(long)]
    pub folder: Option<PathBuf>,
}
