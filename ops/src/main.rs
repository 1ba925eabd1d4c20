//! How does a person run the house checks by hand? `cargo run -p pieskieo-ops`.

#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods, reason = "this crate reads the tree and stands on nothing")]

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let findings = pieskieo_ops::tidy::check(&pieskieo_ops::tidy::workspace_root());
    let mut out = std::io::stdout().lock();
    for finding in &findings {
        if writeln!(out, "{finding}").is_err() {
            return ExitCode::FAILURE;
        }
    }
    if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
