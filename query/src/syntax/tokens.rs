//! What are the tokens, where is each, and are they within the limits?
//!
//! White space and comments are dropped. The limits are checked here, before any recursive code
//! runs, so that no text can exhaust the stack.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{
    Location, Span, Token, TokenWithSpan, Tokenizer, TokenizerError,
};

use super::dialect::DIALECT;
use crate::error::{Error, Result, code};
use crate::limits::{
    JOINS_MAX, NESTING_MAX, OPERATORS_MAX, PARAMETERS_MAX, SET_OPERATIONS_MAX, STATEMENT_BYTES_MAX,
    STATEMENTS_MAX, TABLE_BRACKETS_MAX,
};

/// Splits a text into statements of tokens; empty statements are left out.
///
/// **Errors**: 42601 for text that has no tokens such as an open quote, 54000 and 54001 for limits.
pub(super) fn statements(text: &str) -> Result<Vec<Vec<TokenWithSpan>>> {
    if text.len() > STATEMENT_BYTES_MAX {
        return Err(Error::new(
            code::PROGRAM_LIMIT,
            format!("the text is {} bytes long", text.len()),
        )
        .with_detail(format!("The limit statement_bytes_max is {STATEMENT_BYTES_MAX}.")));
    }
    let lines = line_starts(text);
    let tokens = Tokenizer::new(&DIALECT, text)
        .tokenize_with_location()
        .map_err(|error| token_error(&error, &lines))?;
    let mut statements = Vec::new();
    let mut current = Vec::new();
    for TokenWithSpan { token, span } in tokens {
        match token {
            Token::Whitespace(_) | Token::EOF => {}
            Token::SemiColon => close(&mut current, &mut statements)?,
            token => {
                let span = Span::new(flat(span.start, &lines), flat(span.end, &lines));
                current.push(TokenWithSpan::new(operator(token), span));
            }
        }
    }
    close(&mut current, &mut statements)?;
    Ok(statements)
}

/// Returns how many brackets are inside each other at most.
pub(super) fn nesting(tokens: &[TokenWithSpan]) -> usize {
    let (mut depth, mut most) = (0_usize, 0);
    for token in tokens {
        match token.token {
            Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
            Token::RParen | Token::RBracket | Token::RBrace => depth = depth.saturating_sub(1),
            _ => {}
        }
        most = depth.max(most);
    }
    most
}

/// Returns the highest parameter number used.
pub(super) fn parameter_count(tokens: &[TokenWithSpan]) -> Result<usize> {
    let mut count = 0;
    for token in tokens {
        if let Token::Placeholder(text) = &token.token {
            let number = text.strip_prefix('$').and_then(|digits| digits.parse::<usize>().ok());
            match number {
                Some(number) if (1..=PARAMETERS_MAX).contains(&number) => count = count.max(number),
                _ => {
                    return Err(Error::new(
                        code::UNDEFINED_PARAMETER,
                        format!("parameter {text} is not one of $1 to ${PARAMETERS_MAX}"),
                    )
                    .with_hint("Number parameters from $1.")
                    .at(position(token)));
                }
            }
        }
    }
    Ok(count)
}

/// Tokens that can nest a statement, above which it is read on a larger stack.
const NESTING_TOKENS: usize = 16;

/// Returns whether a statement could be nested deeply.
pub(super) fn may_nest(tokens: &[TokenWithSpan]) -> bool {
    let nests = tokens.iter().filter(|token| match &token.token {
        Token::LParen | Token::LBracket | Token::LBrace => true,
        Token::Minus | Token::Plus | Token::Tilde | Token::ExclamationMark => true,
        Token::Word(word) => matches!(word.keyword, Keyword::NOT | Keyword::CASE),
        _ => false,
    });
    nests.take(NESTING_TOKENS).count() == NESTING_TOKENS
}

