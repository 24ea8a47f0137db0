//! A pool that is a directory of raw sparse files: local disk, NFS, CephFS.
//!
//! `volume-<id>` is a regular file, or a symbolic link to an adopted block device; `snapshot-<id>` and `frozen-<name>`
//! are independent files, so a volume may go while they stay. On a file system with reflinks (XFS, btrfs) copies are
//! `FICLONE`: instant, sharing space, and a point in time even while the volume is written to. Elsewhere they are
//! sparse copies and the volume must be quiet meanwhile.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::ids::GroupSnapshotId;
use domain::placement::Backend;
use domain::{Error, Kind, Result, SnapshotId, VolumeId};
use rustix::fs::OFlags;
use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

use crate::adopt::{Allowed, Source};
use crate::changes::FileChanges;
use crate::copy::{Sharing, copy_device, copy_volume};
use crate::device::{Access, FileDevice};
use crate::failure::failed;
use crate::files;
use crate::group::{self, Part};
use crate::port::{BlockDevice, Changes, ExtentKind, Original, Pool, PoolSpace, Stored};
use crate::stored;

/// A place for volumes that the worker reaches: one table for each.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolConfig {
    /// What the scheduler and `os-vol-host-attr:host` (`host@backend#pool`) call it. Must be given.
    #[schemars(example = &"fast")]
    pub name: String,
    /// The directory; made when it is missing. Must be given.
    #[schemars(example = &"/srv/volumes")]
    pub path: PathBuf,
    /// Directories from which `cinder manage` may take files and block devices, besides the pool's own.
    #[schemars(example = &vec!["/srv/import"])]
    #[serde(default)]
    pub manage_paths: Vec<PathBuf>,
    /// What volume types ask for in their extra specs; pools of one kind may share one. Unset: the pool's name.
    #[schemars(example = &"fast")]
    #[serde(default)]
    pub volume_backend_name: Option<String>,
    /// What is told of the pool's vendor to whoever asks for capabilities.
    #[serde(default = "vendor_name")]
    pub vendor_name: String,
    /// How the pool is told to be reached.
    #[serde(default = "storage_protocol")]
    pub storage_protocol: String,
    /// On XFS and btrfs: keep a clone of what each volume's last backup read, so that the next incremental reads only what
    /// changed since. It costs the room by which the volume moves away from it.
    #[serde(default = "keep_clones")]
    pub keep_clones: bool,
}

fn vendor_name() -> String {
    Backend::VENDOR_NAME.to_owned()
}

fn storage_protocol() -> String {
    Backend::STORAGE_PROTOCOL.to_owned()
}

const fn keep_clones() -> bool {
    true
}

impl PoolConfig {
    /// A pool of which nothing more is said.
    #[must_use]
    pub fn new(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            path: path.into(),
            manage_paths: Vec::new(),
            volume_backend_name: None,
            vendor_name: vendor_name(),
            storage_protocol: storage_protocol(),
            keep_clones: keep_clones(),
        }
    }

    /// Refuses what no pool can be called, by the key and what is wrong with it; touches no file.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        check_name("name", &self.name)?;
        check_name("volume_backend_name", self.volume_backend_name.as_ref().unwrap_or(&self.name))?;
        check_word("vendor_name", &self.vendor_name)?;
        check_word("storage_protocol", &self.storage_protocol)?;
        if self.path.as_os_str().is_empty() {
            return Err(("path", "must not be empty".to_owned()));
        }
        Ok(())
    }

    fn backend(&self) -> Backend {
        Backend {
            volume_backend_name: self.volume_backend_name.as_ref().unwrap_or(&self.name).clone(),
            vendor_name: self.vendor_name.clone(),
            storage_protocol: self.storage_protocol.clone(),
        }
    }
}

/// The longest name, vendor or protocol, in characters.
const WORD_MAX: usize = 255;

/// `@`, `#` and `/` separate the parts of `os-vol-host-attr:host` and of paths.
fn check_name(key: &'static str, name: &str) -> Result<(), (&'static str, String)> {
    let separates = |character: char| "@#/".contains(character) || character.is_whitespace();
    if name.contains(separates) {
        return Err((key, "must not hold @, #, / or white space".to_owned()));
    }
    check_word(key, name)
}

fn check_word(key: &'static str, word: &str) -> Result<(), (&'static str, String)> {
    if word.trim().is_empty() || word.contains(char::is_control) || word.chars().count() > WORD_MAX {
        return Err((key, format!("must be 1 to {WORD_MAX} printable characters")));
    }
    Ok(())
}

