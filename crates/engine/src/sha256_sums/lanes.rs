//! SHA-256 of four buffers at a time with the SHA instructions.
//!
//! Each of them waits for the one before, so one hash leaves most of a core idle: four, one instruction of each in turn,
//! run twice as fast as one after the other (docs/PERFORMANCE.md).

#![expect(
    unsafe_code,
    reason = "calls instructions that were asked for first, and loads from arrays of the right length"
)]

use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_blend_epi16, _mm_loadu_si128, _mm_set_epi64x, _mm_sha256msg1_epu32,
    _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8, _mm_shuffle_epi32, _mm_storeu_si128,
};

use super::{BLOCK_BYTES, LANES, State};

/// Takes as many whole blocks as the shortest buffer has, of every buffer. False when this processor cannot; nothing was
/// done.
pub(super) fn advance(states: &mut [State; LANES], data: &[&[u8]; LANES]) -> bool {
    if !(is_x86_feature_detected!("sha") && is_x86_feature_detected!("sse4.1") && is_x86_feature_detected!("ssse3")) {
        return false;
    }
    // SAFETY: the processor has the instructions that the function is compiled for.
    unsafe { advance_all(states, data) }
    true
}

/// The constants of FIPS 180-4, section 4.2.2, four in a row.
#[rustfmt::skip]
const CONSTANTS: [[u32; 4]; 16] = [
    [0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5], [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
    [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3], [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174],
    [0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc], [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
    [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7], [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967],
    [0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13], [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
    [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3], [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070],
    [0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5], [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
    [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208], [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2],
];

#[target_feature(enable = "sha,sse4.1,ssse3")]
fn advance_all(states: &mut [State; LANES], data: &[&[u8]; LANES]) {
    let blocks = data.iter().map(|buffer| buffer.len() / BLOCK_BYTES).min().unwrap_or(0);
    let mut halves = states.map(|state| split(&state));
    for at in 0..blocks {
        let words = data.map(|buffer| words(&buffer[at * BLOCK_BYTES..][..BLOCK_BYTES]));
        let mixed = rounds(halves, words);
        for (half, mixed) in halves.iter_mut().zip(mixed) {
            *half = [_mm_add_epi32(half[0], mixed[0]), _mm_add_epi32(half[1], mixed[1])];
        }
    }
    *states = halves.map(|half| join(half));
}

/// The state of each buffer is held as the instructions want it: the variables a, b, e, f and c, d, g, h.
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn rounds(mut halves: [[__m128i; 2]; LANES], mut words: [[__m128i; 4]; LANES]) -> [[__m128i; 2]; LANES] {
    for (at, constants) in CONSTANTS.iter().enumerate() {
        let constants = load(constants);
        for (half, words) in halves.iter_mut().zip(&mut words) {
            if at >= 4 {
                words[at % 4] =
                    schedule([words[at % 4], words[(at + 1) % 4], words[(at + 2) % 4], words[(at + 3) % 4]]);
            }
            let addends = _mm_add_epi32(words[at % 4], constants);
            half[1] = _mm_sha256rnds2_epu32(half[1], half[0], addends);
            half[0] = _mm_sha256rnds2_epu32(half[0], half[1], _mm_shuffle_epi32::<0x0e>(addends));
        }
    }
    halves
}

/// The four words that follow sixteen.
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn schedule([first, second, third, fourth]: [__m128i; 4]) -> __m128i {
    let mixed = _mm_sha256msg1_epu32(first, second);
    let mixed = _mm_add_epi32(mixed, _mm_alignr_epi8::<4>(fourth, third));
    _mm_sha256msg2_epu32(mixed, fourth)
}

#[target_feature(enable = "sha,sse4.1,ssse3")]
fn split(state: &State) -> [__m128i; 2] {
    let ([first, second], _) = state.as_chunks::<4>() else { return [load(&[0; 4]); 2] };
    let cdab = _mm_shuffle_epi32::<0xb1>(load(first));
    let efgh = _mm_shuffle_epi32::<0x1b>(load(second));
    [_mm_alignr_epi8::<8>(cdab, efgh), _mm_blend_epi16::<0xf0>(efgh, cdab)]
}

#[target_feature(enable = "sha,sse4.1,ssse3")]
fn join([abef, cdgh]: [__m128i; 2]) -> State {
    let feba = _mm_shuffle_epi32::<0x1b>(abef);
    let dchg = _mm_shuffle_epi32::<0xb1>(cdgh);
    let (first, second) = (store(_mm_blend_epi16::<0xf0>(feba, dchg)), store(_mm_alignr_epi8::<8>(dchg, feba)));
    std::array::from_fn(|at| if at < 4 { first[at] } else { second[at - 4] })
}

/// A block's words, which SHA-256 reads with the highest byte first.
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn words(block: &[u8]) -> [__m128i; 4] {
    assert_eq!(block.len(), BLOCK_BYTES, "a block fills four registers");
    let swap = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    std::array::from_fn(|at| {
        // SAFETY: the block has 64 bytes, and the load asks for no alignment.
        let quarter = unsafe { _mm_loadu_si128(block.as_ptr().add(16 * at).cast()) };
        _mm_shuffle_epi8(quarter, swap)
    })
}

#[target_feature(enable = "sha,sse4.1,ssse3")]
fn load(words: &[u32; 4]) -> __m128i {
    // SAFETY: four words are 16 bytes, and the load asks for no alignment.
    unsafe { _mm_loadu_si128(words.as_ptr().cast()) }
}

#[target_feature(enable = "sha,sse4.1,ssse3")]
fn store(register: __m128i) -> [u32; 4] {
    let mut words = [0; 4];
    // SAFETY: there is room for 16 bytes, and the store asks for no alignment.
    unsafe { _mm_storeu_si128(words.as_mut_ptr().cast(), register) }
    words
}
