//! What do PostgreSQL's programs set and ask, beside what has an effect of ours?
//!
//! They say how they want to be answered and expect to hear what they have said. What this server
//! does in one way only is accepted in that way and refused in others: a client that was told
//! "yes" relies on it. What chooses between ways to the same answer, such as `enable_seqscan`, is
//! kept and has no effect. Names with a dot are the client's own.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use crate::error::{Error, Result, code};
use crate::syntax::Setting;

/// Names with a dot that a session keeps.
const OWN_MAX: usize = 64;
/// Bytes of a value.
const VALUE_BYTES_MAX: usize = 1_024;

/// A setting of PostgreSQL's.
#[derive(Debug)]
pub struct ClientSetting {
    /// Its name, as SHOW heads it.
    pub name: &'static str,
    /// What it is when nobody says anything.
    pub default: &'static str,
    /// Which values there are.
    accepts: Accepts,
    /// Whether clients are told when it changes.
    pub is_reported: bool,
    /// What it is about.
    pub meaning: &'static str,
}

/// Which values a setting takes.
#[derive(Clone, Copy, Debug)]
enum Accepts {
    /// Nothing: it says what the server is.
    Nothing,
    /// Any text.
    Text,
    /// `on` and `off`.
    Switch,
    /// Only this one, in any case.
    Only(&'static str),
    /// One of these.
    OneOf(&'static [&'static str]),
    /// A whole number between these.
    Number(i64, i64),
    /// A time, or 0: kept without an effect.
    Time,
    /// An encoding: UTF-8 by any of its names, or none at all.
    Encoding,
    /// ISO dates, with any order of day and month.
    DateStyle,
    /// UTC by any of its names.
    Zone,
    /// Schemas, of which `public` is one.
    Path,
}

macro_rules! setting {
    ($name:literal, $default:literal, $accepts:expr, $reported:literal, $meaning:literal) => {
        ClientSetting {
            name: $name,
            default: $default,
            accepts: $accepts,
            is_reported: $reported,
            meaning: $meaning,
        }
    };
}

const LEVELS: &[&str] = &["serializable", "repeatable read", "read committed", "read uncommitted"];
const MESSAGES: &[&str] =
    &["debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error"];
const COMMITS: &[&str] = &["on", "off", "local", "remote_write", "remote_apply"];

