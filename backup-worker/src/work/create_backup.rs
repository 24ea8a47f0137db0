//! Takes a backup of a volume, of a frozen copy of it, or of a snapshot.

use std::sync::Arc;

use domain::{Error, Kind, Result, Timestamp};
use engine::{BackupIdentity, BackupRequest, Reporter as _};
use format::names;
use proto::worker::{self as wire, BeginBackupRequest, BeginBackupResponse, CreateBackup, Done};
use stdx::report::Chain;
use volume::{BlockDevice, Pool};

use super::parts::{self, VolumePart, present};
use super::{Task, Workshop};
use crate::config::Naming;
use crate::reporter;

pub(super) async fn perform(shop: &Workshop, task: &Task, work: CreateBackup) -> Result<Done> {
    let backup = present(work.backup.clone())?;
    let place = begin(shop, task, &backup).await?;
    let result = back_up(shop, task, work, &backup, &place).await;
    match result {
        // Another worker cannot go on with a backup that nobody wants: what was stored goes, as far as it can.
        Err(error) if error.kind() == Kind::Cancelled && task.cancelled_by_user() => {
            if let Err(leftover) = remove_objects(shop, task, &place).await {
                tracing::warn!(error = %Chain(&leftover), "objects of the cancelled backup stay until it is deleted");
            }
            Err(error)
        }
        other => other,
    }
}

async fn remove_objects(shop: &Workshop, task: &Task, place: &BeginBackupResponse) -> Result<()> {
    task.reporter.still_ours().await?;
    engine::delete(&shop.context(&task.lost), &place.container, &place.prefix).await
}

/// Settles where the objects lie. An earlier attempt's answer stands, a container that the caller chose as well.
async fn begin(shop: &Workshop, task: &Task, backup: &wire::Backup) -> Result<BeginBackupResponse> {
    let id = parts::backup_id(backup)?;
    let volume = proto::parse_volume_id(&backup.volume_id)?;
    let now = Timestamp::now();
    let prefix = match shop.layout.naming {
        Naming::Swift => names::swift_prefix(volume, now, &shop.availability_zone, id),
        Naming::Posix => names::posix_prefix(volume, now, id),
    };
    let own = || names::posix_container(id);
    let container = backup.container.clone().or_else(|| shop.layout.container.clone()).unwrap_or_else(own);
    let wish = BeginBackupRequest {
        container,
        prefix: backup.prefix.clone().unwrap_or(prefix),
        service: shop.store.service().to_owned(),
        availability_zone: shop.availability_zone.clone(),
        host: shop.host.clone(),
        ..BeginBackupRequest::default()
    };
    let place = task.link.begin_backup(task.key, wish.clone()).await?;
    let stands = BeginBackupRequest { container: place.container.clone(), prefix: place.prefix.clone(), ..wish };
    task.reporter.begun(stands);
    Ok(place)
}

async fn back_up(
    shop: &Workshop,
    task: &Task,
    work: CreateBackup,
    backup: &wire::Backup,
    place: &BeginBackupResponse,
) -> Result<Done> {
    let volume = parts::volume(work.volume)?;
    let parent = work.parent.as_ref().map(|parent| {
        parts::check_service("Create", shop.store.service(), parent)?;
        parts::layer(parent)
    });
    let parent = parent.transpose()?;
    let identity = identity(backup, place, work.volume_meta)?;
    let checkpoints = match task.attempt {
        ..=1 => Vec::new(),
        _ => task.link.list_checkpoints(task.key).await?.into_iter().filter_map(reporter::from_wire).collect(),
    };
    let source = Source::open(shop, task, &volume, work.snapshot, work.freeze, &identity).await?;
    let request =
        BackupRequest { identity, source: Arc::clone(&source.device), parent, attempt: task.attempt, checkpoints };
    let reporter: Arc<dyn engine::Reporter> = Arc::clone(&task.reporter) as _;
    let context = shop.context(&task.stop);
    let result = engine::back_up(&context, request, reporter).await;
    let left_to_another = matches!(&result, Err(error) if error.kind() == Kind::Cancelled) && !task.cancelled_by_user();
    if !left_to_another {
        source.close(task).await;
    }
    let object_count = i64::try_from(result?.object_count)
        .map_err(|_| Error::internal("The backup has more objects than can be counted."))?;
    Ok(Done { object_count, ..Done::default() })
}

fn identity(backup: &wire::Backup, place: &BeginBackupResponse, volume_meta: String) -> Result<BackupIdentity> {
    Ok(BackupIdentity {
        id: parts::backup_id(backup)?,
        volume_id: proto::parse_volume_id(&backup.volume_id)?,
        name: backup.name.clone(),
        description: backup.description.clone(),
        parent_id: backup.parent_id.as_deref().map(proto::parse_backup_id).transpose()?,
        created_at: Timestamp::from_micros(backup.created_at_micros),
        container: place.container.clone(),
        prefix: place.prefix.clone(),
        volume_meta: (!volume_meta.is_empty()).then_some(volume_meta),
    })
}

/// What is read, and the frozen copy that must go afterwards.
struct Source {
    device: Arc<dyn BlockDevice>,
    frozen: Option<(Arc<dyn Pool>, String)>,
}

impl Source {
    async fn open(
        shop: &Workshop,
        task: &Task,
        volume: &VolumePart,
        snapshot: Option<wire::Snapshot>,
        freeze: bool,
        identity: &BackupIdentity,
    ) -> Result<Self> {
        let pool = shop.pool(&volume.pool)?;
        let id = volume.id;
        if snapshot.is_some() {
            let snapshot = parts::snapshot(snapshot)?;
            let device = task.blocking(move || pool.open_snapshot(snapshot.id)).await?;
            return Ok(Self { device, frozen: None });
        }
        if !freeze {
            let device = task.blocking(move || pool.open_volume(id)).await?;
            return Ok(Self { device, frozen: None });
        }
        let name = super::frozen_name(identity.id);
        let frozen = Some((Arc::clone(&pool), name.clone()));
        let device = task.blocking(move || {
            pool.freeze(id, &name)?;
            pool.open_frozen(&name)
        });
        Ok(Self { device: device.await?, frozen })
    }

    /// Removes the copy; one that cannot be removed now goes with the backup. Not called when another worker goes on, which
    /// reads the same bytes then.
    async fn close(self, task: &Task) {
        let Some((pool, name)) = self.frozen else { return };
        drop(self.device);
        if let Err(error) = task.cleaning(move || pool.thaw(&name)).await {
            tracing::warn!(error = %Chain(&error), "the frozen copy of the volume stays until the backup is deleted");
        }
    }
}
