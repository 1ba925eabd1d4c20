//! Which commands and flags are there?

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// One server for rows, documents, vectors, graph and text under one transaction.
#[derive(Debug, Parser)]
#[command(name = "pieskieo", version, arg_required_else_help = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a server until told to stop
    Serve(ServerFlags),
    /// Load this program's own dependency tree, ask it questions, leave the server up
    Demo(DemoFlags),
    /// Run statements against a server, or talk with it
    Sql(SqlFlags),
    /// Load a file into a table: CSV, JSON, JSON lines; .npy and .fvecs for vectors
    Import(ImportFlags),
    /// Write the rows of a table or query to a file: CSV, JSON or JSON lines
    Export(ExportFlags),
    /// Show every setting, its value and where that came from
    Config(ServerFlags),
    /// Examine this machine and say what would help
    Doctor(ServerFlags),
    /// Read everything in a data folder and report damage, or repair it; the server must not be
    /// running. Ends with 0 when all is sound, or is so after the repair, 1 when something is (or
    /// stays) damaged, 2 when nothing could be read
    Verify(VerifyFlags),
    /// Show what a log, a segment, a manifest or a whole data folder holds; the server must not be
    /// running. Ends with 0, with 1 when something is damaged, 2 when it is no such file
    Inspect(InspectFlags),
}

/// Settings given as flags. Each is also an environment variable and a TOML key.
#[derive(Clone, Debug, Default, Args)]
pub struct ServerFlags {
    /// Folder the data lives in [env: PIESKIEO_DATA] [default: pieskieo-data]
    #[arg(long, value_name = "DIR")]
    pub data: Option<String>,
    /// Address to serve on [env: PIESKIEO_LISTEN] [default: 127.0.0.1:8000]
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// Address to serve PostgreSQL's protocol on [env: PIESKIEO_PG_LISTEN] [default: nowhere]
    #[arg(long, value_name = "HOST:PORT")]
    pub pg_listen: Option<String>,
    /// Shards of a new data folder [env: PIESKIEO_SHARD_TOTAL] [default: one per core]
    #[arg(long, value_name = "N")]
    pub shards: Option<String>,
    /// TOML file with settings
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Any setting by its key, such as `--set ef_search=128`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub others: Vec<String>,
}

/// Flags of `verify`.
#[derive(Debug, Args)]
pub struct VerifyFlags {
    /// The data folder, and settings to open it with
    #[command(flatten)]
    pub server: ServerFlags,
    /// Open the data too, and compare every index and constraint with its records
    #[arg(long)]
    pub deep: bool,
    /// Make good what can be made from the records: images, ordered indexes, fences and filters.
    /// Damaged records are named and left as they are
    #[arg(long)]
    pub repair: bool,
}

/// What `inspect` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Inspected {
    /// Log files: frames, LSNs, kinds of records
    Wal,
    /// A segment: parts, blocks, checksums
    Segment,
    /// A manifest: its edits, the checkpoint, the runs of each tree and level
    Manifest,
    /// A data folder: logs, checkpoints and runs of all shards
    Layout,
}

/// Flags of `inspect`.
#[derive(Debug, Args)]
pub struct InspectFlags {
    /// What to show
    #[arg(value_enum)]
    pub what: Inspected,
    /// The file, or a folder of such files
    pub path: PathBuf,
    /// Print JSON instead of tables
    #[arg(long)]
    pub json: bool,
}

/// Flags of `demo`.
#[derive(Debug, Args)]
pub struct DemoFlags {
    /// The server's settings; the data folder is a fresh temporary one unless given
    #[command(flatten)]
    pub server: ServerFlags,
    /// Folder of the Cargo workspace to load; default: the one this program was built from
    #[arg(long, value_name = "DIR")]
    pub workspace: Option<PathBuf>,
    /// Stop after the questions instead of serving on
    #[arg(long)]
    pub once: bool,
}

/// How to reach a server.
#[derive(Clone, Debug, Args)]
pub struct TargetFlags {
    /// Server to talk to
    #[arg(long, env = "PIESKIEO_URL", default_value = "http://127.0.0.1:8000")]
    pub url: String,
}

/// Flags of `sql`.
#[derive(Debug, Args)]
pub struct SqlFlags {
    /// Which server
    #[command(flatten)]
    pub target: TargetFlags,
    /// Statements to run, instead of asking for them
    #[arg(short, long, value_name = "PQL")]
    pub command: Option<String>,
    /// File of statements to run; `-` is standard input
    #[arg(short, long, value_name = "FILE", conflicts_with = "command")]
    pub file: Option<PathBuf>,
    /// Print the server's JSON answer
    #[arg(long)]
    pub json: bool,
    /// Print the time each request took
    #[arg(long)]
    pub timing: bool,
}

/// Forms of a file of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Comma separated, first line names the columns
    Csv,
    /// One JSON array
    Json,
    /// One JSON object a line
    Jsonl,
    /// NumPy array, 2-dimensional
    Npy,
    /// Little-endian dimension and f32 values, repeated
    Fvecs,
}

/// Flags of `import`.
#[derive(Debug, Args)]
pub struct ImportFlags {
    /// Which server
    #[command(flatten)]
    pub target: TargetFlags,
    /// The file to load
    pub file: PathBuf,
    /// The table or collection to load into; it must exist
    #[arg(long)]
    pub table: String,
    /// Form of the file; default: by its ending
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Names of the columns, for a CSV file without a first line of names
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub columns: Vec<String>,
    /// Text that stands for null in a CSV file
    #[arg(long, default_value = "", value_name = "TEXT")]
    pub null: String,
    /// Vector file whose row i belongs to record i: `--vectors FILE:COLUMN`
    #[arg(long, value_name = "FILE:COLUMN")]
    pub vectors: Option<String>,
    /// Column for the row number, from 0, of a vector file or of records without a key
    #[arg(long, value_name = "COLUMN")]
    pub number: Option<String>,
    /// Column for the vectors when the file itself is a vector file
    #[arg(long, value_name = "COLUMN", default_value = "embedding")]
    pub vector_column: String,
    /// Replace records that exist instead of refusing them
    #[arg(long)]
    pub replace: bool,
    /// Load at most this many records
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
}

/// Flags of `export`.
#[derive(Debug, Args)]
pub struct ExportFlags {
    /// Which server
    #[command(flatten)]
    pub target: TargetFlags,
    /// The table, or a statement that starts with SELECT, WITH or QUERY
    pub what: String,
    /// The file to write; default: standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Form of the file; default: by its ending, else CSV
    #[arg(long, value_enum)]
    pub format: Option<Format>,
}

impl ServerFlags {
    /// Returns the flags that were given, by setting key.
    ///
    /// **Errors**: a `--set` without `=`, or of an unknown key.
    pub fn given(&self) -> Result<BTreeMap<&'static str, String>, String> {
        let mut given = BTreeMap::new();
        let direct = [
            ("data", &self.data),
            ("listen", &self.listen),
            ("pg_listen", &self.pg_listen),
            ("shards", &self.shards),
        ];
        for (key, value) in direct {
            if let Some(value) = value {
                given.insert(key, value.clone());
            }
        }
        for other in &self.others {
            let (key, value) =
                other.split_once('=').ok_or_else(|| format!("--set {other} lacks a \"=\""))?;
            let setting = crate::config::SETTINGS.iter().find(|setting| setting.key == key);
            let setting = setting.ok_or_else(|| {
                format!("there is no setting \"{key}\"; `pieskieo config` lists them")
            })?;
            given.insert(setting.key, value.to_owned());
        }
        Ok(given)
    }
}
