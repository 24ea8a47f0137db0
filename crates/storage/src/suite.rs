//! The behaviour of an object store as a test: every adapter and every pile of layers passes this one suite.
//!
//! Give stores under test a page limit of a few names, or the paging is not tried. Listings may lag, so they are waited
//! for; what is put can be read at once.

mod bytes;
mod failures;
mod large;
mod listings;
mod names;

use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use ::bytes::Bytes;
use domain::Result;
use futures::TryStreamExt;
use md5::{Digest, Md5};

use crate::{Body, Entry, Object, ObjectStore, Writable};

/// How long a listing may lag behind.
const LISTING_LAG: Duration = Duration::from_secs(20);

/// Panics at the first broken promise. Works in containers of its own, whose objects it removes at the end.
pub async fn run(store: Arc<dyn ObjectStore>) {
    assert!(store.service().starts_with("cinder.backup.drivers."), "{}", store.service());
    let bench = Bench::new(store).await;
    bytes::run(&bench).await;
    names::run(&bench).await;
    listings::run(&bench).await;
    failures::run(&bench).await;
    large::run(&bench).await;
    bench.clean().await;
}

/// The store, a container that exists and one that does not.
struct Bench {
    store: Arc<dyn ObjectStore>,
    container: String,
    missing_container: String,
}

impl Bench {
    async fn new(store: Arc<dyn ObjectStore>) -> Self {
        let container = format!("suite-{}", uuid::Uuid::new_v4());
        store.ensure_container(&container).await.expect("makes a container");
        store.ensure_container(&container).await.expect("finds the container that is there");
        let missing_container = format!("{container}-missing");
        Self { store, container, missing_container }
    }

    async fn put(&self, name: &str, data: &Bytes) -> Result<()> {
        self.store.put(&self.container, name, in_memory(data)).await
    }

    async fn read(&self, name: &str) -> Result<Bytes> {
        collect(self.store.get(&self.container, name, None).await?).await
    }

    /// All pages, following `next`.
    async fn names(&self, prefix: &str) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut after = None;
        loop {
            let page = self.store.list(&self.container, prefix, after.as_deref()).await.expect("lists");
            entries.extend(page.entries);
            match page.next {
                Some(next) => after = Some(next),
                None => return entries,
            }
        }
    }

    /// Waits until the names under `prefix` are these, in this order.
    async fn expect_names(&self, prefix: &str, expected: &[&str]) -> Vec<Entry> {
        let deadline = tokio::time::Instant::now() + LISTING_LAG;
        loop {
            let entries = self.names(prefix).await;
            if entries.iter().map(|entry| entry.name.as_str()).eq(expected.iter().copied()) {
                return entries;
            }
            let late = tokio::time::Instant::now() > deadline;
            assert!(!late, "names under '{prefix}' are {entries:?}, expected {expected:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn clean(&self) {
        for entry in self.names("").await {
            self.store.delete(&self.container, &entry.name).await.expect("deletes");
        }
        self.expect_names("", &[]).await;
    }
}

fn in_memory(data: &Bytes) -> Body {
    Body::Bytes { bytes: data.clone(), md5: md5_of(data) }
}

/// Writes its bytes in small pieces, whatever length it says that they have.
#[derive(Debug)]
struct Written {
    data: Bytes,
    length_bytes: u64,
}

impl Writable for Written {
    fn length_bytes(&self) -> u64 {
        self.length_bytes
    }

    fn write(&self, range: Range<u64>, out: &mut dyn Write) -> io::Result<()> {
        let within = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(self.data.len());
        // One that is too long does not know where to end.
        let end = if range.end == self.length_bytes { self.data.len() } else { within(range.end) };
        self.data[within(range.start)..end].chunks(9973).try_for_each(|piece| out.write_all(piece))
    }
}

fn written(data: &Bytes, length_bytes: usize) -> Body {
    Body::Written(Arc::new(Written { data: data.clone(), length_bytes: length_bytes as u64 }))
}

fn md5_of(data: &[u8]) -> [u8; 16] {
    Md5::digest(data).into()
}

/// Bytes without a period that a mistake could hide behind; the same for the same arguments.
fn pattern(length_bytes: usize, seed: u64) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut data = Vec::with_capacity(length_bytes + 8);
    while data.len() < length_bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        data.extend_from_slice(&state.to_le_bytes());
    }
    data.truncate(length_bytes);
    data.into()
}

/// The whole of an object, which must be as long as it said.
async fn collect(object: Object) -> Result<Bytes> {
    let pieces: Vec<Bytes> = object.stream.try_collect().await?;
    let data = pieces.concat();
    assert_eq!(data.len() as u64, object.length_bytes, "the stream is as long as announced");
    Ok(data.into())
}
