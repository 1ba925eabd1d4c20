//! What is following edges, before it is known how?

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef};
use datafusion::common::{Column, DFSchema, DFSchemaRef, Result, TableReference};
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};
use pieskieo_shards::value::ColumnType;

use super::graph::exactly_one;
use crate::exec::expand::Hops;
use crate::exec::nodes::ExpandParts;

/// Columns an expansion adds to its input.
pub const ADDED: usize = 4;

/// What an expansion is asked to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExpandSpec {
    /// What is followed.
    pub hops: Hops,
    /// Name of the edge table, for EXPLAIN.
    pub edge_name: String,
    /// The input column with the start's encoded key.
    pub source: Column,
    /// Types of the key of the nodes started from.
    pub source_key: Vec<ColumnType>,
    /// Input columns with lists of edges that must not be followed again.
    pub avoid: Vec<Column>,
    /// Number of this expansion in its pattern: its columns are named after it.
    pub number: usize,
}

impl ExpandSpec {
    /// The column with the reached node's encoded key.
    pub fn node_column(&self) -> Column {
        Column::new_unqualified(format!("__node{}", self.number))
    }

    /// The column with the last edge's encoded key.
    pub fn edge_column(&self) -> Column {
        Column::new_unqualified(format!("__edge{}", self.number))
    }

    /// The column with the keys of all edges followed.
    pub fn edges_column(&self) -> Column {
        Column::new_unqualified(format!("__edges{}", self.number))
    }

    /// The column with the number of edges followed.
    pub fn depth_column(&self) -> Column {
        Column::new_unqualified(format!("__depth{}", self.number))
    }

    fn added(&self) -> [(Option<TableReference>, FieldRef); ADDED] {
        let field =
            |name: String, ty: DataType, nullable: bool| Arc::new(Field::new(name, ty, nullable));
        let item = Arc::new(Field::new("item", DataType::Binary, true));
        let number = self.number;
        [
            (None, field(format!("__node{number}"), DataType::Binary, false)),
            (None, field(format!("__depth{number}"), DataType::Int64, false)),
            (None, field(format!("__edge{number}"), DataType::Binary, true)),
            (None, field(format!("__edges{number}"), DataType::List(item), false)),
        ]
    }
}

/// Follows edges from every row of its input.
#[derive(Clone, Debug)]
pub struct Expand {
    /// The rows started from.
    pub input: LogicalPlan,
    /// What to do.
    pub spec: ExpandSpec,
    schema: DFSchemaRef,
}

impl Expand {
    /// Makes the node.
    ///
    /// **Errors**: two columns of one name.
    pub fn try_new(input: LogicalPlan, spec: ExpandSpec) -> Result<Self> {
        let mut fields: Vec<(Option<TableReference>, FieldRef)> = input
            .schema()
            .iter()
            .map(|(qualifier, field)| (qualifier.cloned(), field.clone()))
            .collect();
        fields.extend(spec.added());
        let schema = DFSchema::new_with_metadata(fields, input.schema().metadata().clone())?;
        Ok(Self { input, spec, schema: Arc::new(schema) })
    }

    /// Returns what the operator needs to know.
    ///
    /// **Errors**: a column that is not in the input.
    pub fn parts(&self) -> Result<ExpandParts> {
        let input = self.input.schema();
        let avoid = self.spec.avoid.iter().map(|column| input.index_of_column(column));
        Ok(ExpandParts {
            hops: self.spec.hops,
            source: input.index_of_column(&self.spec.source)?,
            source_key: self.spec.source_key.clone(),
            avoid: avoid.collect::<Result<_>>()?,
            edge_name: self.spec.edge_name.clone(),
        })
    }
}

impl PartialEq for Expand {
    fn eq(&self, other: &Self) -> bool {
        self.spec == other.spec && self.input == other.input
    }
}

impl Eq for Expand {}

impl Hash for Expand {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.spec.hash(state);
        self.input.hash(state);
    }
}

impl PartialOrd for Expand {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        let inputs = self.input.partial_cmp(&other.input)?;
        Some(inputs.then_with(|| self.spec.number.cmp(&other.spec.number)))
            .filter(|ordering| *ordering != Ordering::Equal || self == other)
    }
}

impl UserDefinedLogicalNodeCore for Expand {
    fn name(&self) -> &str {
        "Expand"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        self.spec.added().iter().map(|(_, field)| field.name().clone()).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hops = &self.spec.hops;
        write!(
            f,
            "Expand {}: {:?} {}..{}",
            self.spec.edge_name,
            hops.direction(),
            hops.min,
            hops.max
        )
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        Self::try_new(exactly_one(inputs)?, self.spec.clone())
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let input = self.input.schema();
        let count = input.fields().len();
        let mut needed: Vec<usize> =
            output_columns.iter().copied().filter(|at| *at < count).collect();
        for column in std::iter::once(&self.spec.source).chain(&self.spec.avoid) {
            needed.push(input.index_of_column(column).ok()?);
        }
        needed.sort_unstable();
        needed.dedup();
        Some(vec![needed])
    }
}
