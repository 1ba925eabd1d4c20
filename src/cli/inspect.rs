//! `pieskieo inspect`: what does a file of a stopped database hold?

use serde_json::Value;

use super::arguments::{InspectFlags, Inspected};
use super::run::Failure;
use super::{screen, table};
use crate::inspect::{Kind, inspect};

/// Shows what a log, a segment, a manifest or a whole data folder holds. Returns whether all of it
/// is as it was written.
///
/// **Errors**: what is there is not what was asked for, or a server has it open.
pub fn run(flags: &InspectFlags) -> Result<bool, Failure> {
    let kind = match flags.what {
        Inspected::Wal => Kind::Wal,
        Inspected::Segment => Kind::Segment,
        Inspected::Manifest => Kind::Manifest,
        Inspected::Layout => Kind::Layout,
    };
    let sections = inspect(kind, &flags.path).map_err(|error| error.to_string())?;
    let is_sound = sections.iter().all(|section| section.damage.is_empty());
    if flags.json {
        screen::line(Value::Array(sections.iter().map(|section| section.json()).collect()));
        return Ok(is_sound);
    }
    for section in &sections {
        screen::line(section.title());
        if !section.rows.is_empty() {
            screen::line(table::of_objects(&section.rows));
        }
        for damage in &section.damage {
            screen::line(format_args!("damage: {damage}"));
        }
    }
    Ok(is_sound)
}
