//! Jobs: everything asynchronous is one, and goes one way (architecture §1).
//!
//! ```text
//!             Assign                Claim                 Finish
//!   queued ───────────▶ assigned ───────────▶ running ───────────▶ succeeded | failed | cancelled
//!     ▲  ▲                 │                     │
//!     │  └──── Requeue ────┘                     │        Requeue: lease lost, claim overdue, retryable failure
//!     └─────────────────── Requeue ──────────────┘        Every Assign and Requeue raises the generation by one.
//!     └──── Finish: cancelled or given up before it ran ──▶ cancelled | failed
//! ```

use crate::error::{Error, Kind, Result};
use crate::ids::{BackupId, GroupId, GroupSnapshotId, JobId, SnapshotId, VolumeId, WorkerId};
use crate::time::Timestamp;
use crate::volume::words;

words! {
    JobKind {
        VolumeCreate = "volume_create",
        VolumeDelete = "volume_delete",
        VolumeExtend = "volume_extend",
        VolumeManage = "volume_manage",
        VolumeRevert = "volume_revert",
        VolumeMove = "volume_move",
        VolumeDiscard = "volume_discard",
        SnapshotCreate = "snapshot_create",
        SnapshotDelete = "snapshot_delete",
        SnapshotManage = "snapshot_manage",
        GroupSnapshotCreate = "group_snapshot_create",
        BackupCreate = "backup_create",
        BackupRestore = "backup_restore",
        BackupDelete = "backup_delete",
        BackupImport = "backup_import",
        BackupVerify = "backup_verify",
        BackupSweep = "backup_sweep",
    }
}

words! {
    JobState {
        Queued = "queued",
        Assigned = "assigned",
        Running = "running",
        Succeeded = "succeeded",
        Failed = "failed",
        Cancelled = "cancelled",
    }
}

impl JobKind {
    /// Whether it is the work of a `cinder-backup`.
    #[must_use]
    pub const fn is_backup(self) -> bool {
        matches!(
            self,
            Self::BackupCreate
                | Self::BackupRestore
                | Self::BackupDelete
                | Self::BackupImport
                | Self::BackupVerify
                | Self::BackupSweep
        )
    }

    /// Whether a user may end it before its time.
    #[must_use]
    pub const fn is_cancellable(self) -> bool {
        matches!(
            self,
            Self::BackupCreate | Self::BackupRestore | Self::BackupImport | Self::BackupVerify | Self::BackupSweep
        )
    }
}

impl JobState {
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// How a job ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    Succeeded,
    Failed,
    Cancelled,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JobEvent {
    /// A scheduler chose a worker.
    Assign,
    /// The chosen worker took it.
    Claim,
    /// The worker is gone, never came, or reported a failure that may pass.
    Requeue,
    Finish(Ending),
}

impl JobState {
    /// The state after `event`, or the refusal of an event that has no meaning here.
    pub fn next(self, event: JobEvent) -> Result<Self> {
        use JobState::{Assigned, Cancelled, Failed, Queued, Running, Succeeded};
        match (self, event) {
            (Queued, JobEvent::Assign) => Ok(Assigned),
            (Assigned, JobEvent::Claim) => Ok(Running),
            (Assigned | Running, JobEvent::Requeue) => Ok(Queued),
            (Running, JobEvent::Finish(Ending::Succeeded)) => Ok(Succeeded),
            (Queued | Assigned | Running, JobEvent::Finish(Ending::Failed)) => Ok(Failed),
            (Queued | Assigned | Running, JobEvent::Finish(Ending::Cancelled)) => Ok(Cancelled),
            (state, event) => Err(Error::new(Kind::Conflict, format!("job is {state}: {event:?} has no meaning"))),
        }
    }

