//! Where does one input of a person or a pipe end?
//!
//! A line that starts with `\` is an input. A statement ends with a `;` at the end of a line, unless
//! that stands in a text, a quoted name or a comment.

/// How far a text has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// White space and comments.
    Nothing,
    /// More must follow.
    Part,
    /// An input, or several.
    Whole,
}

/// What the end of a text stands in.
#[derive(Clone, Copy, PartialEq)]
enum Inside {
    Code,
    /// Between two of this quote. A doubled quote closes and opens again.
    Quote(char),
    LineComment,
    /// Block comments nest.
    BlockComment(u32),
}

/// Returns how far a text has come.
pub fn extent(text: &str) -> Extent {
    if text.trim_start().starts_with('\\') {
        return Extent::Whole;
    }
    let mut inside = Inside::Code;
    let mut last = None;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let pair = (c, rest.peek().copied());
        inside = match (inside, pair) {
            (Inside::Code, ('\'' | '"', _)) => {
                last = Some(c);
                Inside::Quote(c)
            }
            (Inside::Code, ('-', Some('-'))) => Inside::LineComment,
            (Inside::Code, ('/', Some('*'))) => {
                rest.next();
                Inside::BlockComment(1)
            }
            (Inside::Code, (c, _)) => {
                last = if c.is_whitespace() { last } else { Some(c) };
                Inside::Code
            }
            (Inside::Quote(quote), (c, _)) if c == quote => Inside::Code,
            (Inside::LineComment, ('\n', _)) => Inside::Code,
            (Inside::BlockComment(depth), ('*', Some('/'))) => {
                rest.next();
                if depth == 1 { Inside::Code } else { Inside::BlockComment(depth - 1) }
            }
            (Inside::BlockComment(depth), ('/', Some('*'))) => {
                rest.next();
                Inside::BlockComment(depth + 1)
            }
            (same, _) => same,
        };
    }
    match (inside, last) {
        (Inside::Quote(_) | Inside::BlockComment(_), _) => Extent::Part,
        (Inside::Code | Inside::LineComment, None) => Extent::Nothing,
        (Inside::Code | Inside::LineComment, Some(';')) => Extent::Whole,
        (Inside::Code | Inside::LineComment, Some(_)) => Extent::Part,
    }
}

#[cfg(test)]
mod tests {
    use super::{Extent, extent};

    #[test]
    fn an_input_ends_with_a_semicolon_in_code() {
        let whole = [
            "\\d films",
            "SELECT 1;",
            "SELECT 1; -- one\n",
            "SELECT ';' AS a;",
            "SELECT 'it''s';",
            "SELECT 1 /* ; */ ;\n\n",
            "SELECT a /* b /* c */ ; */;",
        ];
        for text in whole {
            assert_eq!(extent(text), Extent::Whole, "{text:?}");
        }
        for text in ["", "  \n", "-- nothing yet\n", "/* ; */"] {
            assert_eq!(extent(text), Extent::Nothing, "{text:?}");
        }
        let partial = [
            "SELECT 1",
            "SELECT 'a;",
            "SELECT \"a;\n",
            "SELECT 1 -- ;",
            "SELECT 1 /* ;",
            "SELECT a /* b /* c */ ;",
            "SELECT 'it'';",
            "INSERT INTO t VALUES (1);\nSELECT",
        ];
        for text in partial {
            assert_eq!(extent(text), Extent::Part, "{text:?}");
        }
    }
}
