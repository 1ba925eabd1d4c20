//! Does the house obey its own rules?

#[test]
fn the_house_is_tidy() {
    let findings = pieskieo_ops::tidy::check(&pieskieo_ops::tidy::workspace_root());
    let text: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{} findings:\n{}", text.len(), text.join("\n"));
}