/// See the module. Cheap to open; holds no file open.
#[derive(Debug)]
pub struct DirectoryPool {
    name: Arc<str>,
    backend: Backend,
    path: PathBuf,
    allowed: Allowed,
    sharing: Sharing,
    keeps_clones: bool,
}

impl DirectoryPool {
    /// Makes the directory where it is missing and finds out once whether its file system has reflinks.
    ///
    /// # Errors
    /// `Unavailable` when the directory cannot be made or written to.
    pub fn open(config: &PoolConfig) -> Result<Self> {
        let opened = || {
            fs::create_dir_all(&config.path)?;
            let path = config.path.canonicalize()?;
            let sharing = probe_sharing(&path)?;
            Ok((path, sharing))
        };
        let (path, sharing) = opened()
            .map_err(|error| failed(&format!("open pool {} at {}", config.name, config.path.display()), error))?;
        tracing::info!(pool = config.name, path = %path.display(), ?sharing, "pool opened");
        let allowed = Allowed::new(&path, &config.manage_paths);
        let (name, keeps_clones) = (Arc::from(config.name.as_str()), config.keep_clones);
        Ok(Self { name, backend: config.backend(), path, allowed, sharing, keeps_clones })
    }

    /// Makes the file `name` and answers true. One that is there is whole (see [`files::build`]) and stays; it is only made
    /// larger when it is smaller than `size_bytes`.
    fn make(&self, name: &str, size_bytes: u64, fill: impl FnOnce(&File) -> io::Result<()>) -> io::Result<bool> {
        let path = self.path.join(name);
        if !path.try_exists()? && files::build(&self.path, name, fill)? {
            return Ok(true);
        }
        grow(&path, size_bytes).map(|()| false)
    }

    /// Copies an open device into the new file `name`.
    fn copy_in(&self, act: &str, source: &FileDevice, name: &str, size_bytes: u64) -> Result<()> {
        let length = source.size_bytes();
        if size_bytes < length {
            return Err(Error::invalid(format!("Could not {act}: its source has {length} bytes, not {size_bytes}.")));
        }
        let copy = |target: &File| copy_volume(source.file(), target, length, size_bytes, self.sharing);
        self.make(name, size_bytes, copy).map(drop).map_err(|error| failed(act, error))
    }

    /// Opens a file of the pool; what is not there is the noun's "could not be found".
    fn open_file(&self, noun: &str, id: &dyn std::fmt::Display, name: &str, access: Access) -> Result<FileDevice> {
        let label = format!("{} {id}", noun.to_lowercase());
        let path = self.path.join(name);
        let opened = fs::symlink_metadata(&path).and_then(|metadata| {
            let target = if metadata.is_symlink() { self.allowed.device_behind(&path)? } else { path };
            open_nofollow(&target, access)
        });
        match opened {
            Ok(file) => FileDevice::new(file, label, access, Arc::clone(&self.name)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::not_found(noun, id)),
            Err(error) => Err(failed(&format!("open {label}"), error)),
        }
    }

    fn open_file_of_volume(&self, volume: VolumeId, access: Access) -> Result<FileDevice> {
        self.open_file("Volume", &volume, &volume_name(volume), access)
    }

    fn open_original(&self, original: Original) -> Result<FileDevice> {
        match original {
            Original::Volume(id) => self.open_file_of_volume(id, Access::Read),
            Original::Snapshot(id) => self.open_file("Snapshot", &id, &snapshot_name(id), Access::Read),
        }
    }

    fn remove(&self, act: &str, name: &str) -> Result<()> {
        files::remove(&self.path, name).map_err(|error| failed(act, error))
    }

    /// The size of `owner` when `given` was taken as its file already; `None` when it has none.
    fn taken_before(&self, given: &Path, owner: &str, name: &str) -> Result<Option<u64>> {
        let device = match self.open_file("File", &name, name, Access::Read) {
            Ok(device) => device,
            Err(error) if error.kind() == Kind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let same = match fs::read_link(self.path.join(name)) {
            Ok(link) => link == device_of(&self.path, given),
            Err(_) => !given.exists(),
        };
        if same {
            Ok(Some(device.size_bytes()))
        } else {
            Err(Error::new(
                Kind::Conflict,
                format!("{owner} already has its bytes; source {} was left alone.", given.display()),
            ))
        }
    }

    fn take_file(&self, source: &Path, name: &str) -> Result<()> {
        let target = self.path.join(name);
        let taken = || {
            fs::rename(source, &target)?;
            files::sync_directory(&self.path)?;
            source.parent().map_or(Ok(()), files::sync_directory)
        };
        taken().map_err(|error: io::Error| match error.kind() {
            io::ErrorKind::CrossesDevices => Error::invalid(format!(
                "Source {} is on another file system than pool {}. Move it into the pool's directory {} and try again.",
                source.display(),
                self.name,
                self.path.display()
            )),
            _ => failed(&format!("take {} into pool {}", source.display(), self.name), error),
        })
    }

    /// A link that an earlier management left in the pool is not linked to again, but goes.
    fn take_device(&self, given: &Path, volume: VolumeId) -> Result<()> {
        let device = device_of(&self.path, given);
        let taken = || {
            std::os::unix::fs::symlink(&device, self.path(volume))?;
            if device != given {
                fs::remove_file(given)?;
            }
            files::sync_directory(&self.path)
        };
        taken().map_err(|error| failed(&format!("take {} into pool {}", given.display(), self.name), error))
    }
}

impl Pool for DirectoryPool {
    fn name(&self) -> &str {
        &self.name
    }

