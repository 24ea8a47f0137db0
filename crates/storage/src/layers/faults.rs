//! A store that fails on command: tests and chaos runs put it between a real store and whoever must survive its faults.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use domain::{Error, Kind, Result};
use futures::{StreamExt, TryStreamExt, future, stream};
use md5::{Digest, Md5};

use crate::{Body, GetStream, Gone, Object, ObjectStore, Page};

/// The method that a rule applies to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    EnsureContainer,
    Put,
    Get,
    Head,
    List,
    Delete,
}

/// What happens in place of, or after, the real act.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// An error of this kind; the store is not asked.
    Fail(Kind),
    /// The act is done, and yet answered with an error of this kind: a lost answer.
    FailAfterwards(Kind),
    /// No answer, ever.
    Stall,
    /// Says that all went well without doing anything (`put`, `delete`, `ensure_container`).
    Lie,
    /// A `get` whose stream breaks with `Unavailable` after so many bytes.
    Cut { after_bytes: u64 },
    /// A `get` whose stream ends after so many bytes as if that were all. No honest store does it.
    Truncate { after_bytes: u64 },
    /// One flipped bit in the byte at this offset of what is read (`get`), or of what is stored (`put`).
    Corrupt { offset_bytes: u64 },
}

/// One fault and when it strikes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    pub operation: Operation,
    /// Only calls whose object (or container, or listed prefix) contains this text count.
    pub name_contains: String,
    /// Strikes at this call among those that count, from 1.
    pub nth: u64,
    /// How many calls in a row are struck; `u64::MAX` for all that follow.
    pub times: u64,
    pub fault: Fault,
}

impl Rule {
    /// Strikes the `nth` call of `operation` once, whatever its name.
    #[must_use]
    pub const fn new(operation: Operation, nth: u64, fault: Fault) -> Self {
        Self { operation, name_contains: String::new(), nth, times: 1, fault }
    }

    /// Counts only calls whose name contains `text`.
    #[must_use]
    pub fn on(self, text: &str) -> Self {
        Self { name_contains: text.to_owned(), ..self }
    }

    /// Strikes so many calls in a row.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self { times, ..self }
    }
}

/// The layer. Deterministic: which call is struck depends on the rules and on the order of calls alone.
#[derive(Debug)]
pub struct Faults {
    inner: Arc<dyn ObjectStore>,
    state: Mutex<State>,
}

#[derive(Default, Debug)]
struct State {
    rules: Vec<(Rule, u64)>,
    calls: Vec<(Operation, String)>,
}

