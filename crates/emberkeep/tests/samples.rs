//! What is committed about configuration is what the code says: the samples in `config/`, which the services take, and the page.

use std::path::{Path, PathBuf};

use chassis::config::ConfigError;
use emberkeep::configure::options::Service;
use emberkeep::configure::{reference, sample};

fn committed(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file)
}

const fn file(service: Service) -> &'static str {
    match service {
        Service::Api => "config/api.toml",
        Service::Scheduler => "config/scheduler.toml",
        Service::BackupWorker => "config/backup-worker.toml",
        Service::OneProcess => "config/emberkeep.toml",
    }
}

/// As the service does at its start, up to the first port.
fn start(service: Service, path: &Path) -> Result<(), ConfigError> {
    let (path, prefix) = (Some(path), "EMBERKEEP_SAMPLES");
    match service {
        Service::Api => chassis::config::load_checked(path, prefix, api::Sections::check).map(drop),
        Service::Scheduler => chassis::config::load_checked(path, prefix, scheduler::Sections::check).map(drop),
        Service::BackupWorker => chassis::config::load_checked(path, prefix, backup_worker::Sections::check).map(drop),
        Service::OneProcess => chassis::config::load_checked(path, prefix, emberkeep::Sections::check).map(drop),
    }
}

#[test]
fn what_is_committed_is_what_the_code_says() {
    let page = std::fs::read_to_string(committed("docs/CONFIGURATION.md")).unwrap_or_default();
    assert!(page == reference(), "docs/CONFIGURATION.md has drifted: run `cargo xtask codegen`");
    for service in Service::ALL {
        let text = std::fs::read_to_string(committed(file(service))).unwrap_or_default();
        assert!(text == sample(service), "{} has drifted: run `cargo xtask codegen`", file(service));
    }
}

#[test]
fn every_sample_is_taken_by_its_service() {
    for service in Service::ALL {
        start(service, &committed(file(service))).unwrap_or_else(|error| panic!("{error}"));
    }
}

/// With the number signs taken away each option of a sample is one, and its value of the right type.
#[test]
fn what_a_sample_comments_out_can_be_used() {
    for service in Service::ALL {
        let text = sample(service);
        for line in
            text.lines().filter(|line| line.starts_with('#') && !line.starts_with("# ") && !line.starts_with("#["))
        {
            let (name, _) = line[1..].split_once(" = ").unwrap_or_else(|| panic!("{line}"));
            let changed = text.replace(&format!("\n{line}\n"), &format!("\n{}\n", &line[1..])).replace("\n#[", "\n[");
            // A pool without these is none.
            let changed = changed.replace("\n#name = ", "\nname = ").replace("\n#path = ", "\npath = ");
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), &changed).unwrap();
            // A file that is not there is refused too, by a sentence of ours.
            if let Err(error) = start(service, file.path()) {
                let error = error.to_string();
                let of_type = ["no such", "invalid type", "unknown variant", "missing field", "invalid value"];
                assert!(
                    !of_type.iter().any(|kind| error.contains(kind)),
                    "{name} of {}: {error}",
                    file.path().display()
                );
            }
        }
    }
}

#[test]
fn every_option_says_what_it_is_for_and_what_it_is_when_left_out() {
    for section in Service::ALL.into_iter().flat_map(Service::sections) {
        assert!(section.about.len() > 10, "{}", section.name);
        for option in &section.options {
            let of = format!("{} of {}", option.name, section.header());
            assert!(option.about.len() > 5, "{of} says nothing");
            let known = option.default.is_some() || option.follows.is_some();
            let said = ["Unset:", "Must be given", "Cinder's older word", "Its secret", "certificate's key"];
            let said = said.iter().any(|word| option.about.contains(word)) && option.example.is_some();
            assert!(known || said, "{of} says neither a default nor what it is when unset");
        }
    }
}
