//! The work itself: one file per kind of job. Everything here may be done twice, by two workers one after the other.

mod create_backup;
mod create_group_snapshot;
mod create_snapshot;
mod create_volume;
mod delete_backup;
mod delete_snapshot;
mod delete_volume;
mod extend_volume;
mod import_backup;
mod manage_snapshot;
mod manage_volume;
mod move_volume;
mod parts;
mod remembered;
mod restore_backup;
mod revert_volume;
mod sweep_backup;
mod verify_backup;

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::{Error, Result};
use engine::{Context, Settings};
use futures::FutureExt;
use proto::worker::Done;
use proto::worker::job::Work;
use storage::ObjectStore;
use tokio_util::sync::CancellationToken;
use volume::Pool;

use crate::config::{Config, Layout};
use crate::identity::Identity;
use crate::leased::Leased;
use crate::link::{JobKey, Link};
use crate::operations::Operations;
use crate::reporter::Reporter;
use crate::running::{Entry, Stop};

/// What jobs work with.
#[derive(Debug)]
pub(crate) struct Workshop {
    operations: Arc<dyn Operations>,
    store: Arc<dyn ObjectStore>,
    pools: BTreeMap<String, Arc<dyn Pool>>,
    settings: Settings,
    layout: Layout,
    host: String,
    availability_zone: String,
}

impl Workshop {
    pub(crate) fn new(
        operations: Arc<dyn Operations>,
        store: Arc<dyn ObjectStore>,
        pools: Vec<Arc<dyn Pool>>,
        config: &Config,
        identity: &Identity,
    ) -> Self {
        Self {
            operations,
            store,
            pools: pools.into_iter().map(|pool| (pool.name().to_owned(), pool)).collect(),
            settings: config.settings(),
            layout: config.layout.clone(),
            host: identity.host.clone(),
            availability_zone: identity.availability_zone.clone(),
        }
    }

    /// Another worker may reach a pool that this one does not: the error is one that is tried again.
    fn pool(&self, name: &str) -> Result<Arc<dyn Pool>> {
        let pool = self.pools.get(name).cloned();
        pool.ok_or_else(|| Error::unavailable(format!("Pool {name} is not configured on host {}.", self.host)))
    }

    fn context(&self, task: &Task, cancel: &CancellationToken) -> Context {
        let store = Arc::new(Leased::new(Arc::clone(&self.store), Arc::clone(&task.entry)));
        Context { store, settings: self.settings.clone(), cancel: cancel.clone() }
    }
}

/// The job that is being worked on.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) key: JobKey,
    pub(crate) attempt: i64,
    pub(crate) link: Link,
    /// Stop working.
    pub(crate) stop: CancellationToken,
    /// Stop working and touch nothing.
    pub(crate) lost: CancellationToken,
    pub(crate) reporter: Arc<Reporter>,
    pub(crate) entry: Arc<Entry>,
}

impl Task {
    /// # Errors
    /// `Cancelled` when the job shall stop, for whatever reason.
    fn check(&self) -> Result<()> {
        check(&self.stop)
    }

    /// Pools block: their calls run on threads that may. Nothing begins once the job shall stop.
    async fn blocking<T: Send + 'static>(&self, act: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        blocking(&self.stop, act).await
    }

    /// A user asked for the end of the job, and it is still ours.
    fn cancelled_by_user(&self) -> bool {
        !self.lost.is_cancelled() && self.entry.why() == Some(Stop::Asked)
    }
}

/// Does one job. Errors keep their kind; their message becomes the user's reason.
pub(crate) async fn perform(shop: &Workshop, task: &Task, work: Option<Work>) -> Result<Done> {
    // It may have waited long for an earlier generation to end.
    task.check()?;
    let Some(work) = work else {
        return Err(Error::internal("The scheduler asks for work that this worker does not know; upgrade the worker."));
    };
    match work {
        Work::CreateVolume(work) => create_volume::perform(shop, task, work).await,
        Work::DeleteVolume(work) => delete_volume::perform(shop, task, work).await,
        Work::ExtendVolume(work) => extend_volume::perform(shop, task, work).await,
        Work::ManageVolume(work) => manage_volume::perform(shop, task, work).await,
        Work::RevertVolume(work) => revert_volume::perform(shop, task, work).await,
        Work::MoveVolume(work) => move_volume::perform(shop, task, work).await,
        Work::CreateSnapshot(work) => create_snapshot::perform(shop, task, work).await,
        Work::CreateGroupSnapshot(work) => create_group_snapshot::perform(shop, task, work).await,
        Work::DeleteSnapshot(work) => delete_snapshot::perform(shop, task, work).await,
        Work::ManageSnapshot(work) => manage_snapshot::perform(shop, task, work).await,
        Work::CreateBackup(work) => create_backup::perform(shop, task, work).boxed().await,
        Work::RestoreBackup(work) => restore_backup::perform(shop, task, work).boxed().await,
        Work::DeleteBackup(work) => delete_backup::perform(shop, task, work).boxed().await,
        Work::ImportBackup(work) => import_backup::perform(shop, task, work).boxed().await,
        Work::VerifyBackup(work) => verify_backup::perform(shop, task, work).boxed().await,
        Work::SweepBackup(work) => sweep_backup::perform(shop, task, work).boxed().await,
    }
}

fn check(end: &CancellationToken) -> Result<()> {
    if end.is_cancelled() { Err(Error::cancelled()) } else { Ok(()) }
}

/// Asks on the thread itself whether the act may begin: it may have waited for one.
async fn blocking<T: Send + 'static>(
    end: &CancellationToken,
    act: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let end = end.clone();
    match stdx::task::blocking(move || check(&end).and_then(|()| act())).await {
        Ok(result) => result,
        Err(error) => Err(Error::internal("The backup worker failed inside; its log says why.").with_source(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_begins_after_the_end() {
        let end = CancellationToken::new();
        assert_eq!(blocking(&end, || Ok(1)).await.expect("done"), 1);
        end.cancel();
        let act = || -> Result<()> { panic!("it began") };
        assert_eq!(blocking(&end, act).await.unwrap_err().kind(), domain::Kind::Cancelled);
    }
}
