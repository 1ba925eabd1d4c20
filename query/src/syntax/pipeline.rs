//! What does a QUERY pipeline say?
//!
//! ```text
//! pipeline = "QUERY" table [["AS"] name] { stage } [group] ["SELECT" ["DISTINCT"] list]
//!            ["ORDER BY" list] ["LIMIT" n] ["OFFSET" n]
//! stage    = "SIMILAR TO" expression "ON" column "TOP" n ["WITH" "(" "ef" "=" n ")"]
//!          | "TRAVERSE" edge ["OUT" | "IN" | "BOTH"] ["DEPTH" n [".." m]] ["FROM" name] ["AS" name]
//!          | "WHERE" expression
//!          | [kind] "JOIN" table "ON" expression
//! group    = ["GROUP BY" list] ["COMPUTE" name "=" expression {"," …}] ["WHERE" expression]
//! ```
//!
//! Clauses apply in the order written. A clause begins at its keyword outside of brackets; words
//! that are also operators or functions (`SIMILAR TO 'regex'`, `left(x, 1)`) are told apart by
//! what follows them.

use datafusion::sql::sqlparser::ast::{
    Distinct, Expr, GroupByExpr, Join, ObjectName, OrderByExpr, SelectItem, TableFactor,
};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan, Word};
use pieskieo_shards::request::Direction;

use super::Name;
use super::names::{name_of, names_of, single_name, system_name};
use super::parse::{expect_end, parser_error, parser_over, syntax_error};
use super::pattern::direction_named;
use super::pattern_parse::{hop_range, replace_patterns};
use super::tokens::{position, word};
use crate::error::{Error, Result, code};
use crate::limits::STAGES_MAX;

/// A pipeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Pipeline {
    /// The table it starts from.
    pub table: Name,
    /// The schema of the table, when it is one of the system's.
    pub system: Option<&'static str>,
    /// Its alias; the table's name when absent.
    pub alias: Option<Name>,
    /// What happens to the rows, in order.
    pub stages: Vec<Stage>,
    /// `GROUP BY` keys.
    pub group_by: Vec<Expr>,
    /// `COMPUTE` columns.
    pub compute: Vec<Computed>,
    /// `WHERE` after grouping.
    pub having: Option<Expr>,
    /// `SELECT` list; `None` when there is none.
    pub select: Option<Vec<SelectItem>>,
    /// `SELECT DISTINCT`.
    pub distinct: Option<Distinct>,
    /// `ORDER BY` list.
    pub order_by: Vec<OrderByExpr>,
    /// `LIMIT`.
    pub limit: Option<Expr>,
    /// `OFFSET`.
    pub offset: Option<Expr>,
}

/// One step of a pipeline before grouping.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// Keeps the rows nearest to a vector, nearest first.
    Similar {
        /// The vector searched for.
        query: Box<Expr>,
        /// The vector column, perhaps qualified.
        column: Vec<Name>,
        /// How many rows are kept.
        top: Box<Expr>,
        /// `WITH (name = value)`: `ef`, `recall`.
        options: Vec<(Name, Expr)>,
    },
    /// Follows edges from each row.
    Traverse(TraverseStage),
    /// Keeps the rows for which this is true.
    Where(Box<Expr>),
    /// Joins a table.
    Join(Box<Join>),
}

/// `TRAVERSE edge direction DEPTH min..max FROM source AS alias`.
#[derive(Clone, Debug, PartialEq)]
pub struct TraverseStage {
    /// The edge table.
    pub edge: Name,
    /// Which way.
    pub direction: Direction,
    /// Fewest hops, at least 1.
    pub min: u32,
    /// Most hops.
    pub max: u32,
    /// Alias the edges start from; the last traversed or first alias when absent.
    pub source: Option<Name>,
    /// Alias of the nodes reached; the reached table's name when absent.
    pub alias: Option<Name>,
}

