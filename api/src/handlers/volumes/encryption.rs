//! `GET /volumes/{id}/encryption` and `…/{key}`.

use serde_json::Value;

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::openapi::{Routes, ok};
use crate::policy::rules;
use crate::views::volume_type::volume_encryption;

pub(super) fn routes(routes: Routes) -> Routes {
    routes.get("/volumes/{id}/encryption", list, ok("Shows how a volume is encrypted")).get(
        "/volumes/{id}/encryption/{key}",
        show,
        ok("Shows one word of it"),
    )
}

pub(super) async fn list(call: Call) -> Result<Answer, Fault> {
    Ok(Answer::ok(read(&call).await?))
}

pub(super) async fn show(call: Call) -> Result<Answer, Fault> {
    let value = read(&call).await?.get(call.segment("key")).cloned();
    value.map(Answer::ok).ok_or_else(Fault::absent)
}

async fn read(call: &Call) -> Result<Value, Fault> {
    let mut conn = call.app.database.read().await?;
    let volume = db::volumes::get(&mut conn, &call.caller.scope(), call.id()).await?;
    call.require(rules::VOLUME_ENCRYPTION_METADATA)?;
    let encryption = db::types::encryption::get(&mut conn, &volume.volume_type_id).await?;
    Ok(volume_encryption(encryption.as_ref()))
}
