//! Key and value pairs of volumes, snapshots and backups; ids are unique over all three.
use crate::Conn;
use domain::Result;
use std::collections::BTreeMap;

pub type Pairs = BTreeMap<String, String>;

pub async fn get(conn: &mut Conn, resource_id: &str) -> Result<Pairs> { todo!() }
/// Of several resources, in one query; a resource without pairs is absent.
pub async fn get_many(conn: &mut Conn, resource_ids: &[String]) -> Result<BTreeMap<String, Pairs>> { todo!() }
/// The set becomes exactly `pairs`.
pub async fn replace(conn: &mut Conn, resource_id: &str, pairs: &Pairs) -> Result<()> { todo!() }
/// Adds and overwrites.
pub async fn merge(conn: &mut Conn, resource_id: &str, pairs: &Pairs) -> Result<()> { todo!() }
/// False when the key was not there.
pub async fn remove(conn: &mut Conn, resource_id: &str, key: &str) -> Result<bool> { todo!() }