/// Returns where a token starts, in characters from 1.
pub(super) fn position(token: &TokenWithSpan) -> usize {
    super::position_of(token.span)
}

/// Returns the keyword of a token, if it is an unquoted word.
pub(super) fn word(token: Option<&TokenWithSpan>) -> Option<String> {
    match token.map(|token| &token.token) {
        Some(Token::Word(word)) if word.quote_style.is_none() => Some(word.value.to_uppercase()),
        _ => None,
    }
}

fn close(current: &mut Vec<TokenWithSpan>, statements: &mut Vec<Vec<TokenWithSpan>>) -> Result<()> {
    if current.is_empty() {
        return Ok(());
    }
    let tokens = std::mem::take(current);
    check_limits(&tokens)?;
    if statements.len() == STATEMENTS_MAX {
        return Err(Error::new(code::PROGRAM_LIMIT, "the text holds too many statements")
            .with_detail(format!("The limit statements_max is {STATEMENTS_MAX}."))
            .at(tokens.first().map_or(0, position)));
    }
    statements.push(tokens);
    Ok(())
}

/// Characters before each line.
fn line_starts(text: &str) -> Vec<usize> {
    let mut starts = vec![0];
    for (index, char) in text.chars().enumerate() {
        if char == '\n' {
            starts.push(index + 1);
        }
    }
    starts
}

/// A location whose column counts from the start of the text.
fn flat(location: Location, lines: &[usize]) -> Location {
    let line = usize::try_from(location.line).unwrap_or(0);
    match line.checked_sub(1).and_then(|line| lines.get(line)) {
        Some(start) => Location { line: 1, column: location.column + *start as u64 },
        None => location,
    }
}

fn token_error(error: &TokenizerError, lines: &[usize]) -> Error {
    let position = usize::try_from(flat(error.location, lines).column).unwrap_or(0);
    let message = super::parse::lowered(&error.message);
    Error::new(code::SYNTAX_ERROR, message)
        .with_hint("Close every quote, comment and bracket.")
        .at(position)
}

/// The distance operators become custom ones, which bind tighter than comparisons.
fn operator(token: Token) -> Token {
    match token {
        Token::Spaceship => Token::CustomBinaryOperator("<=>".to_owned()),
        Token::TwoWayArrow => Token::CustomBinaryOperator("<->".to_owned()),
        token => token,
    }
}

/// What has been counted inside one bracket.
#[derive(Clone, Copy, Default)]
struct Level {
    /// ORs since the last comma.
    ors: usize,
    /// ANDs since the last OR, and the most between two ORs.
    ands: usize,
    ands_max: usize,
    /// Other operators since the last AND or OR, and the most between two of them.
    others: usize,
    others_max: usize,
    /// Whether the tokens belong to a FROM list.
    tables: bool,
}

/// What has been counted while walking the tokens of one statement.
#[derive(Default)]
struct Counts {
    /// One entry per open bracket, and one for the statement itself.
    levels: Vec<Level>,
    set_operations: usize,
    joins: usize,
    /// Opening brackets directly before this token, and whether a table may follow them.
    run: usize,
    run_is_table: bool,
}

fn check_limits(tokens: &[TokenWithSpan]) -> Result<()> {
    let mut counts = Counts { levels: vec![Level::default()], ..Counts::default() };
    for (index, token) in tokens.iter().enumerate() {
        let previous = index.checked_sub(1).and_then(|index| tokens.get(index));
        count(&mut counts, token, previous);
        let exceeded = exceeded(&counts);
        if let Some((name, limit)) = exceeded {
            return Err(Error::new(
                code::STATEMENT_TOO_COMPLEX,
                format!("the statement exceeds the limit {name}"),
            )
            .with_detail(format!("The limit {name} is {limit}."))
            .with_hint("Split the statement, or put intermediate results into a WITH clause.")
            .at(position(token)));
        }
    }
    Ok(())
}

