//! A Swift of one node, one replica and one device, with two proxies: one for tempauth's users, one for Keystone's.

use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use super::home::{Home, Server};
use super::http::{answers, listens};
use super::keystone::SERVICE_PASSWORD;
use super::packages::{PYTHON, find};
use super::ports::Ports;

const RINGS: &str = include_str!("swift_rings.py");

/// Tokens of tempauth and of Keystone's middleware are kept there.
pub(crate) fn launch_memcached(home: &mut Home, ports: &Ports) -> anyhow::Result<()> {
    let program = find("memcached")?;
    home.launch(Server { name: "memcached", program: &program, stop: Signal::TERM, user: None }, |command| {
        command.args(["-l", "127.0.0.1", "-U", "0", "-m", "64", "-p", &ports.memcached.to_string()]);
        if rustix::process::geteuid().is_root() {
            command.args(["-u", "nobody"]);
        }
    })
}

/// Makes the rings and starts the three storage servers and the two proxies.
pub(crate) async fn launch(home: &mut Home, ports: &Ports) -> anyhow::Result<()> {
    let folder = home.folder("swift")?;
    home.folder("swift/devices/d1")?;
    let mut rings = Command::new(PYTHON);
    rings.arg("-c").arg(RINGS).arg(&folder);
    rings.args(storage_servers(ports).map(|(name, port)| format!("{name}:{port}")));
    home.run("swift-rings", rings).await?;
    for (name, port) in storage_servers(ports) {
        let text = storage_configuration(name, port, &folder);
        start(home, &format!("swift-{name}"), &format!("swift-{name}-server"), &folder, text)?;
    }
    let tempauth = proxy_configuration(ports.swift_tempauth, "tempauth", TEMPAUTH, &folder, ports);
    start(home, "swift-proxy-tempauth", "swift-proxy-server", &folder, tempauth)?;
    let keystone =
        proxy_configuration(ports.swift_keystone, "authtoken keystoneauth", &keystone_filters(ports), &folder, ports);
    start(home, "swift-proxy-keystone", "swift-proxy-server", &folder, keystone)
}

pub(crate) async fn ready(home: &Home, ports: &Ports) -> anyhow::Result<()> {
    home.wait("memcached", || listens(ports.memcached)).await?;
    for (name, port) in storage_servers(ports) {
        home.wait(&format!("swift-{name}"), || answers(port, "/healthcheck")).await?;
    }
    home.wait("swift-proxy-tempauth", || answers(ports.swift_tempauth, "/healthcheck")).await?;
    home.wait("swift-proxy-keystone", || answers(ports.swift_keystone, "/healthcheck")).await
}

fn storage_servers(ports: &Ports) -> [(&'static str, u16); 3] {
    [("account", ports.swift_account), ("container", ports.swift_container), ("object", ports.swift_object)]
}

fn start(home: &mut Home, name: &str, program: &str, folder: &Path, configuration: String) -> anyhow::Result<()> {
    let file = folder.join(format!("{name}.conf"));
    fs::write(&file, configuration)?;
    let program = find(program)?;
    // -v: log to standard error as well; otherwise what they say goes to /dev/log or nowhere.
    home.launch(Server { name, program: &program, stop: Signal::TERM, user: None }, |command| {
        command.arg(&file).arg("-v");
    })
}

/// `user`: they change to the user `swift` unless told who they are.
fn defaults(port: u16, folder: &Path) -> String {
    let user = if rustix::process::geteuid().is_root() { "root".to_owned() } else { user_name() };
    format!(
        "[DEFAULT]\nbind_ip = 127.0.0.1\nbind_port = {port}\nuser = {user}\nswift_dir = {folder}\n\
         workers = 1\nlog_level = WARNING\n",
        folder = folder.display()
    )
}

fn user_name() -> String {
    std::env::var("USER").unwrap_or_else(|_| "nobody".to_owned())
}

fn storage_configuration(name: &str, port: u16, folder: &Path) -> String {
    format!(
        "{defaults}log_name = {name}-server\ndevices = {folder}/devices\nmount_check = false\nfallocate_reserve = 0\n\
         [pipeline:main]\npipeline = healthcheck {name}-server\n\
         [app:{name}-server]\nuse = egg:swift#{name}\n\
         [filter:healthcheck]\nuse = egg:swift#healthcheck\n",
        defaults = defaults(port, folder),
        folder = folder.display(),
    )
}

fn proxy_configuration(port: u16, authentication: &str, filters: &str, folder: &Path, ports: &Ports) -> String {
    let mut text = format!(
        "{defaults}log_name = proxy-server\n\
         [pipeline:main]\n\
         pipeline = catch_errors gatekeeper healthcheck cache listing_formats bulk tempurl {authentication} copy \
         container-quotas account-quotas slo dlo versioned_writes symlink proxy-server\n\
         [app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true\n\
         [filter:cache]\nuse = egg:swift#memcache\nmemcache_servers = 127.0.0.1:{memcached}\n\
         [filter:versioned_writes]\nuse = egg:swift#versioned_writes\nallow_versioned_writes = true\n\
         {filters}",
        defaults = defaults(port, folder),
        memcached = ports.memcached,
    );
    let plain = ["catch_errors", "gatekeeper", "healthcheck", "listing_formats", "bulk", "tempurl", "copy"];
    for name in plain.iter().chain(&["container-quotas", "account-quotas", "slo", "dlo", "symlink"]) {
        text.push_str(&format!("[filter:{name}]\nuse = egg:swift#{}\n", name.replace('-', "_")));
    }
    text
}

/// The account's prefix is not the usual AUTH, so that a client that builds storage URLs by itself is found out.
const TEMPAUTH: &str = "[filter:tempauth]\nuse = egg:swift#tempauth\nreseller_prefix = TEMPAUTH\n\
    user_admin_admin = admin .admin .reseller_admin\n\
    user_test_tester = testing .admin\n\
    user_test_tester3 = testing3\n\
    user_test2_tester2 = testing2 .admin\n\
    token_life = 86400\n";

fn keystone_filters(ports: &Ports) -> String {
    format!(
        "[filter:authtoken]\npaste.filter_factory = keystonemiddleware.auth_token:filter_factory\n\
         www_authenticate_uri = http://127.0.0.1:{keystone}/v3\nauth_url = http://127.0.0.1:{keystone}/v3\n\
         auth_type = password\nproject_domain_id = default\nuser_domain_id = default\nproject_name = service\n\
         username = swift\npassword = {SERVICE_PASSWORD}\ndelay_auth_decision = True\ncache = swift.cache\n\
         include_service_catalog = False\n\
         [filter:keystoneauth]\nuse = egg:swift#keystoneauth\nreseller_prefix = AUTH\n\
         operator_roles = admin, member, swiftoperator\nreseller_admin_role = ResellerAdmin\n",
        keystone = ports.keystone
    )
}
