//! Key and value pairs of volumes, snapshots and backups; ids are unique over all three. Table `resource_metadata`.

use std::collections::BTreeMap;

use domain::Result;

use crate::conn::{Conn, sql};
use crate::table::placeholders;

/// By key, so that statements of two transactions lock in the same order.
pub type Pairs = BTreeMap<String, String>;

/// Pairs per statement: both databases bound the number of parameters.
const CHUNK: usize = 1000;

/// The pairs of one resource; none for a resource that has none or does not exist.
pub async fn get(conn: &mut Conn, resource_id: &str) -> Result<Pairs> {
    let rows = sql("SELECT key, value FROM resource_metadata WHERE resource_id = $1")
        .bind(resource_id)
        .fetch_all(conn)
        .await?;
    rows.iter().map(|row| Ok((row.text("key")?, row.text("value")?))).collect()
}

/// Of several resources, in one query; a resource without pairs is absent.
pub async fn get_many(conn: &mut Conn, resource_ids: &[String]) -> Result<BTreeMap<String, Pairs>> {
    let mut found: BTreeMap<String, Pairs> = BTreeMap::new();
    for resource_ids in resource_ids.chunks(CHUNK) {
        let list = placeholders(1, resource_ids.len());
        let text = format!("SELECT resource_id, key, value FROM resource_metadata WHERE resource_id IN ({list})");
        for row in sql(text).bind_all(resource_ids).fetch_all(conn).await? {
            found.entry(row.text("resource_id")?).or_default().insert(row.text("key")?, row.text("value")?);
        }
    }
    Ok(found)
}

/// The set becomes exactly `pairs`.
pub async fn replace(conn: &mut Conn, resource_id: &str, pairs: &Pairs) -> Result<()> {
    clear(conn, resource_id).await?;
    merge(conn, resource_id, pairs).await
}

/// Adds and overwrites.
pub async fn merge(conn: &mut Conn, resource_id: &str, pairs: &Pairs) -> Result<()> {
    let pairs: Vec<(&String, &String)> = pairs.iter().collect();
    for pairs in pairs.chunks(CHUNK) {
        let rows: Vec<_> = (0..pairs.len()).map(|at| format!("($1, ${}, ${})", 2 * at + 2, 2 * at + 3)).collect();
        let text = format!(
            "INSERT INTO resource_metadata (resource_id, key, value) VALUES {}
             ON CONFLICT (resource_id, key) DO UPDATE SET value = excluded.value",
            rows.join(", ")
        );
        let values = pairs.iter().flat_map(|(key, value)| [*key, *value]);
        sql(text).bind(resource_id).bind_all(values).execute(conn).await?;
    }
    Ok(())
}

/// False when the key was not there.
pub async fn remove(conn: &mut Conn, resource_id: &str, key: &str) -> Result<bool> {
    let removed = sql("DELETE FROM resource_metadata WHERE resource_id = $1 AND key = $2")
        .bind(resource_id)
        .bind(key)
        .execute(conn)
        .await?;
    Ok(removed > 0)
}

/// Drops all pairs of a resource.
pub(crate) async fn clear(conn: &mut Conn, resource_id: &str) -> Result<()> {
    sql("DELETE FROM resource_metadata WHERE resource_id = $1").bind(resource_id).execute(conn).await.map(drop)
}
