//! Attachment rows. Table `attachments`: the servers and hosts that use a volume; they go with it.
//!
//! Who writes holds the lock of the volume's row ([`crate::volumes::lock`]), whose status goes by its attachments.

use domain::attachment::{Attachment, missing};
use domain::ids::AttachmentId;
use domain::volume::AttachStatus;
use domain::{Error, Kind, Result, VolumeId};

use crate::conn::{Conn, sql};
use crate::row::Row;
use crate::table::{Table, members, placeholders};
use crate::{ListQuery, Scope, list};

/// Columns that a list may be filtered and sorted by.
pub const COLUMNS: &[&str] = &[
    "id",
    "volume_id",
    "project_id",
    "instance_id",
    "attached_host",
    "mountpoint",
    "attach_mode",
    "attach_status",
    "created_at",
    "updated_at",
];

pub(crate) const TABLE: Table = Table {
    name: "attachments",
    noun: "Volume attachment",
    columns: COLUMNS,
    select: "id, volume_id, project_id, instance_id, attached_host, mountpoint, attach_mode, attach_status, attached_at, \
             connector, connection_info, created_at, updated_at",
    visible: "TRUE",
    job_column: "",
};

/// Volumes per statement: both databases bound the number of parameters.
const CHUNK: usize = 1000;

/// `Conflict` when the volume is gone.
pub async fn insert(conn: &mut Conn, attachment: &Attachment) -> Result<()> {
    sql(format!("INSERT INTO attachments ({}) VALUES ({})", TABLE.select, placeholders(1, 13)))
        .bind(attachment.id)
        .bind(attachment.volume_id)
        .bind(&attachment.project_id)
        .bind(&attachment.instance_id)
        .bind(&attachment.attached_host)
        .bind(&attachment.mountpoint)
        .bind(&attachment.attach_mode)
        .bind(attachment.attach_status.as_str())
        .bind(attachment.attached_at)
        .bind(&attachment.connector)
        .bind(&attachment.connection_info)
        .bind(attachment.created_at)
        .bind(attachment.updated_at)
        .execute(conn)
        .await
        .map(drop)
}

/// Writes what a connection changes. Does nothing when the row is gone.
pub async fn update(conn: &mut Conn, attachment: &Attachment) -> Result<()> {
    sql("UPDATE attachments SET attached_host = $2, mountpoint = $3, attach_mode = $4, attach_status = $5, attached_at = $6,
            connector = $7, connection_info = $8, updated_at = $9
         WHERE id = $1")
    .bind(attachment.id)
    .bind(&attachment.attached_host)
    .bind(&attachment.mountpoint)
    .bind(&attachment.attach_mode)
    .bind(attachment.attach_status.as_str())
    .bind(attachment.attached_at)
    .bind(&attachment.connector)
    .bind(&attachment.connection_info)
    .bind(attachment.updated_at)
    .execute(conn)
    .await
    .map(drop)
}

/// `NotFound` also when the row is another project's or the text is no UUID.
pub async fn get(conn: &mut Conn, scope: &Scope, id: &str) -> Result<Attachment> {
    from_row(&TABLE.get::<AttachmentId>(conn, scope, id).await.map_err(|error| in_words(error, id))?)
}

/// One page.
pub async fn list(conn: &mut Conn, query: &ListQuery) -> Result<Vec<Attachment>> {
    let marker = query.marker.as_deref().unwrap_or_default();
    let rows = list::rows(conn, &TABLE, query).await.map_err(|error| in_words(error, marker))?;
    rows.iter().map(from_row).collect()
}

/// Those of the volumes in `volumes`, in one query.
pub async fn of_volumes(conn: &mut Conn, volumes: &[VolumeId]) -> Result<Vec<Attachment>> {
    let mut found = Vec::new();
    for volumes in volumes.chunks(CHUNK) {
        let (list, volumes) = members(1, volumes);
        let text =
            format!("SELECT {} FROM attachments WHERE volume_id IN ({list}) ORDER BY volume_id, id", TABLE.select);
        for row in sql(text).bind_all(volumes).fetch_all(conn).await? {
            found.push(from_row(&row)?);
        }
    }
    Ok(found)
}

/// Does nothing when it is gone already.
pub async fn delete(conn: &mut Conn, id: AttachmentId) -> Result<()> {
    sql("DELETE FROM attachments WHERE id = $1").bind(id).execute(conn).await.map(drop)
}

/// All of a volume: a forced detach.
pub async fn delete_of_volume(conn: &mut Conn, volume: VolumeId) -> Result<()> {
    sql("DELETE FROM attachments WHERE volume_id = $1").bind(volume).execute(conn).await.map(drop)
}

/// The volume is now another project's.
pub async fn give(conn: &mut Conn, volume: VolumeId, project_id: &str) -> Result<()> {
    let text = "UPDATE attachments SET project_id = $2 WHERE volume_id = $1";
    sql(text).bind(volume).bind(project_id).execute(conn).await.map(drop)
}

/// Clients match other words than those of the other nouns.
fn in_words(error: Error, id: &str) -> Error {
    if error.kind() == Kind::NotFound { missing(id) } else { error }
}

fn from_row(row: &Row) -> Result<Attachment> {
    Ok(Attachment {
        id: row.id("id")?,
        volume_id: row.id("volume_id")?,
        project_id: row.text("project_id")?,
        instance_id: row.opt_text("instance_id")?,
        attached_host: row.opt_text("attached_host")?,
        mountpoint: row.opt_text("mountpoint")?,
        attach_mode: row.text("attach_mode")?,
        attach_status: row.word(TABLE.name, "attach_status", AttachStatus::parse)?,
        attached_at: row.opt_time("attached_at")?,
        connector: row.opt_text("connector")?,
        connection_info: row.opt_text("connection_info")?,
        created_at: row.time("created_at")?,
        updated_at: row.opt_time("updated_at")?,
    })
}
