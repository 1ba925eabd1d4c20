//! What do PostgreSQL's programs ask of the objects of the catalog?
//!
//! These functions know one version of the catalog: that of the plan they stand in, which is made
//! anew for another one. **Source**: PostgreSQL 15, "System Catalog Information Functions".

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature,
    Volatility,
};
use pieskieo_shards::catalog::Catalog;
use pieskieo_shards::value::Value;

use super::catalog::type_shown;
use super::function::Call;
use crate::error::{Error, code};
use crate::exec::here::external;
use crate::system::postgres::{
    Class, Objects, quoted, schema_name, schema_number, serial_sequence, type_named,
};

/// What a name or number is turned into.
type Answer = Result<Value>;

/// A function of this file.
struct Asked {
    name: &'static str,
    /// How many arguments it takes, at least and at most.
    arguments: (usize, usize),
    returns: DataType,
    ask: fn(&Known, &[Value]) -> Answer,
}

/// What the functions of one plan know.
#[derive(Debug)]
pub struct Known {
    catalog: Arc<Catalog>,
    objects: Objects,
}

impl Known {
    /// Gathers what there is to know of a catalog.
    pub fn of(catalog: Arc<Catalog>) -> Self {
        let objects = Objects::of(&catalog);
        Self { catalog, objects }
    }
}

const fn text(
    name: &'static str,
    arguments: (usize, usize),
    ask: fn(&Known, &[Value]) -> Answer,
) -> Asked {
    Asked { name, arguments, returns: DataType::Utf8, ask }
}

const fn number(name: &'static str, ask: fn(&Known, &[Value]) -> Answer) -> Asked {
    Asked { name, arguments: (1, 1), returns: DataType::Int64, ask }
}

const fn truth(name: &'static str, ask: fn(&Known, &[Value]) -> Answer) -> Asked {
    Asked { name, arguments: (1, 1), returns: DataType::Boolean, ask }
}

/// Reads the name or number of a relation: a cast to `regclass`.
pub const TO_CLASS: &str = "__regclass";
/// Reads the name or number of a type: a cast to `regtype`.
pub const TO_TYPE: &str = "__regtype";
/// Reads the name or number of a schema: a cast to `regnamespace`.
pub const TO_SCHEMA: &str = "__regnamespace";
/// Reads the name or number of a user: a cast to `regrole`.
pub const TO_ROLE: &str = "__regrole";
/// Writes the name of a relation.
pub const OF_CLASS: &str = "__regclass_name";
/// Writes the name of a type.
pub const OF_TYPE: &str = "__regtype_name";
/// Writes the name of a schema.
pub const OF_SCHEMA: &str = "__regnamespace_name";
/// Writes the name of a user.
pub const OF_ROLE: &str = "__regrole_name";

