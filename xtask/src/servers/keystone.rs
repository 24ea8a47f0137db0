//! Keystone under uwsgi on PostgreSQL, with a catalogue that leads to our Swift.
//!
//! Users: admin/labadmin in project admin; demo/demo (member) and reader/demo (reader) in project demo; demo2/demo in
//! project demo2; swift and cinder (admin) and nova (service) with the service password in project service. Domain `default`,
//! region `RegionOne`.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::Command;

use anyhow::Context;
use rustix::process::Signal;

use super::home::{Home, Server};
use super::http::answers;
use super::identity::{ADMIN_PASSWORD, Admin};
use super::packages::{PYTHON, find, postgres_programs};
use super::ports::Ports;

const SET_UP: &str = include_str!("keystone_setup.py");
/// One for each core of a small machine: the tests' clients ask for tokens all the time.
const PROCESSES: &str = "2";
/// Of the users that services use to ask about callers' tokens.
pub(crate) const SERVICE_PASSWORD: &str = "labservice";

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
            PROCESSES,
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
    let filled = Admin::sign_in(ports.keystone).and_then(|admin| fill(&admin, ports));
    filled.with_context(|| format!("fill Keystone, whose log ends:\n{}\n", home.end_of_log("keystone")))
}

fn fill(admin: &Admin, ports: &Ports) -> anyhow::Result<()> {
    admin.role("ResellerAdmin")?;
    admin.role("service")?;
    for project in ["service", "demo", "demo2"] {
        admin.project(project)?;
    }
    admin.user("swift", SERVICE_PASSWORD, "service", "admin")?;
    admin.user("cinder", SERVICE_PASSWORD, "service", "admin")?;
    admin.user("nova", SERVICE_PASSWORD, "service", "service")?;
    admin.user("demo", "demo", "demo", "member")?;
    admin.user("demo2", "demo", "demo2", "member")?;
    admin.user("reader", "demo", "demo", "reader")?;
    let swift = format!("http://127.0.0.1:{}/v1/AUTH_%(project_id)s", ports.swift_keystone);
    admin.service("object-store", "swift", &swift)
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
