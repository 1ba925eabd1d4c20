//! The forms of COPY against what PostgreSQL 15 writes and reads.

use super::fields;
use super::lines::Lines;
use crate::syntax::{CopyOptions, parse_copy};

fn options(text: &str) -> CopyOptions {
    let copy = parse_copy(&format!("COPY t FROM STDIN {text}")).expect("readable");
    copy.expect("a COPY").options
}

fn written(text: &str) -> CopyOptions {
    let copy = parse_copy(&format!("COPY t TO STDOUT {text}")).expect("readable");
    copy.expect("a COPY").options
}

/// Reads data that arrive in pieces of `step` bytes.
fn rows(data: &str, with: &str, step: usize) -> Result<Vec<Vec<Option<String>>>, String> {
    let options = options(with);
    let names: Vec<String> = ["a", "b"].map(str::to_owned).to_vec();
    let mut lines = Lines::new(&options);
    let mut out = Vec::new();
    let mut pieces: Vec<&[u8]> = data.as_bytes().chunks(step).collect();
    pieces.push(&[]);
    let last = pieces.len() - 1;
    for (at, piece) in pieces.into_iter().enumerate() {
        lines.push(piece);
        while let Some(line) = lines.next(at == last).map_err(|error| error.message)? {
            let row = fields::read(&line.text, &options, &names);
            out.push(row.map_err(|error| format!("{}: {}", line.number, error.message))?);
        }
    }
    Ok(out)
}

#[test]
fn rows_are_read_as_in_postgresql() {
    let some = |text: &str| Some(text.to_owned());
    for (data, with, expected) in [
        ("1\tx\n2\t\\N\n", "", vec![vec![some("1"), some("x")], vec![some("2"), None]]),
        ("1\ta\\tb\\\\\\n\\x41\\101\n", "", vec![vec![some("1"), some("a\tb\\\nAA")]]),
        ("1\ta\\\nb\n", "", vec![vec![some("1"), some("a\nb")]]),
        ("1\tx\n\\.\nrest", "", vec![vec![some("1"), some("x")]]),
        (
            "1,x\r\n2,\"\"\r\n3,\n",
            "CSV",
            vec![vec![some("1"), some("x")], vec![some("2"), some("")], vec![some("3"), None]],
        ),
        ("1,\"a\nb, \"\"c\"\"\"\n", "CSV", vec![vec![some("1"), some("a\nb, \"c\"")]]),
        (
            "1;'a\\'b;'\n",
            "(FORMAT csv, DELIMITER ';', QUOTE '''', ESCAPE '\\')",
            vec![vec![some("1"), some("a'b;")]],
        ),
        ("NA,\"NA\"\n", "(FORMAT csv, NULL 'NA')", vec![vec![None, some("NA")]]),
        (
            "NA,\"NA\"\n",
            "(FORMAT csv, NULL 'NA', FORCE_NULL (b), FORCE_NOT_NULL (a))",
            vec![vec![some("NA"), None]],
        ),
        ("1|x", "DELIMITER '|'", vec![vec![some("1"), some("x")]]),
    ] {
        for step in [1, 3, 1000] {
            assert_eq!(rows(data, with, step), Ok(expected.clone()), "{data:?} {with} {step}");
        }
    }
}

#[test]
fn rows_that_do_not_fit_are_refused_with_their_line() {
    for (data, with, message) in [
        ("1\tx\n2\n", "", "2: missing data for column \"b\""),
        ("1\tx\ty\n", "", "1: extra data after last expected column"),
        ("1,\"x\n", "CSV", "unterminated CSV quoted field"),
    ] {
        assert_eq!(rows(data, with, 2), Err(message.to_owned()), "{data:?}");
    }
}

#[test]
fn values_are_written_as_in_postgresql() {
    for (value, with, text) in [
        (Some("a\tb\\c\n"), "", "a\\tb\\\\c\\n"),
        (None, "", "\\N"),
        (Some(""), "CSV", "\"\""),
        (None, "CSV", ""),
        (Some("a,b"), "CSV", "\"a,b\""),
        (Some("say \"x\""), "CSV", "\"say \"\"x\"\"\""),
        (Some("plain"), "(FORMAT csv, FORCE_QUOTE *)", "\"plain\""),
        (Some("\\."), "CSV", "\"\\.\""),
    ] {
        let mut out = String::new();
        fields::write(&mut out, value, "a", &written(with));
        assert_eq!(out, text, "{value:?} {with}");
    }
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    for (text, code) in [
        ("COPY t FROM STDIN (FORMAT xml)", "22023"),
        ("COPY t FROM STDIN (FORMAT binary, HEADER)", "0A000"),
        ("COPY t FROM STDIN BINARY DELIMITER ','", "0A000"),
        ("COPY t FROM STDIN (FORMAT csv, FORMAT csv)", "42601"),
        ("COPY t FROM STDIN (QUOTE '\"')", "0A000"),
        ("COPY t FROM STDIN (DELIMITER 'ab')", "0A000"),
        ("COPY t FROM STDIN (DELIMITER 'a')", "22023"),
        ("COPY t FROM STDIN (FORMAT csv, DELIMITER '\"')", "22023"),
        ("COPY t FROM STDIN (FORMAT csv, FORCE_QUOTE *)", "0A000"),
        ("COPY t FROM STDIN (COLOR 'red')", "42601"),
        ("COPY t FROM '/etc/passwd'", "0A000"),
        ("COPY t FROM PROGRAM 'ls'", "0A000"),
        ("COPY (SELECT 1) FROM STDIN", "42601"),
        ("COPY t TO STDOUT (HEADER match)", "0A000"),
    ] {
        let refused = parse_copy(text).expect_err(text);
        assert_eq!(refused.code, code, "{text}: {}", refused.message);
    }
}
