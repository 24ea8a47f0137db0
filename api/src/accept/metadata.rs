//! Metadata of volumes, snapshots and backups, bounded over all requests together: a volume's goes into each of its backups.

use db::metadata::{self, Pairs};
use db::{Conn, image_metadata, quotas};
use domain::volume::{METADATA_BYTES_MAX, Volume};
use domain::{Error, Kind, Result};

/// The metadata of a resource that this transaction brings into being.
///
/// # Errors
/// `OverLimit` when it is too much.
pub(crate) async fn insert(conn: &mut Conn, resource_id: &str, pairs: &Pairs) -> Result<()> {
    check(pairs)?;
    metadata::replace(conn, resource_id, pairs).await
}

/// The set becomes exactly `pairs`. To be called before other rows are locked, as [`merge`].
///
/// # Errors
/// `OverLimit` when it is too much.
pub(crate) async fn replace(conn: &mut Conn, project_id: &str, resource_id: &str, pairs: &Pairs) -> Result<()> {
    check(pairs)?;
    lock(conn, project_id).await?;
    metadata::replace(conn, resource_id, pairs).await
}

/// Adds and overwrites.
///
/// # Errors
/// `OverLimit` when it comes to too much with what is there; the transaction must then not be committed.
pub(crate) async fn merge(conn: &mut Conn, project_id: &str, resource_id: &str, pairs: &Pairs) -> Result<()> {
    lock(conn, project_id).await?;
    metadata::merge(conn, resource_id, pairs).await?;
    check(&metadata::get(conn, resource_id).await?)
}

/// The same for what a volume keeps of its image. Answers the whole set.
///
/// # Errors
/// As [`merge`].
pub(crate) async fn merge_of_image(conn: &mut Conn, volume: &Volume, pairs: &Pairs) -> Result<Pairs> {
    lock(conn, &volume.project_id).await?;
    let id = volume.id.to_string();
    image_metadata::merge(conn, &id, pairs).await?;
    let all = image_metadata::get(conn, &id).await?;
    check(&all)?;
    Ok(all)
}

/// The project's lock: two requests that add different keys at the same time would not see each other's.
async fn lock(conn: &mut Conn, project_id: &str) -> Result<()> {
    quotas::hold(conn, project_id).await
}

/// Whether they are not too much for one resource.
pub(super) fn check(pairs: &Pairs) -> Result<()> {
    let bytes: usize = pairs.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes <= METADATA_BYTES_MAX {
        return Ok(());
    }
    Err(Error::new(
        Kind::OverLimit,
        format!(
            "The metadata would take {bytes} bytes: keys and values of one resource may take {METADATA_BYTES_MAX} bytes \
             together. Delete some first."
        ),
    ))
}
