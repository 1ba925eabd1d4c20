//! How is DataFusion set up, and how does it plan?
//!
//! One set-up per number of shards and thread: making it costs about a millisecond (estimate),
//! planning with it does not.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use datafusion::common::config::{ConfigOptions, SpillCompression};
use datafusion::common::{DFSchema, Result};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{SessionState, SessionStateBuilder, TaskContext};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionConfig;
use datafusion::sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast;
use futures::FutureExt;
use pieskieo_io::time;
use pieskieo_shards::catalog::Catalog;

use super::casts;
use super::decorrelate::UnnestSubqueries;
use super::extension::Planner;
use super::names::Names;
use super::spans;
use crate::exec::counts::Counts;
use crate::exec::here::external;
use crate::exec::nodes::BATCH_ROWS;
use crate::exec::panicked;
use crate::exec::rules::{JoinBySorting, PaceOperators, PlaceExchanges, UseTop};
use crate::exec::scope::Scope;
use crate::functions::registry;
use crate::memory::QueryMemory;

/// DataFusion, set up for one number of shards.
pub struct Engine {
    memory: SessionState,
    cores: Option<SessionState>,
    disk: Option<SessionState>,
    counts: Arc<Counts>,
    runtime: Arc<RuntimeEnv>,
}

/// What a plan counts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// What its operators hold fits in memory, and is so little that one core joins and groups it.
    Memory,
    /// It fits in memory, and is so much that all cores join and group it: rows are shuffled.
    Cores,
    /// It does not: joins sort and merge, and batches are so small that every operator's part of
    /// the memory holds several.
    Disk,
}

/// Rows of a batch where memory is short.
const DISK_BATCH_ROWS: usize = 512;

thread_local! {
    static ENGINES: RefCell<BTreeMap<u16, Rc<Engine>>> = const { RefCell::new(BTreeMap::new()) };
    static MEMORY: RefCell<QueryMemory> = RefCell::new(QueryMemory::default());
}

impl Engine {
    /// Says which memory the queries of this thread share from now on.
    pub fn use_memory(memory: &QueryMemory) {
        ENGINES.with_borrow_mut(BTreeMap::clear);
        MEMORY.set(memory.clone());
    }

    /// Returns this thread's engine for a number of shards.
    ///
    /// **Errors**: none in practice.
    pub fn get(shard_count: u16) -> Result<Rc<Self>> {
        if let Some(engine) = ENGINES.with_borrow(|engines| engines.get(&shard_count).cloned()) {
            return Ok(engine);
        }
        let engine = Rc::new(Self::build(shard_count)?);
        ENGINES.with_borrow_mut(|engines| engines.insert(shard_count, engine.clone()));
        Ok(engine)
    }

    fn build(shard_count: u16) -> Result<Self> {
        let memory = MEMORY.with_borrow(QueryMemory::clone);
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(memory.pool())
            .with_disk_manager_builder(memory.disk(shard_count))
            .build_arc()?;
        let mut rules = PhysicalOptimizer::default().rules;
        rules.push(Arc::new(UseTop));
        rules.push(Arc::new(PlaceExchanges));
        let counts = Arc::new(Counts::default());
        let config = config(shard_count, &memory).with_extension(counts.clone());
        let cores = (shard_count > 1).then(|| {
            let config = config
                .clone()
                .with_repartition_aggregations(true)
                .with_repartition_joins(true)
                .with_repartition_windows(true)
                .with_repartition_sorts(true);
            state(config, &runtime, paced(&rules, true))
        });
        let disk = memory.can_spill().then(|| {
            let config =
                config.clone().with_batch_size(DISK_BATCH_ROWS).with_repartition_sorts(true);
            state(config, &runtime, paced(&by_sorting(&rules), false))
        });
        let memory = state(config, &runtime, paced(&rules, true));
        Ok(Self { memory, cores, disk, counts, runtime })
    }

    /// Plans a bound query. Parameters stay placeholders.
    ///
    /// **Errors**: names and types that do not fit.
    pub fn plan(&self, catalog: &Arc<Catalog>, query: ast::Query) -> Result<LogicalPlan> {
        let names = Names::new(catalog.clone(), self.options());
        let planner = SqlToRel::new_with_options(&names, parser_options());
        let statement = ast::Statement::Query(Box::new(query));
        guarded(|| {
            let plan = planner.sql_statement_to_plan(statement)?;
            casts::rewrite(spans::rewrite(plan)?)
        })
    }

    /// Plans an expression over the columns of a schema.
    ///
    /// **Errors**: names and types that do not fit.
    pub fn plan_expr(
        &self,
        catalog: &Arc<Catalog>,
        expr: ast::Expr,
        schema: &DFSchema,
    ) -> Result<Expr> {
        let names = Names::new(catalog.clone(), self.options());
        let planner = SqlToRel::new_with_options(&names, parser_options());
        guarded(|| {
            let expr = planner.sql_to_expr(expr, schema, &mut PlannerContext::new())?;
            casts::rewrite_expr(spans::rewrite_expr(expr, schema)?, schema)
        })
    }

    /// Compiles an expression: coerces types, folds constants.
    ///
    /// **Errors**: types that do not fit.
    pub fn compile(&self, expr: Expr, schema: &DFSchema) -> Result<Arc<dyn PhysicalExpr>> {
        guarded(|| {
            let state = started(&self.memory);
            let context = SimplifyContext::builder()
                .with_schema(Arc::new(schema.clone()))
                .with_config_options(self.options())
                .with_query_execution_start_time(state.execution_props().query_execution_start_time)
                .build();
            let simplifier = ExprSimplifier::new(context);
            // Some functions, such as coalesce, are only a way to write others.
            let expr = simplifier.simplify(simplifier.coerce(expr, schema)?)?;
            state.create_physical_expr(expr, schema)
        })
    }

