//! How is each answer written?

use pieskieo_query::Notice;
use pieskieo_query::postgres::{Form, WireColumn};

/// Bytes of a ParameterStatus or an error field are cut off at this length.
const TEXT_BYTES_MAX: usize = 8 << 10;

/// What a client may do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Anything: no transaction is open.
    Idle,
    /// Anything: one is.
    Transaction,
    /// Only end the transaction.
    Failed,
}

/// How a client is asked who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication<'a> {
    /// It may come in.
    Ok,
    /// It may choose one of these ways to prove it.
    Sasl(&'a str),
    /// It must go on.
    Continue(&'a [u8]),
    /// It is told that the server knows the password too.
    Final(&'a [u8]),
}

/// Appends a message: its kind, its length and what `body` writes.
pub fn message(out: &mut Vec<u8>, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(kind);
    let at = out.len();
    out.extend([0; 4]);
    body(out);
    // Messages are made of parts that are bounded far below 2 GiB.
    let length = i32::try_from(out.len() - at).unwrap_or(i32::MAX);
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

/// Appends a text and the zero that ends it.
pub fn text(out: &mut Vec<u8>, text: &str) {
    let end = text.floor_char_boundary(text.len().min(TEXT_BYTES_MAX));
    // A zero within would end it early.
    out.extend(text[..end].bytes().map(|byte| if byte == 0 { b'?' } else { byte }));
    out.push(0);
}

/// Appends an Authentication message.
pub fn authentication(out: &mut Vec<u8>, how: Authentication<'_>) {
    message(out, b'R', |out| match how {
        Authentication::Ok => out.extend(0_i32.to_be_bytes()),
        Authentication::Sasl(mechanism) => {
            out.extend(10_i32.to_be_bytes());
            text(out, mechanism);
            out.push(0);
        }
        Authentication::Continue(data) => {
            out.extend(11_i32.to_be_bytes());
            out.extend(data);
        }
        Authentication::Final(data) => {
            out.extend(12_i32.to_be_bytes());
            out.extend(data);
        }
    });
}

/// Appends a ParameterStatus.
pub fn parameter_status(out: &mut Vec<u8>, name: &str, value: &str) {
    message(out, b'S', |out| {
        text(out, name);
        text(out, value);
    });
}

/// Appends a BackendKeyData.
pub fn key_data(out: &mut Vec<u8>, (process, secret): (i32, i32)) {
    message(out, b'K', |out| {
        out.extend(process.to_be_bytes());
        out.extend(secret.to_be_bytes());
    });
}

/// Appends a NegotiateProtocolVersion: the newest minor version, and options nobody knows.
pub fn negotiate(out: &mut Vec<u8>, minor: i32, unknown: &[String]) {
    message(out, b'v', |out| {
        out.extend(minor.to_be_bytes());
        out.extend(i32::try_from(unknown.len()).unwrap_or(0).to_be_bytes());
        unknown.iter().for_each(|name| text(out, name));
    });
}

/// Appends a ReadyForQuery.
pub fn ready(out: &mut Vec<u8>, status: Status) {
    let status = match status {
        Status::Idle => b'I',
        Status::Transaction => b'T',
        Status::Failed => b'E',
    };
    message(out, b'Z', |out| out.push(status));
}

/// Appends a ParameterDescription.
pub fn parameters(out: &mut Vec<u8>, types: impl ExactSizeIterator<Item = u32>) {
    message(out, b't', |out| {
        out.extend(u16::try_from(types.len()).unwrap_or(u16::MAX).to_be_bytes());
        types.for_each(|oid| out.extend(oid.to_be_bytes()));
    });
}

/// Appends a RowDescription; `form` says in which form a column is sent.
pub fn columns(out: &mut Vec<u8>, columns: &[WireColumn], form: impl Fn(usize) -> Form) {
    message(out, b'T', |out| {
        out.extend(u16::try_from(columns.len()).unwrap_or(u16::MAX).to_be_bytes());
        for (position, column) in columns.iter().enumerate() {
            text(out, &column.name);
            // The table and the place in it are not told.
            out.extend([0; 6]);
            out.extend(column.oid.to_be_bytes());
            out.extend(column.bytes.to_be_bytes());
            out.extend(column.modifier.to_be_bytes());
            out.extend(i16::from(form(position) == Form::Binary).to_be_bytes());
        }
    });
}

/// Appends a CommandComplete.
pub fn complete(out: &mut Vec<u8>, tag: &str) {
    message(out, b'C', |out| text(out, tag));
}

/// Appends a NotificationResponse.
pub fn notification(out: &mut Vec<u8>, notice: &Notice) {
    message(out, b'A', |out| {
        out.extend(notice.process.to_be_bytes());
        text(out, &notice.channel);
        text(out, &notice.payload);
    });
}

/// Which way the rows of a COPY go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Direction {
    /// From the client.
    In = b'G',
    /// To the client.
    Out = b'H',
}

/// Appends a CopyInResponse or CopyOutResponse, for so many columns in a form.
pub fn copying(out: &mut Vec<u8>, way: Direction, (columns, form): (usize, Form)) {
    message(out, way as u8, |out| {
        let is_binary = form == Form::Binary;
        out.push(u8::from(is_binary));
        let columns = u16::try_from(columns).unwrap_or(u16::MAX);
        out.extend(columns.to_be_bytes());
        (0..columns).for_each(|_| out.extend(u16::from(is_binary).to_be_bytes()));
    });
}

/// Appends a message that is nothing but its kind.
pub fn plain(out: &mut Vec<u8>, what: Plain) {
    message(out, what as u8, |_| {});
}

/// Messages that are nothing but their kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Plain {
    /// A statement is prepared.
    ParseComplete = b'1',
    /// A portal is made.
    BindComplete = b'2',
    /// Something is forgotten.
    CloseComplete = b'3',
    /// There are no columns.
    NoData = b'n',
    /// There are no more rows of a COPY.
    CopyDone = b'c',
    /// There was no statement.
    EmptyQuery = b'I',
    /// There are more rows.
    PortalSuspended = b's',
}
