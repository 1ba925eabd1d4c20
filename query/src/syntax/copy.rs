//! What does a COPY say?
//!
//! Its data travel beside it, so it is no statement of a request; see `copy` for how it runs. Both
//! forms of options are read: `WITH (FORMAT csv, HEADER)` and the older `CSV HEADER`.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::names::{name_of, single_name};
use super::parse::{near, parser_error, parser_over, syntax_error};
use super::tokens::{self, position, word};
use super::{Name, parse};
use crate::error::{Error, Result, code};

/// A COPY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// What is copied.
    pub source: CopySource,
    /// Whether data come in.
    pub from: bool,
    /// How the data are written.
    pub options: CopyOptions,
}

/// What is copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopySource {
    /// A table, and the columns in the order of the data; none for all of them.
    Table {
        /// Its name.
        name: Name,
        /// The columns.
        columns: Vec<Name>,
    },
    /// The rows of this query.
    Query(String),
}

/// How data are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyFormat {
    /// PostgreSQL's own form: a line per row, values between tabulators.
    Text,
    /// Values between commas, with quotes where they are needed.
    Csv,
    /// A JSON object per line.
    Json,
    /// PostgreSQL's binary form: values as they are sent in answers.
    Binary,
}

/// Whether the first line has the names of the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyHeader {
    /// It has not.
    No,
    /// It has, whatever they are.
    Yes,
    /// It has, and they must be those of the columns.
    Match,
}

/// Which columns an option is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyColumns {
    /// All of them.
    All,
    /// These.
    Some(Vec<Name>),
}

impl CopyColumns {
    /// Returns whether a column is one of them.
    pub fn has(&self, column: &str) -> bool {
        match self {
            Self::All => true,
            Self::Some(names) => names.iter().any(|name| name.text == column),
        }
    }
}

/// The options of a COPY, complete and in agreement with each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyOptions {
    /// The form.
    pub format: CopyFormat,
    /// What stands between values.
    pub delimiter: u8,
    /// What stands for null.
    pub null: String,
    /// Whether there is a first line of names.
    pub header: CopyHeader,
    /// What stands around values.
    pub quote: u8,
    /// What stands before a quote within them.
    pub escape: u8,
    /// Columns whose values are written in quotes always.
    pub force_quote: CopyColumns,
    /// Columns without nulls: what stands for null is a text.
    pub force_not_null: CopyColumns,
    /// Columns where what stands for null is null in quotes too.
    pub force_null: CopyColumns,
}

/// Reads a text that is one COPY; `None` for anything else.
///
/// **Errors**: 42601, 22023 and 0A000 for what is said wrongly or is not offered.
pub fn parse_copy(text: &str) -> Result<Option<Copy>> {
    let mut statements = tokens::statements(text)?.into_iter();
    let (Some(tokens), None) = (statements.next(), statements.next()) else { return Ok(None) };
    if word(tokens.first()).as_deref() != Some("COPY") {
        return Ok(None);
    }
    let mut reader = Reader { text, tokens: &tokens, at: 1 };
    reader.copy().map(Some)
}

/// What has been said of the options so far.
#[derive(Default)]
struct Said {
    format: Option<CopyFormat>,
    delimiter: Option<(String, usize)>,
    null: Option<String>,
    header: Option<CopyHeader>,
    quote: Option<(String, usize)>,
    escape: Option<(String, usize)>,
    force_quote: Option<CopyColumns>,
    force_not_null: Option<CopyColumns>,
    force_null: Option<CopyColumns>,
    encoding: Option<()>,
}

struct Reader<'t> {
    text: &'t str,
    tokens: &'t [TokenWithSpan],
    at: usize,
}

