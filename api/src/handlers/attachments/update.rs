//! `PUT /attachments/{id}`: connects what was reserved.

use serde_json::json;

use crate::accept::attachments;
use crate::accept::connector::Connector;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::ATTACHMENTS;
use crate::policy::rules;
use crate::schema::{Field, Object, Rule};
use crate::views::attachment::detail;

const CONNECTOR: Object = Object::open(&[]);
const ATTACHMENT: Object = Object::closed(&[Field::required("connector", Rule::Object(&CONNECTOR))]);
pub(super) const BODY: Object = Object::closed(&[Field::required("attachment", Rule::Object(&ATTACHMENT))]);

pub(super) async fn update(call: Call) -> Result<Answer, Fault> {
    call.since(ATTACHMENTS)?;
    let body = call.body()?;
    let fields = BODY.check(&body, call.version)?.object("attachment").ok_or_else(Fault::malformed)?;
    let connector = fields.value("connector").filter(|value| value.as_object().is_some_and(|map| !map.is_empty()));
    let connector = connector.ok_or_else(|| {
        Fault::bad_request("Invalid input for field/attribute connector. Value: {}. {} does not have enough properties")
    })?;
    call.require(rules::VOLUME_ATTACHMENT_UPDATE)?;
    let attachment = attachments::update(&call, call.id(), &Connector::read(connector)?).await?;
    Ok(Answer::ok(json!({"attachment": detail(&attachment)})))
}
