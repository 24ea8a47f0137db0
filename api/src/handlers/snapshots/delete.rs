//! `DELETE /snapshots/{id}` → 202 (contract §1.7).

use crate::accept::snapshots;
use crate::call::{Answer, Call};
use crate::context::Rule as Policy;
use crate::error::Fault;

const POLICY: Policy = Policy::member("volume:delete_snapshot");

pub(crate) async fn delete(call: Call) -> Result<Answer, Fault> {
    call.require(POLICY)?;
    snapshots::delete(&call, call.id(), false).await?;
    Ok(Answer::accepted_silently())
}
