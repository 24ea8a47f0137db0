//! Files of a pool directory that appear whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use uuid::Uuid;

/// Ends the name of a file that is still being built. The name starts with a dot and the name it is built for.
const TEMPORARY_SUFFIX: &str = ".tmp";

/// Owner only: a volume's bytes are its tenant's.
const MODE: u32 = 0o600;

/// Builds `name` in `directory`: under a temporary name, filled, made durable, then renamed, the directory made durable
/// too. A crash leaves the old file or the new one; what it leaves under a temporary name goes with the next attempt.
pub(crate) fn build(directory: &Path, name: &str, fill: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
    remove_abandoned(directory, name)?;
    let temporary = directory.join(format!(".{name}.{}{TEMPORARY_SUFFIX}", Uuid::new_v4()));
    let built = create_new(&temporary).and_then(|file| {
        fill(&file)?;
        file.sync_all()?;
        fs::rename(&temporary, directory.join(name))?;
        sync_directory(directory)
    });
    if built.is_err() {
        // Best effort: the error that counts is the first one, and the next attempt sweeps again.
        drop(fs::remove_file(&temporary));
    }
    built
}

/// Removes `name` and whatever was being built for it; what is not there is fine.
pub(crate) fn remove(directory: &Path, name: &str) -> io::Result<()> {
    remove_abandoned(directory, name)?;
    match fs::remove_file(directory.join(name)) {
        Ok(()) => sync_directory(directory),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes renames and removals in `directory` durable.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Opens a new file that nobody else has, for reading and writing.
pub(crate) fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(MODE).open(path)
}

/// Sweeps what dead attempts at `name` left. A dead attempt that still runs finds its file gone and fails, which is
/// what should happen to it.
fn remove_abandoned(directory: &Path, name: &str) -> io::Result<()> {
    let start = format!(".{name}.");
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let file_name = entry.file_name();
        let abandoned = file_name.to_str().is_some_and(|n| n.starts_with(&start) && n.ends_with(TEMPORARY_SUFFIX));
        if abandoned {
            match fs::remove_file(entry.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}
