//! `pieskieo doctor`: is this machine fit, and what would help?

use super::arguments::ServerFlags;
use super::run::{Failure, settings};
use super::screen;
use pieskieo_io::doctor::{self, Grade};

/// Prints each finding with its remedy.
///
/// **Errors**: a finding that keeps the server from starting.
pub fn run(flags: &ServerFlags) -> Result<(), Failure> {
    let config = settings(flags)?.check().map_err(|error| error.to_string())?;
    let findings = doctor::examine(&config.data);
    let mut fatal = 0;
    for finding in &findings {
        let mark = match finding.grade {
            Grade::Good => "ok  ",
            Grade::Warning => "warn",
            Grade::Fatal => "FAIL",
        };
        screen::line(format_args!("{mark}  {:<22} {}", finding.name, finding.fact));
        if !finding.remedy.is_empty() {
            screen::line(format_args!("      {:<22} {}", "", finding.remedy));
        }
        fatal += usize::from(finding.grade == Grade::Fatal);
    }
    if fatal == 0 {
        return Ok(());
    }
    Err(format!("{fatal} findings keep the server from starting"))
}
