//! `GET /volumes/summary` from 3.12 on (contract §1.6.2).

use std::collections::{BTreeMap, BTreeSet};

use db::{ListQuery, Scope};
use serde_json::json;

use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::{SUMMARY_METADATA, VOLUME_SUMMARY};
use crate::paging::all_tenants;
use crate::policy::rules;

pub(crate) async fn summary(call: Call) -> Result<Answer, Fault> {
    call.since(VOLUME_SUMMARY)?;
    call.require(rules::VOLUME_GET_ALL)?;
    let scope = if all_tenants(&call)? { Scope::All } else { Scope::Project(call.caller.project_id.clone()) };
    let query = ListQuery { scope, filters: Vec::new(), sort: Vec::new(), marker: None, limit: i64::MAX, offset: 0 };
    let mut conn = call.app.database.read().await?;
    let volumes = db::volumes::list(&mut conn, &query).await?;
    let total_size: i64 = volumes.iter().map(|volume| volume.size_gb).sum();
    let mut view = json!({"total_count": volumes.len(), "total_size": total_size});
    if call.version >= SUMMARY_METADATA {
        let ids: Vec<String> = volumes.iter().map(|volume| volume.id.to_string()).collect();
        let mut metadata: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (key, value) in db::metadata::get_many(&mut conn, &ids).await?.into_values().flatten() {
            metadata.entry(key).or_default().insert(value);
        }
        view["metadata"] = json!(metadata);
    }
    Ok(Answer::ok(json!({"volume-summary": view})))
}
