//! What can a statement ask of the server itself?

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, FixedSizeBinaryBuilder, StringArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::Result;

use super::function::{Arity, Call, Function};

/// Returns the functions of this file.
pub fn functions() -> Vec<Function> {
    let none = Arity::Exactly(0);
    vec![
        Function::new("gen_random_uuid", none, |_| Ok(DataType::FixedSizeBinary(16)), uuids)
            .aliases(&["uuidv4"])
            .volatile(),
        Function::new("version", none, text_type, |_| Ok(one(version()))),
        Function::new("current_database", none, text_type, |_| Ok(one("pieskieo".into()))),
        Function::new("current_schema", none, text_type, |_| Ok(one("public".into()))),
        Function::new("current_user", none, text_type, |_| Ok(one("pieskieo".into())))
            .aliases(&["session_user"]),
    ]
}

/// Returns the sentence that names the product and its version. Programs read from its beginning
/// which PostgreSQL's dialect they may count on.
pub fn version() -> String {
    format!("PostgreSQL 15.0 (Pieskieo {})", env!("CARGO_PKG_VERSION"))
}

fn text_type(_types: &[DataType]) -> Result<DataType> {
    Ok(DataType::Utf8)
}

fn one(text: String) -> ArrayRef {
    Arc::new(StringArray::from(vec![text]))
}

fn uuids(call: &Call) -> Result<ArrayRef> {
    let mut out = FixedSizeBinaryBuilder::with_capacity(call.rows, 16);
    for _ in 0..call.rows {
        out.append_value(random_uuid())?;
    }
    Ok(Arc::new(out.finish()))
}

/// Returns a random identifier, version 4.
pub fn random_uuid() -> [u8; 16] {
    let mut bytes = [0; 16];
    pieskieo_io::time::fill_random(&mut bytes);
    *uuid::Builder::from_random_bytes(bytes).as_uuid().as_bytes()
}
