//! `POST /attachments` → 200: reserves a volume, and connects to it where the connector is known.

use serde_json::json;

use crate::accept::attachments::{self, NewAttachment};
use crate::accept::connector::Connector;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::{ATTACHMENT_MODE, ATTACHMENTS};
use crate::policy::rules;
use crate::schema::{Field, Object, Rule};
use crate::views::attachment::detail;

const CONNECTOR: Object = Object::open(&[]);
const ATTACHMENT: Object = Object::closed(&[
    Field::optional("instance_uuid", Rule::Uuid),
    Field::optional("connector", Rule::ObjectOrNull(&CONNECTOR)),
    Field::required("volume_uuid", Rule::Uuid),
    Field::optional("mode", Rule::Word(&["rw", "ro"])).since(ATTACHMENT_MODE),
]);
pub(super) const BODY: Object = Object::closed(&[Field::required("attachment", Rule::Object(&ATTACHMENT))]);

pub(super) async fn create(call: Call) -> Result<Answer, Fault> {
    call.since(ATTACHMENTS)?;
    let body = call.body()?;
    let fields = BODY.check(&body, call.version)?.object("attachment").ok_or_else(Fault::malformed)?;
    call.require(rules::VOLUME_ATTACHMENT_CREATE)?;
    let text = |name| fields.text(name).map(str::to_owned);
    // An empty connector is none.
    let connector = fields.value("connector").filter(|value| value.as_object().is_some_and(|map| !map.is_empty()));
    let wish = NewAttachment {
        volume_id: text("volume_uuid").unwrap_or_default(),
        instance_id: text("instance_uuid"),
        connector: connector.map(Connector::read).transpose()?,
        mode: text("mode"),
    };
    let attachment = attachments::create(&call, wish).await?;
    Ok(Answer::ok(json!({"attachment": detail(&attachment)})))
}
