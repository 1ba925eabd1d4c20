//! What do statements have in common that differ only in their values?
//!
//! ```text
//! SELECT name FROM city WHERE id IN (3, 4)  -- both     select name from city where id in ($1, ...)
//! INSERT INTO t VALUES (1, 'a'), (2, 'b')               insert into t values ($1, ...), ...
//! ```
//!
//! Values and parameters are numbered in their order; of several in a row the first stands for
//! all, of several rows of nothing else the first row. Unquoted words are lower case, comments go,
//! white space is one space or none. The text was parsed before: what comes here has its quotes
//! closed, and whatever is unusual is kept as it is.

use crate::outcome::StatementKind;

/// Bytes of a form that are shown.
const SHOWN_BYTES_MAX: usize = 1_000;

/// Stands for a value until all are numbered; no text that is a statement has it outside of quotes.
const VALUE: char = '\u{1}';

/// **Source**: draft-eastlake-fnv, FNV-1a of 64 bits.
const PRIME: u64 = 0x0000_0100_0000_01b3;
const BASIS: u64 = 0xcbf2_9ce4_8422_2325;

/// What statements that differ in their values have in common.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// Sums up the whole text of the form; the same on every core and in every run.
    pub id: u64,
    /// The text, cut where it is long.
    pub text: Box<str>,
    /// What kind of statement it is.
    pub kind: StatementKind,
}

impl Form {
    /// Returns the form of a statement. A change of the schema keeps its values.
    ///
    /// **Cost**: one pass over the text.
    pub fn of(text: &str, kind: StatementKind) -> Self {
        let mut writer =
            Writer { keeps_values: kind == StatementKind::Schema, ..Writer::default() };
        writer.write(text);
        let id =
            writer.out.bytes().fold(BASIS, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(PRIME));
        Self { id, text: numbered(&writer.out).into(), kind }
    }
}

/// Numbers the values of a text and cuts it.
fn numbered(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(SHOWN_BYTES_MAX) + 16);
    let mut count = 0_usize;
    for character in text.chars() {
        if out.len() >= SHOWN_BYTES_MAX {
            out.push_str(" ...");
            break;
        }
        if character == VALUE {
            count += 1;
            out.push_str(&format!("${count}"));
        } else {
            out.push(character);
        }
    }
    out
}

/// Writes a form.
#[derive(Default)]
struct Writer {
    out: String,
    /// Where in `out` the brackets are that are open.
    open: Vec<usize>,
    /// Whether white space came before what comes next.
    spaced: bool,
    keeps_values: bool,
}

