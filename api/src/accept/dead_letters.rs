//! What becomes of messages that nobody could handle.

use db::dead_letters;
use domain::{Error, Result};
use messaging::topology;

use super::commit;
use crate::call::Call;

/// Goes to the schedulers again, as the messages do that they could not handle.
pub(crate) async fn replay(call: &Call, id: &str) -> Result<()> {
    let mut tx = call.app.database.begin("replay dead letter").await?;
    if !dead_letters::replay(&mut tx, topology::JOBS, id, call.now).await? {
        return Err(missing(id));
    }
    commit(call, tx).await
}

pub(crate) async fn forget(call: &Call, id: &str) -> Result<()> {
    let mut tx = call.app.database.begin("forget dead letter").await?;
    if !dead_letters::delete(&mut tx, id).await? {
        return Err(missing(id));
    }
    tx.commit().await
}

fn missing(id: &str) -> Error {
    Error::not_found("Dead letter", id)
}
