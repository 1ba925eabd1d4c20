//! Do the documents obey?

use std::path::Path;

use super::rules;
use super::tree::Finding;

/// Checks one Markdown page: links resolve, and the README stays short.
pub fn check(root: &Path, name: &str, text: &str, findings: &mut Vec<Finding>) {
    if name == "README.md" && text.lines().count() > rules::README_LINES_MAX {
        let message = format!("over {} lines", rules::README_LINES_MAX);
        findings.push(Finding { file: name.to_owned(), line: 0, message });
    }
    let folder = Path::new(name).parent().unwrap_or(Path::new(""));
    let mut fenced = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for target in links(line) {
            let path = target.split('#').next().unwrap_or("");
            let outside = path.contains("://") || path.starts_with("mailto:");
            if path.is_empty() || outside || root.join(folder).join(path).exists() {
                continue;
            }
            let message = format!("the link to \"{path}\" leads nowhere");
            findings.push(Finding { file: name.to_owned(), line: index + 1, message });
        }
    }
}

/// Returns the targets of `[text](target)` links in a line, leaving out code spans.
fn links(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some(start) = rest.find("](") {
        let after = &rest[start + 2..];
        let Some(end) = after.find(')') else { break };
        let code = rest[..start].matches('`').count() % 2 == 1;
        if !code {
            found.push(&after[..end]);
        }
        rest = &after[end..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::links;

    #[test]
    fn links_are_found_outside_code() {
        assert_eq!(links("see [a](x.md) and [b](y.md#part)"), ["x.md", "y.md#part"]);
        assert!(links("`MATCH (a)-[e](b)` is code").is_empty());
    }
}
