//! Tables of key and value pairs that belong to something: metadata, extra specs, qos specs.

use std::collections::BTreeMap;

use domain::Result;

use crate::conn::{Conn, Query, sql};
use crate::table::members;

/// By key, so that statements of two transactions lock in the same order.
pub type Pairs = BTreeMap<String, String>;

/// Pairs per statement: both databases bound the number of parameters.
const CHUNK: usize = 1000;

/// A table with the columns `key`, `value` and one that says whose pair it is.
pub(crate) struct PairTable {
    pub(crate) name: &'static str,
    pub(crate) owner: &'static str,
}

impl PairTable {
    /// The pairs of one owner; none for an owner that has none or does not exist.
    pub(crate) async fn get(&self, conn: &mut Conn, owner: &str) -> Result<Pairs> {
        let text = format!("SELECT key, value FROM {} WHERE {} = $1", self.name, self.owner);
        let rows = sql(text).bind(owner).fetch_all(conn).await?;
        rows.iter().map(|row| Ok((row.text("key")?, row.text("value")?))).collect()
    }

    /// Of several owners, in one query; an owner without pairs is absent.
    pub(crate) async fn get_many(&self, conn: &mut Conn, owners: &[String]) -> Result<BTreeMap<String, Pairs>> {
        let mut found: BTreeMap<String, Pairs> = BTreeMap::new();
        for owners in owners.chunks(CHUNK) {
            for row in self.select_many(owners).fetch_all(conn).await? {
                found.entry(row.text(self.owner)?).or_default().insert(row.text("key")?, row.text("value")?);
            }
        }
        Ok(found)
    }

    pub(crate) fn select_many(&self, owners: &[String]) -> Query {
        let (owner, (list, owners)) = (self.owner, members(1, owners));
        sql(format!("SELECT {owner}, key, value FROM {} WHERE {owner} IN ({list})", self.name)).bind_all(owners)
    }

    /// The set becomes exactly `pairs`.
    pub(crate) async fn replace(&self, conn: &mut Conn, owner: &str, pairs: &Pairs) -> Result<()> {
        self.clear(conn, owner).await?;
        self.merge(conn, owner, pairs).await
    }

    /// Adds and overwrites.
    pub(crate) async fn merge(&self, conn: &mut Conn, owner: &str, pairs: &Pairs) -> Result<()> {
        let pairs: Vec<(&String, &String)> = pairs.iter().collect();
        for pairs in pairs.chunks(CHUNK) {
            let rows: Vec<_> = (0..pairs.len()).map(|at| format!("($1, ${}, ${})", 2 * at + 2, 2 * at + 3)).collect();
            let text = format!(
                "INSERT INTO {name} ({owner}, key, value) VALUES {rows}
                 ON CONFLICT ({owner}, key) DO UPDATE SET value = excluded.value",
                name = self.name,
                owner = self.owner,
                rows = rows.join(", ")
            );
            let values = pairs.iter().flat_map(|(key, value)| [*key, *value]);
            sql(text).bind(owner).bind_all(values).execute(conn).await?;
        }
        Ok(())
    }

    /// False when the key was not there.
    pub(crate) async fn remove(&self, conn: &mut Conn, owner: &str, key: &str) -> Result<bool> {
        let text = format!("DELETE FROM {} WHERE {} = $1 AND key = $2", self.name, self.owner);
        Ok(sql(text).bind(owner).bind(key).execute(conn).await? > 0)
    }

    /// Drops all pairs of an owner.
    pub(crate) async fn clear(&self, conn: &mut Conn, owner: &str) -> Result<()> {
        let text = format!("DELETE FROM {} WHERE {} = $1", self.name, self.owner);
        sql(text).bind(owner).execute(conn).await.map(drop)
    }
}
