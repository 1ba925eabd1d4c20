//! What do SET and SHOW do?
//!
//! | setting | value | effect |
//! | --- | --- | --- |
//! | `ef_search`, `hnsw.ef_search` | 1..=10,000 or `DEFAULT` | beam width of vector searches |
//! | `statement_timeout` | milliseconds, `'5s'`, `'2min'`; 0 = none | longest time of one request |
//! | `parallel_rows` | rows, 0 = always | from how many rows on all cores join, group and sort |
//! | `slow_statement_ms` | milliseconds, 0 = all, -1 = none | from how long on a statement is logged |
//! | `native` | `on`, `off` | whether simple queries are answered without a plan; for tests |

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use pieskieo_shards::catalog::{Catalog, Content, SequenceShape, TableKind};

use super::listing::{ColumnListing, TableListing, listing};
use super::request::Request;
use super::setting_client::{CLIENT_SETTINGS, ClientSettings};
use crate::bind::IndexDefaults;
use crate::error::{Error, Result, code};
use crate::exchange::Member;
use crate::limits::HNSW_EF_SEARCH;
use crate::options::SessionOptions;
use crate::outcome::{Outcome, Rows, StatementKind};
use crate::suggest;
use crate::syntax::{Forget, Name, Setting, Show};
use crate::system;

/// Names of the settings, sorted.
const NAMES: &[&str] =
    &["ef_search", "native", "parallel_rows", "slow_statement_ms", "statement_timeout"];

/// A setting, as a person or a client asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingListing {
    /// Its name.
    pub name: String,
    /// What it is now; `None` = not set.
    pub value: Option<String>,
    /// What it is when nobody says anything.
    pub default: Option<String>,
    /// `session` for what `SET` changes, `client` for what PostgreSQL's programs set and ask,
    /// `server` for what the operator chooses before the start.
    pub kind: &'static str,
    /// What it does.
    pub description: String,
}

/// Rows of scans from which on cores share joins and groups: sharing costs some messages for each
/// operator, about a millisecond in all (estimate), as much as one core does with these rows.
const PARALLEL_ROWS: u64 = 100_000;

/// Longest time that can be called slow: a day.
const SLOW_MS_MAX: u64 = 86_400_000;

/// What SET can change in a session.
#[derive(Clone, Debug)]
pub struct Settings {
    ef_search: Cell<Option<usize>>,
    statement_timeout: Cell<Option<Duration>>,
    parallel_rows: Cell<u64>,
    slow_statement: Cell<Option<Duration>>,
    native: Cell<bool>,
    /// Names that go back when the transaction ends.
    locals: RefCell<Vec<&'static str>>,
    /// What PostgreSQL's programs set.
    pub client: ClientSettings,
    defaults: SessionOptions,
    /// The connection, if it is one that stays.
    member: OnceCell<Rc<Member>>,
}

impl Settings {
    /// Begins with the session's options.
    pub fn new(defaults: SessionOptions) -> Self {
        Self {
            ef_search: Cell::new(defaults.ef_search),
            statement_timeout: Cell::new(defaults.statement_timeout),
            parallel_rows: Cell::new(PARALLEL_ROWS),
            slow_statement: Cell::new(defaults.slow_statement),
            native: Cell::new(true),
            locals: RefCell::default(),
            client: ClientSettings::default(),
            defaults,
            member: OnceCell::new(),
        }
    }

    /// Says whose settings they are.
    pub(crate) fn join(&self, member: Rc<Member>) {
        // Said once, when the connection begins.
        let _first = self.member.set(member);
    }

    /// Returns the connection, if it is one that stays.
    pub(crate) fn member(&self) -> Option<&Rc<Member>> {
        self.member.get()
    }

    /// Returns the beam width of vector searches; `None` = each index's own.
    pub fn ef_search(&self) -> Option<usize> {
        self.ef_search.get()
    }

    /// Returns the longest time of one request; `None` = no end.
    pub fn statement_timeout(&self) -> Option<Duration> {
        self.statement_timeout.get()
    }

