//! What lies in pools, as workers last told. Table `pool_files`: a pool's rows are what its last report said.

use std::collections::BTreeMap;

use domain::Result;

use crate::conn::{Conn, sql};
use crate::list::Direction;
use crate::row::Row;
use crate::table::placeholders;

/// A file or block device that a pool has or could take.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolFile {
    /// What the pool's host knows it by.
    pub name: String,
    /// It bears a snapshot's name.
    pub is_snapshot: bool,
    pub size_bytes: i64,
    /// Why the pool would not take it.
    pub refusal: Option<String>,
}

/// What the list is sorted by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Key {
    Name,
    Size,
}

/// One page of what lies in some pools.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    pub pools: &'a [String],
    pub snapshots: bool,
    pub sort: (Key, Direction),
    /// The last one seen.
    pub marker: Option<&'a PoolFile>,
    pub limit: i64,
    pub offset: i64,
}

/// Rows per statement: both databases bound the number of parameters.
const CHUNK: usize = 500;

/// The pool's rows become exactly `files`. Only what changed is written, in the order of the names, so that two reports of one
/// pool never wait for each other in a circle.
pub async fn replace(conn: &mut Conn, pool: &str, files: &BTreeMap<String, PoolFile>) -> Result<()> {
    let rows = sql("SELECT name, is_snapshot, size_bytes, refusal FROM pool_files WHERE pool = $1");
    let present = rows.bind(pool).fetch_all(conn).await?.iter().map(from_row).collect::<Result<Vec<_>>>()?;
    let present: BTreeMap<String, PoolFile> = present.into_iter().map(|file| (file.name.clone(), file)).collect();
    let gone: Vec<&String> = present.keys().filter(|name| !files.contains_key(*name)).collect();
    for names in gone.chunks(CHUNK) {
        let list = placeholders(2, names.len());
        let text = format!("DELETE FROM pool_files WHERE pool = $1 AND name IN ({list})");
        sql(text).bind(pool).bind_all(names.iter().copied()).execute(conn).await?;
    }
    let new: Vec<&PoolFile> = files.values().filter(|file| present.get(&file.name) != Some(*file)).collect();
    for files in new.chunks(CHUNK) {
        write(conn, pool, files).await?;
    }
    Ok(())
}

async fn write(conn: &mut Conn, pool: &str, files: &[&PoolFile]) -> Result<()> {
    let row = |at: usize| format!("($1, {})", placeholders(4 * at + 2, 4));
    let rows: Vec<_> = (0..files.len()).map(row).collect();
    let text = format!(
        "INSERT INTO pool_files (pool, name, is_snapshot, size_bytes, refusal) VALUES {}
         ON CONFLICT (pool, name) DO UPDATE SET is_snapshot = excluded.is_snapshot,
            size_bytes = excluded.size_bytes, refusal = excluded.refusal",
        rows.join(", ")
    );
    let mut query = sql(text).bind(pool);
    for file in files {
        query = query.bind(&file.name).bind(file.is_snapshot).bind(file.size_bytes).bind(&file.refusal);
    }
    query.execute(conn).await.map(drop)
}

/// One page.
pub async fn list(conn: &mut Conn, wanted: &Wanted<'_>) -> Result<Vec<PoolFile>> {
    if wanted.pools.is_empty() {
        return Ok(Vec::new());
    }
    let (key, direction) = wanted.sort;
    let (word, beyond) = match direction {
        Direction::Ascending => ("ASC", ">"),
        Direction::Descending => ("DESC", "<"),
    };
    let behind = match (wanted.marker, key) {
        (None, _) => "",
        (Some(_), Key::Name) => "AND name {beyond} $4",
        (Some(_), Key::Size) => "AND (size_bytes {beyond} $5 OR (size_bytes = $5 AND name {beyond} $4))",
    };
    let order = match key {
        Key::Name => format!("name {word}"),
        Key::Size => format!("size_bytes {word}, name {word}"),
    };
    let pools = placeholders(6, wanted.pools.len());
    let text = format!(
        "SELECT name, is_snapshot, size_bytes, refusal FROM pool_files
         WHERE is_snapshot = $1 AND pool IN ({pools}) {} ORDER BY {order} LIMIT $2 OFFSET $3",
        behind.replace("{beyond}", beyond)
    );
    let query = sql(text)
        .bind(wanted.snapshots)
        .bind(wanted.limit)
        .bind(wanted.offset)
        .bind(wanted.marker.map_or("", |marker| marker.name.as_str()))
        .bind(wanted.marker.map_or(0, |marker| marker.size_bytes));
    query.bind_all(wanted.pools).fetch_all(conn).await?.iter().map(from_row).collect()
}

/// By name, in one of these pools.
pub async fn get(conn: &mut Conn, pools: &[String], name: &str) -> Result<Option<PoolFile>> {
    if pools.is_empty() {
        return Ok(None);
    }
    let list = placeholders(2, pools.len());
    let text = format!(
        "SELECT name, is_snapshot, size_bytes, refusal FROM pool_files WHERE name = $1 AND pool IN ({list}) LIMIT 1"
    );
    sql(text).bind(name).bind_all(pools).fetch_optional(conn).await?.as_ref().map(from_row).transpose()
}

fn from_row(row: &Row) -> Result<PoolFile> {
    Ok(PoolFile {
        name: row.text("name")?,
        is_snapshot: row.bool("is_snapshot")?,
        size_bytes: row.i64("size_bytes")?,
        refusal: row.opt_text("refusal")?,
    })
}
