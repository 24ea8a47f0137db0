//! What this worker may do at once and how fast: as configured, or as an operator says while it runs.

use std::sync::Arc;

use chassis::metrics::Gauge;
use proto::worker::HeartbeatAck;
use stdx::pace::Pace;
use tokio::sync::watch;

static SLOTS: Gauge = Gauge::new("emberkeep_worker_slots", "Jobs that this worker may do at once.");

#[derive(Clone, Debug)]
pub(crate) struct Limits {
    slots: watch::Sender<u32>,
    pace: Arc<Pace>,
    configured: (u32, u64),
}

impl Limits {
    /// `bytes_per_second` 0: as fast as it goes.
    pub(crate) fn new(slots: u32, bytes_per_second: u64) -> Self {
        SLOTS.set(slots.into(), &[]);
        let pace = Arc::new(Pace::new(bytes_per_second));
        Self { slots: watch::Sender::new(slots), pace, configured: (slots, bytes_per_second) }
    }

    /// Between this worker and the store, in both directions.
    pub(crate) fn pace(&self) -> Arc<Pace> {
        Arc::clone(&self.pace)
    }

    /// Jobs at once.
    pub(crate) fn slots(&self) -> watch::Receiver<u32> {
        self.slots.subscribe()
    }

    /// The scheduler's word; 0 is the configuration's.
    pub(crate) fn obey(&self, said: &HeartbeatAck) {
        let or = |said, configured| if said == 0 { configured } else { said };
        let slots = or(u64::from(said.slots), u64::from(self.configured.0));
        let slots = u32::try_from(slots).unwrap_or(self.configured.0);
        SLOTS.set(slots.into(), &[]);
        self.slots.send_if_modified(|present| std::mem::replace(present, slots) != slots);
        self.pace.set(or(said.bytes_per_second, self.configured.1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_says_is_as_configured() {
        let limits = Limits::new(4, 0);
        let mut slots = limits.slots();
        limits.obey(&HeartbeatAck { slots: 9, bytes_per_second: 5 });
        assert!(slots.has_changed().expect("kept") && *slots.borrow_and_update() == 9);
        limits.obey(&HeartbeatAck { slots: 9, bytes_per_second: 5 });
        assert!(!slots.has_changed().expect("kept"));
        limits.obey(&HeartbeatAck::default());
        assert_eq!(*slots.borrow_and_update(), 4);
    }
}
