//! Attachment rows. Table `attachments`: the servers and hosts that use a volume; they go with it.

use domain::ids::AttachmentId;
use domain::volume::{AttachStatus, Attachment};
use domain::{Result, VolumeId};

use crate::conn::{Conn, sql};
use crate::row::Row;
use crate::table::placeholders;

const TABLE: &str = "attachments";

const COLUMNS: &str = "id, volume_id, instance_id, attached_host, mountpoint, attach_mode, attach_status, attached_at";

/// Volumes per statement: both databases bound the number of parameters.
const CHUNK: usize = 1000;

/// `Conflict` when the volume is gone.
pub async fn insert(conn: &mut Conn, attachment: &Attachment) -> Result<()> {
    sql(format!("INSERT INTO attachments ({COLUMNS}) VALUES ({})", placeholders(1, 8)))
        .bind(attachment.id)
        .bind(attachment.volume_id)
        .bind(&attachment.instance_id)
        .bind(&attachment.attached_host)
        .bind(&attachment.mountpoint)
        .bind(&attachment.attach_mode)
        .bind(attachment.attach_status.as_str())
        .bind(attachment.attached_at)
        .execute(conn)
        .await
        .map(drop)
}

/// Those of the volumes in `volumes`, in one query.
pub async fn of_volumes(conn: &mut Conn, volumes: &[VolumeId]) -> Result<Vec<Attachment>> {
    let mut found = Vec::new();
    for volumes in volumes.chunks(CHUNK) {
        let text = format!(
            "SELECT {COLUMNS} FROM attachments WHERE volume_id IN ({}) ORDER BY volume_id, id",
            placeholders(1, volumes.len())
        );
        for row in sql(text).bind_all(volumes.iter().copied()).fetch_all(conn).await? {
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

fn from_row(row: &Row) -> Result<Attachment> {
    Ok(Attachment {
        id: row.id("id")?,
        volume_id: row.id("volume_id")?,
        instance_id: row.opt_text("instance_id")?,
        attached_host: row.opt_text("attached_host")?,
        mountpoint: row.opt_text("mountpoint")?,
        attach_mode: row.text("attach_mode")?,
        attach_status: row.word(TABLE, "attach_status", AttachStatus::parse)?,
        attached_at: row.opt_time("attached_at")?,
    })
}
