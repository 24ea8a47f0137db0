//! User messages. Table `messages`: written in the transaction that ends what failed, gone when their owner deletes them or
//! their time is over.

use domain::ids::MessageId;
use domain::message::{Action, Detail, Message};
use domain::{Result, Timestamp};

use crate::conn::{Conn, sql};
use crate::row::Row;
use crate::table::{Table, placeholders};
use crate::{ListQuery, Scope, list};

/// Columns that a list may be filtered and sorted by.
pub const COLUMNS: &[&str] = &[
    "id",
    "project_id",
    "request_id",
    "resource_type",
    "resource_id",
    "event_id",
    "action_id",
    "detail_id",
    "message_level",
    "created_at",
    "expires_at",
];

pub(crate) const TABLE: Table = Table {
    name: "messages",
    noun: "Message",
    columns: COLUMNS,
    select: "id, project_id, request_id, resource_type, resource_id, event_id, action_id, detail_id, message_level, \
             created_at, expires_at",
    visible: "TRUE",
    job_column: "",
};

/// In the transaction that gives the resource its final state.
pub async fn insert(conn: &mut Conn, message: &Message) -> Result<()> {
    let text = format!("INSERT INTO messages ({}) VALUES ({})", TABLE.select, placeholders(1, 11));
    sql(text)
        .bind(message.id)
        .bind(&message.project_id)
        .bind(&message.request_id)
        .bind(&message.resource_type)
        .bind(&message.resource_id)
        .bind(&message.event_id)
        .bind(message.action.number())
        .bind(message.detail.number())
        .bind(&message.level)
        .bind(message.created_at)
        .bind(message.expires_at)
        .execute(conn)
        .await
        .map(drop)
}

/// `NotFound` ("Message {id} could not be found.") also when the row is another project's or the text is no UUID.
pub async fn get(conn: &mut Conn, scope: &Scope, id: &str) -> Result<Message> {
    from_row(&TABLE.get::<MessageId>(conn, scope, id).await?)
}

/// One page.
pub async fn list(conn: &mut Conn, query: &ListQuery) -> Result<Vec<Message>> {
    list::rows(conn, &TABLE, query).await?.iter().map(from_row).collect()
}

/// Does nothing when it is gone already.
pub async fn delete(conn: &mut Conn, id: MessageId) -> Result<()> {
    sql("DELETE FROM messages WHERE id = $1").bind(id).execute(conn).await.map(drop)
}

/// Removes those whose time was over before `now`, so many at most, and says how many went.
pub async fn reap(conn: &mut Conn, now: Timestamp, limit: i64) -> Result<u64> {
    sql("DELETE FROM messages WHERE id IN (SELECT id FROM messages WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)")
        .bind(now)
        .bind(limit)
        .execute(conn)
        .await
}

fn from_row(row: &Row) -> Result<Message> {
    Ok(Message {
        id: row.id("id")?,
        project_id: row.text("project_id")?,
        request_id: row.text("request_id")?,
        resource_type: row.text("resource_type")?,
        resource_id: row.text("resource_id")?,
        event_id: row.text("event_id")?,
        action: row.word(TABLE.name, "action_id", Action::parse)?,
        detail: row.word(TABLE.name, "detail_id", Detail::parse)?,
        level: row.text("message_level")?,
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
    })
}
