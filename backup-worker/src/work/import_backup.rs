//! Looks whether an imported record speaks the truth: a backup is available only when it is whole.

use domain::Result;
use proto::worker::{Done, ImportBackup};

use super::{Task, Workshop, parts};

pub(super) async fn perform(shop: &Workshop, task: &Task, work: ImportBackup) -> Result<Done> {
    let layer = parts::layer(&parts::present(work.backup)?)?;
    shop.operations.inspect(&shop.context(task, &task.stop), layer).await?;
    Ok(Done::default())
}
