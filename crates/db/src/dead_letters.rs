//! Messages that nobody could handle, kept where operators can see them. Table `dead_letters`.

use domain::{Result, Timestamp};

use crate::conn::{Conn, sql};
use crate::outbox::{self, Outgoing};
use crate::row::Row;

/// The newest are kept; nobody may ever look.
const KEPT: i64 = 10_000;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeadLetter {
    pub id: String,
    /// As text, as far as it is one.
    pub body: String,
    /// When it was found.
    pub created_at: Timestamp,
}

/// Keeps it; once, however often it is told.
pub async fn insert(conn: &mut Conn, letter: &DeadLetter) -> Result<()> {
    sql("INSERT INTO dead_letters (id, body, created_at) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING")
        .bind(&letter.id)
        .bind(&letter.body)
        .bind(letter.created_at)
        .execute(conn)
        .await?;
    sql("DELETE FROM dead_letters WHERE created_at <
            (SELECT created_at FROM dead_letters ORDER BY created_at DESC, id DESC LIMIT 1 OFFSET $1)")
    .bind(KEPT - 1)
    .execute(conn)
    .await
    .map(drop)
}

/// The newest first.
pub async fn newest(conn: &mut Conn, limit: i64) -> Result<Vec<DeadLetter>> {
    let text = "SELECT id, body, created_at FROM dead_letters ORDER BY created_at DESC, id DESC LIMIT $1";
    sql(text).bind(limit).fetch_all(conn).await?.iter().map(from_row).collect()
}

pub async fn count(conn: &mut Conn) -> Result<i64> {
    sql("SELECT COUNT(*) AS letters FROM dead_letters").fetch_one(conn).await?.i64("letters")
}

/// Moves it to the outbox, for `queue`. False: there is no such letter.
pub async fn replay(conn: &mut Conn, queue: &str, id: &str, now: Timestamp) -> Result<bool> {
    let text = "DELETE FROM dead_letters WHERE id = $1 RETURNING id, body, created_at";
    let Some(row) = sql(text).bind(id).fetch_optional(conn).await? else { return Ok(false) };
    let letter = from_row(&row)?;
    let id = format!("{}.{}", letter.id, now.micros());
    let outgoing = Outgoing { id, queue: queue.to_owned(), body: letter.body, traceparent: None };
    outbox::insert(conn, &outgoing, now).await?;
    Ok(true)
}

/// False: there is no such letter.
pub async fn delete(conn: &mut Conn, id: &str) -> Result<bool> {
    Ok(sql("DELETE FROM dead_letters WHERE id = $1").bind(id).execute(conn).await? > 0)
}

fn from_row(row: &Row) -> Result<DeadLetter> {
    Ok(DeadLetter { id: row.text("id")?, body: row.text("body")?, created_at: row.time("created_at")? })
}