/// `name = expression` of COMPUTE.
#[derive(Clone, Debug, PartialEq)]
pub struct Computed {
    /// The column.
    pub name: Name,
    /// Its value.
    pub value: Expr,
}

/// The kinds of clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clause {
    Similar,
    Traverse,
    Where,
    Join,
    GroupBy,
    Compute,
    Select,
    OrderBy,
    Limit,
    Offset,
}

/// Reads a pipeline from the tokens of one statement.
pub(super) fn parse(tokens: Vec<TokenWithSpan>) -> Result<Pipeline> {
    let tokens = replace_patterns(tokens)?;
    let starts = clause_starts(&tokens);
    if starts.len() > STAGES_MAX {
        let place = starts.get(STAGES_MAX).and_then(|(index, _)| tokens.get(*index));
        return Err(Error::new(
            code::STATEMENT_TOO_COMPLEX,
            "the statement exceeds the limit stages_max",
        )
        .with_detail(format!("The limit stages_max is {STAGES_MAX}."))
        .with_hint("Join conditions with AND, or send several statements.")
        .at(place.map_or(0, position)));
    }
    let head_end = starts.first().map_or(tokens.len(), |(index, _)| *index);
    let (table, alias) = head(&tokens, head_end)?;
    let (system, table) = match system_name(&table)? {
        Some((schema, table)) => (Some(schema), table),
        None => (None, single_name(&table)?),
    };
    let mut pipeline = Pipeline {
        table,
        system,
        alias,
        stages: Vec::new(),
        group_by: Vec::new(),
        compute: Vec::new(),
        having: None,
        select: None,
        distinct: None,
        order_by: Vec::new(),
        limit: None,
        offset: None,
    };
    let mut grouped = false;
    let mut last = Clause::Similar;
    for (number, (start, clause)) in starts.iter().enumerate() {
        let end = starts.get(number + 1).map_or(tokens.len(), |(index, _)| *index);
        check_order(&tokens, *start, last, *clause)?;
        last = *clause;
        let slice = tokens.get(..end).unwrap_or_default();
        grouped |= matches!(clause, Clause::GroupBy | Clause::Compute);
        add_clause(&mut pipeline, slice, *start, *clause, grouped)?;
    }
    Ok(pipeline)
}

/// Where each clause begins, outside of brackets.
fn clause_starts(tokens: &[TokenWithSpan]) -> Vec<(usize, Clause)> {
    let mut starts = Vec::new();
    let mut depth = 0_usize;
    let mut index = 1;
    while index < tokens.len() {
        match tokens[index].token {
            Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
            Token::RParen | Token::RBracket | Token::RBrace => depth = depth.saturating_sub(1),
            _ => {}
        }
        let found = if depth == 0 { clause_at(tokens, index) } else { None };
        if let Some((clause, length)) = found {
            starts.push((index, clause));
            index += length;
        } else {
            index += 1;
        }
    }
    starts
}

/// Returns whether a token is a name, quoted or not.
fn is_name(token: Option<&TokenWithSpan>) -> bool {
    token.is_some_and(|token| matches!(token.token, Token::Word(_)))
}

