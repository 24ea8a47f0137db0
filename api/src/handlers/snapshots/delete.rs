//! `DELETE /snapshots/{id}` → 202 (contract §1.7).

use crate::accept::snapshots::{self, Removal};
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::policy::rules;

pub(super) async fn delete(call: Call) -> Result<Answer, Fault> {
    call.require(rules::VOLUME_DELETE_SNAPSHOT)?;
    snapshots::delete(&call, call.id(), Removal::Deleted).await?;
    Ok(Answer::accepted_silently())
}