    fn backend(&self) -> &Backend {
        &self.backend
    }

    fn space(&self) -> Result<PoolSpace> {
        let unusable = |error: rustix::io::Errno| {
            failed(&format!("use pool {} at {}", self.name, self.path.display()), error.into())
        };
        let all = rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
        rustix::fs::access(&self.path, all).map_err(unusable)?;
        let stat = rustix::fs::statvfs(&self.path).map_err(unusable)?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        Ok(PoolSpace { free_bytes: bytes(stat.f_bavail), total_bytes: bytes(stat.f_blocks) })
    }

    fn create(&self, volume: VolumeId, size_bytes: u64) -> Result<bool> {
        self.make(&volume_name(volume), size_bytes, |file| file.set_len(size_bytes))
            .map_err(|error| failed(&format!("create volume {volume}"), error))
    }

    fn clone_volume(&self, source: VolumeId, volume: VolumeId, size_bytes: u64) -> Result<()> {
        let source = self.open_file_of_volume(source, Access::Read)?;
        self.copy_in(&format!("create volume {volume}"), &source, &volume_name(volume), size_bytes)
    }

    fn clone_snapshot(&self, snapshot: SnapshotId, volume: VolumeId, size_bytes: u64) -> Result<()> {
        let source = self.open_file("Snapshot", &snapshot, &snapshot_name(snapshot), Access::Read)?;
        self.copy_in(&format!("create volume {volume}"), &source, &volume_name(volume), size_bytes)
    }

    fn import(&self, source: &dyn BlockDevice, volume: VolumeId, progress: &dyn Fn(u64) -> Result<()>) -> Result<()> {
        let mut stopped = None;
        let fill = |file: &File| match copy_device(source, file, progress) {
            Ok(()) => Ok(()),
            Err(error) => {
                stopped = Some(error);
                Err(io::Error::other("the copy was stopped"))
            }
        };
        let made = self.make(&volume_name(volume), source.size_bytes(), fill);
        match stopped {
            Some(error) => Err(error),
            None => made.map(drop).map_err(|error| failed(&format!("create volume {volume}"), error)),
        }
    }

    fn extend(&self, volume: VolumeId, size_bytes: u64) -> Result<()> {
        let device = self.open_file_of_volume(volume, Access::ReadWrite)?;
        if size_bytes <= device.size_bytes() {
            return Ok(());
        }
        let file = device.file();
        let extended = || {
            if !file.metadata()?.is_file() {
                return Ok(false);
            }
            file.set_len(size_bytes)?;
            file.sync_all()?;
            Ok(true)
        };
        match extended() {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::new(
                Kind::Unsupported,
                format!("Volume {volume} is an adopted block device. Grow the device on its host, then try again."),
            )),
            Err(error) => Err(failed(&format!("extend volume {volume}"), error)),
        }
    }

    fn delete(&self, volume: VolumeId) -> Result<()> {
        self.remove(&format!("delete volume {volume}"), &volume_name(volume))
    }

    fn adopt(&self, source: &str, released: bool, volume: VolumeId) -> Result<u64> {
        // A bare name means a file in the pool's own directory.
        let given = self.path.join(source);
        if let Some(size_bytes) = self.taken_before(&given, &format!("Volume {volume}"), &volume_name(volume))? {
            return Ok(size_bytes);
        }
        match self.allowed.check(&given, released)? {
            Source::File(path) => self.take_file(&path, &volume_name(volume))?,
            Source::Device(path) => self.take_device(&path, volume)?,
        }
        Ok(self.open_file_of_volume(volume, Access::Read)?.size_bytes())
    }

