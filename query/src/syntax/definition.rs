//! What does a CREATE, DROP or TRUNCATE say?

use datafusion::sql::sqlparser::ast::{
    self, CascadeOption, CreateTableOptions, Expr, IndexColumn, IndexType, ObjectName, ObjectType,
    TruncateIdentityOption, Value,
};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use pieskieo_shards::vector::Metric;

use super::constraint::{body, nulls_not_distinct};
use super::names::{name_of, new_name, single_name};
use super::parse::{expect_end, near, parser_error, parser_over, skip, syntax_error};
use super::{
    Body, CreateCollection, CreateEdge, CreateIndex, CreateTable, Drop, DropKind, IndexDefinition,
    IndexField, Name, Statement, Truncate,
};
use crate::error::{Error, Result, code};
use crate::suggest;

/// Operator classes of vector indexes.
const VECTOR_CLASSES: &[(&str, Metric)] = &[
    ("vector_l2_ops", Metric::L2),
    ("vector_cosine_ops", Metric::Cosine),
    ("vector_ip_ops", Metric::InnerProduct),
];

/// Ways an index can work, for "did you mean".
const METHODS: &[&str] = &["btree", "hnsw", "text"];

/// `CREATE TABLE`.
pub(super) fn from_create_table(table: ast::CreateTable) -> Result<Statement> {
    let refused = [
        (table.or_replace, "CREATE OR REPLACE TABLE", "Drop the table first."),
        (table.temporary, "CREATE TEMPORARY TABLE", "Use a WITH clause for intermediate results."),
        (
            table.query.is_some(),
            "an option of CREATE TABLE ... AS",
            "Write CREATE TABLE name (columns) AS query.",
        ),
        (table.like.is_some(), "CREATE TABLE ... LIKE", "List the columns."),
        (table.inherits.is_some(), "INHERITS", "List the columns."),
        (
            table.partition_by.is_some() || table.partition_of.is_some(),
            "PARTITION",
            "Leave it out: every table is spread over the shards by its key.",
        ),
        (table.table_options != CreateTableOptions::None, "a table option", "Leave it out."),
        (table.on_commit.is_some(), "ON COMMIT", "Leave it out."),
    ];
    if let Some((_, thing, hint)) = refused.iter().find(|(refused, _, _)| *refused) {
        return Err(Error::unsupported(thing).with_hint(*hint));
    }
    let name = new_name(single_name(&table.name)?)?;
    Ok(Statement::CreateTable(CreateTable {
        name,
        body: body(table.columns, table.constraints)?,
        if_not_exists: table.if_not_exists,
    }))
}

/// `CREATE COLLECTION [IF NOT EXISTS] name [(columns)]`.
pub(super) fn parse_collection(tokens: Vec<TokenWithSpan>) -> Result<Statement> {
    let mut parser = parser_over(tokens);
    skip(&mut parser, 2);
    let if_not_exists = if_not_exists(&mut parser)?;
    let name = object(&mut parser)?;
    let body = optional_body(&mut parser)?;
    expect_end(&mut parser)?;
    Ok(Statement::CreateCollection(CreateCollection { name, body, if_not_exists }))
}

/// `CREATE EDGE [IF NOT EXISTS] name FROM source TO target [(columns)]`.
pub(super) fn parse_edge(tokens: Vec<TokenWithSpan>) -> Result<Statement> {
    let mut parser = parser_over(tokens);
    skip(&mut parser, 2);
    let if_not_exists = if_not_exists(&mut parser)?;
    let name = object(&mut parser)?;
    expect_keyword(&mut parser, Keyword::FROM)?;
    let source = object(&mut parser)?;
    expect_keyword(&mut parser, Keyword::TO)?;
    let target = object(&mut parser)?;
    let body = optional_body(&mut parser)?;
    expect_end(&mut parser)?;
    if let Some(column) = body.key.first() {
        return Err(Error::unsupported("PRIMARY KEY of an edge")
            .with_hint("Leave it out: several edges may join the same two records.")
            .at(column.position));
    }
    Ok(Statement::CreateEdge(CreateEdge { name, source, target, body, if_not_exists }))
}

