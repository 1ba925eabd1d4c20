//! What was the server told to do, and by whom?
//!
//! Every setting has one row in [`SETTINGS`]: its flag, its variable, its TOML key, its default
//! and its meaning. Precedence: flag, then environment, then file, then default.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pieskieo_io::file::host;

/// Longest time the past can be read.
const RETENTION_MAX: Duration = Duration::from_secs(30 * 86_400);

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// TOML key, and the flag without its dashes (`_` written as `-`).
    pub key: &'static str,
    /// Environment variable.
    pub variable: &'static str,
    /// Value when nobody says anything; empty = not set.
    pub default: &'static str,
    /// Unit and range.
    pub unit: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

/// Every setting there is, in the order `pieskieo config` prints them.
#[rustfmt::skip]
pub const SETTINGS: &[Setting] = &[
    Setting { key: "data", variable: "PIESKIEO_DATA", default: "pieskieo-data", unit: "folder", meaning: "where the data lives; made if absent" },
    Setting { key: "listen", variable: "PIESKIEO_LISTEN", default: "127.0.0.1:8000", unit: "host:port", meaning: "where HTTP is served; port 0 takes a free one" },
    Setting { key: "pg_listen", variable: "PIESKIEO_PG_LISTEN", default: "", unit: "host:port", meaning: "where PostgreSQL's protocol is served; port 0 takes a free one; default: nowhere" },
    Setting { key: "pg_password_file", variable: "PIESKIEO_PG_PASSWORD_FILE", default: "", unit: "file", meaning: "its first line is the password of the user pieskieo; without it PostgreSQL's protocol lets in who is on this machine, and nobody else" },
    Setting { key: "pg_message_bytes", variable: "PIESKIEO_PG_MESSAGE_BYTES", default: "33554432", unit: "bytes, 65536..=1073741824", meaning: "longest message of PostgreSQL's protocol" },
    Setting { key: "shards", variable: "PIESKIEO_SHARD_TOTAL", default: "", unit: "1..=256", meaning: "shards of a new data folder; default: one per usable core" },
    Setting { key: "tls_cert", variable: "PIESKIEO_TLS_CERT", default: "", unit: "PEM file", meaning: "certificate chain; with tls_key switches TLS on" },
    Setting { key: "tls_key", variable: "PIESKIEO_TLS_KEY", default: "", unit: "PEM file", meaning: "private key of the certificate" },
    Setting { key: "ef_search", variable: "PIESKIEO_EF_SEARCH", default: "64", unit: "1..=4096", meaning: "default beam width of vector searches" },
    Setting { key: "ef_construction", variable: "PIESKIEO_EF_CONSTRUCTION", default: "200", unit: "8..=4096", meaning: "default beam width while building vector indexes" },
    Setting { key: "statement_timeout_ms", variable: "PIESKIEO_STATEMENT_TIMEOUT_MS", default: "30000", unit: "ms, 1..=86400000", meaning: "time a statement may take" },
    Setting { key: "slow_statement_ms", variable: "PIESKIEO_SLOW_STATEMENT_MS", default: "1000", unit: "ms, 0..=86400000; -1 = none", meaning: "from how long on a statement is logged, with its plan; 0 logs all" },
    Setting { key: "transaction_idle_timeout_ms", variable: "PIESKIEO_TRANSACTION_IDLE_TIMEOUT_MS", default: "60000", unit: "ms, 1..=3600000", meaning: "time a transaction may wait for its client's next request" },
    Setting { key: "idempotency_retention_ms", variable: "PIESKIEO_IDEMPOTENCY_RETENTION_MS", default: "86400000", unit: "ms, 1..=2592000000", meaning: "time the answer to a request with an idempotency key is remembered" },
    Setting { key: "retention", variable: "PIESKIEO_RETENTION", default: "24h", unit: "such as 90s, 30min, 24h or 7d, up to 30d; 0 = none", meaning: "how long the past can be read with AS OF; every version written within it stays on disk" },
    Setting { key: "wal_sync", variable: "PIESKIEO_WAL_SYNC", default: "auto", unit: "auto, dsync, fdatasync", meaning: "how the log reaches the disk; auto measures once per folder" },
    Setting { key: "memory", variable: "PIESKIEO_MEMORY", default: "", unit: "such as 300MiB or 4GiB, 64MiB..=16TiB", meaning: "memory of the whole process; default: 70 % of the machine's or of the control group's" },
    Setting { key: "spill", variable: "PIESKIEO_SPILL", default: "16GiB", unit: "such as 512MiB or 16GiB, up to 64TiB; 0 = none", meaning: "what queries that do not fit in memory may have on the disk of the data, all together" },
    Setting { key: "flush_bytes", variable: "PIESKIEO_FLUSH_BYTES", default: "", unit: "bytes, 4096..=4294967296", meaning: "what is written to a shard before it is made into segments; four times as much makes writers wait; default: an eighth of its memory, 64 MiB at most" },
    Setting { key: "cache_bytes", variable: "PIESKIEO_CACHE_BYTES", default: "", unit: "bytes, 65536..=1099511627776", meaning: "what a shard keeps in memory of its segments at most; default: what is left of its memory" },
    Setting { key: "log", variable: "PIESKIEO_LOG", default: "info", unit: "tracing filter", meaning: "which events are logged" },
    Setting { key: "log_format", variable: "PIESKIEO_LOG_FORMAT", default: "text", unit: "text, json", meaning: "how events are written" },
];

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A flag.
    Flag,
    /// An environment variable.
    Environment,
    /// The configuration file.
    File,
    /// Nobody said anything.
    Default,
}

