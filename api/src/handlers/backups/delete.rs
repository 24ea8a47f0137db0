//! `DELETE /backups/{id}` → 202 (contract §1.5.5).

use crate::accept::backups;
use crate::call::{Answer, Call};
use crate::context::Rule as Policy;
use crate::error::Fault;

const POLICY: Policy = Policy::member("backup:delete");

pub(crate) async fn delete(call: Call) -> Result<Answer, Fault> {
    call.require(POLICY)?;
    backups::delete(&call, call.id()).await?;
    Ok(Answer::accepted_silently())
}