/// The settings there are, by name.
#[rustfmt::skip]
pub static CLIENT_SETTINGS: &[ClientSetting] = &[
    setting!("application_name", "", Accepts::Text, true, "what the client calls itself"),
    setting!("block_size", "8192", Accepts::Nothing, false, "as PostgreSQL has it; means nothing here"),
    setting!("bytea_output", "hex", Accepts::Only("hex"), false, "how bytes are written"),
    setting!("client_encoding", "UTF8", Accepts::Encoding, true, "how texts are sent"),
    setting!("client_min_messages", "notice", Accepts::OneOf(MESSAGES), false, "which messages are sent beside answers"),
    setting!("DateStyle", "ISO, MDY", Accepts::DateStyle, true, "how dates are written"),
    setting!("default_transaction_deferrable", "off", Accepts::Switch, false, "has no effect: reads never wait"),
    setting!("default_transaction_isolation", "serializable", Accepts::OneOf(LEVELS), false, "what transactions promise unless they say"),
    setting!("default_transaction_read_only", "off", Accepts::Switch, true, "whether transactions refuse to write unless they say"),
    setting!("enable_bitmapscan", "on", Accepts::Switch, false, "has no effect"),
    setting!("enable_hashjoin", "on", Accepts::Switch, false, "has no effect"),
    setting!("enable_indexscan", "on", Accepts::Switch, false, "has no effect"),
    setting!("enable_mergejoin", "on", Accepts::Switch, false, "has no effect"),
    setting!("enable_nestloop", "on", Accepts::Switch, false, "has no effect"),
    setting!("enable_seqscan", "on", Accepts::Switch, false, "has no effect"),
    setting!("extra_float_digits", "1", Accepts::Number(1, 3), false, "numbers always have the digits that read back the same"),
    setting!("idle_in_transaction_session_timeout", "0", Accepts::Time, false, "has no effect: transaction_idle_timeout_ms of the server has"),
    setting!("idle_session_timeout", "0", Accepts::Time, false, "has no effect"),
    setting!("in_hot_standby", "off", Accepts::Nothing, true, "whether this server only repeats another"),
    setting!("integer_datetimes", "on", Accepts::Nothing, true, "times are whole numbers"),
    setting!("IntervalStyle", "postgres", Accepts::Only("postgres"), true, "how spans of time are written"),
    setting!("is_superuser", "on", Accepts::Nothing, true, "whether the user may do everything"),
    setting!("jit", "off", Accepts::Switch, false, "has no effect"),
    setting!("lc_collate", "C", Accepts::Nothing, false, "how texts are compared: byte by byte"),
    setting!("lc_ctype", "C.UTF-8", Accepts::Nothing, false, "which characters are letters"),
    setting!("lock_timeout", "0", Accepts::Time, false, "how long advisory locks are waited for"),
    setting!("max_identifier_length", "63", Accepts::Nothing, false, "bytes of a name"),
    setting!("max_index_keys", "32", Accepts::Nothing, false, "columns of an index"),
    setting!("quote_all_identifiers", "off", Accepts::Only("off"), false, "names are quoted where they must be"),
    setting!("row_security", "on", Accepts::Switch, false, "has no effect: there are no policies"),
    setting!("search_path", "\"$user\", public", Accepts::Path, true, "where names without a schema are looked for"),
    setting!("server_encoding", "UTF8", Accepts::Nothing, true, "how texts are kept"),
    setting!("server_version", "15.0", Accepts::Nothing, true, "whose dialect clients may count on"),
    setting!("server_version_num", "150000", Accepts::Nothing, false, "the same as a number"),
    setting!("session_authorization", "pieskieo", Accepts::Nothing, true, "the user"),
    setting!("standard_conforming_strings", "on", Accepts::Only("on"), true, "a backslash in a text is one"),
    setting!("synchronous_commit", "on", Accepts::OneOf(COMMITS), false, "has no effect: what is committed is on the disk"),
    setting!("TimeZone", "UTC", Accepts::Zone, true, "where times without a zone are"),
    setting!("transaction_deferrable", "off", Accepts::Nothing, false, "has no effect: reads never wait"),
    setting!("xmloption", "content", Accepts::Only("content"), false, "there is no XML"),
];

/// What one session has said.
#[derive(Clone, Debug, Default)]
pub struct ClientSettings {
    /// By lower-case name; what is not here has its default.
    values: RefCell<BTreeMap<String, String>>,
    /// Names that go back when the transaction ends.
    locals: RefCell<Vec<String>>,
    /// Counts changes.
    changes: Cell<u64>,
}

/// Returns the setting of a name.
pub fn client_setting(name: &str) -> Option<&'static ClientSetting> {
    CLIENT_SETTINGS.iter().find(|known| known.name.eq_ignore_ascii_case(name))
}

impl ClientSettings {
    /// Returns a value; `None` for a name that nobody knows.
    pub fn shown(&self, name: &str) -> Option<String> {
        let name = name.to_lowercase();
        let said = self.values.borrow().get(&name).cloned();
        said.or_else(|| client_setting(&name).map(|known| known.default.to_owned()))
    }