/// `DROP COLLECTION | EDGE | [MATERIALIZED] VIEW [IF EXISTS] names [CASCADE | RESTRICT]`.
pub(super) fn parse_drop(tokens: Vec<TokenWithSpan>) -> Result<Statement> {
    let (kind, words) = match super::tokens::word(tokens.get(1)).as_deref() {
        Some("COLLECTION") => (DropKind::Collection, 2),
        Some("EDGE") => (DropKind::Edge, 2),
        Some("VIEW") => (DropKind::View, 2),
        _ => (DropKind::MaterializedView, 3),
    };
    let view = super::tokens::word(tokens.get(2)).as_deref() == Some("VIEW");
    if kind == DropKind::MaterializedView && !view {
        return Err(syntax_error(&tokens, 2, "VIEW"));
    }
    let mut parser = parser_over(tokens);
    skip(&mut parser, words);
    let if_exists = parser.parse_keywords(&[Keyword::IF, Keyword::EXISTS]);
    let names = parser
        .parse_comma_separated(|parser| parser.parse_object_name(false))
        .map_err(parser_error)?;
    let cascade = parser.parse_keyword(Keyword::CASCADE);
    if !cascade {
        let _ = parser.parse_keyword(Keyword::RESTRICT);
    }
    expect_end(&mut parser)?;
    let names = names.iter().map(single_name).collect::<Result<_>>()?;
    Ok(Statement::Drop(Drop { kind, names, if_exists, cascade }))
}

/// `DROP TABLE | INDEX | SEQUENCE`.
pub(super) fn from_drop(
    object_type: ObjectType,
    names: Vec<ObjectName>,
    if_exists: bool,
    cascade: bool,
) -> Result<Statement> {
    let kind = match object_type {
        ObjectType::Table => DropKind::Table,
        ObjectType::Index => DropKind::Index,
        ObjectType::Sequence => DropKind::Sequence,
        other => {
            return Err(Error::unsupported(format!("DROP {other}"))
                .with_hint("DROP removes a TABLE, COLLECTION, EDGE, INDEX, VIEW or SEQUENCE."));
        }
    };
    if cascade && kind != DropKind::Table {
        return Err(Error::unsupported("DROP ... CASCADE of anything but a table")
            .with_hint("Drop what needs it first."));
    }
    let names = names.iter().map(single_name).collect::<Result<_>>()?;
    Ok(Statement::Drop(Drop { kind, names, if_exists, cascade }))
}

/// `TRUNCATE`.
pub(super) fn from_truncate(truncate: ast::Truncate) -> Result<Statement> {
    let refused = [
        (truncate.if_exists, "TRUNCATE IF EXISTS", "Leave IF EXISTS out."),
        (truncate.partitions.is_some(), "TRUNCATE of a partition", "Use DELETE FROM ... WHERE."),
        (truncate.on_cluster.is_some(), "ON CLUSTER", "Leave it out."),
    ];
    if let Some((_, thing, hint)) = refused.iter().find(|(refused, _, _)| *refused) {
        return Err(Error::unsupported(thing).with_hint(*hint));
    }
    let names = truncate.table_names.iter().map(|target| single_name(&target.name));
    Ok(Statement::Truncate(Truncate {
        names: names.collect::<Result<_>>()?,
        restarts: truncate.identity == Some(TruncateIdentityOption::Restart),
        cascade: truncate.cascade == Some(CascadeOption::Cascade),
    }))
}

/// `CREATE INDEX`.
pub(super) fn from_create_index(index: ast::CreateIndex) -> Result<Statement> {
    let refused = [
        (index.predicate.is_some(), "a partial index", "Leave WHERE out."),
        (!index.include.is_empty(), "INCLUDE of an index", "Add the columns to the index."),
        (
            !index.index_options.is_empty() || !index.alter_options.is_empty(),
            "an index option after the columns",
            "Use WITH (name = value).",
        ),
    ];
    if let Some((_, thing, hint)) = refused.iter().find(|(refused, _, _)| *refused) {
        return Err(Error::unsupported(thing).with_hint(*hint));
    }
    if index.nulls_distinct == Some(false) {
        return Err(nulls_not_distinct());
    }
    let name = index.name.as_ref().map(single_name).transpose()?.map(new_name).transpose()?;
    let table = single_name(&index.table_name)?;
    let options = Options::of(&index.with)?;
    let method = match &index.using {
        None | Some(IndexType::BTree) => "btree".to_owned(),
        Some(IndexType::Custom(method)) => method.value.to_lowercase(),
        Some(other) => other.to_string().to_lowercase(),
    };
    let definition = match method.as_str() {
        "btree" => ordered(&index.columns, &options)?,
        "hnsw" => vector(&index.columns, &options)?,
        "text" => text(&index.columns, &options)?,
        "ivfflat" => {
            return Err(Error::unsupported("an ivfflat index").with_hint("Use USING hnsw."));
        }
        "gin" => {
            return Err(Error::unsupported("a gin index").with_hint("Use USING text for words."));
        }
        other => {
            let error = Error::new(
                code::UNDEFINED_OBJECT,
                format!("index method \"{other}\" does not exist"),
            );
            return Err(match suggest::nearest(other, METHODS.iter().copied()) {
                Some(_) => error.with_suggestion(suggest::nearest(other, METHODS.iter().copied())),
                None => error.with_hint("Use btree, hnsw or text."),
            });
        }
    };
    if index.unique && !matches!(definition, IndexDefinition::Ordered { .. }) {
        return Err(Error::unsupported(format!("a unique index USING {method}"))
            .with_hint("Leave USING out."));
    }
    Ok(Statement::CreateIndex(CreateIndex {
        name,
        table,
        definition,
        unique: index.unique,
        if_not_exists: index.if_not_exists,
    }))
}