/// The settings in force, before they are given meaning.
#[derive(Clone, Debug)]
pub struct Settings {
    values: BTreeMap<&'static str, (String, Source)>,
}

/// The settings in force, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Data folder.
    pub data: PathBuf,
    /// Address of the HTTP server.
    pub listen: SocketAddr,
    /// Where PostgreSQL's protocol is served, if anywhere.
    pub pg_listen: Option<SocketAddr>,
    /// Whose first line is the password.
    pub pg_password_file: Option<PathBuf>,
    /// Longest message of PostgreSQL's protocol, bytes.
    pub pg_message_bytes: usize,
    /// Shards asked for.
    pub shards: Option<u16>,
    /// Certificate and key files.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Default beam width of searches.
    pub ef_search: usize,
    /// Default beam width while building.
    pub ef_construction: usize,
    /// Time a statement may take, ms.
    pub statement_timeout_ms: u64,
    /// From how long on a statement is logged, ms; `None`: never.
    pub slow_statement_ms: Option<u64>,
    /// Time a transaction may wait for its client's next request, ms.
    pub transaction_idle_timeout_ms: u64,
    /// Time the answer to a request with an idempotency key is remembered.
    pub idempotency_retention_ms: u64,
    /// How long the past can be read; zero: not at all.
    pub retention: Duration,
    /// Sync method: `auto`, `dsync` or `fdatasync`.
    pub wal_sync: String,
    /// Bytes of memory of the whole process, if chosen.
    pub memory_bytes: Option<u64>,
    /// Bytes queries may have on disk together; zero: none.
    pub spill_bytes: u64,
    /// Bytes written to a shard before they are made into segments, if chosen.
    pub flush_bytes: Option<u64>,
    /// Bytes of its segments a shard keeps in memory at most, if chosen.
    pub cache_bytes: Option<u64>,
    /// Filter of log events.
    pub log: String,
    /// Whether log events are JSON.
    pub log_json: bool,
    /// Every setting as it was given, for `pieskieo.settings`.
    pub told: Vec<(&'static Setting, String)>,
}

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ConfigError {
    /// Names the setting, its source and what is expected.
    pub message: String,
}

impl Settings {
    /// Gathers settings from flags, environment and file.
    ///
    /// **Errors**: an unreadable file, a file that is not TOML, an unknown key.
    pub fn gather(
        flags: &BTreeMap<&'static str, String>,
        environment: impl Fn(&str) -> Option<String>,
        file: Option<&Path>,
    ) -> Result<Self, ConfigError> {
        let table = file.map(read_file).transpose()?.unwrap_or_default();
        for key in table.keys() {
            if !SETTINGS.iter().any(|setting| setting.key == key) {
                return Err(unknown_key(key));
            }
        }
        let mut values = BTreeMap::new();
        for setting in SETTINGS {
            let value = if let Some(value) = flags.get(setting.key) {
                (value.clone(), Source::Flag)
            } else if let Some(value) = environment(setting.variable) {
                (value, Source::Environment)
            } else if let Some(value) = table.get(setting.key) {
                (plain(value), Source::File)
            } else {
                (setting.default.to_owned(), Source::Default)
            };
            values.insert(setting.key, value);
        }
        Ok(Self { values })
    }

    /// Returns each setting with its value and where that came from.
    pub fn rows(&self) -> impl Iterator<Item = (&'static Setting, &str, Source)> {
        SETTINGS.iter().filter_map(|setting| {
            let (value, source) = self.values.get(setting.key)?;
            Some((setting, value.as_str(), *source))
        })
    }