impl Writer {
    fn write(&mut self, text: &str) {
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let length = self.take(rest, first);
            rest = rest.get(length.max(1)..).unwrap_or_default();
        }
    }

    /// Writes what a text begins with; returns its bytes.
    fn take(&mut self, rest: &str, first: char) -> usize {
        if first.is_whitespace() {
            self.spaced = true;
            return first.len_utf8();
        }
        if let Some(length) = comment(rest) {
            self.spaced = true;
            return length;
        }
        // A point after a name leads into it, and one of two is part of a range.
        let leads = first == '.' && !self.spaced && self.out.ends_with(continues_name);
        let value = if leads { None } else { value(rest).or_else(|| self.signed(rest)) };
        if let Some(length) = value {
            if self.keeps_values {
                self.push(&rest[..length]);
            } else {
                self.push_value();
            }
            return length;
        }
        let length = match first {
            '"' => quoted(rest, '"'),
            _ if is_word(first) => rest.find(|c| !continues_word(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        match first {
            '"' => self.push(&rest[..length]),
            ')' => self.close(),
            _ => {
                self.push(&rest[..length].to_lowercase());
                if first == '(' {
                    self.open.push(self.out.len() - 1);
                }
            }
        }
        length
    }

    /// Returns the bytes of a number with its sign, where no number can come before the sign.
    fn signed(&self, rest: &str) -> Option<usize> {
        let digits = rest.strip_prefix(['-', '+'])?;
        let begins = self.out.ends_with(['(', ',', '=', '<', '>', '[']);
        if !begins || !digits.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        value(digits).map(|length| length + 1)
    }

    /// Adds a piece, with a space before it where there was one and one is of use.
    fn push(&mut self, piece: &str) {
        let follows = self.out.ends_with(['(', '[', '{']);
        let leads = piece.starts_with([')', ']', '}', ',', ';']);
        let listed = self.out.ends_with(',');
        if !self.out.is_empty() && !leads && ((self.spaced && !follows) || listed) {
            self.out.push(' ');
        }
        self.spaced = false;
        self.out.push_str(piece);
    }

    /// Adds a value; after other values in a row it is not written.
    fn push_value(&mut self) {
        const MORE: &str = ", ...";
        let Some(before) = self.out.strip_suffix(',') else {
            self.push(VALUE.encode_utf8(&mut [0; 4]));
            return;
        };
        if before.ends_with(VALUE) {
            self.out.push_str(&MORE[1..]);
        } else if before.strip_suffix(MORE).is_some_and(|list| list.ends_with(VALUE)) {
            self.out.pop();
        } else {
            self.push(VALUE.encode_utf8(&mut [0; 4]));
            return;
        }
        self.spaced = false;
    }

    /// Closes a bracket; a row like the one before it is not written.
    fn close(&mut self) {
        const MORE: &str = ", ...";
        self.push(")");
        let Some(start) = self.open.pop() else { return };
        let (before, row) = self.out.split_at(start);
        let Some(before) = before.strip_suffix(", ").filter(|_| row.contains(VALUE)) else {
            return;
        };
        if before.ends_with(row) {
            let length = before.len();
            self.out.truncate(length);
            self.out.push_str(MORE);
        } else if before.strip_suffix(MORE).is_some_and(|rows| rows.ends_with(row)) {
            let length = before.len();
            self.out.truncate(length);
        }
    }
}

fn is_word(first: char) -> bool {
    first.is_alphanumeric() || first == '_'
}

fn continues_name(c: char) -> bool {
    is_word(c) || matches!(c, '.' | ')' | ']' | '"')
}

fn continues_word(c: char) -> bool {
    is_word(c) || c == '$'
}

/// Returns the bytes of a comment at the start of a text.
fn comment(rest: &str) -> Option<usize> {
    if rest.starts_with("--") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if !rest.starts_with("/*") {
        return None;
    }
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(left) = rest.get(at..).filter(|left| !left.is_empty()) {
        if left.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if left.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += left.chars().next().map_or(1, char::len_utf8);
        }
    }
    Some(rest.len())
}

/// Returns the bytes of a value at the start of a text: a literal text or number, or a parameter.
fn value(rest: &str) -> Option<usize> {
    let mut chars = rest.chars();
    let (first, second) = (chars.next()?, chars.next());
    match (first, second) {
        ('\'', _) => Some(quoted(rest, '\'')),
        ('e' | 'E', Some('\'')) => Some(1 + escaped(&rest[1..])),
        ('b' | 'B' | 'n' | 'N' | 'x' | 'X', Some('\'')) => Some(1 + quoted(&rest[1..], '\'')),
        ('$', Some(digit)) if digit.is_ascii_digit() => {
            let end = rest[1..].find(|c: char| !c.is_ascii_digit());
            Some(end.map_or(rest.len(), |end| end + 1))
        }
        ('$', _) => dollar_quoted(rest),
        (digit, _) if digit.is_ascii_digit() => Some(number(rest)),
        ('.', Some(digit)) if digit.is_ascii_digit() => Some(number(rest)),
        _ => None,
    }
}

/// Returns the bytes of a number.
fn number(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let before = at.checked_sub(1).map(|before| bytes[before]);
        let continues = match byte {
            // Two points are a range.
            b'.' => bytes.get(at + 1) != Some(&b'.') && before != Some(b'.'),
            b'+' | b'-' => matches!(before, Some(b'e' | b'E')) && !rest.starts_with("0x"),
            _ => byte.is_ascii_alphanumeric() || byte == b'_',
        };
        if !continues {
            break;
        }
        at += 1;
    }
    at
}

/// Returns the bytes of a text in quotes, in which two quotes stand for one.
fn quoted(rest: &str, quote: char) -> usize {
    let mut at = 1;
    while let Some(end) = rest.get(at..).and_then(|left| left.find(quote)) {
        at += end + 1;
        if !rest[at..].starts_with(quote) {
            return at;
        }
        at += 1;
    }
    rest.len()
}

