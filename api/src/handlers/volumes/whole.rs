//! Gathers what a volume's view needs beside its row.

use std::collections::BTreeSet;

use db::Conn;
use domain::Result;
use domain::volume::Volume;

use crate::views::volume::Whole;

/// All of `volumes`, in their order, with one query per kind of addition.
pub(super) async fn gather(conn: &mut Conn, volumes: Vec<Volume>) -> Result<Vec<Whole>> {
    let ids: Vec<_> = volumes.iter().map(|volume| volume.id).collect();
    let names: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let mut metadata = db::metadata::get_many(conn, &names).await?;
    let mut admin_metadata = db::admin_metadata::get_many(conn, &names).await?;
    let mut image_metadata = db::image_metadata::get_many(conn, &names).await?;
    let attachments = db::attachments::of_volumes(conn, &ids).await?;
    let types: BTreeSet<_> = volumes.iter().map(|volume| volume.volume_type_id.clone()).collect();
    let types = db::types::summaries(conn, &Vec::from_iter(types)).await?;
    let whole = |(volume, name): (Volume, String)| Whole {
        metadata: {
            let mut pairs = metadata.remove(&name).unwrap_or_default();
            pairs.extend(admin_metadata.remove(&name).unwrap_or_default());
            pairs
        },
        image_metadata: image_metadata.remove(&name).unwrap_or_default(),
        attachments: attachments.iter().filter(|attachment| attachment.volume_id == volume.id).cloned().collect(),
        kind: types.get(&volume.volume_type_id).cloned(),
        volume,
    };
    Ok(volumes.into_iter().zip(names).map(whole).collect())
}

/// One of them.
pub(super) async fn gather_one(conn: &mut Conn, volume: Volume) -> Result<Whole> {
    let id = volume.id;
    let whole = gather(conn, vec![volume]).await?;
    whole.into_iter().next().ok_or_else(|| domain::Error::not_found("Volume", id))
}
