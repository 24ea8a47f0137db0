//! MD5 of up to four buffers at a time in ordinary registers: each step waits for the one before, so that the steps of another
//! buffer cost nothing. Faster than the lanes of a wide register while so few are there (docs/PERFORMANCE.md).

use std::hint::black_box;

use super::rounds::all_rounds;
use super::{BLOCK_BYTES, State};

/// Takes as many whole blocks as the shortest buffer has, of every buffer.
pub(super) fn advance<const N: usize>(states: &mut [State; N], data: &[&[u8]; N]) {
    let blocks = data.iter().map(|buffer| buffer.len() / BLOCK_BYTES).min().unwrap_or(0);
    let mut columns: [[u32; N]; 4] = std::array::from_fn(|word| states.each_ref().map(|state| state[word]));
    for at in 0..blocks {
        let rows = data.map(|buffer| &buffer[at * BLOCK_BYTES..][..BLOCK_BYTES]);
        let block: [[u32; N]; 16] = std::array::from_fn(|word| rows.map(|row| word_of(row, word)));
        let mixed = rounds(columns, &block);
        for (column, mixed) in columns.iter_mut().zip(mixed) {
            for (word, mixed) in column.iter_mut().zip(mixed) {
                *word = word.wrapping_add(mixed);
            }
        }
    }
    for (word, column) in columns.into_iter().enumerate() {
        for (state, value) in states.iter_mut().zip(column) {
            state[word] = value;
        }
    }
}

macro_rules! step_of {
    ($($argument:expr),*) => { step($($argument),*) };
}

#[inline(always)]
fn rounds<const N: usize>(state: [[u32; N]; 4], block: &[[u32; N]; 16]) -> [[u32; N]; 4] {
    all_rounds!(state, block, step_of)
}

#[inline(always)]
fn step<const N: usize>(logic: i32, shift: u32, [a, b, c, d]: [[u32; N]; 4], word: [u32; N], sine: u32) -> [u32; N] {
    // Hidden from the compiler, which would add the constant last, where every step waits for it, and would take the steps of
    // one buffer after those of the other.
    let addends = black_box(word.map(|word| word.wrapping_add(sine)));
    std::array::from_fn(|at| {
        let (b, c, d) = (b[at], c[at], d[at]);
        let addend = a[at].wrapping_add(addends[at]);
        // `b` comes last of all, so that as little as can be is left to do with it.
        let (mixed, addend) = match logic {
            0xca => (d ^ (b & (c ^ d)), addend),
            0xe4 => (b & d, addend.wrapping_add(c & !d)),
            0x96 => (b ^ (c ^ d), addend),
            _ => (c ^ (b | !d), addend),
        };
        mixed.wrapping_add(addend).rotate_left(shift).wrapping_add(b)
    })
}

fn word_of(row: &[u8], word: usize) -> u32 {
    row.as_chunks().0.get(word).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}