    /// Returns the names with a dot, and their values.
    pub fn own(&self) -> Vec<(String, String)> {
        let values = self.values.borrow();
        let own = values.iter().filter(|(name, _)| client_setting(name).is_none());
        own.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Returns how often something was changed.
    pub fn changes(&self) -> u64 {
        self.changes.get()
    }

    /// Takes a value, or forgets it. Returns `false` for a name that is not of this kind.
    ///
    /// **Errors**: `22023` and `0A000` for a value that is not taken, `55P02` for what cannot be
    /// changed.
    pub fn set(&self, setting: &Setting) -> Result<bool> {
        let name = setting.name.text.to_lowercase();
        let value = match (client_setting(&name), setting.value.as_deref()) {
            (Some(known), Some(value)) => Some(known.accepted(value)?),
            (Some(known), None) => {
                known.check_changeable()?;
                None
            }
            (None, value) if name.contains('.') => {
                self.check_own(&name, value)?;
                value.map(str::to_owned)
            }
            (None, _) => return Ok(false),
        };
        match value {
            Some(value) => self.values.borrow_mut().insert(name.clone(), value),
            None => self.values.borrow_mut().remove(&name),
        };
        if setting.is_local {
            self.locals.borrow_mut().push(name);
        }
        self.changes.set(self.changes.get() + 1);
        Ok(true)
    }

    fn check_own(&self, name: &str, value: Option<&str>) -> Result<()> {
        let values = self.values.borrow();
        let own = values.keys().filter(|name| name.contains('.')).count();
        let long = value.is_some_and(|value| value.len() > VALUE_BYTES_MAX);
        if long || (own >= OWN_MAX && !values.contains_key(name)) {
            let message = "there are too many settings of the client's own, or a value is too long";
            return Err(Error::new(code::PROGRAM_LIMIT, message)
                .with_detail(format!("There may be {OWN_MAX}, of {VALUE_BYTES_MAX} bytes.")));
        }
        Ok(())
    }

    /// Forgets everything but how texts are sent: that the connection agreed upon.
    pub fn reset(&self) {
        self.values.borrow_mut().clear();
        self.changes.set(self.changes.get() + 1);
    }

    /// Takes over the values of others.
    pub fn restore(&self, before: &Self) {
        if before.changes.get() != self.changes.get() {
            self.values.replace(before.values.borrow().clone());
            self.changes.set(self.changes.get() + 1);
        }
        self.locals.borrow_mut().clear();
    }

    /// Lets what was said for one transaction go back to what was before it.
    pub fn end_local(&self, before: &Self) {
        for name in self.locals.take() {
            let value = before.values.borrow().get(&name).cloned();
            match value {
                Some(value) => self.values.borrow_mut().insert(name, value),
                None => self.values.borrow_mut().remove(&name),
            };
            self.changes.set(self.changes.get() + 1);
        }
    }
}

impl ClientSetting {
    fn check_changeable(&self) -> Result<()> {
        match self.accepts {
            Accepts::Nothing => {
                let message = format!("parameter \"{}\" cannot be changed", self.name);
                Err(Error::new(code::CANNOT_CHANGE, message))
            }
            _ => Ok(()),
        }
    }

    /// Returns a value as it is kept.
    fn accepted(&self, value: &str) -> Result<String> {
        self.check_changeable()?;
        let lower = value.trim().to_lowercase();
        let kept = match self.accepts {
            Accepts::Nothing => None,
            Accepts::Text => Some(printable(value)),
            Accepts::Switch => switch(&lower).map(str::to_owned),
            Accepts::Only(only) if switch(only).is_some() => {
                (switch(&lower) == switch(only)).then(|| only.to_owned())
            }
            Accepts::Only(only) => (lower == only).then(|| only.to_owned()),
            Accepts::OneOf(values) => {
                values.iter().find(|known| **known == lower).map(|known| (*known).to_owned())
            }
            Accepts::Number(least, most) => {
                let number = lower.parse().ok().filter(|number| (least..=most).contains(number));
                number.map(|number: i64| number.to_string())
            }
            Accepts::Time => lower.starts_with(|c: char| c.is_ascii_digit()).then_some(lower),
            Accepts::Encoding => encoding(&lower).map(str::to_owned),
            Accepts::DateStyle => date_style(&lower),
            Accepts::Zone => is_utc(&lower).then(|| "UTC".to_owned()),
            Accepts::Path => is_path(&lower).then(|| value.to_owned()),
        };
        kept.ok_or_else(|| self.refused(value))
    }

    fn refused(&self, value: &str) -> Error {
        let hint = match self.accepts {
            Accepts::Only(only) => format!("Use {only}: nothing else is offered."),
            Accepts::OneOf(values) => format!("Use one of {}.", values.join(", ")),
            Accepts::Number(least, most) => format!("Use a number from {least} to {most}."),
            Accepts::Encoding => "Use UTF8: texts are sent in no other encoding.".to_owned(),
            Accepts::DateStyle => "Use ISO: dates are written in no other style.".to_owned(),
            Accepts::Zone => {
                "Use UTC: times are shown in no other zone. Convert them in the client.".to_owned()
            }
            Accepts::Path => "Use public: tables are in no other schema.".to_owned(),
            Accepts::Time => "Use 0, or a number with a unit.".to_owned(),
            Accepts::Switch => "Use on or off.".to_owned(),
            Accepts::Nothing | Accepts::Text => String::new(),
        };
        let message = format!("invalid value for parameter \"{}\": \"{value}\"", self.name);
        Error::new(code::INVALID_PARAMETER_VALUE, message).with_hint(hint)
    }
}

/// A name of a program, without what could disturb a log.
fn printable(value: &str) -> String {
    let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    value.chars().take(63).map(plain).collect()
}

fn switch(value: &str) -> Option<&'static str> {
    match value {
        "on" | "true" | "yes" | "1" | "t" | "y" => Some("on"),
        "off" | "false" | "no" | "0" | "f" | "n" => Some("off"),
        _ => None,
    }
}

