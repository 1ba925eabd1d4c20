//! Which differences are known, and why?
//!
//! `known.txt` holds one per line: words that all occur in the told difference (the statement and
//! both answers), ` => `, and the reason. A line that never fits is no fault: statements are few.

/// A known difference.
#[derive(Debug)]
pub struct Known {
    /// What occurs in it.
    pub signs: Vec<&'static str>,
    /// Why it is there.
    pub reason: &'static str,
}

/// Returns all known differences.
pub fn known() -> Vec<Known> {
    let lines = include_str!("known.txt").lines();
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (signs, reason) = line.split_once(" => ").expect("signs => reason");
            Known { signs: signs.split(" & ").collect(), reason }
        })
        .collect()
}

/// Returns the reason for a difference, if it is known.
pub fn reason(known: &[Known], told: &str) -> Option<&'static str> {
    known
        .iter()
        .find(|known| known.signs.iter().all(|sign| told.contains(sign)))
        .map(|known| known.reason)
}
