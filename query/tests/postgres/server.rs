//! How does a test start PostgreSQL and speak to it?
//!
//! A server of its own in a temporary folder, on a socket in that folder, stopped and removed at
//! the end. The conversation is PostgreSQL's protocol 3.0 with simple queries, answered in text.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use pieskieo_io::file::host;

/// Where packages put the programs, one folder per version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// The user that runs the server where the test is root, which the server refuses to be.
const USER: &str = "postgres";

/// Version of the protocol: 3.0.
const PROTOCOL: u32 = 196_608;

/// A refusal by the server.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// SQLSTATE.
    pub code: String,
    /// The sentence.
    pub message: String,
}

/// What the server said to a text.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// Names and object ids of the types of the columns.
    pub columns: Vec<(String, u32)>,
    /// Values as texts.
    pub rows: Vec<Vec<Option<String>>>,
    /// Records changed, where the statement says so.
    pub affected: Option<u64>,
}

/// A running server and a connection to it.
#[derive(Debug)]
pub struct Postgres {
    folder: PathBuf,
    programs: PathBuf,
    stream: UnixStream,
}

impl Postgres {
    /// Starts a server; `None` where PostgreSQL is not installed.
    ///
    /// **Panics**: it is installed and does not start.
    pub fn start() -> Option<Self> {
        let programs = installed()?;
        // Tests of one process run beside each other, each with a server.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pieskieo-pg-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        host::create_folder(&folder).expect("a temporary folder");
        if is_root() {
            run(Command::new("chown").arg(USER).arg(&folder));
        }
        let data = folder.join("data");
        let init = ["-A", "trust", "-U", USER, "--locale=C.UTF-8", "-E", "UTF8", "--no-sync"];
        run(as_user(&programs.join("initdb")).args(init).arg("-D").arg(&data));
        let options = format!(
            "-k {} -c listen_addresses= -c fsync=off -c TimeZone=UTC -c jit=off",
            folder.display()
        );
        let mut start = as_user(&programs.join("pg_ctl"));
        start.arg("-D").arg(&data).arg("-l").arg(folder.join("log")).arg("-o").arg(options);
        run(start.args(["-w", "start"]));
        let stream = UnixStream::connect(folder.join(".s.PGSQL.5432")).expect("its socket");
        let mut server = Self { folder, programs, stream };
        server.greet();
        server.ask("SET statement_timeout = '20s'").expect("a setting");
        Some(server)
    }

    fn greet(&mut self) {
        let mut text = PROTOCOL.to_be_bytes().to_vec();
        for part in ["user", USER, "database", "postgres", ""] {
            text.extend(part.bytes());
            text.push(0);
        }
        let mut message = (text.len() as u32 + 4).to_be_bytes().to_vec();
        message.extend(text);
        self.stream.write_all(&message).expect("the server listens");
        self.listen().expect("the server lets its own user in");
    }

    /// Runs a text and returns the answer to its last statement.
    pub fn ask(&mut self, text: &str) -> Result<Said, Refusal> {
        let mut message = vec![b'Q'];
        message.extend((text.len() as u32 + 5).to_be_bytes());
        message.extend(text.bytes());
        message.push(0);
        self.stream.write_all(&message).expect("the server listens");
        self.listen()
    }

    /// Reads messages until the server is ready for the next text.
    fn listen(&mut self) -> Result<Said, Refusal> {
        let mut said = Said::default();
        let mut refusal = None;
        loop {
            let mut head = [0; 5];
            self.stream.read_exact(&mut head).expect("the server answers");
            let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
            let mut body = vec![0; length as usize - 4];
            self.stream.read_exact(&mut body).expect("the server answers");
            let mut message = Message { rest: &body };
            match head[0] {
                b'T' => said = Said { columns: message.columns(), ..Said::default() },
                b'D' => said.rows.push(message.row()),
                b'C' => {
                    let tag = message.text();
                    said.affected = tag.rsplit(' ').next().and_then(|count| count.parse().ok());
                }
                b'E' => refusal = Some(message.refusal()),
                b'Z' => return refusal.map_or(Ok(said), Err),
                _ => {}
            }
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let mut stop = as_user(&self.programs.join("pg_ctl"));
        stop.arg("-D").arg(self.folder.join("data")).args(["-m", "immediate", "stop"]);
        // What does not stop, or cannot be removed, is left to the system's own cleaning.
        stop.stdout(Stdio::null()).stderr(Stdio::null()).status().ok();
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

/// The newest installed version's programs.
fn installed() -> Option<PathBuf> {
    let versions = std::fs::read_dir(VERSIONS).ok()?.filter_map(Result::ok);
    let programs = versions.map(|version| version.path().join("bin"));
    let mut programs: Vec<PathBuf> = programs.filter(|bin| bin.join("initdb").exists()).collect();
    programs.sort();
    programs.pop()
}

fn is_root() -> bool {
    let said = Command::new("id").arg("-u").output().expect("id is everywhere");
    said.stdout.starts_with(b"0")
}

/// A program, run as a user that is not root.
fn as_user(program: &Path) -> Command {
    let mut command = if is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", USER, "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir(std::env::temp_dir());
    command
}

fn run(command: &mut Command) {
    let said = command.stdout(Stdio::null()).status().expect("the program is there");
    assert!(said.success(), "{command:?}");
}

/// A message of the server that is being read.
struct Message<'a> {
    rest: &'a [u8],
}

impl Message<'_> {
    fn bytes(&mut self, count: usize) -> &[u8] {
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        taken
    }

    fn short(&mut self) -> usize {
        let bytes = self.bytes(2);
        usize::from(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn long(&mut self) -> u32 {
        let bytes = self.bytes(4);
        u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    /// A text that ends with a zero.
    fn text(&mut self) -> String {
        let end = self.rest.iter().position(|byte| *byte == 0).unwrap_or(self.rest.len());
        let text = String::from_utf8_lossy(&self.rest[..end]).into_owned();
        self.rest = self.rest.get(end + 1..).unwrap_or_default();
        text
    }

    fn columns(&mut self) -> Vec<(String, u32)> {
        let count = self.short();
        let mut columns = Vec::with_capacity(count);
        for _ in 0..count {
            let name = self.text();
            // The table and the number of the column in it.
            self.bytes(6);
            columns.push((name, self.long()));
            // Size, modifier and format of the type.
            self.bytes(8);
        }
        columns
    }

    fn row(&mut self) -> Vec<Option<String>> {
        let count = self.short();
        let mut row = Vec::with_capacity(count);
        for _ in 0..count {
            let length = self.long();
            // -1 stands for null.
            let value = (length != u32::MAX)
                .then(|| String::from_utf8_lossy(self.bytes(length as usize)).into_owned());
            row.push(value);
        }
        row
    }

    fn refusal(&mut self) -> Refusal {
        let mut refusal = Refusal { code: String::new(), message: String::new() };
        while let [field, ..] = self.rest {
            let field = *field;
            self.bytes(1);
            let text = self.text();
            match field {
                b'C' => refusal.code = text,
                b'M' => refusal.message = text,
                _ => {}
            }
        }
        refusal
    }
}
