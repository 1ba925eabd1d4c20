//! `pieskieo verify`: is the data on disk what was written?

use super::arguments::VerifyFlags;
use super::run::{Failure, settings};
use super::screen;
use crate::verify::{VerifyOptions, verify};

/// Reads every file of a data folder; with `--deep` opens it as well and compares every index with
/// its records; with `--repair` makes good what can be made from the records. Returns whether all
/// of it is sound then.
///
/// **Errors**: the folder cannot be examined: a server has it open, or it holds no data.
pub fn run(flags: &VerifyFlags) -> Result<bool, Failure> {
    let config = settings(&flags.server)?.check().map_err(|error| error.to_string())?;
    let data = config.data.display().to_string();
    let options = VerifyOptions { deep: flags.deep, repair: flags.repair };
    let findings = verify(&config, options).map_err(|error| error.to_string())?;
    for line in findings.facts.iter() {
        screen::line(line);
    }
    for line in &findings.repairs {
        screen::line(format_args!("repaired: {line}"));
    }
    for line in &findings.faults {
        screen::line(line);
    }
    match findings.faults.len() {
        0 => screen::line(format_args!("\"{data}\" is sound")),
        1 => screen::note(format_args!("pieskieo: 1 fault in \"{data}\"")),
        count => screen::note(format_args!("pieskieo: {count} faults in \"{data}\"")),
    }
    Ok(findings.faults.is_empty())
}
