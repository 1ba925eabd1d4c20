//! `pieskieo config`: which settings are in force?

use comfy_table::Table;
use comfy_table::presets::UTF8_BORDERS_ONLY;

use super::arguments::ServerFlags;
use super::run::{Failure, settings};
use super::screen;
use crate::config::Source;

/// Prints every setting, its value, where that came from and what it means; then checks them.
pub fn run(flags: &ServerFlags) -> Result<(), Failure> {
    let settings = settings(flags)?;
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header(["setting", "value", "from", "variable", "unit", "meaning"]);
    for (setting, value, source) in settings.rows() {
        let from = match source {
            Source::Flag => "flag",
            Source::Environment => "environment",
            Source::File => "file",
            Source::Default => "default",
        };
        let value = if value.is_empty() { "-" } else { value };
        let cells = [setting.key, value, from, setting.variable, setting.unit, setting.meaning];
        table.add_row(cells);
    }
    screen::line(table);
    settings.check().map(drop).map_err(|error| error.to_string())
}
