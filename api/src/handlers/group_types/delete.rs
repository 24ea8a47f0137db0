//! `DELETE /group_types/{id}` → 202.

use crate::accept::group_types;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::GROUP_TYPE;
use crate::policy::rules;

pub(super) async fn delete(call: Call) -> Result<Answer, Fault> {
    call.since(GROUP_TYPE)?;
    call.require(rules::GROUP_GROUP_TYPES_DELETE)?;
    group_types::delete(&call, call.id()).await?;
    Ok(Answer::accepted_silently())
}