    /// Returns from how many rows on all cores join, group and sort.
    pub fn parallel_rows(&self) -> u64 {
        self.parallel_rows.get()
    }

    /// Returns from how long on a statement is logged as slow; `None` = never.
    pub fn slow_statement(&self) -> Option<Duration> {
        self.slow_statement.get()
    }

    /// Returns what `SET` can change.
    pub fn listed(&self) -> Vec<SettingListing> {
        let before = Self::new(self.defaults.clone());
        let listed = NAMES.iter().map(|name| SettingListing {
            name: (*name).to_owned(),
            value: self.shown(name),
            default: before.shown(name),
            kind: "session",
            description: meaning(name).to_owned(),
        });
        let clients = CLIENT_SETTINGS.iter().map(|known| SettingListing {
            name: known.name.to_owned(),
            value: self.client.shown(known.name),
            default: Some(known.default.to_owned()),
            kind: "client",
            description: known.meaning.to_owned(),
        });
        listed.chain(clients).collect()
    }

    /// Puts everything back to what it was before a transaction that was rolled back.
    pub fn restore(&self, before: &Self) {
        self.ef_search.set(before.ef_search.get());
        self.statement_timeout.set(before.statement_timeout.get());
        self.parallel_rows.set(before.parallel_rows.get());
        self.slow_statement.set(before.slow_statement.get());
        self.native.set(before.native.get());
        self.client.restore(&before.client);
        self.locals.borrow_mut().clear();
    }

    /// Puts back what was set for one transaction only.
    pub fn end_local(&self, before: &Self) {
        for name in self.locals.take() {
            match name {
                "ef_search" => self.ef_search.set(before.ef_search.get()),
                "statement_timeout" => self.statement_timeout.set(before.statement_timeout.get()),
                "parallel_rows" => self.parallel_rows.set(before.parallel_rows.get()),
                "slow_statement_ms" => self.slow_statement.set(before.slow_statement.get()),
                _ => self.native.set(before.native.get()),
            }
        }
        self.client.end_local(&before.client);
    }

    /// Puts everything back to what it was when the session began.
    fn reset(&self) {
        self.restore(&Self::new(self.defaults.clone()));
        self.client.reset();
    }

    /// Returns what the operator has chosen.
    pub fn of_server(&self) -> &[SettingListing] {
        &self.defaults.server_settings
    }

    /// Returns whether simple queries are answered without a plan.
    pub fn native(&self) -> bool {
        self.native.get()
    }

    /// Returns what a vector index gets where its definition says nothing.
    pub fn index_defaults(&self) -> IndexDefaults {
        self.defaults.index_defaults
    }

    /// Returns a value as SHOW answers it; `None` for a name that is no setting.
    pub fn shown(&self, name: &str) -> Option<String> {
        Some(match canonical(name) {
            "ef_search" => match self.ef_search.get() {
                Some(width) => width.to_string(),
                None => "default".into(),
            },
            "parallel_rows" => self.parallel_rows.get().to_string(),
            "native" => if self.native.get() { "on" } else { "off" }.into(),
            "slow_statement_ms" => match self.slow_statement.get() {
                Some(limit) => limit.as_millis().to_string(),
                None => "-1".into(),
            },
            "statement_timeout" => match self.statement_timeout.get() {
                Some(timeout) => format!("{}ms", timeout.as_millis()),
                None => "0".into(),
            },
            name => return self.client.shown(name),
        })
    }
}

fn canonical(name: &str) -> &str {
    name.strip_prefix("hnsw.").unwrap_or(name)
}

fn meaning(name: &str) -> &'static str {
    match name {
        "ef_search" => "beam width of vector searches; default: each index's own",
        "native" => "whether simple queries are answered without a plan; for tests",
        "parallel_rows" => "from how many rows on all cores join, group and sort; 0 = always",
        "slow_statement_ms" => "from how long on a statement is logged; 0 = all, -1 = none",
        "statement_timeout" => "longest time of one request; 0 = no end",
        _ => "",
    }
}

