//! `emberkeep config import cinder.conf`: what Cinder's configuration says, as ours; and in words what did not come over.

mod backends;
mod cinder;
mod draft;
mod ini;
mod special;
mod urls;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use chassis::config::ConfigError;

use super::options::Service;
use cinder::Fate;
use draft::{Draft, SERVICES, file};
use ini::Ini;

/// A prefix that no variable has: the files are judged alone.
const NO_VARIABLES: &str = "EMBERKEEP_IMPORT_READS_NO_VARIABLE";
/// A cinder.conf with all that oslo.config-generator writes has some 250 kB.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// What the command line says.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Cinder's configuration; of several files the later ones count more.
    #[arg(required = true, value_name = "CINDER.CONF")]
    files: Vec<PathBuf>,
    /// Where api.toml, scheduler.toml and backup-worker.toml go; made where it is missing.
    #[arg(long, value_name = "DIRECTORY", default_value = "emberkeep")]
    to: PathBuf,
    /// Write over files that are there.
    #[arg(long)]
    force: bool,
}

/// Whether an option of Cinder's is taken over, or left out with a reason.
#[must_use]
pub fn knows(group: &str, option: &str) -> bool {
    cinder::fate(group, option) != Fate::Unknown
}

/// Reads, writes and tells. Fails when a service would not take its file as it is; it is written all the same.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut ini = Ini::default();
    for path in &arguments.files {
        ini.read(&text(path)?).with_context(|| format!("read {}", path.display()))?;
    }
    let folder = arguments.files.last().and_then(|file| file.parent()).unwrap_or(Path::new(""));
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let draft = draft(&ini, &folder);
    let written = write(&draft, arguments)?;
    print!("{}", report(&draft, &written));
    let mut code = ExitCode::SUCCESS;
    for (service, path) in SERVICES.iter().zip(&written) {
        if let Err(error) = check(*service, path) {
            eprintln!("emberkeep: {} does not start with its file yet: {error}", service.program());
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

fn text(path: &Path) -> anyhow::Result<String> {
    let length = std::fs::metadata(path).with_context(|| format!("read {}", path.display()))?.len();
    if length > FILE_BYTES_MAX {
        bail!("{} is no configuration: it has {length} bytes", path.display());
    }
    std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}

fn draft(ini: &Ini, folder: &Path) -> Draft {
    let mut draft = Draft::default();
    let backends: Vec<String> =
        ini.text(ini::DEFAULT, "enabled_backends").map(|text| ini::list(&text)).unwrap_or_default();
    for (group, option) in ini.names() {
        let is_backend = group.eq_ignore_ascii_case("backend_defaults") || backends.iter().any(|name| name == group);
        if !is_backend {
            take(ini, group, option, &mut draft);
        }
    }
    special::import(ini, folder, &mut draft);
    backends::import(ini, &mut draft);
    draft
}

fn take(ini: &Ini, group: &str, option: &str, draft: &mut Draft) {
    let name = format!("[{group}] {option}");
    let value = match ini.get(group, option) {
        Some(Ok(value)) => value,
        Some(Err(ini::Unresolved(missing))) => {
            return draft
                .leave(name, format!("it names ${missing}, which the file does not have: give the value by hand."));
        }
        None => return,
    };
    match cinder::fate(group, option) {
        Fate::Taken(_) if value.is_empty() || value == "<None>" => {}
        Fate::Taken(places) => {
            for place in places {
                match Draft::value(place.service, place.section, place.option, &value) {
                    Ok(value) => draft.take(&name, place.service, place.section, place.option, value),
                    Err(problem) => {
                        draft.leave(name.clone(), format!("{problem}: give [{}] {}.", place.section, place.option))
                    }
                }
            }
        }
        Fate::Weighed => {}
        Fate::Left(why) => draft.leave(name, why),
        Fate::Unknown => draft.unknown.push(name),
    }
}

/// All or none: whatever is there already is told of before anything is written.
fn write(draft: &Draft, arguments: &Arguments) -> anyhow::Result<Vec<PathBuf>> {
    let paths: Vec<PathBuf> = SERVICES.iter().map(|service| arguments.to.join(file(*service))).collect();
    if let Some(path) = paths.iter().find(|path| !arguments.force && path.symlink_metadata().is_ok()) {
        bail!("{} is there already: give --force to write over it, or another directory with --to", path.display());
    }
    std::fs::create_dir_all(&arguments.to).with_context(|| format!("make {}", arguments.to.display()))?;
    for (service, path) in SERVICES.iter().zip(&paths) {
        // A new file, for nobody but its owner: it holds passwords.
        let made = || {
            let mut file = tempfile::NamedTempFile::new_in(&arguments.to)?;
            file.write_all(draft.text(*service).as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(path).map_err(|error| error.error)
        };
        made().with_context(|| format!("write {}", path.display()))?;
    }
    Ok(paths)
}

/// As the service does before it binds a port.
fn check(service: Service, path: &Path) -> Result<(), ConfigError> {
    let path = Some(path);
    match service {
        Service::Api => chassis::config::load_checked(path, NO_VARIABLES, api::Sections::check).map(drop),
        Service::Scheduler => chassis::config::load_checked(path, NO_VARIABLES, scheduler::Sections::check).map(drop),
        Service::BackupWorker => {
            chassis::config::load_checked(path, NO_VARIABLES, backup_worker::Sections::check).map(drop)
        }
        Service::OneProcess => chassis::config::load_checked(path, NO_VARIABLES, crate::Sections::check).map(drop),
    }
}

/// Names of options and reasons; no value that was read, which may be a secret.
fn report(draft: &Draft, written: &[PathBuf]) -> String {
    use std::fmt::Write as _;

    let mut text = String::from("Taken over:\n");
    for (from, to) in &draft.taken {
        _ = writeln!(text, "  {from} -> {to}");
    }
    text.push_str("\nNot taken over:\n");
    for (what, why) in &draft.left {
        _ = writeln!(text, "  {what}: {why}");
    }
    if !draft.unknown.is_empty() {
        _ = writeln!(text, "\nNothing here is like: {}", draft.unknown.join(", "));
    }
    text.push_str("\nTo do by hand:\n");
    let written: Vec<String> = written.iter().map(|path| path.display().to_string()).collect();
    let last = format!(
        "Give the user of the services what is written, which its owner alone can read for the passwords in it: {}.",
        written.join(", ")
    );
    for (number, what) in draft.to_do.iter().chain([&last]).enumerate() {
        _ = writeln!(text, "  {}. {what}", number + 1);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written and what is told of a cinder.conf.
    fn import(text: &str) -> (Draft, [String; 3], String) {
        let mut ini = Ini::default();
        ini.read(text).expect("readable");
        let draft = draft(&ini, Path::new("/etc/cinder"));
        let (texts, report) = (SERVICES.map(|service| draft.text(service)), report(&draft, &[]));
        (draft, texts, report)
    }

    #[test]
    fn what_is_not_taken_is_told_with_what_to_do() {
        let (_, [api, scheduler, worker], report) = import(
            "[DEFAULT]\ntransport_url = rabbit://u:hunter2@a:1,u:hunter2@b:1/v\nbackup_workers = 3\nquota_backups = many\n\
             backup_ceph_pool = p\nbackup_max_operations = 50\nbackup_file_size = 1999994880\nosapi_volume_listen = ::\n\
             enabled_backends = a,b\nvendor_thing = 1\nbackup_swift_url = $unknown/x\n[database]\n\
             connection = mysql+pymysql://c:hunter2@db/cinder\n[nova]\nauth_type = password\npassword = hunter2\n\
             [a]\nvolume_driver = cinder.volume.drivers.rbd.RBDDriver\nrbd_secret = hunter2\n[b]\nvolume_group = vg\n\
             [oslo_messaging_notifications]\ndriver = log\ndriver = messagingv2\ntopics = one, two\n",
        );
        for part in [
            "[DEFAULT] backup_workers: ",
            "quota_backups: it is no number: give [quota] quota_backups.",
            "backup_ceph_pool: there is no driver for Ceph",
            "transport_url (its 1 further hosts)",
            "[database] connection: ",
            "backup_swift_auth (per_user, Cinder's default)",
            "it names $unknown, which the file does not have",
            "[DEFAULT] backup_file_size: so large an object",
            "So many jobs at once need 2500 MiB",
            "[a]: there is no driver like cinder.volume.drivers.rbd.RBDDriver",
            "[b] is LVM",
            "driver = log: only messaging",
            "[nova] password: set [api] compute_detaches",
            "Nothing here is like: [DEFAULT] vendor_thing",
        ] {
            assert!(report.contains(part), "{part}\n{report}");
        }
        assert!(!report.contains("hunter2"), "{report}");
        assert!(api.contains("listen = \"[::]:8776\"") && api.contains("auth_strategy = \"keystone\""), "{api}");
        assert!(scheduler.contains("transport_url = \"amqp://u:hunter2@a:1/v\""), "{scheduler}");
        assert!(
            scheduler.contains("topics = [\"one\",\"two\"]") && scheduler.contains("CHANGE-ME@127.0.0.1"),
            "{scheduler}"
        );
        for part in [
            "manage_paths = [\"/dev/vg\"]",
            "name = \"b\"",
            "backup_swift_key = \"CHANGE-ME\"",
            "worker_memory_budget_mib = 2500",
        ] {
            assert!(worker.contains(part), "{part}\n{worker}");
        }
    }

    #[test]
    fn an_empty_file_is_one_of_defaults() {
        let (draft, _, report) = import("");
        assert!(draft.unknown.is_empty() && draft.has_pools(), "{report}");
    }
}
