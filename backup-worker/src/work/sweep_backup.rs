//! Removes what came to a backup's place after the job that wrote there had ended.

use domain::{Error, Result};
use engine::Spares;
use proto::worker::sweep_backup::Spares as Wire;
use proto::worker::{Done, SweepBackup};

use super::{Task, Workshop, parts};

pub(super) async fn perform(shop: &Workshop, task: &Task, work: SweepBackup) -> Result<Done> {
    let spares = match work.spares() {
        Wire::Rest => Spares::Rest,
        Wire::Whole => Spares::Whole,
        Wire::Nothing => Spares::Nothing,
        Wire::Unspecified => return Err(Error::internal("The scheduler's job does not say what is to stay.")),
    };
    let backup = parts::present(work.backup)?;
    parts::check_service("Sweep", shop.store.service(), &backup)?;
    shop.operations.sweep(&shop.context(task, &task.stop), parts::layer(&backup)?, spares).await?;
    Ok(Done::default())
}
