//! Volume types. Table `volume_types`: one is there from the start, `__DEFAULT__`.

pub mod access;
pub mod defaults;
pub mod encryption;
pub mod extra_specs;

use std::collections::BTreeMap;

use domain::{Error, Kind, Result, Timestamp};

use crate::conn::{Conn, sql};
use crate::row::Row;
use crate::table::{Table, members, placeholders};
use crate::{ListQuery, Scope, list, quotas};

/// A class of volumes. What it asks of them is in its extra specs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VolumeType {
    pub id: String,
    pub name: String,
    pub description: Option<String>,
    /// Of the others only the projects of [`access`] know.
    pub is_public: bool,
    pub qos_specs_id: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Option<Timestamp>,
}

/// The type of a volume that was asked for without one, where nobody said otherwise.
pub const DEFAULT_NAME: &str = "__DEFAULT__";

/// Columns that a list may be filtered and sorted by.
pub const COLUMNS: &[&str] = &["id", "name", "description", "is_public", "qos_specs_id", "created_at", "updated_at"];

/// Types per statement: both databases bound the number of parameters.
const CHUNK: usize = 1000;

pub(crate) const TABLE: Table = Table {
    name: "volume_types",
    noun: "Volume type",
    columns: COLUMNS,
    select: "id, name, description, is_public, qos_specs_id, created_at, updated_at",
    visible: "TRUE",
    // Types change at once.
    job_column: "",
};

/// Errors: `Conflict` when there is one of that name.
pub async fn insert(conn: &mut Conn, kind: &VolumeType) -> Result<()> {
    let text = format!("INSERT INTO volume_types ({}) VALUES ({})", TABLE.select, placeholders(1, 7));
    let inserted = sql(text)
        .bind(&kind.id)
        .bind(&kind.name)
        .bind(&kind.description)
        .bind(kind.is_public)
        .bind(&kind.qos_specs_id)
        .bind(kind.created_at)
        .bind(kind.updated_at)
        .execute(conn)
        .await;
    named_once(inserted, &kind.name)
}

/// All of them, by name.
pub async fn list(conn: &mut Conn) -> Result<Vec<VolumeType>> {
    let rows = sql(format!("SELECT {} FROM volume_types ORDER BY name", TABLE.select)).fetch_all(conn).await?;
    rows.iter().map(from_row).collect()
}

/// One page. Types belong to no project: the query's scope is [`Scope::All`], and who may see what is a filter.
pub async fn page(conn: &mut Conn, query: &ListQuery) -> Result<Vec<VolumeType>> {
    list::rows(conn, &TABLE, query).await?.iter().map(from_row).collect()
}

/// `NotFound` ("Volume type {id} could not be found.") also when the type is none of the project's.
pub async fn get(conn: &mut Conn, scope: &Scope, id: &str) -> Result<VolumeType> {
    by(conn, scope, "id", id).await?.ok_or_else(|| Error::not_found(TABLE.noun, id))
}

/// By id or by name, an id winning over another type's name; `None` also when the type is none of the project's.
pub async fn find(conn: &mut Conn, scope: &Scope, name_or_id: &str) -> Result<Option<VolumeType>> {
    match by(conn, scope, "id", name_or_id).await? {
        Some(found) => Ok(Some(found)),
        None => by(conn, scope, "name", name_or_id).await,
    }
}

async fn by(conn: &mut Conn, scope: &Scope, column: &'static str, value: &str) -> Result<Option<VolumeType>> {
    let text = format!("SELECT {} FROM volume_types WHERE {column} = $1", TABLE.select);
    let query = match scope {
        Scope::All => sql(text).bind(value),
        Scope::Project(project_id) => {
            sql(format!("{text} AND {}", usable_by("volume_types", "$2"))).bind(value).bind(project_id)
        }
    };
    query.fetch_optional(conn).await?.as_ref().map(from_row).transpose()
}

/// Holds of a type that is public or granted to the project in `param`.
pub(crate) fn usable_by(table: &str, param: &str) -> String {
    format!(
        "({table}.is_public OR EXISTS (SELECT 1 FROM volume_type_projects p
            WHERE p.volume_type_id = {table}.id AND p.project_id = {param}))"
    )
}

/// What the view of a volume says of its type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Summary {
    pub name: String,
    pub is_encrypted: bool,
}

