//! Which packages are there, and what is known about them?

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};
use pieskieo_io::file::host;
use serde_json::{Value, json};

use crate::cli::run::Failure;

/// Characters of a README that are kept.
const README_CHARS_MAX: usize = 200_000;
/// Characters of a section that are kept.
const SECTION_CHARS_MAX: usize = 4_000;

/// The whole tree, ready to be stored.
pub struct Tree {
    /// Name of the package the tree belongs to.
    pub root: String,
    /// One per package; the position is its id.
    pub packages: Vec<PackageFacts>,
    /// Edges by kind.
    pub edges: Vec<Edge>,
    /// Sections of READMEs.
    pub sections: Vec<Section>,
}

/// One package.
pub struct PackageFacts {
    /// Row: typed facts.
    pub row: Value,
    /// Document: the manifest as Cargo understands it.
    pub manifest: Value,
}

/// One dependency.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// The edge table: `depends`, `dev_depends` or `build_depends`.
    pub table: &'static str,
    /// Id of the package that needs.
    pub source: usize,
    /// Id of the package needed.
    pub target: usize,
    /// Features asked for.
    pub features: String,
}

/// One section of a README.
pub struct Section {
    /// Id of its package.
    pub package: usize,
    /// Its heading.
    pub title: String,
    /// Its text.
    pub body: String,
}

/// Asks Cargo, in one of its modes, for the packages of this platform.
fn metadata(folder: &Path, mode: &str) -> cargo_metadata::Result<Metadata> {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let options = vec![mode.to_owned(), "--filter-platform".to_owned(), platform];
    MetadataCommand::new().manifest_path(folder.join("Cargo.toml")).other_options(options).exec()
}

/// Reads the tree of the workspace at `folder`. Where only this program was built, what its tests
/// need was never downloaded: Cargo fetches it then.
///
/// **Errors**: no workspace there, no Cargo, or packages that cannot be downloaded.
pub fn read(folder: &Path) -> Result<Tree, Failure> {
    let metadata = metadata(folder, "--offline")
        .or_else(|_| metadata(folder, "--locked"))
        .map_err(|error| format!("cannot read the workspace \"{}\": {error}", folder.display()))?;
    let root = metadata
        .root_package()
        .or_else(|| metadata.workspace_packages().first().copied())
        .map(|package| package.name.to_string())
        .ok_or("the workspace has no packages")?;
    let ids: HashMap<&PackageId, usize> =
        metadata.packages.iter().enumerate().map(|(index, one)| (&one.id, index)).collect();
    let mut packages = Vec::new();
    let mut sections = Vec::new();
    for (id, package) in metadata.packages.iter().enumerate() {
        let readme = readme(package);
        sections.extend(split(id, &readme));
        packages.push(facts(id, package, readme));
    }
    let edges = edges(&metadata, &ids);
    Ok(Tree { root, packages, edges, sections })
}

fn facts(id: usize, package: &Package, readme: String) -> PackageFacts {
    let row = json!({
        "id": id,
        "name": package.name.as_str(),
        "version": package.version.to_string(),
        "license": license(package),
        "description": package.description,
        "repository": package.repository,
        "readme": readme,
    });
    let mut manifest = serde_json::to_value(package).unwrap_or_default();
    if let Some(members) = manifest.as_object_mut() {
        // Paths and addresses of this machine say nothing about the package.
        for private in ["manifest_path", "id", "source", "targets"] {
            members.remove(private);
        }
        members.insert("package".to_owned(), json!(id));
    }
    PackageFacts { row, manifest }
}

/// Returns the licence expression in one spelling: `MIT/Apache-2.0` means `MIT OR Apache-2.0`.
fn license(package: &Package) -> String {
    let Some(license) = &package.license else { return "unstated".to_owned() };
    let spelled = license.replace('/', " OR ");
    let parts: BTreeSet<&str> = spelled.split(" OR ").map(str::trim).collect();
    if spelled.contains(" AND ") {
        return spelled;
    }
    parts.into_iter().collect::<Vec<_>>().join(" OR ")
}

fn readme(package: &Package) -> String {
    let named = package.readme().map(PathBuf::from);
    let beside = package.manifest_path.parent().map(|folder| folder.join("README.md").into());
    let text = named.or(beside).and_then(|path: PathBuf| host::read(&path).ok());
    let text = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
    text.chars().filter(|c| *c != '\0').take(README_CHARS_MAX).collect()
}

/// Splits Markdown at its headings; code blocks are no headings.
fn split(package: usize, readme: &str) -> Vec<Section> {
    let mut sections = Vec::new();
    let mut title = String::new();
    let mut body = String::new();
    let mut fenced = false;
    for line in readme.lines().chain(std::iter::once("# ")) {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if line.starts_with('#') && (!fenced || line == "# ") {
            let text: String = body.trim().chars().take(SECTION_CHARS_MAX).collect();
            if text.split_whitespace().count() >= 5 {
                sections.push(Section { package, title: title.clone(), body: text });
            }
            title = line.trim_matches(['#', ' ']).to_owned();
            body.clear();
        } else {
            body.push_str(line);
            body.push('\n');
        }
    }
    sections
}

fn edges(metadata: &Metadata, ids: &HashMap<&PackageId, usize>) -> Vec<Edge> {
    let mut edges = BTreeSet::new();
    let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
    for node in nodes {
        let Some(source) = ids.get(&node.id) else { continue };
        for dependency in &node.deps {
            let Some(target) = ids.get(&dependency.pkg) else { continue };
            for kind in &dependency.dep_kinds {
                let table = match kind.kind {
                    DependencyKind::Development => "dev_depends",
                    DependencyKind::Build => "build_depends",
                    _ => "depends",
                };
                let wanted = &metadata.packages[*target].name;
                let features = features(&metadata.packages[*source], wanted, kind.kind);
                edges.insert(Edge { table, source: *source, target: *target, features });
            }
        }
    }
    edges.into_iter().collect()
}

fn features(package: &Package, wanted: &str, kind: DependencyKind) -> String {
    let asked = package.dependencies.iter().find(|one| one.name == wanted && one.kind == kind);
    asked.map(|one| one.features.join(",")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_readme_is_split_at_headings_outside_code() {
        let text = "# One\nfive words are enough here\n```\n# not a heading\n```\n## Two\nshort\n";
        let sections = split(7, text);
        assert_eq!(sections.len(), 1);
        assert_eq!((sections[0].title.as_str(), sections[0].package), ("One", 7));
        assert!(sections[0].body.contains("# not a heading"));
    }
}
