//! An object on its way from Swift: the length that was promised is the length that comes, or the stream says so.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use domain::{Error, Result};
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use openstack::http::transport_error;
use reqwest::Response;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderName, HeaderValue};

use super::account::{Call, stalled};
use crate::{GetStream, Object};

/// `Invalid` for an empty range, which HTTP cannot say.
pub(super) fn range_header(range: &Range<u64>) -> Result<HeaderValue> {
    if range.is_empty() {
        return Err(Error::invalid("An empty range of an object cannot be read."));
    }
    HeaderValue::from_str(&format!("bytes={}-{}", range.start, range.end - 1))
        .map_err(|error| Error::internal("a range is ASCII").with_source(error))
}

/// `Content-Length`, from the header itself: the client counts no body for HEAD.
pub(super) fn length_bytes(call: &Call, response: &Response) -> Result<u64> {
    let length = header(response, &CONTENT_LENGTH).and_then(|text| text.parse().ok());
    length.ok_or_else(|| Error::unavailable(format!("Swift did not tell the length of {call}.")))
}

/// The body of a successful GET, guarded.
pub(super) fn object(call: &Call, response: Response, range: Option<Range<u64>>, idle: Duration) -> Result<Object> {
    let length_bytes = length_bytes(call, &response)?;
    if let Some(range) = range {
        let answered = header(&response, &CONTENT_RANGE).unwrap_or_default();
        let expected = format!("bytes {}-{}/", range.start, range.start + length_bytes.saturating_sub(1));
        if !answered.starts_with(&expected) || length_bytes > range.end - range.start {
            return Err(Error::damaged(format!("Swift answered a read of {call} with another range than asked for.")));
        }
    }
    let guard = Guard {
        body: response.bytes_stream().boxed(),
        left_bytes: length_bytes,
        idle,
        stalled: stalled(call, idle).message().to_owned(),
        cut: format!("Swift ended {call} early, of {length_bytes} bytes some are missing."),
        ended: false,
    };
    Ok(Object { length_bytes, stream: guard.into_stream() })
}

fn header<'r>(response: &'r Response, name: &HeaderName) -> Option<&'r str> {
    response.headers().get(name).and_then(|value| value.to_str().ok())
}

struct Guard {
    body: BoxStream<'static, reqwest::Result<Bytes>>,
    left_bytes: u64,
    idle: Duration,
    stalled: String,
    cut: String,
    ended: bool,
}

impl Guard {
    /// Ends after the first error, or after exactly the promised bytes.
    fn into_stream(self) -> GetStream {
        stream::unfold(self, |mut guard| async {
            if guard.ended {
                return None;
            }
            let piece = guard.next().await.transpose()?;
            guard.ended = piece.is_err();
            Some((piece, guard))
        })
        .fuse()
        .boxed()
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        let piece = tokio::time::timeout(self.idle, self.body.next()).await;
        match piece.map_err(|_| Error::unavailable(self.stalled.clone()))? {
            None if self.left_bytes == 0 => Ok(None),
            None => Err(Error::unavailable(self.cut.clone())),
            Some(Err(error)) => Err(Error::unavailable(self.cut.clone()).with_source(transport_error("Swift", error))),
            Some(Ok(bytes)) => {
                let left = self.left_bytes.checked_sub(bytes.len() as u64);
                self.left_bytes = left.ok_or_else(|| Error::damaged("Swift sent more bytes than it announced."))?;
                Ok(Some(bytes))
            }
        }
    }
}
