//! The type of a project's volumes that are asked for without one. Table `default_volume_types`.

use domain::Result;

use crate::conn::{Conn, sql};
use crate::row::Row;

/// What one project's volumes are where nobody says otherwise.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DefaultType {
    pub project_id: String,
    pub volume_type_id: String,
}

/// `None` for a project that has none of its own.
pub async fn get(conn: &mut Conn, project_id: &str) -> Result<Option<DefaultType>> {
    let row = sql("SELECT project_id, volume_type_id FROM default_volume_types WHERE project_id = $1")
        .bind(project_id)
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(from_row).transpose()
}

/// Of all projects, by project.
pub async fn list(conn: &mut Conn) -> Result<Vec<DefaultType>> {
    let rows = sql("SELECT project_id, volume_type_id FROM default_volume_types ORDER BY project_id");
    rows.fetch_all(conn).await?.iter().map(from_row).collect()
}

/// Sets or replaces. Errors: `Conflict` when there is no such type.
pub async fn set(conn: &mut Conn, default: &DefaultType) -> Result<()> {
    sql("INSERT INTO default_volume_types (project_id, volume_type_id) VALUES ($1, $2)
         ON CONFLICT (project_id) DO UPDATE SET volume_type_id = excluded.volume_type_id")
    .bind(&default.project_id)
    .bind(&default.volume_type_id)
    .execute(conn)
    .await
    .map(drop)
}

/// Nothing happens to a project that has none.
pub async fn unset(conn: &mut Conn, project_id: &str) -> Result<()> {
    sql("DELETE FROM default_volume_types WHERE project_id = $1").bind(project_id).execute(conn).await.map(drop)
}

/// Whether the type is some project's default.
pub async fn is_any(conn: &mut Conn, type_id: &str) -> Result<bool> {
    let row = sql("SELECT project_id FROM default_volume_types WHERE volume_type_id = $1 LIMIT 1").bind(type_id);
    Ok(row.fetch_optional(conn).await?.is_some())
}

fn from_row(row: &Row) -> Result<DefaultType> {
    Ok(DefaultType { project_id: row.text("project_id")?, volume_type_id: row.text("volume_type_id")? })
}
