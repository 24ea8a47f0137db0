//! An object being fetched, read by blocking code.

use std::io;

use bytes::{Buf, Bytes};
use domain::{Error, Result};
use futures::StreamExt;
use storage::GetStream;
use tokio::runtime::Handle;

use crate::work::Stop;

/// Pulls the stream from a blocking thread: what is not asked for is not fetched, so memory stays at one piece. Must be
/// made and used on a thread of [`Work::spawn`](crate::work::Work::spawn).
pub(crate) struct StreamReader {
    stream: GetStream,
    runtime: Handle,
    stop: Stop,
    rest: Bytes,
}

impl StreamReader {
    pub(crate) fn new(stream: GetStream, stop: &Stop) -> Self {
        Self { stream, runtime: Handle::current(), stop: stop.clone(), rest: Bytes::new() }
    }

    /// The next piece; `None` at the end of the object.
    pub(crate) fn next_piece(&mut self) -> Result<Option<Bytes>> {
        let Self { stream, runtime, stop, .. } = self;
        runtime.block_on(async {
            tokio::select! {
                biased;
                () = stop.stopped() => Err(Error::cancelled()),
                piece = stream.next() => piece.transpose(),
            }
        })
    }
}

/// A [`domain::Error`] travels inside of the `io::Error`, where `format` finds it again.
impl io::Read for StreamReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.next_piece().map_err(io::Error::other)? {
                Some(piece) => self.rest = piece,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.rest.len());
        self.rest.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}