/// As [`quoted`], in which a backslash makes the next character part of the text.
fn escaped(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '\'' if chars.peek().is_some_and(|(_, next)| *next == '\'') => drop(chars.next()),
            '\'' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Returns the bytes of `$tag$ text $tag$`.
fn dollar_quoted(rest: &str) -> Option<usize> {
    let end = rest[1..].find('$')? + 2;
    let tag = &rest[..end];
    if !tag[1..end - 1].chars().all(is_word) {
        return None;
    }
    rest[end..].find(tag).map(|at| end + at + tag.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> String {
        Form::of(text, StatementKind::Select).text.into()
    }

    #[test]
    fn values_are_numbered_and_the_rest_is_kept() {
        let cases = [
            (
                "SELECT  name\n FROM City -- all\n WHERE id = 5",
                "select name from city where id = $1",
            ),
            ("select name from city where id = $3", "select name from city where id = $1"),
            ("SELECT 'it''s', x FROM t /* a /* b */ c */ LIMIT 3", "select $1, x from t limit $2"),
            ("SELECT \"A b\" FROM \"T\"", "select \"A b\" from \"T\""),
            (
                "SELECT a FROM t WHERE b = -1.5e-3 AND c > .5",
                "select a from t where b = $1 and c > $2",
            ),
            ("SELECT a-1 FROM t", "select a-$1 from t"),
            ("SELECT $$a 'b'$$, x, $q$ $$ $q$", "select $1, x, $2"),
            ("SELECT E'a\\'b', x, b'01'", "select $1, x, $2"),
            ("SELECT t1.a FROM t1 WHERE a[0] = 1", "select t1.a from t1 where a[$1] = $2"),
            ("QUERY p TRAVERSE k DEPTH 1..3", "query p traverse k depth $1..$2"),
            ("SELECT über FROM t", "select über from t"),
            ("SELECT count( * ) FROM t", "select count(*) from t"),
        ];
        for (text, expected) in cases {
            assert_eq!(form(text), expected);
        }
    }

    #[test]
    fn lists_of_values_have_one_form_however_long() {
        let expected = "select a from t where b in ($1, ...)";
        for list in ["1, 2", "1,2,3", "$1, $2", "'a', -2, 3 , 4"] {
            assert_eq!(form(&format!("SELECT a FROM t WHERE b IN ({list})")), expected);
        }
        let expected = "insert into t values ($1, ...), ...";
        for rows in ["(1, 2), (3, 4)", "(1,2),(3,4),(5,6)", "($1, $2), ($3, $4), ($5, $6), (7, 8)"]
        {
            assert_eq!(form(&format!("INSERT INTO t VALUES {rows}")), expected);
        }
        assert_eq!(form("INSERT INTO t VALUES (1, 2)"), "insert into t values ($1, ...)");
        assert_eq!(
            form("INSERT INTO t VALUES (1, now(), 2), (1, now(), 2), (1, now(), 2)"),
            "insert into t values ($1, now(), $2), ..."
        );
    }

    #[test]
    fn one_form_has_one_id_and_long_forms_are_cut() {
        let id = |text: &str| Form::of(text, StatementKind::Select).id;
        assert_eq!(id("SELECT a FROM t WHERE b = 1"), id("select a\tfrom t where b = 'x'"));
        assert_ne!(id("SELECT a FROM t WHERE b = 1"), id("SELECT a FROM t WHERE c = 1"));
        let long = |last: &str| format!("SELECT {} {last} FROM t", "ä, ".repeat(2_000));
        assert!(form(&long("a")).len() < SHOWN_BYTES_MAX + 16);
        assert_ne!(id(&long("a")), id(&long("b")));
        let kept = Form::of("CREATE TABLE t (v VECTOR(3))", StatementKind::Schema);
        assert_eq!(&*kept.text, "create table t (v vector(3))");
    }

    #[test]
    fn no_text_is_too_odd() {
        for text in [
            "'", "\"a", "$", "$a", "$a$ b", "e'\\", "/* /*", "--", "1.", "1e", ")", "(((", "-",
            "é'",
        ] {
            form(text);
        }
    }
}
