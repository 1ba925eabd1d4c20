//! What does a query mean?

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{
    Distinct, Expr, GroupByExpr, LimitClause, NamedWindowExpr, OrderBy, OrderByExpr, OrderByKind,
    Query, Select, SelectItem, SetExpr, Value, With,
};
use pieskieo_shards::catalog::{Catalog, Table};

use super::from::rename;
use super::path::lowered;
use super::scope::{Relation, Scope, ScopeColumn};
use super::view::Views;
use super::{build, engine_function, set_operation, sets, text_search};
use crate::error::{Error, Result, code};
use crate::syntax::{Name, name_of};

/// Queries inside each other; beyond the parser's limit nothing arrives here.
const QUERY_DEPTH_MAX: usize = 2 * crate::limits::NESTING_MAX;

/// Binds one statement.
pub(super) struct Binder<'c> {
    pub catalog: &'c Catalog,
    /// WITH clauses around the current place, innermost last.
    ctes: Vec<Cte>,
    /// How many of them belong to statements around the view that is being bound.
    ctes_hidden: usize,
    depth: usize,
    /// What was read of views.
    pub views: Views<'c>,
    /// Whether the current expression is a condition of WHERE or HAVING, where the planner knows
    /// EXISTS.
    pub filtering: bool,
    /// What becomes of the current expression.
    pub place: Place,
    /// Whether a SELECT list shows objects of the catalog by their names.
    pub shows_names: bool,
}

/// What becomes of the value of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A row stays if it is true, and if all others like it are.
    All,
    /// A row may stay if it is true; null is as good as false.
    Some,
    /// Anything else: null is not false.
    Value,
}

/// Drops sort keys that come again: they order nothing, and the planner's DISTINCT ON does not
/// expect them.
fn drop_repeated(order: &mut Vec<OrderByExpr>) {
    let mut kept: Vec<OrderByExpr> = Vec::with_capacity(order.len());
    for key in order.drain(..) {
        if !kept.iter().any(|other| other.expr == key.expr) {
            kept.push(key);
        }
    }
    *order = kept;
}

/// A query of a WITH clause.
struct Cte {
    /// How the statement calls it.
    name: String,
    /// How the planner knows it: it does not let a name hide the same name of an outer query.
    unique: String,
    columns: Vec<ScopeColumn>,
}

impl<'c> Binder<'c> {
    pub fn new(catalog: &'c Catalog) -> Self {
        Self {
            catalog,
            ctes: Vec::new(),
            ctes_hidden: 0,
            depth: 0,
            views: Views::default(),
            filtering: false,
            place: Place::Value,
            shows_names: true,
        }
    }

