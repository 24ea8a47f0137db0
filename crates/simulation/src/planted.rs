//! Mistakes that are made on purpose, one at a time: a simulation that does not see them is worth nothing.

/// One mistake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Planted {
    /// The scheduler takes jobs away before their lease has ended.
    LeaseCheckRemoved,
    /// Leases never end: the jobs of a dead worker wait for it for ever.
    LeasesNeverEnd,
    /// Whoever reports about a job is believed, of whichever generation.
    GenerationIgnoredInReports,
    /// An old hint gets the job too.
    GenerationIgnoredInClaims,
    /// Hints are acknowledged when they are received.
    AckedOnDelivery,
    /// What was to be sent counts as sent before the broker has it.
    SentBeforeConfirmed,
    /// A 202 is sent, and then the rows are not written.
    AcceptedBeforeCommit,
    /// A volume stays `backing-up` after its backup.
    VolumeNotReturned,
    /// What is deleted is still charged for.
    QuotaKept,
    /// What an ended job had stored is remembered for ever.
    CheckpointsKept,
    /// Where a backup's objects lie is told to its worker and not written down.
    PlaceForgotten,
}

impl Planted {
    pub const ALL: [Self; 11] = [
        Self::LeaseCheckRemoved,
        Self::LeasesNeverEnd,
        Self::GenerationIgnoredInReports,
        Self::GenerationIgnoredInClaims,
        Self::AckedOnDelivery,
        Self::SentBeforeConfirmed,
        Self::AcceptedBeforeCommit,
        Self::VolumeNotReturned,
        Self::QuotaKept,
        Self::CheckpointsKept,
        Self::PlaceForgotten,
    ];

    /// What is replaced by what in the product's statements that begin so.
    const fn replacement(self) -> Option<(&'static str, &'static str, &'static str)> {
        Some(match self {
            Self::LeaseCheckRemoved => ("", "AND lease_expires_at < $", "AND lease_expires_at - 9000000 < $"),
            Self::LeasesNeverEnd => ("SELECT", "AND lease_expires_at < $1", "AND lease_expires_at < $1 - $1"),
            Self::GenerationIgnoredInReports => (
                "UPDATE jobs SET state = state",
                "AND generation = $2 AND worker_id = $3 AND",
                "AND generation >= $2 AND $3 IS NOT NULL AND",
            ),
            Self::GenerationIgnoredInClaims => (
                "UPDATE jobs SET attempts",
                "AND generation = $2 AND worker_id = $3 AND",
                "AND generation >= $2 AND $3 IS NOT NULL AND",
            ),
            Self::SentBeforeConfirmed => (
                "UPDATE outbox SET hidden_until = $1 WHERE id IN (",
                "UPDATE outbox SET hidden_until = $1 WHERE id IN (",
                "DELETE FROM outbox WHERE $1 IS NOT NULL AND id IN (",
            ),
            Self::VolumeNotReturned => {
                ("UPDATE volumes SET\n            status = CASE", "AND status = $2", "AND status = $2 AND 1 = 0")
            }
            Self::QuotaKept => ("UPDATE quota_usages", "SET in_use = in_use + $4", "SET in_use = in_use + MAX($4, 0)"),
            Self::CheckpointsKept => ("DELETE FROM job_checkpoints", "job_id = $1", "job_id = $1 AND 1 = 0"),
            Self::AckedOnDelivery | Self::AcceptedBeforeCommit | Self::PlaceForgotten => return None,
        })
    }

    /// The statement with the mistake in it.
    pub(crate) fn statement(self, text: &str) -> Option<String> {
        let (beginning, right, wrong) = self.replacement()?;
        (text.starts_with(beginning) && text.contains(right)).then(|| text.replace(right, wrong))
    }
}
