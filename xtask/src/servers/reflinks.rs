//! File systems with reflinks, in image files: pools tell there what changed since a backup.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::home::Home;
use super::packages::find;

/// The images are sparse.
const SIZE_BYTES: u64 = 4 << 30;

const XFS: Kind = Kind { name: "xfs", program: "mkfs.xfs", options: &["-q", "-m", "reflink=1"] };
const BTRFS: Kind = Kind { name: "btrfs", program: "mkfs.btrfs", options: &["--quiet"] };

#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    program: &'static str,
    options: &'static [&'static str],
}

/// Mounted folders. Dropped, they are unmounted.
#[derive(Debug, Default)]
pub(crate) struct FileSystems {
    folders: Vec<PathBuf>,
}

impl FileSystems {
    /// Only root mounts, and not every container lets it: then there are none, and it is said why.
    pub(super) async fn mount(home: &Home) -> Self {
        let mut mounted = Self::default();
        for kind in [XFS, BTRFS] {
            match make(home, kind, SIZE_BYTES).await {
                Ok(folder) => mounted.folders.push(folder),
                Err(error) => {
                    eprintln!("NO file system with reflinks, so their tests are LEFT OUT: {error:#}");
                    return Self::default();
                }
            }
        }
        mounted
    }

    /// One that holds `size_bytes`.
    pub(super) async fn mount_xfs(home: &Home, size_bytes: u64) -> anyhow::Result<Self> {
        Ok(Self { folders: vec![make(home, XFS, size_bytes).await?] })
    }

    pub(super) fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// What tests read; `None` when there are none.
    pub(super) fn variable(&self) -> Option<(&'static str, String)> {
        let folders: Vec<_> = self.folders.iter().map(|folder| folder.display().to_string()).collect();
        (!folders.is_empty()).then(|| ("EMBERKEEP_TEST_REFLINK_DIRS", folders.join(":")))
    }
}

async fn make(home: &Home, kind: Kind, size_bytes: u64) -> anyhow::Result<PathBuf> {
    let Kind { name, program, options } = kind;
    let folder = home.folder(name)?;
    let image = folder.with_extension("image");
    let file = std::fs::File::create(&image).with_context(|| format!("make {}", image.display()))?;
    file.set_len(size_bytes).with_context(|| format!("make {}", image.display()))?;
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