impl Faults {
    #[must_use]
    pub fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner, state: Mutex::default() }
    }

    /// Adds a rule; it counts calls from now on. Of several rules that strike at once, the first added wins.
    pub fn inject(&self, rule: Rule) {
        self.lock().rules.push((rule, 0));
    }

    /// Takes all rules away.
    pub fn heal(&self) {
        self.lock().rules.clear();
    }

    /// The names that `operation` was called with so far, in order.
    #[must_use]
    pub fn calls(&self, operation: Operation) -> Vec<String> {
        let state = self.lock();
        state.calls.iter().filter(|(called, _)| *called == operation).map(|(_, name)| name.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn strike(&self, operation: Operation, name: &str) -> Option<Fault> {
        let mut state = self.lock();
        state.calls.push((operation, name.to_owned()));
        let mut struck = None;
        for (rule, seen) in &mut state.rules {
            if rule.operation == operation && name.contains(&rule.name_contains) {
                *seen += 1;
                if *seen >= rule.nth && *seen - rule.nth < rule.times {
                    struck = struck.or(Some(rule.fault));
                }
            }
        }
        struck
    }

    /// Runs an act that moves no body under whatever fault strikes it. `lie` is the answer of a store that lies.
    async fn plain<T>(
        &self,
        call: (Operation, &str),
        act: impl Future<Output = Result<T>>,
        lie: Option<T>,
    ) -> Result<T> {
        match (self.strike(call.0, call.1), lie) {
            (Some(Fault::Fail(kind)), _) => Err(injected(kind)),
            (Some(Fault::FailAfterwards(kind)), _) => {
                act.await?;
                Err(injected(kind))
            }
            (Some(Fault::Stall), _) => future::pending().await,
            (Some(Fault::Lie), Some(lie)) => Ok(lie),
            _ => act.await,
        }
    }
}

#[async_trait]
impl ObjectStore for Faults {
    fn service(&self) -> &'static str {
        self.inner.service()
    }

    async fn ensure_container(&self, container: &str) -> Result<()> {
        let call = (Operation::EnsureContainer, container);
        self.plain(call, self.inner.ensure_container(container), Some(())).await
    }

    async fn put(&self, container: &str, name: &str, body: Body) -> Result<()> {
        match self.strike(Operation::Put, name) {
            Some(Fault::Fail(kind)) => Err(injected(kind)),
            Some(Fault::FailAfterwards(kind)) => {
                self.inner.put(container, name, body).await?;
                Err(injected(kind))
            }
            Some(Fault::Stall) => future::pending().await,
            Some(Fault::Lie) => Ok(()),
            Some(Fault::Corrupt { offset_bytes }) => {
                let mut bytes = read_whole(body).await?;
                flip(&mut bytes, 0, offset_bytes);
                let md5 = Md5::digest(&bytes).into();
                self.inner.put(container, name, Body::Bytes { bytes: bytes.into(), md5 }).await
            }
            Some(Fault::Cut { .. } | Fault::Truncate { .. }) | None => self.inner.put(container, name, body).await,
        }
    }

    async fn get(&self, container: &str, name: &str, range: Option<Range<u64>>) -> Result<Object> {
        let fault = self.strike(Operation::Get, name);
        match fault {
            Some(Fault::Fail(kind) | Fault::FailAfterwards(kind)) => return Err(injected(kind)),
            Some(Fault::Stall) => return future::pending().await,
            _ => {}
        }
        let Object { length_bytes, stream } = self.inner.get(container, name, range).await?;
        let stream = match fault {
            Some(Fault::Cut { after_bytes }) => {
                let broken = stream::once(future::ready(Err(injected(Kind::Unavailable))));
                first(stream, after_bytes).chain(broken).boxed()
            }
            Some(Fault::Truncate { after_bytes }) => first(stream, after_bytes),
            Some(Fault::Corrupt { offset_bytes }) => corrupted(stream, offset_bytes),
            _ => stream,
        };
        Ok(Object { length_bytes, stream })
    }

    async fn head(&self, container: &str, name: &str) -> Result<u64> {
        self.plain((Operation::Head, name), self.inner.head(container, name), None).await
    }

    async fn list(&self, container: &str, prefix: &str, after: Option<&str>) -> Result<Page> {
        let act = self.inner.list(container, prefix, after);
        self.plain((Operation::List, prefix), act, Some(Page::default())).await
    }

    async fn delete(&self, container: &str, name: &str) -> Result<()> {
        self.plain((Operation::Delete, name), self.inner.delete(container, name), Some(())).await
    }

    async fn delete_parts(&self, container: &str, prefix: &str, gone: &Gone<'_>) -> Result<u64> {
        self.inner.delete_parts(container, prefix, gone).await
    }
}

fn injected(kind: Kind) -> Error {
    Error::new(kind, "A fault was injected into the object store.")
}

fn first(stream: GetStream, bytes: u64) -> GetStream {
    stream
        .try_filter_map({
            let mut left = bytes;
            move |piece: Bytes| {
                let kept = piece.slice(..piece.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
                left -= kept.len() as u64;
                future::ready(Ok((!kept.is_empty()).then_some(kept)))
            }
        })
        .boxed()
}

fn corrupted(stream: GetStream, offset_bytes: u64) -> GetStream {
    let mut position = 0;
    stream
        .map_ok(move |piece| {
            let mut bytes = piece.to_vec();
            flip(&mut bytes, position, offset_bytes);
            position += bytes.len() as u64;
            Bytes::from(bytes)
        })
        .boxed()
}

/// Flips a bit of the byte at `offset` of a whole, of which `bytes` is the part that begins at `position`.
fn flip(bytes: &mut [u8], position: u64, offset: u64) {
    let inside = offset.checked_sub(position).and_then(|index| usize::try_from(index).ok());
    if let Some(byte) = inside.and_then(|index| bytes.get_mut(index)) {
        *byte ^= 1;
    }
}

async fn read_whole(body: Body) -> Result<Vec<u8>> {
    let write = move || {
        let mut bytes = Vec::new();
        body.write(0..body.length_bytes(), &mut bytes).map(|()| bytes)
    };
    let written = tokio::task::spawn_blocking(write).await;
    written.map_err(|error| Error::internal("writing a body ended in a panic").with_source(error))?
}
