//! A body on its way to Swift: in pieces, which share the caller's memory.

use std::io::{self, Write};
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use domain::{Error, Result};
use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::mpsc;

use super::idle::Progress;
use crate::{Body, GetStream};

/// Small enough to see progress on slow links, large enough that the number of pieces does not matter.
const PIECE_BYTES: usize = 256 << 10;
/// One piece being sent, one waiting, one being written.
const PIECES_AHEAD: usize = 1;

/// A fresh stream over a range of the body; may be asked for again to repeat the request. Every piece taken counts as progress.
pub(super) fn body(body: &Body, range: Range<u64>, progress: Progress) -> reqwest::Body {
    let pieces = match body {
        Body::Bytes { bytes, .. } => {
            let within = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
            slices(bytes.slice(within(range.start)..within(range.end)))
        }
        Body::Written(_) => written(body.clone(), range),
    };
    reqwest::Body::wrap_stream(pieces.inspect_ok(move |_| progress.advance()))
}

/// A blocking thread writes ahead through a bounded channel, until the stream is dropped.
fn written(body: Body, range: Range<u64>) -> GetStream {
    let (sender, receiver) = mpsc::channel(PIECES_AHEAD);
    drop(tokio::task::spawn_blocking(move || {
        let mut pieces = Pieces { sender, piece: BytesMut::new() };
        if let Err(error) = body.write(range, &mut pieces).and_then(|()| pieces.flush().map_err(nobody_reads)) {
            // Where nobody reads on, nobody need be told.
            drop(pieces.sender.blocking_send(Err(error)));
        }
    }));
    stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|piece| (piece, receiver)) }).boxed()
}

struct Pieces {
    sender: mpsc::Sender<Result<Bytes>>,
    piece: BytesMut,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let now = &bytes[..bytes.len().min(PIECE_BYTES - self.piece.len())];
        self.piece.reserve(PIECE_BYTES - self.piece.len());
        self.piece.extend_from_slice(now);
        if self.piece.len() == PIECE_BYTES {
            self.flush()?;
        }
        Ok(now.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = self.piece.split().freeze();
        self.sender.blocking_send(Ok(piece)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

fn nobody_reads(error: io::Error) -> Error {
    Error::unavailable("The request ended before its body.").with_source(error)
}

fn slices(bytes: Bytes) -> GetStream {
    let pieces = (0..bytes.len()).step_by(PIECE_BYTES).map(move |start| {
        let end = bytes.len().min(start + PIECE_BYTES);
        Ok(bytes.slice(start..end))
    });
    stream::iter(pieces).boxed()
}