fn exceeded(counts: &Counts) -> Option<(&'static str, usize)> {
    let operators =
        counts.levels.last().map_or(0, |level| level.ors + level.ands_max + level.others_max);
    let limits = [
        (counts.levels.len() - 1, "nesting_max", NESTING_MAX),
        (operators, "operators_max", OPERATORS_MAX),
        (counts.set_operations, "set_operations_max", SET_OPERATIONS_MAX),
        (counts.joins, "joins_max", JOINS_MAX),
        (
            if counts.run_is_table { counts.run } else { 0 },
            "table_brackets_max",
            TABLE_BRACKETS_MAX,
        ),
    ];
    limits.into_iter().find(|(count, _, limit)| count > limit).map(|(_, name, limit)| (name, limit))
}

fn count(counts: &mut Counts, token: &TokenWithSpan, previous: Option<&TokenWithSpan>) {
    if token.token == Token::LParen {
        if counts.run == 0 {
            counts.run_is_table = may_precede_table(counts, previous);
        }
        counts.run += 1;
    } else {
        counts.run = 0;
    }
    match &token.token {
        Token::LParen | Token::LBracket | Token::LBrace => counts.levels.push(Level::default()),
        Token::RParen | Token::RBracket | Token::RBrace => {
            if counts.levels.len() > 1 {
                counts.levels.pop();
            }
        }
        Token::Comma => {
            if let Some(level) = counts.levels.last_mut() {
                *level = Level { tables: level.tables, ..Level::default() };
            }
        }
        Token::Word(word) => count_word(counts, word.keyword),
        Token::Number(..) | Token::Placeholder(_) | Token::Period => {}
        Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_) => {}
        _ => add_operator(counts),
    }
}

fn count_word(counts: &mut Counts, keyword: Keyword) {
    match keyword {
        Keyword::UNION | Keyword::INTERSECT | Keyword::EXCEPT => counts.set_operations += 1,
        Keyword::JOIN => counts.joins += 1,
        Keyword::OR => {
            if let Some(level) = counts.levels.last_mut() {
                (level.ors, level.ands, level.others) = (level.ors + 1, 0, 0);
            }
        }
        Keyword::AND => {
            if let Some(level) = counts.levels.last_mut() {
                (level.ands, level.others) = (level.ands + 1, 0);
                level.ands_max = level.ands_max.max(level.ands);
            }
        }
        Keyword::NOT
        | Keyword::IS
        | Keyword::IN
        | Keyword::LIKE
        | Keyword::ILIKE
        | Keyword::BETWEEN
        | Keyword::COLLATE
        | Keyword::NOTNULL
        | Keyword::SIMILAR
        | Keyword::OPERATOR
        | Keyword::AT => add_operator(counts),
        Keyword::FROM | Keyword::USING => set_tables(counts, true),
        Keyword::SELECT
        | Keyword::WHERE
        | Keyword::GROUP
        | Keyword::HAVING
        | Keyword::ORDER
        | Keyword::LIMIT
        | Keyword::VALUES
        | Keyword::SET
        | Keyword::RETURNING => set_tables(counts, false),
        _ => {}
    }
}

fn add_operator(counts: &mut Counts) {
    if let Some(level) = counts.levels.last_mut() {
        level.others += 1;
        level.others_max = level.others_max.max(level.others);
    }
}

fn set_tables(counts: &mut Counts, tables: bool) {
    if let Some(level) = counts.levels.last_mut() {
        level.tables = tables;
    }
}

fn may_precede_table(counts: &Counts, previous: Option<&TokenWithSpan>) -> bool {
    match previous.map(|token| &token.token) {
        Some(Token::Word(word)) => matches!(
            word.keyword,
            Keyword::FROM | Keyword::JOIN | Keyword::USING | Keyword::LATERAL | Keyword::UPDATE
        ),
        Some(Token::Comma) => counts.levels.last().is_some_and(|level| level.tables),
        _ => false,
    }
}
