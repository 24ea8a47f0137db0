//! `POST /attachments/{id}/action` with `os-complete` → 204, from 3.44 on.

use crate::accept::attachments;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::handlers::action;
use crate::microversion::ATTACHMENT_COMPLETE;
use crate::openapi::Action;
use crate::policy::rules;

pub(super) const ACTIONS: &[Action] = &[Action::bare("os-complete").without_content()];

pub(super) async fn action(call: Call) -> Result<Answer, Fault> {
    call.since(ATTACHMENT_COMPLETE)?;
    let (name, _) = action::read(&call)?;
    if name != "os-complete" {
        return Err(action::unknown(&name));
    }
    call.require(rules::VOLUME_ATTACHMENT_COMPLETE)?;
    attachments::complete(&call, call.id()).await?;
    Ok(Answer::no_content())
}
