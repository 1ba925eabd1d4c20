//! Does each rule find what it should, and nothing else?

use super::source;
use super::tree::Finding;

fn findings(name: &str, text: &str) -> Vec<String> {
    let mut found: Vec<Finding> = Vec::new();
    source::check(name, text, &mut found);
    found.into_iter().map(|finding| finding.message).collect()
}

#[test]
fn each_rule_finds_its_offence() {
    let long = format!("//! A question?\nfn long() {{\n{}}}\n", "    call();\n".repeat(70));
    let cases: &[(&str, &str, &str)] = &[
        ("shards/src/a.rs", "use x;\n", "open the file with"),
        ("shards/src/helpers.rs", "//! What?\n", "answers no question"),
        ("shards/src/a.rs", &long, "`long` has 72 lines"),
        ("shards/src/a.rs", "//! What?\nlet t = Instant::now();\n", "is banned here"),
        ("query/src/a.rs", "//! What?\nuse tokio::sync;\n", "is banned here"),
        ("query/src/a.rs", "//! What?\nunsafe { f() }\n", "outside the listed files"),
        ("query/src/x/mod.rs", "//! What?\nfn f() {}\n", "holds no logic"),
    ];
    for (name, text, expected) in cases {
        let found = findings(name, text);
        assert!(found.iter().any(|m| m.contains(expected)), "{name}: {found:?}");
    }
}

#[test]
fn tests_are_free_of_size_rules() {
    let text = format!("//! What?\nfn f() {{}}\n#[cfg(test)]\n{}", "fn g() {}\n".repeat(900));
    assert!(findings("shards/src/a.rs", &text).is_empty());
}
