//! `PUT /os-services/freeze`, `thaw`, `failover_host` and `failover`.

use serde_json::Value;

use crate::accept::services as accept;
use crate::call::{Answer, Call};
use crate::error::Fault;
use crate::microversion::REPLICATION_CLUSTER;
use crate::schema::{Field, Fields, Object, Rule};

const TEXT_OR_NULL: Rule = Rule::TextOrNull { max: 255 };
pub(super) const FREEZE: Object =
    Object::closed(&[Field::optional("host", TEXT_OR_NULL), Field::optional("cluster", TEXT_OR_NULL)]);
pub(super) const FAILOVER: Object = Object::closed(&[
    Field::optional("host", TEXT_OR_NULL),
    Field::optional("backend_id", TEXT_OR_NULL),
    Field::optional("cluster", TEXT_OR_NULL),
]);

pub(super) async fn freeze(call: &Call, body: &Value, frozen: bool) -> Result<Answer, Fault> {
    let fields = FREEZE.check(body, call.version)?;
    let host = host(fields, call.version >= REPLICATION_CLUSTER)?;
    accept::freeze(call, host, frozen).await?;
    Ok(Answer::done())
}

/// No backend here has another to fail over to.
pub(super) async fn fail_over(call: &Call, body: &Value, clustered: bool) -> Result<Answer, Fault> {
    let fields = FAILOVER.check(body, call.version)?;
    let host = host(fields, clustered)?;
    Err(accept::refuse_failover(call, host).await?)
}

/// There are no clusters here, so naming one finds nothing.
fn host(fields: Fields<'_>, clustered: bool) -> Result<&str, Fault> {
    let named = |name| fields.text(name).filter(|text: &&str| !text.is_empty());
    match (named("host"), named("cluster").filter(|_| clustered)) {
        (Some(host), None) => Ok(host),
        (None, Some(cluster)) => {
            Err(Fault::bad_request(format!("Invalid input received: No service found with cluster={cluster}")))
        }
        _ if clustered => {
            Err(Fault::bad_request("Invalid input received: One and only one of cluster and host must be set."))
        }
        _ => Err(Fault::bad_request("Invalid input received: Host field is missing.")),
    }
}
