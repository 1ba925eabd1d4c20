//! Which statements are ready to run again?
//!
//! A text is read once per core; a statement is bound and planned once per catalog: one in force,
//! or one as an open transaction sees it.
//! Texts with values written into them would fill the memory for nothing: long ones are not kept.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::{Arc, Weak};

use pieskieo_shards::catalog::Catalog;

use crate::bind::{bind, names_lock, names_sequence};
use crate::coordinator::{Reads, delete_query, kind_of, update_query};
use crate::error::{Error, Result};
use crate::measure::Form;
use crate::plan::Engine;
use crate::plan::graph::table_named;
use crate::postgres::Told;
use crate::syntax::{Parsed, Statement, parse};

/// Texts kept per core: some 20 KiB each with their plans (estimate).
const TEXTS_MAX: usize = 1024;

/// Longest text that is kept.
const TEXT_BYTES_MAX: usize = 16 * 1024;

/// Bytes of a statement that are shown in the log.
const LOGGED_BYTES_MAX: usize = 2_000;

/// A statement of a text, and what it means.
#[derive(Debug)]
pub struct Item {
    /// What it says.
    pub parsed: Parsed,
    /// Whether it may take or show numbers of sequences.
    sequences: bool,
    /// Whether it may take advisory locks, or let them go.
    locks: bool,
    /// What it has in common with others.
    form: Rc<Form>,
    /// The text it is part of, or what of it is kept.
    source: Rc<str>,
    ready: RefCell<Option<(Weak<Catalog>, Rc<Ready>)>>,
    /// What clients of PostgreSQL's protocol are told of it.
    pub told: Told,
}

/// A statement that was bound and planned.
#[derive(Debug)]
pub struct Ready {
    /// What it means.
    pub statement: Statement,
    /// The query in it, if it has one: of a SELECT itself, of an UPDATE or DELETE what it reads.
    pub query: Option<Reads>,
}

#[derive(Default)]
struct Cache {
    texts: HashMap<Rc<str>, Rc<[Rc<Item>]>, ahash::RandomState>,
    /// Texts in the order they came.
    order: VecDeque<Rc<str>>,
}

thread_local! {
    static CACHE: RefCell<Cache> = RefCell::default();
}

/// Returns the statements of a text.
///
/// **Errors**: whatever is wrong with the text.
pub fn statements(text: &str) -> Result<Rc<[Rc<Item>]>> {
    if let Some(items) = CACHE.with_borrow(|cache| cache.texts.get(text).cloned()) {
        return Ok(items);
    }
    let all = parse(text)?;
    let source: Rc<str> = text[..text.floor_char_boundary(TEXT_BYTES_MAX)].into();
    let item = |parsed: Parsed| {
        let own = text.get(parsed.text.clone()).unwrap_or(text);
        let sequences = names_sequence(own);
        let form = Rc::new(Form::of(own, kind_of(&parsed.statement)));
        Rc::new(Item {
            parsed,
            sequences,
            locks: sequences && names_lock(own),
            form,
            source: source.clone(),
            ready: RefCell::default(),
            told: Told::default(),
        })
    };
    let items: Rc<[Rc<Item>]> = all.into_iter().map(item).collect();
    if text.len() <= TEXT_BYTES_MAX {
        CACHE.with_borrow_mut(|cache| cache.keep(source, &items));
    }
    Ok(items)
}

impl Cache {
    fn keep(&mut self, text: Rc<str>, items: &Rc<[Rc<Item>]>) {
        if self.order.len() >= TEXTS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.texts.remove(&oldest);
        }
        self.texts.insert(text.clone(), items.clone());
        self.order.push_back(text);
    }
}

impl Item {
    /// Returns whether it may take or show numbers of sequences: those are not the same at every
    /// run.
    pub fn calls_sequences(&self) -> bool {
        self.sequences
    }

    /// Returns whether it may take advisory locks, or let them go.
    pub fn calls_locks(&self) -> bool {
        self.locks
    }

    /// Returns what it has in common with others that differ in their values.
    pub fn form(&self) -> &Rc<Form> {
        &self.form
    }

    /// Returns its text as it was sent, or the first 2,000 bytes of it.
    pub fn beginning(&self) -> &str {
        let begin = self.parsed.text.start.min(self.source.len());
        let own = self.source.get(begin..).unwrap_or_default();
        let own = own.get(..self.parsed.text.len()).unwrap_or(own);
        &own[..own.floor_char_boundary(LOGGED_BYTES_MAX)]
    }

    /// Returns the statement bound and planned for a catalog.
    ///
    /// **Errors**: names and types that do not fit.
    pub fn ready(&self, engine: &Engine, catalog: &Arc<Catalog>) -> Result<Rc<Ready>> {
        if let Some((known, ready)) = self.ready.borrow().as_ref()
            && is_same(known, catalog)
        {
            return Ok(ready.clone());
        }
        let statement = bind(catalog, self.parsed.statement.clone())?;
        let ready = Rc::new(Ready::new(engine, catalog, statement)?);
        *self.ready.borrow_mut() = Some((Arc::downgrade(catalog), ready.clone()));
        Ok(ready)
    }
}

/// Returns whether something was made with this very catalog. While it is remembered, no other has
/// its place in memory.
pub(crate) fn is_same(known: &Weak<Catalog>, catalog: &Arc<Catalog>) -> bool {
    std::ptr::eq(known.as_ptr(), Arc::as_ptr(catalog))
}

impl Ready {
    /// Plans the query of a bound statement.
    ///
    /// **Errors**: names and types that do not fit.
    pub fn new(engine: &Engine, catalog: &Arc<Catalog>, statement: Statement) -> Result<Self> {
        let query = match query_of(catalog, &statement)? {
            Some(query) => Some(Reads::new(engine, catalog, query)?),
            None => None,
        };
        Ok(Self { statement, query })
    }

    /// Returns the query of the statement.
    ///
    /// **Errors**: internal, for a statement that has none.
    pub fn reads(&self) -> Result<&Reads> {
        self.query.as_ref().ok_or_else(|| Error::internal("a statement without a query"))
    }
}

fn query_of(
    catalog: &Catalog,
    statement: &Statement,
) -> Result<Option<datafusion::sql::sqlparser::ast::Query>> {
    Ok(match statement {
        Statement::Query(query) => Some(query.as_ref().clone()),
        Statement::Update(update) => {
            Some(update_query(table_named(catalog, &update.table.text)?.as_ref(), update)?)
        }
        Statement::Delete(delete) => {
            Some(delete_query(table_named(catalog, &delete.table.text)?.as_ref(), delete)?)
        }
        Statement::Explain(explain) => query_of(catalog, &explain.statement)?,
        _ => None,
    })
}
