//! This scheduler's own line in `os-services`.

use domain::{Result, Timestamp};

use crate::core::Core;

pub(super) async fn reconcile(core: &Core, now: Timestamp) -> Result<()> {
    let config = &core.config;
    let mut tx = core.database.begin("report scheduler").await?;
    db::services::report(&mut tx, &config.host, "cinder-scheduler", &config.storage_availability_zone, now).await?;
    tx.commit().await
}
