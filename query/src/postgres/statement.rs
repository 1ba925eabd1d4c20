//! What does a connection know of a statement before it runs?

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Weak};

use pieskieo_shards::catalog::Catalog;
use pieskieo_shards::value::ColumnType;

use super::describe;
use super::oid::WireColumn;
use super::tag::Tag;
use crate::coordinator::Request;
use crate::error::Result;
use crate::prepared::{Item, is_same, statements};
use crate::syntax::{CursorStatement, Forget, Statement};

/// A statement about the transaction of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// `BEGIN`.
    Begin,
    /// `COMMIT`.
    Commit,
    /// `ROLLBACK`.
    Rollback,
    /// `ROLLBACK TO`, which mends a transaction that has failed.
    RollbackTo,
}

/// Prepared statements that are to be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgets<'s> {
    /// All of them.
    All,
    /// The one of this name.
    One(&'s str),
}

/// One statement of a text.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub(super) item: Rc<Item>,
}

/// What is known for one catalog.
type Known<T> = (Weak<Catalog>, T);

/// The columns that a statement answers; `None` for one without an answer.
type Answers = Option<Rc<[WireColumn]>>;

/// What was found out about a statement for one catalog, when its client says
/// nothing of the types of its parameters.
#[derive(Debug, Default)]
pub struct Told {
    types: RefCell<Option<Known<Rc<[ColumnType]>>>>,
    columns: RefCell<Option<Known<Answers>>>,
}

impl Prepared {
    /// Returns what it says about the transaction; `None` for any other statement.
    pub fn control(&self) -> Option<Control> {
        match self.item.parsed.statement {
            Statement::Begin(_) => Some(Control::Begin),
            Statement::Commit => Some(Control::Commit),
            Statement::Rollback => Some(Control::Rollback),
            Statement::RollbackTo(_) => Some(Control::RollbackTo),
            _ => None,
        }
    }

    /// Returns which of a connection's prepared statements it has forgotten; `None` for any other
    /// statement.
    pub fn forgets(&self) -> Option<Forgets<'_>> {
        match &self.item.parsed.statement {
            Statement::Forget(Forget::All | Forget::Statements) => Some(Forgets::All),
            Statement::Forget(Forget::Statement(name)) => Some(Forgets::One(&name.text)),
            _ => None,
        }
    }

    /// Returns whether it is about what only a connection has: its cursors, locks and channels.
    pub fn is_of_connection(&self) -> bool {
        use Forget::{Channel, Channels, Cursor, Cursors};
        match &self.item.parsed.statement {
            Statement::Cursor(_) | Statement::Channel(_) => true,
            Statement::Forget(Cursor(_) | Cursors | Channel(_) | Channels) => true,
            _ => self.item.calls_locks(),
        }
    }

    /// Returns whether it is a query.
    pub fn is_query(&self) -> bool {
        matches!(self.item.parsed.statement, Statement::Query(_) | Statement::Pipeline(_))
    }

    /// Returns which cursor a MOVE passes over rows of, and over how many, `None` = all; `None` for
    /// any other statement.
    pub fn moves(&self) -> Option<(&str, Option<u64>)> {
        match &self.item.parsed.statement {
            Statement::Cursor(CursorStatement::Fetch(fetch)) if fetch.is_move => {
                Some((&fetch.name.text, fetch.count))
            }
            _ => None,
        }
    }

    /// Returns the query of a DECLARE; `None` for any other statement.
    ///
    /// **Errors**: whatever is wrong with its text.
    pub(super) fn declared(&self) -> Result<Option<Self>> {
        let Statement::Cursor(CursorStatement::Declare(declare)) = &self.item.parsed.statement
        else {
            return Ok(None);
        };
        let items = statements(&declare.text).map_err(|error| declare.placed(error))?;
        Ok(items.first().map(|item| Self { item: item.clone() }))
    }

    /// Returns how many parameters it takes at least: the highest number of one.
    pub fn parameter_count(&self) -> usize {
        self.item.parsed.parameter_count
    }

    /// Returns the words it ends with.
    pub fn tag(&self) -> Tag {
        let text = self.item.beginning().trim_start();
        let end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
        Tag::of(&self.item.parsed.statement, &text[..end].to_ascii_uppercase())
    }

    /// Returns the label of its kind.
    pub fn label(&self) -> &'static str {
        crate::coordinator::kind_of(&self.item.parsed.statement).label()
    }

    /// Returns the types of its parameters; `declared` are those its client has said.
    ///
    /// **Errors**: names and types that do not fit.
    pub(super) fn types(
        &self,
        request: &Request<'_>,
        declared: &[Option<ColumnType>],
    ) -> Result<Rc<[ColumnType]>> {
        if let Statement::Cursor(statement) = &self.item.parsed.statement {
            return match (statement, self.declared()?) {
                (CursorStatement::Declare(declare), Some(query)) => {
                    query.types(request, declared).map_err(|error| declare.placed(error))
                }
                _ => Ok(Rc::default()),
            };
        }
        if let Statement::Channel(_) = &self.item.parsed.statement {
            return Ok(Rc::default());
        }
        let catalog = request.catalog();
        let free = declared.iter().all(Option::is_none);
        if let Some((known, types)) = self.item.told.types.borrow().as_ref()
            && free
            && is_same(known, catalog)
            && types.len() >= declared.len()
        {
            return Ok(types.clone());
        }
        let types: Rc<[ColumnType]> = describe::parameters(request, &self.item, declared)?.into();
        if free && declared.len() <= self.parameter_count() {
            *self.item.told.types.borrow_mut() = Some((Arc::downgrade(catalog), types.clone()));
        }
        Ok(types)
    }

    /// Returns the columns it answers, given the types of its parameters; `None` for a statement
    /// without an answer.
    ///
    /// **Errors**: names and types that do not fit.
    pub(super) fn columns(
        &self,
        request: &Request<'_>,
        types: &Rc<[ColumnType]>,
    ) -> Result<Option<Rc<[WireColumn]>>> {
        if let Statement::Cursor(_) | Statement::Channel(_) = &self.item.parsed.statement {
            return Ok(None);
        }
        let catalog = request.catalog();
        let free = match self.item.told.types.borrow().as_ref() {
            Some((known, free)) => is_same(known, catalog) && free == types,
            None => types.is_empty(),
        };
        if let Some((known, columns)) = self.item.told.columns.borrow().as_ref()
            && free
            && is_same(known, catalog)
        {
            return Ok(columns.clone());
        }
        let columns = describe::columns(request, &self.item, types)?;
        let columns: Option<Rc<[WireColumn]>> = columns.map(Into::into);
        if free {
            *self.item.told.columns.borrow_mut() = Some((Arc::downgrade(catalog), columns.clone()));
        }
        Ok(columns)
    }
}