    /// Returns the table with this name.
    ///
    /// **Errors**: 42P01, with a suggestion; 42809 for a view.
    pub fn table(&self, name: &Name) -> Result<&'c Arc<Table>> {
        self.catalog.table_named(&name.text).ok_or_else(|| self.no_table(name))
    }

    /// Returns the names of the WITH clauses that can be named here.
    pub fn cte_names(&self) -> impl Iterator<Item = &str> {
        self.ctes.iter().skip(self.ctes_hidden).map(|cte| cte.name.as_str())
    }

    /// Hides the WITH clauses so far. Returns what [`Binder::show_ctes`] undoes it with.
    pub fn hide_ctes(&mut self) -> usize {
        std::mem::replace(&mut self.ctes_hidden, self.ctes.len())
    }

    /// Shows the WITH clauses again that were hidden.
    pub fn show_ctes(&mut self, hidden: usize) {
        self.ctes_hidden = hidden;
    }

    /// Returns how many queries are around the current place.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Returns the planner's name and the columns of the WITH clause with this name.
    pub fn cte(&self, name: &str) -> Option<(&str, &[ScopeColumn])> {
        let shown = self.ctes.iter().skip(self.ctes_hidden);
        let found = shown.rev().find(|cte| cte.name == name)?;
        Some((&found.unique, &found.columns))
    }

    fn add_cte(&mut self, name: &str, columns: Vec<ScopeColumn>) -> String {
        let hides = self.ctes.iter().any(|cte| cte.name == name);
        let unique = if hides { format!("{name}__{}", self.ctes.len()) } else { name.to_owned() };
        self.ctes.push(Cte { name: name.to_owned(), unique: unique.clone(), columns });
        unique
    }

    /// Binds a query in place. Returns its columns; a column without a name stands for columns
    /// that are not known.
    pub fn bind_query(
        &mut self,
        query: &mut Query,
        parent: Option<&Scope<'_>>,
    ) -> Result<Vec<ScopeColumn>> {
        if self.depth == QUERY_DEPTH_MAX {
            return Err(Error::new(
                code::STATEMENT_TOO_COMPLEX,
                "the statement exceeds the limit nesting_max",
            ));
        }
        self.depth += 1;
        let cte_count = self.ctes.len();
        let filtering = std::mem::replace(&mut self.filtering, false);
        let place = std::mem::replace(&mut self.place, Place::Value);
        let bound = self.bind_query_parts(query, parent);
        self.filtering = filtering;
        self.place = place;
        self.ctes.truncate(cte_count);
        self.depth -= 1;
        bound
    }

    fn bind_query_parts(
        &mut self,
        query: &mut Query,
        parent: Option<&Scope<'_>>,
    ) -> Result<Vec<ScopeColumn>> {
        refuse(query)?;
        if let Some(with) = &mut query.with {
            self.bind_with(with, parent)?;
        }
        let mut order = order_keys(&mut query.order_by)?;
        let columns = match query.body.as_mut() {
            SetExpr::Select(select) => self.bind_select(select, &mut order, parent)?,
            body => {
                let columns = self.bind_set(body, parent)?;
                let scope = output_scope(&columns);
                name_json(&mut order, &columns);
                self.bind_order(&mut order, &scope)?;
                columns
            }
        };
        drop_repeated(&mut order);
        if !order.is_empty() {
            let kind = OrderByKind::Expressions(order);
            query.order_by = Some(OrderBy { kind, interpolate: None });
        }
        self.bind_limit(query)?;
        Ok(columns)
    }

    fn bind_limit(&mut self, query: &mut Query) -> Result<()> {
        let scope = Scope::default();
        if let Some(fetch) = query.fetch.take() {
            if fetch.percent || fetch.with_ties {
                return Err(
                    Error::unsupported("PERCENT or WITH TIES of FETCH").with_hint("Use LIMIT n.")
                );
            }
            let limit = fetch.quantity.unwrap_or_else(|| {
                build::literal(datafusion::sql::sqlparser::ast::Value::Number("1".into(), false))
            });
            let offset = match query.limit_clause.take() {
                Some(LimitClause::LimitOffset { offset, .. }) => offset.map(|offset| offset.value),
                _ => None,
            };
            query.limit_clause = build::limit(Some(limit), offset);
        }
        match &mut query.limit_clause {
            Some(LimitClause::LimitOffset { limit, offset, .. }) => {
                if let Some(limit) = limit {
                    self.bind_expr(limit, &scope)?;
                }
                if let Some(offset) = offset {
                    self.bind_expr(&mut offset.value, &scope)?;
                }
            }
            Some(LimitClause::OffsetCommaLimit { offset, limit }) => {
                self.bind_expr(offset, &scope)?;
                self.bind_expr(limit, &scope)?;
            }
            None => {}
        }
        Ok(())
    }

    fn bind_with(&mut self, with: &mut With, parent: Option<&Scope<'_>>) -> Result<()> {
        let recursive = with.recursive;
        for cte in &mut with.cte_tables {
            let name = name_of(&cte.alias.name);
            let unique =
                if recursive && let SetExpr::SetOperation { left, .. } = cte.query.body.as_mut() {
                    // The first arm says which columns the name has inside the second.
                    let mut first = left.as_ref().clone();
                    let mut columns = self.bind_set(&mut first, parent)?;
                    rename(&mut columns, &cte.alias)?;
                    let unique = self.add_cte(&name.text, columns);
                    self.bind_query(&mut cte.query, parent)?;
                    unique
                } else {
                    let mut columns = self.bind_query(&mut cte.query, parent)?;
                    rename(&mut columns, &cte.alias)?;
                    self.add_cte(&name.text, columns)
                };
            cte.alias.name = build::ident(&unique);
            for column in &mut cte.alias.columns {
                column.name = lowered(&column.name);
            }
        }
        Ok(())
    }

    fn bind_set(
        &mut self,
        body: &mut SetExpr,
        parent: Option<&Scope<'_>>,
    ) -> Result<Vec<ScopeColumn>> {
        match body {
            SetExpr::Select(select) => self.bind_select(select, &mut Vec::new(), parent),
            SetExpr::Query(query) => self.bind_query(query, parent),
            SetExpr::SetOperation { left, right, .. } => {
                self.count_in_view()?;
                let columns = self.bind_set(left, parent)?;
                let others = self.bind_set(right, parent)?;
                let known = |columns: &[ScopeColumn]| columns.iter().all(|c| !c.name.is_empty());
                if columns.len() != others.len() && known(&columns) && known(&others) {
                    return Err(Error::new(
                        code::SYNTAX_ERROR,
                        format!("the queries have {} and {} columns", columns.len(), others.len()),
                    )
                    .with_hint("Both sides of UNION, INTERSECT or EXCEPT need the same number."));
                }
                set_operation::count_repeated(body, &columns, &others)?;
                Ok(columns)
            }
            SetExpr::Values(values) => {
                let empty = Scope { parent, ..Scope::default() };
                let width = values.rows.first().map_or(0, |row| row.content.len());
                for row in &mut values.rows {
                    for expr in &mut row.content {
                        self.bind_expr(expr, &empty)?;
                    }
                }
                Ok((1..=width)
                    .map(|number| ScopeColumn {
                        hidden: false,
                        ..ScopeColumn::made(&format!("column{number}"))
                    })
                    .collect())
            }
            SetExpr::Table(table) => {
                let name = table.table_name.clone().unwrap_or_default().to_lowercase();
                let item = match &table.schema_name {
                    Some(schema) => build::table_in(&schema.to_lowercase(), &name, &name),
                    None => build::table(&name, None),
                };
                let from = vec![build::from_item(item)];
                let all = SelectItem::Wildcard(Default::default());
                *body = SetExpr::Select(Box::new(build::select(vec![all], from, None)));
                self.bind_set(body, parent)
            }
            _ => Err(Error::unsupported("a change inside a query")
                .with_hint("Send it as a statement of its own in the same request.")),
        }
    }

    /// Binds one SELECT and the sort keys of its query.
    fn bind_select(
        &mut self,
        select: &mut Select,
        order: &mut Vec<OrderByExpr>,
        parent: Option<&Scope<'_>>,
    ) -> Result<Vec<ScopeColumn>> {
        refuse_select(select)?;
        let mut scope = Scope { parent, ..Scope::default() };
        let mut filters: Vec<Expr> = select.selection.take().into_iter().collect();
        sets::move_to_from(&mut select.projection, &mut select.from)?;
        self.bind_from(&mut select.from, &mut scope, &mut filters)?;
        select.selection = build::all(filters);
        self.search_text(select, order, &mut scope)?;
        if let Some(key) = order.first()
            && engine_function::is_distance(&key.expr)
        {
            let mut distance = key.expr.clone();
            self.bind_expr(&mut distance, &scope)?;
            scope.distance = Some(distance);
        }
        if let Some(selection) = &mut select.selection {
            self.bind_filter(selection, &scope)?;
        }
        let list = self.bind_select_list(std::mem::take(&mut select.projection), &scope)?;
        select.projection = list.items;
        let outputs = output_aliases(&select.projection, &list.columns);
        scope.aliases = outputs.clone();
        self.bind_grouping(select, &scope)?;
        scope.aliases_first = true;
        let distinct = match &mut select.distinct {
            Some(Distinct::On(keys)) => {
                for key in keys {
                    self.bind_expr(key, &scope)?;
                }
                true
            }
            Some(_) => true,
            None => false,
        };
        name_json(order, &list.columns);
        self.bind_order_of_select(order, &scope, &outputs, distinct)?;
        Ok(list.columns)
    }

    fn bind_grouping(&mut self, select: &mut Select, scope: &Scope<'_>) -> Result<()> {
        if let GroupByExpr::Expressions(keys, _) = &mut select.group_by {
            for key in keys {
                self.bind_expr(key, scope)?;
            }
        }
        for condition in [&mut select.having, &mut select.qualify].into_iter().flatten() {
            self.bind_filter(condition, scope)?;
        }
        for window in &mut select.named_window {
            window.0 = lowered(&window.0);
            match &mut window.1 {
                NamedWindowExpr::NamedWindow(name) => *name = lowered(name),
                NamedWindowExpr::WindowSpec(spec) => self.bind_window(spec, scope)?,
            }
        }
        Ok(())
    }

    /// A sort key that is just an output column stays one, unless it is JSON.
    ///
    /// **Errors**: 0A000 for JSON where DISTINCT allows only output columns as keys.
    fn bind_order_of_select(
        &mut self,
        order: &mut Vec<OrderByExpr>,
        scope: &Scope<'_>,
        outputs: &BTreeMap<String, (Expr, bool)>,
        distinct: bool,
    ) -> Result<()> {
        let mut bound = Vec::with_capacity(order.len());
        for mut key in std::mem::take(order) {
            let output = match &key.expr {
                Expr::Identifier(ident) => {
                    let name = name_of(ident).text;
                    outputs.get(&name).map(|(_, json)| (name, *json))
                }
                _ => None,
            };
            match output {
                Some((_, true)) if distinct => {
                    return Err(Error::unsupported("ORDER BY a JSON value of SELECT DISTINCT")
                        .with_hint("Say which type is meant in the list, for example a::TEXT.")
                        .at(super::path::position(&key.expr)));
                }
                Some((name, false)) => {
                    key.expr = build::column(None, &name);
                    bound.push(key);
                }
                _ => {
                    let mut keys = vec![key];
                    if distinct {
                        self.bind_expr(&mut keys[0].expr, scope)?;
                    } else {
                        self.bind_order(&mut keys, scope)?;
                    }
                    bound.append(&mut keys);
                }
            }
        }
        *order = bound;
        Ok(())
    }

    /// Finds the alias whose text WHERE searches, so that SCORE() needs no argument, and adds a
    /// search of its own where the records are not scanned.
    fn search_text(
        &mut self,
        select: &mut Select,
        order: &[OrderByExpr],
        scope: &mut Scope<'_>,
    ) -> Result<()> {
        let searches = text_search::find(select.selection.as_ref(), scope);
        let [search] = searches.as_slice() else { return Ok(()) };
        scope.searched = Some(search.alias.clone());
        if search.scanned || !text_search::uses_score(select, order) {
            return Ok(());
        }
        let joined = text_search::join(search, scope);
        let Some(joined) = joined else { return Ok(()) };
        let mut item = vec![build::from_item(joined.relation)];
        let mut none = Vec::new();
        self.bind_from(&mut item, scope, &mut none)?;
        select.from.append(&mut item);
        let mut filters: Vec<Expr> = select.selection.take().into_iter().collect();
        filters.push(joined.condition);
        select.selection = build::all(filters);
        scope.searched = Some(joined.alias);
        Ok(())
    }
}

