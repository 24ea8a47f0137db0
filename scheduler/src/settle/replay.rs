//! What a restore gives back besides bytes: names and metadata (contract §2.3, §3.6).

use std::collections::BTreeMap;

use db::{Conn, Scope, backups, metadata, volumes};
use domain::volume::Volume;
use domain::{BackupId, Result, VolumeId};
use format::VolumeMeta;

use super::{End, found};

/// The pair that says where a volume's bytes came from.
const SOURCE_KEY: &str = "src_backup_id";
/// Names that a restore made up itself start with it.
const MADE_UP_NAME: &str = "restore_backup_";
/// Characters of a name, a description, a key or a value.
const TEXT_MAX: usize = 255;

pub(super) async fn restored(conn: &mut Conn, end: &End<'_>, backup: BackupId, volume: VolumeId) -> Result<()> {
    let Some(mut target) = found(volumes::get(conn, &Scope::All, &volume.to_string()).await)? else { return Ok(()) };
    for layer in &end.report.volume_meta {
        replay(conn, end, &mut target, layer).await?;
    }
    mark_source(conn, backup, &target).await
}

/// One layer of the chain over the target, as Cinder applies it: a name only where the target has none of its own.
async fn replay(conn: &mut Conn, end: &End<'_>, target: &mut Volume, layer: &VolumeMeta) -> Result<()> {
    let stored = layer.name.as_deref().filter(|name| !name.is_empty() && fits(name));
    let nameless = target.name.as_deref().is_none_or(|name| name.is_empty() || name.starts_with(MADE_UP_NAME));
    if let (Some(name), true) = (stored, nameless) {
        let description = layer.description.as_deref().filter(|text| fits(text));
        volumes::update_texts(conn, target.id, Some(Some(name)), Some(description), end.now).await?;
        target.name = Some(name.to_owned());
    }
    match &layer.metadata {
        Some(pairs) => {
            let mut pairs = pairs.clone();
            pairs.retain(|key, value| !key.is_empty() && fits(key) && fits(value));
            metadata::replace(conn, &target.id.to_string(), &pairs).await
        }
        None => Ok(()),
    }
}

/// What the API would take. A manifest can say anything; what is left out costs a name, what is refused would cost the
/// restore.
fn fits(text: &str) -> bool {
    !text.contains('\0') && text.chars().count() <= TEXT_MAX
}

/// Written when the target is another volume than the backup's, or says already that it came from another backup.
async fn mark_source(conn: &mut Conn, backup: BackupId, target: &Volume) -> Result<()> {
    let Some(row) = found(backups::get(conn, &Scope::All, &backup.to_string()).await)? else { return Ok(()) };
    let volume_id = target.id.to_string();
    let source = backup.to_string();
    let present = metadata::get(conn, &volume_id).await?.remove(SOURCE_KEY);
    let foreign = row.volume_id != target.id || present.is_some_and(|other| other != source);
    if !foreign {
        return Ok(());
    }
    metadata::merge(conn, &volume_id, &BTreeMap::from([(SOURCE_KEY.to_owned(), source)])).await
}
