//! `pieskieo verify`: is the data on disk what was written?

use super::arguments::ServerFlags;
use super::run::{Failure, settings};
use super::screen;
use crate::verify::verify;

/// Reads every log of a data folder, then opens it and compares every index with its records.
///
/// **Errors**: damage, by file and place; a folder that a server has open.
pub fn run(flags: &ServerFlags) -> Result<(), Failure> {
    let config = settings(flags)?.check().map_err(|error| error.to_string())?;
    let data = config.data.display().to_string();
    let findings = verify(&config).map_err(|error| error.to_string())?;
    for line in findings.facts.iter().chain(&findings.faults) {
        screen::line(line);
    }
    match findings.faults.len() {
        0 => {
            screen::line(format_args!("\"{data}\" is sound"));
            Ok(())
        }
        1 => Err(format!("1 fault in \"{data}\"")),
        count => Err(format!("{count} faults in \"{data}\"")),
    }
}
