//! Group types. Table `group_types`; their specs are pairs in `resource_metadata`.

use domain::group_type::{GroupType, exists};
use domain::ids::GroupTypeId;
use domain::{Kind, Result, Timestamp};

use crate::conn::{Conn, sql};
use crate::metadata::{self, Pairs};
use crate::row::Row;
use crate::table::{Table, placeholders};
use crate::{ListQuery, Scope, list};

/// Columns that a list may be filtered and sorted by.
pub const COLUMNS: &[&str] = &["id", "name", "description", "is_public", "created_at", "updated_at"];

pub(crate) const TABLE: Table = Table {
    name: "group_types",
    noun: "Group type",
    columns: COLUMNS,
    select: "id, name, description, is_public, created_at, updated_at",
    visible: "TRUE",
    job_column: "",
};

/// With its specs.
///
/// # Errors
/// `Conflict` when there is one of that name.
pub async fn insert(conn: &mut Conn, kind: &GroupType, specs: &Pairs) -> Result<()> {
    let text = format!("INSERT INTO group_types ({}) VALUES ({})", TABLE.select, placeholders(1, 6));
    let inserted = sql(text)
        .bind(kind.id)
        .bind(&kind.name)
        .bind(&kind.description)
        .bind(kind.is_public)
        .bind(kind.created_at)
        .bind(kind.updated_at)
        .execute(conn)
        .await;
    named_once(inserted, &kind.name)?;
    metadata::replace(conn, &kind.id.to_string(), specs).await
}

/// `NotFound` ("Group type {id} could not be found.") also when the text is no UUID.
pub async fn get(conn: &mut Conn, id: &str) -> Result<GroupType> {
    from_row(&TABLE.get::<GroupTypeId>(conn, &Scope::All, id).await?)
}

/// `None` when there is none of that name.
pub async fn find(conn: &mut Conn, name: &str) -> Result<Option<GroupType>> {
    let text = format!("SELECT {} FROM group_types WHERE name = $1", TABLE.select);
    sql(text).bind(name).fetch_optional(conn).await?.as_ref().map(from_row).transpose()
}

/// One page.
pub async fn list(conn: &mut Conn, query: &ListQuery) -> Result<Vec<GroupType>> {
    list::rows(conn, &TABLE, query).await?.iter().map(from_row).collect()
}

/// Writes everything but id and specs. Also the type's lock until the transaction ends.
///
/// # Errors
/// `Conflict` when another type has that name.
pub async fn update(conn: &mut Conn, kind: &GroupType) -> Result<()> {
    let updated =
        sql("UPDATE group_types SET name = $2, description = $3, is_public = $4, updated_at = $5 WHERE id = $1")
            .bind(kind.id)
            .bind(&kind.name)
            .bind(&kind.description)
            .bind(kind.is_public)
            .bind(kind.updated_at)
            .execute(conn)
            .await;
    named_once(updated, &kind.name)
}

/// Removes the row with its specs.
pub async fn delete(conn: &mut Conn, id: GroupTypeId) -> Result<()> {
    metadata::clear(conn, &id.to_string()).await?;
    sql("DELETE FROM group_types WHERE id = $1").bind(id).execute(conn).await.map(drop)
}

/// Notes that the specs change now. Also the type's lock until the transaction ends, so that two changes see each other's.
pub async fn touch(conn: &mut Conn, id: GroupTypeId, now: Timestamp) -> Result<()> {
    sql("UPDATE group_types SET updated_at = $2 WHERE id = $1").bind(id).bind(now).execute(conn).await.map(drop)
}

/// The one constraint on these rows is that names are unique.
fn named_once(written: Result<u64>, name: &str) -> Result<()> {
    written.map(drop).map_err(|error| match error.kind() {
        Kind::Conflict => exists(name).with_source(error),
        _ => error,
    })
}

fn from_row(row: &Row) -> Result<GroupType> {
    Ok(GroupType {
        id: row.id("id")?,
        name: row.text("name")?,
        description: row.opt_text("description")?,
        is_public: row.bool("is_public")?,
        created_at: row.time("created_at")?,
        updated_at: row.opt_time("updated_at")?,
    })
}
