//! Volume types. Table `volume_types`: one is there from the start, `__DEFAULT__`.

pub mod extra_specs;

use domain::Result;

use crate::conn::{Conn, sql};
use crate::row::Row;

/// What `volume_type` of a volume can name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VolumeType {
    pub id: String,
    pub name: String,
    pub description: Option<String>,
    pub is_public: bool,
}

/// The type of a volume that was asked for without one.
pub const DEFAULT_NAME: &str = "__DEFAULT__";

/// All of them, by name.
pub async fn list(conn: &mut Conn) -> Result<Vec<VolumeType>> {
    let rows = sql("SELECT id, name, description, is_public FROM volume_types ORDER BY name").fetch_all(conn).await?;
    rows.iter().map(from_row).collect()
}

/// By id or by name; `None` when there is none.
pub async fn find(conn: &mut Conn, name_or_id: &str) -> Result<Option<VolumeType>> {
    // An id wins over another type's name.
    let row = sql("SELECT id, name, description, is_public FROM volume_types WHERE id = $1 OR name = $1
         ORDER BY CASE WHEN id = $1 THEN 0 ELSE 1 END LIMIT 1")
    .bind(name_or_id)
    .fetch_optional(conn)
    .await?;
    row.as_ref().map(from_row).transpose()
}

fn from_row(row: &Row) -> Result<VolumeType> {
    Ok(VolumeType {
        id: row.text("id")?,
        name: row.text("name")?,
        description: row.opt_text("description")?,
        is_public: row.bool("is_public")?,
    })
}
