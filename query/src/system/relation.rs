//! Which relations are there, and which columns do they have?

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use pieskieo_shards::catalog::Catalog;
use pieskieo_shards::value::{ColumnBuilder, ColumnType, Value};

use super::{information, information_constraint, live, own, postgres};
use crate::coordinator::ColumnListing;
use crate::error::{Error, Result, code};
use crate::postgres::NUMBER_KEY;
use crate::suggest;
use crate::syntax::Name;

/// The schema of users' tables.
pub(super) const PUBLIC: &str = "public";
/// The schema whose relations PostgreSQL's programs ask.
pub(super) const INFORMATION: &str = "information_schema";
/// The schema of our own relations.
pub(super) const OWN: &str = "pieskieo";
/// The schema of PostgreSQL's own catalog, whose relations need no schema before their names.
pub(super) const CATALOG: &str = "pg_catalog";

/// The hidden column that tells rows of different relations apart.
pub const OWN_NUMBER: &str = "tableoid";

/// A relation that no table stands behind.
#[derive(Debug)]
pub struct Relation {
    /// The schema it is in.
    pub schema: &'static str,
    /// Its name, unique in the schema.
    pub name: &'static str,
    /// Its columns, in order; all take nulls.
    pub columns: &'static [Column],
    /// Where its rows come from.
    pub source: Source,
    /// PostgreSQL's number for it; 0 = it has none, or one that differs between installations.
    pub number: u32,
}

/// A column of a [`Relation`].
#[derive(Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// The type of its values; of a list, of its elements.
    element: ColumnType,
    /// Whether its values are arrays.
    is_list: bool,
    /// PostgreSQL's number for the type, where it has one of which we know only the values.
    pub number: u32,
}

impl Column {
    /// A column of values of a type of ours.
    pub(super) const fn new(name: &'static str, element: ColumnType) -> Self {
        Self { name, element, is_list: false, number: 0 }
    }

    /// A column of values of a type that PostgreSQL has and we have not, under its number.
    pub(super) const fn known_as(name: &'static str, element: ColumnType, number: u32) -> Self {
        Self { name, element, is_list: false, number }
    }

    /// As [`Column::known_as`], of arrays.
    pub(super) const fn list(name: &'static str, element: ColumnType, number: u32) -> Self {
        Self { name, element, is_list: true, number }
    }

    /// Returns the type of its values.
    pub fn ty(&self) -> ColumnType {
        match self.is_list {
            true => ColumnType::Array(Arc::new(self.element.clone())),
            false => self.element.clone(),
        }
    }
}

/// Where rows come from.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// They follow from the catalog.
    Catalog(fn(&Catalog, &mut Rows)),
    /// The process is asked.
    Live(live::Topic),
}

/// Rows of a relation while they are gathered, of the columns that are wanted.
pub struct Rows {
    relation: &'static Relation,
    /// The columns wanted: their positions, and their values so far.
    columns: Vec<(usize, ColumnBuilder)>,
    /// One row, while it is put together.
    row: Vec<Value>,
    count: usize,
    /// The first value that did not fit its column.
    misfit: Option<pieskieo_shards::Error>,
}

/// Returns every relation, by schema.
pub(super) fn all() -> impl Iterator<Item = &'static Relation> {
    let information = information::RELATIONS.iter().chain(information_constraint::RELATIONS);
    information.chain(own::RELATIONS).chain(live::RELATIONS).chain(postgres::relations())
}

/// Returns the relation that a name without a schema means before any table of users.
pub fn implied(name: &str) -> Option<&'static Relation> {
    name.starts_with("pg_").then(|| postgres::relations().find(|known| known.name == name))?
}

/// Returns the relation of this name in a schema of the system.
///
/// **Errors**: `42P01`, with a suggestion.
pub fn find(schema: &str, name: &Name) -> Result<&'static Relation> {
    let mut there = all().filter(|relation| relation.schema == schema);
    if let Some(found) = there.find(|relation| relation.name == name.text) {
        return Ok(found);
    }
    let there = all().filter(|relation| relation.schema == schema).map(|relation| relation.name);
    let message = format!("table \"{schema}.{}\" does not exist", name.text);
    let near = suggest::nearest(&name.text, there).map(|near| format!("{schema}.{near}"));
    Err(Error::new(code::UNDEFINED_TABLE, message)
        .with_suggestion(near.as_deref())
        .at(name.position))
}

impl Relation {
    /// Returns its name with the schema's.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    /// Lists its columns.
    pub fn listed(&self) -> Vec<ColumnListing> {
        let listed = self.columns.iter().map(|column| ColumnListing {
            name: column.name.to_owned(),
            type_name: column.ty().to_string(),
            nullable: true,
            default: None,
        });
        listed.collect()
    }

    /// Returns whether it has the column [`OWN_NUMBER`], which no `*` shows.
    pub fn has_own_number(&self) -> bool {
        self.number != 0
    }

    /// Returns the Arrow schema of its rows.
    pub fn arrow(&self) -> SchemaRef {
        let fields = self.columns.iter().map(|column| {
            // Every column may be unknown for some row.
            let field = Field::new(column.name, column.ty().arrow(), true);
            match column.number {
                0 => field,
                number => field.with_metadata(of_number(number)),
            }
        });
        let own = Field::new(OWN_NUMBER, DataType::Int64, true).with_metadata(of_number(OID));
        let own = self.has_own_number().then_some(own);
        Arc::new(Schema::new(fields.chain(own).collect::<Vec<_>>()))
    }
}

