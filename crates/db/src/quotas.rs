//! What a project may hold and what it holds. Usage changes in the transaction that changes the rows, so it is their sum at
//! every commit.
//!
//! Tables `quotas` (a project's own limits) and `quota_usages` (what it holds). All usage rows of a project are made at once
//! and locked in the order of their resources' names, so that two transactions of one project queue and never deadlock.

use domain::quota::{self, Limits, Resource};
use domain::{Error, Result};

use crate::conn::{Conn, sql};

/// The project's limits: its own rows over `defaults`.
pub async fn limits(conn: &mut Conn, project_id: &str, defaults: &Limits) -> Result<Limits> {
    let mut limits = *defaults;
    let rows = sql("SELECT resource AS id, resource, hard_limit FROM quotas WHERE project_id = $1")
        .bind(project_id)
        .fetch_all(conn)
        .await?;
    for row in rows {
        let limit = match row.word("quotas", "resource", Resource::parse)? {
            Resource::Volumes => &mut limits.volumes,
            Resource::Gigabytes => &mut limits.gigabytes,
            Resource::Snapshots => &mut limits.snapshots,
            Resource::Backups => &mut limits.backups,
            Resource::BackupGigabytes => &mut limits.backup_gigabytes,
        };
        *limit = row.i64("hard_limit")?;
    }
    Ok(limits)
}

/// -1 is unlimited. A limit below the usage only refuses more.
pub async fn set_limit(conn: &mut Conn, project_id: &str, resource: Resource, limit: i64) -> Result<()> {
    sql("INSERT INTO quotas (project_id, resource, hard_limit) VALUES ($1, $2, $3)
         ON CONFLICT (project_id, resource) DO UPDATE SET hard_limit = excluded.hard_limit")
    .bind(project_id)
    .bind(resource.as_str())
    .bind(limit)
    .execute(conn)
    .await
    .map(drop)
}

/// Every resource, in the order of their names; 0 where the project never held any.
pub async fn usage(conn: &mut Conn, project_id: &str) -> Result<Vec<(Resource, i64)>> {
    let rows = sql("SELECT resource AS id, resource, in_use FROM quota_usages WHERE project_id = $1")
        .bind(project_id)
        .fetch_all(conn)
        .await?;
    let mut usage: Vec<_> = Resource::ALL.iter().map(|resource| (*resource, 0)).collect();
    for row in rows {
        let resource = row.word("quota_usages", "resource", Resource::parse)?;
        let in_use = row.i64("in_use")?;
        usage.iter_mut().filter(|(known, _)| *known == resource).for_each(|entry| entry.1 = in_use);
    }
    Ok(usage)
}

/// Adds each amount or refuses all with `OverLimit`; resources are looked at in the order of their names. Also the
/// project's lock until the transaction ends.
pub async fn charge(conn: &mut Conn, project_id: &str, defaults: &Limits, amounts: &[(Resource, i64)]) -> Result<()> {
    let amounts = in_order(amounts)?;
    lock(conn, project_id).await?;
    let limits = limits(conn, project_id, defaults).await?;
    let usage = usage(conn, project_id).await?;
    for &(resource, amount) in &amounts {
        let used = usage.iter().find(|(known, _)| *known == resource).map_or(0, |(_, used)| *used);
        let limit = limits.of(resource);
        if limit >= 0 && used.saturating_add(amount) > limit {
            return Err(quota::exceeded(resource, amount, limit, used));
        }
    }
    for (resource, amount) in amounts {
        add(conn, project_id, resource, amount).await?;
    }
    Ok(())
}

/// Adds what is there already, whatever the limits say: the bytes of an adopted volume.
pub async fn record(conn: &mut Conn, project_id: &str, amounts: &[(Resource, i64)]) -> Result<()> {
    let amounts = in_order(amounts)?;
    lock(conn, project_id).await?;
    for (resource, amount) in amounts {
        add(conn, project_id, resource, amount).await?;
    }
    Ok(())
}

/// Gives back; never refuses. `Internal` when more would be given back than is held: then usage is not the rows' sum.
pub async fn release(conn: &mut Conn, project_id: &str, amounts: &[(Resource, i64)]) -> Result<()> {
    let amounts = in_order(amounts)?;
    lock(conn, project_id).await?;
    for (resource, amount) in amounts {
        add(conn, project_id, resource, -amount).await?;
    }
    Ok(())
}

/// One amount per resource, by name.
fn in_order(amounts: &[(Resource, i64)]) -> Result<Vec<(Resource, i64)>> {
    let mut sums: Vec<(Resource, i64)> = Vec::new();
    for resource in Resource::ALL {
        let mut parts = amounts.iter().filter(|(wanted, _)| wanted == resource).map(|(_, amount)| *amount).peekable();
        if parts.peek().is_none() {
            continue;
        }
        let sum = parts.try_fold(0_i64, |sum, part| if part < 0 { None } else { sum.checked_add(part) });
        let sum =
            sum.ok_or_else(|| Error::internal(format!("A change of quota {resource} is negative or too large.")))?;
        sums.push((*resource, sum));
    }
    Ok(sums)
}

/// Makes the project's rows where they are missing and locks the first until the transaction ends.
async fn lock(conn: &mut Conn, project_id: &str) -> Result<()> {
    let rows: Vec<_> = (2..2 + Resource::ALL.len()).map(|at| format!("($1, ${at}, 0)")).collect();
    let text = format!(
        "INSERT INTO quota_usages (project_id, resource, in_use) VALUES {}
         ON CONFLICT (project_id, resource) DO NOTHING",
        rows.join(", ")
    );
    let words = Resource::ALL.iter().map(|resource| resource.as_str());
    sql(text).bind(project_id).bind_all(words).execute(conn).await?;
    sql("UPDATE quota_usages SET in_use = in_use WHERE project_id = $1 AND resource = $2")
        .bind(project_id)
        .bind(Resource::ALL.first().map(|resource| resource.as_str()))
        .execute(conn)
        .await
        .map(drop)
}

async fn add(conn: &mut Conn, project_id: &str, resource: Resource, amount: i64) -> Result<()> {
    let changed = sql("UPDATE quota_usages SET in_use = in_use + $3
         WHERE project_id = $1 AND resource = $2 AND in_use + $3 >= 0")
    .bind(project_id)
    .bind(resource.as_str())
    .bind(amount)
    .execute(conn)
    .await?;
    if changed == 0 {
        return Err(Error::internal(format!(
            "Project {project_id} would hold less than nothing of {resource}: its usage is not the sum of its rows."
        )));
    }
    Ok(())
}
