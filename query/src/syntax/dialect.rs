//! Which grammar is underneath ours?
//!
//! PostgreSQL's, with one feature off: named arguments whose name is an expression
//! (`json_object('a': 1)`). To find them the parser reads every argument twice, so `abs(abs(…))`
//! doubles the work with every level; thirty levels would keep a core busy for minutes. Two forms of
//! PostgreSQL's that the parser below does not know are added, `BETWEEN SYMMETRIC` and `VARIADIC`,
//! and what `IS DISTINCT FROM` takes ends where PostgreSQL ends it.
//!
//! Only the methods that PostgreSQL's dialect itself changes are listed.

use std::any::TypeId;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, ObjectName, UnaryOperator,
};
use datafusion::sql::sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

/// Name of the call that stands for `VARIADIC array` among the arguments of a function.
pub(crate) const VARIADIC: &str = "__variadic";

/// The dialect of every parser here.
#[derive(Debug)]
pub(super) struct Pql;

/// The one instance.
pub(super) static DIALECT: Pql = Pql;

const POSTGRES: PostgreSqlDialect = PostgreSqlDialect {};

macro_rules! as_postgres {
    ($($name:ident;)*) => {
        $(fn $name(&self) -> bool {
            POSTGRES.$name()
        })*
    };
}

impl Dialect for Pql {
    fn dialect(&self) -> TypeId {
        TypeId::of::<PostgreSqlDialect>()
    }

    fn supports_named_fn_args_with_expr_name(&self) -> bool {
        false
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        POSTGRES.identifier_quote_style(identifier)
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        POSTGRES.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        POSTGRES.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        POSTGRES.is_identifier_part(ch)
    }

    fn is_reserved_for_identifier(&self, kw: Keyword) -> bool {
        POSTGRES.is_reserved_for_identifier(kw)
    }

    fn is_custom_operator_part(&self, ch: char) -> bool {
        POSTGRES.is_custom_operator_part(ch)
    }

    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        POSTGRES.get_next_precedence(parser)
    }

    fn prec_value(&self, prec: Precedence) -> u8 {
        POSTGRES.prec_value(prec)
    }

    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        let variadic = is_word(parser, 0, Keyword::VARIADIC);
        let opens = parser.peek_nth_token(1).token == Token::LParen;
        if !variadic || opens {
            return None;
        }
        parser.next_token();
        Some(parser.parse_expr().map(variadic_call))
    }

    fn parse_infix(
        &self,
        parser: &mut Parser<'_>,
        expr: &Expr,
        _precedence: u8,
    ) -> Option<Result<Expr, ParserError>> {
        if is_word(parser, 0, Keyword::IS) {
            return distinct(parser, expr);
        }
        let negated = is_word(parser, 0, Keyword::NOT);
        let at = usize::from(negated);
        let symmetric =
            is_word(parser, at, Keyword::BETWEEN) && is_word(parser, at + 1, Keyword::SYMMETRIC);
        let asymmetric =
            is_word(parser, at, Keyword::BETWEEN) && is_word(parser, at + 1, Keyword::ASYMMETRIC);
        if !symmetric && !asymmetric {
            return None;
        }
        for _ in 0..at + 2 {
            parser.next_token();
        }
        let expr = expr.clone();
        Some(parser.parse_between(expr, negated).map(|between| match symmetric {
            true => either_way(between),
            false => between,
        }))
    }

    as_postgres! {
        supports_unicode_string_literal;
        supports_filter_during_aggregation;
        supports_group_by_expr;
        allow_extract_custom;
        allow_extract_single_quotes;
        supports_create_index_with_clause;
        supports_explain_with_utility_options;
        supports_listen_notify;
        supports_factorial_operator;
        supports_bitwise_shift_operators;
        supports_comment_on;
        supports_load_extension;
        supports_named_fn_args_with_colon_operator;
        supports_empty_projections;
        supports_nested_comments;
        supports_string_escape_constant;
        supports_numeric_literal_underscores;
        supports_array_typedef_with_brackets;
        supports_geometric_types;
        supports_set_names;
        supports_alter_column_type_using;
        supports_notnull_operator;
        supports_interval_options;
        supports_insert_table_alias;
        supports_create_table_like_parenthesized;
        supports_select_wildcard_with_alias;
        supports_comma_separated_trim;
        supports_xml_expressions;
        supports_comment_optimizer_hint;
    }
}

fn is_word(parser: &Parser<'_>, at: usize, keyword: Keyword) -> bool {
    matches!(parser.peek_nth_token(at).token, Token::Word(word) if word.keyword == keyword)
}

fn variadic_call(array: Expr) -> Expr {
    let list = FunctionArgumentList {
        duplicate_treatment: None,
        args: vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(array))],
        clauses: Vec::new(),
    };
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(VARIADIC)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(list),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// `x IS [NOT] DISTINCT FROM y`; `None` for any other IS. What the parser below takes for `y` goes
/// on behind an AND.
fn distinct(parser: &mut Parser<'_>, left: &Expr) -> Option<Result<Expr, ParserError>> {
    let negated = is_word(parser, 1, Keyword::NOT);
    let at = 1 + usize::from(negated);
    if !is_word(parser, at, Keyword::DISTINCT) || !is_word(parser, at + 1, Keyword::FROM) {
        return None;
    }
    for _ in 0..at + 2 {
        parser.next_token();
    }
    let left = Box::new(left.clone());
    let precedence = POSTGRES.prec_value(Precedence::Is);
    Some(parser.parse_subexpr(precedence).map(|right| match negated {
        true => Expr::IsNotDistinctFrom(left, Box::new(right)),
        false => Expr::IsDistinctFrom(left, Box::new(right)),
    }))
}

/// `x BETWEEN SYMMETRIC a AND b`: between them in one order or the other.
fn either_way(between: Expr) -> Expr {
    let Expr::Between { expr, negated, low, high } = between else { return between };
    let one =
        Expr::Between { expr: expr.clone(), negated: false, low: low.clone(), high: high.clone() };
    let other = Expr::Between { expr, negated: false, low: high, high: low };
    let either =
        Expr::BinaryOp { left: Box::new(one), op: BinaryOperator::Or, right: Box::new(other) };
    let either = Expr::Nested(Box::new(either));
    match negated {
        true => Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(either) },
        false => either,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_read_as_in_postgres() {
        for text in [
            "SELECT a::INT, b -> 'x' ->> 'y', c @> d, E'\\n', x IS NOT DISTINCT FROM y, 5 !",
            "SELECT count(*) FILTER (WHERE a) FROM t GROUP BY GROUPING SETS ((a), ())",
            "CREATE INDEX i ON t USING hnsw (v vector_l2_ops) WITH (m = 16)",
            "INSERT INTO t AS x VALUES (1) ON CONFLICT (a) DO UPDATE SET a = excluded.a",
            "SELECT 1 << 2, ~ 3, 'a' ~* 'b', extract(year FROM d), 1_000, $1, a[1], -- x\n 2",
            "SELECT abs(abs(1))",
        ] {
            let ours = Parser::parse_sql(&DIALECT, text).map(|parsed| format!("{parsed:?}"));
            let theirs = Parser::parse_sql(&POSTGRES, text).map(|parsed| format!("{parsed:?}"));
            assert_eq!(ours, theirs, "{text}");
        }
    }
}