impl Rows {
    /// Begins without rows, for the columns at these positions; `None` = for all.
    pub(super) fn new(relation: &'static Relation, wanted: Option<&[usize]>) -> Self {
        let width = relation.columns.len() + usize::from(relation.has_own_number());
        let all: Vec<usize> = (0..width).collect();
        let ty = |at: usize| relation.columns.get(at).map_or(ColumnType::BigInt, Column::ty);
        let builder = |at: &usize| (*at, ColumnBuilder::new(&ty(*at), 0));
        let columns = wanted.unwrap_or(&all).iter().map(builder).collect();
        let row = vec![Value::Null; width];
        Self { relation, columns, row, count: 0, misfit: None }
    }

    /// Adds a row; columns that are not named are null.
    pub(super) fn push<const N: usize>(&mut self, values: [(&str, Value); N]) {
        self.push_all(values.into_iter());
    }

    /// As [`Rows::push`].
    pub(super) fn push_all<'v>(&mut self, values: impl Iterator<Item = (&'v str, Value)>) {
        self.row.fill(Value::Null);
        if let Some(number) = self.row.get_mut(self.relation.columns.len()) {
            *number = Value::BigInt(i64::from(self.relation.number));
        }
        for (name, value) in values {
            let at = self.relation.columns.iter().position(|column| column.name == name);
            debug_assert!(at.is_some(), "{} has no column {name}", self.relation.name);
            if let Some(at) = at {
                self.row[at] = value;
            }
        }
        for (at, column) in &mut self.columns {
            if let Err(misfit) = column.append(&self.row[*at]) {
                self.misfit.get_or_insert(misfit);
                return;
            }
        }
        self.count += 1;
    }

    /// Returns the rows as columns.
    ///
    /// **Errors**: internal, for a value of another type than its column's.
    pub(super) fn finish(self) -> Result<RecordBatch> {
        let Self { relation, columns, count, misfit, .. } = self;
        if let Some(misfit) = misfit {
            return Err(Error::internal(format!("a row of {}: {misfit}", relation.full_name())));
        }
        let wanted: Vec<usize> = columns.iter().map(|(at, _)| *at).collect();
        let schema = Arc::new(relation.arrow().project(&wanted)?);
        let mut arrays = Vec::with_capacity(columns.len());
        for (_, column) in columns {
            arrays.push(column.finish()?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        Ok(RecordBatch::try_new_with_options(schema, arrays, &options)?)
    }
}

/// PostgreSQL's number for numbers of objects.
const OID: u32 = 26;

/// What a field says of a type that PostgreSQL has and we have not.
fn of_number(number: u32) -> HashMap<String, String> {
    HashMap::from([(NUMBER_KEY.to_owned(), number.to_string())])
}

/// A column of texts.
pub(super) const fn text(name: &'static str) -> Column {
    Column::new(name, ColumnType::Text)
}

/// A column of small whole numbers.
pub(super) const fn int(name: &'static str) -> Column {
    Column::new(name, ColumnType::Int)
}

/// A column of whole numbers.
pub(super) const fn bigint(name: &'static str) -> Column {
    Column::new(name, ColumnType::BigInt)
}

/// A column of numbers with a fraction.
pub(super) const fn double(name: &'static str) -> Column {
    Column::new(name, ColumnType::Double)
}

/// A column of true and false.
pub(super) const fn boolean(name: &'static str) -> Column {
    Column::new(name, ColumnType::Bool)
}

/// A column of instants.
pub(super) const fn instant(name: &'static str) -> Column {
    Column::new(name, ColumnType::TimestampTz)
}

/// A text as a value.
pub(super) fn told(text: &str) -> Value {
    Value::Text(text.into())
}

/// A text as a value, or null.
pub(super) fn maybe(text: Option<&str>) -> Value {
    text.map_or(Value::Null, told)
}

/// A count as a value.
pub(super) fn number(count: impl TryInto<i64>) -> Value {
    Value::BigInt(count.try_into().unwrap_or(i64::MAX))
}

/// A position, from 1, as a value.
pub(super) fn place(index: usize) -> Value {
    Value::Int(i32::try_from(index + 1).unwrap_or(i32::MAX))
}

/// What the standard writes for true and false.
pub(super) fn yes_or_no(yes: bool) -> Value {
    told(if yes { "YES" } else { "NO" })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::syntax::SYSTEM_SCHEMAS;

    #[test]
    fn names_are_unique_and_in_a_schema_of_the_system() {
        let mut names = BTreeSet::new();
        for relation in all() {
            assert!(SYSTEM_SCHEMAS.contains(&relation.schema), "{}", relation.schema);
            assert!(names.insert(relation.full_name()), "{}", relation.full_name());
            let columns: BTreeSet<_> = relation.columns.iter().map(|column| column.name).collect();
            assert_eq!(columns.len(), relation.columns.len(), "{}", relation.full_name());
        }
    }

    #[test]
    fn an_empty_database_has_rows_that_fit_their_columns() {
        let catalog = Catalog::empty(1);
        for relation in all() {
            if let Source::Catalog(rows) = relation.source {
                let gathered = |wanted: Option<&[usize]>| {
                    let mut out = Rows::new(relation, wanted);
                    rows(&catalog, &mut out);
                    out.finish().unwrap()
                };
                let (all, none) = (gathered(None), gathered(Some(&[])));
                assert_eq!(all.num_columns(), relation.arrow().fields().len());
                assert_eq!((none.num_columns(), none.num_rows()), (0, all.num_rows()));
            }
        }
    }
}
