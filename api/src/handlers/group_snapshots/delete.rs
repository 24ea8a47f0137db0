//! `DELETE /group_snapshots/{id}` → 202.

use super::get;
use crate::accept::group_snapshots;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::GROUP_SNAPSHOT;
use crate::policy::rules;

pub(super) async fn delete(call: Call) -> Result<Answer, Fault> {
    call.since(GROUP_SNAPSHOT)?;
    get(&mut call.app.database.read().await?, &call, call.id()).await?;
    call.require(rules::GROUP_DELETE_GROUP_SNAPSHOT)?;
    group_snapshots::delete(&call, call.id()).await?;
    Ok(Answer::accepted_silently())
}
