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

use super::{BLOCK_BYTES, State};

pub(super) const LANES: usize = 16;

/// Whether this processor can.
pub(super) fn available() -> bool {
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
        let rows = data.map(|lane| row(&lane[at * BLOCK_BYTES..][..BLOCK_BYTES]));
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

/// The 16 steps of a round: which word of the block each takes, and its sine (RFC 1321, section 3.4).
macro_rules! round {
    ($state:ident $block:ident $logic:literal, $s0:literal $s1:literal $s2:literal $s3:literal,
     $($w0:literal $k0:literal, $w1:literal $k1:literal, $w2:literal $k2:literal, $w3:literal $k3:literal;)*) => {{
        let [mut a, mut b, mut c, mut d] = $state;
        $(
            a = step::<$logic, $s0>([a, b, c, d], $block[$w0], $k0);
            d = step::<$logic, $s1>([d, a, b, c], $block[$w1], $k1);
            c = step::<$logic, $s2>([c, d, a, b], $block[$w2], $k2);
            b = step::<$logic, $s3>([b, c, d, a], $block[$w3], $k3);
        )*
        [a, b, c, d]
    }};
}

/// The functions F, G, H and I as tables of three bits, then the shifts.
#[target_feature(enable = "avx512f")]
fn rounds(state: [__m512i; 4], block: &[__m512i; 16]) -> [__m512i; 4] {
    let state = round!(state block 0xca, 7 12 17 22,
        0 0xd76a_a478, 1 0xe8c7_b756, 2 0x2420_70db, 3 0xc1bd_ceee;
        4 0xf57c_0faf, 5 0x4787_c62a, 6 0xa830_4613, 7 0xfd46_9501;
        8 0x6980_98d8, 9 0x8b44_f7af, 10 0xffff_5bb1, 11 0x895c_d7be;
        12 0x6b90_1122, 13 0xfd98_7193, 14 0xa679_438e, 15 0x49b4_0821;
    );
    let state = round!(state block 0xe4, 5 9 14 20,
        1 0xf61e_2562, 6 0xc040_b340, 11 0x265e_5a51, 0 0xe9b6_c7aa;
        5 0xd62f_105d, 10 0x0244_1453, 15 0xd8a1_e681, 4 0xe7d3_fbc8;
        9 0x21e1_cde6, 14 0xc337_07d6, 3 0xf4d5_0d87, 8 0x455a_14ed;
        13 0xa9e3_e905, 2 0xfcef_a3f8, 7 0x676f_02d9, 12 0x8d2a_4c8a;
    );
    let state = round!(state block 0x96, 4 11 16 23,
        5 0xfffa_3942, 8 0x8771_f681, 11 0x6d9d_6122, 14 0xfde5_380c;
        1 0xa4be_ea44, 4 0x4bde_cfa9, 7 0xf6bb_4b60, 10 0xbebf_bc70;
        13 0x289b_7ec6, 0 0xeaa1_27fa, 3 0xd4ef_3085, 6 0x0488_1d05;
        9 0xd9d4_d039, 12 0xe6db_99e5, 15 0x1fa2_7cf8, 2 0xc4ac_5665;
    );
    round!(state block 0x39, 6 10 15 21,
        0 0xf429_2244, 7 0x432a_ff97, 14 0xab94_23a7, 5 0xfc93_a039;
        12 0x655b_59c3, 3 0x8f0c_cc92, 10 0xffef_f47d, 1 0x8584_5dd1;
        8 0x6fa8_7e4f, 15 0xfe2c_e6e0, 6 0xa301_4314, 13 0x4e08_11a1;
        4 0xf753_7e82, 11 0xbd3a_f235, 2 0x2ad7_d2bb, 9 0xeb86_d391;
    )
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
fn row(bytes: &[u8]) -> __m512i {
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
