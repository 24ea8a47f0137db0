//! What a project may hold and what it holds. Usage changes in the transaction that changes the rows, so it is their sum at
//! every commit.
//!
//! Tables `quota_classes` (the defaults that an administrator set), `quotas` (a project's own limits) and `quota_usages` (what
//! it holds). All usage rows of a project are made at once and the first one is locked, so that two transactions of one
//! project queue and never deadlock.

use std::collections::BTreeMap;

use domain::quota::{self, Counter, Holding, Limits, Resource};
use domain::{Error, JobId, Result};

use crate::conn::{Conn, sql};
use crate::row::Row;
use crate::types;

/// The class whose limits hold for every project that has none of its own.
pub const DEFAULT_CLASS: &str = "default";

/// What a project may hold; -1 is unlimited.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Allowed {
    configured: Limits,
    /// Later words over the configured ones, and whatever was said of a volume type.
    set: BTreeMap<Counter, i64>,
}

impl Allowed {
    #[must_use]
    pub fn of(&self, counter: &Counter) -> i64 {
        let otherwise = || if counter.volume_type_id.is_some() { -1 } else { self.configured.of(counter.resource) };
        self.set.get(counter).copied().unwrap_or_else(otherwise)
    }

    #[must_use]
    pub fn plain(&self, resource: Resource) -> i64 {
        self.of(&resource.into())
    }
}

/// What a project holds.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Usage(BTreeMap<Counter, i64>);

impl Usage {
    /// 0 where the project never held any.
    #[must_use]
    pub fn of(&self, counter: &Counter) -> i64 {
        self.0.get(counter).copied().unwrap_or(0)
    }

    #[must_use]
    pub fn plain(&self, resource: Resource) -> i64 {
        self.of(&resource.into())
    }

    /// All that was ever counted for the project.
    pub fn iter(&self) -> impl Iterator<Item = (&Counter, i64)> {
        self.0.iter().map(|(counter, in_use)| (counter, *in_use))
    }
}

/// The project's limits: its own over those of the default class over the configured ones.
pub async fn limits(conn: &mut Conn, project_id: &str, configured: &Limits) -> Result<Allowed> {
    let mut allowed = class_limits(conn, DEFAULT_CLASS, configured).await?;
    let rows = sql("SELECT resource AS id, resource, volume_type_id, hard_limit FROM quotas WHERE project_id = $1")
        .bind(project_id)
        .fetch_all(conn)
        .await?;
    allowed.set.extend(counted(&rows, "quotas", "hard_limit")?);
    Ok(allowed)
}

/// The limits that a class of projects has; those of [`DEFAULT_CLASS`] are every project's.
pub async fn class_limits(conn: &mut Conn, class: &str, configured: &Limits) -> Result<Allowed> {
    let rows =
        sql("SELECT resource AS id, resource, volume_type_id, hard_limit FROM quota_classes WHERE class_name = $1")
            .bind(class)
            .fetch_all(conn)
            .await?;
    Ok(Allowed { configured: *configured, set: counted(&rows, "quota_classes", "hard_limit")? })
}