fn unknown(name: &str, position: usize) -> Error {
    Error::new(code::UNDEFINED_OBJECT, format!("there is no setting \"{name}\""))
        .with_suggestion(suggest::nearest(name, NAMES.iter().copied()))
        .at(position)
}

/// Runs a SET.
///
/// **Errors**: an unknown name, a value out of range.
pub fn set(settings: &Settings, setting: &Setting) -> Result<Outcome> {
    let value = setting.value.as_deref();
    let invalid = |wanted: &str| {
        let value = value.unwrap_or_default();
        let message = format!("invalid value \"{value}\" for \"{}\"", setting.name.text);
        Error::new(code::INVALID_PARAMETER_VALUE, message).with_hint(format!("Use {wanted}."))
    };
    match canonical(&setting.name.text) {
        "ef_search" => {
            let width = match value {
                None => settings.defaults.ef_search,
                Some(value) => {
                    let width = value.trim().parse().ok();
                    let width = width.filter(|width| HNSW_EF_SEARCH.contains(width));
                    Some(width.ok_or_else(|| invalid("a number from 1 to 10000"))?)
                }
            };
            settings.ef_search.set(width);
        }
        "statement_timeout" => {
            let timeout = match value {
                None => settings.defaults.statement_timeout,
                Some(value) => {
                    let wanted = "milliseconds, or a number with ms, s, min or h";
                    let timeout = duration(value).ok_or_else(|| invalid(wanted))?;
                    Some(timeout).filter(|timeout| !timeout.is_zero())
                }
            };
            settings.statement_timeout.set(timeout);
        }
        "parallel_rows" => settings.parallel_rows.set(match value {
            None => PARALLEL_ROWS,
            Some(value) => value.trim().parse().map_err(|_| invalid("a number of rows"))?,
        }),
        "slow_statement_ms" => settings.slow_statement.set(match value {
            None => settings.defaults.slow_statement,
            Some(value) if value.trim() == "-1" => None,
            Some(value) => {
                let millis = value.trim().parse().ok().filter(|millis| *millis <= SLOW_MS_MAX);
                let wanted = "milliseconds up to 86400000, 0 for all, -1 for none";
                Some(Duration::from_millis(millis.ok_or_else(|| invalid(wanted))?))
            }
        }),
        "native" => settings.native.set(match value {
            None | Some("on" | "true" | "1") => true,
            Some("off" | "false" | "0") => false,
            Some(_) => return Err(invalid("on or off")),
        }),
        "all" if value.is_none() => settings.reset(),
        _ if settings.client.set(setting).map_err(|error| error.at(setting.name.position))? => {}
        name => return Err(unknown(name, setting.name.position)),
    }
    if setting.is_local
        && let Some(name) = NAMES.iter().find(|name| **name == canonical(&setting.name.text))
    {
        settings.locals.borrow_mut().push(name);
    }
    Ok(Outcome::without_rows(StatementKind::Setting, None))
}