/// The scope in which a set operation's sort keys are bound: its output columns.
fn output_scope(columns: &[ScopeColumn]) -> Scope<'static> {
    let known = columns.iter().all(|column| !column.name.is_empty());
    let relation = Relation { known, ..Relation::derived(None, columns.to_vec()) };
    Scope { relations: vec![relation], ..Scope::default() }
}

/// Sort keys that are numbers of JSON columns become their names: JSON is sorted by keys of its own.
fn name_json(order: &mut [OrderByExpr], columns: &[ScopeColumn]) {
    for key in order {
        let Expr::Value(value) = &key.expr else { continue };
        let Value::Number(digits, _) = &value.value else { continue };
        let number = digits.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let column = number.and_then(|number| columns.get(number));
        if let Some(column) = column.filter(|column| column.json) {
            let mut ident = build::ident(&column.name);
            ident.span = value.span;
            key.expr = Expr::Identifier(ident);
        }
    }
}

/// What each output column stands for.
fn output_aliases(items: &[SelectItem], columns: &[ScopeColumn]) -> BTreeMap<String, (Expr, bool)> {
    let expressions = items.iter().filter_map(|item| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
        _ => None,
    });
    expressions
        .zip(columns)
        .map(|(expr, column)| (column.name.clone(), (expr.clone(), column.json)))
        .collect()
}

