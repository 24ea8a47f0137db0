//! `DELETE /messages/{id}` → 204.

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::MESSAGES;
use crate::policy::rules;

pub(super) async fn delete(call: Call) -> Result<Answer, Fault> {
    call.since(MESSAGES)?;
    call.require(rules::MESSAGE_DELETE)?;
    let mut tx = call.app.database.begin("delete message").await?;
    let message = db::messages::get(&mut tx, &call.caller.scope(), call.id()).await?;
    db::messages::delete(&mut tx, message.id).await?;
    tx.commit().await?;
    Ok(Answer::no_content())
}
