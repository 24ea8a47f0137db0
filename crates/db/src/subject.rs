//! How a job's subject lies in its row: the ids in columns of their own, the rest in the JSON of `params`.

use domain::job::{JobKind, Subject};
use domain::volume::VolumeStatus;
use domain::{Error, Result, VolumeId};
use serde::{Deserialize, Serialize};

use crate::row::Row;

/// What a kind needs to know beyond the ids; each field belongs to the kind of the same name in [`Subject`].
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Params {
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_data: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_size_gb: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    charged_gb: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    volume_type_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    was: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    freeze: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_volume: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_pool: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    may_move: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_gb: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    made: Option<bool>,
}

impl Params {
    fn was(&self) -> Option<VolumeStatus> {
        self.was.as_deref().and_then(VolumeStatus::parse)
    }

    fn bytes_id(&self) -> Option<VolumeId> {
        self.bytes_id.as_deref()?.parse().ok()
    }
}

/// The text of `params`.
pub(crate) fn to_params(subject: &Subject) -> Result<String> {
    let mut params = Params::default();
    match subject {
        Subject::VolumeDelete { keep_data, .. } | Subject::SnapshotDelete { keep_data, .. } => {
            params.keep_data = Some(*keep_data)
        }
        Subject::VolumeExtend { new_size_gb, charged_gb, volume_type_id, was, .. } => {
            params.new_size_gb = Some(*new_size_gb);
            params.charged_gb = Some(*charged_gb);
            params.volume_type_id = Some(volume_type_id.clone());
            params.was = Some(was.as_str().to_owned());
        }
        Subject::VolumeMove { bytes_id, to_type, to_pool, may_move, was, .. } => {
            params.bytes_id = Some(bytes_id.to_string());
            params.to_type.clone_from(to_type);
            params.to_pool.clone_from(to_pool);
            params.may_move = Some(*may_move);
            params.was = Some(was.as_str().to_owned());
        }
        Subject::VolumeDiscard { bytes_id } => params.bytes_id = Some(bytes_id.to_string()),
        Subject::VolumeManage { source, .. } | Subject::SnapshotManage { source, .. } => {
            params.source = Some(source.clone())
        }
        Subject::BackupCreate { freeze, .. } => params.freeze = Some(*freeze),
        Subject::BackupRestore { new_volume, .. } => params.new_volume = Some(*new_volume),
        Subject::BackupImport { service, record, .. } => {
            params.service = Some(service.clone());
            params.record = Some(record.clone());
        }
        Subject::BackupSweep { container, prefix, service, size_gb, made, .. } => {
            params.container = Some(container.clone());
            params.prefix = Some(prefix.clone());
            params.service = Some(service.clone());
            params.size_gb = Some(*size_gb);
            params.made = Some(*made);
        }
        Subject::VolumeCreate { .. }
        | Subject::VolumeRevert { .. }
        | Subject::SnapshotCreate { .. }
        | Subject::GroupSnapshotCreate { .. }
        | Subject::BackupDelete { .. }
        | Subject::BackupVerify { .. } => {}
    }
    serde_json::to_string(&params)
        .map_err(|error| Error::internal("A job's parameters are no JSON.").with_source(error))
}

