//! Does the index equal its records?

/// Most differences that are told.
const FINDINGS_MAX: usize = 10;

/// Returns where two sorted lists of entries differ, in words, at most a few.
pub(crate) fn differences(held: &[Vec<u8>], expected: &[Vec<u8>]) -> Vec<String> {
    let mut findings = Vec::new();
    let (mut held, mut expected) = (held.iter().peekable(), expected.iter().peekable());
    while findings.len() < FINDINGS_MAX {
        match (held.peek(), expected.peek()) {
            (None, None) => break,
            (Some(a), Some(b)) if a == b => {
                held.next();
                expected.next();
            }
            (Some(a), b) if b.is_none_or(|b| a < b) => {
                findings.push(format!("entry {a:02x?} is surplus"));
                held.next();
            }
            (_, Some(b)) => {
                findings.push(format!("entry {b:02x?} is missing"));
                expected.next();
            }
            (Some(_), None) => break,
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surplus_and_missing_entries_are_told_apart() {
        let list = |text: &str| text.bytes().map(|byte| vec![byte]).collect::<Vec<_>>();
        assert_eq!(differences(&list("abd"), &list("abd")), [""; 0]);
        let found = differences(&list("abd"), &list("bcd"));
        assert_eq!(found, ["entry [61] is surplus", "entry [63] is missing"]);
        assert_eq!(differences(&list(""), &list("a")), ["entry [61] is missing"]);
    }
}
