//! New volumes: empty, from a snapshot, a volume or a backup, and existing files that are adopted (contract §1.6.1).

use db::metadata::Pairs;
use db::{Conn, backups, image_metadata, pool_files, quotas, snapshots, volumes};
use domain::backup::{Backup, BackupStatus};
use domain::job::Subject;
use domain::snapshot::{Snapshot, SnapshotStatus};
use domain::volume::{AttachStatus, Volume, VolumeStatus};
use domain::{Error, Kind, Result, VolumeId};

use super::kinds::{self, Choice};
use super::{commit, enqueue, groups, metadata, pools, restores};
use crate::call::Call;
use crate::views::service::VOLUME_BINARY;

/// A volume that the caller wants.
#[derive(Debug, Default)]
pub(crate) struct NewVolume {
    pub(crate) size_gb: Option<i64>,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) volume_type: Option<String>,
    pub(crate) availability_zone: Option<String>,
    pub(crate) metadata: Pairs,
    pub(crate) snapshot_id: Option<String>,
    pub(crate) source_volume_id: Option<String>,
    pub(crate) backup_id: Option<String>,
    pub(crate) group_id: Option<String>,
}

/// Checks in Cinder's order: what is named must exist, only one source, its status, the size, the zone, the quota.
pub(crate) async fn create(call: &Call, wish: NewVolume) -> Result<Volume> {
    let mut tx = call.app.database.begin("accept volume").await?;
    // A type that is named is looked for before anything else is.
    if let Some(name) = wish.volume_type.as_deref().filter(|name| !name.is_empty()) {
        kinds::find_named_type(&mut tx, call, name).await?;
    }
    let source = Source::find(&mut tx, call, &wish).await?;
    source.check_status()?;
    let group = match &wish.group_id {
        Some(_) if wish.volume_type.as_deref().unwrap_or_default().is_empty() => {
            let message = "Invalid input received: volume_type must be provided when creating a volume in a group.";
            return Err(Error::invalid(message));
        }
        Some(id) => Some(db::groups::get(&mut tx, &call.caller.scope(), id).await?),
        None => None,
    };
    let choice = kinds::choose(&mut tx, call, wish.volume_type.as_deref(), source.type_id()).await?;
    choice.check_new(call)?;
    let size_gb = source.size(wish.size_gb)?;
    choice.check_size(size_gb)?;
    // A volume lies where its group does.
    let asked_zone = group.as_ref().map(|group| group.availability_zone.clone()).or(wish.availability_zone);
    let draft = Draft {
        size_gb,
        name: wish.name,
        description: wish.description,
        status: VolumeStatus::Creating,
        availability_zone: zone(&mut tx, call, asked_zone, source.zone(), &choice).await?,
        multiattach: choice.is_multiattach(),
        volume_type_id: choice.kind.id,
    };
    let mut volume = source.mark(draft.into_volume(call));
    if let Some(group) = &group {
        // Locked and looked at again: nobody deletes it before its volume is there.
        let group = groups::hold(&mut tx, call, &group.id.to_string()).await?;
        groups::check_new_volume(&mut tx, &group, &volume.volume_type_id, source.pool()).await?;
        volume.group_id = Some(group.id);
    }
    insert(&mut tx, call, &volume, &wish.metadata).await?;
    source.start(&mut tx, call, &volume).await?;
    commit(call, tx).await?;
    Ok(volume)
}

/// An existing file or device that becomes a volume.
#[derive(Debug)]
pub(crate) struct Adoption {
    /// As [`pools::find`] takes it.
    pub(crate) host: String,
    /// What the pool's host knows it by.
    pub(crate) source: String,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) volume_type: Option<String>,
    pub(crate) availability_zone: Option<String>,
    pub(crate) metadata: Pairs,
    pub(crate) bootable: bool,
}

/// The size that the pool's host last told of is charged, or none where it told of no such file; the job's end charges for
/// what it found beyond that.
pub(crate) async fn manage(call: &Call, wish: Adoption) -> Result<Volume> {
    let mut tx = call.app.database.begin("accept managed volume").await?;
    let place = pools::find(&mut tx, call, &wish.host).await?;
    let choice = kinds::choose(&mut tx, call, wish.volume_type.as_deref(), None).await?;
    choice.check_new(call)?;
    let told = pool_files::get(&mut tx, std::slice::from_ref(&place.pool.name), &wish.source).await?;
    let draft = Draft {
        size_gb: told.map_or(0, |file| size_gb(file.size_bytes)),
        name: wish.name,
        description: wish.description,
        status: VolumeStatus::Managing,
        availability_zone: zone(&mut tx, call, wish.availability_zone, None, &choice).await?,
        multiattach: choice.is_multiattach(),
        volume_type_id: choice.kind.id,
    };
    let volume = Volume {
        host: Some(place.address()),
        pool: Some(place.pool.name),
        bootable: wish.bootable,
        ..draft.into_volume(call)
    };
    insert(&mut tx, call, &volume, &wish.metadata).await?;
    let subject = Subject::VolumeManage { volume_id: volume.id, source: wish.source };
    enqueue(&mut tx, call, subject, &volume.project_id, volume.pool.as_deref()).await?;
    commit(call, tx).await?;
    Ok(volume)
}

