//! `DELETE /types/{id}` → 202.

use crate::accept::types;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::policy::rules;

pub(super) async fn delete(call: Call) -> Result<Answer, Fault> {
    call.require(rules::TYPE_DELETE)?;
    types::delete(&call, call.id()).await?;
    Ok(Answer::accepted_silently())
}