fn encoding(value: &str) -> Option<&'static str> {
    let plain: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
    match plain.as_str() {
        "utf8" | "unicode" => Some("UTF8"),
        // Whoever asks for no conversion gets what is kept.
        "sqlascii" => Some("SQL_ASCII"),
        _ => None,
    }
}

fn date_style(value: &str) -> Option<String> {
    let mut order = "MDY";
    for part in value.split(',') {
        match part.trim() {
            "iso" => {}
            "mdy" | "us" | "noneuro" | "noneuropean" => order = "MDY",
            "dmy" | "euro" | "european" => order = "DMY",
            "ymd" => order = "YMD",
            _ => return None,
        }
    }
    Some(format!("ISO, {order}"))
}

fn is_utc(value: &str) -> bool {
    let names = [
        "utc",
        "etc/utc",
        "gmt",
        "etc/gmt",
        "zulu",
        "etc/zulu",
        "universal",
        "etc/universal",
        "uct",
        "etc/uct",
        "greenwich",
        "etc/greenwich",
        "gmt0",
        "etc/gmt0",
        "z",
        "0",
        "+0",
        "-0",
        "+00",
        "+00:00",
        "00:00",
        "default",
        "local",
    ];
    names.contains(&value)
}

fn is_path(value: &str) -> bool {
    let known = ["public", "$user", "pg_catalog", "information_schema", "pieskieo"];
    let parts: Vec<&str> =
        value.split(',').map(|part| part.trim().trim_matches(['"', '\''])).collect();
    parts.contains(&"public") && parts.iter().all(|part| known.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::Name;

    fn set(settings: &ClientSettings, name: &str, value: Option<&str>) -> Result<bool> {
        let name = Name { text: name.to_owned(), position: 0 };
        settings.set(&Setting { name, value: value.map(str::to_owned), is_local: false })
    }

    #[test]
    fn what_is_taken_is_shown_and_what_is_not_offered_is_refused() {
        let settings = ClientSettings::default();
        for (name, value, shown) in [
            ("datestyle", "iso, dmy", "ISO, DMY"),
            ("client_encoding", "utf-8", "UTF8"),
            ("timezone", "Etc/UTC", "UTC"),
            ("extra_float_digits", "3", "3"),
            ("standard_conforming_strings", "TRUE", "on"),
            ("application_name", "a\nb", "a?b"),
            ("myapp.user", "7", "7"),
        ] {
            assert_eq!(set(&settings, name, Some(value)), Ok(true), "{name}");
            assert_eq!(settings.shown(name).as_deref(), Some(shown));
        }
        for (name, value, code) in [
            ("datestyle", "german", "22023"),
            ("client_encoding", "latin1", "22023"),
            ("timezone", "Europe/Zurich", "22023"),
            ("search_path", "other", "22023"),
            ("server_version", "9", "55P02"),
        ] {
            assert_eq!(set(&settings, name, Some(value)).unwrap_err().code, code, "{name}");
        }
        assert_eq!(set(&settings, "nonsense", Some("1")), Ok(false));
        set(&settings, "datestyle", None).unwrap();
        assert_eq!(settings.shown("DateStyle").as_deref(), Some("ISO, MDY"));
    }

    #[test]
    fn names_are_in_order_and_defaults_are_values() {
        let names: Vec<String> =
            CLIENT_SETTINGS.iter().map(|known| known.name.to_lowercase()).collect();
        assert!(names.is_sorted());
        for known in CLIENT_SETTINGS {
            if !matches!(known.accepts, Accepts::Nothing) {
                assert_eq!(known.accepted(known.default), Ok(known.default.to_owned()));
            }
        }
    }
}
