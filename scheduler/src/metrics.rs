//! What the scheduler counts.

use chassis::metrics::{Counter, Timer};
use domain::job::{Ending, Job, JobKind};
use domain::{Kind, Timestamp};

static ENDED: Timer = Timer::new("emberkeep_job_seconds", "Jobs that have ended, by how; from the request to the end.");
static AGAIN: Counter = Counter::new("emberkeep_job_retries", "Jobs that went back to the queue, by cause.");
static LOST: Counter = Counter::new("emberkeep_leases_lost", "Running jobs whose worker fell silent.");

/// Why a job goes back to the queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Why {
    /// Its worker failed, in this way.
    Failed(Kind),
    /// Its worker fell silent.
    Lost,
    /// Its worker ends, or its host is to be empty.
    HandedBack,
    /// Nobody came for it.
    Unclaimed,
}

impl Why {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Failed(kind) => kind.as_str(),
            Self::Lost => "lost",
            Self::HandedBack => "handed_back",
            Self::Unclaimed => "unclaimed",
        }
    }
}

const fn word(ending: Ending) -> &'static str {
    match ending {
        Ending::Succeeded => "succeeded",
        Ending::Failed => "failed",
        Ending::Cancelled => "cancelled",
    }
}

/// Shows what has not happened yet.
pub(crate) fn declare() {
    LOST.add(0, &[]);
    for kind in JobKind::ALL {
        for why in [Why::Failed(Kind::Unavailable), Why::Lost, Why::HandedBack, Why::Unclaimed] {
            AGAIN.add(0, &[("kind", kind.as_str()), ("cause", why.as_str())]);
        }
    }
}

pub(crate) fn ended(job: &Job, ending: Ending, now: Timestamp) {
    let micros = now.micros().saturating_sub(job.created_at.micros());
    let took = std::time::Duration::from_micros(u64::try_from(micros).unwrap_or(0));
    ENDED.took(took, &[("kind", job.kind.as_str()), ("ending", word(ending))]);
}

pub(crate) fn again(job: &Job, why: Why) {
    AGAIN.add(1, &[("kind", job.kind.as_str()), ("cause", why.as_str())]);
}

pub(crate) fn lost() {
    LOST.add(1, &[]);
}