/// The clause that begins here, and how many words its keyword has.
fn clause_at(tokens: &[TokenWithSpan], index: usize) -> Option<(Clause, usize)> {
    // A word after a period is a column.
    if index > 0 && tokens[index - 1].token == Token::Period {
        return None;
    }
    let next = |ahead: usize| word(tokens.get(index + ahead));
    match word(tokens.get(index))?.as_str() {
        "SIMILAR" if next(1).as_deref() == Some("TO") && top_follows(tokens, index) => {
            Some((Clause::Similar, 2))
        }
        // The edge may be quoted, so that any word follows, not only a keyword.
        "TRAVERSE" if is_name(tokens.get(index + 1)) => Some((Clause::Traverse, 1)),
        "WHERE" => Some((Clause::Where, 1)),
        "JOIN" => Some((Clause::Join, 1)),
        "INNER" | "CROSS" | "NATURAL" if next(1).as_deref() == Some("JOIN") => {
            Some((Clause::Join, 2))
        }
        "LEFT" | "RIGHT" | "FULL" => match (next(1).as_deref(), next(2).as_deref()) {
            (Some("JOIN"), _) => Some((Clause::Join, 2)),
            (Some("OUTER"), Some("JOIN")) => Some((Clause::Join, 3)),
            _ => None,
        },
        "GROUP" if next(1).as_deref() == Some("BY") => Some((Clause::GroupBy, 2)),
        "COMPUTE" if next(1).is_some() => Some((Clause::Compute, 1)),
        "SELECT" => Some((Clause::Select, 1)),
        "ORDER" if next(1).as_deref() == Some("BY") => Some((Clause::OrderBy, 2)),
        "LIMIT" => Some((Clause::Limit, 1)),
        "OFFSET" => Some((Clause::Offset, 1)),
        _ => None,
    }
}

/// Whether `ON column TOP` follows before the next clause: then SIMILAR TO is no operator.
fn top_follows(tokens: &[TokenWithSpan], index: usize) -> bool {
    let mut depth = 0_usize;
    let mut on = false;
    for (offset, token) in tokens.iter().enumerate().skip(index + 2) {
        match token.token {
            Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
            Token::RParen | Token::RBracket | Token::RBrace => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > 0 {
            continue;
        }
        match word(Some(token)).as_deref() {
            Some("ON") => on = true,
            Some("TOP") => return on,
            Some("SIMILAR") => return false,
            _ if clause_at(tokens, offset).is_some() => return false,
            _ => {}
        }
    }
    false
}

fn check_order(tokens: &[TokenWithSpan], start: usize, last: Clause, clause: Clause) -> Result<()> {
    let rank = |clause: Clause| match clause {
        Clause::Similar | Clause::Traverse | Clause::Where | Clause::Join => 0,
        Clause::GroupBy => 1,
        Clause::Compute => 2,
        Clause::Select => 3,
        Clause::OrderBy => 4,
        Clause::Limit => 5,
        Clause::Offset => 6,
    };
    // WHERE after GROUP BY or COMPUTE filters the groups.
    let having = clause == Clause::Where && rank(last) <= rank(Clause::Compute);
    let repeats = rank(clause) == rank(last) && rank(clause) > 0;
    if (rank(clause) < rank(last) && !having) || repeats {
        let error = syntax_error(tokens, start, "the clauses of a pipeline in their order");
        return Err(error.with_hint(
            "Write SIMILAR TO, TRAVERSE, WHERE and JOIN first, then GROUP BY, COMPUTE, SELECT, \
             ORDER BY, LIMIT, OFFSET.",
        ));
    }
    Ok(())
}

/// `QUERY table [[AS] alias]`.
fn head(tokens: &[TokenWithSpan], end: usize) -> Result<(ObjectName, Option<Name>)> {
    let mut parser = parser_over(tokens.get(1..end).unwrap_or_default().to_vec());
    if end <= 1 {
        return Err(syntax_error(tokens, 1, "a table's name"));
    }
    let table = parser.parse_object_name(false).map_err(parser_error)?;
    let explicit = parser.parse_keyword(Keyword::AS);
    let alias = if explicit || parser.peek_token_ref().token != Token::EOF {
        Some(name_of(&parser.parse_identifier().map_err(parser_error)?))
    } else {
        None
    };
    expect_end(&mut parser).map_err(|error| {
        error.with_hint("Clauses are SIMILAR TO, TRAVERSE, WHERE, JOIN, GROUP BY and so on.")
    })?;
    Ok((table, alias))
}

/// Adds the clause whose tokens are those from `start` to the end of `tokens`.
fn add_clause(
    pipeline: &mut Pipeline,
    tokens: &[TokenWithSpan],
    start: usize,
    clause: Clause,
    grouped: bool,
) -> Result<()> {
    match clause {
        Clause::Similar => pipeline.stages.push(similar(tokens, start)?),
        Clause::Traverse => pipeline.stages.push(Stage::Traverse(traverse(tokens, start)?)),
        Clause::Where if grouped => {
            if pipeline.having.is_some() {
                return Err(syntax_error(tokens, start, "one WHERE after GROUP BY"));
            }
            pipeline.having = Some(expression(tokens, start + 1)?);
        }
        Clause::Where => {
            pipeline.stages.push(Stage::Where(Box::new(expression(tokens, start + 1)?)));
        }
        Clause::Join => pipeline.stages.push(Stage::Join(Box::new(join(tokens, start)?))),
        Clause::GroupBy => {
            pipeline.group_by = list(tokens, start + 2, |parser| parser.parse_expr())?;
        }
        Clause::Compute => pipeline.compute = compute(tokens, start)?,
        Clause::Select => select(pipeline, tokens, start)?,
        Clause::OrderBy => {
            pipeline.order_by = list(tokens, start + 2, |parser| parser.parse_order_by_expr())?;
        }
        Clause::Limit => pipeline.limit = Some(expression(tokens, start + 1)?),
        Clause::Offset => pipeline.offset = Some(expression(tokens, start + 1)?),
    }
    Ok(())
}

fn sub_parser(
    tokens: &[TokenWithSpan],
    start: usize,
) -> Result<datafusion::sql::sqlparser::parser::Parser<'static>> {
    let slice = tokens.get(start..).unwrap_or_default();
    if slice.is_empty() {
        return Err(syntax_error(tokens, tokens.len(), "an expression"));
    }
    Ok(parser_over(slice.to_vec()))
}

