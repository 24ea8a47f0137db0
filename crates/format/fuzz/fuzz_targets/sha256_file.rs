//! Any bytes as a sha256 file: an answer, the same however the bytes come.

#![no_main]

use std::io::Read;

use domain::Kind;
use format::Sha256Reader;
use libfuzzer_sys::fuzz_target;

/// Gives a few bytes at a time.
struct Trickle<'a>(&'a [u8]);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = buffer.len().min(7);
        self.0.read(&mut buffer[..length])
    }
}

fn read(source: impl Read) -> Result<(Option<u64>, Vec<[u8; 32]>), Kind> {
    let mut reader = Sha256Reader::new(source).map_err(|error| error.kind())?;
    let hashes = reader.by_ref().collect::<domain::Result<_>>().map_err(|error| error.kind())?;
    assert!(reader.next().is_none() && reader.block_size().is_some_and(|bytes| bytes > 0));
    Ok((reader.block_size(), hashes))
}

fuzz_target!(|bytes: &[u8]| assert_eq!(read(bytes), read(Trickle(bytes))));
