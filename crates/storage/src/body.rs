//! What is put: bytes in memory or a file on local disk. Both can be sent again, so that a PUT can be retried.

use std::path::PathBuf;

use bytes::Bytes;

#[derive(Clone, Debug)]
pub enum Body {
    /// Large ones that begin at a page (`stdx::pages`) cost the posix store no copy.
    Bytes(Bytes),
    /// A spooled file of exactly `length_bytes`.
    File { path: PathBuf, length_bytes: u64 },
}

impl Body {
    #[must_use]
    pub fn length_bytes(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { length_bytes, .. } => *length_bytes,
        }
    }
}
