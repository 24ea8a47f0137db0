//! Who may use a type that is not public. Table `volume_type_projects`.

use domain::Result;

use crate::conn::{Conn, sql};

/// The projects, by id.
pub async fn list(conn: &mut Conn, type_id: &str) -> Result<Vec<String>> {
    let rows = sql("SELECT project_id FROM volume_type_projects WHERE volume_type_id = $1 ORDER BY project_id")
        .bind(type_id)
        .fetch_all(conn)
        .await?;
    rows.iter().map(|row| row.text("project_id")).collect()
}

/// False when the project had it already. The type must exist.
pub async fn add(conn: &mut Conn, type_id: &str, project_id: &str) -> Result<bool> {
    let added = sql("INSERT INTO volume_type_projects (volume_type_id, project_id) VALUES ($1, $2)
         ON CONFLICT (volume_type_id, project_id) DO NOTHING")
    .bind(type_id)
    .bind(project_id)
    .execute(conn)
    .await?;
    Ok(added > 0)
}

/// False when the project did not have it.
pub async fn remove(conn: &mut Conn, type_id: &str, project_id: &str) -> Result<bool> {
    let removed = sql("DELETE FROM volume_type_projects WHERE volume_type_id = $1 AND project_id = $2")
        .bind(type_id)
        .bind(project_id)
        .execute(conn)
        .await?;
    Ok(removed > 0)
}
