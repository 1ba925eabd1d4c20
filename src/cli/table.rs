//! How do rows look on a terminal?

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use serde_json::Value;

/// Characters of a cell that are shown before it is cut.
const CELL_CHARS_MAX: usize = 120;
/// Members of an array that are shown before it is cut: embeddings are long.
const ARRAY_SHOWN_MAX: usize = 8;

/// Returns one statement's answer as text: a table, a count, or both.
pub fn render(answer: &Value) -> String {
    let columns = answer.get("columns").and_then(Value::as_array);
    let rows = answer.get("rows").and_then(Value::as_array);
    let affected = answer.get("affected").and_then(Value::as_u64);
    let mut out = String::new();
    if let (Some(columns), Some(rows)) = (columns, rows)
        && !columns.is_empty()
    {
        if is_plan(columns) {
            for row in rows {
                out.push_str(row.get(0).and_then(Value::as_str).unwrap_or(""));
                out.push('\n');
            }
            return out.trim_end().to_owned();
        }
        out.push_str(&grid(columns, rows).to_string());
        let noun = if rows.len() == 1 { "row" } else { "rows" };
        out.push_str(&format!("\n({} {noun})", rows.len()));
    }
    // A query affects none, and says so only to programs.
    if let Some(affected) = affected.filter(|affected| *affected > 0) {
        let separator = if out.is_empty() { "" } else { "\n" };
        out.push_str(&format!("{separator}OK, {affected} affected"));
    }
    if out.is_empty() { "OK".to_owned() } else { out }
}

fn is_plan(columns: &[Value]) -> bool {
    columns.len() == 1 && columns[0].get("name").and_then(Value::as_str) == Some("QUERY PLAN")
}

fn grid(columns: &[Value], rows: &[Value]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    let name = |column: &Value| column.get("name").and_then(Value::as_str).unwrap_or("").to_owned();
    table.set_header(columns.iter().map(name));
    for row in rows {
        table.add_row(row.as_array().into_iter().flatten().map(cell));
    }
    for (index, column) in columns.iter().enumerate() {
        let ty = column.get("type").and_then(Value::as_str).unwrap_or("");
        let number = ["INT", "BIGINT", "FLOAT", "DOUBLE", "NUMERIC"];
        if number.iter().any(|number| ty.starts_with(number))
            && let Some(column) = table.column_mut(index)
        {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Returns objects of the same members as a table.
pub fn of_objects(rows: &[serde_json::Map<String, Value>]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    let Some(first) = rows.first() else { return table };
    table.set_header(first.keys().map(|name| name.replace('_', " ")));
    for row in rows {
        table.add_row(row.values().map(cell));
    }
    for (index, value) in first.values().enumerate() {
        if value.is_number()
            && let Some(column) = table.column_mut(index)
        {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Returns one value as a person reads it, cut where it would fill the screen.
pub fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(members) if members.len() > ARRAY_SHOWN_MAX => {
            let shown: Vec<String> =
                members[..ARRAY_SHOWN_MAX].iter().map(ToString::to_string).collect();
            format!("[{}, … {} in all]", shown.join(", "), members.len())
        }
        other => other.to_string(),
    };
    if text.chars().count() <= CELL_CHARS_MAX {
        return text;
    }
    let cut: String = text.chars().take(CELL_CHARS_MAX).collect();
    format!("{cut}…")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rows_counts_and_plans_each_have_their_form() {
        let rows = json!({ "columns": [{ "name": "n", "type": "BIGINT" }], "rows": [[1]] });
        assert!(render(&rows).ends_with("(1 row)"));
        let count = json!({ "columns": [], "rows": [], "affected": 3 });
        assert_eq!(render(&count), "OK, 3 affected");
        let plan = json!({ "columns": [{ "name": "QUERY PLAN", "type": "TEXT" }],
                           "rows": [["Scan"], ["  Filter"]] });
        assert_eq!(render(&plan), "Scan\n  Filter");
    }

    #[test]
    fn long_values_are_cut() {
        assert_eq!(
            cell(&json!([0, 1, 2, 3, 4, 5, 6, 7, 8])),
            "[0, 1, 2, 3, 4, 5, 6, 7, … 9 in all]"
        );
        assert_eq!(cell(&json!("x".repeat(200))).chars().count(), CELL_CHARS_MAX + 1);
    }
}
