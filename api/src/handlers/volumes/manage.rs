//! `POST /os-volume-manage` and from 3.8 on `POST /manageable_volumes` → 202: adopts an existing file or device.

use serde_json::json;

use super::whole::gather_one;
use crate::accept::new_volumes::{self, Adoption};
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::handlers::source;
use crate::microversion::MANAGEABLE;
use crate::policy::rules;
use crate::schema::{Field, Object, Rule};
use crate::views::volume::detail;

const VOLUME: Object = Object::closed(&[
    Field::optional("name", Rule::TextOrNull { max: 255 }),
    Field::optional("description", Rule::Description),
    Field::optional("volume_type", Rule::TextOrNull { max: 255 }),
    Field::optional("metadata", Rule::MetadataOrNull),
    Field::optional("availability_zone", Rule::TextOrNull { max: 255 }),
    Field::optional("bootable", Rule::Boolean),
    Field::optional("host", Rule::TextOrNull { max: 255 }),
    Field::optional("cluster", Rule::TextOrNull { max: 255 }),
    Field::required("ref", Rule::Anything),
]);
pub(super) const BODY: Object = Object::closed(&[Field::required("volume", Rule::Object(&VOLUME))]);

pub(super) async fn manage_newer(call: Call) -> Result<Answer, Fault> {
    call.since(MANAGEABLE)?;
    manage(call).await
}

pub(super) async fn manage(call: Call) -> Result<Answer, Fault> {
    let body = call.body()?;
    let fields = BODY.check(&body, call.version)?.object("volume").ok_or_else(Fault::malformed)?;
    call.require(rules::VOLUME_MANAGE)?;
    let text = |name| fields.text(name).map(str::to_owned);
    let wish = Adoption {
        host: text("host").filter(|host| !host.is_empty()).ok_or_else(|| {
            Fault::bad_request("Invalid input received: One and only one of cluster and host must be set.")
        })?,
        source: source::read(fields)?,
        name: fields.trimmed("name"),
        description: fields.trimmed("description"),
        volume_type: text("volume_type"),
        availability_zone: text("availability_zone"),
        metadata: fields.pairs("metadata").unwrap_or_default(),
        bootable: fields.boolean("bootable").unwrap_or(false),
    };
    let volume = new_volumes::manage(&call, wish).await?;
    let mut conn = call.app.database.read().await?;
    let whole = gather_one(&mut conn, volume).await?;
    Ok(Answer::accepted(json!({"volume": detail(&whole, call.viewer())})))
}
