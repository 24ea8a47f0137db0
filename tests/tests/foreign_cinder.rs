//! `emberkeep`'s commands against stock Cinder's own api: those that use standard routes serve it too.

mod real {
    use std::net::TcpListener;
    use std::path::{Path, PathBuf};
    use std::process::{Child, Command, Stdio};
    use std::time::Duration;

    use anyhow::{Context, Result, ensure};
    use serde_json::{Value, json};
    use tests::client::wait_until;
    use tests::servers::{PROJECT_ID, variable};

    /// `cinder-api` on SQLite, without schedulers or volume services: it answers, and nothing ever comes of it.
    struct Cinder {
        process: Child,
        endpoint: String,
        _directory: tempfile::TempDir,
    }

    impl Drop for Cinder {
        fn drop(&mut self) {
            let pid = rustix::process::Pid::from_child(&self.process);
            // Its own children end with it, which they would not do if it were killed.
            if rustix::process::kill_process(pid, rustix::process::Signal::TERM).is_ok() {
                let _ended = self.process.wait();
            }
        }
    }

    fn programs() -> PathBuf {
        let python = PathBuf::from(variable("EMBERKEEP_TEST_STOCK_PYTHON"));
        python.parent().map(Path::to_path_buf).unwrap_or_default()
    }

    impl Cinder {
        async fn start() -> Result<Self> {
            let directory = tempfile::tempdir()?;
            let folder = directory.path();
            let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            let paste = programs().join("../etc/cinder/api-paste.ini");
            let configuration = format!(
                "[DEFAULT]\ntransport_url = fake:/\nauth_strategy = noauth\nstate_path = {state}\n\
                 api_paste_config = {paste}\nosapi_volume_listen = 127.0.0.1\nosapi_volume_listen_port = {port}\n\
                 osapi_volume_workers = 1\n[database]\nconnection = sqlite:///{state}/cinder.db\n\
                 [oslo_concurrency]\nlock_path = {state}\n",
                state = folder.display(),
                paste = paste.display(),
            );
            std::fs::write(folder.join("cinder.conf"), configuration)?;
            let command = |program: &str| {
                let mut command = Command::new(programs().join(program));
                command
                    .arg("--config-file")
                    .arg(folder.join("cinder.conf"))
                    .stdout(Stdio::null())
                    .stderr(Stdio::null());
                command
            };
            ensure!(command("cinder-manage").args(["db", "sync"]).status()?.success(), "cinder-manage db sync failed");
            let process = command("cinder-api").spawn().context("start cinder-api")?;
            let endpoint = format!("http://127.0.0.1:{port}/v3/{PROJECT_ID}");
            let cinder = Self { process, endpoint, _directory: directory };
            wait_until("cinder-api answers", Duration::from_secs(120), async || {
                Ok(cinder.run(&["volume", "list"]).0.is_some_and(|code| code == 0).then_some(()))
            })
            .await?;
            Ok(cinder)
        }

        fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
            let program = PathBuf::from(variable("EMBERKEEP_TEST_BIN_DIR")).join("emberkeep");
            let mut command = Command::new(program);
            command.args(arguments).env("OS_ENDPOINT", &self.endpoint).env("OS_TOKEN", format!("demo:{PROJECT_ID}"));
            match command.env_remove("OS_CLOUD").output() {
                Ok(output) => {
                    let told = [output.stdout, output.stderr].concat();
                    (output.status.code(), String::from_utf8_lossy(&told).into_owned())
                }
                Err(error) => (None, error.to_string()),
            }
        }

        fn json(&self, arguments: &[&str]) -> Result<Value> {
            let (code, told) = self.run(&[arguments, &["-f", "json"]].concat());
            ensure!(code == Some(0), "{arguments:?}: {told}");
            Ok(serde_json::from_str(&told)?)
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn plain_commands_serve_it() -> Result<()> {
        let cinder = Cinder::start().await?;
        let made = cinder.json(&["volume", "create", "data", "--size", "1", "--description", "theirs"])?;
        ensure!(made["status"] == "creating" && made["description"] == "theirs", "{made}");
        let listed = cinder.json(&["volume", "list", "--name", "data"])?;
        ensure!(listed[0]["ID"] == made["id"] && listed[0]["Size"] == 1, "{listed}");
        ensure!(cinder.run(&["volume", "set", "data", "--name", "renamed"]).0 == Some(0));
        ensure!(cinder.json(&["volume", "show", "renamed"])?["id"] == made["id"]);
        for noun in ["backup", "snapshot", "service"] {
            ensure!(cinder.json(&[noun, "list"])? == json!([]), "{noun}");
        }
        let (code, told) = cinder.run(&["backup", "create", "renamed"]);
        ensure!(code == Some(1) && told.contains("(HTTP 400)"), "{told}");
        let (code, told) = cinder.run(&["job", "list"]);
        ensure!(code == Some(1) && told.contains("another than Emberkeep"), "{told}");
        Ok(())
    }
}
