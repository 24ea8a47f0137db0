//! Listings as Swift writes them in JSON, read with suspicion: what is not in order would never end.

use domain::{Error, Result};
use serde::Deserialize;

use super::account::Call;
use crate::{Entry, Page};

#[derive(Deserialize)]
struct Listed {
    name: String,
    #[serde(rename = "bytes")]
    length_bytes: u64,
    /// A symbolic link lists its own 0 bytes; this is what a GET gives (swift-facts §2).
    symlink_bytes: Option<u64>,
}

/// A page of at most `limit` entries. `Damaged` when it holds names that were not asked for or are out of order.
pub(super) fn page(call: &Call, body: &[u8], prefix: &str, after: Option<&str>, limit: usize) -> Result<Page> {
    let listed: Vec<Listed> = serde_json::from_slice(body).map_err(|error| {
        Error::damaged(format!("Swift's listing of container {call} cannot be read.")).with_source(error)
    })?;
    let full = listed.len() >= limit;
    let mut entries: Vec<Entry> = Vec::with_capacity(listed.len());
    for Listed { name, length_bytes, symlink_bytes } in listed {
        let previous = entries.last().map(|entry| entry.name.as_str()).or(after);
        if !name.starts_with(prefix) || previous.is_some_and(|previous| name.as_str() <= previous) {
            return Err(Error::damaged(format!("Swift's listing of container {call} is out of order.")));
        }
        entries.push(Entry { name, length_bytes: symlink_bytes.unwrap_or(length_bytes) });
    }
    let next = if full { entries.last().map(|entry| entry.name.clone()) } else { None };
    Ok(Page { entries, next })
}
