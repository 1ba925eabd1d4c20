//! What does a QUERY pipeline mean?
//!
//! Clauses are applied one after the other. What can be part of one SELECT is collected; a clause
//! that must see finished rows (SIMILAR TO, TRAVERSE) wraps what was collected into a subquery
//! without an alias, so that `p.name` keeps its meaning.

use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, Query, Select, SelectItem, TableWithJoins,
};
use pieskieo_shards::catalog::{IndexKind, Table};
use pieskieo_shards::value::ColumnType;
use pieskieo_shards::vector::Metric;

use super::from::system_relation;
use super::query::Binder;
use super::scope::{DEPTH, DISTANCE, Relation, SCORE, Scope, ScopeColumn};
use super::traversal::{TRAVERSE_FUNCTION, Traversal};
use super::{build, pattern, text_search};
use crate::error::{Error, Result, code};
use crate::syntax::{Name, Pipeline, Stage, TraverseStage};
use crate::system;

/// What has been collected.
struct Flow {
    from: Vec<TableWithJoins>,
    /// Conditions, bound.
    filters: Vec<Expr>,
    scope: Scope<'static>,
    /// Alias that TRAVERSE follows edges from.
    last: String,
    /// Whether SCORE() is called anywhere.
    wants_score: bool,
}

impl Binder<'_> {
    /// Lowers and binds a pipeline.
    pub(super) fn bind_pipeline(
        &mut self,
        pipeline: Pipeline,
    ) -> Result<(Query, Vec<ScopeColumn>)> {
        let alias = pipeline.alias.as_ref().unwrap_or(&pipeline.table).text.clone();
        let mut scope = Scope::default();
        let first = match pipeline.system {
            None => {
                self.source(&pipeline.table)?;
                let mut first = build::table(&pipeline.table.text, Some(&alias));
                self.bind_table(&mut first, &mut scope)?;
                first
            }
            Some(schema) => {
                let found = system::find(schema, &pipeline.table)?;
                let relation = Relation { name: Some(alias.clone()), ..system_relation(found) };
                scope.add(relation, pipeline.table.position)?;
                build::table_in(schema, found.name, &alias)
            }
        };
        let mut flow = Flow {
            from: vec![build::from_item(first)],
            filters: Vec::new(),
            scope,
            last: alias.clone(),
            wants_score: wants_score(&pipeline),
        };
        let mut pipeline = pipeline;
        for stage in std::mem::take(&mut pipeline.stages) {
            self.apply(&mut flow, stage)?;
        }
        self.finish(flow, pipeline)
    }

    fn apply(&mut self, flow: &mut Flow, stage: Stage) -> Result<()> {
        match stage {
            Stage::Where(condition) => self.apply_where(flow, *condition),
            Stage::Join(join) => {
                let mut join = *join;
                let mut filters = Vec::new();
                self.bind_join(&mut join, 0, &mut flow.scope, &mut filters)?;
                for mut filter in filters {
                    self.bind_passing(&mut filter, &flow.scope)?;
                    flow.filters.push(filter);
                }
                if let Some(item) = flow.from.last_mut() {
                    item.joins.push(join);
                }
                Ok(())
            }
            Stage::Similar { query, column, top, options } => {
                if let Some((name, _)) = options.first() {
                    return Err(refused_option(name));
                }
                self.apply_similar(flow, *query, &column, *top)
            }
            Stage::Traverse(stage) => self.apply_traverse(flow, stage),
        }
    }

    fn apply_where(&mut self, flow: &mut Flow, condition: Expr) -> Result<()> {
        let mut conditions = vec![condition];
        let searches = text_search::find(conditions.first(), &flow.scope);
        if let [search] = searches.as_slice() {
            flow.scope.searched = Some(search.alias.clone());
            if !search.scanned
                && flow.wants_score
                && let Some(joined) = text_search::join(search, &flow.scope)
            {
                let mut item = vec![build::from_item(joined.relation)];
                let mut none = Vec::new();
                self.bind_from(&mut item, &mut flow.scope, &mut none)?;
                flow.from.append(&mut item);
                conditions.push(joined.condition);
                flow.scope.searched = Some(joined.alias);
            }
        }
        for mut condition in conditions {
            self.bind_passing(&mut condition, &flow.scope)?;
            flow.filters.push(Expr::Nested(Box::new(condition)));
        }
        Ok(())
    }

    /// `SIMILAR TO query ON column TOP top`: the nearest rows become a subquery.
    fn apply_similar(
        &mut self,
        flow: &mut Flow,
        mut query: Expr,
        column: &[Name],
        mut top: Expr,
    ) -> Result<()> {
        let (alias, name, metric) = self.vector_column(flow, column)?;
        self.bind_expr(&mut query, &flow.scope)?;
        self.bind_expr(&mut top, &Scope::default())?;
        let function = match metric {
            Metric::L2 => "l2_distance",
            Metric::Cosine => "cosine_distance",
            Metric::InnerProduct => "negative_inner_product",
        };
        let vector = build::column(Some(&alias), &name);
        let distance = build::call(function, vec![vector.clone(), query]);
        flow.filters.push(Expr::IsNotNull(Box::new(vector)));
        let mut select = flow.wrap();
        // A search after a search measures anew.
        select.projection.retain(|item| !is_column(item, DISTANCE));
        select.projection.push(SelectItem::ExprWithAlias {
            expr: distance.clone(),
            alias: build::ident(DISTANCE),
        });
        let order = vec![build::ascending(distance)];
        let subquery = build::query(select, order, build::limit(Some(top), None));
        flow.from = vec![build::from_item(build::derived(subquery, None))];
        flow.scope.relations.retain(|relation| relation.name.is_some());
        flow.scope.relations.push(Relation::derived(None, vec![ScopeColumn::made(DISTANCE)]));
        Ok(())
    }

    /// The alias, name and metric of the column a search is by.
    fn vector_column(&self, flow: &Flow, column: &[Name]) -> Result<(String, String, Metric)> {
        let (alias, name) = match column {
            [name] => (None, name),
            [alias, name] => (Some(alias), name),
            _ => return Err(Error::new(code::SYNTAX_ERROR, "a vector column is wanted")),
        };
        let mut relations = flow.scope.relations.iter().filter(|relation| match alias {
            Some(alias) => relation.name.as_deref() == Some(&alias.text),
            None => relation.column(&name.text).is_some(),
        });
        let relation = match (relations.next(), alias) {
            (Some(relation), _) => relation,
            (None, Some(alias)) => {
                return Err(flow.scope.undefined_relation(&alias.text, alias.position));
            }
            (None, None) => match flow.scope.relations.first() {
                Some(first) => {
                    return Err(Scope::undefined_in(first, &name.text, name.position));
                }
                None => return Err(Error::internal("a pipeline without a table")),
            },
        };
        let Some(known) = relation.column(&name.text) else {
            return Err(Scope::undefined_in(relation, &name.text, name.position));
        };
        let (Some(ColumnType::Vector(_)), Some(alias)) = (&known.ty, &relation.name) else {
            return Err(Error::new(
                code::DATATYPE_MISMATCH,
                format!("column \"{}\" is not a vector", name.text),
            )
            .at(name.position));
        };
        // A view has no index that would say.
        let metric = relation.table.as_ref().map(|table| metric_of(table, &name.text));
        Ok((alias.clone(), name.text.clone(), metric.unwrap_or(Metric::Cosine)))
    }

    /// `TRAVERSE edge …`: the rows so far become the input of a traversal.
    fn apply_traverse(&mut self, flow: &mut Flow, stage: TraverseStage) -> Result<()> {
        let edge_name = self.current_name(&stage.edge.text);
        let edge = pattern::edge_table(self.catalog, &edge_name, stage.edge.position)?;
        let (near, far) = pattern::sides(edge, stage.direction, stage.edge.position)?;
        let source = stage.source.as_ref().map_or(flow.last.as_str(), |name| name.text.as_str());
        let position = stage.source.as_ref().map_or(stage.edge.position, |name| name.position);
        let Some(relation) = flow.scope.relation(source) else {
            return Err(flow.scope.undefined_relation(source, position));
        };
        let Some(table) = &relation.table else {
            let message = format!("\"{source}\" is no table, and no edge starts there");
            return Err(Error::new(code::WRONG_OBJECT_TYPE, message)
                .with_hint("Begin the pipeline with the table that the edge joins.")
                .at(position));
        };
        let Some(target) = self.catalog.tables.get(&far) else {
            return Err(Error::internal("an edge to a table that does not exist"));
        };
        if table.id != near {
            let wanted = self.catalog.tables.get(&near).map_or("", |table| table.name.as_str());
            return Err(Error::new(
                code::WRONG_OBJECT_TYPE,
                format!(
                    "edge \"{}\" starts at \"{wanted}\" that way, not at \"{}\"",
                    edge.name, table.name
                ),
            )
            .with_hint("Turn the direction around, or name the start: TRAVERSE edge FROM alias.")
            .at(position));
        }
        let alias = stage.alias.as_ref().map_or_else(|| target.name.clone(), |a| a.text.clone());
        let traversal = Traversal {
            edge: edge.name.clone(),
            direction: stage.direction,
            min: stage.min,
            max: stage.max,
            source_alias: source.to_owned(),
            source_table: table.name.clone(),
            alias: alias.clone(),
            table: target.name.clone(),
        };
        let input = build::query(flow.wrap(), Vec::new(), None);
        let args = vec![build::text(&traversal.encode()), Expr::Subquery(Box::new(input))];
        flow.from = vec![build::from_item(build::table_function(TRAVERSE_FUNCTION, args))];
        let mut reached = Relation { scanned: false, ..Relation::of_table(target, &alias) };
        self.note_tables([edge, target]);
        self.pin(&mut reached);
        reached.columns.push(ScopeColumn::made(DEPTH));
        let position = stage.alias.as_ref().map_or(stage.edge.position, |name| name.position);
        flow.scope.add(reached, position)?;
        flow.last = alias;
        Ok(())
    }

    fn finish(&mut self, flow: Flow, pipeline: Pipeline) -> Result<(Query, Vec<ScopeColumn>)> {
        let Flow { from, filters, mut scope, .. } = flow;
        let grouped = !pipeline.group_by.is_empty() || !pipeline.compute.is_empty();
        for computed in &pipeline.compute {
            let mut value = computed.value.clone();
            let json = self.bind_expr(&mut value, &scope)?;
            let value = Expr::Nested(Box::new(value));
            if scope.aliases.insert(computed.name.text.clone(), (value, json)).is_some() {
                return Err(Error::new(
                    code::DUPLICATE_COLUMN,
                    format!("column \"{}\" is computed twice", computed.name.text),
                )
                .at(computed.name.position));
            }
        }
        scope.aliases_first = true;
        let projection = match pipeline.select {
            Some(list) => list,
            None if grouped => group_list(&pipeline.group_by, &pipeline.compute),
            None => vec![SelectItem::Wildcard(Default::default())],
        };
        let list = self.bind_select_list(projection, &scope)?;
        let mut select = build::select(list.items, from, build::all(filters));
        select.distinct = pipeline.distinct;
        let mut keys = pipeline.group_by;
        let computed = std::mem::take(&mut scope.aliases);
        for key in &mut keys {
            self.bind_expr(key, &scope)?;
        }
        select.group_by = GroupByExpr::Expressions(keys, Vec::new());
        scope.aliases = computed;
        if let Some(mut having) = pipeline.having {
            self.bind_passing(&mut having, &scope)?;
            select.having = Some(having);
        }
        for (item, column) in select.projection.iter().zip(&list.columns) {
            if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                scope.aliases.entry(column.name.clone()).or_insert((expr.clone(), column.json));
            }
        }
        let mut order = pipeline.order_by;
        self.bind_order(&mut order, &scope)?;
        let mut limit = pipeline.limit;
        let mut offset = pipeline.offset;
        for bound in [&mut limit, &mut offset].into_iter().flatten() {
            self.bind_expr(bound, &Scope::default())?;
        }
        Ok((build::query(select, order, build::limit(limit, offset)), list.columns))
    }
}