impl Reader<'_> {
    fn word(&self) -> Option<String> {
        word(self.tokens.get(self.at))
    }

    fn is(&self, token: &Token) -> bool {
        self.tokens.get(self.at).is_some_and(|next| next.token == *token)
    }

    fn takes(&mut self, wanted: &str) -> bool {
        let is = self.word().as_deref() == Some(wanted);
        self.at += usize::from(is);
        is
    }

    fn takes_token(&mut self, token: &Token) -> bool {
        let is = self.is(token);
        self.at += usize::from(is);
        is
    }

    fn expected(&self, what: &str) -> Error {
        syntax_error(self.tokens, self.at, what)
    }

    fn position(&self) -> usize {
        self.tokens.get(self.at).map_or(0, position)
    }

    fn copy(&mut self) -> Result<Copy> {
        let source = match self.is(&Token::LParen) {
            true => self.query()?,
            false => self.table()?,
        };
        let at = self.position();
        let from = match self.word().as_deref() {
            Some("FROM") => true,
            Some("TO") => false,
            _ => return Err(self.expected("FROM or TO")),
        };
        if from && matches!(source, CopySource::Query(_)) {
            return Err(near(&self.tokens[self.at], "TO").at(at));
        }
        self.at += 1;
        self.target(from)?;
        self.takes("WITH");
        let mut said = Said::default();
        match self.is(&Token::LParen) {
            true => self.options(&mut said)?,
            false => self.old_options(&mut said)?,
        }
        if self.at < self.tokens.len() {
            return Err(self.expected("the end of the statement"));
        }
        let options = said.complete(from)?;
        Ok(Copy { source, from, options })
    }

    /// `(query)`: its text is read when it runs; here its end is found, and its form looked at.
    fn query(&mut self) -> Result<CopySource> {
        let start = self.at + 1;
        let mut depth = 0;
        while let Some(token) = self.tokens.get(self.at) {
            match token.token {
                Token::LParen => depth += 1,
                Token::RParen => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                break;
            }
        }
        let (Some(first), Some(end)) = (self.tokens.get(start), self.tokens.get(self.at - 1))
        else {
            return Err(self.expected("a query"));
        };
        let from = position(first).saturating_sub(1);
        let count = position(end).saturating_sub(1).saturating_sub(from);
        let query: String = self.text.chars().skip(from).take(count).collect();
        let parsed = parse(&query).map_err(|error| match error.position {
            Some(position) => error.at(position + from),
            None => error,
        })?;
        match parsed.as_slice() {
            [_] => Ok(CopySource::Query(query)),
            _ => Err(self.expected("a query")),
        }
    }

    fn table(&mut self) -> Result<CopySource> {
        let mut parser = parser_over(self.tokens[self.at..].to_vec());
        let name = parser.parse_object_name(false).map_err(parser_error)?;
        let name = single_name(&name)?;
        while self.tokens.get(self.at).is_some_and(|next| {
            !matches!(&next.token, Token::LParen)
                && !matches!(word(Some(next)).as_deref(), Some("FROM" | "TO"))
        }) {
            self.at += 1;
        }
        let columns = if self.is(&Token::LParen) { self.names()? } else { Vec::new() };
        Ok(CopySource::Table { name, columns })
    }

    /// `(a, b)`.
    fn names(&mut self) -> Result<Vec<Name>> {
        if !self.takes_token(&Token::LParen) {
            return Err(self.expected("("));
        }
        let mut names = Vec::new();
        loop {
            names.push(self.name()?);
            if self.takes_token(&Token::RParen) {
                return Ok(names);
            }
            if !self.takes_token(&Token::Comma) {
                return Err(self.expected(", or )"));
            }
        }
    }

    fn name(&mut self) -> Result<Name> {
        let Some(next) = self.tokens.get(self.at) else { return Err(self.expected("a name")) };
        let Token::Word(name) = &next.token else { return Err(self.expected("a name")) };
        self.at += 1;
        Ok(name_of(&name.clone().into_ident(next.span)))
    }

    fn target(&mut self, from: bool) -> Result<()> {
        let at = self.position();
        match self.word().as_deref() {
            Some("STDIN") if from => {}
            Some("STDOUT") if !from => {}
            Some("STDIN" | "STDOUT") => {}
            Some("PROGRAM") => {
                return Err(Error::unsupported("COPY with a program of the server").at(at));
            }
            _ if matches!(
                self.tokens.get(self.at).map(|next| &next.token),
                Some(Token::SingleQuotedString(_))
            ) =>
            {
                return Err(Error::unsupported("COPY with a file of the server")
                    .with_hint("Use STDIN or STDOUT: the client reads or writes the file.")
                    .at(at));
            }
            _ => return Err(self.expected("STDIN or STDOUT")),
        }
        self.at += 1;
        Ok(())
    }

    fn text_value(&mut self) -> Result<(String, usize)> {
        let at = self.position();
        match self.tokens.get(self.at).map(|next| &next.token) {
            Some(
                Token::SingleQuotedString(text)
                | Token::EscapedStringLiteral(text)
                | Token::UnicodeStringLiteral(text),
            ) => {
                self.at += 1;
                Ok((text.clone(), at))
            }
            _ => Err(self.expected("a text")),
        }
    }

    /// `true` unless something else is said.
    fn flag(&mut self) -> Result<bool> {
        let token = self.tokens.get(self.at).map(|next| next.token.clone());
        let said = match token {
            None | Some(Token::Comma | Token::RParen) => return Ok(true),
            Some(Token::SingleQuotedString(text)) => text.to_uppercase(),
            Some(Token::Number(digits, _)) => digits,
            Some(_) => self.word().unwrap_or_default(),
        };
        let flag = match said.as_str() {
            "TRUE" | "ON" | "1" => true,
            "FALSE" | "OFF" | "0" => false,
            _ => return Err(self.expected("a boolean")),
        };
        self.at += 1;
        Ok(flag)
    }

    fn columns(&mut self) -> Result<CopyColumns> {
        match self.takes_token(&Token::Mul) {
            true => Ok(CopyColumns::All),
            false => self.names().map(CopyColumns::Some),
        }
    }

    fn options(&mut self, said: &mut Said) -> Result<()> {
        self.at += 1;
        loop {
            let at = self.position();
            let name = self.word().ok_or_else(|| self.expected("an option"))?;
            self.at += 1;
            match name.as_str() {
                "FORMAT" => {
                    let at = self.position();
                    let format = match self.text_value() {
                        Ok((text, _)) => text,
                        Err(_) => self.name()?.text,
                    };
                    once(&mut said.format, format_named(&format, at)?, at)?;
                }
                "DELIMITER" => once(&mut said.delimiter, self.text_value()?, at)?,
                "NULL" => once(&mut said.null, self.text_value()?.0, at)?,
                "HEADER" => {
                    let header = match self.takes("MATCH") {
                        true => CopyHeader::Match,
                        false if self.flag()? => CopyHeader::Yes,
                        false => CopyHeader::No,
                    };
                    once(&mut said.header, header, at)?;
                }
                "QUOTE" => once(&mut said.quote, self.text_value()?, at)?,
                "ESCAPE" => once(&mut said.escape, self.text_value()?, at)?,
                "FORCE_QUOTE" => once(&mut said.force_quote, self.columns()?, at)?,
                "FORCE_NOT_NULL" => once(&mut said.force_not_null, self.columns()?, at)?,
                "FORCE_NULL" => once(&mut said.force_null, self.columns()?, at)?,
                "ENCODING" => {
                    let (encoding, at) = self.text_value()?;
                    check_encoding(&encoding, at)?;
                    once(&mut said.encoding, (), at)?;
                }
                "FREEZE" => {
                    if self.flag()? {
                        return Err(Error::unsupported("FREEZE of COPY")
                            .with_hint("Leave it out.")
                            .at(at));
                    }
                }
                other => {
                    let message = format!("option \"{}\" not recognized", other.to_lowercase());
                    return Err(Error::new(code::SYNTAX_ERROR, message).at(at));
                }
            }
            if self.takes_token(&Token::RParen) {
                return Ok(());
            }
            if !self.takes_token(&Token::Comma) {
                return Err(self.expected(", or )"));
            }
        }
    }

    fn old_options(&mut self, said: &mut Said) -> Result<()> {
        while let Some(name) = self.word() {
            let at = self.position();
            self.at += 1;
            match name.as_str() {
                "BINARY" => once(&mut said.format, format_named("binary", at)?, at)?,
                "CSV" => once(&mut said.format, CopyFormat::Csv, at)?,
                "HEADER" => once(&mut said.header, CopyHeader::Yes, at)?,
                "DELIMITER" | "DELIMITERS" | "NULL" | "QUOTE" | "ESCAPE" | "ENCODING" => {
                    self.takes("AS");
                    let value = self.text_value()?;
                    match name.as_str() {
                        "NULL" => once(&mut said.null, value.0, at)?,
                        "QUOTE" => once(&mut said.quote, value, at)?,
                        "ESCAPE" => once(&mut said.escape, value, at)?,
                        "ENCODING" => check_encoding(&value.0, value.1)?,
                        _ => once(&mut said.delimiter, value, at)?,
                    }
                }
                "FORCE" if self.takes("QUOTE") => {
                    let columns = self.listed()?;
                    once(&mut said.force_quote, columns, at)?;
                }
                "FORCE" if self.takes("NOT") && self.takes("NULL") => {
                    let columns = self.listed()?;
                    once(&mut said.force_not_null, columns, at)?;
                }
                "FORCE" if self.takes("NULL") => {
                    let columns = self.listed()?;
                    once(&mut said.force_null, columns, at)?;
                }
                _ => {
                    self.at -= 1;
                    return Err(self.expected("an option"));
                }
            }
        }
        Ok(())
    }

    /// `a, b` without brackets.
    fn listed(&mut self) -> Result<CopyColumns> {
        if self.takes_token(&Token::Mul) {
            return Ok(CopyColumns::All);
        }
        let mut names = vec![self.name()?];
        while self.takes_token(&Token::Comma) {
            names.push(self.name()?);
        }
        Ok(CopyColumns::Some(names))
    }
}

