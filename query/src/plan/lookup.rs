//! What is fetching a record by key for every row, before it is known how?

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_schema::FieldRef;
use datafusion::common::{Column, DFSchema, DFSchemaRef, Result, TableReference};
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};

use super::graph::exactly_one;
use crate::exec::columns::TableColumns;
use crate::exec::nodes::LookupParts;

/// Adds to every row of its input the record of a table that its key names.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// The rows that name keys.
    pub input: LogicalPlan,
    /// The table.
    pub columns: TableColumns,
    /// By which name its columns are known.
    pub alias: String,
    /// The input column with the encoded key.
    pub key: Column,
    /// Which of the table's columns anybody looks at, as far as the optimizer has found out;
    /// `None` = it has not asked. Only grows, because plans that share a node share this.
    needed: Arc<Mutex<Option<BTreeSet<usize>>>>,
    schema: DFSchemaRef,
}

impl Lookup {
    /// Makes the node.
    ///
    /// **Errors**: two columns of one name.
    pub fn try_new(
        input: LogicalPlan,
        columns: TableColumns,
        alias: &str,
        key: Column,
    ) -> Result<Self> {
        Self::rebuild(input, columns, alias, key, Arc::default())
    }

    fn rebuild(
        input: LogicalPlan,
        columns: TableColumns,
        alias: &str,
        key: Column,
        needed: Arc<Mutex<Option<BTreeSet<usize>>>>,
    ) -> Result<Self> {
        let mut fields: Vec<(Option<TableReference>, FieldRef)> = input
            .schema()
            .iter()
            .map(|(qualifier, field)| (qualifier.cloned(), field.clone()))
            .collect();
        // All of them may be null: those nobody looks at are not fetched.
        fields.extend(columns.schema().fields().iter().map(|field| {
            let field = field.as_ref().clone().with_nullable(true);
            let name = inner_name(alias, field.name());
            (None, Arc::new(field.with_name(name)))
        }));
        let schema = DFSchema::new_with_metadata(fields, input.schema().metadata().clone())?;
        let alias = alias.to_owned();
        Ok(Self { input, columns, alias, key, needed, schema: Arc::new(schema) })
    }

    /// Returns what the operator needs to know.
    ///
    /// **Errors**: a key column that is not in the input.
    pub fn parts(&self) -> Result<LookupParts> {
        let all = 0..self.columns.schema().fields().len();
        let needed = self.needed.lock().unwrap_or_else(PoisonError::into_inner);
        let needed = match needed.as_ref() {
            Some(needed) => needed.iter().copied().collect(),
            None => all.collect(),
        };
        let key = self.input.schema().index_of_column(&self.key)?;
        Ok(LookupParts { columns: self.columns.clone(), key, needed })
    }
}

/// Returns the name a fetched column has inside of a pattern's plan. The optimizer tells columns of
/// such nodes apart by name alone, so it must be unlike every other column's.
pub fn inner_name(alias: &str, column: &str) -> String {
    format!("{alias}.{column}")
}

impl PartialEq for Lookup {
    fn eq(&self, other: &Self) -> bool {
        self.alias == other.alias
            && self.key == other.key
            && self.columns.table().id == other.columns.table().id
            && self.input == other.input
    }
}

impl Eq for Lookup {}

impl Hash for Lookup {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.alias.hash(state);
        self.key.hash(state);
        self.columns.table().id.hash(state);
        self.input.hash(state);
    }
}

impl PartialOrd for Lookup {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        let inputs = self.input.partial_cmp(&other.input)?;
        Some(inputs.then_with(|| self.alias.cmp(&other.alias)))
            .filter(|ordering| *ordering != Ordering::Equal || self == other)
    }
}

impl UserDefinedLogicalNodeCore for Lookup {
    fn name(&self) -> &str {
        "Lookup"
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
        let fields = self.columns.schema().fields();
        fields.iter().map(|field| inner_name(&self.alias, field.name())).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lookup {} AS {}", self.columns.table().name, self.alias)
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let (columns, needed) = (self.columns.clone(), self.needed.clone());
        Self::rebuild(exactly_one(inputs)?, columns, &self.alias, self.key.clone(), needed)
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let input = self.input.schema();
        let count = input.fields().len();
        let (below, own): (Vec<usize>, Vec<usize>) =
            output_columns.iter().partition(|at| **at < count);
        let mut needed = self.needed.lock().unwrap_or_else(PoisonError::into_inner);
        needed.get_or_insert_default().extend(own.into_iter().map(|at| at - count));
        let mut below = below;
        below.push(input.index_of_column(&self.key).ok()?);
        below.sort_unstable();
        below.dedup();
        Some(vec![below])
    }
}
