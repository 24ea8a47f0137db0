//! What volumes and snapshots keep of the image they were made of. Table `image_metadata`; rows die with whose they are.

use std::collections::BTreeMap;

use domain::Result;

use crate::conn::{Conn, sql};
use crate::pairs::{PairTable, Pairs};

const TABLE: PairTable = PairTable { name: "image_metadata", owner: "resource_id" };

/// The pairs of one resource.
pub async fn get(conn: &mut Conn, resource_id: &str) -> Result<Pairs> {
    TABLE.get(conn, resource_id).await
}

/// Of several resources, in one query; a resource without pairs is absent.
pub async fn get_many(conn: &mut Conn, resource_ids: &[String]) -> Result<BTreeMap<String, Pairs>> {
    TABLE.get_many(conn, resource_ids).await
}

/// Adds and overwrites.
pub async fn merge(conn: &mut Conn, resource_id: &str, pairs: &Pairs) -> Result<()> {
    TABLE.merge(conn, resource_id, pairs).await
}

/// False when the key was not there.
pub async fn remove(conn: &mut Conn, resource_id: &str, key: &str) -> Result<bool> {
    TABLE.remove(conn, resource_id, key).await
}

/// A new copy of a resource keeps what its source kept.
pub async fn inherit(conn: &mut Conn, from: &str, to: &str) -> Result<()> {
    sql("INSERT INTO image_metadata (resource_id, key, value)
         SELECT $2, key, value FROM image_metadata WHERE resource_id = $1")
    .bind(from)
    .bind(to)
    .execute(conn)
    .await
    .map(drop)
}

/// Drops all pairs of a resource.
pub(crate) async fn clear(conn: &mut Conn, resource_id: &str) -> Result<()> {
    TABLE.clear(conn, resource_id).await
}
