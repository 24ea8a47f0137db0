//! Where ids and jitter come from: the system, or in a simulation a seed that repeats them.

#[cfg(feature = "simulation")]
use std::cell::RefCell;

use rand::RngCore;
#[cfg(feature = "simulation")]
use rand::{SeedableRng, rngs::SmallRng};

#[cfg(feature = "simulation")]
thread_local! {
    static SEEDED: RefCell<Option<SmallRng>> = const { RefCell::new(None) };
}

/// From now on whatever chance decides on this thread follows from the seed.
#[cfg(feature = "simulation")]
pub fn seed(seed: u64) {
    SEEDED.set(Some(SmallRng::seed_from_u64(seed)));
}

/// Random bytes.
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}

/// A number between 0 and 1.
#[must_use]
pub fn fraction() -> f64 {
    f64::from(u32::from_ne_bytes(bytes())) / f64::from(u32::MAX)
}

#[cfg(feature = "simulation")]
fn fill(bytes: &mut [u8]) {
    SEEDED.with_borrow_mut(|seeded| match seeded {
        Some(seeded) => seeded.fill_bytes(bytes),
        None => rand::rng().fill_bytes(bytes),
    });
}

#[cfg(not(feature = "simulation"))]
fn fill(bytes: &mut [u8]) {
    rand::rng().fill_bytes(bytes);
}
