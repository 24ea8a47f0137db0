//! How much waits and for how long: what operators watch. Each is one query on an index of what is unfinished.

use domain::job::{JobKind, JobState};
use domain::{Result, Timestamp};

use crate::conn::{Conn, sql};
use crate::jobs::unfinished;
use crate::row::{Row, readable};

/// The unfinished jobs of one kind and state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Waiting {
    pub kind: JobKind,
    pub state: JobState,
    pub count: i64,
    /// When the oldest of them was asked for.
    pub since: Timestamp,
}

/// Those of which there are any.
pub async fn unfinished_jobs(conn: &mut Conn) -> Result<Vec<Waiting>> {
    let text = format!(
        "SELECT kind, state, COUNT(*) AS jobs, MIN(created_at) AS since FROM jobs WHERE {} GROUP BY kind, state",
        unfinished()
    );
    let read = |row: &Row| {
        Ok(Waiting {
            kind: row.word("jobs", "kind", JobKind::parse)?,
            state: row.word("jobs", "state", JobState::parse)?,
            count: row.i64("jobs")?,
            since: row.time("since")?,
        })
    };
    Ok(readable(&sql(text).fetch_all(conn).await?, read))
}

/// How many messages are to be sent, and since when the oldest waits.
pub async fn unsent(conn: &mut Conn) -> Result<(i64, Option<Timestamp>)> {
    let row = sql("SELECT COUNT(*) AS messages, MIN(created_at) AS since FROM outbox").fetch_one(conn).await?;
    Ok((row.i64("messages")?, row.opt_time("since")?))
}
