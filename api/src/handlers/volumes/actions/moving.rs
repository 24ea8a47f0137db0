//! `os-retype`, `os-migrate_volume` and `os-migrate_volume_completion`.

use serde_json::Value;

use crate::accept::moves;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::MIGRATE_CLUSTER;
use crate::policy::rules;
use crate::schema::{Field, Object, Rule};

const RETYPE: Object = Object::closed(&[
    Field::required("new_type", Rule::Text { min: 0, max: 255 }),
    Field::optional("migration_policy", Rule::Word(&["on-demand", "never"])),
]);
pub(crate) const RETYPE_BODY: Object = Object::closed(&[Field::required("os-retype", Rule::Object(&RETYPE))]);

const MIGRATE: Object = Object::closed(&[
    Field::optional("host", Rule::TextOrNull { max: 255 }),
    Field::optional("force_host_copy", Rule::Boolean),
    Field::optional("lock_volume", Rule::Boolean),
    Field::optional("cluster", Rule::TextOrNull { max: 255 }).since(MIGRATE_CLUSTER),
]);
pub(crate) const MIGRATE_BODY: Object = Object::closed(&[Field::required("os-migrate_volume", Rule::Object(&MIGRATE))]);

const COMPLETION: Object =
    Object::closed(&[Field::required("new_volume", Rule::Uuid), Field::optional("error", Rule::Anything)]);
pub(crate) const COMPLETION_BODY: Object =
    Object::closed(&[Field::required("os-migrate_volume_completion", Rule::Object(&COMPLETION))]);

pub(crate) async fn retype(call: &Call, body: &Value) -> Result<Answer, Fault> {
    let fields = RETYPE_BODY.check(body, call.version)?.object("os-retype").ok_or_else(Fault::malformed)?;
    let new_type = fields.text("new_type").ok_or_else(Fault::malformed)?;
    call.require(rules::VOLUME_RETYPE)?;
    let may_move = fields.text("migration_policy") == Some("on-demand");
    moves::retype(call, call.id(), new_type, may_move).await?;
    Ok(Answer::accepted_silently())
}

pub(crate) async fn migrate(call: &Call, body: &Value) -> Result<Answer, Fault> {
    let fields = MIGRATE_BODY.check(body, call.version)?.object("os-migrate_volume").ok_or_else(Fault::malformed)?;
    call.require(rules::VOLUME_ADMIN_ACTIONS_MIGRATE_VOLUME)?;
    let given = |name| fields.text(name).filter(|text| !text.is_empty());
    let host = match (given("host"), given("cluster")) {
        (Some(host), None) => host,
        // There are no clusters.
        (None, Some(cluster)) => {
            return Err(Fault::bad_request(format!("Invalid host: No available service named '{cluster}'")));
        }
        _ => return Err(Fault::bad_request("One and only one of cluster and host must be set.")),
    };
    moves::migrate(call, call.id(), host).await?;
    Ok(Answer::accepted_silently())
}

pub(crate) async fn complete_migration(call: &Call, body: &Value) -> Result<Answer, Fault> {
    let fields = COMPLETION_BODY.check(body, call.version)?;
    let fields = fields.object("os-migrate_volume_completion").ok_or_else(Fault::malformed)?;
    call.require(rules::VOLUME_ADMIN_ACTIONS_MIGRATE_VOLUME_COMPLETION)?;
    let new_volume = fields.text("new_volume").ok_or_else(Fault::malformed)?;
    moves::complete_migration(call, call.id(), new_volume).await?;
    Ok(Answer::done())
}
