//! Reads a file as a stream: a blocking thread reads ahead through a bounded channel.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use domain::{Error, Result};
use futures::StreamExt;
use tokio::sync::mpsc;

use crate::GetStream;

/// Pieces below 1 MiB cost more in switching than they win; larger ones only hold memory.
const PIECE_BYTES: u64 = 1 << 20;
/// One piece being sent, one waiting, one being read.
const PIECES_AHEAD: usize = 1;

/// The bytes `offset..offset + length_bytes` of `file`. `what` names it in errors. A file that turns out shorter ends
/// the stream with `Damaged`. Dropping the stream stops the reading.
pub(crate) fn stream(file: File, offset: u64, length_bytes: u64, what: String) -> GetStream {
    let (sender, receiver) = mpsc::channel(PIECES_AHEAD);
    drop(tokio::task::spawn_blocking(move || {
        let mut done = 0;
        while done < length_bytes {
            let piece = read_piece(&file, offset + done, (length_bytes - done).min(PIECE_BYTES), &what);
            done += piece.as_ref().map_or(0, |bytes| bytes.len() as u64);
            let failed = piece.is_err();
            if sender.blocking_send(piece).is_err() || failed {
                return;
            }
        }
    }));
    futures::stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|piece| (piece, receiver)) })
        .fuse()
        .boxed()
}

fn read_piece(file: &File, offset: u64, length_bytes: u64, what: &str) -> Result<Bytes> {
    let length =
        usize::try_from(length_bytes).map_err(|error| Error::internal("piece too large").with_source(error))?;
    let mut buffer = vec![0; length];
    match file.read_exact_at(&mut buffer, offset) {
        Ok(()) => Ok(buffer.into()),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
            Err(Error::damaged(format!("{what} became shorter while it was read.")).with_source(error))
        }
        Err(error) => Err(Error::unavailable(format!("{what} cannot be read.")).with_source(error)),
    }
}
