//! Snapshots of several volumes that appear together or not at all.
//!
//! They are built in a directory under a temporary name, which is then renamed to `group-<id>`: from there on the set is
//! complete, and every attempt goes on with it, whoever built it. Each file then gets its own name in the pool as well, and the
//! directory goes.
//!
//! No lock keeps those who have a volume open from writing. Whether the set shows one instant is seen afterwards: if no
//! volume's file changed from before the first copy until after the last, all copies show the whole of that time.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use domain::ids::GroupSnapshotId;
use domain::{Error, Kind, Result, Timestamp, VolumeId};
use uuid::Uuid;

use crate::copy::{Sharing, copy_volume};
use crate::device::FileDevice;
use crate::failure::failed;
use crate::files;
use crate::port::BlockDevice;

/// Kernels note when a file was written to in steps of up to this length: a change within the same step as the one before it
/// cannot be seen.
const CLOCK_STEP: Duration = Duration::from_millis(20);
/// How often copies that cost nothing are taken anew before the job is left for later.
const TRIES_OF_REFLINKS: usize = 5;

/// One volume and what its snapshot is called.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) volume: VolumeId,
    pub(crate) name: String,
    pub(crate) device: FileDevice,
}

pub(crate) fn snapshot(
    pool: &Path,
    whole: GroupSnapshotId,
    parts: &[Part],
    one_instant: bool,
    sharing: Sharing,
) -> Result<()> {
    let act = format!("create group snapshot {whole}");
    let built = pool.join(directory_name(whole));
    let done = || Ok(!built.try_exists()? && all_there(pool, parts)?);
    if done().map_err(|error| failed(&act, error))? {
        return Ok(());
    }
    if !built.try_exists().map_err(|error| failed(&act, error))? {
        let tries = if sharing == Sharing::Reflink { TRIES_OF_REFLINKS } else { 1 };
        build(pool, whole, &built, parts, one_instant, sharing, tries)?;
    }
    publish(pool, &built, parts).map_err(|error| failed(&act, error))
}

/// Removes a set that never came to its end.
pub(crate) fn forget(pool: &Path, whole: GroupSnapshotId) -> io::Result<()> {
    remove_abandoned(pool, whole)?;
    remove_directory(&pool.join(directory_name(whole)))
}

fn directory_name(whole: GroupSnapshotId) -> String {
    format!("group-{whole}")
}

