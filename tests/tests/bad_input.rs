//! What an operator gets wrong or has gone: each is one sentence at `GET /readyz` and in the log, with what to do, and a service goes
//! on by itself when it is put right.

mod real {
    use std::fs::{self, File};
    use std::net::TcpListener;
    use std::path::Path;
    use std::process::{Child, Command, Stdio};
    use std::time::Duration;

    use anyhow::{Context, Result, anyhow, ensure};
    use serde_json::Value;
    use tests::chaos::link::{Link, Mode};
    use tests::client::wait_until;
    use tests::servers::{fresh_database, variable};

    const LIMIT: Duration = Duration::from_secs(60);

    /// A service with a file of its own, and where it tells how it is.
    struct Service {
        child: Child,
        health: String,
        folder: tempfile::TempDir,
    }

    impl Drop for Service {
        fn drop(&mut self) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }

    impl Service {
        fn start(program: &str, configuration: &str) -> Result<Self> {
            let folder = tempfile::tempdir()?;
            let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            let file = folder.path().join("service.toml");
            fs::write(&file, format!("{configuration}\n[health]\nlisten = '127.0.0.1:{port}'\n"))?;
            let log = File::create(folder.path().join("log"))?;
            let program = Path::new(&variable("EMBERKEEP_TEST_BIN_DIR")).join(program);
            let mut command = Command::new(&program);
            command.arg("--config").arg(&file).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
            for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("EMBERKEEP_")) {
                command.env_remove(name);
            }
            let child = command.spawn().with_context(|| format!("start {}", program.display()))?;
            Ok(Self { child, health: format!("http://127.0.0.1:{port}/readyz"), folder })
        }

        fn log(&self) -> String {
            fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
        }

        async fn health(&self) -> Option<Value> {
            let answer = reqwest::get(&self.health).await.ok()?;
            serde_json::from_str(&answer.text().await.ok()?).ok()
        }

        /// Until the trouble stands, in these words, and the log has it too.
        async fn has_trouble(&self, what: &str, sentence: &str) -> Result<()> {
            let found = wait_until(&format!("trouble with the {what}: {sentence}"), LIMIT, async || {
                let health = self.health().await;
                let told = health.as_ref().and_then(|health| health["troubles"][what].as_str().map(str::to_owned));
                Ok(told.filter(|told| told.contains(sentence)))
            })
            .await
            .with_context(|| self.log())?;
            ensure!(self.log().contains(&found), "the log does not say {found:?}:\n{}", self.log());
            Ok(())
        }

        async fn is_well(&self) -> Result<()> {
            wait_until("the service is well", LIMIT, async || {
                let health = self.health().await;
                let is_well = |health: &Value| {
                    health["ready"] == true && health["troubles"].as_object().is_some_and(|all| all.is_empty())
                };
                Ok(health.filter(is_well).map(drop))
            })
            .await
            .with_context(|| self.log())
        }
    }

    fn port(url: &str) -> Result<u16> {
        url::Url::parse(url)?.port().context("a port")
    }

    fn with(url: &str, change: impl FnOnce(&mut url::Url) -> Result<(), ()>) -> Result<String> {
        let mut url = url::Url::parse(url)?;
        change(&mut url).map_err(|()| anyhow!("the URL cannot be changed"))?;
        Ok(url.to_string())
    }

    fn api(database: &str, broker: &str, more: &str) -> Result<Service> {
        Service::start(
            "emberkeep-api",
            &format!(
                "[api]\nlisten = '127.0.0.1:0'\n{more}\n[database]\nconnection = '{database}'\n[messaging]\ntransport_url = '{broker}'\n"
            ),
        )
    }

    fn prepare() {
        drop(rustls::crypto::ring::default_provider().install_default());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn servers_that_come_later_or_go_are_named_and_waited_for() -> Result<()> {
        prepare();
        let server = fresh_database(&variable("EMBERKEEP_TEST_POSTGRES_URL")).await?;
        let amqp = variable("EMBERKEEP_TEST_AMQP_URL");
        let (database, broker) = (Link::start(vec![port(&server)?]).await?, Link::start(vec![port(&amqp)?]).await?);
        database.set(Mode::Refuse);
        let at = |url: &str, link: &Link| with(url, |url| url.set_port(Some(link.port())));
        let service = api(&at(&server, &database)?, &at(&amqp, &broker)?, "")?;
        let sentence = |name: &str, link: &Link| format!("{name}127.0.0.1:{}", link.port());
        service.has_trouble("database", &sentence("PostgreSQL at ", &database)).await?;
        service.has_trouble("database", "does not answer: see that it runs").await?;
        database.set(Mode::Pass);
        service.is_well().await?;
        broker.set(Mode::Refuse);
        service.has_trouble("broker", &sentence("RabbitMQ at amqp://", &broker)).await?;
        broker.set(Mode::Pass);
        service.is_well().await?;
        database.set(Mode::Stall);
        service.has_trouble("database", "does not answer").await?;
        database.set(Mode::Pass);
        service.is_well().await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_wrong_login_is_told_from_a_server_that_is_away() -> Result<()> {
        prepare();
        let server = variable("EMBERKEEP_TEST_POSTGRES_URL");
        let amqp = variable("EMBERKEEP_TEST_AMQP_URL");
        let nowhere = with(&server, |url| {
            url.set_path("/nowhere");
            Ok(())
        })?;
        let stranger = with(&amqp, |url| url.set_password(Some("wrong")))?;
        let service = api(&nowhere, &stranger, "")?;
        service.has_trouble("database", "has no such database: create it, or name another").await?;
        service.has_trouble("broker", "refuses the login: see user, password and virtual host").await?;

        let database = fresh_database(&server).await?;
        let section = |url: &str| {
            format!(
                "auth_strategy = 'keystone'\n[keystone_authtoken]\nauth_url = '{url}'\nusername = 'nobody'\npassword = 'wrong'\n\
                 project_name = 'service'"
            )
        };
        let service = api(&database, &amqp, &section(&variable("EMBERKEEP_TEST_KEYSTONE_URL")))?;
        service
            .has_trouble("keystone", "refuses the credentials: check user, password or key, project and domains")
            .await?;
        let service = api(&database, &amqp, &section("http://127.0.0.1:9/v3"))?;
        service
            .has_trouble("keystone", "Keystone at http://127.0.0.1:9/v3 cannot be reached: see that it runs")
            .await?;

        let pool = tempfile::tempdir()?;
        let service = Service::start(
            "emberkeep-backup-worker",
            &format!(
                "[worker]\nscheduler_url = 'http://127.0.0.1:9'\n[[pools]]\nname = 'pool'\npath = '{}'\n[store]\n\
                 backup_swift_auth_url = '{}'\nbackup_swift_user = 'test:tester'\nbackup_swift_key = 'wrong'\n\
                 backup_swift_retry_attempts = 0\n[messaging]\ntransport_url = '{amqp}'\n",
                pool.path().display(),
                variable("EMBERKEEP_TEST_SWIFT_AUTH_URL")
            ),
        )?;
        service.has_trouble("store", "refuses the credentials: check user, password or key").await?;
        service.has_trouble("scheduler", "The scheduler at http://127.0.0.1:9 has not been heard of").await
    }
}
