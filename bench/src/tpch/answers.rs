//! Is an answer the published one?
//!
//! Answers are published for scale 1, as text with two decimals. Numbers may differ from them by what
//! rounding makes: a hundredth, or a millionth of the number. Of the keys in the answer to question 11
//! the crate has the first four characters only.

use serde_json::Value;
use tpchgen::q_and_a::answers_sf1;

/// Says where an answer of scale 1 differs from the published one; `None` = nowhere.
pub(super) fn difference(number: usize, rows: &[Vec<Value>]) -> Option<String> {
    let published = i32::try_from(number).ok().and_then(answers_sf1::answer);
    let Some(published) = published else { return Some("no answer is published".to_owned()) };
    let lines = published.lines().filter(|line| !line.trim().is_empty()).skip(1);
    let wanted: Vec<Vec<&str>> =
        lines.map(|line| line.split('|').map(str::trim).collect()).collect();
    if wanted.len() != rows.len() {
        return Some(format!("{} rows instead of {}", rows.len(), wanted.len()));
    }
    for (place, (wanted, row)) in wanted.iter().zip(rows).enumerate() {
        let is_cut = |column: usize| number == 11 && column == 0;
        let is_same = |(column, (wanted, value)): (usize, (&&str, &Value))| match is_cut(column) {
            true => value.to_string().starts_with(wanted),
            false => is_same(wanted, value),
        };
        let same = wanted.len() == row.len() && wanted.iter().zip(row).enumerate().all(is_same);
        if !same {
            let row = Value::from(row.clone());
            return Some(format!("row {}: {row} instead of {wanted:?}", place + 1));
        }
    }
    None
}

fn is_same(wanted: &str, value: &Value) -> bool {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        other => other.to_string(),
    };
    if wanted == text {
        return true;
    }
    match (wanted.parse::<f64>(), text.parse::<f64>()) {
        (Ok(wanted), Ok(value)) => (wanted - value).abs() <= 0.01_f64.max(wanted.abs() * 1e-6),
        // Where a question asks for no row, an aggregate of nothing is null.
        _ => wanted.is_empty() && value.is_null(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rounding_is_no_difference_and_another_number_is() {
        assert!(is_same("123.46", &json!("123.456789")));
        assert!(is_same("1", &json!(1)));
        assert!(!is_same("123.46", &json!("123.48")));
        assert!(!is_same("BRAZIL", &json!("PERU")));
        assert!(!is_same("0.00", &json!(null)));
    }

    #[test]
    fn a_missing_row_is_a_difference() {
        let difference = difference(6, &[]).unwrap();
        assert_eq!(difference, "0 rows instead of 1");
    }
}
