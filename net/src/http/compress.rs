//! Which answers travel compressed, and how?
//!
//! Levels are the fastest ones: answers are made once and read once, and compressing shares the
//! core with queries. A streamed answer is compressed chunk by chunk as it is produced.

use async_compression::Level;
use async_compression::futures::bufread::{BrotliEncoder, GzipEncoder};
use bytes::Bytes;
use futures::io::{AsyncBufRead, AsyncRead, AsyncReadExt};
use futures::stream::{self, TryStreamExt};
use http::{HeaderValue, Response, header};

use crate::http::body::{Body, ByteStream};
use crate::limits;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Brotli,
    Gzip,
}

/// Compresses an answer if the client accepts it and it is long enough to gain by it.
pub fn apply(response: Response<Body>, accepted: Option<&HeaderValue>) -> Response<Body> {
    let Some(coding) = accepted.and_then(|value| value.to_str().ok()).and_then(choose) else {
        return response;
    };
    let (mut head, body) = response.into_parts();
    let body = match body {
        Body::Full(Some(bytes)) if bytes.len() >= limits::COMPRESS_BYTES_MIN => {
            Body::Stream(encode(coding, futures::io::Cursor::new(bytes)))
        }
        Body::Stream(stream) => Body::Stream(encode(coding, stream.into_async_read())),
        short => return Response::from_parts(head, short),
    };
    let name = match coding {
        Coding::Brotli => "br",
        Coding::Gzip => "gzip",
    };
    head.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
    head.headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    head.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(head, body)
}

/// Picks from an `Accept-Encoding` value; a quality of 0 refuses.
fn choose(accepted: &str) -> Option<Coding> {
    let offers = |name: &str| {
        accepted.split(',').any(|part| {
            let mut words = part.split(';').map(str::trim);
            let named = words.next().is_some_and(|word| word.eq_ignore_ascii_case(name));
            let quality = words.find_map(|word| word.strip_prefix("q="));
            let refused = quality.is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q == 0.0));
            named && !refused
        })
    };
    if offers("br") {
        Some(Coding::Brotli)
    } else if offers("gzip") {
        Some(Coding::Gzip)
    } else {
        None
    }
}

fn encode(coding: Coding, source: impl AsyncBufRead + Unpin + 'static) -> ByteStream {
    match coding {
        Coding::Brotli => chunks(BrotliEncoder::with_quality(source, Level::Precise(2))),
        Coding::Gzip => chunks(GzipEncoder::with_quality(source, Level::Precise(1))),
    }
}

fn chunks(reader: impl AsyncRead + Unpin + 'static) -> ByteStream {
    Box::pin(stream::try_unfold(reader, |mut reader| async move {
        let mut chunk = vec![0; limits::CHUNK_BYTES];
        let mut filled = 0;
        while filled < chunk.len() {
            let count = reader.read(&mut chunk[filled..]).await?;
            if count == 0 {
                break;
            }
            filled += count;
        }
        chunk.truncate(filled);
        Ok((filled > 0).then(|| (Bytes::from(chunk), reader)))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_accepted_coding_is_chosen() {
        let cases = [
            ("gzip, deflate, br", Some(Coding::Brotli)),
            ("gzip;q=0.5", Some(Coding::Gzip)),
            ("br;q=0, gzip", Some(Coding::Gzip)),
            ("identity", None),
            ("", None),
        ];
        for (accepted, expected) in cases {
            assert_eq!(choose(accepted), expected, "{accepted}");
        }
    }
}
