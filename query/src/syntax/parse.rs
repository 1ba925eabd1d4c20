//! Which statements does a text hold?

use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::dialect::DIALECT;
use super::names::name_of;
use super::tokens::{self, position, word};
use super::{
    ChannelStatement, CursorStatement, Parsed, Statement, alter, as_of, change, comment, create_as,
    cursor, definition, edit, merge, pattern_parse, pipeline, sequence, setting, transaction,
};
use crate::error::{Error, Result, code};
use crate::limits::NESTING_MAX;
use crate::suggest;

/// First words of the statements there are, for "did you mean".
const FIRST_WORDS: &[&str] = &[
    "ABORT",
    "ALTER",
    "BEGIN",
    "CLOSE",
    "COMMENT",
    "COMMIT",
    "CREATE",
    "DEALLOCATE",
    "DECLARE",
    "DELETE",
    "DESCRIBE",
    "DISCARD",
    "DROP",
    "END",
    "EXPLAIN",
    "FETCH",
    "INSERT",
    "LISTEN",
    "MERGE",
    "MOVE",
    "NOTIFY",
    "QUERY",
    "REFRESH",
    "RELEASE",
    "RESET",
    "ROLLBACK",
    "SAVEPOINT",
    "SELECT",
    "SET",
    "SHOW",
    "START",
    "TABLE",
    "TRUNCATE",
    "UNLISTEN",
    "UPDATE",
    "VALUES",
    "WITH",
];

/// Words that follow CREATE and DROP, for "did you mean".
const OBJECT_WORDS: &[&str] =
    &["COLLECTION", "EDGE", "INDEX", "MATERIALIZED", "SEQUENCE", "TABLE", "UNIQUE", "VIEW"];

/// Stack for a statement of the deepest shape the limits allow: 128 levels of some 40 KiB.
const STACK_PIECE: usize = 16 * 1024 * 1024;
/// Stack that must be left to read such a statement without a new piece.
const STACK_LEFT_MIN: usize = 8 * 1024 * 1024;

/// Reads all statements of a request.
///
/// **Errors**: 42601 with the position of the first token that does not fit, 0A000 for a statement
/// that is understood but not offered, 54000 and 54001 for limits. The first error ends the work.
pub fn parse(text: &str) -> Result<Vec<Parsed>> {
    let byte_at = ByteOffsets::of(text);
    tokens::statements(text)?
        .into_iter()
        .map(|tokens| {
            let range = byte_at.range(&tokens, text);
            let parameter_count = tokens::parameter_count(&tokens)?;
            let (tokens, as_of) = as_of::extract(tokens)?;
            let statement = parse_deep(tokens)?;
            let (mut statement, as_of) = as_of::attach(statement, as_of)?;
            if let Statement::CreateAs(create) = &mut statement {
                let (start, end) = (create.chars.start, create.chars.end);
                let query = text.get(byte_at.between(start, end, text));
                create.text = query.unwrap_or_default().to_owned();
            }
            if let Statement::Cursor(CursorStatement::Declare(declare)) = &mut statement {
                let (start, end) = (declare.chars.start, declare.chars.end);
                let query = text.get(byte_at.between(start, end, text));
                declare.text = query.unwrap_or_default().to_owned();
            }
            Ok(Parsed { statement, text: range, parameter_count, as_of })
        })
        .collect()
}

/// Reads the query of a view that is kept in the catalog. Returns also how many brackets are
/// inside each other in it.
///
/// **Errors**: as [`parse`].
pub(crate) fn parse_query(text: &str) -> Result<(Statement, usize)> {
    let mut statements = tokens::statements(text)?.into_iter();
    let (Some(tokens), None) = (statements.next(), statements.next()) else {
        return Err(Error::new(code::SYNTAX_ERROR, "expected one query"));
    };
    let nesting = tokens::nesting(&tokens);
    Ok((parse_deep(tokens)?, nesting))
}

fn parse_deep(tokens: Vec<TokenWithSpan>) -> Result<Statement> {
    if tokens::may_nest(&tokens) {
        return stacker::maybe_grow(STACK_LEFT_MIN, STACK_PIECE, || parse_tokens(tokens));
    }
    parse_tokens(tokens)
}

/// Reads one expression, for defaults stored in the catalog.
///
/// **Errors**: as [`parse`].
pub fn parse_expression(text: &str) -> Result<ast::Expr> {
    let mut statements = tokens::statements(text)?.into_iter();
    let tokens = match (statements.next(), statements.next()) {
        (Some(tokens), None) => tokens,
        _ => return Err(Error::new(code::SYNTAX_ERROR, "expected one expression")),
    };
    let mut parser = parser_over(tokens);
    let expr = parser.parse_expr().map_err(parser_error)?;
    expect_end(&mut parser)?;
    Ok(expr)
}