/// The functions of this file.
static ASKED: &[Asked] = &[
    number(TO_CLASS, |known, of| match numbered(&of[0]) {
        Some(number) => Ok(Value::BigInt(number)),
        None => found(class(known, &of[0]).map(|class| class.number), "relation", &of[0]),
    }),
    number(TO_TYPE, |_, of| match numbered(&of[0]) {
        Some(number) => Ok(Value::BigInt(number)),
        None => found(type_named(written(&of[0])), "type", &of[0]),
    }),
    number(TO_SCHEMA, |_, of| match numbered(&of[0]) {
        Some(number) => Ok(Value::BigInt(number)),
        None => found(schema_number(written(&of[0])), "schema", &of[0]),
    }),
    number(TO_ROLE, |_, of| match numbered(&of[0]) {
        Some(number) => Ok(Value::BigInt(number)),
        None => found((written(&of[0]) == ROLE).then_some(ROLE_NUMBER), "role", &of[0]),
    }),
    text(OF_CLASS, (1, 1), |known, of| {
        let class = class(known, &of[0]).map(|class| known.objects.shown(class));
        Ok(named(class, &of[0]))
    }),
    text(OF_TYPE, (1, 1), |_, of| {
        Ok(named(numbered(&of[0]).map(|number| type_shown(number, -1)), &of[0]))
    }),
    text(OF_SCHEMA, (1, 1), |_, of| {
        let name = numbered(&of[0]).and_then(schema_name).map(str::to_owned);
        Ok(named(name, &of[0]))
    }),
    text(OF_ROLE, (1, 1), |_, of| {
        let is_role = numbered(&of[0]) == Some(ROLE_NUMBER);
        Ok(named(is_role.then(|| ROLE.to_owned()), &of[0]))
    }),
    number("to_regclass", |known, of| Ok(whole(class(known, &of[0]).map(|class| class.number)))),
    number("to_regtype", |_, of| Ok(whole(type_named(written(&of[0]))))),
    number("to_regnamespace", |_, of| Ok(whole(schema_number(written(&of[0]))))),
    number("to_regrole", |_, of| Ok(whole((written(&of[0]) == ROLE).then_some(ROLE_NUMBER)))),
    truth("pg_table_is_visible", |known, of| {
        let class = numbered(&of[0]).and_then(|number| known.objects.class(number));
        Ok(class.map_or(Value::Null, |class| Value::Bool(known.objects.is_visible(class))))
    }),
    truth("pg_relation_is_publishable", |known, of| {
        let class = class(known, &of[0]);
        Ok(class.map_or(Value::Null, |class| Value::Bool(class.kind == "r")))
    }),
    text("pg_get_indexdef", (1, 3), index_definition),
    text("pg_get_constraintdef", (1, 2), |known, of| {
        let found = numbered(&of[0]).and_then(|number| known.objects.constraint(number));
        Ok(maybe(found.map(|one| one.definition.clone())))
    }),
    text("pg_get_viewdef", (1, 2), |known, of| Ok(maybe(view_definition(known, &of[0])))),
    text("pg_get_ruledef", (1, 2), |known, of| Ok(maybe(rule_definition(known, &of[0])))),
    text("pg_get_serial_sequence", (2, 2), |known, of| {
        let table = known.objects.class_named(written(&of[0])).and_then(Class::table);
        let Some(table) = table else {
            return Err(missing("relation", &of[0]));
        };
        let column = written(&of[1]);
        let Some(at) = table.column_named(column) else {
            let message =
                format!("column \"{column}\" of relation \"{}\" does not exist", table.name);
            return Err(external(Error::new(code::UNDEFINED_COLUMN, message)));
        };
        let sequence = serial_sequence(&known.catalog, table, at);
        Ok(maybe(sequence.map(|sequence| format!("public.{}", quoted(sequence)))))
    }),
    text("obj_description", (1, 2), |known, of| Ok(maybe(object_comment(known, of)))),
    text("col_description", (2, 2), |known, of| {
        let place = numbered(&of[1]).and_then(|place| usize::try_from(place).ok());
        let table = numbered(&of[0]).and_then(|number| known.objects.class(number));
        let columns = table.and_then(Class::table).map(|table| {
            table.columns.iter().filter(|column| !column.hidden && !column.altered.dropped)
        });
        let column =
            columns.zip(place).and_then(|(mut columns, place)| columns.nth(place.checked_sub(1)?));
        Ok(maybe(column.and_then(|column| column.comment.as_deref()).map(str::to_owned)))
    }),
];

/// The one user.
const ROLE: &str = "pieskieo";
/// Its number.
const ROLE_NUMBER: i64 = 10;
/// What PostgreSQL writes for the number 0.
const NOTHING: &str = "-";

/// Returns the names of the functions of this file that may be written in a statement.
pub fn names() -> impl Iterator<Item = &'static str> {
    ASKED.iter().map(|asked| asked.name).filter(|name| !name.starts_with("__"))
}

/// Returns the function of a name, for the plans of one catalog.
pub fn described(name: &str, known: impl FnOnce() -> Arc<Known>) -> Option<Arc<ScalarUDF>> {
    let asked = ASKED.iter().find(|asked| asked.name == name)?;
    Some(Arc::new(ScalarUDF::from(Described::new(asked, known()))))
}

/// A function and what it knows.
struct Described {
    asked: &'static Asked,
    known: Arc<Known>,
    signature: Signature,
}

impl Described {
    fn new(asked: &'static Asked, known: Arc<Known>) -> Self {
        let (least, most) = asked.arguments;
        let types = (least..=most).map(TypeSignature::Any).collect();
        let signature = Signature::one_of(types, Volatility::Immutable);
        Self { asked, known, signature }
    }
}

impl std::fmt::Debug for Described {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.asked.name)
    }
}

impl PartialEq for Described {
    fn eq(&self, other: &Self) -> bool {
        self.asked.name == other.asked.name && Arc::ptr_eq(&self.known, &other.known)
    }
}

impl Eq for Described {}

