//! `os-force_delete` and `os-unmanage` → 202.

use crate::accept::volumes::{self, Deletion};
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::policy::rules;

pub(crate) async fn force_delete(call: &Call) -> Result<Answer, Fault> {
    call.require(rules::VOLUME_ADMIN_ACTIONS_FORCE_DELETE)?;
    volumes::delete(call, call.id(), Deletion { force: true, ..Deletion::default() }).await?;
    Ok(Answer::accepted_silently())
}

/// The volume is forgotten, its bytes stay.
pub(crate) async fn unmanage(call: &Call) -> Result<Answer, Fault> {
    call.require(rules::VOLUME_UNMANAGE)?;
    volumes::delete(call, call.id(), Deletion { keep_data: true, ..Deletion::default() }).await?;
    Ok(Answer::accepted_silently())
}
