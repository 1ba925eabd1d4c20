//! Does one crate depend only on what its layer allows?

use std::path::Path;

use super::rules::{LAYERS, Layer, OWNERS};
use super::tree::Finding;

/// Checks the manifest of one layer.
pub fn check(root: &Path, layer: &Layer, findings: &mut Vec<Finding>) {
    let folder = root.join(layer.folder);
    let name = relative(layer, "Cargo.toml");
    let Ok(text) = std::fs::read_to_string(folder.join("Cargo.toml")) else {
        findings.push(Finding { file: name, line: 0, message: "manifest is missing".to_owned() });
        return;
    };
    for (line, dependency) in dependencies(&text) {
        if let Some(message) = refusal(layer, dependency) {
            findings.push(Finding { file: name.clone(), line, message });
        }
    }
    check_root_attribute(root, layer, findings);
}

/// Returns line number and name of each entry under a normal dependency table.
fn dependencies(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut inside = false;
    for (index, line) in text.lines().enumerate() {
        if line.starts_with('[') {
            inside = line == "[dependencies]" || line == "[build-dependencies]";
        } else if inside {
            let end = line.find(['.', ' ', '=']).unwrap_or(0);
            if end > 0 && !line.starts_with('#') {
                found.push((index + 1, &line[..end]));
            }
        }
    }
    found
}

fn refusal(layer: &Layer, dependency: &str) -> Option<String> {
    let ours = dependency == "pieskieo" || dependency.starts_with("pieskieo-");
    if ours && !layer.ours.contains(&dependency) {
        let folder = layer.folder;
        return Some(format!("\"{folder}\" may not import {dependency}; imports run one way"));
    }
    let (_, folders) = OWNERS.iter().find(|(name, _)| match name.strip_suffix('*') {
        Some(prefix) => dependency.starts_with(prefix),
        None => *name == dependency,
    })?;
    if folders.contains(&layer.folder) {
        return None;
    }
    Some(format!("{dependency} belongs to {folders:?}; reach it through them"))
}

fn check_root_attribute(root: &Path, layer: &Layer, findings: &mut Vec<Finding>) {
    let file = relative(layer, "src/lib.rs");
    let Ok(text) = std::fs::read_to_string(root.join(&file)) else { return };
    if layer.forbids_unsafe && !text.contains("#![forbid(unsafe_code)]") {
        let message = "this crate forbids unsafe code at its root".to_owned();
        findings.push(Finding { file, line: 1, message });
    }
}

fn relative(layer: &Layer, file: &str) -> String {
    debug_assert!(LAYERS.iter().any(|known| known.folder == layer.folder));
    if layer.folder.is_empty() { file.to_owned() } else { format!("{}/{file}", layer.folder) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_run_one_way() {
        let io = &LAYERS[0];
        assert!(refusal(io, "pieskieo-query").is_some());
        assert!(refusal(io, "datafusion").is_some());
        assert!(refusal(io, "glommio").is_none());
        let query = &LAYERS[2];
        assert!(refusal(query, "pieskieo-shards").is_none());
        assert!(refusal(query, "pieskieo-net").is_some());
        assert!(refusal(query, "tokio").is_some());
    }

    #[test]
    fn only_normal_dependencies_are_read() {
        let text = "[dependencies]\na.workspace = true\nb = \"1\"\n[dev-dependencies]\nc = \"1\"\n";
        let names: Vec<&str> = dependencies(text).into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["a", "b"]);
    }
}
