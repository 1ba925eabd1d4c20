//! Which statements and portals does a connection have?
//!
//! What a client prepares stays until it closes it: there is a bound on how many and how large, so
//! that a client that never closes any is refused, and the server goes on. A statement keeps its
//! text, which is read again from the core's cache of texts.

use std::collections::HashMap;
use std::rc::Rc;

use pieskieo_query::error::code;
use pieskieo_query::postgres::{ColumnType, Forgets, Form, Prepared, RowWriter, Tag, WireColumn};
use pieskieo_query::{Error, Param, Rows};

use crate::limits;

/// A prepared statement.
#[derive(Clone)]
pub struct Statement {
    /// Its text.
    pub text: Rc<str>,
    /// What it says; `None` for a text without a statement.
    pub prepared: Option<Prepared>,
    /// The numbers of parameter types that its client has said.
    pub declared: Rc<[u32]>,
    /// The types of its parameters.
    pub types: Rc<[ColumnType]>,
    /// The columns its client was told of.
    pub told: Option<Rc<[WireColumn]>>,
}

/// A statement with its parameters.
pub struct Portal {
    /// What it says; `None` for a text without a statement.
    pub prepared: Option<Prepared>,
    /// The types of its parameters.
    pub types: Rc<[ColumnType]>,
    /// Its parameters.
    pub params: Vec<Param>,
    /// In which forms columns are sent: none = text, one = all of them, or one for each.
    pub forms: Vec<Form>,
    /// The columns its client was told of.
    pub told: Option<Rc<[WireColumn]>>,
    /// Bytes of its parameters.
    pub bytes: usize,
    /// How far it has run.
    pub progress: Progress,
}

/// How far a portal has run.
#[derive(Default)]
pub enum Progress {
    /// Not at all.
    #[default]
    New,
    /// It has rows left.
    Open(Box<Answering>),
    /// To its end: it has no rows.
    Done,
}

/// An answer while it is sent.
pub struct Answering {
    /// What has not been made yet.
    pub rows: Rows,
    /// The columns, as they are told.
    pub columns: Rc<[WireColumn]>,
    /// The form of each.
    pub forms: Vec<Form>,
    /// A batch, how many rows it has, and how many of them have been sent.
    pub batch: Option<(RowWriter, usize, usize)>,
    /// The words at its end.
    pub tag: Tag,
    /// Records that were changed.
    pub affected: Option<u64>,
}

/// The statements of a connection, by name.
#[derive(Default)]
pub struct Statements {
    named: HashMap<String, Statement>,
    unnamed: Option<Statement>,
    bytes: usize,
}

/// The portals of a connection, by name.
#[derive(Default)]
pub struct Portals {
    named: HashMap<String, Portal>,
    bytes: usize,
}

impl Statements {
    /// Keeps a statement. One without a name takes the place of the one before.
    ///
    /// **Errors**: `42P05` for a name that is taken, `53400` when there are too many.
    pub fn keep(&mut self, name: String, statement: Statement) -> Result<(), Error> {
        if name.is_empty() {
            self.unnamed = Some(statement);
            return Ok(());
        }
        if self.named.contains_key(&name) {
            let message = format!("prepared statement \"{name}\" already exists");
            return Err(Error::new(code::DUPLICATE_STATEMENT, message));
        }
        let bytes = statement.text.len() + name.len();
        if self.named.len() >= limits::PREPARED_MAX {
            return Err(too_many("prepared_statements", limits::PREPARED_MAX));
        }
        if self.bytes + bytes > limits::PREPARED_BYTES_MAX {
            return Err(too_many("prepared_statement_bytes", limits::PREPARED_BYTES_MAX));
        }
        self.bytes += bytes;
        self.named.insert(name, statement);
        Ok(())
    }

    /// Returns a statement.
    ///
    /// **Errors**: `26000`.
    pub fn get(&mut self, name: &str) -> Result<&mut Statement, Error> {
        let found = match name {
            "" => self.unnamed.as_mut(),
            name => self.named.get_mut(name),
        };
        found.ok_or_else(|| {
            let message = match name {
                "" => "unnamed prepared statement does not exist".to_owned(),
                name => format!("prepared statement \"{name}\" does not exist"),
            };
            Error::new(code::UNDEFINED_STATEMENT, message)
        })
    }

