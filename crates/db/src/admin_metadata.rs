//! Pairs of a volume that only the service and its administrators set, and that its owner cannot take away. Table
//! `volume_admin_metadata`; they go with the volume.

use std::collections::BTreeMap;

use domain::{Result, VolumeId};

use crate::conn::Conn;
use crate::pairs::{PairTable, Pairs};

const TABLE: PairTable = PairTable { name: "volume_admin_metadata", owner: "volume_id" };

/// The pairs of one volume.
pub async fn get(conn: &mut Conn, volume: VolumeId) -> Result<Pairs> {
    TABLE.get(conn, &volume.to_string()).await
}

/// Of several volumes, in one query; a volume without pairs is absent.
pub async fn get_many(conn: &mut Conn, volumes: &[String]) -> Result<BTreeMap<String, Pairs>> {
    TABLE.get_many(conn, volumes).await
}

/// Writes one pair.
pub async fn set(conn: &mut Conn, volume: VolumeId, key: &str, value: &str) -> Result<()> {
    TABLE.merge(conn, &volume.to_string(), &Pairs::from([(key.to_owned(), value.to_owned())])).await
}

/// Does nothing when the key is not there.
pub async fn remove(conn: &mut Conn, volume: VolumeId, key: &str) -> Result<()> {
    TABLE.remove(conn, &volume.to_string(), key).await.map(drop)
}
