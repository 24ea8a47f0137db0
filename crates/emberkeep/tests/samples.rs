//! The commented samples in `config/` are configurations that the services take.

use std::path::Path;

fn sample<T: serde::de::DeserializeOwned>(name: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config").join(name);
    chassis::config::load(Some(&path), "EMBERKEEP_SAMPLES").unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_sample_is_taken_by_its_service() {
    let api: api::Sections = sample("api.toml");
    api.check().unwrap();
    let scheduler: scheduler::Sections = sample("scheduler.toml");
    scheduler.check().unwrap();
    let worker: backup_worker::Sections = sample("backup-worker.toml");
    worker.check().unwrap();
}