/// Whole GiB that hold so many bytes.
const fn size_gb(bytes: i64) -> i64 {
    const GIB: i64 = 1 << 30;
    bytes / GIB + (bytes % GIB > 0) as i64
}

/// What a new row says that is not the same for all of them.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) size_gb: i64,
    pub(super) status: VolumeStatus,
    pub(super) availability_zone: String,
    pub(super) volume_type_id: String,
    pub(super) multiattach: bool,
}

impl Draft {
    /// A row of the caller's project, with a new id.
    pub(super) fn into_volume(self, call: &Call) -> Volume {
        Volume {
            id: VolumeId::random(),
            project_id: call.caller.project_id.clone(),
            user_id: call.caller.user_id.clone(),
            name: self.name,
            description: self.description,
            size_gb: self.size_gb,
            status: self.status,
            previous_status: None,
            attach_status: AttachStatus::Detached,
            migration_status: None,
            availability_zone: self.availability_zone,
            volume_type_id: self.volume_type_id,
            name_id: None,
            pool: None,
            host: None,
            snapshot_id: None,
            source_volume_id: None,
            source_backup_id: None,
            group_id: None,
            bootable: false,
            multiattach: self.multiattach,
            created_at: call.now,
            updated_at: None,
            launched_at: None,
        }
    }
}

/// Charges for the volume and writes its row.
pub(super) async fn insert(conn: &mut Conn, call: &Call, volume: &Volume, pairs: &Pairs) -> Result<()> {
    quotas::charge(conn, &volume.project_id, &call.app.default_limits(), &volume.holding()).await?;
    volumes::insert(conn, volume).await?;
    metadata::insert(conn, &volume.id.to_string(), pairs).await
}

/// The caller's zone if there is such a one, else the source's, else the type's first, else the default.
async fn zone(
    conn: &mut Conn,
    call: &Call,
    asked: Option<String>,
    of_source: Option<&str>,
    choice: &Choice,
) -> Result<String> {
    let default = call.app.config.default_availability_zone.as_str();
    let zones = choice.zones();
    let allows = |zone: &str| zones.as_ref().is_none_or(|zones| zones.contains(&zone));
    let Some(asked) = asked.filter(|zone| !zone.is_empty()) else {
        let of_type = zones.as_ref().and_then(|zones| zones.first().copied());
        let zone = of_source.or_else(|| of_type.filter(|_| !allows(default))).unwrap_or(default);
        return if allows(zone) { Ok(zone.to_owned()) } else { Err(invalid_zone(zone)) };
    };
    if !allows(&asked) {
        return Err(invalid_zone(&asked));
    }
    if of_source.is_some_and(|of_source| of_source != asked) {
        return Err(Error::invalid(
            "Invalid input received: Volume must be in the same availability zone as its source",
        ));
    }
    let known = asked == default || {
        let services = db::services::list(conn, None, Some(VOLUME_BINARY)).await?;
        services.iter().any(|service| service.availability_zone == asked)
    };
    if known { Ok(asked) } else { Err(invalid_zone(&asked)) }
}

fn invalid_zone(zone: &str) -> Error {
    Error::invalid(format!("Availability zone '{zone}' is invalid."))
}

/// What a new volume holds at first.
enum Source {
    Nothing,
    /// With the volume whose snapshot it is.
    Snapshot(Box<Snapshot>, Box<Volume>),
    Volume(Box<Volume>),
    Backup(Box<Backup>),
}

impl Source {
    async fn find(conn: &mut Conn, call: &Call, wish: &NewVolume) -> Result<Self> {
        let scope = call.caller.scope();
        let mut found = Vec::new();
        if let Some(id) = &wish.snapshot_id {
            let snapshot = snapshots::get(conn, &scope, id).await?;
            let volume = volumes::get(conn, &db::Scope::All, &snapshot.volume_id.to_string()).await?;
            found.push(Self::Snapshot(Box::new(snapshot), Box::new(volume)));
        }
        if let Some(id) = &wish.source_volume_id {
            found.push(Self::Volume(Box::new(volumes::get(conn, &scope, id).await?)));
        }
        if let Some(id) = &wish.backup_id {
            found.push(Self::Backup(Box::new(backups::get(conn, &scope, id).await?)));
        }
        if found.len() > 1 {
            let message = "Invalid input received: May specify only one of backup, imageRef, snapshot, source volume";
            return Err(Error::invalid(message));
        }
        Ok(found.pop().unwrap_or(Self::Nothing))
    }

