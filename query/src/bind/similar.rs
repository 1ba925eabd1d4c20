//! What does `SIMILAR TO` mean?
//!
//! Its patterns are SQL's own: `%` and `_` as in LIKE, and of regular expressions `|`, `*`, `+`,
//! `?`, `{m,n}`, brackets and classes. They always cover the whole text. The planner would take
//! them for regular expressions, so they are written as such.

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value};

use super::build;
use super::path::position;
use crate::error::{Error, Result};

/// Writes `x SIMILAR TO 'pattern'` as a regular expression.
///
/// **Errors**: 0A000 for a pattern that is no literal, and for `ESCAPE`.
pub(super) fn similar_instead(expr: &mut Expr) -> Result<()> {
    let at = position(expr);
    let Expr::SimilarTo { negated, expr: text, pattern, escape_char } = expr else {
        return Ok(());
    };
    let literal = match pattern.as_ref() {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(pattern) => Some(pattern.as_str()),
            _ => None,
        },
        _ => None,
    };
    let Some(pattern) = literal else {
        return Err(Error::unsupported("SIMILAR TO a pattern that is not a literal")
            .with_hint("Use ~ with a regular expression.")
            .at(at));
    };
    if escape_char.is_some() {
        return Err(Error::unsupported("ESCAPE of SIMILAR TO").at(at));
    }
    let value = std::mem::replace(text.as_mut(), build::literal(Value::Null));
    let regular = build::text(&regular(pattern));
    let matched = build::binary(value, BinaryOperator::PGRegexMatch, regular);
    let matched = Expr::Nested(Box::new(matched));
    *expr = match *negated {
        true => Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(matched) },
        false => matched,
    };
    Ok(())
}

fn regular(pattern: &str) -> String {
    let mut out = "^(?:".to_owned();
    let (mut escaped, mut class) = (false, false);
    for letter in pattern.chars() {
        if escaped {
            if !letter.is_alphanumeric() {
                out.push('\\');
            }
            out.push(letter);
            escaped = false;
            continue;
        }
        match letter {
            '\\' => escaped = true,
            '[' => {
                class = true;
                out.push(letter);
            }
            ']' => {
                class = false;
                out.push(letter);
            }
            _ if class => out.push(letter),
            '%' => out.push_str("(?s:.)*"),
            '_' => out.push_str("(?s:.)"),
            '.' | '^' | '$' => {
                out.push('\\');
                out.push(letter);
            }
            _ => out.push(letter),
        }
    }
    out.push_str(")$");
    out
}

#[cfg(test)]
mod tests {
    use super::regular;

    #[test]
    fn patterns_become_regular_expressions() {
        for (pattern, expected) in [
            ("a%", "^(?:a(?s:.)*)$"),
            ("_(b|c)*", "^(?:(?s:.)(b|c)*)$"),
            ("a.b", "^(?:a\\.b)$"),
            ("\\%[%]", "^(?:\\%[%])$"),
        ] {
            assert_eq!(regular(pattern), expected);
        }
    }
}
