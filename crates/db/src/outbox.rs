//! Messages to send, written in the transaction that makes them true. Table `outbox`: a row lives from that commit until the
//! broker has confirmed the message.

use domain::{Result, Timestamp};

use crate::conn::{Conn, sql};
use crate::table::members;

/// A message on its way to the broker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outgoing {
    /// Unique for ever: a receiver may use it to tell a repetition.
    pub id: String,
    pub queue: String,
    pub body: String,
    /// W3C trace context of what caused the message.
    pub traceparent: Option<String>,
}

/// What every hint says, as JSON: `{"job_id": "...", "generation": N}`. Written by `jobs`, read by scheduler and worker.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Hint {
    pub job_id: String,
    pub generation: i64,
}

/// Rows per statement: both databases bound the number of parameters.
const CHUNK: usize = 1000;

/// To be sent as soon as the transaction is committed.
pub async fn insert(conn: &mut Conn, outgoing: &Outgoing, now: Timestamp) -> Result<()> {
    sql("INSERT INTO outbox (id, queue, body, traceparent, created_at, hidden_until) VALUES ($1, $2, $3, $4, $5, $5)")
        .bind(&outgoing.id)
        .bind(&outgoing.queue)
        .bind(&outgoing.body)
        .bind(&outgoing.traceparent)
        .bind(now)
        .execute(conn)
        .await
        .map(drop)
}

/// Unsent rows, oldest first, hidden from other relays until `hidden_until`.
pub async fn take(conn: &mut Conn, hidden_until: Timestamp, now: Timestamp, limit: i64) -> Result<Vec<Outgoing>> {
    // The condition stands twice: a relay that waited for another's row lock looks again at what it got.
    let rows = sql("UPDATE outbox SET hidden_until = $1
         WHERE hidden_until <= $2
            AND id IN (SELECT id FROM outbox WHERE hidden_until <= $2 ORDER BY created_at, id LIMIT $3)
         RETURNING id, queue, body, traceparent, created_at")
    .bind(hidden_until)
    .bind(now)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    let mut taken = Vec::with_capacity(rows.len());
    for row in &rows {
        let outgoing = Outgoing {
            id: row.text("id")?,
            queue: row.text("queue")?,
            body: row.text("body")?,
            traceparent: row.opt_text("traceparent")?,
        };
        taken.push((row.time("created_at")?, outgoing));
    }
    taken.sort_by(|(a_time, a), (b_time, b)| (a_time, &a.id).cmp(&(b_time, &b.id)));
    Ok(taken.into_iter().map(|(_, outgoing)| outgoing).collect())
}

/// Not sent: other relays, and this one, may take the rows again at `hidden_until`.
pub async fn put_back(conn: &mut Conn, ids: &[String], hidden_until: Timestamp) -> Result<()> {
    for ids in ids.chunks(CHUNK) {
        let (list, ids) = members(2, ids);
        let text = format!("UPDATE outbox SET hidden_until = $1 WHERE id IN ({list})");
        sql(text).bind(hidden_until).bind_all(ids).execute(conn).await?;
    }
    Ok(())
}

/// Drops what was to be sent to `queue` before that instant; how many rows went.
pub async fn forget(conn: &mut Conn, queue: &str, before: Timestamp) -> Result<u64> {
    sql("DELETE FROM outbox WHERE queue = $1 AND created_at < $2").bind(queue).bind(before).execute(conn).await
}

/// Sent: the row goes.
pub async fn done(conn: &mut Conn, ids: &[String]) -> Result<()> {
    for ids in ids.chunks(CHUNK) {
        let (list, ids) = members(1, ids);
        let text = format!("DELETE FROM outbox WHERE id IN ({list})");
        sql(text).bind_all(ids).execute(conn).await?;
    }
    Ok(())
}
