//! File systems with reflinks, in image files: pools tell there what changed since a backup.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::home::Home;
use super::packages::find;

/// The images are sparse.
const SIZE_BYTES: u64 = 4 << 30;

const KINDS: [(&str, &str, &[&str]); 2] =
    [("xfs", "mkfs.xfs", &["-q", "-m", "reflink=1"]), ("btrfs", "mkfs.btrfs", &["--quiet"])];

/// Mounted folders. Dropped, they are unmounted.
#[derive(Debug, Default)]
pub(crate) struct FileSystems {
    folders: Vec<PathBuf>,
}

impl FileSystems {
    /// Only root mounts, and not every container lets it: then there are none, and it is said why.
    pub(crate) async fn mount(home: &Home) -> Self {
        let mut mounted = Self::default();
        for (name, program, options) in KINDS {
            match make(home, name, program, options).await {
                Ok(folder) => mounted.folders.push(folder),
                Err(error) => {
                    eprintln!("NO file system with reflinks, so their tests are LEFT OUT: {error:#}");
                    return Self::default();
                }
            }
        }
        mounted
    }

    /// What tests read; `None` when there are none.
    pub(crate) fn variable(&self) -> Option<(&'static str, String)> {
        let folders: Vec<_> = self.folders.iter().map(|folder| folder.display().to_string()).collect();
        (!folders.is_empty()).then(|| ("EMBERKEEP_TEST_REFLINK_DIRS", folders.join(":")))
    }
}

async fn make(home: &Home, name: &str, program: &str, options: &[&str]) -> anyhow::Result<PathBuf> {
    let folder = home.folder(name)?;
    let image = folder.with_extension("image");
    let file = std::fs::File::create(&image).with_context(|| format!("make {}", image.display()))?;
    file.set_len(SIZE_BYTES).with_context(|| format!("make {}", image.display()))?;
    let mut format = Command::new(find(program)?);
    format.args(options).arg(&image);
    home.run(program, format).await?;
    let mut mount = Command::new(find("mount")?);
    mount.args(["-o", "loop"]).arg(&image).arg(&folder);
    home.run(&format!("mount-{name}"), mount).await?;
    Ok(folder)
}

impl Drop for FileSystems {
    fn drop(&mut self) {
        for folder in &self.folders {
            if let Err(error) = unmount(folder) {
                eprintln!("{} stays mounted: {error:#}", folder.display());
            }
        }
    }
}

/// Lazily when a test that was killed still has files open there.
fn unmount(folder: &Path) -> anyhow::Result<()> {
    let program = find("umount")?;
    let unmounted = |options: &[&str]| anyhow::Ok(Command::new(&program).args(options).arg(folder).status()?.success());
    anyhow::ensure!(unmounted(&[])? || unmounted(&["--lazy"])?, "umount failed");
    Ok(())
}
