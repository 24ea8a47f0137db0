//! `GET /os-volume-manage` and, from 3.8 on, `GET /manageable_volumes`: what could be managed.

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::handlers::manageable::{self, Noun};
use crate::microversion::MANAGEABLE;
use crate::policy::rules;

const NOUN: Noun = Noun::Volumes;

pub(crate) async fn manageable(call: Call) -> Result<Answer, Fault> {
    call.require(rules::LIST_MANAGEABLE)?;
    manageable::list(&call, NOUN, false).await
}

pub(crate) async fn manageable_detail(call: Call) -> Result<Answer, Fault> {
    call.require(rules::LIST_MANAGEABLE)?;
    manageable::list(&call, NOUN, true).await
}

pub(crate) async fn manageable_newer(call: Call) -> Result<Answer, Fault> {
    call.since(MANAGEABLE)?;
    manageable(call).await
}

pub(crate) async fn manageable_detail_newer(call: Call) -> Result<Answer, Fault> {
    call.since(MANAGEABLE)?;
    manageable_detail(call).await
}
