//! Takes a backup of a volume, of a snapshot, or of a frozen copy of either.

use std::sync::Arc;

use domain::{BackupId, Error, Kind, Result, Timestamp};
use engine::{BackupIdentity, BackupRequest, Reporter as _};
use format::names;
use proto::worker::{self as wire, BeginBackupRequest, BeginBackupResponse, CreateBackup, Done};
use stdx::report::Chain;
use volume::{BlockDevice, Changes, Original, Pool};

use super::parts::{self, present};
use super::{Task, Workshop};
use crate::config::Naming;
use crate::frozen::Frozen;
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
    shop.operations.delete(&shop.context(task, &task.lost), &place.container, &place.prefix).await
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
    let original = match work.snapshot {
        Some(snapshot) => Original::Snapshot(parts::snapshot(Some(snapshot))?.id),
        None => Original::Volume(volume.id),
    };
    let copy = Frozen { volume: volume.id, backup: identity.id };
    let parent_id = parent.as_ref().map(|parent| parent.id);
    let pool = shop.pool(&volume.pool)?;
    let freeze = work.freeze;
    let source = task.blocking(move || Source::open(pool, original, copy, freeze, parent_id)).await?;
    let request = BackupRequest {
        identity,
        source: source.device,
        parent,
        changes: source.changes,
        attempt: task.attempt,
        checkpoints,
    };
    let reporter: Arc<dyn engine::Reporter> = Arc::clone(&task.reporter) as _;
    let done = shop.operations.back_up(&shop.context(task, &task.stop), request, reporter).await?;
    let object_count = i64::try_from(done.object_count)
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

/// What is read.
struct Source {
    device: Arc<dyn BlockDevice>,
    changes: Option<Arc<dyn Changes>>,
}

impl Source {
    /// Blocking. Where a copy costs nothing one is taken of what is not in use as well. It stays until the scheduler says
    /// that nobody needs it: whoever goes on with this backup must read the same bytes, as some are stored already.
    fn open(
        pool: Arc<dyn Pool>,
        original: Original,
        copy: Frozen,
        freeze: bool,
        parent: Option<BackupId>,
    ) -> Result<Self> {
        let shares = pool.shares(original)?;
        if !freeze && !shares {
            let device = match original {
                Original::Volume(id) => pool.open_volume(id)?,
                Original::Snapshot(id) => pool.open_snapshot(id)?,
            };
            return Ok(Self { device, changes: None });
        }
        pool.freeze(original, &copy.to_string())?;
        let device = pool.open_frozen(&copy.to_string())?;
        let changes = parent.filter(|_| shares).and_then(|parent| copy.changes_since(&*pool, parent));
        tracing::info!(volume_id = %copy.volume, told = changes.is_some(), "a frozen copy is backed up");
        Ok(Self { device, changes })
    }
}