/// Reads the tokens of one statement.
pub(super) fn parse_tokens(tokens: Vec<TokenWithSpan>) -> Result<Statement> {
    let first = word(tokens.first());
    let second = word(tokens.get(1));
    match (first.as_deref(), second.as_deref()) {
        (Some("QUERY"), _) => pipeline::parse(tokens).map(|p| Statement::Pipeline(Box::new(p))),
        (Some("CREATE"), Some("COLLECTION")) => definition::parse_collection(tokens),
        (Some("CREATE"), Some("EDGE")) => definition::parse_edge(tokens),
        (Some("CREATE"), Some("SEQUENCE")) => sequence::parse_sequence(tokens),
        (Some("CREATE"), _) if create_as::is_create_as(&tokens) => create_as::parse(tokens),
        (Some("COMMENT"), _) => comment::parse(tokens),
        (Some("REFRESH"), _) => create_as::parse_refresh(tokens),
        (Some("DROP"), Some("COLLECTION" | "EDGE" | "VIEW" | "MATERIALIZED")) => {
            definition::parse_drop(tokens)
        }
        (Some("DECLARE"), _) => cursor::parse_declare(tokens),
        (Some("FETCH" | "MOVE"), _) => cursor::parse_fetch(&tokens),
        (Some("EXPLAIN"), _) => setting::parse_explain(tokens),
        (Some("SHOW" | "DESCRIBE" | "DESC"), _) => setting::parse_show(tokens),
        _ if transaction::is_transaction(&tokens) => transaction::parse(tokens),
        (Some("TABLE"), _) => parse_table(tokens),
        (Some("FROM"), _) => {
            Err(syntax_error(&tokens, 0, "a statement").with_hint("Begin with SELECT or QUERY."))
        }
        _ => parse_sql(tokens),
    }
}

/// Returns a parser over these tokens.
pub(super) fn parser_over(tokens: Vec<TokenWithSpan>) -> Parser<'static> {
    Parser::new(&DIALECT).with_recursion_limit(NESTING_MAX).with_tokens_with_locations(tokens)
}

/// Goes on behind some tokens.
pub(super) fn skip(parser: &mut Parser<'_>, count: usize) {
    for _ in 0..count {
        parser.next_token();
    }
}

/// Checks that nothing follows.
pub(super) fn expect_end(parser: &mut Parser<'_>) -> Result<()> {
    let next = parser.peek_token_ref();
    match next.token {
        Token::EOF => Ok(()),
        _ => Err(near(next, "the end of the statement")),
    }
}

/// Returns the error for a token that does not fit.
pub(super) fn near(token: &TokenWithSpan, expected: &str) -> Error {
    let message = match &token.token {
        Token::EOF => "syntax error at the end of the statement".to_owned(),
        other => format!("syntax error at or near \"{other}\""),
    };
    Error::new(code::SYNTAX_ERROR, message)
        .with_detail(format!("Expected {expected}."))
        .at(position(token))
}

/// Returns the error for the token at `index`.
pub(super) fn syntax_error(tokens: &[TokenWithSpan], index: usize, expected: &str) -> Error {
    match tokens.get(index) {
        Some(token) => near(token, expected),
        None => {
            let end = tokens.last().map_or(0, |token| token.span.end.column);
            near(&TokenWithSpan::wrap(Token::EOF), expected).at(usize::try_from(end).unwrap_or(0))
        }
    }
}

/// Returns the error of the parser below in our words.
///
/// Its text is `Expected: X, found: Y at Line: 1, Column: N`, where N counts from the start of
/// the request.
pub(super) fn parser_error(error: ParserError) -> Error {
    let text = match error {
        ParserError::RecursionLimitExceeded => {
            return Error::new(
                code::STATEMENT_TOO_COMPLEX,
                "the statement exceeds the limit nesting_max",
            )
            .with_detail(format!("The limit nesting_max is {NESTING_MAX}."))
            .with_hint("Split the statement, or put intermediate results into a WITH clause.");
        }
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
    };
    let (text, position) = match text.rsplit_once(" at Line: ") {
        Some((before, place)) => {
            let column = place.rsplit_once("Column: ").and_then(|(_, n)| n.trim().parse().ok());
            (before.to_owned(), column.unwrap_or(0))
        }
        None => (text, 0),
    };
    let Some((expected, found)) =
        text.strip_prefix("Expected: ").and_then(|rest| rest.rsplit_once(", found: "))
    else {
        return Error::new(code::SYNTAX_ERROR, lowered(&text)).at(position);
    };
    let message = match found {
        "EOF" => "syntax error at the end of the statement".to_owned(),
        found => format!("syntax error at or near \"{found}\""),
    };
    Error::new(code::SYNTAX_ERROR, message)
        .with_detail(format!("Expected {expected}."))
        .at(position)
}

