//! How do our logical nodes become operators?

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::Result;
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{LogicalPlan, UserDefinedLogicalNode};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};

use super::expand::Expand;
use super::lookup::Lookup;
use crate::exec::nodes::{ExpandExec, LookupExec};

/// DataFusion's planner, with our operators.
#[derive(Debug)]
pub struct Planner;

#[async_trait]
impl QueryPlanner for Planner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let planner = DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(Operators)]);
        planner.create_physical_plan(plan, session).await
    }
}

struct Operators;

#[async_trait]
impl ExtensionPlanner for Operators {
    async fn plan_extension(
        &self,
        _planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _logical_inputs: &[&LogicalPlan],
        inputs: &[Arc<dyn ExecutionPlan>],
        _session: &dyn Session,
        _context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let [input] = inputs else { return Ok(None) };
        let schema = node.schema().inner().clone();
        if let Some(expand) = node.as_any().downcast_ref::<Expand>() {
            return Ok(Some(Arc::new(ExpandExec::new(input.clone(), expand.parts()?, schema))));
        }
        if let Some(lookup) = node.as_any().downcast_ref::<Lookup>() {
            return Ok(Some(Arc::new(LookupExec::new(input.clone(), lookup.parts()?, schema))));
        }
        Ok(None)
    }
}
