//! `DELETE /backups/{id}` → 202 (contract §1.5.5).

use crate::accept::backups;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::policy::rules;

pub(super) async fn delete(call: Call) -> Result<Answer, Fault> {
    call.require(rules::BACKUP_DELETE)?;
    backups::delete(&call, call.id()).await?;
    Ok(Answer::accepted_silently())
}
