//! What a type says of its volumes: what they need of their place, whether they may be attached twice. Table
//! `volume_type_extra_specs`.

use std::collections::BTreeMap;

use domain::Result;

use crate::conn::Conn;
use crate::pairs::{PairTable, Pairs};

const TABLE: PairTable = PairTable { name: "volume_type_extra_specs", owner: "volume_type_id" };

/// Of one type; none for a type that has none or does not exist.
pub async fn get(conn: &mut Conn, type_id: &str) -> Result<Pairs> {
    TABLE.get(conn, type_id).await
}

/// Of several types, in one query; a type without any is absent.
pub async fn get_many(conn: &mut Conn, type_ids: &[String]) -> Result<BTreeMap<String, Pairs>> {
    TABLE.get_many(conn, type_ids).await
}

/// Adds and overwrites. The type must exist.
pub async fn merge(conn: &mut Conn, type_id: &str, pairs: &Pairs) -> Result<()> {
    TABLE.merge(conn, type_id, pairs).await
}

/// False when the key was not there.
pub async fn remove(conn: &mut Conn, type_id: &str, key: &str) -> Result<bool> {
    TABLE.remove(conn, type_id, key).await
}