/// The subject of the job in `row`, whose kind is `kind`.
pub(crate) fn from_row(row: &Row, kind: JobKind) -> Result<Subject> {
    let job = row.text("id")?;
    let params: Params = serde_json::from_str(&row.text("params")?)
        .map_err(|error| Error::internal(format!("Job {job} has damaged parameters.")).with_source(error))?;
    let lacks = |what: &str| Error::internal(format!("Job {job} ({kind}) lacks its {what}."));
    Ok(match kind {
        JobKind::VolumeCreate => Subject::VolumeCreate { volume_id: row.id("volume_id")? },
        JobKind::VolumeDelete => Subject::VolumeDelete {
            volume_id: row.id("volume_id")?,
            keep_data: params.keep_data.ok_or_else(|| lacks("keep_data"))?,
        },
        JobKind::VolumeExtend => Subject::VolumeExtend {
            volume_id: row.id("volume_id")?,
            new_size_gb: params.new_size_gb.ok_or_else(|| lacks("new_size_gb"))?,
            charged_gb: params.charged_gb.ok_or_else(|| lacks("charged_gb"))?,
            was: params.was().ok_or_else(|| lacks("former status"))?,
            volume_type_id: params.volume_type_id.ok_or_else(|| lacks("volume type"))?,
        },
        JobKind::VolumeMove => volume_move(row, params, lacks)?,
        JobKind::VolumeDiscard => {
            Subject::VolumeDiscard { bytes_id: params.bytes_id().ok_or_else(|| lacks("bytes_id"))? }
        }
        JobKind::VolumeManage => Subject::VolumeManage {
            volume_id: row.id("volume_id")?,
            source: params.source.ok_or_else(|| lacks("source"))?,
        },
        JobKind::VolumeRevert => {
            Subject::VolumeRevert { volume_id: row.id("volume_id")?, snapshot_id: row.id("snapshot_id")? }
        }
        JobKind::SnapshotCreate => {
            Subject::SnapshotCreate { snapshot_id: row.id("snapshot_id")?, volume_id: row.id("volume_id")? }
        }
        JobKind::SnapshotDelete => Subject::SnapshotDelete {
            snapshot_id: row.id("snapshot_id")?,
            volume_id: row.id("volume_id")?,
            keep_data: params.keep_data.ok_or_else(|| lacks("keep_data"))?,
        },
        JobKind::SnapshotManage => Subject::SnapshotManage {
            snapshot_id: row.id("snapshot_id")?,
            volume_id: row.id("volume_id")?,
            source: params.source.ok_or_else(|| lacks("source"))?,
        },
        JobKind::GroupSnapshotCreate => Subject::GroupSnapshotCreate {
            group_snapshot_id: row.id("group_snapshot_id")?,
            group_id: row.id("group_id")?,
        },
        JobKind::BackupCreate => Subject::BackupCreate {
            backup_id: row.id("backup_id")?,
            volume_id: row.id("volume_id")?,
            snapshot_id: row.opt_id("snapshot_id")?,
            freeze: params.freeze.ok_or_else(|| lacks("freeze"))?,
        },
        JobKind::BackupRestore => Subject::BackupRestore {
            backup_id: row.id("backup_id")?,
            volume_id: row.id("volume_id")?,
            new_volume: params.new_volume.ok_or_else(|| lacks("new_volume"))?,
        },
        JobKind::BackupDelete => Subject::BackupDelete { backup_id: row.id("backup_id")? },
        JobKind::BackupVerify => Subject::BackupVerify { backup_id: row.id("backup_id")? },
        JobKind::BackupSweep => backup_sweep(row, params, lacks)?,
        JobKind::BackupImport => Subject::BackupImport {
            backup_id: row.id("backup_id")?,
            service: params.service.ok_or_else(|| lacks("service"))?,
            record: params.record.ok_or_else(|| lacks("record"))?,
        },
    })
}

fn backup_sweep(row: &Row, params: Params, lacks: impl Fn(&str) -> Error) -> Result<Subject> {
    Ok(Subject::BackupSweep {
        backup_id: row.id("backup_id")?,
        container: params.container.ok_or_else(|| lacks("container"))?,
        prefix: params.prefix.ok_or_else(|| lacks("prefix"))?,
        service: params.service.ok_or_else(|| lacks("service"))?,
        size_gb: params.size_gb.ok_or_else(|| lacks("size"))?,
        made: params.made.ok_or_else(|| lacks("outcome"))?,
    })
}

fn volume_move(row: &Row, params: Params, lacks: impl Fn(&str) -> Error) -> Result<Subject> {
    Ok(Subject::VolumeMove {
        volume_id: row.id("volume_id")?,
        bytes_id: params.bytes_id().ok_or_else(|| lacks("bytes_id"))?,
        may_move: params.may_move.ok_or_else(|| lacks("may_move"))?,
        was: params.was().ok_or_else(|| lacks("former status"))?,
        to_type: params.to_type,
        to_pool: params.to_pool,
    })
}