fn all_there(pool: &Path, parts: &[Part]) -> io::Result<bool> {
    for part in parts {
        if !pool.join(&part.name).try_exists()? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn build(
    pool: &Path,
    whole: GroupSnapshotId,
    built: &Path,
    parts: &[Part],
    one_instant: bool,
    sharing: Sharing,
    tries: usize,
) -> Result<()> {
    let act = format!("create group snapshot {whole}");
    let failed = |error| failed(&act, error);
    remove_abandoned(pool, whole).map_err(failed)?;
    let mut tried = 0;
    loop {
        tried += 1;
        let temporary = Temporary::create(pool, whole).map_err(failed)?;
        let changed = copy_all(&temporary.0, parts, one_instant, sharing)?;
        match changed {
            None => return temporary.publish_as(built, pool).map_err(failed),
            Some(_) if tried < tries => {}
            Some(volume) => {
                return Err(Error::unavailable(format!(
                    "Could not {act}: volume {volume} was written to meanwhile, and the group's type promises one instant."
                )));
            }
        }
    }
}

/// A directory that goes unless it was published.
struct Temporary(PathBuf);

impl Temporary {
    fn create(pool: &Path, whole: GroupSnapshotId) -> io::Result<Self> {
        let path = pool.join(format!(".{}.{}.tmp", directory_name(whole), Uuid::new_v4()));
        fs::create_dir(&path).map(|()| Self(path))
    }

    /// Where somebody else has published a set, theirs stays.
    fn publish_as(&self, built: &Path, pool: &Path) -> io::Result<()> {
        files::sync_directory(&self.0)?;
        match fs::rename(&self.0, built) {
            Err(error) if !matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty) => {
                Err(error)
            }
            _ => files::sync_directory(pool),
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Best effort: the next attempt and the deletion sweep again.
        drop(remove_directory(&self.0));
    }
}

/// Copies all, and only then waits for the disk. The answer is a volume that changed meanwhile, if that is asked for.
fn copy_all(directory: &Path, parts: &[Part], one_instant: bool, sharing: Sharing) -> Result<Option<VolumeId>> {
    let act = |part: &Part| format!("create {} of volume {}", part.name, part.volume);
    let before = if one_instant { Some(marks(parts)?) } else { None };
    if let Some(Marks::Fresh(volume)) = before {
        return Ok(Some(volume));
    }
    let mut copies = Vec::new();
    for part in parts {
        let copy = copy_one(directory, part, sharing).map_err(|error| failed(&act(part), error))?;
        copies.push(copy);
    }
    if let Some(Marks::Settled(before)) = before {
        let after = parts.iter().map(mark).collect::<Result<Vec<_>>>()?;
        let changed = parts.iter().zip(before.iter().zip(&after)).find(|(_, (before, after))| before != after);
        if let Some((part, _)) = changed {
            return Ok(Some(part.volume));
        }
    }
    for (part, copy) in parts.iter().zip(copies) {
        copy.sync_all().map_err(|error| failed(&act(part), error))?;
    }
    Ok(None)
}

fn copy_one(directory: &Path, part: &Part, sharing: Sharing) -> io::Result<File> {
    let target = files::create_new(&directory.join(&part.name))?;
    let length = part.device.size_bytes();
    copy_volume(part.device.file(), &target, length, length, sharing)?;
    Ok(target)
}

/// When each file was last changed.
enum Marks {
    /// Any later change will be told from it.
    Settled(Vec<SystemTime>),
    /// This volume is being written to all the time.
    Fresh(VolumeId),
}

fn marks(parts: &[Part]) -> Result<Marks> {
    let mut waited = false;
    loop {
        let marks = parts.iter().map(mark).collect::<Result<Vec<_>>>()?;
        let now = Duration::from_micros(Timestamp::now().micros().unsigned_abs());
        let fresh = |mark: &SystemTime| {
            let mark = mark.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            // One that lies in the future was made by another clock; nothing is known of its steps.
            now.checked_sub(mark).is_none_or(|age| age < CLOCK_STEP)
        };
        match parts.iter().zip(&marks).find(|(_, mark)| fresh(mark)) {
            None => return Ok(Marks::Settled(marks)),
            Some((part, _)) if waited => return Ok(Marks::Fresh(part.volume)),
            Some(_) => thread::sleep(CLOCK_STEP),
        }
        waited = true;
    }
}

fn mark(part: &Part) -> Result<SystemTime> {
    let modified = |metadata: Metadata| {
        if metadata.is_file() { metadata.modified().map(Some) } else { Ok(None) }
    };
    let modified = part.device.file().metadata().and_then(modified);
    let modified = modified.map_err(|error| failed(&format!("look at volume {}", part.volume), error))?;
    modified.ok_or_else(|| {
        Error::new(
            Kind::Unsupported,
            format!(
                "Volume {} is an adopted block device, of which nobody can see whether it is written to: a group whose type \
                 promises one instant cannot be snapshotted with it.",
                part.volume
            ),
        )
    })
}

/// Gives each file of the set its name in the pool. A name that is there was given by another attempt, from the same set.
fn publish(pool: &Path, built: &Path, parts: &[Part]) -> io::Result<()> {
    for part in parts {
        let name = pool.join(&part.name);
        match fs::hard_link(built.join(&part.name), &name) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            // Another attempt has come to its end meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound && name.try_exists()? => {}
            other => other?,
        }
    }
    files::sync_directory(pool)?;
    remove_directory(built)
}

fn remove_abandoned(pool: &Path, whole: GroupSnapshotId) -> io::Result<()> {
    let start = format!(".{}.", directory_name(whole));
    for entry in fs::read_dir(pool)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(&start)) {
            remove_directory(&entry.path())?;
        }
    }
    Ok(())
}

/// With what is in it; one that is not there is fine.
fn remove_directory(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