/// Of several types by their ids, in one query.
pub async fn summaries(conn: &mut Conn, ids: &[String]) -> Result<BTreeMap<String, Summary>> {
    let mut found = BTreeMap::new();
    for ids in ids.chunks(CHUNK) {
        let (list, ids) = members(1, ids);
        let text = format!(
            "SELECT id, name, EXISTS (SELECT 1 FROM volume_type_encryptions e WHERE e.volume_type_id = volume_types.id)
                AS is_encrypted
             FROM volume_types WHERE id IN ({list})"
        );
        for row in sql(text).bind_all(ids).fetch_all(conn).await? {
            let summary = Summary { name: row.text("name")?, is_encrypted: row.bool("is_encrypted")? };
            found.insert(row.text("id")?, summary);
        }
    }
    Ok(found)
}

/// Writes name, description and whether it is public.
///
/// Errors: `Conflict` when another type has that name.
pub async fn update(conn: &mut Conn, kind: &VolumeType) -> Result<()> {
    let updated =
        sql("UPDATE volume_types SET name = $2, description = $3, is_public = $4, updated_at = $5 WHERE id = $1")
            .bind(&kind.id)
            .bind(&kind.name)
            .bind(&kind.description)
            .bind(kind.is_public)
            .bind(kind.updated_at)
            .execute(conn)
            .await;
    named_once(updated, &kind.name)
}

/// Removes the row with its specs, accesses and encryption.
///
/// Errors: `Conflict` while a volume, a group or a project's default is of the type.
pub async fn delete(conn: &mut Conn, id: &str) -> Result<()> {
    quotas::forget_type(conn, id).await?;
    sql("DELETE FROM volume_types WHERE id = $1").bind(id).execute(conn).await.map(drop)
}

/// Whether there are volumes of the type, and until the transaction ends the answer stays: new ones wait.
pub async fn is_in_use(conn: &mut Conn, id: &str) -> Result<bool> {
    // A volume's row locks its type's against this, by the foreign key.
    let lock = conn.row_lock();
    sql(format!("SELECT id FROM volume_types WHERE id = $1{lock}")).bind(id).fetch_optional(conn).await?;
    let volume = sql("SELECT id FROM volumes WHERE volume_type_id = $1 LIMIT 1").bind(id).fetch_optional(conn).await?;
    Ok(volume.is_some())
}

/// The one constraint on these rows that a caller can hit is that names are unique.
fn named_once(written: Result<u64>, name: &str) -> Result<()> {
    written.map(drop).map_err(|error| match error.kind() {
        Kind::Conflict => Error::new(Kind::Conflict, format!("Volume Type {name} already exists.")).with_source(error),
        _ => error,
    })
}

pub(crate) fn from_row(row: &Row) -> Result<VolumeType> {
    Ok(VolumeType {
        id: row.text("id")?,
        name: row.text("name")?,
        description: row.opt_text("description")?,
        is_public: row.bool("is_public")?,
        qos_specs_id: row.opt_text("qos_specs_id")?,
        created_at: row.time("created_at")?,
        updated_at: row.opt_time("updated_at")?,
    })
}

/// The types that obey these qos specs, by name.
pub async fn of_qos_specs(conn: &mut Conn, qos_specs_id: &str) -> Result<Vec<VolumeType>> {
    let text = format!("SELECT {} FROM volume_types WHERE qos_specs_id = $1 ORDER BY name", TABLE.select);
    sql(text).bind(qos_specs_id).fetch_all(conn).await?.iter().map(from_row).collect()
}

/// False when the type obeys other qos specs already. Errors: `Conflict` when there are no such specs.
pub async fn set_qos_specs(conn: &mut Conn, id: &str, qos_specs_id: &str, now: Timestamp) -> Result<bool> {
    let changed = sql("UPDATE volume_types SET qos_specs_id = $2, updated_at = $3
         WHERE id = $1 AND COALESCE(qos_specs_id, $2) = $2")
    .bind(id)
    .bind(qos_specs_id)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(changed > 0)
}

/// The type, or with `None` every type, obeys these qos specs no longer.
pub async fn clear_qos_specs(conn: &mut Conn, id: Option<&str>, qos_specs_id: &str, now: Timestamp) -> Result<()> {
    sql("UPDATE volume_types SET qos_specs_id = NULL, updated_at = $3
         WHERE qos_specs_id = $2 AND id = COALESCE($1, id)")
    .bind(id)
    .bind(qos_specs_id)
    .bind(now)
    .execute(conn)
    .await
    .map(drop)
}
