//! Qos specs: limits that types' volumes are to be held to, by name. Tables `qos_specs` and `qos_spec_values`.

use std::collections::BTreeMap;

use domain::{Error, Kind, Result, Timestamp};

use crate::conn::{Conn, sql};
use crate::pairs::{PairTable, Pairs};
use crate::row::Row;
use crate::table::{Table, placeholders};
use crate::{ListQuery, list};

/// A named set of limits; the limits themselves are pairs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QosSpecs {
    pub id: String,
    pub name: String,
    /// Who is to obey: `front-end`, `back-end` or `both`.
    pub consumer: String,
    pub created_at: Timestamp,
    pub updated_at: Option<Timestamp>,
}

/// Columns that a list may be filtered and sorted by.
pub const COLUMNS: &[&str] = &["id", "name", "consumer", "created_at", "updated_at"];

pub(crate) const TABLE: Table = Table {
    name: "qos_specs",
    noun: "QoS specs",
    columns: COLUMNS,
    select: "id, name, consumer, created_at, updated_at",
    visible: "TRUE",
    // Specs change at once.
    job_column: "",
};

const VALUES: PairTable = PairTable { name: "qos_spec_values", owner: "qos_specs_id" };

/// Errors: `Conflict` when there are some of that name.
pub async fn insert(conn: &mut Conn, specs: &QosSpecs, values: &Pairs) -> Result<()> {
    let text = format!("INSERT INTO qos_specs ({}) VALUES ({})", TABLE.select, placeholders(1, 5));
    let inserted = sql(text)
        .bind(&specs.id)
        .bind(&specs.name)
        .bind(&specs.consumer)
        .bind(specs.created_at)
        .bind(specs.updated_at)
        .execute(conn)
        .await;
    inserted.map_err(|error| match error.kind() {
        Kind::Conflict => {
            Error::new(Kind::Conflict, format!("QoS Specs {} already exists.", specs.name)).with_source(error)
        }
        _ => error,
    })?;
    VALUES.merge(conn, &specs.id, values).await
}

/// `NotFound` ("No such QoS spec {id}.").
pub async fn get(conn: &mut Conn, id: &str) -> Result<QosSpecs> {
    let text = format!("SELECT {} FROM qos_specs WHERE id = $1", TABLE.select);
    let missing = || Error::new(Kind::NotFound, format!("No such QoS spec {id}."));
    from_row(&sql(text).bind(id).fetch_optional(conn).await?.ok_or_else(missing)?)
}

/// One page. Specs belong to no project: the query's scope is `All`.
pub async fn page(conn: &mut Conn, query: &ListQuery) -> Result<Vec<QosSpecs>> {
    list::rows(conn, &TABLE, query).await?.iter().map(from_row).collect()
}

/// The limits of one set.
pub async fn values(conn: &mut Conn, id: &str) -> Result<Pairs> {
    VALUES.get(conn, id).await
}

/// Of several, in one query; a set without limits is absent.
pub async fn values_of_many(conn: &mut Conn, ids: &[String]) -> Result<BTreeMap<String, Pairs>> {
    VALUES.get_many(conn, ids).await
}

/// Adds and overwrites limits, and changes who is to obey. False when there are no such specs.
pub async fn update(conn: &mut Conn, id: &str, consumer: Option<&str>, values: &Pairs, now: Timestamp) -> Result<bool> {
    let updated = sql("UPDATE qos_specs SET consumer = COALESCE($2, consumer), updated_at = $3 WHERE id = $1")
        .bind(id)
        .bind(consumer)
        .bind(now)
        .execute(conn)
        .await?;
    if updated == 0 {
        return Ok(false);
    }
    VALUES.merge(conn, id, values).await?;
    Ok(true)
}

/// False when the key was not there.
pub async fn remove(conn: &mut Conn, id: &str, key: &str) -> Result<bool> {
    VALUES.remove(conn, id, key).await
}

/// Removes the row with its limits. Errors: `Conflict` while a type obeys them.
pub async fn delete(conn: &mut Conn, id: &str) -> Result<()> {
    sql("DELETE FROM qos_specs WHERE id = $1").bind(id).execute(conn).await.map(drop)
}

fn from_row(row: &Row) -> Result<QosSpecs> {
    Ok(QosSpecs {
        id: row.text("id")?,
        name: row.text("name")?,
        consumer: row.text("consumer")?,
        created_at: row.time("created_at")?,
        updated_at: row.opt_time("updated_at")?,
    })
}
