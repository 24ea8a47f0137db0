//! `GET /volumes/summary` from 3.12 on (contract §1.6.2).

use std::collections::BTreeMap;

use db::Scope;
use serde_json::json;

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::{SUMMARY_METADATA, VOLUME_SUMMARY};
use crate::paging::all_tenants;
use crate::policy::rules;

pub(super) async fn summary(call: Call) -> Result<Answer, Fault> {
    call.since(VOLUME_SUMMARY)?;
    call.require(rules::VOLUME_GET_ALL)?;
    let scope = if all_tenants(&call)? { Scope::All } else { Scope::Project(call.caller.project_id.clone()) };
    let mut conn = call.app.database.read().await?;
    let (total_count, total_size) = db::volumes::sums(&mut conn, &scope).await?;
    let mut view = json!({"total_count": total_count, "total_size": total_size});
    if call.version >= SUMMARY_METADATA {
        let mut metadata: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (key, value) in db::volumes::pairs(&mut conn, &scope).await? {
            metadata.entry(key).or_default().push(value);
        }
        view["metadata"] = json!(metadata);
    }
    Ok(Answer::ok(json!({"volume-summary": view})))
}
