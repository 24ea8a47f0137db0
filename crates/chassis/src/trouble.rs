//! What is wrong with the things that the process needs: one sentence each, in the log when it begins and when it is over, and
//! meanwhile for whoever asks for health.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The same sentence is not logged again before.
const QUIET: Duration = Duration::from_secs(60);

struct Trouble {
    sentence: String,
    /// It is not over.
    stands: bool,
    /// When it was last told of in the log.
    logged: Instant,
}

/// By what they are about.
static ALL: Mutex<BTreeMap<String, Trouble>> = Mutex::new(BTreeMap::new());

/// `sentence` says what is wrong with `what` and what to do; it holds no secret.
pub fn note(what: &str, sentence: &str) {
    let mut all = all();
    let now = Instant::now();
    let known = all.get(what).filter(|known| known.sentence == sentence && known.logged + QUIET > now);
    let logged = known.map_or(now, |known| known.logged);
    if known.is_none() {
        tracing::warn!("{sentence}");
    }
    all.insert(what.to_owned(), Trouble { sentence: sentence.to_owned(), stands: true, logged });
}

/// `what` is as it should be.
pub fn over(what: &str) {
    let mut all = all();
    let Some(trouble) = all.get_mut(what) else { return };
    if std::mem::take(&mut trouble.stands) {
        tracing::info!("{what} is well again");
    }
    if trouble.logged.elapsed() > QUIET {
        all.remove(what);
    }
}

/// What stands, by what it is about.
#[must_use]
pub fn standing() -> BTreeMap<String, String> {
    let all = all();
    all.iter().filter(|(_, it)| it.stands).map(|(what, it)| (what.clone(), it.sentence.clone())).collect()
}

fn all() -> MutexGuard<'static, BTreeMap<String, Trouble>> {
    ALL.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_stands_until_it_is_over() {
        over("a test's thing");
        note("a test's thing", "It is gone: bring it back.");
        note("a test's thing", "It is broken: mend it.");
        assert_eq!(standing().get("a test's thing").map(String::as_str), Some("It is broken: mend it."));
        over("a test's thing");
        over("a test's thing");
        assert_eq!(standing().get("a test's thing"), None);
    }
}
