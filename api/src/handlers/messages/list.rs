//! `GET /messages`; paged, sorted and filtered from 3.5 on (contract §1.4, §1.10).

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::{MESSAGES, MESSAGES_PAGING};
use crate::paging::{self, Page};
use crate::policy::rules;
use crate::views::message::detail;

pub(super) async fn list(call: Call) -> Result<Answer, Fault> {
    call.since(MESSAGES)?;
    call.require(rules::MESSAGE_GET_ALL)?;
    let paged = call.version >= MESSAGES_PAGING;
    let page = if paged { Page::read_visible(&call, &paging::MESSAGES)? } else { Page::unpaged(&call) };
    let mut conn = call.app.database.read().await?;
    let messages = db::messages::list(&mut conn, &page.query).await?;
    let last_id = messages.last().map(|message| message.id.to_string()).filter(|_| paged);
    let items = messages.iter().map(|message| detail(message, call.viewer())).collect();
    Ok(Answer::ok(page.document(&call, &paging::MESSAGES, items, last_id, None)))
}