fn expression(tokens: &[TokenWithSpan], start: usize) -> Result<Expr> {
    let mut parser = sub_parser(tokens, start)?;
    let expr = parser.parse_expr().map_err(parser_error)?;
    expect_end(&mut parser)?;
    Ok(expr)
}

fn list<T>(
    tokens: &[TokenWithSpan],
    start: usize,
    item: impl FnMut(
        &mut datafusion::sql::sqlparser::parser::Parser<'static>,
    ) -> std::result::Result<T, datafusion::sql::sqlparser::parser::ParserError>,
) -> Result<Vec<T>> {
    let mut parser = sub_parser(tokens, start)?;
    let items = parser.parse_comma_separated(item).map_err(parser_error)?;
    expect_end(&mut parser)?;
    Ok(items)
}

/// `SIMILAR TO query ON column TOP n [WITH (ef = n)]`.
fn similar(tokens: &[TokenWithSpan], start: usize) -> Result<Stage> {
    let mut parser = sub_parser(tokens, start + 2)?;
    let query = parser.parse_expr().map_err(parser_error)?;
    parser.expect_keyword_is(Keyword::ON).map_err(parser_error)?;
    let column = names_of(&parser.parse_object_name(false).map_err(parser_error)?)?;
    parser.expect_keyword_is(Keyword::TOP).map_err(parser_error)?;
    let top = parser.parse_expr().map_err(parser_error)?;
    let mut options = Vec::new();
    if parser.parse_keyword(Keyword::WITH) {
        parser.expect_token(&Token::LParen).map_err(parser_error)?;
        options = parser
            .parse_comma_separated(|parser| {
                let name = name_of(&parser.parse_identifier()?);
                parser.expect_token(&Token::Eq)?;
                Ok((name, parser.parse_expr()?))
            })
            .map_err(parser_error)?;
        parser.expect_token(&Token::RParen).map_err(parser_error)?;
    }
    expect_end(&mut parser)?;
    Ok(Stage::Similar { query: Box::new(query), column, top: Box::new(top), options })
}

