//! What a run will do, all of it drawn from its seed before anything starts: who is struck when, by what and for how long,
//! and what each actor tries in which order.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::link::Mode;
use super::store_fault::StoreFault;

/// The processes, two of each service.
pub(super) const SERVICES: [&str; 6] = ["api-1", "api-2", "scheduler-1", "scheduler-2", "worker-1", "worker-2"];

/// Who speaks to whom through a proxy of ours.
pub(super) const LINKS: [(&str, Peer); 14] = [
    ("api-1", Peer::Database),
    ("api-2", Peer::Database),
    ("scheduler-1", Peer::Database),
    ("scheduler-2", Peer::Database),
    ("api-1", Peer::Broker),
    ("api-2", Peer::Broker),
    ("scheduler-1", Peer::Broker),
    ("scheduler-2", Peer::Broker),
    ("worker-1", Peer::Broker),
    ("worker-2", Peer::Broker),
    ("worker-1", Peer::Schedulers),
    ("worker-2", Peer::Schedulers),
    ("worker-1", Peer::Store),
    ("worker-2", Peer::Store),
];

/// The mean distance between two faults; they last longer, so that some meet.
const FAULT_GAP: Duration = Duration::from_millis(2500);
/// No fault in the first moments: a run of one minute would spend them on nothing.
const CALM: Duration = Duration::from_secs(3);
const FAULT_SHORTEST_MS: u64 = 200;
const FAULT_LONGEST_MS: u64 = 7000;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Peer {
    Database,
    Broker,
    Schedulers,
    Store,
}

/// How a process is struck.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Strike {
    /// SIGKILL, and a start after a while.
    Kill,
    /// SIGTERM, which it must follow with status 0, and a start after a while.
    Stop,
    /// SIGSTOP, and SIGCONT after a while.
    Freeze,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// Which of [`SERVICES`].
    Process(usize, Strike),
    BrokerConnectionsClosed,
    /// Publishers are blocked.
    BrokerDiskAlarm,
    BrokerRestart,
    /// One of its processes dies, so it ends all connections and recovers from its log.
    DatabaseCrash,
    /// Which of [`LINKS`].
    Link(usize, Mode),
    /// How the store answers to one of the two workers.
    Store(usize, StoreFault),
}

impl Fault {
    /// Its kind, for the report.
    pub(super) fn kind(&self) -> String {
        match self {
            Self::Process(service, strike) => {
                let service = SERVICES[*service].trim_end_matches(['-', '1', '2']);
                format!("{service}: {}", format!("{strike:?}").to_lowercase())
            }
            Self::BrokerConnectionsClosed => "broker: connections closed".to_owned(),
            Self::BrokerDiskAlarm => "broker: disk alarm".to_owned(),
            Self::BrokerRestart => "broker: restart".to_owned(),
            Self::DatabaseCrash => "database: crash and recovery".to_owned(),
            Self::Link(link, mode) => {
                format!("{} link: {}", format!("{:?}", LINKS[*link].1).to_lowercase(), mode.kind())
            }
            Self::Store(_, fault) => format!("store: {}", fault.kind()),
        }
    }
}

/// A fault, when it begins and how long it lasts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Event {
    pub(super) at: Duration,
    pub(super) lasts: Duration,
    pub(super) fault: Fault,
}

/// The faults of a run, in their order.
pub(super) fn faults(seed: u64, length: Duration) -> Vec<Event> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut at = CALM;
    let mut events = Vec::new();
    while at < length {
        let lasts = Duration::from_millis(random.random_range(FAULT_SHORTEST_MS..FAULT_LONGEST_MS));
        events.push(Event { at, lasts, fault: fault(&mut random) });
        at += FAULT_GAP.mul_f64(random.random_range(0.2..1.8));
    }
    events
}

fn fault(random: &mut StdRng) -> Fault {
    match random.random_range(0..20) {
        0..7 => {
            let strike = [Strike::Kill, Strike::Kill, Strike::Stop, Strike::Freeze];
            // The workers have the most to lose.
            let service = [0, 1, 2, 3, 4, 5, 4, 5];
            Fault::Process(chosen(&service, random), chosen(&strike, random))
        }
        7 => Fault::BrokerConnectionsClosed,
        8 => Fault::BrokerDiskAlarm,
        9 => Fault::BrokerRestart,
        10 => Fault::DatabaseCrash,
        11..15 => Fault::Link(random.random_range(0..LINKS.len()), Mode::random(random)),
        15 => Fault::Link(random.random_range(12..14), Mode::random(random)),
        _ => Fault::Store(random.random_range(0..2), StoreFault::random(random)),
    }
}

pub(super) fn chosen<T: Copy>(of: &[T], random: &mut impl Rng) -> T {
    *of.choose(random).expect("a choice of something")
}

/// What an actor tries next. What is not possible just then is skipped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    CreateVolume,
    Write,
    Full,
    Incremental,
    /// A backup, and writes to its volume as soon as the frozen copy must be there.
    InUse,
    /// A backup or a restore that is ended before its time.
    Cancel,
    Snapshot,
    SnapshotBackup,
    SnapshotDelete,
    RestoreNew,
    RestoreOnto,
    Extend,
    Copy,
    DeleteBackup,
    DeleteVolume,
}

const STEPS: [Step; 22] = [
    Step::CreateVolume,
    Step::Write,
    Step::Write,
    Step::Full,
    Step::Full,
    Step::Incremental,
    Step::Incremental,
    Step::Incremental,
    Step::InUse,
    Step::InUse,
    Step::Cancel,
    Step::Cancel,
    Step::Snapshot,
    Step::SnapshotBackup,
    Step::SnapshotDelete,
    Step::RestoreNew,
    Step::RestoreOnto,
    Step::RestoreOnto,
    Step::Extend,
    Step::Copy,
    Step::DeleteBackup,
    Step::DeleteVolume,
];

/// An actor's next step, from its own numbers.
pub(super) fn step(random: &mut impl Rng) -> Step {
    chosen(&STEPS, random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_says_all_and_half_an_hour_has_hundreds_of_faults_of_every_kind() {
        let length = Duration::from_secs(30 * 60);
        let events = faults(7, length);
        assert_eq!(events, faults(7, length));
        assert_ne!(events, faults(8, length));
        assert!(events.len() > 400, "{}", events.len());
        let kinds: std::collections::BTreeSet<String> = events.iter().map(|event| event.fault.kind()).collect();
        assert!(kinds.len() > 35, "{kinds:?}");
    }
}
