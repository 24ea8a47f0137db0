//! Services whose broker and database speak TLS only they and their authority know: RabbitMQ demands certificates, PostgreSQL's is
//! verified to the host's name. And what is said when a certificate is the wrong one.

mod real {
    use std::net::TcpListener;
    use std::os::unix::fs::{MetadataExt, chown};
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use anyhow::{Context, Result, ensure};
    use messaging::Envelope;
    use serde_json::json;
    use sqlx::Connection;
    use stdx::report::Chain;
    use tempfile::TempDir;
    use tests::client::{JOB_LIMIT, Noun, wait_until};
    use tests::servers::{Options, Services, variable};
    use tokio_util::sync::CancellationToken;

    const HOST: &str = "h1";

    /// An authority with a certificate for servers of this machine, and one for a client.
    fn authority() -> Result<TempDir> {
        let folder = tempfile::tempdir()?;
        emberkeep::dev_ca::make(folder.path(), &[HOST.to_owned()])?;
        Ok(folder)
    }

    fn erlang(expression: &str) -> Result<()> {
        let output = Command::new(variable("EMBERKEEP_TEST_RABBITMQCTL")).args(["eval", expression]).output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success() && said.trim() == "ok", "{expression}: {said}");
        Ok(())
    }

    /// A listener of the tests' RabbitMQ that demands certificates of the authority. Dropped, it is gone.
    struct Broker {
        port: u16,
    }

    impl Broker {
        fn start(authority: &Path) -> Result<Self> {
            let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            let file = |name: &str| authority.join(name).display().to_string();
            let options = format!(
                "[{{cacertfile,\"{}\"}},{{certfile,\"{}\"}},{{keyfile,\"{}\"}},{{verify,verify_peer}},{{fail_if_no_peer_cert,true}}]",
                file("ca.pem"),
                file("scheduler.pem"),
                file("scheduler.key"),
            );
            erlang(&format!(
                "rabbit_networking:ensure_ssl(), rabbit_networking:start_ssl_listener({{\"127.0.0.1\", {port}}}, {options}, 2)."
            ))?;
            Ok(Self { port })
        }

        fn url(&self) -> String {
            format!("amqps://guest:guest@localhost:{}/%2f", self.port)
        }
    }

    impl Drop for Broker {
        fn drop(&mut self) {
            let stop = format!("rabbit_networking:stop_tcp_listener({{\"127.0.0.1\", {}}}), ok.", self.port);
            erlang(&stop).unwrap_or_else(|error| println!("the listener stays: {error:#}"));
        }
    }

    /// The tests' PostgreSQL, which offers TLS until this is put back.
    struct Tls {
        folder: PathBuf,
    }

    async fn administer(statements: &[String]) -> Result<()> {
        let mut connection = sqlx::PgConnection::connect(&variable("EMBERKEEP_TEST_POSTGRES_URL")).await?;
        for statement in statements {
            let statement = sqlx::AssertSqlSafe(statement.clone());
            sqlx::raw_sql(statement).execute(&mut connection).await?;
        }
        Ok(())
    }

    impl Tls {
        async fn start(authority: &Path) -> Result<Self> {
            let mut connection = sqlx::PgConnection::connect(&variable("EMBERKEEP_TEST_POSTGRES_URL")).await?;
            let data: String = sqlx::query_scalar("SHOW data_directory").fetch_one(&mut connection).await?;
            let folder = PathBuf::from(data);
            let owner = std::fs::metadata(&folder)?;
            for name in ["scheduler.pem", "scheduler.key"] {
                let copy = folder.join(name);
                std::fs::copy(authority.join(name), &copy)?;
                chown(&copy, Some(owner.uid()), Some(owner.gid()))?;
            }
            let set = |key: &str, value: &str| format!("ALTER SYSTEM SET {key} = '{value}'");
            administer(&[
                set("ssl_cert_file", "scheduler.pem"),
                set("ssl_key_file", "scheduler.key"),
                set("ssl", "on"),
                "SELECT pg_reload_conf()".to_owned(),
            ])
            .await?;
            Ok(Self { folder })
        }

        async fn stop(self) -> Result<()> {
            administer(&["ALTER SYSTEM RESET ALL".to_owned(), "SELECT pg_reload_conf()".to_owned()]).await?;
            for name in ["scheduler.pem", "scheduler.key"] {
                std::fs::remove_file(self.folder.join(name))?;
            }
            Ok(())
        }
    }

    fn query(authority: &Path) -> String {
        format!("sslmode=verify-full&sslrootcert={}", authority.join("ca.pem").display())
    }

    /// A backup by services that go no other way.
    async fn story(broker: &Broker, authority: &Path) -> Result<()> {
        let file = |name: &str| authority.join(name).display().to_string();
        let messaging = format!(
            "transport_url = '{}'\ntls_ca = '{}'\ntls_certificate = '{}'\ntls_key = '{}'\n",
            broker.url(),
            file("ca.pem"),
            file(&format!("worker-{HOST}.pem")),
            file(&format!("worker-{HOST}.key")),
        );
        let options = Options { messaging: Some(messaging), database_query: query(authority), ..Options::default() };
        let services = Services::start(options).await?;
        let told = async {
            let client = services.client()?;
            let volume = client.create_volume(1).await?;
            let backup = client.create_backup(&volume, &json!({"container": "Tls"})).await?;
            client.wait_for_status(Noun::Backup, &backup, "available").await?;
            client.delete(&format!("/backups/{backup}")).await?;
            client.wait_until_gone(Noun::Backup, &backup).await
        };
        let told: Result<()> = told.await;
        told.with_context(|| services.logs())
    }

    /// Why nothing could be sent.
    async fn refusal(config: &messaging::Config) -> Result<String> {
        let broker = messaging::connect(config, &CancellationToken::new())?;
        let envelope = Envelope { message_id: "1".to_owned(), body: "{}".into(), traceparent: None };
        let error = broker.publish("emberkeep.nobody", envelope).await.err().context("it was sent")?;
        broker.close().await;
        Ok(Chain(&error).to_string())
    }

    async fn refusals(broker: &Broker, authority: &Path, other: &Path) -> Result<()> {
        let config = messaging::Config {
            transport_url: broker.url(),
            tls_ca: Some(authority.join("ca.pem")),
            tls_certificate: Some(authority.join(format!("worker-{HOST}.pem"))),
            tls_key: Some(authority.join(format!("worker-{HOST}.key"))),
        };
        let nameless = messaging::Config { tls_certificate: None, tls_key: None, ..config.clone() };
        let astray = messaging::Config { tls_ca: Some(other.join("ca.pem")), ..config.clone() };
        let stranger = messaging::Config {
            tls_certificate: Some(other.join(format!("worker-{HOST}.pem"))),
            tls_key: Some(other.join(format!("worker-{HOST}.key"))),
            ..config
        };
        for (config, sentence) in [
            (nameless, "give tls_certificate and tls_key"),
            // Both authorities have the same name, so that it is the signature that is wrong.
            (astray, "the broker shows a certificate that is not valid"),
            (stranger, "the broker does not accept tls_certificate"),
        ] {
            // The broker may be gone before what it said is read.
            wait_until(sentence, JOB_LIMIT, async || {
                let said = refusal(&config).await?;
                println!("{said}");
                Ok(said.contains(sentence).then_some(()))
            })
            .await?;
        }
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn broker_and_database_are_met_by_tls_alone() {
        let (authority, other) = (authority().unwrap(), authority().unwrap());
        let broker = Broker::start(authority.path()).unwrap();
        let tls = Tls::start(authority.path()).await.unwrap();
        let outcome = async {
            refusals(&broker, authority.path(), other.path()).await?;
            story(&broker, authority.path()).await
        };
        let outcome: Result<()> = outcome.await;
        tls.stop().await.unwrap();
        outcome.unwrap_or_else(|error| panic!("{error:#}"));
    }
}
