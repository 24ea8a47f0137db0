//! What the pools say of their room, asked in the background: a pool that hangs must not silence the heartbeat.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chassis::trouble;
use domain::placement::Backend;
use proto::worker as wire;
use stdx::report::Chain;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use volume::{Pool, PoolSpace};

const PERIOD: Duration = Duration::from_secs(10);
/// A pool that has not answered for so long is not announced: no job is placed there.
const FRESH: Duration = Duration::from_secs(45);
/// How long a starting worker waits for its pools.
const FIRST_ANSWER: Duration = Duration::from_secs(5);

/// With less room a pool is full: nothing can be written.
const FREE_MIN_BYTES: u64 = 1 << 20;

/// The last answer of each pool, by its name.
type Latest = Arc<Mutex<BTreeMap<String, Answered>>>;

#[derive(Debug)]
struct Answered {
    at: Instant,
    backend: Backend,
    space: PoolSpace,
}

/// The latest answers. Dropped, it stops asking.
#[derive(Debug)]
pub(crate) struct Spaces {
    latest: Latest,
    _askers: Vec<AbortOnDropHandle<()>>,
}

impl Spaces {
    /// Starts asking; returns when every pool has answered once, or should have.
    pub(crate) async fn open(pools: &[Arc<dyn Pool>]) -> Self {
        let latest = Latest::default();
        let mut askers = Vec::new();
        let mut first_answers = Vec::new();
        for pool in pools {
            let (answered, first) = tokio::sync::oneshot::channel();
            let asker = ask(Arc::clone(pool), Arc::clone(&latest), answered);
            askers.push(AbortOnDropHandle::new(stdx::task::spawn("pool space", asker)));
            first_answers.push(first);
        }
        let all = futures::future::join_all(first_answers);
        if tokio::time::timeout(FIRST_ANSWER, all).await.is_err() {
            tracing::warn!("not all pools answer; jobs for them wait");
        }
        Self { latest, _askers: askers }
    }

    pub(crate) fn reports(&self) -> Vec<wire::Pool> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = latest.iter().filter(|(_, answered)| answered.at.elapsed() < FRESH);
        fresh.map(|(name, answered)| report(name, answered)).collect()
    }
}

fn report(name: &str, Answered { backend, space, .. }: &Answered) -> wire::Pool {
    let signed = |bytes| i64::try_from(bytes).unwrap_or(i64::MAX);
    wire::Pool {
        name: name.to_owned(),
        free_bytes: signed(space.free_bytes),
        total_bytes: signed(space.total_bytes),
        volume_backend_name: backend.volume_backend_name.clone(),
        vendor_name: backend.vendor_name.clone(),
        storage_protocol: backend.storage_protocol.clone(),
    }
}

async fn ask(pool: Arc<dyn Pool>, latest: Latest, answered: tokio::sync::oneshot::Sender<()>) {
    let mut answered = Some(answered);
    let what = format!("pool {}", pool.name());
    loop {
        let asked = Arc::clone(&pool);
        match stdx::task::blocking(move || asked.space()).await {
            Ok(Ok(space)) => {
                let mut latest = latest.lock().unwrap_or_else(PoisonError::into_inner);
                let answered = Answered { at: Instant::now(), backend: pool.backend().clone(), space };
                latest.insert(pool.name().to_owned(), answered);
                drop(latest);
                if space.free_bytes < FREE_MIN_BYTES {
                    trouble::note(
                        &what,
                        &format!("Pool {} has no space left: free some, or give it more.", pool.name()),
                    );
                } else {
                    trouble::over(&what);
                }
            }
            Ok(Err(error)) => trouble::note(&what, error.message()),
            Err(error) => {
                tracing::error!(pool = pool.name(), error = %Chain(&error), "asking a pool for its room failed")
            }
        }
        if let Some(answered) = answered.take()
            && answered.send(()).is_err()
        {
            tracing::debug!(pool = pool.name(), "first answer came late");
        }
        tokio::time::sleep(PERIOD).await;
    }
}