/// Returns a sentence that begins in lower case, unless its first word is in capitals.
pub(super) fn lowered(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(first), Some(second)) if !second.is_uppercase() => {
            let mut lowered: String = first.to_lowercase().collect();
            lowered.push_str(&text[first.len_utf8()..]);
            lowered
        }
        _ => text.to_owned(),
    }
}

fn parse_sql(tokens: Vec<TokenWithSpan>) -> Result<Statement> {
    check_first_words(&tokens)?;
    let end = tokens.last().map_or(0, |token| token.span.end.column);
    let words: Vec<String> = tokens.iter().take(3).map(|token| token.token.to_string()).collect();
    let mut tokens = pattern_parse::replace_patterns(tokens)?;
    let overriding = change::take_overriding(&mut tokens);
    merge::replace_nothing(&mut tokens);
    let (tokens, targets) = edit::extract(tokens)?;
    let mut parser = parser_over(tokens);
    let statement = parser
        .parse_statement()
        .map_err(parser_error)
        .and_then(|statement| expect_end(&mut parser).map(|()| statement))
        .map_err(|error| error.at(usize::try_from(end).unwrap_or(0)))?;
    let mut statement = convert(statement, &words)?;
    if let Statement::Insert(insert) = &mut statement {
        insert.overriding = overriding;
    }
    edit::restore(&mut statement, &targets)?;
    Ok(statement)
}

/// `TABLE name …` as a statement is `SELECT * FROM name …`.
fn parse_table(mut tokens: Vec<TokenWithSpan>) -> Result<Statement> {
    let span = tokens[0].span;
    let word = |text| Token::make_keyword(text);
    let all = [word("SELECT"), Token::Mul, word("FROM")];
    tokens.splice(..1, all.map(|token| TokenWithSpan { token, span }));
    parse_sql(tokens)
}

fn check_first_words(tokens: &[TokenWithSpan]) -> Result<()> {
    let Some(first) = tokens.first() else {
        return Err(Error::new(code::SYNTAX_ERROR, "the statement is empty"));
    };
    if let (Token::Word(text), Some(upper)) = (&first.token, word(Some(first)))
        && text.keyword == datafusion::sql::sqlparser::keywords::Keyword::NoKeyword
    {
        let error = syntax_error(tokens, 0, "a statement");
        return Err(with_keyword(error, &upper, FIRST_WORDS));
    }
    if let (Some("CREATE" | "DROP"), Some(second)) =
        (word(Some(first)).as_deref(), word(tokens.get(1)))
        && let Some(meant) = suggest::nearest(&second, OBJECT_WORDS.iter().copied())
        && !OBJECT_WORDS.contains(&second.as_str())
    {
        let error = syntax_error(tokens, 1, "TABLE, COLLECTION, EDGE or INDEX");
        return Err(error.with_hint(format!("Did you mean {meant}?")));
    }
    Ok(())
}

