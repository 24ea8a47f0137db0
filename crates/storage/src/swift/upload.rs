//! A body on its way to Swift: in pieces, which share the caller's memory.

use std::ops::Range;

use bytes::Bytes;
use domain::{Error, Result};
use futures::{StreamExt, TryStreamExt, stream};

use super::account::Call;
use super::idle::Progress;
use crate::{Body, GetStream, file_stream};

/// Small enough to see progress on slow links, large enough that the number of pieces does not matter.
const PIECE_BYTES: usize = 256 << 10;

/// A fresh stream over a range of the body; may be asked for again to repeat the request. Every piece taken counts as progress.
pub(super) async fn body(call: &Call, body: &Body, range: Range<u64>, progress: Progress) -> Result<reqwest::Body> {
    let pieces = match body {
        Body::Bytes(bytes) => {
            let within = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
            slices(bytes.slice(within(range.start)..within(range.end)))
        }
        Body::File { path, length_bytes } => {
            let unreadable = |error| Error::internal("the spooled file cannot be read").with_source(error);
            let (path, length_bytes) = (path.clone(), *length_bytes);
            let opened = tokio::task::spawn_blocking(move || {
                let file = std::fs::File::open(path)?;
                let found = file.metadata()?.len();
                std::io::Result::Ok((file, found))
            });
            let (file, found) = opened.await.map_err(|error| unreadable(error.into()))?.map_err(unreadable)?;
            if found != length_bytes {
                return Err(Error::damaged(format!(
                    "The spooled file for {call} has {found} bytes instead of {length_bytes}."
                )));
            }
            file_stream::stream(file, range.start, range.end - range.start, format!("the spooled file for {call}"))
        }
    };
    Ok(reqwest::Body::wrap_stream(pieces.inspect_ok(move |_| progress.advance())))
}

fn slices(bytes: Bytes) -> GetStream {
    let pieces = (0..bytes.len()).step_by(PIECE_BYTES).map(move |start| {
        let end = bytes.len().min(start + PIECE_BYTES);
        Ok(bytes.slice(start..end))
    });
    stream::iter(pieces).boxed()
}
