//! `GET /types`, `/types/{id}` and `/types/default`, for reading only (contract §1.10).

use db::Scope;
use db::types::{DEFAULT_NAME, VolumeType};
use domain::Error;
use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::paging::boolean;
use crate::policy::rules;
use crate::views::volume_type::detail;

/// Administrators choose with `is_public`, where `None` means both; others see the public ones.
pub(crate) async fn list(call: Call) -> Result<Answer, Fault> {
    call.require(rules::TYPE_GET_ALL)?;
    let is_public = match call.parameters.get("is_public").filter(|_| call.caller.is_admin()) {
        Some(word) if word.eq_ignore_ascii_case("none") => None,
        Some(word) => {
            Some(boolean(word).ok_or_else(|| Fault::bad_request(format!("Invalid is_public filter [{word}]")))?)
        }
        None => Some(true),
    };
    let mut conn = call.app.database.read().await?;
    let types = db::types::list(&mut conn).await?;
    let shown = types.iter().filter(|kind| is_public.is_none_or(|is_public| kind.is_public == is_public));
    let types: Vec<Value> = shown.map(|kind| detail(kind, call.viewer())).collect();
    Ok(Answer::ok(json!({"volume_types": types})))
}

pub(crate) async fn show(call: Call) -> Result<Answer, Fault> {
    call.require(rules::TYPE_GET)?;
    let mut conn = call.app.database.read().await?;
    let kind = match call.id() {
        "default" => db::types::find(&mut conn, &Scope::All, DEFAULT_NAME).await?,
        // By id alone: a name names nothing here.
        id => db::types::find(&mut conn, &call.caller.scope(), id).await?.filter(|kind| kind.id == id),
    };
    let visible = |kind: &VolumeType| kind.is_public || call.caller.is_admin();
    let kind = kind.filter(visible).ok_or_else(|| Error::not_found("Volume type", call.id()))?;
    Ok(Answer::ok(json!({"volume_type": detail(&kind, call.viewer())})))
}
