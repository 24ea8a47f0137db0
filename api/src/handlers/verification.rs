//! `POST /emberkeep/backups/{id}/verify` → 202, `GET /emberkeep/backups/{id}/verification`: whether a backup can be
//! restored, found out by reading all that a restore would read.
//!
//! Routes of our own, as for jobs.

use serde_json::json;

use crate::accept::verifications;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::openapi::{Routes, accepted, answers, ok};
use crate::policy::rules;
use crate::schema::Object;
use crate::views::{job, time};

/// There is nothing to choose; no body at all is as good.
const BODY: Object = Object::closed(&[]);

pub(crate) fn routes(routes: Routes) -> Routes {
    routes
        .post(
            "/emberkeep/backups/{id}/verify",
            verify,
            accepted("Reads a backup with all that it builds on, and compares it with its hashes")
                .takes(&BODY)
                .gives("job", answers::JOB),
        )
        .get(
            "/emberkeep/backups/{id}/verification",
            show,
            ok("Shows what the last verification of a backup found, and the one that was asked for last")
                .gives("verification", answers::VERIFICATION),
        )
}

async fn verify(call: Call) -> Result<Answer, Fault> {
    BODY.check(&call.optional_body()?.unwrap_or_else(|| json!({})), call.version)?;
    call.require(rules::EMBERKEEP_VERIFY_BACKUP)?;
    let accepted = verifications::verify(&call, call.id()).await?;
    Ok(Answer::accepted(json!({"job": job::detail(&accepted, call.now)})))
}

async fn show(call: Call) -> Result<Answer, Fault> {
    call.require(rules::EMBERKEEP_GET_VERIFICATION)?;
    let mut conn = call.app.database.read().await?;
    let backup = db::backups::get(&mut conn, &call.caller.scope(), call.id()).await?;
    let last = db::backups::verification(&mut conn, backup.id).await?;
    let asked = db::jobs::last_verification(&mut conn, backup.id).await?;
    Ok(Answer::ok(json!({"verification": {
        "backup_id": backup.id.to_string(),
        "verified_at": time(last.as_ref().map(|last| last.at)),
        "result": last.as_ref().map(|last| last.verdict.as_str()),
        "reason": last.and_then(|last| last.reason),
        "job": asked.as_ref().map(|asked| job::detail(asked, call.now)),
    }})))
}
