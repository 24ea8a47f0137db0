//! A migrated database to copy: making the tables takes longer than many jobs.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tempfile::TempDir;

static TEMPLATE: OnceLock<Vec<u8>> = OnceLock::new();

/// Memory, where the machine has it as a directory.
fn directory() -> std::io::Result<TempDir> {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { TempDir::with_prefix_in("emberkeep-simulation", memory) } else { TempDir::new() }
}

/// A database of one's own.
pub(crate) fn copy() -> anyhow::Result<(TempDir, PathBuf)> {
    let own = directory()?;
    let path = own.path().join("simulation.db");
    let template = match TEMPLATE.get() {
        Some(template) => template,
        None => {
            let made = make()?;
            TEMPLATE.get_or_init(|| made)
        }
    };
    std::fs::write(&path, template)?;
    Ok((own, path))
}

/// On a thread that no simulation has touched.
fn make() -> anyhow::Result<Vec<u8>> {
    let made = std::thread::spawn(|| -> anyhow::Result<Vec<u8>> {
        let directory = directory()?;
        let path = directory.path().join("template.db");
        stdx::chance::seed(0);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let database = db::Database::simulated(&path)?;
            database.migrate().await
        })?;
        Ok(std::fs::read(&path)?)
    });
    made.join().map_err(|_| anyhow::anyhow!("making the database failed"))?
}
