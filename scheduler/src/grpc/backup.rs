//! A worker is about to write the first object of a backup: where will they lie?

use db::backups::{self, Place};
use domain::{Error, Result, Timestamp};
use proto::worker::{BeginBackupRequest, BeginBackupResponse};

use super::{Reporter, dead_generation};
use crate::core::Core;

/// The first answer stands: a later generation goes on under the same prefix.
pub(super) async fn begin(core: &Core, request: BeginBackupRequest) -> Result<BeginBackupResponse> {
    let reporter = Reporter::parse(&request.worker_id, &request.job_id, request.generation)?;
    if request.container.is_empty() || request.prefix.is_empty() {
        return Err(Error::invalid("a backup begins with a container and a prefix"));
    }
    let mut tx = core.database.begin("begin backup").await?;
    let job = reporter.hold(&mut tx).await?.ok_or_else(dead_generation)?;
    let Some(backup) = job.subject.backup_id() else {
        return Err(Error::invalid(format!("a job of kind {} has no backup to begin", job.kind)));
    };
    let wish = Place {
        container: request.container,
        prefix: request.prefix,
        service: request.service,
        availability_zone: request.availability_zone,
        host: request.host,
    };
    let place = backups::begin(&mut tx, backup, &wish, Timestamp::now()).await?;
    tx.commit().await?;
    Ok(BeginBackupResponse { container: place.container, prefix: place.prefix })
}
