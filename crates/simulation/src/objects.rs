//! The store: objects in a map, requests that fail or whose answer is lost.

use domain::{Error, Result};
use storage::{Entry, Page};

use crate::hub::{Answer, Ask, Life};
use crate::services::LATE_WRITE_SECS;
use crate::world::World;

/// When a write that was held back comes after all: perhaps when the job that sent it has ended.
const LATE_MS_MIN: u64 = 2000;
const LATE_MS_MAX: u64 = (LATE_WRITE_SECS as u64 - 5) * 1000;

impl World {
    pub(crate) fn serve_object(&mut self, life: Life, ask: Ask) {
        let (rates, dead, away) =
            self.hub.with(|shared| (shared.rates, shared.dead.contains(&life), shared.store_away));
        let fails = away || self.chance(rates.store_fails) || (dead && self.chance(500));
        let forgotten = self.chance(rates.store_forgotten);
        match ask {
            Ask::Put(key, bytes, answer) if self.is_held_back(&key.1) => {
                self.count("puts held back");
                self.after_ms(LATE_MS_MIN, LATE_MS_MAX, move |world| {
                    world.note(&format!("put {}, late", key.1));
                    world.store.insert(key, bytes);
                });
                reply(answer, true, Ok(()));
            }
            Ask::Put(key, bytes, answer) => {
                // Who lives and waits no more has closed the connection: what is not stored by then is not stored.
                let given_up = answer.is_closed() && !dead;
                if !fails && !given_up {
                    self.note(&format!("put {}", key.1));
                    self.store.insert(key, bytes);
                }
                reply(answer, fails || forgotten, Ok(()));
            }
            Ask::Delete(key, answer) => {
                if !fails {
                    self.note(&format!("delete {}", key.1));
                    self.store.remove(&key);
                }
                reply(answer, fails || forgotten, Ok(()));
            }
            Ask::Get(key, answer) => {
                let found = self.store.get(&key).cloned().ok_or_else(|| Error::not_found("Object", &key.1));
                reply(answer, fails || forgotten, found);
            }
            Ask::Head(key, answer) => {
                let found = self.store.get(&key).map(|bytes| bytes.len() as u64);
                reply(answer, fails || forgotten, found.ok_or_else(|| Error::not_found("Object", &key.1)));
            }
            Ask::List((container, prefix), answer) => {
                let entries = self.store.iter().filter(|((at, name), _)| *at == container && name.starts_with(&prefix));
                let entry = |((_, name), bytes): (&(String, String), &Vec<u8>)| Entry {
                    name: name.clone(),
                    length_bytes: bytes.len() as u64,
                };
                let page = Page { entries: entries.map(entry).collect(), next: None };
                reply(answer, fails || forgotten, Ok(page));
            }
            _ => {}
        }
    }

    /// The two documents are not: nobody sends them without having asked whose job it is.
    fn is_held_back(&self, name: &str) -> bool {
        let is_document = name.ends_with("_metadata") || name.ends_with("_sha256file");
        !is_document && self.chance(self.hub.with(|shared| shared.rates.put_late))
    }
}

fn reply<T>(answer: Answer<T>, fails: bool, result: Result<T>) {
    let result = if fails { Err(Error::unavailable("the store does not answer")) } else { result };
    // Who asked may be gone.
    answer.send(result).ok();
}
