//! What is put. All of it can be sent again, so that a PUT can be retried.

use std::fmt;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use domain::{Error, Result};

/// Written at once.
const PIECE_BYTES: usize = 1 << 20;

#[derive(Clone, Debug)]
pub enum Body {
    /// In memory; whoever made them summed them. Large ones that begin at a page (`stdx::pages`) cost the posix store no copy.
    Bytes { bytes: Bytes, md5: [u8; 16] },
    /// Made while they are stored, and summed by the store where it needs it.
    Written(Arc<dyn Writable>),
}

/// Writes the same bytes whenever it is asked, or fails: what it keeps them in it checks itself.
pub trait Writable: fmt::Debug + Send + Sync {
    fn length_bytes(&self) -> u64;

    /// Writes the bytes of `range`, which lies within the length, in pieces worth a system call. Blocking.
    ///
    /// # Errors
    /// Those of `out`, unchanged. A [`domain::Error`] inside of an `io::Error` reaches the caller of the put.
    fn write(&self, range: Range<u64>, out: &mut dyn Write) -> io::Result<()>;
}

impl Body {
    #[must_use]
    pub fn length_bytes(&self) -> u64 {
        match self {
            Self::Bytes { bytes, .. } => bytes.len() as u64,
            Self::Written(content) => content.length_bytes(),
        }
    }

    /// Writes exactly the bytes of `range`; blocking.
    ///
    /// # Errors
    /// `Damaged` when it writes fewer or more; its own and those of `out`, as [`domain::Error`] where they are one.
    pub(crate) fn write(&self, range: Range<u64>, out: &mut dyn Write) -> Result<()> {
        let mut exact = Exact { out, left: range.end.saturating_sub(range.start) };
        let written = match self {
            Self::Bytes { bytes, .. } => {
                let within = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
                let mut pieces = bytes[within(range.start)..within(range.end)].chunks(PIECE_BYTES);
                pieces.try_for_each(|piece| exact.write_all(piece))
            }
            Self::Written(content) => content.write(range, &mut exact),
        };
        match written {
            Ok(()) if exact.left == 0 => Ok(()),
            Ok(()) => Err(another_length()),
            Err(error) => Err(error.downcast::<Error>().unwrap_or_else(|error| {
                Error::unavailable("What is to be stored cannot be written.").with_source(error)
            })),
        }
    }
}

/// Takes no more than it must.
struct Exact<'a> {
    out: &'a mut dyn Write,
    left: u64,
}

impl Write for Exact<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or_else(|| io::Error::other(another_length()))?;
        self.out.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn another_length() -> Error {
    Error::damaged("What is to be stored has another length than was said.")
}
