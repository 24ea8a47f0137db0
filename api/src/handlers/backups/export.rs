//! `GET /backups/{id}/export_record` (contract §1.5.7), in every microversion.

use format::BackupRecord;

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::policy::rules;
use crate::views::backup;

pub(super) async fn export(call: Call) -> Result<Answer, Fault> {
    call.require(rules::BACKUP_EXPORT_IMPORT)?;
    let mut conn = call.app.database.read().await?;
    let row = db::backups::get(&mut conn, &call.caller.scope(), call.id()).await?;
    let service = row.check_export()?;
    let metadata = db::metadata::get(&mut conn, &row.id.to_string()).await?;
    Ok(Answer::ok(backup::record(service, &BackupRecord::encode(&row, &metadata))))
}
