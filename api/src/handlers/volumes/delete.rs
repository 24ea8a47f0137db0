//! `DELETE /volumes/{id}` → 202, with `?cascade` and from 3.23 on `?force` (contract §1.6.4).

use crate::accept::volumes::{self, Deletion};
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::VOLUME_DELETE_FORCE;
use crate::policy::rules;

pub(super) async fn delete(call: Call) -> Result<Answer, Fault> {
    let force = call.version >= VOLUME_DELETE_FORCE && call.parameters.switch("force")?;
    call.require(if force { rules::VOLUME_FORCE_DELETE } else { rules::VOLUME_DELETE })?;
    let how = Deletion { cascade: call.parameters.switch("cascade")?, force, keep_data: false };
    volumes::delete(&call, call.id(), how).await?;
    Ok(Answer::accepted_silently())
}
