//! Which functions are there, by name?

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::planner::ExprPlanner;
use datafusion::logical_expr::{AggregateUDF, HigherOrderUDF, ScalarUDF, WindowUDF};

use super::part::PLAIN_TRUNCATE;
use super::{
    Operators, arithmetic, array, bytes, catalog, convert, json, json_build, json_change,
    json_path, moment, number, ordered, part, regexp, series, string, sum, system, template, text,
    vector,
};

/// Every function a statement may call. Made once per process.
#[derive(Debug)]
pub struct Registry {
    /// Scalar functions by name and alias.
    pub scalar: HashMap<String, Arc<ScalarUDF>>,
    /// Functions that take lambdas, by name and alias.
    pub higher_order: HashMap<String, Arc<HigherOrderUDF>>,
    /// Aggregates by name and alias.
    pub aggregate: HashMap<String, Arc<AggregateUDF>>,
    /// Window functions by name and alias.
    pub window: HashMap<String, Arc<WindowUDF>>,
    /// What operators and special syntax stand for, ours first.
    pub expr_planners: Vec<Arc<dyn ExprPlanner>>,
}

/// Returns the functions of this process.
pub fn registry() -> &'static Registry {
    static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::build);
    &REGISTRY
}

/// Gives functions PostgreSQL's other names for them.
fn name_also<T: Clone>(functions: &mut HashMap<String, T>, names: &[(&str, &str)]) {
    for (name, other) in names {
        if let Some(function) = functions.get(*name).cloned() {
            functions.insert((*other).to_owned(), function);
        }
    }
}

impl Registry {
    fn build() -> Self {
        let mut scalar = HashMap::new();
        let ours = [
            vector::functions(),
            json::functions(),
            json_build::functions(),
            json_change::functions(),
            json_path::functions(),
            text::functions(),
            convert::functions(),
            arithmetic::functions(),
            moment::functions(),
            array::functions(),
            series::functions(),
            system::functions(),
            catalog::functions(),
            string::functions(),
            bytes::functions(),
            regexp::functions(),
            number::functions(),
            part::functions(),
            template::functions(),
            ordered::functions(),
        ];
        let ours = ours.into_iter().flatten().map(|function| Arc::new(function.build()));
        for function in SessionStateDefaults::default_scalar_functions().into_iter().chain(ours) {
            // Ours stands before it, and gives what it can do to it.
            if function.name() == "date_trunc" && !scalar.contains_key(PLAIN_TRUNCATE) {
                scalar.insert(PLAIN_TRUNCATE.to_owned(), function.clone());
            }
            for alias in function.aliases() {
                scalar.insert(alias.clone(), function.clone());
            }
            scalar.insert(function.name().to_owned(), function);
        }
        name_also(
            &mut scalar,
            &[("signum", "sign"), ("ceil", "ceiling"), ("to_json", "array_to_json")],
        );
        // These make arrays of any length in memory that no budget counts.
        for name in ["array_repeat", "list_repeat", "array_resize", "list_resize", "range"] {
            scalar.remove(name);
        }
        let mut aggregate = HashMap::new();
        for function in SessionStateDefaults::default_aggregate_functions() {
            let function = sum::instead_of(&function).unwrap_or(function);
            for alias in function.aliases() {
                aggregate.insert(alias.clone(), function.clone());
            }
            aggregate.insert(function.name().to_owned(), function);
        }
        name_also(&mut aggregate, &[("bool_and", "every"), ("var_samp", "variance")]);
        let mut window = HashMap::new();
        for function in SessionStateDefaults::default_window_functions() {
            for alias in function.aliases() {
                window.insert(alias.clone(), function.clone());
            }
            window.insert(function.name().to_owned(), function);
        }
        let mut higher_order = HashMap::new();
        for function in SessionStateDefaults::default_higher_order_functions() {
            for alias in function.aliases() {
                higher_order.insert(alias.clone(), function.clone());
            }
            higher_order.insert(function.name().to_owned(), function);
        }
        let mut expr_planners: Vec<Arc<dyn ExprPlanner>> = vec![Arc::new(Operators)];
        expr_planners.extend(SessionStateDefaults::default_expr_planners());
        Self { scalar, higher_order, aggregate, window, expr_planners }
    }

    /// Returns our function or DataFusion's with this name.
    pub fn scalar(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.scalar.get(name).cloned()
    }
}
