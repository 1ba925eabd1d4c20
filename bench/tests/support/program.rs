//! How does a test run the real program?

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The program as the command line starts it: the same source as `pieskieo`.
const PROGRAM: &str = env!("CARGO_BIN_EXE_pieskieo-program");

/// One run of the program, not yet started.
pub struct Program {
    command: Command,
    input: String,
}

/// What a run said.
#[derive(Debug)]
pub struct Output {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Program {
    /// A run with these arguments and no settings from the surroundings.
    pub fn new(arguments: &[&str]) -> Self {
        Self::by(Command::new(PROGRAM), arguments)
    }

    /// A run that may lock so many KiB of memory.
    pub fn limited(locked_kib: u32, arguments: &[&str]) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -l {locked_kib} && exec \"$0\" \"$@\""), PROGRAM]);
        Self::by(shell, arguments)
    }

    fn by(mut command: Command, arguments: &[&str]) -> Self {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PIESKIEO_") {
                command.env_remove(name);
            }
        }
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { command, input: String::new() }
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets what comes through standard input.
    pub fn input(mut self, text: &str) -> Self {
        self.input = text.to_owned();
        self
    }

    /// Runs it to its end.
    pub fn run(mut self) -> Output {
        let mut child = self.command.stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A program that fails early reads nothing.
        drop(stdin.write_all(self.input.as_bytes()));
        drop(stdin);
        let told = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Output { code: told.status.code(), out: text(told.stdout), err: text(told.stderr) }
    }

    /// Runs it to its end, which must be a good one.
    pub fn done(self) -> Output {
        let shown = format!("{:?}", self.command);
        let output = self.run();
        assert_eq!(output.code, Some(0), "{shown}\n{}{}", output.out, output.err);
        output
    }
}

/// A running server. Dropping it kills the process.
pub struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts a server on a free port, unless the flags name one, and waits until it is ready.
    ///
    /// **Errors**: what it said when it ended instead.
    pub fn start(data: &Path, flags: &[&str]) -> Result<Self, Output> {
        let data = data.display().to_string();
        let mut arguments = vec!["serve", "--data", &data];
        if !flags.contains(&"--listen") {
            arguments.extend(["--listen", "127.0.0.1:0"]);
        }
        arguments.extend(flags);
        let mut child = Program::new(&arguments).command.stdin(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().map(|line| line.unwrap()).unwrap_or_default();
        let address = first.split("http://").nth(1).and_then(|rest| rest.split(' ').next());
        let Some(address) = address.and_then(|text| text.parse().ok()) else {
            let (mut err, rest) = (String::new(), lines.map_while(Result::ok));
            let out = std::iter::once(first).chain(rest).collect::<Vec<_>>().join("\n");
            child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
            return Err(Output { code: child.wait().unwrap().code(), out, err });
        };
        // What is said before `Try next` fits the pipe; nothing is printed afterwards.
        let rest: Vec<String> = lines.by_ref().take(5).map_while(Result::ok).collect();
        assert!(rest.iter().any(|line| line.contains("Try next")), "{rest:?}");
        Ok(Self { child, address })
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A run of the program that talks with this server.
    pub fn run(&self, arguments: &[&str]) -> Program {
        Program::new(arguments).env("PIESKIEO_URL", &format!("http://{}", self.address))
    }

    /// A run of `sql`.
    pub fn sql(&self, arguments: &[&str]) -> Program {
        self.run(&[&["sql"], arguments].concat())
    }

    /// Asks it to stop.
    pub fn terminate(&mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// Waits until it has ended and returns its exit code.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// Stops it; it must end well.
    pub fn stop(mut self) {
        self.terminate();
        assert_eq!(self.wait(), Some(0));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already, or it is of no use any more.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