/// Reads a time: a number of milliseconds, or one with a unit.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..end].parse().ok()?;
    let millis = match text[end..].trim() {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

/// Runs a DISCARD or DEALLOCATE of a session without prepared statements: those are a
/// connection's, which forgets them itself.
///
/// **Errors**: `26000` for the name of a prepared statement.
pub fn forget(settings: &Settings, what: &Forget) -> Result<Outcome> {
    match what {
        Forget::All => settings.reset(),
        Forget::Nothing | Forget::Cursors | Forget::Statements | Forget::Extension => {}
        // Nothing listens but connections, which are asked before.
        Forget::Channels | Forget::Channel(_) => {}
        Forget::Cursor(name) => {
            let message = format!("cursor \"{}\" does not exist", name.text);
            return Err(Error::new(code::UNDEFINED_CURSOR, message).at(name.position));
        }
        Forget::Statement(name) => {
            let message = format!("prepared statement \"{}\" does not exist", name.text);
            return Err(Error::new(code::UNDEFINED_STATEMENT, message)
                .with_hint("Send parameters with the statement: plans are cached by its text.")
                .at(name.position));
        }
    }
    Ok(Outcome::without_rows(StatementKind::Setting, None))
}

/// Returns what a SHOW answers, to be described: it changes nothing.
///
/// **Errors**: as [`show`].
pub fn described(request: &Request<'_>, what: &Show) -> Result<Outcome> {
    show(request, request.settings(), what)
}

/// Runs a SHOW.
///
/// **Errors**: an unknown setting or table.
pub fn show(request: &Request<'_>, settings: &Settings, show: &Show) -> Result<Outcome> {
    let tables = listing(request.catalog());
    match show {
        Show::Setting(name) => {
            let value = settings.shown(&name.text).or_else(|| of_transaction(request, &name.text));
            let value = value.ok_or_else(|| unknown(&name.text, name.position))?;
            texts(&[(&name.text, vec![Some(value)])])
        }
        Show::Settings => {
            let names = NAMES.iter().map(|name| Some((*name).to_owned())).collect();
            let values = NAMES.iter().map(|name| settings.shown(name)).collect();
            texts(&[("name", names), ("value", values)])
        }
        Show::Tables => {
            let names = tables.iter().map(|table| Some(table.name.clone())).collect();
            let kinds = tables.iter().map(|table| Some(table.kind.to_owned())).collect();
            let keys = tables.iter().map(|table| Some(table.key.join(", "))).collect();
            texts(&[("name", names), ("kind", kinds), ("key", keys)])
        }
        Show::Columns(name) => {
            let table = tables.iter().find(|table| table.name == name.text);
            columns(table.map(|table| table.columns.as_slice()).unwrap_or_default())
        }
        Show::SystemColumns(schema, name) => columns(&system::find(schema, name)?.listed()),
        Show::Indexes(name) => {
            let wanted = |table: &str| name.as_ref().is_none_or(|name| name.text == table);
            let found: Vec<_> = tables
                .iter()
                .filter(|table| wanted(&table.name))
                .flat_map(|table| table.indexes.iter().map(|index| (&table.name, index)))
                .collect();
            let names = found.iter().map(|(_, index)| Some(index.name.clone())).collect();
            let of = found.iter().map(|(table, _)| Some((*table).clone())).collect();
            let kinds = found.iter().map(|(_, index)| Some(index.kind.to_owned())).collect();
            let over = found.iter().map(|(_, index)| Some(index.columns.join(", "))).collect();
            let with = found.iter().map(|(_, index)| Some(index.options.clone())).collect();
            texts(&[
                ("name", names),
                ("table", of),
                ("kind", kinds),
                ("columns", over),
                ("options", with),
            ])
        }
        Show::Constraints(name) => constraints(&tables, name.as_ref()),
        Show::Sequences => sequences(request.catalog()),
        Show::Views => views(request.catalog()),
    }
}

fn columns(columns: &[ColumnListing]) -> Result<Outcome> {
    let fields = vec![
        Field::new("name", DataType::Utf8, false),
        Field::new("type", DataType::Utf8, false),
        Field::new("nullable", DataType::Boolean, false),
        Field::new("default", DataType::Utf8, true),
    ];
    let names = columns.iter().map(|column| column.name.clone());
    let types = columns.iter().map(|column| column.type_name.clone());
    let nullable: BooleanArray = columns.iter().map(|column| Some(column.nullable)).collect();
    let defaults: StringArray = columns.iter().map(|column| column.default.clone()).collect();
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(names)),
        Arc::new(StringArray::from_iter_values(types)),
        Arc::new(nullable),
        Arc::new(defaults),
    ];
    answer(fields, arrays)
}