    /// Returns whether more than one core can share the work.
    pub fn has_cores(&self) -> bool {
        self.cores.is_some()
    }

    /// Returns how many records the tables of this thread's queries have.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Returns whether there is a disk for what does not fit in memory.
    pub fn has_disk(&self) -> bool {
        self.disk.is_some()
    }

    /// Optimizes a plan without placeholders: types are coerced, constants folded, conditions put
    /// where they are checked.
    ///
    /// **Errors**: types that do not fit.
    pub fn optimized(&self, plan: &LogicalPlan) -> Result<LogicalPlan> {
        guarded(|| started(&self.memory).optimize(plan))
    }

    /// Optimizes a plan without placeholders and makes it runnable.
    ///
    /// **Errors**: types that do not fit, and operators that cannot run here.
    pub async fn physical(
        &self,
        plan: &LogicalPlan,
        means: Means,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let state = started(self.state(means));
        match AssertUnwindSafe(state.create_physical_plan(plan)).catch_unwind().await {
            Ok(plan) => plan,
            Err(cause) => Err(external(panicked(&*cause))),
        }
    }

    /// Returns what the operators of one run share.
    pub fn task(&self, scope: Scope, means: Means) -> Arc<TaskContext> {
        let config = self.state(means).config().clone();
        let config = config.with_extension(Arc::new(scope)).with_extension(Arc::new(means));
        Arc::new(TaskContext::new(
            None,
            String::new(),
            config,
            HashMap::new(),
            HashMap::new(),
            HashMap::new(),
            HashMap::new(),
            self.runtime.clone(),
        ))
    }

    fn state(&self, means: Means) -> &SessionState {
        let state = match means {
            Means::Memory => None,
            Means::Cores => self.cores.as_ref(),
            Means::Disk => self.disk.as_ref(),
        };
        state.unwrap_or(&self.memory)
    }

    fn options(&self) -> Arc<ConfigOptions> {
        self.memory.config().options().clone()
    }
}

type Rules = Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>>;

fn state(config: SessionConfig, runtime: &Arc<RuntimeEnv>, rules: Rules) -> SessionState {
    SessionStateBuilder::new()
        .with_config(config)
        .with_scalar_functions(registry().scalar.values().cloned().collect())
        .with_aggregate_functions(registry().aggregate.values().cloned().collect())
        .with_window_functions(registry().window.values().cloned().collect())
        .with_runtime_env(runtime.clone())
        .with_analyzer_rule(Arc::new(UnnestSubqueries))
        .with_physical_optimizer_rules(rules)
        .with_query_planner(Arc::new(Planner))
        .build()
}

/// The rules, and the one that joins by sorting right before the one that sees to distribution and
/// order.
fn by_sorting(rules: &Rules) -> Rules {
    let mut out: Rules = Vec::with_capacity(rules.len() + 1);
    for rule in rules {
        if rule.name() == "EnsureRequirements" {
            out.push(Arc::new(JoinBySorting));
        }
        out.push(rule.clone());
    }
    out
}

/// The rules, and the one that sees to it that nothing computes for long at one go.
fn paced(rules: &Rules, sorts_in_memory: bool) -> Rules {
    let mut rules = rules.clone();
    rules.push(Arc::new(PaceOperators { sorts_in_memory }));
    rules
}

/// A state that knows what time it is.
fn started(state: &SessionState) -> SessionState {
    let mut state = state.clone();
    state.mark_start_execution();
    let wall = DateTime::<Utc>::from_timestamp_micros(time::wall().0 as i64);
    state.execution_props_mut().query_execution_start_time = wall;
    state
}

/// Plans. A text from a client may lead a library of this size where it panics; that is an error
/// of the statement, not the end of the server: planning touches no data.
fn guarded<T>(plan: impl FnOnce() -> Result<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(plan)) {
        Ok(planned) => planned,
        Err(cause) => Err(external(panicked(&*cause))),
    }
}

fn config(shard_count: u16, memory: &QueryMemory) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_target_partitions(usize::from(shard_count))
        .with_batch_size(BATCH_ROWS)
        .with_information_schema(false)
        .with_round_robin_repartition(false)
        .with_repartition_aggregations(false)
        .with_repartition_joins(false)
        .with_repartition_windows(false)
        .with_repartition_sorts(false)
        .with_repartition_file_scans(false);
    let options = config.options_mut();
    // What a join knows of its build side narrows scans. The best of a sort are found otherwise:
    // by an index, or where the records are.
    options.optimizer.enable_dynamic_filter_pushdown = true;
    options.optimizer.enable_join_dynamic_filter_pushdown = true;
    options.optimizer.enable_topk_dynamic_filter_pushdown = false;
    options.optimizer.enable_aggregate_dynamic_filter_pushdown = false;
    options.execution.sort_spill_reservation_bytes = memory.merge_bytes();
    options.execution.spill_compression = SpillCompression::Lz4Frame;
    // An outer join makes columns nullable that the logical plan takes for never null.
    options.execution.skip_physical_aggregate_schema_check = true;
    // One pass less of the whole rule set; three are needed when conditions sink through joins.
    options.optimizer.max_passes = 3;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.execution.time_zone = Some("+00:00".to_owned());
    config
}

fn parser_options() -> ParserOptions {
    ParserOptions {
        // Names are lower case already unless they were quoted.
        enable_ident_normalization: false,
        map_string_types_to_utf8view: false,
        ..ParserOptions::new()
    }
}
