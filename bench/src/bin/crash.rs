//! Does the real server survive being killed? Exit status 0 says yes.

#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use pieskieo_bench::crash::{CrashOptions, run};

fn main() -> ExitCode {
    let (text, code) = match run(CrashOptions::parse()) {
        Ok(report) => {
            let code = if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
            (report.to_string(), code)
        }
        Err(cause) => (format!("the run could not begin: {cause}\n"), ExitCode::FAILURE),
    };
    // Without a reader there is nobody to tell; the exit status says it all.
    std::io::stdout().write_all(text.as_bytes()).ok();
    code
}
