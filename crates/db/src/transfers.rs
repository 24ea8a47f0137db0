//! Offers of volumes. Table `transfers`: one row per volume at most, until the offer is accepted or taken back; it goes with
//! the volume. Who writes holds the lock of the volume's row.

use domain::ids::TransferId;
use domain::transfer::Transfer;
use domain::{Result, VolumeId};

use crate::conn::{Conn, sql};
use crate::row::Row;
use crate::table::{Table, placeholders};
use crate::{ListQuery, Scope, list};

/// Columns that a list may be filtered and sorted by.
pub const COLUMNS: &[&str] = &["id", "name", "volume_id", "project_id", "created_at"];

pub(crate) const TABLE: Table = Table {
    name: "transfers",
    noun: "Transfer",
    columns: COLUMNS,
    select: "id, volume_id, project_id, name, no_snapshots, salt, key_hash, created_at",
    visible: "TRUE",
    job_column: "",
};

/// `Conflict` when the volume is gone, or has another offer.
pub async fn insert(conn: &mut Conn, transfer: &Transfer) -> Result<()> {
    sql(format!("INSERT INTO transfers ({}) VALUES ({})", TABLE.select, placeholders(1, 8)))
        .bind(transfer.id)
        .bind(transfer.volume_id)
        .bind(&transfer.project_id)
        .bind(&transfer.name)
        .bind(transfer.no_snapshots)
        .bind(&transfer.salt)
        .bind(&transfer.key_hash)
        .bind(transfer.created_at)
        .execute(conn)
        .await
        .map(drop)
}

/// `NotFound` ("Transfer {id} could not be found.") also when the row is another project's or the text is no UUID.
pub async fn get(conn: &mut Conn, scope: &Scope, id: &str) -> Result<Transfer> {
    from_row(&TABLE.get::<TransferId>(conn, scope, id).await?)
}

/// One page.
pub async fn list(conn: &mut Conn, query: &ListQuery) -> Result<Vec<Transfer>> {
    list::rows(conn, &TABLE, query).await?.iter().map(from_row).collect()
}

/// Of a volume, if there is one: accepted, taken back, or left over from before an operator's reset.
pub async fn delete_of_volume(conn: &mut Conn, volume: VolumeId) -> Result<()> {
    sql("DELETE FROM transfers WHERE volume_id = $1").bind(volume).execute(conn).await.map(drop)
}

fn from_row(row: &Row) -> Result<Transfer> {
    Ok(Transfer {
        id: row.id("id")?,
        volume_id: row.id("volume_id")?,
        project_id: row.text("project_id")?,
        name: row.opt_text("name")?,
        no_snapshots: row.bool("no_snapshots")?,
        salt: row.text("salt")?,
        key_hash: row.text("key_hash")?,
        created_at: row.time("created_at")?,
    })
}
