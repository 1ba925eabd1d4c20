//! What is a function of ours, and how does the planner see it?

use std::hash::{Hash, Hasher};

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
    Volatility,
};
use pieskieo_shards::value::{ColumnBuilder, ColumnType, Value};

use crate::exec::here::external;
use crate::result::column_type;

/// Adds a hint to an error of ours.
pub fn hinted(
    error: datafusion::error::DataFusionError,
    hint: &str,
) -> datafusion::error::DataFusionError {
    external(crate::error::Error::from(error).with_hint(hint))
}

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

/// What an argument may be. It is cast to it before the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// A whole number, as `BIGINT`.
    Whole,
    /// A number of any type, as `DOUBLE`.
    Double,
    /// A number of any type, as it is.
    Number,
    /// A boolean.
    Bool,
    /// Bytes.
    Bytes,
    /// A date or timestamp, as it is.
    Moment,
    /// A time of day.
    Time,
    /// An interval.
    Span,
    /// An array, as it is.
    Array,
    /// Anything, as it is.
    Any,
}

impl Kind {
    /// Returns the type an argument of type `from` is cast to, `None` if it cannot be.
    fn accepts(self, from: &DataType) -> Option<DataType> {
        let wanted = match self {
            Self::Text => ColumnType::Text.arrow(),
            Self::Whole => DataType::Int64,
            Self::Double | Self::Number => DataType::Float64,
            Self::Bool => DataType::Boolean,
            Self::Bytes => ColumnType::Bytea.arrow(),
            Self::Moment => ColumnType::Timestamp.arrow(),
            Self::Time => ColumnType::Time.arrow(),
            Self::Span => ColumnType::Interval.arrow(),
            Self::Array | Self::Any => from.clone(),
        };
        let is_text = matches!(from, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        let suits = match self {
            _ if from == &DataType::Null => true,
            Self::Text => is_text,
            Self::Whole => from.is_integer(),
            Self::Double | Self::Number => from.is_numeric(),
            Self::Bool => from == &DataType::Boolean,
            Self::Bytes => matches!(from, DataType::Binary | DataType::LargeBinary),
            Self::Moment => matches!(from, DataType::Date32 | DataType::Timestamp(..)),
            Self::Time => matches!(from, DataType::Time32(_) | DataType::Time64(_)),
            Self::Span => matches!(from, DataType::Interval(_) | DataType::Duration(_)),
            Self::Array => matches!(from, DataType::List(_) | DataType::LargeList(_)),
            Self::Any => true,
        };
        let as_is = matches!(self, Self::Moment | Self::Number) && from != &DataType::Null;
        suits.then(|| if as_is { from.clone() } else { wanted })
    }
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

    /// Computes one value per row from the values of the arguments; null where one of them is.
    ///
    /// **Errors**: those of `compute`.
    pub fn each(&self, compute: impl Fn(&[Value]) -> Result<Value>) -> Result<ArrayRef> {
        self.each_row(|values| match values.iter().any(Value::is_null) {
            true => Ok(Value::Null),
            false => compute(values),
        })
    }

    /// Computes one value per row from the values of the arguments, nulls among them.
    ///
    /// **Errors**: those of `compute`.
    pub fn each_row(&self, compute: impl Fn(&[Value]) -> Result<Value>) -> Result<ArrayRef> {
        let Some(returns) = column_type(&self.returns) else {
            return plan_err!("no function matches: its result has no type");
        };
        let types: Vec<Option<ColumnType>> =
            self.args.iter().map(|array| column_type(array.data_type())).collect();
        let mut values = vec![Value::Null; self.args.len()];
        let mut out = ColumnBuilder::new(&returns, self.rows);
        for row in 0..self.rows {
            for (arg, value) in values.iter_mut().enumerate() {
                *value = match &types[arg] {
                    _ if self.is_null(arg, row) => Value::Null,
                    Some(ty) => {
                        let array = self.args[arg].as_ref();
                        Value::from_array(array, self.at(arg, row), ty).map_err(external)?
                    }
                    None => return plan_err!("no function matches arguments of such a type"),
                };
            }
            match compute(&values)? {
                Value::Null => out.append_null(),
                value => out.append(&value).map_err(external)?,
            }
        }
        out.finish().map_err(external)
    }
}

/// A scalar function described by data, so that a new one is one row of a table.
#[derive(Debug)]
pub struct Function {
    name: &'static str,
    aliases: Vec<String>,
    signature: Signature,
    /// What its arguments may be; the first that fit are taken. Empty: whatever they are.
    overloads: &'static [&'static [Kind]],
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
        let (aliases, simplify) = (Vec::new(), None);
        Self { name, aliases, signature, overloads: &[], returns, invoke, simplify }
    }

    /// Describes a function of its arguments alone, which have these types.
    pub fn taking(
        name: &'static str,
        overloads: &'static [&'static [Kind]],
        returns: Returns,
        invoke: Invoke,
    ) -> Self {
        let signature = match overloads {
            [[]] => Signature::nullary(Volatility::Immutable),
            _ => Signature::user_defined(Volatility::Immutable),
        };
        let (aliases, simplify) = (Vec::new(), None);
        Self { name, aliases, signature, overloads, returns, invoke, simplify }
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

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let fitting = self.overloads.iter().find_map(|kinds| {
            if kinds.len() != arg_types.len() {
                return None;
            }
            kinds.iter().zip(arg_types).map(|(kind, ty)| kind.accepts(ty)).collect()
        });
        match fitting {
            Some(types) => Ok(types),
            None => plan_err!("Function '{}' failed to match any signature", self.name),
        }
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
