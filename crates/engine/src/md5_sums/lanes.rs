//! MD5 of sixteen buffers at a time, one in each lane of an AVX-512 register.
//!
//! Every step of MD5 waits for the one before, so one sum leaves most of a core idle: sixteen of them together run eight
//! times as fast as one after the other (docs/PERFORMANCE.md).

#![expect(
    unsafe_code,
    reason = "calls instructions that were asked for first, and loads from arrays of the right length"
)]

use std::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_loadu_si512, _mm512_rol_epi32, _mm512_set1_epi32, _mm512_shuffle_i32x4,
    _mm512_storeu_si512, _mm512_ternarylogic_epi32, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64,
    _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
};

use super::rounds::all_rounds;
use super::{BLOCK_BYTES, State};

pub(super) const LANES: usize = 16;

/// Whether this processor can.
fn available() -> bool {
    is_x86_feature_detected!("avx512f")
}

/// Takes as many whole blocks as the shortest lane has, of every lane. False when this processor cannot; nothing was done.
pub(super) fn advance(states: &mut [State; LANES], data: &[&[u8]; LANES]) -> bool {
    if !available() {
        return false;
    }
    // SAFETY: the processor has the instructions that the function is compiled for.
    unsafe { advance_all(states, data) }
    true
}

#[target_feature(enable = "avx512f")]
fn advance_all(states: &mut [State; LANES], data: &[&[u8]; LANES]) {
    let blocks = data.iter().map(|lane| lane.len() / BLOCK_BYTES).min().unwrap_or(0);
    let mut columns: [_; 4] = std::array::from_fn(|word| load(&states.map(|state| state[word])));
    for at in 0..blocks {
        let mut rows = [columns[0]; LANES];
        for (row, lane) in rows.iter_mut().zip(data) {
            *row = load_row(&lane[at * BLOCK_BYTES..][..BLOCK_BYTES]);
        }
        let mixed = rounds(columns, &transpose(rows));
        for (column, mixed) in columns.iter_mut().zip(mixed) {
            *column = _mm512_add_epi32(*column, mixed);
        }
    }
    for (word, column) in columns.into_iter().enumerate() {
        for (state, value) in states.iter_mut().zip(store(column)) {
            state[word] = value;
        }
    }
}

macro_rules! step_of {
    ($logic:literal, $shift:literal, $($argument:expr),*) => { step::<$logic, $shift>($($argument),*) };
}

#[target_feature(enable = "avx512f")]
fn rounds(state: [__m512i; 4], block: &[__m512i; 16]) -> [__m512i; 4] {
    all_rounds!(state, block, step_of)
}

#[target_feature(enable = "avx512f")]
fn step<const LOGIC: i32, const SHIFT: i32>([a, b, c, d]: [__m512i; 4], word: __m512i, sine: u32) -> __m512i {
    let addend = _mm512_add_epi32(_mm512_add_epi32(a, word), _mm512_set1_epi32(sine.cast_signed()));
    let mixed = _mm512_add_epi32(_mm512_ternarylogic_epi32::<LOGIC>(b, c, d), addend);
    _mm512_add_epi32(_mm512_rol_epi32::<SHIFT>(mixed), b)
}

/// From the blocks of sixteen lanes to their first words, their second words and so on.
#[target_feature(enable = "avx512f")]
fn transpose(rows: [__m512i; 16]) -> [__m512i; 16] {
    let mut pairs = rows;
    for (pair, row) in pairs.chunks_exact_mut(2).zip(rows.chunks_exact(2)) {
        pair[0] = _mm512_unpacklo_epi32(row[0], row[1]);
        pair[1] = _mm512_unpackhi_epi32(row[0], row[1]);
    }
    // Of four lanes, in the four quarters of each: the words at the same place of a quarter.
    let mut fours = pairs;
    for (four, pair) in fours.chunks_exact_mut(4).zip(pairs.chunks_exact(4)) {
        four[0] = _mm512_unpacklo_epi64(pair[0], pair[2]);
        four[1] = _mm512_unpackhi_epi64(pair[0], pair[2]);
        four[2] = _mm512_unpacklo_epi64(pair[1], pair[3]);
        four[3] = _mm512_unpackhi_epi64(pair[1], pair[3]);
    }
    const EVEN: i32 = 0x88;
    const ODD: i32 = 0xdd;
    let mut words = fours;
    for place in 0..4 {
        let quarters = [fours[place], fours[4 + place], fours[8 + place], fours[12 + place]];
        let even = [
            _mm512_shuffle_i32x4::<EVEN>(quarters[0], quarters[1]),
            _mm512_shuffle_i32x4::<EVEN>(quarters[2], quarters[3]),
        ];
        let odd = [
            _mm512_shuffle_i32x4::<ODD>(quarters[0], quarters[1]),
            _mm512_shuffle_i32x4::<ODD>(quarters[2], quarters[3]),
        ];
        words[place] = _mm512_shuffle_i32x4::<EVEN>(even[0], even[1]);
        words[4 + place] = _mm512_shuffle_i32x4::<EVEN>(odd[0], odd[1]);
        words[8 + place] = _mm512_shuffle_i32x4::<ODD>(even[0], even[1]);
        words[12 + place] = _mm512_shuffle_i32x4::<ODD>(odd[0], odd[1]);
    }
    words
}

#[target_feature(enable = "avx512f")]
fn load_row(bytes: &[u8]) -> __m512i {
    assert_eq!(bytes.len(), BLOCK_BYTES, "a block fills a register");
    // SAFETY: 64 bytes are there, and the load asks for no alignment. x86 is little endian, as MD5 is.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f")]
fn load(words: &[u32; LANES]) -> __m512i {
    // SAFETY: 16 words are 64 bytes, and the load asks for no alignment.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f")]
fn store(register: __m512i) -> [u32; LANES] {
    let mut words = [0; LANES];
    // SAFETY: there is room for 64 bytes, and the store asks for no alignment.
    unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), register) }
    words
}