    fn adopt_snapshot(&self, source: &str, released: bool, snapshot: SnapshotId, size_bytes_max: u64) -> Result<u64> {
        let given = self.path.join(source);
        let name = snapshot_name(snapshot);
        if let Some(size_bytes) = self.taken_before(&given, &format!("Snapshot {snapshot}"), &name)? {
            return Ok(size_bytes);
        }
        let Source::File(path) = self.allowed.check(&given, released)? else {
            return Err(Error::invalid(format!("Source {source} is a block device; snapshots are files.")));
        };
        let size_bytes = fs::metadata(&path).map_err(|error| failed(&format!("measure {source}"), error))?.len();
        if size_bytes > size_bytes_max {
            return Err(Error::invalid(format!(
                "Source {source} is larger than the volume whose snapshot it should be."
            )));
        }
        self.take_file(&path, &name)?;
        Ok(size_bytes)
    }

    fn stored(&self) -> Result<Vec<Stored>> {
        stored::list(&self.path, &self.allowed).map_err(|error| failed(&format!("list pool {}", self.name), error))
    }

    fn snapshot(&self, volume: VolumeId, snapshot: SnapshotId) -> Result<()> {
        let source = self.open_file_of_volume(volume, Access::Read)?;
        let size_bytes = source.size_bytes();
        self.copy_in(&format!("create snapshot {snapshot}"), &source, &snapshot_name(snapshot), size_bytes)
    }

    fn revert(&self, volume: VolumeId, snapshot: SnapshotId, may_begin: &dyn Fn() -> Result<()>) -> Result<()> {
        let act = format!("revert volume {volume}");
        let source = self.open_file("Snapshot", &snapshot, &snapshot_name(snapshot), Access::Read)?;
        let target = self.open_file_of_volume(volume, Access::ReadWrite)?;
        let (length, size_bytes) = (source.size_bytes(), target.size_bytes());
        if length > size_bytes {
            return Err(Error::invalid(format!("Could not {act}: its snapshot has {length} bytes, not {size_bytes}.")));
        }
        let is_file = target.file().metadata().map_err(|error| failed(&act, error))?.is_file();
        if !is_file {
            may_begin()?;
            return overwrite(&source, &target);
        }
        let copy = |new: &File| copy_volume(source.file(), new, length, size_bytes, self.sharing);
        let name = volume_name(volume);
        let ready = files::prepare(&self.path, &name, copy).map_err(|error| failed(&act, error))?;
        may_begin()?;
        ready.replace().map_err(|error| failed(&act, error))
    }

    fn snapshot_group(
        &self,
        whole: GroupSnapshotId,
        parts: &[(VolumeId, SnapshotId)],
        one_instant: bool,
    ) -> Result<()> {
        let mut sources = Vec::new();
        for (volume, snapshot) in parts {
            let device = self.open_file_of_volume(*volume, Access::Read)?;
            sources.push(Part { volume: *volume, name: snapshot_name(*snapshot), device });
        }
        group::snapshot(&self.path, whole, &sources, one_instant, self.sharing)
    }

    fn forget_group(&self, whole: GroupSnapshotId) -> Result<()> {
        group::forget(&self.path, whole).map_err(|error| failed(&format!("clear group snapshot {whole}"), error))
    }

    fn delete_snapshot(&self, snapshot: SnapshotId) -> Result<()> {
        self.remove(&format!("delete snapshot {snapshot}"), &snapshot_name(snapshot))
    }

    fn freeze(&self, original: Original, name: &str) -> Result<()> {
        let file_name = frozen_name(name)?;
        let source = self.open_original(original)?;
        let size_bytes = source.size_bytes();
        self.copy_in(&format!("freeze {}", source.label()), &source, &file_name, size_bytes)
    }

    fn shares(&self, original: Original) -> Result<bool> {
        if self.sharing == Sharing::None || !self.keeps_clones {
            return Ok(false);
        }
        let source = self.open_original(original)?;
        // The bytes of an adopted device lie elsewhere.
        let metadata = source.file().metadata();
        Ok(metadata.map_err(|error| failed(&format!("measure {}", source.label()), error))?.is_file())
    }

    fn frozen(&self) -> Result<Vec<String>> {
        let list = || {
            let mut names = Vec::new();
            for entry in fs::read_dir(&self.path)? {
                let name = entry?.file_name();
                names.extend(name.to_str().and_then(|name| name.strip_prefix(FROZEN)).map(str::to_owned));
            }
            Ok(names)
        };
        list().map_err(|error| failed(&format!("list pool {}", self.name), error))
    }