fn order_keys(order_by: &mut Option<OrderBy>) -> Result<Vec<OrderByExpr>> {
    match order_by.take().map(|order_by| order_by.kind) {
        None => Ok(Vec::new()),
        Some(OrderByKind::Expressions(keys)) => Ok(keys),
        Some(OrderByKind::All(_)) => {
            Err(Error::unsupported("ORDER BY ALL").with_hint("List the columns."))
        }
    }
}

fn refuse(query: &Query) -> Result<()> {
    let refused = [
        (!query.locks.is_empty(), "FOR UPDATE", "Leave it out: a conflict is found at commit."),
        (!query.pipe_operators.is_empty(), "the |> operator", "Use QUERY ... for a pipeline."),
    ];
    match refused.iter().find(|(refused, _, _)| *refused) {
        Some((_, thing, hint)) => Err(Error::unsupported(thing).with_hint(*hint)),
        None => Ok(()),
    }
}

fn refuse_select(select: &Select) -> Result<()> {
    let refused = [
        (select.into.is_some(), "SELECT ... INTO"),
        (select.top.is_some(), "TOP"),
        (!select.lateral_views.is_empty(), "LATERAL VIEW"),
        (!select.connect_by.is_empty(), "CONNECT BY"),
        (select.prewhere.is_some(), "PREWHERE"),
    ];
    match refused.iter().find(|(refused, _)| *refused) {
        Some((_, thing)) => Err(Error::unsupported(thing)),
        None => Ok(()),
    }
}
