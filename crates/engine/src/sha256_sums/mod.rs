//! SHA-256 of blocks, four at a time where the processor can.

#[cfg(target_arch = "x86_64")]
mod lanes;
#[cfg(not(target_arch = "x86_64"))]
mod lanes {
    //! No processor of this kind can.

    pub(super) const fn advance(_: &mut [super::State; super::LANES], _: &[&[u8]; super::LANES]) -> bool {
        false
    }
}

use sha2::{Digest, Sha256};

/// SHA-256 of one block.
pub(crate) type Hash = [u8; 32];

/// Blocks hashed side by side.
pub(crate) const LANES: usize = 4;
/// Bytes that SHA-256 takes at a time (FIPS 180-4, section 5.2.1).
const BLOCK_BYTES: usize = 64;
/// FIPS 180-4, section 5.3.3.
const START: State =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

type State = [u32; 8];

pub(crate) fn sha256(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// The hashes of four buffers; side by side when they are equally long.
pub(crate) fn sha256_of_four(buffers: [&[u8]; LANES]) -> [Hash; LANES] {
    side_by_side(buffers).unwrap_or_else(|| buffers.map(sha256))
}

fn side_by_side(buffers: [&[u8]; LANES]) -> Option<[Hash; LANES]> {
    let length = buffers[0].len();
    if buffers.iter().any(|buffer| buffer.len() != length) {
        return None;
    }
    let mut states = [START; LANES];
    let whole = length / BLOCK_BYTES * BLOCK_BYTES;
    if !lanes::advance(&mut states, &buffers.map(|buffer| &buffer[..whole])) {
        return None;
    }
    let (ends, end_bytes) = padded(buffers.map(|buffer| &buffer[whole..]), length);
    if !lanes::advance(&mut states, &ends.each_ref().map(|end| &end[..end_bytes])) {
        return None;
    }
    Some(states.map(|state| {
        let mut hash = [0; 32];
        for (bytes, word) in hash.chunks_exact_mut(4).zip(state) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        hash
    }))
}

/// What is left of buffers of `length` bytes, with the padding of FIPS 180-4, section 5.1.1: one block or two.
fn padded(tails: [&[u8]; LANES], length: usize) -> ([[u8; 2 * BLOCK_BYTES]; LANES], usize) {
    let end_bytes = (tails[0].len() + 9).next_multiple_of(BLOCK_BYTES);
    let bits = (length as u64).wrapping_mul(8);
    let ends = tails.map(|tail| {
        let mut end = [0; 2 * BLOCK_BYTES];
        end[..tail.len()].copy_from_slice(tail);
        end[tail.len()] = 0x80;
        end[end_bytes - 8..end_bytes].copy_from_slice(&bits.to_be_bytes());
        end
    });
    (ends, end_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn four_at_a_time_are_sha256(
            length in prop_oneof![0..300usize, Just(32_768), Just(4096), 0..70_000usize],
            shorter in prop_oneof![3 => Just(0usize), 1 => 0..4usize],
            seed in any::<u64>(),
        ) {
            let buffer = |lane: u64| -> Vec<u8> {
                let length = if lane < shorter as u64 { length / 2 } else { length };
                let word = |at: usize| (seed ^ lane).wrapping_add(at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
                (0..length).map(|at| word(at) as u8).collect()
            };
            let buffers: [Vec<u8>; LANES] = [buffer(0), buffer(1), buffer(2), buffer(3)];
            let expected = buffers.each_ref().map(|buffer| sha256(buffer));
            prop_assert_eq!(sha256_of_four(buffers.each_ref().map(Vec::as_slice)), expected);
        }
    }
}