impl Flow {
    /// Wraps what was collected into one SELECT of all columns; nothing is collected afterwards.
    ///
    /// Versions are not passed on, and scores only from where text was searched.
    fn wrap(&mut self) -> Select {
        let searched = self.scope.searched.clone().filter(|_| self.wants_score);
        for relation in &mut self.scope.relations {
            let scored = relation.name.is_some() && relation.name == searched;
            relation
                .columns
                .retain(|column| column.name != "_version" && (scored || column.name != SCORE));
            relation.scanned = false;
        }
        let projection =
            self.scope
                .relations
                .iter()
                .flat_map(|relation| {
                    let alias = relation.name.as_deref();
                    relation.columns.iter().map(move |column| {
                        SelectItem::UnnamedExpr(build::column(alias, &column.name))
                    })
                })
                .collect();
        let from = std::mem::take(&mut self.from);
        build::select(projection, from, build::all(std::mem::take(&mut self.filters)))
    }
}

fn is_column(item: &SelectItem, name: &str) -> bool {
    match item {
        SelectItem::UnnamedExpr(Expr::Identifier(ident)) => ident.value == name,
        _ => false,
    }
}

/// The distance a vector column is searched by: that of its first vector index, else cosine.
fn metric_of(table: &Table, column: &str) -> Metric {
    let position = table.column_named(column);
    let metrics = table.indexes.iter().filter_map(|index| match index.kind {
        IndexKind::Vector { column, metric, .. } if Some(column) == position => Some(metric),
        _ => None,
    });
    metrics.into_iter().next().unwrap_or(Metric::Cosine)
}

