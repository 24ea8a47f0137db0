//! One bounded queue.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::port::Envelope;
use crate::topology;

/// Publishing to a queue of this length is `Unavailable`: whoever publishes keeps the rows and tries again.
const MAX_MESSAGES: usize = 65_536;

/// A message and how often it came back.
pub(super) struct Stored {
    pub(super) envelope: Envelope,
    pub(super) returns: i64,
}

impl Stored {
    pub(super) fn new(envelope: Envelope) -> Self {
        Self { envelope, returns: 0 }
    }
}

pub(super) struct Queue {
    state: Mutex<State>,
    /// As many permits as messages are ready.
    ready: Semaphore,
    dead_letters: bool,
}

struct State {
    messages: VecDeque<Stored>,
    consumers: usize,
    /// When the last consumer went, or the queue was made.
    unused_since: Instant,
}

impl Queue {
    pub(super) fn new(name: &str) -> Self {
        let state = State { messages: VecDeque::new(), consumers: 0, unused_since: Instant::now() };
        Self { state: Mutex::new(state), ready: Semaphore::new(0), dead_letters: name == topology::DEAD }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_dead_letters(&self) -> bool {
        self.dead_letters
    }

    /// False when the queue is full. The dead letters never are: they lose the oldest.
    pub(super) fn push(&self, stored: Stored) -> bool {
        let mut state = self.lock();
        if self.dead_letters {
            let limit = usize::try_from(topology::DEAD_MAX_MESSAGES).unwrap_or(MAX_MESSAGES);
            if state.messages.len() >= limit {
                // The permit of the lost message goes to the new one.
                state.messages.pop_front();
                state.messages.push_back(stored);
                return true;
            }
        } else if state.messages.len() >= MAX_MESSAGES {
            return false;
        }
        state.messages.push_back(stored);
        drop(state);
        self.ready.add_permits(1);
        true
    }

    /// Back to the front of the queue, or, when it came back too often, to the caller: it is dead.
    pub(super) fn give_back(&self, mut stored: Stored) -> Option<Stored> {
        stored.returns += 1;
        if stored.returns > topology::DELIVERY_LIMIT && !self.dead_letters {
            return Some(Stored::new(stored.envelope));
        }
        self.lock().messages.push_front(stored);
        self.ready.add_permits(1);
        None
    }

    /// Waits for a message. Cancel-safe.
    pub(super) async fn pop(&self) -> Option<Stored> {
        self.ready.acquire().await.ok()?.forget();
        self.lock().messages.pop_front()
    }

    pub(super) fn attached(&self) {
        self.lock().consumers += 1;
    }

    pub(super) fn detached(&self) {
        let mut state = self.lock();
        state.consumers -= 1;
        state.unused_since = Instant::now();
    }

    /// No consumer for so long that its worker is taken for gone.
    pub(super) fn expired(&self, now: Instant) -> bool {
        let limit = Duration::from_millis(topology::WORKER_QUEUE_EXPIRES_MS.unsigned_abs());
        let state = self.lock();
        state.consumers == 0 && now.duration_since(state.unused_since) >= limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Stored {
        Stored::new(Envelope { message_id: text.to_owned(), body: bytes::Bytes::new(), traceparent: None })
    }

    #[test]
    fn only_unused_queues_expire() {
        let queue = Queue::new("emberkeep.worker.one");
        let later = Instant::now() + Duration::from_millis(topology::WORKER_QUEUE_EXPIRES_MS.unsigned_abs());
        assert!(!queue.expired(Instant::now()));
        assert!(queue.expired(later + Duration::from_secs(1)));
        queue.attached();
        assert!(!queue.expired(later + Duration::from_secs(1)));
        queue.detached();
        assert!(queue.expired(later + Duration::from_secs(60)));
    }

    #[tokio::test]
    async fn lengths_are_bounded() {
        let queue = Queue::new("emberkeep.jobs");
        for _ in 0..MAX_MESSAGES {
            assert!(queue.push(message("")));
        }
        assert!(!queue.push(message("one too many")));

        let dead = Queue::new(topology::DEAD);
        for number in 0..=topology::DEAD_MAX_MESSAGES {
            assert!(dead.push(message(&number.to_string())));
        }
        assert_eq!(dead.pop().await.map(|stored| stored.envelope.message_id).as_deref(), Some("1"));
    }
}
