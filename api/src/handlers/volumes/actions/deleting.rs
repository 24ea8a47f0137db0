//! `os-force_delete` and `os-unmanage` → 202.

use crate::accept::volumes::{self, Deletion};
use crate::call::{Answer, Call};
use crate::context::Rule as Policy;
use crate::error::Fault;

const FORCE_POLICY: Policy = Policy::admin("volume_extension:volume_admin_actions:force_delete");
const UNMANAGE_POLICY: Policy = Policy::admin("volume_extension:volume_unmanage");

pub(crate) async fn force_delete(call: &Call) -> Result<Answer, Fault> {
    call.require(FORCE_POLICY)?;
    volumes::delete(call, call.id(), Deletion { force: true, ..Deletion::default() }).await?;
    Ok(Answer::accepted_silently())
}

/// The volume is forgotten, its bytes stay.
pub(crate) async fn unmanage(call: &Call) -> Result<Answer, Fault> {
    call.require(UNMANAGE_POLICY)?;
    volumes::delete(call, call.id(), Deletion { keep_data: true, ..Deletion::default() }).await?;
    Ok(Answer::accepted_silently())
}