fn with_keyword(error: Error, found: &str, words: &[&'static str]) -> Error {
    match suggest::nearest(found, words.iter().copied()) {
        Some(word) => error.with_hint(format!("Did you mean {word}?")),
        None => error.with_hint(
            "Statements begin with SELECT, QUERY, INSERT, UPDATE, DELETE, CREATE, DROP, EXPLAIN, \
             SET or SHOW.",
        ),
    }
}

fn convert(statement: ast::Statement, words: &[String]) -> Result<Statement> {
    use ast::Statement as Sql;
    match statement {
        Sql::Query(query) => change::from_query(query),
        Sql::Insert(insert) => change::from_insert(insert),
        Sql::Update(update) => change::from_update(update),
        Sql::Delete(delete) => change::from_delete(delete),
        Sql::Merge(merge) => merge::from_merge(merge),
        Sql::Truncate(truncate) => definition::from_truncate(truncate),
        Sql::CreateTable(table) => definition::from_create_table(table),
        Sql::CreateIndex(index) => definition::from_create_index(index),
        Sql::Drop { object_type, if_exists, names, cascade, .. } => {
            definition::from_drop(object_type, names, if_exists, cascade)
        }
        Sql::AlterTable(alter) => alter::from_alter_table(alter),
        Sql::AlterIndex { name, operation } => alter::from_alter_index(&name, &operation),
        Sql::Set(set) => setting::from_set(set),
        Sql::Reset(reset) => setting::from_reset(&reset),
        Sql::Discard { object_type } => Ok(Statement::Forget(setting::from_discard(&object_type))),
        Sql::Close { cursor } => Ok(Statement::Forget(setting::from_close(&cursor))),
        Sql::UNLISTEN { channel } => Ok(Statement::Forget(setting::from_unlisten(&channel))),
        Sql::LISTEN { channel } => {
            Ok(Statement::Channel(ChannelStatement::Listen(name_of(&channel))))
        }
        Sql::NOTIFY { channel, payload } => {
            let (channel, payload) = (name_of(&channel), payload.unwrap_or_default());
            Ok(Statement::Channel(ChannelStatement::Notify { channel, payload }))
        }
        Sql::Deallocate { name, .. } => Ok(Statement::Forget(setting::from_deallocate(&name))),
        Sql::CreateExtension(create) => setting::from_extension(&create),
        _ => Err(unsupported(words)),
    }
}

/// Names a statement that is understood and not offered, and the nearest way that is.
fn unsupported(words: &[String]) -> Error {
    const WAYS: &[(&str, usize, &str)] = &[
        ("ALTER", 2, "Drop it and create it again."),
        ("CREATE VIEW", 2, "Put the query into a WITH clause of each statement."),
        ("CREATE MATERIALIZED", 3, "Create a table and fill it with INSERT INTO ... SELECT."),
        ("CREATE TYPE", 2, "Use TEXT with CHECK (c IN ('a', 'b')) for a list of values."),
        ("CREATE SCHEMA", 2, "Use table names without a schema."),
        ("CREATE", 2, "CREATE makes a TABLE, COLLECTION, EDGE, INDEX, VIEW or SEQUENCE."),
        ("DROP", 2, "DROP removes a TABLE, COLLECTION, EDGE, INDEX, VIEW or SEQUENCE."),
        (
            "COPY",
            1,
            "Send it to POST /v1/copy with its data, or load records with POST /v1/tables/{table}/records.",
        ),
        ("ROLLBACK", 1, "Send the statements that belong together in one request."),
        ("PREPARE", 1, "Send parameters ($1, ...) with the statement; plans are cached by text."),
        ("EXECUTE", 1, "Send parameters ($1, ...) with the statement; plans are cached by text."),
        ("VACUUM", 1, "Old versions are removed by the server; leave the statement out."),
        ("ANALYZE", 1, "There are no statistics to gather; leave the statement out."),
        ("GRANT", 1, "There are no users yet."),
        ("REVOKE", 1, "There are no users yet."),
    ];
    let text = words.join(" ").to_uppercase();
    for (start, length, hint) in WAYS {
        let matches =
            text.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
        if matches {
            let shown: Vec<&str> = text.split(' ').take(*length).collect();
            return Error::unsupported(shown.join(" ")).with_hint(*hint);
        }
    }
    let first = text.split(' ').next().unwrap_or("the statement").to_owned();
    Error::unsupported(first).with_hint(
        "Statements begin with SELECT, QUERY, INSERT, UPDATE, DELETE, CREATE, DROP, EXPLAIN, SET \
         or SHOW.",
    )
}

/// Translates positions in characters to offsets in bytes.
enum ByteOffsets {
    /// Every character is one byte.
    Ascii,
    /// Offset of each character.
    Wide(Vec<usize>),
}

impl ByteOffsets {
    fn of(text: &str) -> Self {
        if text.is_ascii() {
            return Self::Ascii;
        }
        Self::Wide(text.char_indices().map(|(offset, _)| offset).collect())
    }

    fn at(&self, character: u64, text: &str) -> usize {
        let index = usize::try_from(character.saturating_sub(1)).unwrap_or(usize::MAX);
        match self {
            Self::Ascii => index.min(text.len()),
            Self::Wide(offsets) => offsets.get(index).copied().unwrap_or(text.len()),
        }
    }

    fn range(&self, tokens: &[TokenWithSpan], text: &str) -> std::ops::Range<usize> {
        let start = tokens.first().map_or(1, |token| token.span.start.column);
        let end = tokens.last().map_or(1, |token| token.span.end.column);
        self.between(start, end, text)
    }

    fn between(&self, start: u64, end: u64, text: &str) -> std::ops::Range<usize> {
        let start = self.at(start, text);
        start..self.at(end, text).max(start)
    }
}
