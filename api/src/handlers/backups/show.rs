//! `GET /backups/{id}` (contract §1.5.2).

use serde_json::json;

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::policy::rules;
use crate::views::backup::detail;

pub(super) async fn show(call: Call) -> Result<Answer, Fault> {
    call.require(rules::BACKUP_GET)?;
    let mut conn = call.app.database.read().await?;
    let backup = db::backups::get(&mut conn, &call.caller.scope(), call.id()).await?;
    let metadata = db::metadata::get(&mut conn, &backup.id.to_string()).await?;
    Ok(Answer::ok(json!({"backup": detail(&backup, &metadata, call.viewer())})))
}