    /// Whether the event starts a new generation, so that all reports of the old one are refused.
    #[must_use]
    pub const fn raises_generation(event: JobEvent) -> bool {
        matches!(event, JobEvent::Assign | JobEvent::Requeue)
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Job {
    pub id: JobId,
    pub kind: JobKind,
    pub state: JobState,
    /// Who may report: only the holder of this number.
    pub generation: i64,
    /// How many times a worker has claimed it.
    pub attempts: i64,
    /// How many of these attempts failed without bringing the job further.
    pub failures: i64,
    pub project_id: String,
    pub subject: Subject,
    /// Where the bytes are, once known.
    pub pool: Option<String>,
    /// Whose it is; of a queued job, whose it was last.
    pub worker_id: Option<WorkerId>,
    pub lease_expires_at: Option<Timestamp>,
    /// Not to be assigned before this instant (back-off after a failure).
    pub not_before: Timestamp,
    pub cancel_requested: bool,
    pub progress: Progress,
    /// The most bytes that earlier attempts had handled when they ended.
    pub furthest_bytes: i64,
    /// The first cause of failure, for people.
    pub error: Option<String>,
    pub request_id: Option<String>,
    /// W3C trace context of the request that asked for it.
    pub traceparent: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Job {
    /// 100 of what has succeeded, less of everything else.
    #[must_use]
    pub fn percent(&self) -> Option<i64> {
        match self.state {
            JobState::Succeeded => Some(100),
            // What is written last is not counted: it is done when the job has ended.
            _ => self.progress.percent().map(|percent| percent.min(99)),
        }
    }

    /// Bytes in a second and seconds to go; both `None` unless the job runs and was heard of lately.
    #[must_use]
    pub fn pace(&self, now: Timestamp) -> (Option<i64>, Option<i64>) {
        let is_fresh = self.updated_at >= now.minus_secs(PACE_SECS);
        if self.state != JobState::Running || !is_fresh {
            return (None, None);
        }
        (Some(self.progress.bytes_per_second), self.progress.remaining_secs())
    }

    /// # Errors
    /// `Invalid` when it has ended, or is of a kind that is always carried through.
    pub fn check_cancel(&self) -> Result<()> {
        let Self { id, kind, state, .. } = self;
        if !kind.is_cancellable() {
            return Err(Error::invalid(format!("A job of kind {kind} cannot be cancelled.")));
        }
        if state.is_terminal() {
            return Err(Error::invalid(format!("Job {id} has ended: it is {state}.")));
        }
        Ok(())
    }
}

/// What the job is about and what it needs to know beyond the rows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Subject {
    VolumeCreate {
        volume_id: VolumeId,
    },
    /// `keep_data`: `os-unmanage`, the bytes stay where they are.
    VolumeDelete {
        volume_id: VolumeId,
        keep_data: bool,
    },
    /// `charged_gb` is the growth that was charged for when it was accepted, as of that type; `was` the status to come back to.
    VolumeExtend {
        volume_id: VolumeId,
        new_size_gb: i64,
        charged_gb: i64,
        volume_type_id: String,
        was: crate::volume::VolumeStatus,
    },
    /// `source` is what the operator named: a file or block device that the pool can reach.
    VolumeManage {
        volume_id: VolumeId,
        source: String,
    },
    /// The volume gets back what it held when the snapshot, its latest, was made.
    VolumeRevert {
        volume_id: VolumeId,
        snapshot_id: SnapshotId,
    },
    /// A volume gets another type, another place, or both. It moves only where what it gets asks for it.
    VolumeMove {
        volume_id: VolumeId,
        /// What its bytes are called in the new place: a name that no earlier attempt at any place has used.
        bytes_id: VolumeId,
        to_type: Option<String>,
        to_pool: Option<String>,
        may_move: bool,
        was: crate::volume::VolumeStatus,
    },
    /// Bytes that no row points at any more.
    VolumeDiscard {
        bytes_id: VolumeId,
    },
    SnapshotCreate {
        snapshot_id: SnapshotId,
        volume_id: VolumeId,
    },
    /// `keep_data`: `os-unmanage`, the bytes stay where they are.
    SnapshotDelete {
        snapshot_id: SnapshotId,
        volume_id: VolumeId,
        keep_data: bool,
    },
    /// `source` is what the operator named: a file that the volume's pool can reach.
    SnapshotManage {
        snapshot_id: SnapshotId,
        volume_id: VolumeId,
        source: String,
    },
    /// All snapshots of it in one go.
    GroupSnapshotCreate {
        group_snapshot_id: GroupSnapshotId,
        group_id: GroupId,
    },
    /// `freeze`: the volume is in use, read a point-in-time copy.
    BackupCreate {
        backup_id: BackupId,
        volume_id: VolumeId,
        snapshot_id: Option<SnapshotId>,
        freeze: bool,
    },
    /// `new_volume`: the target does not exist yet, the job makes it.
    BackupRestore {
        backup_id: BackupId,
        volume_id: VolumeId,
        new_volume: bool,
    },
    BackupDelete {
        backup_id: BackupId,
    },
    /// `service` is the driver that the operator names, `record` what `format::BackupRecord` reads.
    BackupImport {
        backup_id: BackupId,
        service: String,
        record: String,
    },
    /// Reads the whole chain and compares it with the backup's hashes; changes nothing, so the backup keeps its status.
    BackupVerify {
        backup_id: BackupId,
    },
    /// Removes what came to the backup's place after the job that wrote there had ended. The row may be gone, so that all there is
    /// to know stands here; `made`: that job succeeded.
    BackupSweep {
        backup_id: BackupId,
        container: String,
        prefix: String,
        service: String,
        size_gb: i64,
        made: bool,
    },
}

impl Subject {
    #[must_use]
    pub const fn kind(&self) -> JobKind {
        match self {
            Self::VolumeCreate { .. } => JobKind::VolumeCreate,
            Self::VolumeDelete { .. } => JobKind::VolumeDelete,
            Self::VolumeExtend { .. } => JobKind::VolumeExtend,
            Self::VolumeManage { .. } => JobKind::VolumeManage,
            Self::VolumeRevert { .. } => JobKind::VolumeRevert,
            Self::VolumeMove { .. } => JobKind::VolumeMove,
            Self::VolumeDiscard { .. } => JobKind::VolumeDiscard,
            Self::SnapshotCreate { .. } => JobKind::SnapshotCreate,
            Self::SnapshotDelete { .. } => JobKind::SnapshotDelete,
            Self::SnapshotManage { .. } => JobKind::SnapshotManage,
            Self::GroupSnapshotCreate { .. } => JobKind::GroupSnapshotCreate,
            Self::BackupCreate { .. } => JobKind::BackupCreate,
            Self::BackupRestore { .. } => JobKind::BackupRestore,
            Self::BackupDelete { .. } => JobKind::BackupDelete,
            Self::BackupImport { .. } => JobKind::BackupImport,
            Self::BackupVerify { .. } => JobKind::BackupVerify,
            Self::BackupSweep { .. } => JobKind::BackupSweep,
        }
    }

    #[must_use]
    pub const fn volume_id(&self) -> Option<VolumeId> {
        match self {
            Self::VolumeCreate { volume_id }
            | Self::VolumeDelete { volume_id, .. }
            | Self::VolumeExtend { volume_id, .. }
            | Self::VolumeManage { volume_id, .. }
            | Self::VolumeRevert { volume_id, .. }
            | Self::VolumeMove { volume_id, .. }
            | Self::SnapshotCreate { volume_id, .. }
            | Self::SnapshotDelete { volume_id, .. }
            | Self::SnapshotManage { volume_id, .. }
            | Self::BackupCreate { volume_id, .. }
            | Self::BackupRestore { volume_id, .. } => Some(*volume_id),
            Self::GroupSnapshotCreate { .. }
            | Self::BackupDelete { .. }
            | Self::BackupImport { .. }
            | Self::BackupVerify { .. }
            | Self::BackupSweep { .. }
            | Self::VolumeDiscard { .. } => None,
        }
    }

    #[must_use]
    pub const fn snapshot_id(&self) -> Option<SnapshotId> {
        match self {
            Self::VolumeRevert { snapshot_id, .. }
            | Self::SnapshotCreate { snapshot_id, .. }
            | Self::SnapshotDelete { snapshot_id, .. }
            | Self::SnapshotManage { snapshot_id, .. } => Some(*snapshot_id),
            Self::BackupCreate { snapshot_id, .. } => *snapshot_id,
            _ => None,
        }
    }

    #[must_use]
    pub const fn backup_id(&self) -> Option<BackupId> {
        match self {
            Self::BackupCreate { backup_id, .. }
            | Self::BackupRestore { backup_id, .. }
            | Self::BackupDelete { backup_id }
            | Self::BackupImport { backup_id, .. }
            | Self::BackupVerify { backup_id }
            | Self::BackupSweep { backup_id, .. } => Some(*backup_id),
            _ => None,
        }
    }

    #[must_use]
    pub const fn group_id(&self) -> Option<GroupId> {
        match self {
            Self::GroupSnapshotCreate { group_id, .. } => Some(*group_id),
            _ => None,
        }
    }

    #[must_use]
    pub const fn group_snapshot_id(&self) -> Option<GroupSnapshotId> {
        match self {
            Self::GroupSnapshotCreate { group_snapshot_id, .. } => Some(*group_snapshot_id),
            _ => None,
        }
    }
}

/// Bytes of volume handled so far; `total` 0 while unknown.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Progress {
    pub done_bytes: i64,
    pub total_bytes: i64,
    /// Of the last seconds; 0: unknown, or nothing happens.
    pub bytes_per_second: i64,
}

impl Progress {
    /// 0 to 100, rounded down; `None` while the total is unknown.
    #[must_use]
    pub fn percent(self) -> Option<i64> {
        if self.total_bytes <= 0 {
            return None;
        }
        let percent = i128::from(self.done_bytes.max(0)) * 100 / i128::from(self.total_bytes);
        i64::try_from(percent.min(100)).ok()
    }