impl Hash for Described {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.asked.name.hash(state);
    }
}

impl ScalarUDFImpl for Described {
    fn name(&self) -> &str {
        self.asked.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.asked.returns.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let arrays: Result<Vec<ArrayRef>> = args
            .args
            .iter()
            .map(|arg| match arg {
                ColumnarValue::Array(array) => Ok(array.clone()),
                ColumnarValue::Scalar(value) => value.to_array(),
            })
            .collect();
        let returns = args.return_field.data_type().clone();
        let rows = if constant { 1 } else { args.number_rows };
        let call = Call { args: arrays?, rows, returns };
        let result = call.each(|values| (self.asked.ask)(&self.known, values))?;
        match constant {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?)),
            false => Ok(ColumnarValue::Array(result)),
        }
    }
}

fn maybe(text: Option<String>) -> Value {
    text.map_or(Value::Null, |text| Value::Text(text.as_str().into()))
}

fn whole(number: Option<i64>) -> Value {
    number.map_or(Value::Null, Value::BigInt)
}

/// A number, be it written as a text.
fn numbered(value: &Value) -> Option<i64> {
    match value {
        Value::SmallInt(number) => Some(i64::from(*number)),
        Value::Int(number) => Some(i64::from(*number)),
        Value::BigInt(number) => Some(*number),
        Value::Text(text) => match text.trim() {
            NOTHING => Some(0),
            text => text.parse::<u32>().ok().map(i64::from),
        },
        _ => None,
    }
}

fn written(value: &Value) -> &str {
    match value {
        Value::Text(text) => text,
        _ => "",
    }
}

/// The class a name or number means.
fn class<'k>(known: &'k Known, value: &Value) -> Option<&'k Class> {
    match numbered(value) {
        Some(number) => known.objects.class(number),
        None => known.objects.class_named(written(value)),
    }
}

/// A name, or the number of what has none.
fn named(name: Option<String>, number: &Value) -> Value {
    maybe(name.or_else(|| {
        let number = numbered(number)?;
        Some(if number == 0 { NOTHING.to_owned() } else { number.to_string() })
    }))
}

fn found(number: Option<i64>, kind: &str, written: &Value) -> Answer {
    number.map(Value::BigInt).ok_or_else(|| missing(kind, written))
}

fn missing(kind: &str, value: &Value) -> datafusion::error::DataFusionError {
    let code = match kind {
        "relation" => code::UNDEFINED_TABLE,
        "schema" => code::UNDEFINED_SCHEMA,
        _ => code::UNDEFINED_OBJECT,
    };
    external(Error::new(code, format!("{kind} \"{}\" does not exist", written(value))))
}

/// `pg_get_indexdef(index)`, or, with a place from 1, what that column of the index is over.
fn index_definition(known: &Known, of: &[Value]) -> Answer {
    let Some(class) = numbered(&of[0]).and_then(|number| known.objects.class(number)) else {
        return Ok(Value::Null);
    };
    let place = of.get(1).and_then(numbered).unwrap_or(0);
    Ok(maybe(match usize::try_from(place).ok().and_then(|place| place.checked_sub(1)) {
        Some(at) => class.index_parts().get(at).cloned(),
        None => class.index_definition(),
    }))
}

fn view_definition(known: &Known, of: &Value) -> Option<String> {
    let query = class(known, of)?.table()?.view_query()?;
    Some(format!(" {};", query.text))
}

/// The rule of a view, by its number.
fn rule_definition(known: &Known, of: &Value) -> Option<String> {
    let view = known.objects.rule(numbered(of)?)?;
    let query = view.table()?.view_query()?;
    Some(format!(
        "CREATE RULE \"_RETURN\" AS\n    ON SELECT TO public.{} DO INSTEAD  {};",
        quoted(&view.name),
        query.text
    ))
}

/// The comment of an object, which is one of a catalog if that is named.
fn object_comment(known: &Known, of: &[Value]) -> Option<String> {
    let number = numbered(&of[0])?;
    let within = of.get(1).map(written).unwrap_or_default();
    let class = || known.objects.class(number).and_then(Class::comment);
    let constraint = || known.objects.constraint(number).and_then(|one| one.comment());
    let comment = match within.strip_prefix("pg_catalog.").unwrap_or(within) {
        "pg_class" => class(),
        "pg_constraint" => constraint(),
        "" => class().or_else(constraint),
        _ => None,
    };
    comment.map(str::to_owned)
}