fn constraints(tables: &[TableListing], of: Option<&Name>) -> Result<Outcome> {
    let wanted = |table: &str| of.is_none_or(|name| name.text == table);
    let found: Vec<_> = tables
        .iter()
        .filter(|table| wanted(&table.name))
        .flat_map(|table| table.constraints.iter().map(|one| (&table.name, one)))
        .collect();
    let names = found.iter().map(|(_, one)| Some(one.name.clone())).collect();
    let of = found.iter().map(|(table, _)| Some((*table).clone())).collect();
    let kinds = found.iter().map(|(_, one)| Some(one.kind.to_owned())).collect();
    let definitions = found.iter().map(|(_, one)| Some(one.definition.clone())).collect();
    texts(&[("name", names), ("table", of), ("kind", kinds), ("definition", definitions)])
}

fn sequences(catalog: &Catalog) -> Result<Outcome> {
    let mut found: Vec<(&str, &SequenceShape)> = Vec::new();
    for table in catalog.tables.values() {
        if let TableKind::Sequence(shape) = &table.kind {
            found.push((&table.name, shape));
        }
    }
    found.sort_unstable_by_key(|(name, _)| *name);
    let names = found.iter().map(|(name, _)| Some((*name).to_owned())).collect();
    let definition = |shape: &SequenceShape| {
        let SequenceShape { start, increment, min, max, cycle, cache, .. } = shape;
        let cycle = if *cycle { "CYCLE" } else { "NO CYCLE" };
        format!(
            "INCREMENT {increment} MINVALUE {min} MAXVALUE {max} START {start} CACHE {cache} \
             {cycle}"
        )
    };
    let definitions = found.iter().map(|(_, shape)| Some(definition(shape))).collect();
    texts(&[("name", names), ("definition", definitions)])
}

fn views(catalog: &Catalog) -> Result<Outcome> {
    let mut found = Vec::new();
    for table in catalog.tables.values() {
        let Some(query) = table.view_query() else { continue };
        let (kind, populated) = match &table.kind {
            TableKind::Materialized { content, .. } => {
                let whole = matches!(content, Content::Whole(_));
                let populated = if whole { "yes" } else { "no" };
                ("materialized view", Some(populated.to_owned()))
            }
            _ => ("view", None),
        };
        found.push((table.name.clone(), kind, populated, query.text.clone()));
    }
    found.sort_unstable();
    let names = found.iter().map(|(name, ..)| Some(name.clone())).collect();
    let kinds = found.iter().map(|(_, kind, ..)| Some((*kind).to_owned())).collect();
    let populated = found.iter().map(|(_, _, populated, _)| populated.clone()).collect();
    let definitions = found.iter().map(|(.., text)| Some(text.clone())).collect();
    texts(&[
        ("name", names),
        ("kind", kinds),
        ("populated", populated),
        ("definition", definitions),
    ])
}

/// Returns what PostgreSQL's drivers ask of the transaction, and which commit is read.
fn of_transaction(request: &Request<'_>, name: &str) -> Option<String> {
    Some(match name {
        "transaction_isolation" => request.isolation_name().to_owned(),
        "commit_id" => request.commit().to_string(),
        "oldest_commit_id" => {
            request.core().oldest_commit().map_or_else(|| "none".to_owned(), |at| at.to_string())
        }
        "transaction_read_only" => if request.is_read_only() { "on" } else { "off" }.to_owned(),
        _ => return None,
    })
}

fn texts(columns: &[(&str, Vec<Option<String>>)]) -> Result<Outcome> {
    let fields = columns.iter().map(|(name, _)| Field::new(*name, DataType::Utf8, true)).collect();
    let arrays = columns
        .iter()
        .map(|(_, values)| Arc::new(StringArray::from(values.clone())) as ArrayRef)
        .collect();
    answer(fields, arrays)
}

fn answer(fields: Vec<Field>, arrays: Vec<ArrayRef>) -> Result<Outcome> {
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(schema.clone(), arrays)?;
    Ok(Outcome::with_rows(StatementKind::Setting, schema, Rows::Collected(vec![batch])))
}