    /// Gives the settings their meaning.
    ///
    /// **Errors**: the first value out of its range, naming the setting and where it came from.
    pub fn check(&self) -> Result<Config, ConfigError> {
        let cert = self.optional("tls_cert");
        let key = self.optional("tls_key");
        let tls = match (cert, key) {
            (Some(cert), Some(key)) => Some((PathBuf::from(cert), PathBuf::from(key))),
            (None, None) => None,
            _ => {
                let message = "tls_cert and tls_key belong together; set both or none".to_owned();
                return Err(ConfigError { message });
            }
        };
        let shards = self.chosen("shards", 1, 256)?.map(|shards| shards as u16);
        Ok(Config {
            data: PathBuf::from(self.text("data")),
            listen: self.address("listen")?,
            pg_listen: self.optional("pg_listen").map(|_| self.address("pg_listen")).transpose()?,
            pg_password_file: self.optional("pg_password_file").map(PathBuf::from),
            pg_message_bytes: self.number("pg_message_bytes", 1 << 16, 1 << 30)? as usize,
            shards,
            tls,
            ef_search: self.number("ef_search", 1, 4096)? as usize,
            ef_construction: self.number("ef_construction", 8, 4096)? as usize,
            statement_timeout_ms: self.number("statement_timeout_ms", 1, 86_400_000)?,
            slow_statement_ms: match self.text("slow_statement_ms") {
                "-1" => None,
                _ => Some(self.number("slow_statement_ms", 0, 86_400_000)?),
            },
            transaction_idle_timeout_ms: self.number(
                "transaction_idle_timeout_ms",
                1,
                3_600_000,
            )?,
            idempotency_retention_ms: self.number("idempotency_retention_ms", 1, 2_592_000_000)?,
            retention: self.duration("retention", RETENTION_MAX)?,
            wal_sync: self.choice("wal_sync", &["auto", "dsync", "fdatasync"])?,
            memory_bytes: self.size("memory", 64 << 20, 16 << 40)?,
            spill_bytes: self.size("spill", 0, 64 << 40)?.unwrap_or(0),
            flush_bytes: self.chosen("flush_bytes", 4096, 1 << 32)?,
            cache_bytes: self.chosen("cache_bytes", 1 << 16, 1 << 40)?,
            log: self.text("log").to_owned(),
            log_json: self.choice("log_format", &["text", "json"])? == "json",
            told: self.rows().map(|(setting, value, _)| (setting, value.to_owned())).collect(),
        })
    }

    fn text(&self, key: &str) -> &str {
        self.values.get(key).map_or("", |(value, _)| value.as_str())
    }

    fn optional(&self, key: &str) -> Option<&str> {
        Some(self.text(key)).filter(|value| !value.is_empty())
    }

    fn number(&self, key: &str, min: u64, max: u64) -> Result<u64, ConfigError> {
        let value = self.text(key).parse().ok().filter(|value| (min..=max).contains(value));
        value.ok_or_else(|| self.refuse(key, &format!("a whole number from {min} to {max}")))
    }

    /// A number that need not be set.
    fn chosen(&self, key: &str, min: u64, max: u64) -> Result<Option<u64>, ConfigError> {
        self.optional(key).map(|_| self.number(key, min, max)).transpose()
    }

    /// A number of bytes, with or without a unit, that need not be set.
    fn size(&self, key: &str, min: u64, max: u64) -> Result<Option<u64>, ConfigError> {
        let Some(text) = self.optional(key) else { return Ok(None) };
        let bytes = parse_size(text).filter(|bytes| (min..=max).contains(bytes));
        let (least, most) = (min >> 20, max >> 40);
        let expected = format!("a size such as 300MiB or 4GiB, from {least}MiB to {most}TiB");
        bytes.map(Some).ok_or_else(|| self.refuse(key, &expected))
    }

    /// A time with its unit, or 0.
    fn duration(&self, key: &str, max: Duration) -> Result<Duration, ConfigError> {
        let time = parse_duration(self.text(key)).filter(|time| *time <= max);
        let days = max.as_secs() / 86_400;
        let expected = format!("0, or a time such as 90s, 30min, 24h or 7d, up to {days}d");
        time.ok_or_else(|| self.refuse(key, &expected))
    }

    fn choice(&self, key: &str, choices: &[&str]) -> Result<String, ConfigError> {
        let value = self.text(key);
        if choices.contains(&value) {
            return Ok(value.to_owned());
        }
        Err(self.refuse(key, &format!("one of {}", choices.join(", "))))
    }

