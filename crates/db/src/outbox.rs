//! Messages to send, written in the transaction that makes them true.
use crate::Conn;
use domain::{Result, Timestamp};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outgoing {
    pub id: String,
    pub queue: String,
    pub body: String,
    pub traceparent: Option<String>,
}

/// What every hint says, as JSON: `{"job_id": "...", "generation": N}`. Written by `jobs`, read by scheduler and worker.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Hint {
    pub job_id: String,
    pub generation: i64,
}

pub async fn insert(conn: &mut Conn, outgoing: &Outgoing, now: Timestamp) -> Result<()> { todo!() }
/// Unsent rows, oldest first, hidden from other relays until `hidden_until`.
pub async fn take(conn: &mut Conn, hidden_until: Timestamp, now: Timestamp, limit: i64) -> Result<Vec<Outgoing>> { todo!() }
/// Sent: the row goes.
pub async fn done(conn: &mut Conn, ids: &[String]) -> Result<()> { todo!() }
