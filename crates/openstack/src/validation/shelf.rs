//! Answers by key, each for its time, and never more than a number of them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::Key;

pub(super) struct Shelf<V> {
    capacity: usize,
    inner: Mutex<Inner<V>>,
}

struct Inner<V> {
    answers: HashMap<Key, (V, Instant)>,
    /// Oldest first. All live about equally long, so the oldest is the one to give up.
    order: VecDeque<Key>,
}

impl<V: Clone> Shelf<V> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, inner: Mutex::new(Inner { answers: HashMap::new(), order: VecDeque::new() }) }
    }

    /// The answer, while its time is not over.
    pub(super) fn get(&self, key: &Key) -> Option<V> {
        let inner = self.lock();
        inner.answers.get(key).filter(|(_, until)| *until > Instant::now()).map(|(answer, _)| answer.clone())
    }

    pub(super) fn put(&self, key: Key, answer: V, until: Instant) {
        let mut inner = self.lock();
        if inner.answers.insert(key, (answer, until)).is_none() {
            inner.order.push_back(key);
        }
        while inner.order.len() > self.capacity {
            if let Some(oldest) = inner.order.pop_front() {
                inner.answers.remove(&oldest);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<V>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn answers_end_and_the_oldest_give_way() {
        let shelf = Shelf::new(2);
        let minute = Instant::now() + Duration::from_secs(60);
        shelf.put([1; 32], "a", minute);
        shelf.put([1; 32], "b", minute);
        shelf.put([2; 32], "c", Instant::now() + Duration::from_secs(1));
        assert_eq!((shelf.get(&[1; 32]), shelf.get(&[2; 32])), (Some("b"), Some("c")));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!((shelf.get(&[1; 32]), shelf.get(&[2; 32])), (Some("b"), None));
        shelf.put([3; 32], "d", minute);
        assert_eq!((shelf.get(&[1; 32]), shelf.get(&[3; 32])), (None, Some("d")));
        assert_eq!(shelf.lock().answers.len(), 2);
    }
}
