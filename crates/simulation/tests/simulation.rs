//! The simulation itself: it repeats itself, it is quiet where nothing is wrong, and it sees what is.

use simulation::{Deed, Outcome, Plan, Planted};

/// In a thread of its own, as clock and chance are a thread's.
fn run(plan: Plan) -> Outcome {
    let outcome = std::thread::spawn(move || simulation::run(plan)).join();
    outcome.expect("it ends").expect("it begins")
}

#[test]
fn the_same_seed_is_the_same_story() {
    let plan = Plan { requests: 300, faults: 10, ..Plan::of_seed(7) };
    let (one, other) = (run(plan), run(plan));
    assert_eq!((one.trace, one.events, one.jobs), (other.trace, other.events, other.jobs));
    assert_ne!(one.trace, run(Plan { seed: 8, ..plan }).trace);
}

#[test]
fn random_schedules_break_nothing() {
    for seed in 1..=4 {
        let outcome = run(Plan { requests: 300, faults: 10, ..Plan::of_seed(seed) });
        assert_eq!(outcome.violations, Vec::<String>::new(), "again: cargo xtask simulate --seed {seed}");
    }
}

/// Some of the steps; `cargo xtask simulate --every-step` takes them all.
#[test]
fn a_step_may_fail() {
    const ONE_OF: usize = 41;
    for deed in Deed::ALL {
        let (steps, quiet) = in_thread(move || simulation::deed(deed, None));
        assert_eq!(quiet.violations, Vec::<String>::new(), "{deed:?}");
        for wrong in steps.all().into_iter().skip(deed as usize).step_by(ONE_OF) {
            let (_, outcome) = in_thread(move || simulation::deed(deed, Some(wrong)));
            assert_eq!(outcome.violations, Vec::<String>::new(), "{deed:?} {wrong:?}");
        }
    }
}

fn in_thread<T: Send + 'static>(act: impl FnOnce() -> anyhow::Result<T> + Send + 'static) -> T {
    std::thread::spawn(act).join().expect("it ends").expect("it begins")
}

/// A mistake is seen within so many seeds.
const SEEDS: u64 = 20;

fn is_seen(planted: Planted) {
    let found = (1..=SEEDS).find_map(|seed| {
        let outcome = run(Plan { planted: Some(planted), requests: 400, faults: 16, ..Plan::of_seed(seed) });
        outcome.violations.first().map(|violation| format!("seed {seed}: {violation}"))
    });
    println!("{planted:?}: {found:?}");
    assert!(found.is_some(), "{planted:?} was not seen in {SEEDS} seeds");
}

macro_rules! planted {
    ($($name:ident: $planted:ident),* $(,)?) => {
        mod planted {
            use super::*;

            $(#[test]
            fn $name() {
                is_seen(Planted::$planted);
            })*

            #[test]
            fn all_are_tried() {
                assert_eq!([$(Planted::$planted),*], Planted::ALL);
            }
        }
    };
}

planted! {
    lease_check_removed: LeaseCheckRemoved,
    leases_never_end: LeasesNeverEnd,
    generation_ignored_in_reports: GenerationIgnoredInReports,
    generation_ignored_in_claims: GenerationIgnoredInClaims,
    acked_on_delivery: AckedOnDelivery,
    sent_before_confirmed: SentBeforeConfirmed,
    accepted_before_commit: AcceptedBeforeCommit,
    volume_not_returned: VolumeNotReturned,
    quota_kept: QuotaKept,
    checkpoints_kept: CheckpointsKept,
    place_forgotten: PlaceForgotten,
}
