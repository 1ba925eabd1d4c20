//! What is a function of ours, and how does the planner see it?

use std::hash::{Hash, Hasher};

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
    Volatility,
};

/// Chooses the result type from the argument types, or refuses them.
pub type Returns = fn(&[DataType]) -> Result<DataType>;

/// Finds a simpler expression for a call.
pub type Simplify = fn(Vec<Expr>) -> Result<ExprSimplifyResult>;

/// Computes the result of a call.
pub type Invoke = fn(&Call) -> Result<ArrayRef>;

/// How many arguments a function takes.
#[derive(Clone, Copy, Debug)]
pub enum Arity {
    /// Exactly so many.
    Exactly(usize),
    /// As many as both, or any number between.
    Between(usize, usize),
    /// One or more.
    Some,
    /// Any number.
    Any,
}

/// One call: its arguments as arrays.
#[derive(Debug)]
pub struct Call {
    /// The arguments. An argument that is the same for every row has length 1.
    pub args: Vec<ArrayRef>,
    /// Rows of the result.
    pub rows: usize,
    /// The type of the result.
    pub returns: DataType,
}

impl Call {
    /// Returns the index into argument `arg` that belongs to `row`.
    pub fn at(&self, arg: usize, row: usize) -> usize {
        if self.args[arg].len() == 1 { 0 } else { row }
    }

    /// Returns whether argument `arg` is null at `row`.
    pub fn is_null(&self, arg: usize, row: usize) -> bool {
        let array = &self.args[arg];
        array.data_type() == &DataType::Null || array.is_null(self.at(arg, row))
    }
}

/// A scalar function described by data, so that a new one is one row of a table.
#[derive(Debug)]
pub struct Function {
    name: &'static str,
    aliases: Vec<String>,
    signature: Signature,
    returns: Returns,
    invoke: Invoke,
    simplify: Option<Simplify>,
}

impl Function {
    /// Describes a function of its arguments alone.
    pub fn new(name: &'static str, arity: Arity, returns: Returns, invoke: Invoke) -> Self {
        let types = match arity {
            Arity::Exactly(0) => TypeSignature::Nullary,
            Arity::Exactly(count) => TypeSignature::Any(count),
            Arity::Between(least, most) => {
                TypeSignature::OneOf((least..=most).map(TypeSignature::Any).collect())
            }
            Arity::Some => TypeSignature::VariadicAny,
            Arity::Any => {
                TypeSignature::OneOf(vec![TypeSignature::Nullary, TypeSignature::VariadicAny])
            }
        };
        let signature = Signature::new(types, Volatility::Immutable);
        Self { name, aliases: Vec::new(), signature, returns, invoke, simplify: None }
    }

    /// Adds other names.
    #[must_use]
    pub fn aliases(mut self, names: &[&str]) -> Self {
        self.aliases = names.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    /// Lets calls become simpler expressions.
    #[must_use]
    pub fn simplify_with(mut self, simplify: Simplify) -> Self {
        self.simplify = Some(simplify);
        self
    }

    /// Marks the function as giving another result at every call.
    #[must_use]
    pub fn volatile(mut self) -> Self {
        self.signature.volatility = Volatility::Volatile;
        self
    }

    /// Returns the planner's form.
    pub fn build(self) -> ScalarUDF {
        ScalarUDF::from(self)
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        (self.returns)(arg_types)
    }

    fn simplify(&self, args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        match self.simplify {
            Some(simplify) => simplify(args),
            None => Ok(ExprSimplifyResult::Original(args)),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let volatile = self.signature.volatility == Volatility::Volatile;
        let constant =
            !volatile && args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let mut arrays = Vec::with_capacity(args.args.len());
        for arg in &args.args {
            arrays.push(match arg {
                ColumnarValue::Array(array) => array.clone(),
                ColumnarValue::Scalar(value) => value.to_array()?,
            });
        }
        let call = Call {
            args: arrays,
            rows: if constant { 1 } else { args.number_rows },
            returns: args.return_field.data_type().clone(),
        };
        let result = (self.invoke)(&call)?;
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}
