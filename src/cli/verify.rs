//! `pieskieo verify`: is the data on disk what was written?

use super::arguments::ServerFlags;
use super::run::{Failure, settings};
use super::screen;
use crate::serve;

/// Reads every log of a data folder, then opens it and compares every index with its records.
///
/// **Errors**: damage, by file and place; a folder that a server has open.
pub fn run(flags: &ServerFlags) -> Result<(), Failure> {
    let config = settings(flags)?.check().map_err(|error| error.to_string())?;
    let data = config.data.display().to_string();
    let findings = serve::verify(config).map_err(|error| error.to_string())?;
    for finding in &findings {
        screen::line(finding);
    }
    if findings.is_empty() {
        screen::line(format_args!("\"{data}\" is sound"));
        return Ok(());
    }
    Err(format!("{} findings in \"{data}\"", findings.len()))
}
