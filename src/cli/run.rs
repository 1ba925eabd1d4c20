//! Which command was asked for, and how does a failure look?

use std::process::ExitCode;

use clap::Parser;

use super::arguments::{Arguments, Command, ServerFlags};
use super::screen;
use crate::config::Settings;

/// A command's failure: what went wrong, as a person reads it.
pub type Failure = String;

/// Runs the command line of this process and returns its exit code.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Command::Serve(flags) => super::serve::run(&flags),
        Command::Demo(flags) => super::demo::run(&flags),
        Command::Sql(flags) => super::sql::run(&flags),
        Command::Import(flags) => super::import::run(&flags),
        Command::Export(flags) => super::export::run(&flags),
        Command::Config(flags) => super::settings::run(&flags),
        Command::Doctor(flags) => super::doctor::run(&flags),
        Command::Verify(flags) => return examined(super::verify::run(&flags)),
        Command::Inspect(flags) => return examined(super::inspect::run(&flags)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            screen::note(format_args!("pieskieo: {failure}"));
            ExitCode::FAILURE
        }
    }
}

/// Returns how an examination ends: 0 sound, 1 damaged, 2 not possible.
fn examined(result: Result<bool, Failure>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            screen::note(format_args!("pieskieo: {failure}"));
            ExitCode::from(2)
        }
    }
}

/// Gathers the settings a command was given.
///
/// **Errors**: an unusable flag or file.
pub fn settings(flags: &ServerFlags) -> Result<Settings, Failure> {
    let environment = |name: &str| std::env::var(name).ok();
    Settings::gather(&flags.given()?, environment, flags.config.as_deref())
        .map_err(|error| error.to_string())
}