    /// Seconds until the rest is done at the present rate; `None` where there is none.
    #[must_use]
    pub fn remaining_secs(self) -> Option<i64> {
        let left = self.total_bytes.saturating_sub(self.done_bytes).max(0);
        if self.total_bytes <= 0 || self.bytes_per_second <= 0 {
            return None;
        }
        Some(left / self.bytes_per_second + i64::from(left % self.bytes_per_second > 0))
    }
}

/// A rate that was told longer ago says nothing.
const PACE_SECS: i64 = 10;

/// The most attempts that may fail before the job fails for good. One that a worker hands back, and one that was lost after
/// it had come further than any before, is no failure.
pub const FAILURES_MAX: i64 = 5;

/// What becomes of a job whose worker reports `kind`, or vanished (`Kind::Unavailable`); `failures` counts this one.
#[must_use]
pub const fn after_failure(kind: Kind, failures: i64) -> JobEvent {
    match kind {
        Kind::Cancelled => JobEvent::Finish(Ending::Cancelled),
        _ if kind.retryable() && failures < FAILURES_MAX => JobEvent::Requeue,
        _ => JobEvent::Finish(Ending::Failed),
    }
}

/// Seconds to wait after failure number `failures`: 1, 2, 4 … 60.
#[must_use]
pub const fn retry_delay_secs(failures: i64) -> i64 {
    let exponent = if failures < 1 { 0 } else { failures - 1 };
    if exponent >= 6 { 60 } else { 1 << exponent }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_is_decided() {
        let events = [
            JobEvent::Assign,
            JobEvent::Claim,
            JobEvent::Requeue,
            JobEvent::Finish(Ending::Succeeded),
            JobEvent::Finish(Ending::Failed),
            JobEvent::Finish(Ending::Cancelled),
        ];
        let mut legal = Vec::new();
        for state in JobState::ALL {
            for event in events {
                if let Ok(next) = state.next(event) {
                    assert!(!state.is_terminal(), "nothing leaves {state}");
                    legal.push((state.as_str(), next.as_str()));
                }
            }
        }
        let expected = [
            ("queued", "assigned"),
            ("queued", "failed"),
            ("queued", "cancelled"),
            ("assigned", "running"),
            ("assigned", "queued"),
            ("assigned", "failed"),
            ("assigned", "cancelled"),
            ("running", "queued"),
            ("running", "succeeded"),
            ("running", "failed"),
            ("running", "cancelled"),
        ];
        assert_eq!(legal, expected);
    }

    #[test]
    fn percent_and_remaining_time() {
        let progress =
            |done_bytes, total_bytes, bytes_per_second| Progress { done_bytes, total_bytes, bytes_per_second };
        assert_eq!(progress(0, 0, 5).percent(), None);
        assert_eq!(progress(999, 1000, 5).percent(), Some(99));
        assert_eq!(progress(i64::MAX, i64::MAX, 1).percent(), Some(100));
        assert_eq!(progress(2000, 1000, 1).percent(), Some(100), "whatever a worker says");
        assert_eq!(progress(10, 100, 20).remaining_secs(), Some(5), "rounded up");
        assert_eq!(progress(100, 100, 20).remaining_secs(), Some(0));
        assert_eq!(progress(10, 100, 0).remaining_secs(), None);
        assert_eq!(progress(10, 0, 7).remaining_secs(), None);
    }

    #[test]
    fn a_passing_failure_is_tried_again_a_bounded_number_of_times() {
        assert_eq!(after_failure(Kind::Unavailable, 1), JobEvent::Requeue);
        assert_eq!(after_failure(Kind::Unavailable, FAILURES_MAX), JobEvent::Finish(Ending::Failed));
        assert_eq!(after_failure(Kind::Damaged, 1), JobEvent::Finish(Ending::Failed));
        assert_eq!(after_failure(Kind::Cancelled, 1), JobEvent::Finish(Ending::Cancelled));
        assert_eq!([1, 2, 3, 9].map(retry_delay_secs), [1, 2, 4, 60]);
    }
}