/// The output of a pipeline that groups and has no SELECT.
fn group_list(keys: &[Expr], compute: &[crate::syntax::Computed]) -> Vec<SelectItem> {
    let keys = keys.iter().cloned().map(SelectItem::UnnamedExpr);
    // The names stand for their values.
    let computed = compute
        .iter()
        .map(|computed| SelectItem::UnnamedExpr(build::column(None, &computed.name.text)));
    keys.chain(computed).collect()
}

fn refused_option(name: &Name) -> Error {
    match name.text.as_str() {
        "ef" | "ef_search" => Error::unsupported("WITH (ef = n) of SIMILAR TO")
            .with_hint("Send SET ef_search = n before the statement.")
            .at(name.position),
        "recall" => Error::unsupported("WITH (recall = r) of SIMILAR TO")
            .with_hint("Send SET ef_search = n before the statement: more is more exact.")
            .at(name.position),
        other => Error::new(
            code::INVALID_PARAMETER_VALUE,
            format!("SIMILAR TO has no option \"{other}\""),
        )
        .at(name.position),
    }
}

/// Whether a pipeline calls SCORE() anywhere.
fn wants_score(pipeline: &Pipeline) -> bool {
    let mut items = pipeline.select.clone().unwrap_or_default();
    let compute = pipeline.compute.iter().map(|computed| computed.value.clone());
    let keys = pipeline.group_by.iter().cloned();
    items.extend(compute.chain(keys).chain(pipeline.having.clone()).map(SelectItem::UnnamedExpr));
    for stage in &pipeline.stages {
        if let Stage::Where(condition) = stage {
            items.push(SelectItem::UnnamedExpr(condition.as_ref().clone()));
        }
    }
    text_search::uses_score(&build::select(items, Vec::new(), None), &pipeline.order_by)
}
