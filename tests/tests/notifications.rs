//! Notifications as OpenStack's own library reads them.

mod real {
    use std::io::{BufRead, BufReader};
    use std::path::Path;
    use std::process::{Command, Stdio};

    use anyhow::{Context, Result, ensure};
    use domain::backup::{Backup, BackupStatus};
    use domain::{BackupId, Timestamp, VolumeId};
    use outbox::{About, Notifications, NotificationsConfig, NotificationsDriver};
    use serde_json::Value;
    use tests::servers::variable;
    use tokio_util::sync::CancellationToken;

    fn backup() -> Backup {
        Backup {
            id: BackupId::random(),
            project_id: "p".to_owned(),
            user_id: "u".to_owned(),
            volume_id: VolumeId::random(),
            snapshot_id: None,
            parent_id: None,
            name: Some("n\u{e4}chtlich".to_owned()),
            description: None,
            container: None,
            status: BackupStatus::Creating,
            fail_reason: None,
            size_gb: 1,
            object_count: 0,
            availability_zone: Some("nova".to_owned()),
            host: Some("h1".to_owned()),
            service: None,
            service_metadata: None,
            data_timestamp: Timestamp::now(),
            restore_volume_id: None,
            encryption_key_id: None,
            created_at: Timestamp::now(),
            updated_at: None,
            dependent_backups: 0,
        }
    }

    /// The listener comes when two messages are there already: nothing is lost for those who come later.
    #[tokio::test(flavor = "multi_thread")]
    async fn oslo_messaging_reads_them() -> Result<()> {
        for driver in [NotificationsDriver::MessagingV2, NotificationsDriver::Messaging] {
            heard(driver).await?;
        }
        Ok(())
    }

    async fn heard(driver: NotificationsDriver) -> Result<()> {
        const COUNT: usize = 3;
        let directory = tempfile::tempdir()?;
        let connection = format!("sqlite://{}", directory.path().join("emberkeep.db").display());
        let database = db::Database::connect(&db::Config { connection, ..db::Config::default() }).await?;
        database.migrate().await?;
        let (url, exchange) = (variable("EMBERKEEP_TEST_AMQP_URL"), format!("cloud-{}", uuid::Uuid::new_v4()));
        let topic = format!("notifications-{}", uuid::Uuid::new_v4());
        let config = NotificationsConfig {
            driver,
            topics: vec![topic.clone()],
            control_exchange: exchange.clone(),
            ..NotificationsConfig::default()
        };
        let (notifications, backup) = (Notifications::new(config), backup());
        let shutdown = CancellationToken::new();
        let _ended = shutdown.clone().drop_guard();
        let broker =
            messaging::connect(&messaging::Config { transport_url: url.clone(), ..Default::default() }, &shutdown)?;
        let nudge = outbox::Relay::spawn(database.clone(), broker, shutdown);
        let tell = async |percent: i64| {
            let about = About {
                event: "createprogress",
                host: "h1",
                request_id: Some("req-1"),
                traceparent: None,
                percent: Some(percent),
            };
            let mut tx = database.begin("test: tell").await?;
            notifications.write(&mut tx, &backup, &about, Timestamp::now()).await?;
            tx.commit().await?;
            nudge.wake();
            anyhow::Ok(())
        };
        tell(0).await?;
        tell(50).await?;
        tests::client::wait_until("an empty outbox", std::time::Duration::from_secs(30), async || {
            let mut tx = database.begin("test: look").await?;
            let now = Timestamp::now().plus_secs(120);
            let waiting = db::outbox::take(&mut tx, now, now, 10).await?;
            drop(tx);
            Ok(waiting.is_empty().then_some(()))
        })
        .await?;

        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("compat/notification_listener.py");
        let mut listener = Command::new(variable("EMBERKEEP_TEST_STOCK_PYTHON"))
            .arg(script)
            .args([&url.replace("amqp://", "rabbit://"), &exchange, &topic, &COUNT.to_string()])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(listener.stdout.take().context("its output")?).lines();
        ensure!(lines.next().transpose()?.as_deref() == Some("ready"), "the listener did not start");
        tell(100).await?;
        let mut percents = Vec::new();
        for line in lines.take(COUNT) {
            let heard: Value = serde_json::from_str(&line?)?;
            ensure!(heard["event_type"] == "backup.createprogress" && heard["publisher_id"] == "backup.h1", "{heard}");
            let payload = &heard["payload"];
            ensure!(
                payload["backup_id"] == backup.id.to_string() && payload["display_name"] == "n\u{e4}chtlich",
                "{heard}"
            );
            ensure!(heard["context"]["request_id"] == "req-1", "{heard}");
            percents.extend(payload["backup_percent"].as_i64());
        }
        percents.sort_unstable();
        ensure!(percents == [0, 50, 100], "{percents:?}");
        ensure!(listener.wait()?.success());
        Ok(())
    }
}
