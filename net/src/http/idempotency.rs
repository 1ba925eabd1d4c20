//! Which idempotency key does a request carry?
//!
//! **Source**: draft-ietf-httpapi-idempotency-key-header. Deviation: the key is taken as it
//! stands, quotes included, not as a string of structured fields.

use http::{HeaderMap, HeaderName, HeaderValue, Response};
use pieskieo_query::{Error, Fingerprint, IdempotencyKey};

use crate::http::body::Body;
use crate::http::problem;

/// Names a request, so that sending it twice has its effect once.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Says that an answer is the stored one of an earlier request.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Returns the key of a request that is summed up by `parts`.
///
/// **Errors**: `08P01` for what is no key, and for several.
pub fn key_of(headers: &HeaderMap, parts: &[&[u8]]) -> Result<Option<IdempotencyKey>, Error> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(problem::bad_request("the Idempotency-Key header is there twice"));
    }
    let text = value.to_str().unwrap_or_default();
    IdempotencyKey::new(text, Fingerprint::of(parts)).map(Some)
}

/// Marks an answer that is not of this request but of the first with its key.
pub fn mark(response: &mut Response<Body>, replayed: bool) {
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
}
