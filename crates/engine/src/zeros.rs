//! Objects of nothing but zeros: what their bodies and sums are, which cost a constant however many there are.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use domain::Result;
use format::Compression;
use md5::{Digest, Md5};

use crate::hash::{Encoded, Method, md5_of};

/// Chunks in a row out of which one object of zeros may be, so that a volume of nothing does not become thousands of objects.
/// Stock Cinder's restore holds an object's bytes in memory, so that they must stay few.
pub(crate) fn row_chunks(chunk_bytes: u64) -> u64 {
    const ROW_CHUNKS: u64 = 12;
    const ROW_BYTES_MAX: u64 = 200 << 20;
    (ROW_BYTES_MAX / chunk_bytes.max(1)).clamp(1, ROW_CHUNKS)
}

/// Holes begin and end at multiples of this many bytes, so that their lengths are few; a chunk is a multiple of it.
pub(crate) fn unit_bytes(chunk_bytes: u64, block_bytes: u64) -> u64 {
    const UNITS_MAX: u64 = 50;
    let blocks = chunk_bytes / block_bytes.max(1);
    let units = (1..=UNITS_MAX).rev().find(|units| blocks.is_multiple_of(*units)).unwrap_or(1);
    chunk_bytes / units
}

/// The lengths that objects of holes have.
const LENGTHS_MAX: usize = 256;

/// Zeros at once.
static ZEROS: [u8; 1 << 20] = [0; 1 << 20];

/// The body of a hole, kept for the next one of its length; blocking when asked for the first time.
pub(crate) fn encode_hole(method: Method, length: usize) -> Result<Arc<Encoded>> {
    type Bodies = HashMap<(usize, Method), Arc<Encoded>>;
    static BODIES: LazyLock<Mutex<Bodies>> = LazyLock::new(Mutex::default);
    let kept = || BODIES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(encoded) = kept().get(&(length, method)) {
        return Ok(Arc::clone(encoded));
    }
    // Two threads may make the same at the same time, which is better than one waiting for the other.
    let encoded = Arc::new(encode_zeros(method, length)?);
    let mut bodies = kept();
    if bodies.len() < LENGTHS_MAX {
        bodies.insert((length, method), Arc::clone(&encoded));
    }
    Ok(encoded)
}

/// The body of a run of zeros of any length; blocking.
pub(crate) fn encode_zeros(method: Method, length: usize) -> Result<Encoded> {
    let (mut compression, mut body) = format::compress_zeros(method.compression, method.level, length as u64)?;
    if body.len() as u64 > format::compressed_bytes_max(length as u64) {
        (compression, body) = (Compression::None, vec![0; length].into());
    }
    Ok(Encoded { compression, body_md5: md5_of(&body), body, md5: md5_of_zeros(length) })
}

/// The MD5 of `length` zeros; blocking. The sums of many lengths cost no more than that of the greatest.
pub(crate) fn md5_of_zeros(length: usize) -> [u8; 16] {
    static SUMS: LazyLock<Mutex<BTreeMap<usize, Md5>>> = LazyLock::new(Mutex::default);
    let mut sums = SUMS.lock().unwrap_or_else(PoisonError::into_inner);
    let nearest = sums.range(..=length).next_back().map(|(length, sum)| (*length, sum.clone()));
    let (mut done, mut sum) = nearest.unwrap_or_default();
    while done < length {
        let step = ZEROS.len().min(length - done);
        sum.update(&ZEROS[..step]);
        done += step;
    }
    if sums.len() < LENGTHS_MAX {
        sums.insert(length, sum.clone());
    }
    sum.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_encoded_as_what_they_stand_for() {
        for compression in Compression::ALL {
            let method = Method { compression, level: compression.default_level() };
            for length in [70_000, 3 << 20, 3 << 17, (1 << 17) + 1, 7] {
                let zeros = vec![0; length];
                let made = encode_zeros(method, length).unwrap();
                assert_eq!((made.md5, made.body_md5), (md5_of(&zeros), md5_of(&made.body)));
                let mut decoder = format::Decoder::new(made.compression, length as u64).unwrap();
                let mut found = Vec::new();
                let mut sink = |bytes: &[u8]| {
                    found.extend_from_slice(bytes);
                    Ok(())
                };
                decoder.push(&made.body, &mut sink).unwrap();
                decoder.finish(&mut sink).unwrap();
                assert_eq!((found == zeros, made.compression == Compression::None), (true, length == 7));
                assert!(made.body.len() < 4000);
                assert_eq!(encode_hole(method, length).unwrap().body, made.body);
            }
        }
    }

    #[test]
    fn a_chunk_is_whole_units_of_whole_blocks() {
        let units = [(50 << 20, 32 << 10), (1_999_994_880, 32_768), (96, 32), (7 * 11, 7)]
            .map(|(chunk, block)| unit_bytes(chunk, block));
        assert_eq!(units, [1 << 20, 51_281_920, 32, 7]);
    }
}
