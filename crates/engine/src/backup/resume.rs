//! What a later attempt takes over from earlier ones.

use std::collections::HashMap;
use std::pin::pin;

use domain::Result;
use format::{Compression, names};
use futures::TryStreamExt;

use crate::hash::Hash;
use crate::listing::{belongs_to, pages};
use crate::port::{BackupIdentity, Context, Stored};

/// The objects of earlier attempts that may be used, and the names of new ones.
#[derive(Debug)]
pub(crate) struct Resume {
    prefix: String,
    attempt: i64,
    next_number: u64,
    /// By offset and length.
    trusted: HashMap<(u64, u64), Stored>,
}

impl Resume {
    /// Trusts a checkpoint only if the store still lists its object with a length that its compression allows.
    pub(crate) async fn load(
        context: &Context,
        identity: &BackupIdentity,
        attempt: i64,
        checkpoints: Vec<Stored>,
    ) -> Result<Self> {
        let prefix = &identity.prefix;
        let highest = checkpoints.iter().filter_map(|stored| number_and_attempt(&stored.name, prefix)).map(|(n, _)| n);
        let next_number = highest.max().unwrap_or(0) + 1;
        let mut listed = HashMap::new();
        let mut by_name: HashMap<String, Stored> =
            checkpoints.into_iter().map(|stored| (stored.name.clone(), stored)).collect();
        if !by_name.is_empty() {
            let mut pages = pin!(pages(&*context.store, &identity.container, prefix));
            while let Some(page) = pages.try_next().await? {
                for entry in page {
                    if let Some(stored) = by_name.remove(&entry.name)
                        && plausible(&stored, entry.length_bytes)
                    {
                        listed.insert((stored.offset, stored.length), stored);
                    }
                }
            }
        }
        Ok(Self { prefix: prefix.clone(), attempt, next_number, trusted: listed })
    }

    /// The object that already holds exactly these blocks.
    pub(crate) fn take(&mut self, offset: u64, length: u64, digest: &Hash) -> Option<Stored> {
        self.trusted.remove(&(offset, length)).filter(|stored| stored.sha256 == *digest)
    }

    pub(crate) fn next_name(&mut self) -> String {
        let number = self.next_number;
        self.next_number += 1;
        names::data_object(&self.prefix, number, self.attempt)
    }
}

/// Raw bodies are as long as their bytes; compressed ones were only kept because they are shorter.
fn plausible(stored: &Stored, body_bytes: u64) -> bool {
    match stored.compression {
        Compression::None => body_bytes == stored.length,
        Compression::Zlib | Compression::Bz2 | Compression::Zstd => 0 < body_bytes && body_bytes < stored.length,
    }
}

/// Reads `<prefix>-<number>` and `<prefix>-<number>-r<attempt>`.
pub(super) fn number_and_attempt(name: &str, prefix: &str) -> Option<(u64, i64)> {
    if !belongs_to(name, prefix) {
        return None;
    }
    let tail = name.strip_prefix(prefix)?.strip_prefix('-')?;
    match tail.split_once("-r") {
        Some((number, attempt)) => Some((number.parse().ok()?, attempt.parse().ok()?)),
        None => Some((tail.parse().ok()?, 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_number_and_attempt() {
        for (number, attempt) in [(1, 1), (99_999, 1), (123_456, 1), (7, 2), (100_000, 31)] {
            assert_eq!(number_and_attempt(&names::data_object("p", number, attempt), "p"), Some((number, attempt)));
        }
        for other in ["p_metadata", "p-x", "p", "q-00001", "p-00001-rx"] {
            assert_eq!(number_and_attempt(other, "p"), None, "{other}");
        }
    }
}
