//! The contract of an object store, and the weakest promises that callers may build on.

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use domain::{Error, Result};
use futures::stream::BoxStream;

use crate::Body;

/// The bytes of an object in order, in pieces of any size. Ends after the first error.
pub type GetStream = BoxStream<'static, Result<Bytes>>;

/// One object being read.
pub struct Object {
    /// Bytes that `stream` will yield. A stream that ends before is an error of the stream, never a short object.
    pub length_bytes: u64,
    pub stream: GetStream,
}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Object").field("length_bytes", &self.length_bytes).finish_non_exhaustive()
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    pub name: String,
    pub length_bytes: u64,
}

/// A page of a listing, in the order of names as bytes.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Page {
    pub entries: Vec<Entry>,
    /// Pass as `after` for the next page; `None` when this was the last.
    pub next: Option<String>,
}

/// Says of an object's name that there is no such object any more.
pub type Gone<'a> = dyn Fn(&str) -> bool + Send + Sync + 'a;

/// Where objects live. Every method may be called at the same time from many tasks, and dropped at any await: an
/// abandoned `put` leaves the old object or the new one, never a part.
///
/// Errors carry a kind: `NotFound` for a missing container or object, `Unavailable` for what a retry may cure,
/// `Invalid` for a name no store takes, `Damaged` for bytes that are not what their checksum says.
#[async_trait]
pub trait ObjectStore: std::fmt::Debug + Send + Sync {
    /// The driver's class path in Cinder's naming, as `backups.service` records it.
    fn service(&self) -> &'static str;

    /// Makes the container where it is missing. Idempotent.
    async fn ensure_container(&self, container: &str) -> Result<()>;

    /// Stores `body` durably under `name`, replacing what was there. Where bytes travel, others than those that were summed
    /// are answered with `Damaged` and there is no such object; a body that is not written whole leaves what was there.
    /// There is no compare-and-swap. A body that is too long for the store is kept in parts of its own, which makes no
    /// difference to those who read it.
    async fn put(&self, container: &str, name: &str, body: Body) -> Result<()>;

    /// Reads an object, or `range` of it. The range is cut at the object's end (`length_bytes` tells); one that is empty or
    /// begins at the end or behind it is `Invalid`.
    async fn get(&self, container: &str, name: &str, range: Option<Range<u64>>) -> Result<Object>;

    /// The object's length in bytes.
    async fn head(&self, container: &str, name: &str) -> Result<u64>;

    /// Names that start with `prefix`, after `after`. May lag behind puts and deletes. A missing container is empty.
    async fn list(&self, container: &str, prefix: &str, after: Option<&str>) -> Result<Page>;

    /// Removes the object. Removing what is not there is `Ok`. Its parts may stay.
    async fn delete(&self, container: &str, name: &str) -> Result<()>;

    /// Removes the parts, left by deletions and by puts that failed, of objects whose names start with `prefix` and which
    /// `gone` says are there no more. Answers how many it found.
    async fn delete_parts(&self, _container: &str, _prefix: &str, _gone: &Gone<'_>) -> Result<u64> {
        Ok(0)
    }
}

/// What of `range` lies inside an object of `length_bytes`.
pub(crate) fn clip(range: Option<Range<u64>>, length_bytes: u64, what: &str) -> Result<Range<u64>> {
    let Some(range) = range else { return Ok(0..length_bytes) };
    if range.is_empty() || range.start >= length_bytes {
        return Err(Error::invalid(format!(
            "Bytes {}..{} lie outside of {what}, which has {length_bytes}.",
            range.start, range.end
        )));
    }
    Ok(range.start..range.end.min(length_bytes))
}
