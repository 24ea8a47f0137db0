//! What a job's end does to its volume's row.

use db::{Conn, Scope, jobs, quotas, volumes};
use domain::Result;
use domain::job::{JobKind, Subject};
use domain::quota::Holding;
use domain::settle::VolumeEffect;
use domain::volume::{AttachStatus, Volume, VolumeStatus};

use super::{End, found, group, moved, snapshot};

pub(super) async fn apply(conn: &mut Conn, end: &End<'_>, effect: VolumeEffect) -> Result<()> {
    let Some(id) = end.job.subject.volume_id() else { return Ok(()) };
    let row = match effect {
        VolumeEffect::Untouched => None,
        _ => found(volumes::get(conn, &Scope::All, &id.to_string()).await)?,
    };
    let Some(volume) = row else { return forgone(conn, end).await };
    group::lock(conn, &volume).await?;
    match effect {
        VolumeEffect::Untouched => {}
        VolumeEffect::Becomes(status) => becomes(conn, end, &volume, status).await?,
        VolumeEffect::Returns { .. } if jobs::volume_superseded(conn, end.job).await? => {}
        VolumeEffect::Returns { marker } => drop(volumes::return_from_backup(conn, id, marker, end.now).await?),
        VolumeEffect::Gone => gone(conn, end, &volume).await?,
    }
    group::follow_volume(conn, &volume, end.now).await
}

/// The volume went while the job ran; only what the job itself was charged is left to give back.
async fn forgone(conn: &mut Conn, end: &End<'_>) -> Result<()> {
    match &end.job.subject {
        Subject::VolumeExtend { .. } => give_growth_back(conn, end).await,
        Subject::VolumeMove { .. } => moved::forgone(conn, end).await,
        _ => Ok(()),
    }
}

/// Sizes and quota follow what happened to the bytes; the status only moves on from the one the job's request set.
async fn becomes(conn: &mut Conn, end: &End<'_>, volume: &Volume, to: VolumeStatus) -> Result<()> {
    let expected = transient(end.job.kind);
    let to = if to == VolumeStatus::InUse { of_attachments(volume) } else { to };
    let is_ours = !jobs::volume_superseded(conn, end.job).await?;
    let changed = is_ours && volumes::change_status(conn, volume.id, expected, to, end.now).await?;
    if !changed {
        tracing::info!(job_id = %end.job.id, volume_id = %volume.id, status = %volume.status,
            "volume was moved on by somebody else; its status is left as it is");
    }
    match &end.job.subject {
        Subject::VolumeExtend { new_size_gb, .. } => extended(conn, end, volume, *new_size_gb).await,
        Subject::VolumeMove { .. } => moved::apply(conn, end, volume, changed).await,
        Subject::VolumeManage { .. } if end.succeeded() => managed(conn, end, volume).await,
        Subject::VolumeDelete { .. } if is_ours => snapshot::none_gone(conn, volume.id, end.now).await,
        Subject::VolumeCreate { .. } | Subject::BackupRestore { .. } if end.succeeded() => {
            launched(conn, end, volume).await
        }
        _ => Ok(()),
    }
}

/// What was in use when the job began may have been detached since.
const fn of_attachments(volume: &Volume) -> VolumeStatus {
    match volume.attach_status {
        AttachStatus::Detached => VolumeStatus::Available,
        _ => VolumeStatus::InUse,
    }
}

/// The statuses in which a volume waits for a job of this kind.
const fn transient(kind: JobKind) -> &'static [VolumeStatus] {
    match kind {
        JobKind::VolumeCreate => &[VolumeStatus::Creating],
        JobKind::VolumeDelete => &[VolumeStatus::Deleting, VolumeStatus::Unmanaging],
        JobKind::VolumeExtend => &[VolumeStatus::Extending],
        JobKind::VolumeManage => &[VolumeStatus::Managing],
        JobKind::VolumeRevert => &[VolumeStatus::Reverting],
        JobKind::VolumeMove => &[VolumeStatus::Retyping, VolumeStatus::Maintenance],
        JobKind::BackupRestore => &[VolumeStatus::RestoringBackup, VolumeStatus::Creating],
        _ => &[],
    }
}

/// The growth was charged when it was accepted. That goes back, and what happened is counted where the volume is now: after
/// an operator's reset it can be another project's or of another type.
async fn extended(conn: &mut Conn, end: &End<'_>, volume: &Volume, new_size_gb: i64) -> Result<()> {
    give_growth_back(conn, end).await?;
    let growth_gb = new_size_gb - volume.size_gb;
    if !end.succeeded() || growth_gb <= 0 {
        return Ok(());
    }
    volumes::set_size(conn, volume.id, new_size_gb, end.now).await?;
    record_growth(conn, volume, growth_gb).await
}

async fn give_growth_back(conn: &mut Conn, end: &End<'_>) -> Result<()> {
    let Subject::VolumeExtend { charged_gb, volume_type_id, .. } = &end.job.subject else { return Ok(()) };
    quotas::release(conn, &end.job.project_id, &Holding::growth(*charged_gb, 0, volume_type_id)).await
}

async fn record_growth(conn: &mut Conn, volume: &Volume, growth_gb: i64) -> Result<()> {
    quotas::record(conn, &volume.project_id, &Holding::growth(growth_gb, 0, &volume.volume_type_id)).await
}

/// The size of an adopted volume is known only now; until now the row said 0. Its bytes exist already, so they are counted
/// whatever the limits say.
async fn managed(conn: &mut Conn, end: &End<'_>, volume: &Volume) -> Result<()> {
    let size_gb = end.report.size_gb;
    volumes::set_size(conn, volume.id, size_gb, end.now).await?;
    volumes::set_launched(conn, volume.id, end.now).await?;
    record_growth(conn, volume, (size_gb - volume.size_gb).max(0)).await
}

async fn launched(conn: &mut Conn, end: &End<'_>, volume: &Volume) -> Result<()> {
    if volume.launched_at.is_some() {
        return Ok(());
    }
    volumes::set_launched(conn, volume.id, end.now).await
}

async fn gone(conn: &mut Conn, end: &End<'_>, volume: &Volume) -> Result<()> {
    snapshot::all_gone(conn, volume.id, end.now).await?;
    volumes::delete(conn, volume.id).await?;
    quotas::release(conn, &volume.project_id, &volume.holding()).await
}
