//! `GET /attachments` and `GET /attachments/detail` (contract §1.4, §1.8). Cinder's have no links to a next page.

use domain::attachment::Attachment;
use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion;
use crate::paging::{ATTACHMENTS, Page};
use crate::policy::rules;
use crate::views::attachment;

pub(super) async fn list(call: Call) -> Result<Answer, Fault> {
    answer(&call, attachment::summary).await
}

pub(super) async fn detail(call: Call) -> Result<Answer, Fault> {
    answer(&call, attachment::detail).await
}

async fn answer(call: &Call, view: fn(&Attachment) -> Value) -> Result<Answer, Fault> {
    call.since(microversion::ATTACHMENTS)?;
    call.require(rules::VOLUME_GET_ALL)?;
    let page = Page::read(call, &ATTACHMENTS)?;
    let mut conn = call.app.database.read().await?;
    let attachments: Vec<Value> = db::attachments::list(&mut conn, &page.query).await?.iter().map(view).collect();
    Ok(Answer::ok(json!({"attachments": attachments})))
}