/// `TRAVERSE edge [OUT|IN|BOTH] [DEPTH n[..m]] [FROM name] [[AS] name]`.
fn traverse(tokens: &[TokenWithSpan], start: usize) -> Result<TraverseStage> {
    let mut parser = sub_parser(tokens, start + 1)?;
    let edge = single_name(&parser.parse_object_name(false).map_err(parser_error)?)?;
    let mut stage = TraverseStage {
        edge,
        direction: Direction::Out,
        min: 1,
        max: 1,
        source: None,
        alias: None,
    };
    if let Some(direction) =
        word(Some(parser.peek_token_ref())).as_deref().and_then(direction_named)
    {
        parser.next_token();
        stage.direction = direction;
    }
    if word(Some(parser.peek_token_ref())).as_deref() == Some("DEPTH") {
        parser.next_token();
        let place = position(parser.peek_token_ref());
        let mut text = String::new();
        while let Token::Number(number, _) = &parser.peek_token_ref().token {
            text.push_str(number);
            parser.next_token();
            while parser.consume_token(&Token::Period) {
                text.push('.');
            }
        }
        (stage.min, stage.max) = hop_range(&text, place)?;
    }
    if parser.parse_keyword(Keyword::FROM) {
        stage.source = Some(name_of(&parser.parse_identifier().map_err(parser_error)?));
    }
    if parser.parse_keyword(Keyword::AS) || parser.peek_token_ref().token != Token::EOF {
        stage.alias = Some(name_of(&parser.parse_identifier().map_err(parser_error)?));
    }
    expect_end(&mut parser)?;
    Ok(stage)
}

/// One join: read as the join of a FROM list whose first table is left out afterwards.
fn join(tokens: &[TokenWithSpan], start: usize) -> Result<Join> {
    let anchor =
        Word { value: "anchor".to_owned(), quote_style: None, keyword: Keyword::NoKeyword };
    let mut slice = vec![TokenWithSpan::new(Token::Word(anchor), Span::empty())];
    slice.extend_from_slice(tokens.get(start..).unwrap_or_default());
    let mut parser = parser_over(slice);
    let mut table = parser.parse_table_and_joins().map_err(parser_error)?;
    expect_end(&mut parser)?;
    match (table.joins.pop(), table.joins.is_empty(), &table.relation) {
        (Some(join), true, TableFactor::Table { .. }) => Ok(join),
        _ => Err(syntax_error(tokens, start, "one join")),
    }
}

/// `COMPUTE name = expression, …`.
fn compute(tokens: &[TokenWithSpan], start: usize) -> Result<Vec<Computed>> {
    list(tokens, start + 1, |parser| {
        let name = name_of(&parser.parse_identifier()?);
        parser.expect_token(&Token::Eq)?;
        Ok(Computed { name, value: parser.parse_expr()? })
    })
}

/// `SELECT [DISTINCT] list`.
fn select(pipeline: &mut Pipeline, tokens: &[TokenWithSpan], start: usize) -> Result<()> {
    let mut parser = sub_parser(tokens, start)?;
    let select = parser.parse_select().map_err(parser_error)?;
    expect_end(&mut parser)?;
    let grouped = match &select.group_by {
        GroupByExpr::Expressions(keys, _) => !keys.is_empty(),
        GroupByExpr::All(_) => true,
    };
    if !select.from.is_empty() || select.into.is_some() || grouped || select.having.is_some() {
        return Err(syntax_error(tokens, start, "a list of columns alone").with_hint(
            "A pipeline has its tables before SELECT: QUERY table ... SELECT columns.",
        ));
    }
    if select.projection.is_empty() {
        return Err(Error::new(code::SYNTAX_ERROR, "the SELECT list is empty")
            .at(tokens.get(start).map_or(0, position)));
    }
    pipeline.distinct = select.distinct;
    pipeline.select = Some(select.projection);
    Ok(())
}