    fn changes(&self, base: &str, copy: &str) -> Result<Option<Arc<dyn Changes>>> {
        if self.sharing == Sharing::None || !self.keeps_clones {
            return Ok(None);
        }
        let open = |name| self.open_file("Frozen copy", &name, &frozen_name(name)?, Access::Read);
        let changes = FileChanges::between(open(base)?, open(copy)?);
        let changes = changes.map_err(|error| failed(&format!("compare {base} with {copy}"), error))?;
        Ok(changes.map(|changes| Arc::new(changes) as _))
    }

    fn thaw(&self, name: &str) -> Result<()> {
        self.remove(&format!("remove frozen copy {name}"), &frozen_name(name)?)
    }

    fn open_volume(&self, volume: VolumeId) -> Result<Arc<dyn BlockDevice>> {
        Ok(Arc::new(self.open_file_of_volume(volume, Access::ReadWrite)?))
    }

    fn open_snapshot(&self, snapshot: SnapshotId) -> Result<Arc<dyn BlockDevice>> {
        Ok(Arc::new(self.open_file("Snapshot", &snapshot, &snapshot_name(snapshot), Access::Read)?))
    }

    fn open_frozen(&self, name: &str) -> Result<Arc<dyn BlockDevice>> {
        Ok(Arc::new(self.open_file("Frozen copy", &name, &frozen_name(name)?, Access::Read)?))
    }

    fn path(&self, volume: VolumeId) -> PathBuf {
        self.path.join(volume_name(volume))
    }
}

fn volume_name(volume: VolumeId) -> String {
    format!("volume-{volume}")
}

fn snapshot_name(snapshot: SnapshotId) -> String {
    format!("snapshot-{snapshot}")
}

/// Begins the file name of a frozen copy.
const FROZEN: &str = "frozen-";

/// A frozen copy's name is the caller's, so it is held to letters that cannot leave the directory.
fn frozen_name(name: &str) -> Result<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 128 || !name.chars().all(plain) {
        return Err(Error::invalid(format!("{name:?} cannot name a frozen copy: use letters, digits, '-', '_', '.'.")));
    }
    Ok(format!("{FROZEN}{name}"))
}

/// The last part of `path` must be the thing itself: a link put there since the check is an error.
fn open_nofollow(path: &Path, access: Access) -> io::Result<File> {
    let flags = i32::try_from(OFlags::NOFOLLOW.bits()).map_err(io::Error::other)?;
    OpenOptions::new().read(true).write(access == Access::ReadWrite).custom_flags(flags).open(path)
}

/// A whole file that a later request wants larger; never cut.
fn grow(path: &Path, size_bytes: u64) -> io::Result<()> {
    let file = open_nofollow(path, Access::ReadWrite)?;
    if file.metadata()?.len() < size_bytes {
        file.set_len(size_bytes)?;
        file.sync_all()?;
    }
    Ok(())
}

/// Where a link in the pool leads; any other path is itself.
fn device_of(pool: &Path, given: &Path) -> PathBuf {
    let link = if given.parent() == Some(pool) { fs::read_link(given).ok() } else { None };
    link.unwrap_or_else(|| given.to_owned())
}

/// A block device reads like `source` afterwards, then as zeros.
fn overwrite(source: &FileDevice, target: &FileDevice) -> Result<()> {
    const PIECE_BYTES: u64 = 1 << 20;
    let mut buffer = vec![0; PIECE_BYTES as usize];
    for extent in source.extents(0, source.size_bytes())? {
        if extent.kind == ExtentKind::Hole {
            target.zero(extent.offset, extent.length)?;
            continue;
        }
        let end = extent.offset + extent.length;
        let mut at = extent.offset;
        while at < end {
            let take = usize::try_from((end - at).min(PIECE_BYTES)).unwrap_or(0);
            let piece = buffer.get_mut(..take).unwrap_or_default();
            source.read_at(at, piece)?;
            target.write_at(at, piece)?;
            at += take as u64;
        }
    }
    target.zero(source.size_bytes(), target.size_bytes() - source.size_bytes())?;
    target.sync()
}

/// Tries `FICLONE` between two throw-away files.
fn probe_sharing(directory: &Path) -> io::Result<Sharing> {
    let id = Uuid::new_v4();
    let paths = [directory.join(format!(".probe-{id}-a")), directory.join(format!(".probe-{id}-b"))];
    let probed = files::create_new(&paths[0]).and_then(|source| {
        source.set_len(4096)?;
        let target = files::create_new(&paths[1])?;
        Ok(if rustix::fs::ioctl_ficlone(&target, &source).is_ok() { Sharing::Reflink } else { Sharing::None })
    });
    for path in &paths {
        // The second is not there when the first could not be made; that error is the one returned.
        drop(fs::remove_file(path));
    }
    probed
}