    fn address(&self, key: &str) -> Result<SocketAddr, ConfigError> {
        let value = self.text(key).replace("localhost:", "127.0.0.1:");
        value.parse().map_err(|_| self.refuse(key, "an address such as 127.0.0.1:8000"))
    }

    fn refuse(&self, key: &str, expected: &str) -> ConfigError {
        let (value, source) =
            self.values.get(key).cloned().unwrap_or((String::new(), Source::Default));
        let setting = SETTINGS.iter().find(|setting| setting.key == key);
        let place = match source {
            Source::Flag => format!("the flag --{}", key.replace('_', "-")),
            Source::Environment => setting.map_or(key, |setting| setting.variable).to_owned(),
            Source::File => format!("\"{key}\" in the configuration file"),
            Source::Default => format!("the default of \"{key}\""),
        };
        ConfigError { message: format!("{place} is \"{value}\", but should be {expected}") }
    }
}

fn read_file(path: &Path) -> Result<toml::Table, ConfigError> {
    let shown = path.display();
    let text = host::read_to_string(path)
        .map_err(|error| ConfigError { message: format!("cannot read \"{shown}\": {error}") })?;
    text.parse()
        .map_err(|error| ConfigError { message: format!("\"{shown}\" is not TOML: {error}") })
}

/// Reads `300MiB`, `4 GiB`, `1048576`. A unit stands for a power of 1024.
fn parse_size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let shift = match text[digits.len()..].trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// Reads `90s`, `30min`, `24h`, `7d`, `0`.
fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let number: u64 = digits.parse().ok()?;
    let seconds = match text[digits.len()..].trim_start() {
        "" if number == 0 => 1,
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

fn plain(value: &toml::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn unknown_key(key: &str) -> ConfigError {
    let near = SETTINGS
        .iter()
        .map(|setting| setting.key)
        .max_by_key(|known| common_prefix(known, key))
        .filter(|known| common_prefix(known, key) >= 2);
    let hint = near.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
    ConfigError { message: format!("the configuration file sets unknown \"{key}\"{hint}") }
}

fn common_prefix(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gather(flags: &[(&'static str, &str)], variables: &[(&str, &str)]) -> Settings {
        let flags = flags.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        let find = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        Settings::gather(&flags, find, None).unwrap()
    }

    #[test]
    fn a_flag_beats_the_environment_beats_the_default() {
        let both = gather(&[("shards", "4")], &[("PIESKIEO_SHARD_TOTAL", "2")]);
        assert_eq!(both.check().unwrap().shards, Some(4));
        let one = gather(&[], &[("PIESKIEO_SHARD_TOTAL", "2")]);
        assert_eq!(one.check().unwrap().shards, Some(2));
        assert_eq!(gather(&[], &[]).check().unwrap().ef_search, 64);
        let kept = |text: &str| {
            let settings = gather(&[], &[("PIESKIEO_RETENTION", text)]);
            settings.check().unwrap().retention.as_secs()
        };
        assert_eq!(["0", "90s", "30min", "7d"].map(kept), [0, 90, 1_800, 604_800]);
        assert_eq!(gather(&[], &[]).check().unwrap().retention.as_secs(), 86_400);
        let slow =
            |text| gather(&[("slow_statement_ms", text)], &[]).check().unwrap().slow_statement_ms;
        assert_eq!(["0", "20", "-1"].map(slow), [Some(0), Some(20), None]);
    }

    #[test]
    fn a_wrong_value_names_its_setting_and_source() {
        let cases = [
            (("shards", "0"), "the flag --shards is \"0\", but should be a whole number"),
            (("listen", "here"), "the flag --listen is \"here\", but should be an address"),
            (("wal_sync", "never"), "one of auto, dsync, fdatasync"),
            (("retention", "24"), "the flag --retention is \"24\", but should be 0, or a time"),
            (("retention", "31d"), "up to 30d"),
            (("slow_statement_ms", "-2"), "a whole number from 0 to 86400000"),
            (("tls_cert", "a.pem"), "tls_cert and tls_key belong together"),
        ];
        for (flag, expected) in cases {
            let error = gather(&[flag], &[]).check().unwrap_err();
            assert!(error.message.contains(expected), "{}", error.message);
        }
    }

    #[test]
    fn an_unknown_key_is_refused_with_a_suggestion() {
        assert!(unknown_key("shard").message.contains("did you mean \"shards\""));
    }
}
