//! What does a statement about a sequence say?

use datafusion::sql::sqlparser::ast::{Expr, SequenceOptions as Written, Value};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::TokenWithSpan;
use pieskieo_shards::value::ColumnType;

use super::column_type;
use super::names::{new_name, single_name};
use super::parse::{expect_end, near, parser_error, parser_over};
use super::{CreateSequence, SequenceOptions, Statement};
use crate::error::{Error, Result, code};

/// `CREATE SEQUENCE [IF NOT EXISTS] name [options]`; the options come in any order.
pub(super) fn parse_sequence(tokens: Vec<TokenWithSpan>) -> Result<Statement> {
    let mut parser = parser_over(tokens);
    parser.next_token();
    parser.next_token();
    let if_not_exists = parser.parse_keywords(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]);
    let name = parser.parse_object_name(false).map_err(parser_error)?;
    let name = new_name(single_name(&name)?)?;
    let mut options = SequenceOptions::default();
    while parse_option(&mut parser, &mut options)? {}
    expect_end(&mut parser)?;
    Ok(Statement::CreateSequence(CreateSequence { name, options, if_not_exists }))
}

/// Reads one option; `false` = there is none.
fn parse_option(parser: &mut Parser<'_>, options: &mut SequenceOptions) -> Result<bool> {
    if parser.parse_keyword(Keyword::AS) {
        let ty = column_type(&parser.parse_data_type().map_err(parser_error)?)?;
        if !matches!(ty, ColumnType::SmallInt | ColumnType::Int | ColumnType::BigInt) {
            return Err(Error::new(
                code::INVALID_PARAMETER_VALUE,
                "a sequence counts whole numbers",
            )
            .with_hint("Use AS SMALLINT, AS INT or AS BIGINT."));
        }
        options.ty = Some(ty);
    } else if parser.parse_keyword(Keyword::INCREMENT) {
        let _ = parser.parse_keyword(Keyword::BY);
        options.increment = Some(number(parser)?);
    } else if parser.parse_keyword(Keyword::MINVALUE) {
        options.min = Some(number(parser)?);
    } else if parser.parse_keyword(Keyword::MAXVALUE) {
        options.max = Some(number(parser)?);
    } else if parser.parse_keyword(Keyword::START) {
        let _ = parser.parse_keyword(Keyword::WITH);
        options.start = Some(number(parser)?);
    } else if parser.parse_keyword(Keyword::CACHE) {
        options.cache = Some(number(parser)?);
    } else if parser.parse_keyword(Keyword::CYCLE) {
        options.cycle = true;
    } else if parser.parse_keyword(Keyword::NO) {
        let known = [Keyword::MINVALUE, Keyword::MAXVALUE, Keyword::CYCLE];
        if parser.parse_one_of_keywords(&known).is_none() {
            return Err(near(parser.peek_token_ref(), "MINVALUE, MAXVALUE or CYCLE"));
        }
    } else if parser.parse_keywords(&[Keyword::OWNED, Keyword::BY]) {
        return Err(Error::unsupported("OWNED BY of a sequence")
            .with_hint("Make the column SERIAL or GENERATED ... AS IDENTITY instead."));
    } else {
        return Ok(false);
    }
    Ok(true)
}

fn number(parser: &mut Parser<'_>) -> Result<i64> {
    let expr = parser.parse_number().map_err(parser_error)?;
    whole(&expr)
}

fn whole(expr: &Expr) -> Result<i64> {
    let text = expr.to_string();
    text.replace(' ', "").parse().map_err(|_| {
        Error::new(code::INVALID_PARAMETER_VALUE, format!("{text} is not a whole number"))
            .with_hint("Use a number of 64 bits.")
    })
}

/// The options in brackets after AS IDENTITY.
pub(super) fn identity_options(written: Vec<Written>) -> Result<SequenceOptions> {
    let mut options = SequenceOptions::default();
    for option in written {
        match option {
            Written::IncrementBy(expr, _) => options.increment = Some(whole(&expr)?),
            Written::MinValue(expr) => options.min = expr.as_ref().map(whole).transpose()?,
            Written::MaxValue(expr) => options.max = expr.as_ref().map(whole).transpose()?,
            Written::StartWith(expr, _) => options.start = Some(whole(&expr)?),
            Written::Cache(expr) => options.cache = Some(whole(&expr)?),
            // The parser below notes whether there was a NO.
            Written::Cycle(no) => options.cycle = !no,
        }
    }
    Ok(options)
}

/// Returns the sequence a function of sequences is called for, if it is written as a text.
pub fn sequence_argument(expr: &Expr) -> Option<String> {
    let Expr::Value(value) = expr else { return None };
    let Value::SingleQuotedString(text) = &value.value else { return None };
    let name = text.strip_prefix("public.").unwrap_or(text);
    Some(match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(quoted) => quoted.to_owned(),
        None => name.to_lowercase(),
    })
}