/// -1 is unlimited. A limit below the usage only refuses more.
pub async fn set_limit(conn: &mut Conn, project_id: &str, counter: &Counter, limit: i64) -> Result<()> {
    sql("INSERT INTO quotas (project_id, resource, volume_type_id, hard_limit) VALUES ($1, $2, $3, $4)
         ON CONFLICT (project_id, resource, volume_type_id) DO UPDATE SET hard_limit = excluded.hard_limit")
    .bind(project_id)
    .bind(counter.resource.as_str())
    .bind(type_column(counter))
    .bind(limit)
    .execute(conn)
    .await
    .map(drop)
}

/// As [`set_limit`], for a class of projects.
pub async fn set_class_limit(conn: &mut Conn, class: &str, counter: &Counter, limit: i64) -> Result<()> {
    sql("INSERT INTO quota_classes (class_name, resource, volume_type_id, hard_limit) VALUES ($1, $2, $3, $4)
         ON CONFLICT (class_name, resource, volume_type_id) DO UPDATE SET hard_limit = excluded.hard_limit")
    .bind(class)
    .bind(counter.resource.as_str())
    .bind(type_column(counter))
    .bind(limit)
    .execute(conn)
    .await
    .map(drop)
}

/// The project has no limits of its own any more.
pub async fn clear_limits(conn: &mut Conn, project_id: &str) -> Result<()> {
    sql("DELETE FROM quotas WHERE project_id = $1").bind(project_id).execute(conn).await.map(drop)
}

/// A volume type goes, and the limits that were set for it.
pub(crate) async fn forget_type(conn: &mut Conn, volume_type_id: &str) -> Result<()> {
    for table in ["quotas", "quota_classes"] {
        sql(format!("DELETE FROM {table} WHERE volume_type_id = $1")).bind(volume_type_id).execute(conn).await?;
    }
    Ok(())
}

/// What the project holds.
pub async fn usage(conn: &mut Conn, project_id: &str) -> Result<Usage> {
    let rows = sql("SELECT resource AS id, resource, volume_type_id, in_use FROM quota_usages WHERE project_id = $1")
        .bind(project_id)
        .fetch_all(conn)
        .await?;
    counted(&rows, "quota_usages", "in_use").map(Usage)
}

/// Adds the holding or refuses all of it with `OverLimit`; resources are looked at in the order of their names, the size of a
/// single volume before them. Also the project's lock until the transaction ends.
pub async fn charge(conn: &mut Conn, project_id: &str, configured: &Limits, holding: &Holding) -> Result<()> {
    let amounts = holding.sums()?;
    lock(conn, project_id, &amounts).await?;
    let allowed = limits(conn, project_id, configured).await?;
    let (largest, limit) = (holding.largest_volume_gb(), allowed.plain(Resource::PerVolumeGigabytes));
    if limit >= 0 && largest > limit {
        let resource = Resource::PerVolumeGigabytes;
        return Err(quota::exceeded(resource, resource.as_str(), largest, limit, 0));
    }
    let usage = usage(conn, project_id).await?;
    for (counter, amount) in &amounts {
        let (used, limit) = (usage.of(counter), allowed.of(counter));
        // What adds nothing exceeds nothing, even where the limit was set below the usage.
        if limit >= 0 && *amount > 0 && used.saturating_add(*amount) > limit {
            let name = name(conn, counter).await?;
            return Err(quota::exceeded(counter.resource, &name, *amount, limit, used));
        }
    }
    add(conn, project_id, &amounts, 1).await
}

/// Locks the project until the transaction ends. Whoever changes rows of a project does this first, so that requests and ends
/// of jobs queue and never wait in a circle.
pub async fn hold(conn: &mut Conn, project_id: &str) -> Result<()> {
    lock(conn, project_id, &BTreeMap::new()).await
}

/// As [`hold`], for the project that the job was accepted for.
pub async fn hold_for_job(conn: &mut Conn, id: JobId) -> Result<()> {
    let found = sql("SELECT id, project_id FROM jobs WHERE id = $1").bind(id).fetch_optional(conn).await?;
    match found {
        Some(row) => hold(conn, &row.text("project_id")?).await,
        None => Ok(()),
    }
}

/// Adds what is there already, whatever the limits say.
pub async fn record(conn: &mut Conn, project_id: &str, holding: &Holding) -> Result<()> {
    let amounts = holding.sums()?;
    lock(conn, project_id, &amounts).await?;
    add(conn, project_id, &amounts, 1).await
}

/// Gives back; never refuses. `Internal` when more would be given back than is held: then usage is not the rows' sum.
pub async fn release(conn: &mut Conn, project_id: &str, holding: &Holding) -> Result<()> {
    let amounts = holding.sums()?;
    lock(conn, project_id, &amounts).await?;
    add(conn, project_id, &amounts, -1).await
}

/// Takes the holding from one project to another, or refuses as [`charge`] does. Both are locked in the order of their
/// names, so that two that exchange things never wait in a circle.
pub async fn transfer(conn: &mut Conn, from: &str, to: &str, configured: &Limits, holding: &Holding) -> Result<()> {
    let amounts = holding.sums()?;
    lock(conn, from.min(to), &amounts).await?;
    lock(conn, from.max(to), &amounts).await?;
    charge(conn, to, configured, holding).await?;
    add(conn, from, &amounts, -1).await
}

/// What a volume and its snapshots counted for as ones of their old type they count for as ones of the new, or it is refused
/// as by [`charge`]. The caller writes the type into the rows in the same transaction.
pub async fn retype(
    conn: &mut Conn,
    project_id: &str,
    configured: &Limits,
    before: Holding,
    after: Holding,
) -> Result<()> {
    charge(conn, project_id, configured, &after.of_types()).await?;
    release(conn, project_id, &before.of_types()).await
}

/// Locks the project's first row until the transaction ends and makes the others where they are missing.
async fn lock(conn: &mut Conn, project_id: &str, amounts: &BTreeMap<Counter, i64>) -> Result<()> {
    if !lock_first(conn, project_id).await? {
        let plain: Vec<_> = Resource::ALL.iter().map(|resource| Counter::from(*resource)).collect();
        make(conn, project_id, &plain).await?;
        lock_first(conn, project_id).await?;
    }
    let of_types: Vec<_> = amounts.keys().filter(|counter| counter.volume_type_id.is_some()).cloned().collect();
    if of_types.is_empty() { Ok(()) } else { make(conn, project_id, &of_types).await }
}

/// False when there is no row yet.
async fn lock_first(conn: &mut Conn, project_id: &str) -> Result<bool> {
    let text =
        "UPDATE quota_usages SET in_use = in_use WHERE project_id = $1 AND resource = $2 AND volume_type_id = ''";
    let first = Resource::ALL.first().map(|resource| resource.as_str());
    Ok(sql(text).bind(project_id).bind(first).execute(conn).await? > 0)
}

async fn make(conn: &mut Conn, project_id: &str, counters: &[Counter]) -> Result<()> {
    let rows: Vec<_> = (0..counters.len()).map(|at| format!("($1, ${}, ${}, 0)", 2 * at + 2, 2 * at + 3)).collect();
    let text = format!(
        "INSERT INTO quota_usages (project_id, resource, volume_type_id, in_use) VALUES {}
         ON CONFLICT (project_id, resource, volume_type_id) DO NOTHING",
        rows.join(", ")
    );
    let words = counters.iter().flat_map(|counter| [counter.resource.as_str(), type_column(counter)]);
    sql(text).bind(project_id).bind_all(words).execute(conn).await.map(drop)
}

/// `sign` is 1 or -1. The rows are there: the lock made them.
async fn add(conn: &mut Conn, project_id: &str, amounts: &BTreeMap<Counter, i64>, sign: i64) -> Result<()> {
    for (counter, amount) in amounts {
        let changed = sql("UPDATE quota_usages SET in_use = in_use + $4
             WHERE project_id = $1 AND resource = $2 AND volume_type_id = $3 AND in_use + $4 >= 0")
        .bind(project_id)
        .bind(counter.resource.as_str())
        .bind(type_column(counter))
        .bind(sign * amount)
        .execute(conn)
        .await?;
        if changed == 0 {
            return Err(Error::internal(format!(
                "Project {project_id} would hold less than nothing of {}: its usage is not the sum of its rows.",
                counter.resource
            )));
        }
    }
    Ok(())
}

/// What clients call it.
async fn name(conn: &mut Conn, counter: &Counter) -> Result<String> {
    let Some(id) = &counter.volume_type_id else { return Ok(counter.resource.to_string()) };
    let found = types::summaries(conn, std::slice::from_ref(id)).await?;
    Ok(format!("{}_{}", counter.resource, found.get(id).map_or(id, |kind| &kind.name)))
}

/// The column is part of the key, which takes no null.
fn type_column(counter: &Counter) -> &str {
    counter.volume_type_id.as_deref().unwrap_or_default()
}

fn counted(rows: &[Row], table: &str, column: &str) -> Result<BTreeMap<Counter, i64>> {
    let entry = |row: &Row| {
        let resource = row.word(table, "resource", Resource::parse)?;
        let volume_type_id = Some(row.text("volume_type_id")?).filter(|id| !id.is_empty());
        Ok((Counter { resource, volume_type_id }, row.i64(column)?))
    };
    rows.iter().map(entry).collect()
}
