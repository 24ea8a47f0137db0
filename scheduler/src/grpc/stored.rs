//! A worker tells what lies in one of its pools, so that the api can say what is there to be managed, and hears which
//! frozen copies may go.

use std::collections::{BTreeMap, BTreeSet};

use db::pool_files::{self, PoolFile};
use db::{backups, workers};
use domain::{BackupId, Error, Result, SnapshotId};
use proto::worker::{ReportStoredRequest, ReportStoredResponse, StoredFile};

use crate::core::Core;

/// More than a worker tells; bounds what one may write.
const FILES_MAX: usize = 20_000;
/// Characters of a name: no host's path is longer.
const NAME_MAX: usize = 4096;

pub(super) async fn report(core: &Core, request: ReportStoredRequest) -> Result<ReportStoredResponse> {
    let id = proto::parse_worker_id(&request.worker_id)?;
    let files: BTreeMap<String, PoolFile> =
        request.files.into_iter().filter_map(file).take(FILES_MAX).map(|file| (file.name.clone(), file)).collect();
    let mut tx = core.database.begin("note stored files").await?;
    // Only of pools that it reaches: it registered with them.
    let worker = workers::get(&mut tx, id).await?;
    if !worker.is_some_and(|worker| worker.pools.iter().any(|pool| pool.name == request.pool)) {
        return Err(Error::invalid(format!("this worker is not known to reach a pool {:?}", request.pool)));
    }
    if !request.files_stand {
        pool_files::replace(&mut tx, &request.pool, &files).await?;
    }
    let frozen = backup_ids(&request.frozen_backup_ids);
    let alone = backup_ids(&request.unshared_backup_ids);
    let (unshared, shared): (Vec<_>, Vec<_>) = frozen.iter().copied().partition(|id| alone.contains(id));
    let mut needed = backups::needing_copies(&mut tx, &shared, true).await?;
    needed.extend(backups::needing_copies(&mut tx, &unshared, false).await?);
    tx.commit().await?;
    let unneeded = frozen.difference(&needed);
    Ok(ReportStoredResponse { thaw_backup_ids: unneeded.map(ToString::to_string).collect() })
}

fn backup_ids(texts: &[String]) -> BTreeSet<BackupId> {
    texts.iter().filter_map(|id| id.parse().ok()).take(FILES_MAX).collect()
}

/// `None` for what no database column can hold.
fn file(file: StoredFile) -> Option<PoolFile> {
    let storable = |text: &str| !text.contains('\0') && text.chars().count() <= NAME_MAX;
    if !storable(&file.name) {
        return None;
    }
    let is_snapshot = file.name.strip_prefix("snapshot-").is_some_and(|id| id.parse::<SnapshotId>().is_ok());
    let refusal = file.refusal.filter(|text| !text.contains('\0'));
    Some(PoolFile { name: file.name, is_snapshot, size_bytes: file.size_bytes.max(0), refusal })
}
