//! What do the names in a statement mean to the planner?

use std::sync::{Arc, OnceLock};

use arrow_schema::{DataType, FieldRef, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::catalog::cte_worktable::CteWorkTable;
use datafusion::common::config::ConfigOptions;
use datafusion::common::{Result, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::planner::{
    ContextProvider, ExprPlanner, RelationPlanner, TypePlanner,
};
use datafusion::logical_expr::{
    AggregateUDF, HigherOrderUDF, ScalarUDF, TableSource as PlannerTable, WindowUDF,
};
use datafusion::sql::sqlparser::ast;
use pieskieo_shards::catalog::Catalog;

use super::graph::table_named;
use super::relation::GraphRelations;
use super::sets::SetRelations;
use crate::exec::here::external;
use crate::exec::provider::TableSource;
use crate::functions::{Known, described, described_names, registry};
use crate::syntax::{Name, column_type};
use crate::system::{self, SystemSource};

/// The names of one catalog version, and the functions.
pub struct Names {
    catalog: Arc<Catalog>,
    /// What functions may ask of the catalog, once one does.
    known: OnceLock<Arc<Known>>,
    options: Arc<ConfigOptions>,
    relations: Vec<Arc<dyn RelationPlanner>>,
}

impl Names {
    /// Looks names up in a catalog.
    pub fn new(catalog: Arc<Catalog>, options: Arc<ConfigOptions>) -> Self {
        let relations: Vec<Arc<dyn RelationPlanner>> =
            vec![Arc::new(GraphRelations::new(catalog.clone())), Arc::new(SetRelations)];
        Self { catalog, known: OnceLock::new(), options, relations }
    }
}

impl ContextProvider for Names {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn PlannerTable>> {
        // Tables of views are named with the only schema of users, where a WITH could hide them.
        if let Some(schema) = name.schema().filter(|schema| *schema != "public") {
            let relation = Name { text: name.table().to_owned(), position: 0 };
            let relation = system::find(schema, &relation).map_err(external)?;
            return Ok(provider_as_source(Arc::new(SystemSource::new(
                relation,
                self.catalog.clone(),
            ))));
        }
        let table = table_named(&self.catalog, name.table())?.clone();
        let source = TableSource::new(self.catalog.clone(), table);
        Ok(provider_as_source(Arc::new(source) as Arc<dyn TableProvider>))
    }

    fn create_cte_work_table(
        &self,
        name: &str,
        schema: SchemaRef,
    ) -> Result<Arc<dyn PlannerTable>> {
        Ok(provider_as_source(Arc::new(CteWorkTable::new(name, schema))))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &registry().expr_planners
    }

    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        &self.relations
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(Types))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        let known = || self.known.get_or_init(|| Arc::new(Known::of(self.catalog.clone())));
        described(name, || known().clone()).or_else(|| registry().scalar(name))
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        registry().higher_order.get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        registry().aggregate.get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        registry().window.get(name).cloned()
    }

    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        &self.options
    }

    fn udf_names(&self) -> Vec<String> {
        let mut names = sorted(registry().scalar.keys());
        names.extend(described_names().map(str::to_owned));
        names
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        sorted(registry().higher_order.keys())
    }

    fn udaf_names(&self) -> Vec<String> {
        sorted(registry().aggregate.keys())
    }

    fn udwf_names(&self) -> Vec<String> {
        sorted(registry().window.keys())
    }
}

fn sorted<'a>(names: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut names: Vec<String> = names.cloned().collect();
    names.sort_unstable();
    names
}

/// Our types by name; the planner's own for what is not one of ours.
#[derive(Debug)]
struct Types;

impl TypePlanner for Types {
    fn plan_type_field(&self, ty: &ast::DataType) -> Result<Option<FieldRef>> {
        Ok(column_type(ty).ok().map(|ty| Arc::new(arrow_schema::Field::new("", ty.arrow(), true))))
    }
}
