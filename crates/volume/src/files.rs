//! Files of a pool directory that appear whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use uuid::Uuid;

/// Ends the name of a file that is still being built. The name starts with a dot and the name it is built for.
const TEMPORARY_SUFFIX: &str = ".tmp";

/// Owner only: a volume's bytes are its tenant's.
const MODE: u32 = 0o600;

/// Builds `name` in `directory`: under a temporary name, filled, made durable, then given its name as well, the directory
/// made durable too. A crash leaves no file or a whole one; what it leaves under a temporary name goes with the next
/// attempt. False: somebody else made `name` meanwhile; theirs stays, because it may be in use already.
pub(crate) fn build(directory: &Path, name: &str, fill: impl FnOnce(&File) -> io::Result<()>) -> io::Result<bool> {
    remove_abandoned(directory, name)?;
    let temporary = directory.join(format!(".{name}.{}{TEMPORARY_SUFFIX}", Uuid::new_v4()));
    let built = create_new(&temporary).and_then(|file| {
        fill(&file)?;
        file.sync_all()?;
        publish(&temporary, directory, name)
    });
    // Best effort: what counts is decided, and the next attempt and the removal of `name` sweep again.
    drop(fs::remove_file(&temporary));
    built
}

/// A whole, durable file that waits for its name. Dropped, it goes.
pub(crate) struct Ready<'a> {
    directory: &'a Path,
    temporary: PathBuf,
    name: &'a str,
}

/// Builds what is to replace `name`.
pub(crate) fn prepare<'a>(
    directory: &'a Path,
    name: &'a str,
    fill: impl FnOnce(&File) -> io::Result<()>,
) -> io::Result<Ready<'a>> {
    remove_abandoned(directory, name)?;
    let temporary = directory.join(format!(".{name}.{}{TEMPORARY_SUFFIX}", Uuid::new_v4()));
    let file = create_new(&temporary)?;
    let ready = Ready { directory, temporary, name };
    fill(&file)?;
    file.sync_all()?;
    Ok(ready)
}

impl Ready<'_> {
    /// In one step the new file has the name.
    pub(crate) fn replace(self) -> io::Result<()> {
        fs::rename(&self.temporary, self.directory.join(self.name))?;
        sync_directory(self.directory)
    }
}

impl Drop for Ready<'_> {
    fn drop(&mut self) {
        // Nothing is there once it has its name; what stays is swept by the next attempt.
        drop(fs::remove_file(&self.temporary));
    }
}

/// A link, unlike a renaming, never replaces what is there.
fn publish(temporary: &Path, directory: &Path, name: &str) -> io::Result<bool> {
    match fs::hard_link(temporary, directory.join(name)) {
        Ok(()) => sync_directory(directory).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_late_builder_replaces_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let overtaken = |mut file: &File| {
            file.write_all(b"late")?;
            fs::write(directory.path().join("name"), b"in use")
        };
        assert!(!build(directory.path(), "name", overtaken).unwrap());
        assert_eq!(fs::read(directory.path().join("name")).unwrap(), b"in use");
        assert!(build(directory.path(), "other", |mut file| file.write_all(b"whole")).unwrap());
        assert_eq!(fs::read(directory.path().join("other")).unwrap(), b"whole");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "no temporary file stays");
    }
}