fn ordered(columns: &[IndexColumn], options: &Options) -> Result<IndexDefinition> {
    options.allow(&[])?;
    let columns = columns
        .iter()
        .map(|column| {
            let path = path(column)?;
            if column.operator_class.is_some() {
                return Err(Error::unsupported("an operator class of an ordered index")
                    .with_hint("Leave it out."));
            }
            match <[Name; 1]>::try_from(path) {
                Ok([name]) => Ok(name),
                Err(path) => Err(Error::unsupported("an ordered index on a path of a document")
                    .with_hint("Declare the field as a column of the collection.")
                    .at(path.first().map_or(0, |name| name.position))),
            }
        })
        .collect::<Result<_>>()?;
    Ok(IndexDefinition::Ordered { columns })
}

fn vector(columns: &[IndexColumn], options: &Options) -> Result<IndexDefinition> {
    options.allow(&["m", "ef_construction", "ef_search"])?;
    let [column] = columns else {
        return Err(Error::new(code::INVALID_OBJECT_DEFINITION, "a vector index has one column"));
    };
    let metric = match &column.operator_class {
        None => Metric::Cosine,
        Some(class) => metric(class)?,
    };
    let Ok([column]) = <[Name; 1]>::try_from(path(column)?) else {
        return Err(Error::unsupported("a vector index on a path of a document")
            .with_hint("Declare the field as a VECTOR(n) column of the collection."));
    };
    Ok(IndexDefinition::Vector {
        column,
        metric,
        m: options.number("m")?,
        ef_construction: options.number("ef_construction")?,
        ef_search: options.number("ef_search")?,
    })
}

fn metric(class: &ObjectName) -> Result<Metric> {
    let class = single_name(class)?;
    let found = VECTOR_CLASSES.iter().find(|(name, _)| *name == class.text);
    found.map(|(_, metric)| *metric).ok_or_else(|| {
        let names = VECTOR_CLASSES.iter().map(|(name, _)| *name);
        let error = Error::new(
            code::UNDEFINED_OBJECT,
            format!("operator class \"{}\" does not exist", class.text),
        )
        .at(class.position);
        match suggest::nearest(&class.text, names) {
            Some(meant) => error.with_suggestion(Some(meant)),
            None => error.with_hint("Use vector_l2_ops, vector_cosine_ops or vector_ip_ops."),
        }
    })
}

fn text(columns: &[IndexColumn], options: &Options) -> Result<IndexDefinition> {
    options.allow(&["stem"])?;
    let fields = columns
        .iter()
        .map(|column| path(column).map(|path| IndexField { path }))
        .collect::<Result<_>>()?;
    Ok(IndexDefinition::Text { fields, stem: options.flag("stem")?.unwrap_or(true) })
}

/// The names of an index column: `a`, `doc.a`, `(doc->'a'->>'b')`.
fn path(column: &IndexColumn) -> Result<Vec<Name>> {
    if column.column.options.asc == Some(false) || column.column.options.nulls_first.is_some() {
        return Err(Error::unsupported("DESC or NULLS in an index")
            .with_hint("Leave it out: an index is read in both directions."));
    }
    expression_path(&column.column.expr).ok_or_else(|| {
        Error::unsupported(format!("an index on the expression {}", column.column.expr))
            .with_hint("Index columns, or fields of a document such as doc.title.")
    })
}

