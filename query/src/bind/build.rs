//! How are pieces of a syntax tree made?

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, GroupByExpr, Ident, LimitClause, ObjectName, ObjectNamePart, OrderBy,
    OrderByExpr, OrderByKind, OrderByOptions, Query, Select, SelectFlavor, SelectItem, SetExpr,
    TableAlias, TableFactor, TableFunctionArgs, TableWithJoins, Value, ValueWithSpan,
    helpers::attached_token::AttachedToken,
};
use datafusion::sql::sqlparser::tokenizer::Span;

/// `CASE WHEN condition THEN result ... ELSE otherwise END`.
pub(crate) fn case(
    branches: impl IntoIterator<Item = (Expr, Expr)>,
    otherwise: Option<Expr>,
) -> Expr {
    let when = |(condition, result)| CaseWhen { condition, result };
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: branches.into_iter().map(when).collect(),
        else_result: otherwise.map(Box::new),
    }
}

/// A name, quoted so that it is taken as it is.
pub(super) fn ident(name: &str) -> Ident {
    Ident { value: name.to_owned(), quote_style: Some('"'), span: Span::empty() }
}

/// `name` or `relation.name`.
pub(super) fn column(relation: Option<&str>, name: &str) -> Expr {
    match relation {
        Some(relation) => Expr::CompoundIdentifier(vec![ident(relation), ident(name)]),
        None => Expr::Identifier(ident(name)),
    }
}

/// A name of one part.
pub(super) fn object(name: &str) -> ObjectName {
    ObjectName(vec![ObjectNamePart::Identifier(ident(name))])
}

/// `schema.name`.
pub(super) fn object_in(schema: &str, name: &str) -> ObjectName {
    ObjectName(vec![schema, name].into_iter().map(ident).map(ObjectNamePart::Identifier).collect())
}

/// A text literal.
pub(super) fn text(value: &str) -> Expr {
    literal(Value::SingleQuotedString(value.to_owned()))
}

/// A whole number.
pub(super) fn number(value: u64) -> Expr {
    literal(Value::Number(value.to_string(), false))
}

/// A literal.
pub(super) fn literal(value: Value) -> Expr {
    Expr::Value(ValueWithSpan { value, span: Span::empty() })
}

/// `name(args)`.
pub(super) fn call(name: &str, args: Vec<Expr>) -> Expr {
    let args = args.into_iter().map(argument).collect();
    Expr::Function(Function {
        name: object(name),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn argument(expr: Expr) -> FunctionArg {
    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
}

/// `left op right`, in brackets.
pub(super) fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::Nested(Box::new(Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }))
}

/// All conditions joined by AND; `None` for none.
pub(super) fn all(conditions: Vec<Expr>) -> Option<Expr> {
    conditions.into_iter().reduce(|left, right| Expr::BinaryOp {
        left: Box::new(left),
        op: BinaryOperator::And,
        right: Box::new(right),
    })
}

/// `table [AS alias]`.
pub(super) fn table(name: &str, alias: Option<&str>) -> TableFactor {
    TableFactor::Table {
        name: object(name),
        alias: alias.map(table_alias),
        args: None,
        with_hints: Vec::new(),
        version: None,
        with_ordinality: false,
        partitions: Vec::new(),
        json_path: None,
        sample: None,
        index_hints: Vec::new(),
    }
}

/// As [`table`], of a name of several parts.
pub(super) fn table_named(name: ObjectName, alias: Option<&str>) -> TableFactor {
    let mut factor = table("", alias);
    if let TableFactor::Table { name: slot, .. } = &mut factor {
        *slot = name;
    }
    factor
}

/// `schema.table AS alias`.
pub(super) fn table_in(schema: &str, name: &str, alias: &str) -> TableFactor {
    let mut factor = table(name, Some(alias));
    if let TableFactor::Table { name: within, .. } = &mut factor {
        *within = object_in(schema, name);
    }
    factor
}

/// `name(args)` in a FROM list.
pub(super) fn table_function(name: &str, args: Vec<Expr>) -> TableFactor {
    let mut factor = table(name, None);
    if let TableFactor::Table { args: slot, .. } = &mut factor {
        let args = args.into_iter().map(argument).collect();
        *slot = Some(TableFunctionArgs { args, settings: None });
    }
    factor
}

/// `(query) [AS alias]` in a FROM list.
pub(super) fn derived(query: Query, alias: Option<TableAlias>) -> TableFactor {
    TableFactor::Derived { lateral: false, subquery: Box::new(query), alias, sample: None }
}

/// `AS name`.
pub(super) fn table_alias(name: &str) -> TableAlias {
    TableAlias { explicit: true, name: ident(name), columns: Vec::new(), at: None }
}

/// One item of a FROM list.
pub(super) fn from_item(relation: TableFactor) -> TableWithJoins {
    TableWithJoins { relation, joins: Vec::new() }
}

/// `SELECT projection FROM from WHERE filter`.
pub(super) fn select(
    projection: Vec<SelectItem>,
    from: Vec<TableWithJoins>,
    selection: Option<Expr>,
) -> Select {
    Select {
        select_token: AttachedToken::empty(),
        optimizer_hints: Vec::new(),
        distinct: None,
        select_modifiers: None,
        top: None,
        top_before_distinct: false,
        projection,
        exclude: None,
        into: None,
        from,
        lateral_views: Vec::new(),
        prewhere: None,
        selection,
        connect_by: Vec::new(),
        group_by: GroupByExpr::Expressions(Vec::new(), Vec::new()),
        cluster_by: Vec::new(),
        distribute_by: Vec::new(),
        sort_by: Vec::new(),
        having: None,
        named_window: Vec::new(),
        qualify: None,
        window_before_qualify: false,
        value_table_mode: None,
        flavor: SelectFlavor::Standard,
    }
}

/// A query of one select.
pub(super) fn query(
    select: Select,
    order_by: Vec<OrderByExpr>,
    limit_clause: Option<LimitClause>,
) -> Query {
    let order_by = match order_by.is_empty() {
        true => None,
        false => Some(OrderBy { kind: OrderByKind::Expressions(order_by), interpolate: None }),
    };
    Query {
        with: None,
        body: Box::new(SetExpr::Select(Box::new(select))),
        order_by,
        limit_clause,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}

/// `LIMIT limit OFFSET offset`.
pub(super) fn limit(limit: Option<Expr>, offset: Option<Expr>) -> Option<LimitClause> {
    use datafusion::sql::sqlparser::ast::{Offset, OffsetRows};
    if limit.is_none() && offset.is_none() {
        return None;
    }
    Some(LimitClause::LimitOffset {
        limit,
        offset: offset.map(|value| Offset { value, rows: OffsetRows::None }),
        limit_by: Vec::new(),
    })
}

/// One ascending sort key.
pub(super) fn ascending(expr: Expr) -> OrderByExpr {
    OrderByExpr { expr, options: OrderByOptions { asc: None, nulls_first: None }, with_fill: None }
}
