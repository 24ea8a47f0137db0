//! `DELETE /volume-transfers/{id}` → 202: the offer is taken back.

use crate::accept::transfers;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::policy::rules;

pub(super) async fn delete(call: Call) -> Result<Answer, Fault> {
    call.require(rules::VOLUME_DELETE_TRANSFER)?;
    transfers::delete(&call, call.id()).await?;
    Ok(Answer::accepted_silently())
}
