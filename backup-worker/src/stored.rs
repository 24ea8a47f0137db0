//! Tells the scheduler what lies in the pools, in the background, so that administrators can find something to manage.

use std::sync::Arc;
use std::time::Duration;

use domain::Result;
use proto::worker::StoredFile;
use stdx::report::Chain;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use volume::{Pool, Stored};

use crate::link::Link;

/// Files come without a word from anybody.
const PERIOD: Duration = Duration::from_secs(10);
/// However many jobs end, a pool is not looked through more often.
const REST: Duration = Duration::from_secs(1);
/// What did not change is told again: the database may have lost it.
const AGAIN: Duration = Duration::from_secs(300);
/// What one report carries, bytes of text: the rest is left out.
const REPORT_BYTES_MAX: usize = 4 << 20;

/// One task per pool. Dropped, they stop.
#[derive(Debug)]
pub(crate) struct Watch {
    _tellers: Vec<AbortOnDropHandle<()>>,
}

impl Watch {
    /// `changed` says that a job ended.
    pub(crate) fn start(pools: &[Arc<dyn Pool>], link: &Link, changed: &watch::Receiver<()>) -> Self {
        let watch = |pool: &Arc<dyn Pool>| {
            let telling = keep_telling(Arc::clone(pool), link.clone(), changed.clone());
            AbortOnDropHandle::new(stdx::task::spawn("stored files", telling))
        };
        Self { _tellers: pools.iter().map(watch).collect() }
    }
}

async fn keep_telling(pool: Arc<dyn Pool>, link: Link, mut changed: watch::Receiver<()>) {
    let mut told: Option<(Instant, Vec<Stored>)> = None;
    loop {
        match look(&pool).await {
            Ok(files) => {
                let known = told.as_ref().is_some_and(|(at, last)| at.elapsed() < AGAIN && *last == files);
                if !known {
                    told = tell(&link, pool.name(), files).await;
                }
            }
            Err(error) => tracing::warn!(pool = pool.name(), error = %Chain(&error), "pool does not say what it holds"),
        }
        tokio::time::sleep(REST).await;
        tokio::select! {
            () = tokio::time::sleep(PERIOD) => {}
            Ok(()) = changed.changed() => {}
        }
    }
}

async fn look(pool: &Arc<dyn Pool>) -> Result<Vec<Stored>> {
    let pool = Arc::clone(pool);
    let looked = tokio::task::spawn_blocking(move || pool.stored()).await;
    let mut files =
        looked.map_err(|error| domain::Error::internal("looking through a pool failed").with_source(error))??;
    files.sort_by(|a, b| a.name.cmp(&b.name));
    let mut bytes = 0;
    files.retain(|file| {
        bytes += file.name.len() + file.refusal.as_ref().map_or(0, String::len);
        bytes <= REPORT_BYTES_MAX
    });
    Ok(files)
}

/// What the scheduler now knows; `None` when it did not take it.
async fn tell(link: &Link, pool: &str, files: Vec<Stored>) -> Option<(Instant, Vec<Stored>)> {
    match link.report_stored(pool, files.iter().map(wire).collect()).await {
        Ok(()) => Some((Instant::now(), files)),
        Err(error) => {
            tracing::debug!(pool, error = %Chain(&error), "what the pool holds is told later");
            None
        }
    }
}

fn wire(file: &Stored) -> StoredFile {
    let size_bytes = i64::try_from(file.size_bytes).unwrap_or(i64::MAX);
    StoredFile { name: file.name.clone(), size_bytes, refusal: file.refusal.clone() }
}
