//! Memory of one job: a budget in bytes that buffers are leased from, and buffers that are used again.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, Bytes, BytesMut};
use domain::{Error, Result};
use stdx::pages::{PAGE_BYTES, to_next_page};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes per permit: a semaphore counts to far less than the bytes of a large machine.
const GRAIN_BYTES: u64 = 1024;

/// Bytes that may be held at the same time.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    permits: Arc<Semaphore>,
    total: u32,
}

impl Budget {
    pub(crate) fn new(bytes: u64) -> Self {
        let total = grains(bytes).max(1);
        Self { permits: Arc::new(Semaphore::new(total as usize)), total }
    }

    /// Waits, in order of asking, until `bytes` are free. More than the whole budget is leased as the whole budget.
    pub(crate) async fn lease(&self, bytes: u64) -> Result<Lease> {
        let permits = Arc::clone(&self.permits).acquire_many_owned(grains(bytes).min(self.total)).await;
        permits.map(Lease).map_err(|error| Error::internal("The memory budget was closed.").with_source(error))
    }

    fn free_bytes(&self) -> u64 {
        self.permits.available_permits() as u64 * GRAIN_BYTES
    }
}

/// Bytes of a budget in use; free again when dropped.
#[derive(Debug)]
pub(crate) struct Lease(OwnedSemaphorePermit);

impl Lease {
    /// Gives back all but `bytes`, when what this answers is dropped.
    pub(crate) fn shrink_to(&mut self, bytes: u64) -> Option<Self> {
        let surplus = self.0.num_permits().saturating_sub(grains(bytes) as usize);
        self.0.split(surplus).map(Self)
    }

    fn bytes(&self) -> u64 {
        self.0.num_permits() as u64 * GRAIN_BYTES
    }

    /// Takes `bytes` of this lease, or what is left of it, for a part that is freed apart.
    pub(crate) fn split(&mut self, bytes: u64) -> Option<Self> {
        let part = (grains(bytes) as usize).min(self.0.num_permits());
        self.0.split(part).map(Self)
    }
}

fn grains(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(GRAIN_BYTES)).unwrap_or(u32::MAX >> 4).min(u32::MAX >> 4)
}

/// Large buffers kept for the next chunk: asking the system for fresh pages costs about as much as hashing them.
#[derive(Debug)]
pub(crate) struct Buffers {
    idle: Mutex<Vec<BytesMut>>,
    /// Idle buffers take what nobody has leased, and no more than these many bytes beside it.
    budget: Budget,
    spare_bytes: u64,
    /// Smaller ones would be kept in the place of those that can be used.
    bytes_min: usize,
}

impl Buffers {
    pub(crate) fn new(budget: Budget, spare_bytes: u64, bytes_min: usize) -> Self {
        Self { idle: Mutex::new(Vec::new()), budget, spare_bytes, bytes_min }
    }

    /// A buffer of `length` bytes with any content, which begins at a page when it is large. A large one is not taken up for
    /// a few bytes.
    pub(crate) fn take(&self, length: usize) -> BytesMut {
        if length < self.bytes_min / 2 {
            return BytesMut::zeroed(length);
        }
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle {
            Some(mut buffer) if buffer.capacity() >= length => {
                buffer.resize(length, 0);
                buffer
            }
            _ => {
                let mut buffer = BytesMut::zeroed(length + PAGE_BYTES);
                buffer.advance(to_next_page(buffer.as_ptr()));
                buffer.truncate(length);
                buffer
            }
        }
    }

    /// Keeps the buffer if nobody else holds a part of it, and there is room once `lease`, which covered it, is free: whoever
    /// waits for that finds the buffer.
    pub(crate) fn give_back(&self, bytes: Bytes, lease: Option<Lease>) {
        let Ok(buffer) = bytes.try_into_mut() else { return };
        let room = self.budget.free_bytes() + lease.as_ref().map_or(0, Lease::bytes) + self.spare_bytes;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let is_room = (idle.len() as u64 + 1).saturating_mul(self.bytes_min as u64) <= room;
        if is_room && buffer.capacity() >= self.bytes_min {
            idle.push(buffer);
        }
        drop(idle);
        drop(lease);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn leases_shrink_split_and_return() {
        let budget = Budget::new(10 << 10);
        let mut lease = budget.lease(8 << 10).await.unwrap();
        assert_eq!(budget.permits.available_permits(), 2);
        drop(lease.shrink_to(5 << 10));
        assert_eq!(budget.permits.available_permits(), 5);
        let part = lease.split(3 << 10);
        drop(lease);
        assert_eq!(budget.permits.available_permits(), 7);
        drop(part);
        let _everything = budget.lease(1 << 40).await.unwrap();
        assert_eq!(budget.permits.available_permits(), 0);
    }

    #[test]
    fn buffers_come_back_when_nobody_shares_them() {
        let buffers = Buffers::new(Budget::new(0), 4096, 4096);
        let bytes = buffers.take(4096).freeze();
        let address = bytes.as_ptr();
        let shared = bytes.slice(..1);
        buffers.give_back(bytes, None);
        let fresh = buffers.take(4096).freeze();
        assert_ne!(fresh.as_ptr(), address, "a shared buffer must not be written again");
        drop(shared);
        let address = fresh.as_ptr();
        buffers.give_back(fresh, None);
        buffers.give_back(Bytes::from(vec![0; 100]), None);
        assert_ne!(buffers.take(100).as_ptr(), address, "the large one is kept");
        assert_eq!(buffers.take(4000).as_ptr(), address);
    }

    #[tokio::test]
    async fn idle_buffers_take_no_more_than_is_free() {
        let budget = Budget::new(12 << 10);
        let buffers = Buffers::new(budget.clone(), 0, 4096);
        let leases = [budget.lease(4096).await.unwrap(), budget.lease(4096).await.unwrap()];
        for lease in leases {
            buffers.give_back(buffers.take(4096).freeze(), Some(lease));
        }
        let _rest = budget.lease(4096).await.unwrap();
        for _ in 0..4 {
            buffers.give_back(Bytes::from(vec![0; 4096]), None);
        }
        assert_eq!(buffers.idle.lock().unwrap().len(), 2);
    }
}
