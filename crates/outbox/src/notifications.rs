//! What happens to backups, told to the rest of the cloud as Cinder tells it (contract §2.11), in oslo.messaging's words. A
//! notification is a row of the transaction that it tells of: none is lost, and none tells of what did not happen.

use db::Conn;
use db::outbox::{Outgoing, insert};
use domain::backup::Backup;
use domain::{Error, Result, Timestamp};
use messaging::topology::{Durability, Topic};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

const PRIORITY: &str = "INFO";

/// Tells the rest of the cloud how backups go, as Cinder does.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `messagingv2` or `messaging`, which are Cinder's words. Empty: nobody is told.
    pub driver: Driver,
    /// Each message goes to `<topic>.info`.
    pub topics: Vec<String>,
    /// The exchange; `control_exchange` of the other services.
    pub control_exchange: String,
    /// Queues that outlive the broker; as the services that listen have it, for both must declare them in the same way.
    pub amqp_durable_queues: bool,
    /// Quorum queues; as the services that listen have it.
    pub rabbit_quorum_queue: bool,
}

/// In what shape.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    #[default]
    #[serde(rename = "", alias = "noop")]
    Off,
    /// Without an envelope.
    Messaging,
    /// In oslo.messaging's envelope, version 2.0.
    MessagingV2,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            driver: Driver::Off,
            topics: vec!["notifications".to_owned()],
            control_exchange: "openstack".to_owned(),
            amqp_durable_queues: false,
            rabbit_quorum_queue: false,
        }
    }
}

impl Config {
    /// Refuses names that no exchange or routing key can have, by their key.
    pub fn check(&self) -> std::result::Result<(), (&'static str, String)> {
        let is_name = |name: &String| {
            let allowed = |sign: char| sign.is_ascii_alphanumeric() || "-_.".contains(sign);
            !name.is_empty() && name.len() <= 200 && name.chars().all(allowed)
        };
        let message = |what: &str| format!("{what} of letters, digits, '-', '_' and '.'");
        if !is_name(&self.control_exchange) {
            return Err(("control_exchange", message("must be a name")));
        }
        if self.topics.is_empty() || !self.topics.iter().all(is_name) {
            return Err(("topics", message("must be a list of names")));
        }
        Ok(())
    }

    const fn durability(&self) -> Durability {
        match (self.rabbit_quorum_queue, self.amqp_durable_queues) {
            (true, _) => Durability::Quorum,
            (false, true) => Durability::Durable,
            (false, false) => Durability::Transient,
        }
    }
}

/// Writes notifications, where they are wanted.
#[derive(Clone, Default, Debug)]
pub struct Notifications(Config);

/// What a notification tells besides the backup itself.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// What follows `backup.`, such as `create.start`.
    pub event: &'static str,
    /// Where it happens.
    pub host: &'a str,
    /// What asked for it.
    pub request_id: Option<&'a str>,
    pub traceparent: Option<&'a str>,
    /// Of `createprogress`.
    pub percent: Option<i64>,
}

impl Notifications {
    #[must_use]
    pub const fn new(config: Config) -> Self {
        Self(config)
    }

    #[must_use]
    pub fn are_wanted(&self) -> bool {
        self.0.driver != Driver::Off
    }

    /// To be told when the transaction is committed.
    pub async fn write(&self, conn: &mut Conn, backup: &Backup, about: &About<'_>, now: Timestamp) -> Result<()> {
        if !self.are_wanted() {
            return Ok(());
        }
        let message_id = Uuid::new_v4();
        let message = message(backup, about, message_id, now);
        let body = match self.0.driver {
            Driver::MessagingV2 => json!({"oslo.version": "2.0", "oslo.message": text(&message)?}),
            Driver::Messaging | Driver::Off => message,
        };
        for (number, topic) in self.0.topics.iter().enumerate() {
            let key = format!("{topic}.{}", PRIORITY.to_lowercase());
            let topic = Topic { durability: self.0.durability(), exchange: &self.0.control_exchange, key: &key };
            let outgoing = Outgoing {
                id: format!("{message_id}.{number}"),
                queue: topic.queue(),
                body: text(&body)?,
                traceparent: about.traceparent.map(str::to_owned),
            };
            insert(conn, &outgoing, now).await?;
        }
        Ok(())
    }
}

fn text(value: &Value) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::internal("A notification is no JSON.").with_source(error))
}

fn message(backup: &Backup, about: &About<'_>, message_id: Uuid, now: Timestamp) -> Value {
    json!({
        "message_id": message_id.to_string(),
        "publisher_id": format!("backup.{}", about.host),
        "event_type": format!("backup.{}", about.event),
        "priority": PRIORITY,
        "payload": payload(backup, about),
        // Python's `str` of a time.
        "timestamp": now.utc().format("%Y-%m-%d %H:%M:%S%.6f").to_string(),
        "_unique_id": Uuid::new_v4().simple().to_string(),
        "_context_request_id": about.request_id,
        "_context_project_id": backup.project_id,
        "_context_user_id": backup.user_id,
    })
}

/// Cinder's `_usage_from_backup`. Its `createprogress` repeats the list of all objects so far each time; here that list stays
/// empty, so that the size does not grow with the volume.
fn payload(backup: &Backup, about: &About<'_>) -> Value {
    let mut payload = json!({
        "tenant_id": backup.project_id,
        "user_id": backup.user_id,
        "availability_zone": backup.availability_zone,
        "backup_id": backup.id.to_string(),
        "host": backup.host,
        "display_name": backup.name,
        "created_at": backup.created_at.utc().format("%Y-%m-%dT%H:%M:%S+00:00").to_string(),
        "status": backup.status.as_str(),
        "volume_id": backup.volume_id.to_string(),
        "size": backup.size_gb,
        "service_metadata": backup.service_metadata,
        "service": backup.service,
        "fail_reason": backup.fail_reason,
        "parent_id": backup.parent_id.map(|id| id.to_string()),
        "num_dependent_backups": backup.dependent_backups,
        "snapshot_id": backup.snapshot_id.map(|id| id.to_string()),
    });
    if let (Some(percent), Some(fields)) = (about.percent, payload.as_object_mut()) {
        let progress = json!({
            "backup_percent": percent, "id": 1, "list": [], "prefix": backup.service_metadata, "volume_meta": null,
        });
        fields.extend(progress.as_object().cloned().unwrap_or_else(Map::new));
    }
    payload
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_nowhere_are_refused() {
        assert!(Config::default().check().is_ok());
        for (key, config) in [
            ("control_exchange", Config { control_exchange: "a:b".into(), ..Config::default() }),
            ("topics", Config { topics: vec![], ..Config::default() }),
            ("topics", Config { topics: vec!["ok".into(), "not ok".into()], ..Config::default() }),
        ] {
            assert_eq!(config.check().expect_err("refused").0, key);
        }
    }
}
