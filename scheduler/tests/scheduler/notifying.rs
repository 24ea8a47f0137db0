//! What the rest of the cloud is told of backups.

use std::time::Duration;

use domain::backup::BackupStatus;
use domain::job::Subject;
use domain::volume::VolumeStatus;
use messaging::topology::{Durability, Topic};
use outbox::{NotificationsConfig, NotificationsDriver};
use proto::worker::scheduler_command::Command;
use scheduler::Config;
use serde_json::{Value, json};

use crate::rig::{Ground, Rig};
use crate::rows;

const DEADLINE: Duration = Duration::from_secs(30);

struct Listener(Box<dyn messaging::Consumer>);

impl Listener {
    async fn to(rig: &Rig, topic: &str) -> Self {
        let topic = Topic { durability: Durability::Transient, exchange: "openstack", key: topic };
        Self(rig.broker.consume(&topic.queue(), 16).await.expect("a consumer"))
    }

    async fn next(&mut self) -> Value {
        let delivery = tokio::time::timeout(DEADLINE, self.0.next()).await.expect("in time").expect("a message");
        let envelope: Value = serde_json::from_slice(&delivery.envelope.body).expect("JSON");
        delivery.ack().await.expect("acknowledged");
        assert_eq!(envelope["oslo.version"], "2.0");
        serde_json::from_str(envelope["oslo.message"].as_str().expect("a text")).expect("JSON in JSON")
    }
}

pub(crate) async fn listeners_hear_of_a_backup_from_its_start_to_its_end(ground: Ground) {
    let notifications = NotificationsConfig {
        driver: NotificationsDriver::MessagingV2,
        topics: vec!["notifications".into(), "billing".into()],
        ..NotificationsConfig::default()
    };
    let rig = ground.start_with(Config { notifications, ..Config::default() });
    let mut listener = Listener::to(&rig, "notifications.info").await;
    let mut billing = Listener::to(&rig, "billing.info").await;
    let (_, backup, subject) = rows::backup_under_way(&rig.database).await;
    rig.enqueue(subject).await;
    let mut worker = rig.worker().await;
    let job = worker.take().await;
    let started = listener.next().await;
    assert_eq!(
        (&started["event_type"], &started["publisher_id"]),
        (&json!("backup.create.start"), &json!("backup.h1"))
    );
    assert_eq!((&started["priority"], &started["_context_project_id"]), (&json!("INFO"), &json!(rows::PROJECT)));
    let expected = [
        "availability_zone",
        "backup_id",
        "created_at",
        "display_name",
        "fail_reason",
        "host",
        "num_dependent_backups",
        "parent_id",
        "service",
        "service_metadata",
        "size",
        "snapshot_id",
        "status",
        "tenant_id",
        "user_id",
        "volume_id",
    ];
    let mut keys: Vec<&String> = started["payload"].as_object().expect("an object").keys().collect();
    keys.sort();
    assert_eq!(keys, expected);

    let mut session = worker.session().await;
    for done_bytes in [1, 1, 2] {
        session.send(worker.heartbeat_at(&[&job], done_bytes)).await;
        assert!(matches!(session.command().await, Command::HeartbeatAck(_)));
    }
    for percent in [50, 100] {
        let progress = listener.next().await;
        assert_eq!((&progress["event_type"]), (&json!("backup.createprogress")));
        assert_eq!(
            (&progress["payload"]["backup_percent"], &progress["payload"]["list"]),
            (&json!(percent), &json!([]))
        );
    }
    assert!(worker.done(&job).await);
    let ended = listener.next().await;
    assert_eq!((&ended["event_type"], &ended["payload"]["status"]), (&json!("backup.create.end"), &json!("available")));
    assert_eq!(ended["payload"]["backup_id"], json!(backup.id.to_string()));
    assert_eq!(billing.next().await["message_id"], started["message_id"], "each topic hears the same");

    let mut tx = rig.database.begin("test: delete").await.expect("begin");
    let now = domain::Timestamp::now();
    db::backups::set_status(&mut tx, backup.id, BackupStatus::Deleting, now).await.expect("set");
    tx.commit().await.expect("commit");
    rig.enqueue(Subject::BackupDelete { backup_id: backup.id }).await;
    let job = worker.take().await;
    assert!(worker.done(&job).await);
    for (event, status) in [("backup.delete.start", "deleting"), ("backup.delete.end", "deleted")] {
        let told = listener.next().await;
        assert_eq!((&told["event_type"], &told["payload"]["status"]), (&json!(event), &json!(status)));
    }
}

pub(crate) async fn nobody_is_told_unless_somebody_asked(ground: Ground) {
    let rig = ground.start();
    let (volume, _, subject) = rows::backup_under_way(&rig.database).await;
    rig.enqueue(subject).await;
    let mut worker = rig.worker().await;
    let job = worker.take().await;
    assert!(worker.done(&job).await);
    assert_eq!(rig.volume(volume.id).await.status, VolumeStatus::Available);
    let mut tx = rig.database.begin("test: look").await.expect("begin");
    let now = domain::Timestamp::now().plus_secs(60);
    let waiting = db::outbox::take(&mut tx, now, now, 100).await.expect("rows");
    assert!(waiting.iter().all(|row| Topic::parse(&row.queue).is_none()), "{waiting:?}");
}
