//! Tells the scheduler what lies in the pools, in the background, so that administrators can find something to manage and
//! frozen copies that nobody needs any more go.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::{BackupId, Result};
use proto::worker::StoredFile;
use stdx::report::Chain;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use volume::{Pool, Stored};

use crate::frozen;
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
    pub(crate) fn start(pools: &[Arc<dyn Pool>], link: &Link) -> (Self, Changed) {
        let watch = |pool: &Arc<dyn Pool>| {
            let changed = Arc::new(Notify::new());
            let telling = keep_telling(Arc::clone(pool), link.clone(), Arc::clone(&changed));
            (AbortOnDropHandle::new(stdx::task::spawn("stored files", telling)), changed)
        };
        let (tellers, changed) = pools.iter().map(watch).unzip();
        (Self { _tellers: tellers }, Changed(changed))
    }
}

/// Tells that pools may hold something else than before.
#[derive(Debug)]
pub(crate) struct Changed(Vec<Arc<Notify>>);

impl Changed {
    pub(crate) fn tell(&self) {
        self.0.iter().for_each(|changed| changed.notify_one());
    }
}

/// What a pool holds.
#[derive(Debug)]
struct Held {
    files: Vec<Stored>,
    /// The backups of which it has a copy, with whether that shares its bytes.
    frozen: BTreeMap<BackupId, bool>,
}

async fn keep_telling(pool: Arc<dyn Pool>, link: Link, changed: Arc<Notify>) {
    let mut told: Option<(Instant, Vec<Stored>)> = None;
    loop {
        match look(&pool).await {
            Ok(held) => {
                let stands = told.take().filter(|(at, files)| at.elapsed() < AGAIN && *files == held.files);
                // Whether a copy is needed may change while the pool does not.
                let is_known = stands.is_some() && held.frozen.is_empty();
                if is_known || tell(&link, &pool, &held, stands.is_some()).await {
                    told = stands.or_else(|| Some((Instant::now(), held.files)));
                }
            }
            Err(error) => tracing::warn!(pool = pool.name(), error = %Chain(&error), "pool does not say what it holds"),
        }
        tokio::time::sleep(REST).await;
        tokio::select! {
            biased;
            () = tokio::time::sleep(PERIOD) => {}
            () = changed.notified() => {}
        }
    }
}

async fn look(pool: &Arc<dyn Pool>) -> Result<Held> {
    let mut held = asked(pool, |pool| Ok(Held { files: pool.stored()?, frozen: frozen::backups(pool)? })).await?;
    held.files.sort_by(|a, b| a.name.cmp(&b.name));
    let mut bytes = 0;
    held.files.retain(|file| {
        bytes += file.name.len() + file.refusal.as_ref().map_or(0, String::len);
        bytes <= REPORT_BYTES_MAX
    });
    Ok(held)
}

/// Pools block.
async fn asked<T: Send + 'static>(
    pool: &Arc<dyn Pool>,
    act: impl FnOnce(&dyn Pool) -> Result<T> + Send + 'static,
) -> Result<T> {
    let pool = Arc::clone(pool);
    let asked = stdx::task::blocking(move || act(&*pool)).await;
    asked.map_err(|error| domain::Error::internal("looking through a pool failed").with_source(error))?
}

/// False: it must be told again. Copies that nobody needs any more go.
async fn tell(link: &Link, pool: &Arc<dyn Pool>, held: &Held, files_stand: bool) -> bool {
    let told = async {
        let files = (!files_stand).then(|| held.files.iter().map(wire).collect());
        let unneeded = link.report_stored(pool.name(), files, &held.frozen).await?;
        if unneeded.is_empty() {
            return Ok(());
        }
        tracing::info!(pool = pool.name(), ?unneeded, "frozen copies that nobody needs go");
        asked(pool, move |pool| frozen::thaw(pool, |copy| unneeded.contains(&copy.backup))).await
    };
    let told: Result<()> = told.await;
    if let Err(error) = &told {
        tracing::debug!(pool = pool.name(), error = %Chain(error), "what the pool holds is told later");
    }
    told.is_ok()
}

fn wire(file: &Stored) -> StoredFile {
    let size_bytes = i64::try_from(file.size_bytes).unwrap_or(i64::MAX);
    StoredFile { name: file.name.clone(), size_bytes, refusal: file.refusal.clone() }
}
