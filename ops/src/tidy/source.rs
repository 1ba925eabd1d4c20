//! Does one Rust file obey?

use super::rules;
use super::tree::Finding;

/// Checks one file; `name` is its path from the root.
pub fn check(name: &str, text: &str, findings: &mut Vec<Finding>) {
    let lines: Vec<&str> = text.lines().collect();
    let production = production_lines(name, &lines);
    let mut say = |line: usize, message: String| {
        findings.push(Finding { file: name.to_owned(), line, message });
    };
    check_opening(name, &lines, &mut say);
    check_size(name, production, &mut say);
    check_lines(name, &lines, production, &mut say);
    check_functions(name, &lines[..production], &mut say);
    if is_page(name) {
        check_page(&lines[..production], &mut say);
    }
}

/// Returns how many leading lines are production code: everything before the first test module.
/// Files under `tests`, `examples` and `benches`, and files named `tests.rs`, have none.
fn production_lines(name: &str, lines: &[&str]) -> usize {
    if is_test(name) {
        return 0;
    }
    lines.iter().position(|line| line.trim_start() == "#[cfg(test)]").unwrap_or(lines.len())
}

fn is_test(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    file == "tests.rs"
        || file.ends_with("_tests.rs")
        || ["/tests/", "/examples/", "/benches/", "/fuzz/"].iter().any(|part| name.contains(part))
}

fn is_page(name: &str) -> bool {
    name.ends_with("/mod.rs") || name.ends_with("/lib.rs")
}

/// Returns the folder of the crate a file belongs to: empty for the root package.
fn crate_folder(name: &str) -> &str {
    let first = name.split('/').next().unwrap_or("");
    if first == "src" { "" } else { first }
}

fn check_opening(name: &str, lines: &[&str], say: &mut impl FnMut(usize, String)) {
    let first = lines.first().copied().unwrap_or("");
    if !is_test(name) && !first.starts_with("//! ") {
        say(1, "open the file with `//!` and the question it answers".to_owned());
    }
    let file = name.rsplit('/').next().unwrap_or(name);
    if rules::NAMES.contains(&file) {
        say(0, format!("\"{file}\" answers no question; name the file by its one noun"));
    }
}

fn check_size(name: &str, production: usize, say: &mut impl FnMut(usize, String)) {
    let exempt = rules::LONG_FILES.iter().any(|(file, _)| *file == name);
    if production > rules::FILE_LINES_MAX && !exempt {
        let max = rules::FILE_LINES_MAX;
        say(production, format!("{production} production lines; split the file below {max}"));
    }
}

fn check_lines(name: &str, lines: &[&str], production: usize, say: &mut impl FnMut(usize, String)) {
    let folder = crate_folder(name);
    let listed = rules::UNSAFE.iter().any(|(file, _)| *file == name);
    for (index, line) in lines.iter().enumerate() {
        let number = index + 1;
        let code = line.trim_start();
        let comment = code.starts_with("//");
        let wide = line.chars().count() > rules::LINE_CHARS_MAX;
        if wide && !comment && !line.contains('"') {
            say(number, format!("line over {} characters", rules::LINE_CHARS_MAX));
        }
        for word in rules::WORDS {
            if line.contains(word) && !name.starts_with("ops/src/tidy/") {
                say(number, format!("\"{word}\": finish it, or name it in the status table"));
            }
        }
        if index >= production || comment {
            continue;
        }
        if code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe")
            && !listed
            && !name.starts_with("ops/")
        {
            say(number, "`unsafe` outside the listed files (ops/src/tidy/rules.rs)".to_owned());
        }
        for (text, folders, instead) in rules::BANS {
            let exempt = rules::BAN_EXEMPTIONS.iter().any(|(f, t, _)| *f == name && t == text);
            if folders.contains(&folder) && line.contains(text) && !exempt && folder != "ops" {
                say(number, format!("`{text}` is banned here; use {instead}"));
            }
        }
    }
}

/// Checks function lengths in formatted code: a function ends at the first line that closes its
/// brace at the indentation of its first line.
fn check_functions(name: &str, lines: &[&str], say: &mut impl FnMut(usize, String)) {
    for (index, line) in lines.iter().enumerate() {
        let Some(function) = function_name(line) else { continue };
        let indent = line.len() - line.trim_start().len();
        let close = format!("{}}}", " ".repeat(indent));
        let mut end = index;
        for (offset, later) in lines[index..].iter().enumerate() {
            let ends_early = offset == 0 && (later.ends_with('}') || later.ends_with(';'));
            if ends_early || *later == close {
                end = index + offset;
                break;
            }
        }
        let length = end - index + 1;
        let exempt =
            rules::LONG_FUNCTIONS.iter().any(|(file, f, _)| *file == name && *f == function);
        if length > rules::FUNCTION_LINES_MAX && !exempt {
            let max = rules::FUNCTION_LINES_MAX;
            say(index + 1, format!("`{function}` has {length} lines; keep below {max}"));
        }
    }
}

fn function_name(line: &str) -> Option<&str> {
    let code = line.trim_start();
    let mut rest = code;
    for prefix in ["pub(crate) ", "pub(super) ", "pub ", "const ", "async ", "unsafe "] {
        rest = rest.strip_prefix(prefix).unwrap_or(rest);
    }
    let rest = rest.strip_prefix("fn ")?;
    rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

/// Checks that a folder page declares, re-exports and explains, and does nothing else.
fn check_page(lines: &[&str], say: &mut impl FnMut(usize, String)) {
    for (index, line) in lines.iter().enumerate() {
        if function_name(line).is_some() || line.trim_start().starts_with("impl") {
            say(index + 1, "a folder page holds no logic; move it to a file of its own".to_owned());
        }
    }
}