fn expression_path(expr: &Expr) -> Option<Vec<Name>> {
    match expr {
        Expr::Identifier(ident) => Some(vec![name_of(ident)]),
        Expr::CompoundIdentifier(idents) => Some(idents.iter().map(name_of).collect()),
        Expr::Nested(inner) => expression_path(inner),
        Expr::BinaryOp {
            left,
            op: ast::BinaryOperator::Arrow | ast::BinaryOperator::LongArrow,
            right,
        } => {
            let mut path = expression_path(left)?;
            let Expr::Value(value) = right.as_ref() else { return None };
            let Value::SingleQuotedString(text) = &value.value else { return None };
            path.push(Name { text: text.clone(), position: super::position_of(value.span) });
            Some(path)
        }
        _ => None,
    }
}

/// `WITH (name = value, …)` of an index.
struct Options(Vec<(Name, String)>);

impl Options {
    fn of(with: &[Expr]) -> Result<Self> {
        with.iter()
            .map(|expr| match expr {
                Expr::BinaryOp { left, op: ast::BinaryOperator::Eq, right } => {
                    match left.as_ref() {
                        Expr::Identifier(ident) => {
                            Ok((name_of(ident), super::setting::value_text(right)))
                        }
                        _ => Err(option_error(expr)),
                    }
                }
                _ => Err(option_error(expr)),
            })
            .collect::<Result<_>>()
            .map(Self)
    }

    fn allow(&self, known: &[&'static str]) -> Result<()> {
        for (name, _) in &self.0 {
            if !known.contains(&name.text.as_str()) {
                let error = Error::new(
                    code::INVALID_PARAMETER_VALUE,
                    format!("this index has no option \"{}\"", name.text),
                )
                .at(name.position);
                return Err(match suggest::nearest(&name.text, known.iter().copied()) {
                    Some(meant) => error.with_suggestion(Some(meant)),
                    None if known.is_empty() => error.with_hint("Leave WITH out."),
                    None => error.with_hint(format!("Use {}.", known.join(", "))),
                });
            }
        }
        Ok(())
    }

    fn get(&self, wanted: &str) -> Option<&(Name, String)> {
        self.0.iter().find(|(name, _)| name.text == wanted)
    }

    fn number(&self, wanted: &str) -> Result<Option<usize>> {
        let Some((name, value)) = self.get(wanted) else { return Ok(None) };
        value.parse().map(Some).map_err(|_| {
            Error::new(
                code::INVALID_PARAMETER_VALUE,
                format!("option \"{wanted}\" must be a whole number, not {value}"),
            )
            .at(name.position)
        })
    }

    fn flag(&self, wanted: &str) -> Result<Option<bool>> {
        let Some((name, value)) = self.get(wanted) else { return Ok(None) };
        match value.to_lowercase().as_str() {
            "true" | "on" | "1" | "english" => Ok(Some(true)),
            "false" | "off" | "0" | "none" => Ok(Some(false)),
            _ => Err(Error::new(
                code::INVALID_PARAMETER_VALUE,
                format!("option \"{wanted}\" must be true or false, not {value}"),
            )
            .at(name.position)),
        }
    }
}

fn option_error(expr: &Expr) -> Error {
    Error::new(code::SYNTAX_ERROR, format!("\"{expr}\" is not an option"))
        .with_hint("Write WITH (name = value).")
}

/// Columns, key and constraints in brackets, if there are any.
fn optional_body(parser: &mut Parser<'_>) -> Result<Body> {
    if parser.peek_token_ref().token == Token::EOF {
        return Ok(Body::default());
    }
    if parser.peek_token_ref().token != Token::LParen {
        return Err(near(parser.peek_token_ref(), "( or the end of the statement"));
    }
    let (columns, constraints) = parser.parse_columns().map_err(parser_error)?;
    body(columns, constraints)
}

fn object(parser: &mut Parser<'_>) -> Result<Name> {
    let name = parser.parse_object_name(false).map_err(parser_error)?;
    new_name(single_name(&name)?)
}

fn if_not_exists(parser: &mut Parser<'_>) -> Result<bool> {
    Ok(parser.parse_keywords(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]))
}

fn expect_keyword(parser: &mut Parser<'_>, keyword: Keyword) -> Result<()> {
    parser.expect_keyword_is(keyword).map_err(parser_error)
}