    /// Forgets what a DISCARD or DEALLOCATE says.
    ///
    /// **Errors**: `26000` for a name that nothing has.
    pub fn forget(&mut self, what: Forgets<'_>) -> Result<(), Error> {
        match what {
            Forgets::All => *self = Self::default(),
            Forgets::One(name) => {
                self.get(name)?;
                self.close(name);
            }
        }
        Ok(())
    }

    /// Forgets a statement. One that is not there needs no forgetting.
    pub fn close(&mut self, name: &str) {
        if name.is_empty() {
            self.unnamed = None;
        } else if let Some(gone) = self.named.remove(name) {
            self.bytes -= gone.text.len() + name.len();
        }
    }
}

impl Portals {
    /// Keeps a portal. One without a name takes the place of the one before.
    ///
    /// **Errors**: `42P03` for a name that is taken, `53400` when there are too many.
    pub fn keep(&mut self, name: String, portal: Portal) -> Result<(), Error> {
        if name.is_empty() {
            self.close("");
        } else if self.named.contains_key(&name) {
            let message = format!("portal \"{name}\" already exists");
            return Err(Error::new(code::DUPLICATE_CURSOR, message));
        }
        if self.named.len() >= limits::PORTALS_MAX {
            return Err(too_many("portals", limits::PORTALS_MAX));
        }
        if self.bytes + portal.bytes > limits::PORTAL_BYTES_MAX {
            return Err(too_many("portal_bytes", limits::PORTAL_BYTES_MAX));
        }
        self.bytes += portal.bytes;
        self.named.insert(name, portal);
        Ok(())
    }

    /// Returns whether there is a portal of this name.
    pub fn has(&self, name: &str) -> bool {
        self.named.contains_key(name)
    }

    /// Returns a portal.
    ///
    /// **Errors**: `34000`.
    pub fn get(&mut self, name: &str) -> Result<&mut Portal, Error> {
        self.named.get_mut(name).ok_or_else(|| {
            Error::new(code::UNDEFINED_CURSOR, format!("portal \"{name}\" does not exist"))
        })
    }

    /// Takes a portal out while it runs.
    ///
    /// **Errors**: `34000`.
    pub fn take(&mut self, name: &str) -> Result<Portal, Error> {
        self.get(name)?;
        let taken = self.named.remove(name);
        taken.ok_or_else(|| Error::internal("a portal that is there is not")).inspect(|portal| {
            self.bytes -= portal.bytes;
        })
    }

    /// Puts a portal back.
    pub fn put(&mut self, name: &str, portal: Portal) {
        self.bytes += portal.bytes;
        self.named.insert(name.to_owned(), portal);
    }

    /// Forgets a portal, and stops what it runs. One that is not there needs no forgetting.
    pub fn close(&mut self, name: &str) {
        if let Some(gone) = self.named.remove(name) {
            self.bytes -= gone.bytes;
        }
    }

    /// Forgets all portals: their transaction has ended.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

fn too_many(name: &str, limit: usize) -> Error {
    Error::new(code::LIMIT_EXCEEDED, format!("the limit \"{name}\" of {limit} was reached"))
        .with_hint("Close those that are not needed any more.")
}

/// Returns the form of each of so many columns.
///
/// **Errors**: `08P01` when there are neither none, one nor one for each.
pub fn forms_of(forms: &[Form], count: usize) -> Result<Vec<Form>, Error> {
    match forms {
        [] => Ok(vec![Form::Text; count]),
        [one] => Ok(vec![*one; count]),
        each if each.len() == count => Ok(each.to_vec()),
        other => {
            let given = other.len();
            let message =
                format!("bind message has {given} result formats but query has {count} columns");
            Err(Error::new(code::PROTOCOL_VIOLATION, message))
        }
    }
}
