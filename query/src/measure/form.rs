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
const VALUE: &str = "\u{1}";

/// Stands for all values, or rows, that follow one.
const MORE: &str = ", ...";

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
        let keeps_values = kind == StatementKind::Schema;
        let mut writer = Writer { keeps_values, ..Writer::default() };
        let mut at = 0;
        while at < text.len() {
            at += writer.take(&text[at..]).max(1);
        }
        let mix = |sum: u64, byte| (sum ^ u64::from(byte)).wrapping_mul(PRIME);
        let id = writer.out.bytes().fold(BASIS, mix);
        Self { id, text: numbered(&writer.out).into(), kind }
    }
}

/// Numbers the values of a text and cuts it.
fn numbered(text: &str) -> String {
    let cut = text.floor_char_boundary(SHOWN_BYTES_MAX);
    let mut pieces = text[..cut].split(VALUE);
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for (number, piece) in (1..).zip(pieces) {
        let number: usize = number;
        out.push('$');
        out.push_str(&number.to_string());
        out.push_str(piece);
    }
    if cut < text.len() {
        out.push_str(" ...");
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
    /// Writes what a text begins with; returns its bytes, which end where a character does.
    fn take(&mut self, rest: &str) -> usize {
        let bytes = rest.as_bytes();
        let (first, second) = (bytes[0], bytes.get(1).copied().unwrap_or_default());
        if first.is_ascii_whitespace() {
            self.spaced = true;
            return 1;
        }
        if let Some(length) = comment(rest, (first, second)) {
            self.spaced = true;
            return length;
        }
        if let Some(length) = self.value(rest, (first, second)) {
            match self.keeps_values {
                true => self.push(&rest[..length]),
                false => self.push_value(),
            }
            return length;
        }
        if is_word(first) {
            let end = bytes.iter().position(|byte| !is_word(*byte) && *byte != b'$');
            let length = end.unwrap_or(bytes.len());
            self.push(&rest[..length]);
            let from = self.out.len() - length;
            self.out[from..].make_ascii_lowercase();
            return length;
        }
        let length = if first == b'"' { quoted(bytes, b'"') } else { 1 };
        match first {
            b')' => self.close(),
            b'(' => {
                self.push("(");
                self.open.push(self.out.len() - 1);
            }
            _ => self.push(&rest[..length]),
        }
        length
    }

    /// Returns the bytes of a value that a text begins with: a literal text or number, or a
    /// parameter.
    fn value(&self, rest: &str, (first, second): (u8, u8)) -> Option<usize> {
        let bytes = rest.as_bytes();
        match (first, second) {
            (b'\'', _) => Some(quoted(bytes, b'\'')),
            (b'e' | b'E', b'\'') => Some(1 + escaped(&bytes[1..])),
            (b'b' | b'B' | b'n' | b'N' | b'x' | b'X', b'\'') => {
                Some(1 + quoted(&bytes[1..], b'\''))
            }
            (b'$', b'0'..=b'9') => {
                let end = bytes[1..].iter().position(|byte| !byte.is_ascii_digit());
                Some(end.map_or(bytes.len(), |end| end + 1))
            }
            (b'$', _) => dollar_quoted(rest),
            (b'0'..=b'9', _) => Some(number(bytes)),
            // A point after a name leads into it, and one of two is part of a range.
            (b'.', b'0'..=b'9') => {
                let leads = |last| is_word(last) || matches!(last, b'.' | b')' | b']' | b'"');
                (self.spaced || !leads(self.last())).then(|| number(bytes))
            }
            // A sign belongs to a number where no value can come before it.
            (b'-' | b'+', b'0'..=b'9') => {
                let begins = matches!(self.last(), b'(' | b',' | b'=' | b'<' | b'>' | b'[');
                begins.then(|| 1 + number(&bytes[1..]))
            }
            _ => None,
        }
    }

    fn last(&self) -> u8 {
        self.out.as_bytes().last().copied().unwrap_or_default()
    }

    /// Adds a piece, with a space before it where there was one and one is of use.
    fn push(&mut self, piece: &str) {
        let last = self.last();
        let follows = matches!(last, 0 | b'(' | b'[' | b'{');
        let leads = matches!(piece.as_bytes()[0], b')' | b']' | b'}' | b',' | b';');
        if !follows && !leads && (self.spaced || last == b',') {
            self.out.push(' ');
        }
        self.spaced = false;
        self.out.push_str(piece);
    }

    /// Adds a value; after other values in a row it is not written.
    fn push_value(&mut self) {
        if let Some(before) = self.out.strip_suffix(',') {
            if before.ends_with(VALUE) {
                self.out.push_str(" ...");
                self.spaced = false;
                return;
            }
            if before.strip_suffix(MORE).is_some_and(|list| list.ends_with(VALUE)) {
                self.out.pop();
                self.spaced = false;
                return;
            }
        }
        self.push(VALUE);
    }

    /// Closes a bracket; a row like the one before it is not written.
    fn close(&mut self) {
        self.push(")");
        let Some(start) = self.open.pop() else { return };
        let (before, row) = self.out.split_at(start);
        let Some(before) = before.strip_suffix(", ") else { return };
        let length = before.len();
        if !row.contains(VALUE) {
            return;
        }
        if before.ends_with(row) {
            self.out.truncate(length);
            self.out.push_str(MORE);
        } else if before.strip_suffix(MORE).is_some_and(|rows| rows.ends_with(row)) {
            self.out.truncate(length);
        }
    }
}

/// Returns whether a byte is of a word: all of other characters than ASCII's are.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// Returns the bytes of a comment that a text begins with.
fn comment(rest: &str, begin: (u8, u8)) -> Option<usize> {
    match begin {
        (b'-', b'-') => Some(rest.find('\n').unwrap_or(rest.len())),
        (b'/', b'*') => Some(nested_comment(rest)),
        _ => None,
    }
}

fn nested_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (1_usize, 2);
    while let Some(next) = rest[at..].find(['*', '/']) {
        at += next;
        let step = match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => {
                depth += 1;
                2
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                2
            }
            _ => 1,
        };
        at += step;
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// Returns the bytes of a number.
fn number(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let before = if at == 0 { 0 } else { bytes[at - 1] };
        let continues = match byte {
            // Two points are a range.
            b'.' => bytes.get(at + 1) != Some(&b'.') && before != b'.',
            b'+' | b'-' => matches!(before, b'e' | b'E') && !bytes.starts_with(b"0x"),
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
fn quoted(bytes: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while let Some(end) = bytes.get(at..).and_then(|left| left.iter().position(|b| *b == quote)) {
        at += end + 1;
        if bytes.get(at) != Some(&quote) {
            return at;
        }
        at += 1;
    }
    bytes.len()
}

/// As [`quoted`], in which a backslash makes the next character part of the text.
fn escaped(bytes: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        match (byte, bytes.get(at + 1)) {
            (b'\\', Some(_)) | (b'\'', Some(b'\'')) => at += 2,
            (b'\'', _) => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Returns the bytes of `$tag$ text $tag$`.
fn dollar_quoted(rest: &str) -> Option<usize> {
    let end = rest[1..].find('$')? + 2;
    let tag = &rest[..end];
    if !tag[1..end - 1].bytes().all(is_word) {
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
