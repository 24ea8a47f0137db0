//! Key and value pairs of volumes, snapshots and backups; ids are unique over all three. Table `resource_metadata`.

use std::collections::BTreeMap;

use domain::Result;

use crate::conn::Conn;
use crate::pairs::PairTable;

pub use crate::pairs::Pairs;

pub(crate) const TABLE: PairTable = PairTable { name: "resource_metadata", owner: "resource_id" };

/// The pairs of one resource; none for a resource that has none or does not exist.
pub async fn get(conn: &mut Conn, resource_id: &str) -> Result<Pairs> {
    TABLE.get(conn, resource_id).await
}

/// Of several resources, in one query; a resource without pairs is absent.
pub async fn get_many(conn: &mut Conn, resource_ids: &[String]) -> Result<BTreeMap<String, Pairs>> {
    TABLE.get_many(conn, resource_ids).await
}

/// The set becomes exactly `pairs`.
pub async fn replace(conn: &mut Conn, resource_id: &str, pairs: &Pairs) -> Result<()> {
    TABLE.replace(conn, resource_id, pairs).await
}

/// Adds and overwrites.
pub async fn merge(conn: &mut Conn, resource_id: &str, pairs: &Pairs) -> Result<()> {
    TABLE.merge(conn, resource_id, pairs).await
}

/// False when the key was not there.
pub async fn remove(conn: &mut Conn, resource_id: &str, key: &str) -> Result<bool> {
    TABLE.remove(conn, resource_id, key).await
}

/// Drops all pairs of a resource.
pub(crate) async fn clear(conn: &mut Conn, resource_id: &str) -> Result<()> {
    TABLE.clear(conn, resource_id).await
}
