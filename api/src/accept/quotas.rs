//! Limits of projects and of classes of projects (contract §1.9).

use db::quotas;
use domain::quota::{Counter, Resource};
use domain::{Error, Result};

use crate::call::Call;

/// A limit to set, with the name that the caller knows it by.
pub(crate) type Change = (String, Counter, i64);

/// Writes all of them, or none when one is below what the project holds.
pub(crate) async fn set_limits(call: &Call, project_id: &str, changes: &[Change]) -> Result<()> {
    let mut tx = call.app.database.begin("set quota").await?;
    // The project's lock: what it holds stays as it is read here.
    quotas::hold(&mut tx, project_id).await?;
    let usage = quotas::usage(&mut tx, project_id).await?;
    for (name, counter, limit) in changes {
        let used = if counter.resource == Resource::PerVolumeGigabytes { 0 } else { usage.of(counter) };
        if (0..used).contains(limit) {
            return Err(Error::invalid(format!(
                "Quota {name} limit must be equal or greater than existing resources. Current usage is {used} and the \
                 requested limit is {limit}."
            )));
        }
        quotas::set_limit(&mut tx, project_id, counter, *limit).await?;
    }
    tx.commit().await
}

/// The project has what its class has, from now on.
pub(crate) async fn clear_limits(call: &Call, project_id: &str) -> Result<()> {
    let mut tx = call.app.database.begin("clear quota").await?;
    quotas::clear_limits(&mut tx, project_id).await?;
    tx.commit().await
}

pub(crate) async fn set_class_limits(call: &Call, class: &str, changes: &[Change]) -> Result<()> {
    let mut tx = call.app.database.begin("set quota class").await?;
    for (_, counter, limit) in changes {
        quotas::set_class_limit(&mut tx, class, counter, *limit).await?;
    }
    tx.commit().await
}