    fn check_status(&self) -> Result<()> {
        let refusal = match self {
            Self::Snapshot(snapshot, _) if snapshot.status != SnapshotStatus::Available => {
                "Invalid snapshot: Originating snapshot status must be one of 'available' values"
            }
            Self::Volume(volume) if !matches!(volume.status, VolumeStatus::Available | VolumeStatus::InUse) => {
                "Invalid volume: Originating source volume status must be one of 'available, in-use' values"
            }
            Self::Backup(backup) if backup.status != BackupStatus::Available => BACKUP_REFUSAL,
            _ => return Ok(()),
        };
        Err(Error::invalid(refusal))
    }

    /// The size asked for, at least the source's; the source's when none was asked for.
    fn size(&self, asked: Option<i64>) -> Result<i64> {
        let least = match self {
            Self::Nothing => None,
            Self::Snapshot(snapshot, _) => Some(snapshot.size_gb),
            Self::Volume(volume) => Some(volume.size_gb),
            Self::Backup(backup) => Some(backup.size_gb),
        };
        let size = asked.or(least).filter(|size| *size > 0).ok_or_else(|| {
            let size = asked.map_or("None".to_owned(), |size| size.to_string());
            Error::invalid(format!(
                "Invalid input received: Volume size '{size}' must be an integer and greater than 0"
            ))
        })?;
        match least {
            Some(least) if size < least => Err(Error::invalid(self.too_small(size, least))),
            _ => Ok(size),
        }
    }

    fn too_small(&self, size: i64, least: i64) -> String {
        let rule = match self {
            Self::Backup(_) => format!(
                "Volume size {size}GB cannot be smaller than the backup size {least}GB. It must be >= backup size."
            ),
            Self::Snapshot(..) => format!(
                "Volume size '{size}'GB cannot be smaller than the snapshot size {least}GB. They must be >= original snapshot \
                 size."
            ),
            Self::Volume(_) | Self::Nothing => format!(
                "Volume size '{size}'GB cannot be smaller than original volume size  {least}GB. They must be >= original volume \
                 size."
            ),
        };
        format!("Invalid input received: {rule}")
    }

    /// What a copy is of, where nobody says otherwise.
    fn type_id(&self) -> Option<&str> {
        match self {
            Self::Snapshot(_, volume) | Self::Volume(volume) => Some(&volume.volume_type_id),
            Self::Nothing | Self::Backup(_) => None,
        }
    }

    fn zone(&self) -> Option<&str> {
        match self {
            Self::Snapshot(_, volume) | Self::Volume(volume) => Some(&volume.availability_zone),
            Self::Nothing | Self::Backup(_) => None,
        }
    }

    /// Where a copy is made.
    fn pool(&self) -> Option<&str> {
        match self {
            Self::Snapshot(_, origin) | Self::Volume(origin) => origin.pool.as_deref(),
            Self::Nothing | Self::Backup(_) => None,
        }
    }

    /// The new row, with where it comes from.
    fn mark(&self, volume: Volume) -> Volume {
        match self {
            Self::Nothing => volume,
            Self::Snapshot(snapshot, origin) => {
                Volume { snapshot_id: Some(snapshot.id), bootable: origin.bootable, ..volume }
            }
            Self::Volume(origin) => Volume { source_volume_id: Some(origin.id), bootable: origin.bootable, ..volume },
            Self::Backup(backup) => Volume { source_backup_id: Some(backup.id), ..volume },
        }
    }

    /// The job that fills the volume. A copy lies where its source does.
    async fn start(&self, conn: &mut Conn, call: &Call, volume: &Volume) -> Result<()> {
        let pool = match self {
            Self::Nothing => None,
            Self::Snapshot(_, origin) | Self::Volume(origin) => origin.pool.as_deref(),
            Self::Backup(backup) => {
                let begun = restores::begin(conn, call, backup, volume, true).await;
                return begun.map_err(|error| match error.kind() {
                    Kind::Invalid => Error::invalid(BACKUP_REFUSAL),
                    _ => error,
                });
            }
        };
        let origin = match self {
            Self::Snapshot(snapshot, _) => Some(snapshot.id.to_string()),
            Self::Volume(origin) => Some(origin.id.to_string()),
            Self::Nothing | Self::Backup(_) => None,
        };
        if let Some(origin) = origin {
            image_metadata::inherit(conn, &origin, &volume.id.to_string()).await?;
        }
        let subject = Subject::VolumeCreate { volume_id: volume.id };
        enqueue(conn, call, subject, &volume.project_id, pool).await
    }
}

const BACKUP_REFUSAL: &str = "Invalid input received: Originating backup status must be one of 'available' values";
