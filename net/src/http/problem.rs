//! How does an error look to a client? The same object on every endpoint.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use pieskieo_query::error::code;
use pieskieo_query::{Error, Kind};
use serde_json::{Map, Value, json};

use crate::http::body::Body;

/// Returns the error of a request that is wrong before any statement is looked at.
pub fn bad_request(message: &str) -> Error {
    Error::new(code::PROTOCOL_VIOLATION, message)
}

/// Returns the error of a request beyond a named limit.
pub fn limit(name: &str, value: &str, hint: &str) -> Error {
    Error::new(code::PROGRAM_LIMIT, format!("the limit \"{name}\" of {value} was exceeded"))
        .with_hint(hint)
}

/// Returns the error of an address that names nothing.
pub fn not_found(message: &str) -> Error {
    Error::new(code::NO_DATA_FOUND, message)
}

/// Returns the error of a key that no record has.
pub fn no_record(message: &str) -> Error {
    Error::new(code::NO_DATA_FOUND, message)
}

/// Returns the HTTP status that fits an error.
pub fn status(error: &Error) -> StatusCode {
    match (error.code, error.kind) {
        ("42P01" | "P0002", _) => StatusCode::NOT_FOUND,
        (
            "23503" | "23505" | "25P01" | "25P02" | "25P03" | "40001" | "42P07" | "55006" | "IK002",
            _,
        ) => StatusCode::CONFLICT,
        ("IK001", _) => StatusCode::UNPROCESSABLE_ENTITY,
        ("54000", _) => StatusCode::PAYLOAD_TOO_LARGE,
        ("57014", _) => StatusCode::GATEWAY_TIMEOUT,
        ("0A000", _) => StatusCode::NOT_IMPLEMENTED,
        (_, Kind::FixRequest) => StatusCode::BAD_REQUEST,
        (_, Kind::Denied) => StatusCode::FORBIDDEN,
        (_, Kind::Retry | Kind::Unavailable) => StatusCode::SERVICE_UNAVAILABLE,
        (_, Kind::Corrupt | Kind::Internal) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Returns the members of the problem object (RFC 9457 plus ours).
pub fn members(error: &Error, status: StatusCode) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("type".into(), json!(format!("urn:pieskieo:error:{}", error.name)));
    map.insert("title".into(), json!(error.name));
    map.insert("status".into(), json!(status.as_u16()));
    map.insert("code".into(), json!(error.code));
    map.insert("name".into(), json!(error.name));
    map.insert("message".into(), json!(error.message));
    if let Some(detail) = &error.detail {
        map.insert("detail".into(), json!(detail));
    }
    if let Some(hint) = &error.hint {
        map.insert("hint".into(), json!(hint));
    }
    if let Some(position) = error.position {
        map.insert("position".into(), json!(position));
    }
    map.insert("retryable".into(), json!(error.kind == Kind::Retry));
    map
}

/// Returns the whole answer for an error.
pub fn respond(error: &Error) -> Response<Body> {
    respond_with(error, status(error))
}

/// Returns the whole answer for an error whose status does not follow from its code.
pub fn respond_with(error: &Error, status: StatusCode) -> Response<Body> {
    let bytes = Bytes::from(Value::Object(members(error, status)).to_string());
    let mut response = Response::new(Body::full(bytes));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if matches!(error.kind, Kind::Retry | Kind::Unavailable) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
