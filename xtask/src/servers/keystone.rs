//! Keystone under uwsgi on PostgreSQL, with a catalogue that leads to our Swift.
//!
//! Users: admin/labadmin in project admin; demo/demo (member) and reader/demo (reader) in project demo; demo2/demo in
//! project demo2; swift and cinder with the service password in project service. Domain `default`, region `RegionOne`.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::home::{Home, Server};
use super::http::{self, answers};
use super::packages::{PYTHON, find, postgres_programs};
use super::ports::Ports;

const SET_UP: &str = include_str!("keystone_setup.py");
/// Of the users that services use to ask about callers' tokens.
pub(crate) const SERVICE_PASSWORD: &str = "labservice";
const ADMIN_PASSWORD: &str = "labadmin";

/// Makes the database and the keys, and starts the server. PostgreSQL must be ready: on SQLite two of Keystone's own
/// connections can meet "database is locked".
pub(crate) async fn launch(home: &mut Home, ports: &Ports) -> anyhow::Result<()> {
    let folder = home.folder("keystone")?;
    let file = folder.join("keystone.conf");
    fs::write(&file, configuration(&folder, ports))?;
    set_up(home, &folder, &file, ports).await?;
    let (uwsgi, script) = (find("uwsgi")?, find("keystone-wsgi-public")?);
    home.launch(Server { name: "keystone", program: &uwsgi, stop: Signal::TERM, user: None }, |command| {
        command.env("OS_KEYSTONE_CONFIG_FILES", &file);
        command.args(["--plugin", "python3", "--master", "--lazy-apps", "--die-on-term", "--enable-threads"]);
        command.args([
            "--processes",
            "1",
            "--threads",
            "1",
            "--no-orphans",
            "--buffer-size",
            "65535",
            "--disable-logging",
        ]);
        // This server keeps no connection open but does not say so by itself; clients would reuse them and fail.
        command.args(["--add-header", "Connection: close"]);
        command.arg("--http-socket").arg(format!("127.0.0.1:{}", ports.keystone)).arg("--wsgi-file").arg(script);
    })
}

/// Waits for the server, then makes projects, users and the catalogue.
pub(crate) async fn seed(home: &Home, ports: &Ports) -> anyhow::Result<()> {
    home.wait("keystone", || answers(ports.keystone, "/v3")).await?;
    let filled = Seeder::sign_in(ports.keystone).and_then(|seeder| seeder.fill(ports));
    filled.with_context(|| format!("fill Keystone, whose log ends:\n{}\n", home.end_of_log("keystone")))
}

fn configuration(folder: &Path, ports: &Ports) -> String {
    format!(
        "[DEFAULT]\nuse_stderr = true\nlog_dir =\n\
         [database]\nconnection = postgresql+psycopg2://postgres@127.0.0.1:{postgres}/keystone\n\
         [token]\nprovider = fernet\nexpiration = 86400\n\
         [fernet_tokens]\nkey_repository = {folder}/fernet\n\
         [credential]\nkey_repository = {folder}/credential\n\
         [identity]\npassword_hash_rounds = 4\n\
         [cache]\nenabled = false\n",
        folder = folder.display(),
        postgres = ports.postgres,
    )
}

async fn set_up(home: &Home, folder: &Path, file: &Path, ports: &Ports) -> anyhow::Result<()> {
    for keys in ["fernet", "credential"] {
        // Keystone refuses key folders that others can read.
        fs::DirBuilder::new().mode(0o700).create(folder.join(keys))?;
    }
    let mut create = Command::new(postgres_programs()?.join("createdb"));
    create.args(["--host=127.0.0.1", "--username=postgres", "--port", &ports.postgres.to_string(), "keystone"]);
    home.run("keystone-setup", create).await?;
    let url = format!("http://127.0.0.1:{}/v3/", ports.keystone);
    let owner = format!("--keystone-user={} --keystone-group={}", id("-un")?, id("-gn")?);
    let mut commands = Command::new(PYTHON);
    commands.arg("-c").arg(SET_UP).arg(file).args([
        "db_sync".to_owned(),
        format!("fernet_setup {owner}"),
        format!("credential_setup {owner}"),
        format!(
            "bootstrap --bootstrap-password={ADMIN_PASSWORD} --bootstrap-region-id=RegionOne \
             --bootstrap-admin-url={url} --bootstrap-internal-url={url} --bootstrap-public-url={url}"
        ),
    ]);
    home.run("keystone-setup", commands).await
}

/// What `id` answers about us.
fn id(option: &str) -> anyhow::Result<String> {
    let output = Command::new("id").arg(option).output().context("run id")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Makes things through Keystone's API, as admin.
struct Seeder {
    port: u16,
    token: String,
}

impl Seeder {
    fn sign_in(port: u16) -> anyhow::Result<Self> {
        let domain = json!({"id": "default"});
        let user = json!({"name": "admin", "domain": domain, "password": ADMIN_PASSWORD});
        let body = json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": "admin", "domain": domain}},
        }});
        let answer = http::request(port, "POST", "/v3/auth/tokens", "", Some(&body))?;
        let token = answer.header("X-Subject-Token").context("Keystone gave admin no token")?.to_owned();
        Ok(Self { port, token })
    }

    fn fill(&self, ports: &Ports) -> anyhow::Result<()> {
        self.create("roles", "role", json!({"name": "ResellerAdmin"}))?;
        for project in ["service", "demo", "demo2"] {
            self.create("projects", "project", json!({"name": project, "domain_id": "default"}))?;
        }
        self.user("swift", SERVICE_PASSWORD, "service", "admin")?;
        self.user("cinder", SERVICE_PASSWORD, "service", "admin")?;
        self.user("demo", "demo", "demo", "member")?;
        self.user("demo2", "demo", "demo2", "member")?;
        self.user("reader", "demo", "demo", "reader")?;
        let swift = self.create("services", "service", json!({"name": "swift", "type": "object-store"}))?;
        let url = format!("http://127.0.0.1:{}/v1/AUTH_%(project_id)s", ports.swift_keystone);
        for interface in ["public", "internal", "admin"] {
            let endpoint = json!({"service_id": swift, "interface": interface, "url": url, "region_id": "RegionOne"});
            self.create("endpoints", "endpoint", endpoint)?;
        }
        Ok(())
    }

    fn user(&self, name: &str, password: &str, project: &str, role: &str) -> anyhow::Result<()> {
        let project = self.id_of("projects", project)?;
        let body = json!({"name": name, "password": password, "domain_id": "default", "default_project_id": project});
        let user = self.create("users", "user", body)?;
        let role = self.id_of("roles", role)?;
        self.call("PUT", &format!("/v3/projects/{project}/users/{user}/roles/{role}"), None)?;
        Ok(())
    }

    /// Makes one thing and answers its id.
    fn create(&self, collection: &str, noun: &str, body: Value) -> anyhow::Result<String> {
        let answer = self.call("POST", &format!("/v3/{collection}"), Some(&json!({noun: body})))?;
        text(&answer[noun]["id"])
    }

    fn id_of(&self, collection: &str, name: &str) -> anyhow::Result<String> {
        let answer = self.call("GET", &format!("/v3/{collection}?name={name}"), None)?;
        text(&answer[collection][0]["id"])
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let answer = http::request(self.port, method, path, &self.token, body)?;
        if !(200..300).contains(&answer.status) {
            bail!("{method} {path} was answered {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
        }
        if answer.body.is_empty() { Ok(Value::Null) } else { answer.json() }
    }
}

fn text(value: &Value) -> anyhow::Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("expected a string, found {value}"))
}