fn once<T>(slot: &mut Option<T>, value: T, at: usize) -> Result<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => {
            let message = "conflicting or redundant options";
            Err(Error::new(code::SYNTAX_ERROR, message).at(at))
        }
    }
}

fn format_named(name: &str, at: usize) -> Result<CopyFormat> {
    match name.to_lowercase().as_str() {
        "text" => Ok(CopyFormat::Text),
        "csv" => Ok(CopyFormat::Csv),
        "json" => Ok(CopyFormat::Json),
        "binary" => Ok(CopyFormat::Binary),
        "parquet" => Err(Error::unsupported("COPY in the format parquet")
            .with_hint("The formats are text, csv, json and binary.")
            .at(at)),
        _ => {
            let message = format!("COPY format \"{name}\" not recognized");
            Err(Error::new(code::INVALID_PARAMETER_VALUE, message)
                .with_hint("The formats are text, csv, json and binary.")
                .at(at))
        }
    }
}

fn check_encoding(name: &str, at: usize) -> Result<()> {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    match plain.to_ascii_lowercase().as_str() {
        "utf8" | "unicode" => Ok(()),
        _ => Err(Error::unsupported(format!("the encoding {name}"))
            .with_hint("Data are UTF8.")
            .at(at)),
    }
}

impl Said {
    fn complete(self, from: bool) -> Result<CopyOptions> {
        let format = self.format.unwrap_or(CopyFormat::Text);
        let csv = format == CopyFormat::Csv;
        let unsuitable = |what: &str| Err(Error::unsupported(what.to_owned()));
        let one = |said: Option<(String, usize)>, what: &str, otherwise: u8| match said {
            None => Ok(otherwise),
            Some((text, at)) => match text.as_bytes() {
                [byte] if byte.is_ascii() => Ok(*byte),
                _ => {
                    let message = format!("COPY {what} must be a single one-byte character");
                    Err(Error::new(code::FEATURE_NOT_SUPPORTED, message).at(at))
                }
            },
        };
        let only_csv = [
            (self.quote.is_some(), "COPY quote in another format than csv"),
            (self.escape.is_some(), "COPY escape in another format than csv"),
            (self.force_quote.is_some(), "COPY force quote in another format than csv"),
            (self.force_not_null.is_some(), "COPY force not null in another format than csv"),
            (self.force_null.is_some(), "COPY force null in another format than csv"),
        ];
        if let Some((_, what)) = only_csv.iter().find(|(said, _)| *said && !csv) {
            return unsuitable(what);
        }
        if self.force_quote.is_some() && from {
            return unsuitable("COPY force quote of COPY FROM");
        }
        if (self.force_not_null.is_some() || self.force_null.is_some()) && !from {
            return unsuitable("COPY force null of COPY TO");
        }
        if self.header == Some(CopyHeader::Match) && !from {
            return unsuitable("HEADER MATCH of COPY TO");
        }
        let others = self.delimiter.is_some() || self.null.is_some() || self.header.is_some();
        if format == CopyFormat::Json && others {
            return unsuitable("an option of lines of JSON");
        }
        if format == CopyFormat::Binary && others {
            return unsuitable("an option of text in COPY of the binary form");
        }
        let delimiter = one(self.delimiter, "delimiter", if csv { b',' } else { b'\t' })?;
        let quote = one(self.quote, "quote", b'"')?;
        let escape = one(self.escape, "escape", quote)?;
        let null = self.null.unwrap_or_else(|| if csv { "" } else { "\\N" }.to_owned());
        let none = || CopyColumns::Some(Vec::new());
        let options = CopyOptions {
            format,
            delimiter,
            null,
            header: self.header.unwrap_or(CopyHeader::No),
            quote,
            escape,
            force_quote: self.force_quote.unwrap_or_else(none),
            force_not_null: self.force_not_null.unwrap_or_else(none),
            force_null: self.force_null.unwrap_or_else(none),
        };
        options.check()
    }
}

impl CopyOptions {
    fn check(self) -> Result<Self> {
        let wrong = |message: &str| Err(Error::new(code::INVALID_PARAMETER_VALUE, message));
        let csv = self.format == CopyFormat::Csv;
        if matches!(self.delimiter, b'\n' | b'\r') {
            return wrong("COPY delimiter cannot be newline or carriage return");
        }
        if self.null.contains(['\n', '\r']) {
            return wrong("COPY null representation cannot use newline or carriage return");
        }
        if !csv && b"\\.abcdefghijklmnopqrstuvwxyz0123456789".contains(&self.delimiter) {
            let shown = char::from(self.delimiter);
            return wrong(&format!("COPY delimiter cannot be \"{shown}\""));
        }
        if csv && self.delimiter == self.quote {
            return wrong("COPY delimiter and quote must be different");
        }
        if self.null.as_bytes().contains(&self.delimiter) {
            return wrong("COPY delimiter character must not appear in the NULL specification");
        }
        if csv && self.null.as_bytes().contains(&self.quote) {
            return wrong("CSV quote character must not appear in the NULL specification");
        }
        Ok(self)
    }
}
