//! `GET /emberkeep/backups`: backups as points in time, each with the backup that it builds on and what its last
//! verification found. Filtered, sorted and paged as every list of backups.
//!
//! A route of our own, as for jobs: Cinder's view of a backup names no parent.

use domain::backup::{Backup, Verification};
use serde_json::{Value, json};

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::openapi::{Routes, answers, ok};
use crate::paging::{BACKUPS, Page};
use crate::policy::rules;
use crate::views::time;

pub(crate) fn routes(routes: Routes) -> Routes {
    routes.get(
        "/emberkeep/backups",
        list,
        ok("Lists backups as points in time: what each builds on, and what its last verification found")
            .lists(&BACKUPS)
            .of(answers::POINT),
    )
}

async fn list(call: Call) -> Result<Answer, Fault> {
    call.require(rules::BACKUP_GET_ALL)?;
    call.require(rules::EMBERKEEP_GET_VERIFICATION)?;
    let page = Page::read(&call, &BACKUPS)?;
    let mut conn = call.app.database.read().await?;
    let backups = db::backups::list(&mut conn, &page.query).await?;
    let count = if page.with_count { Some(db::backups::count(&mut conn, &page.query).await?) } else { None };
    let ids: Vec<_> = backups.iter().map(|backup| backup.id).collect();
    let verified = db::backups::verifications(&mut conn, &ids).await?;
    let items = backups.iter().map(|backup| view(backup, verified.get(&backup.id))).collect();
    let last_id = ids.last().map(ToString::to_string);
    Ok(Answer::ok(page.document(&call, &BACKUPS, items, last_id, count)))
}

fn view(backup: &Backup, verified: Option<&Verification>) -> Value {
    json!({
        "id": backup.id.to_string(),
        "name": backup.name,
        "volume_id": backup.volume_id.to_string(),
        "parent_id": backup.parent_id.map(|id| id.to_string()),
        "is_incremental": backup.is_incremental(),
        "status": backup.status.as_str(),
        "fail_reason": backup.fail_reason,
        "size": backup.size_gb,
        "object_count": backup.object_count,
        "created_at": backup.created_at.iso(),
        "data_timestamp": backup.data_timestamp.iso(),
        "verified_at": time(verified.map(|found| found.at)),
        "verify_result": verified.map(|found| found.verdict.as_str()),
        "verify_reason": verified.and_then(|found| found.reason.as_deref()),
    })
}
