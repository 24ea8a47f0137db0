//! Any bytes as the body of an object, after one byte for the codec and two for the declared length: never more bytes than
//! declared, exactly as many on success, and the same however the body comes.

#![no_main]

use domain::Kind;
use format::{Compression, Decoder};
use libfuzzer_sys::fuzz_target;

fn decode(compression: Compression, declared: u64, body: &[u8], piece: usize) -> Result<Vec<u8>, Kind> {
    let mut out = Vec::new();
    let mut sink = |bytes: &[u8]| {
        out.extend_from_slice(bytes);
        Ok(())
    };
    let mut run = || {
        let mut decoder = Decoder::new(compression, declared)?;
        for part in body.chunks(piece) {
            decoder.push(part, &mut sink)?;
        }
        decoder.finish(&mut sink)
    };
    let result = run();
    assert!(out.len() as u64 <= declared);
    assert!(result.is_err() || out.len() as u64 == declared);
    result.map(|()| out).map_err(|error| error.kind())
}

fuzz_target!(|bytes: &[u8]| {
    let [codec, low, high, body @ ..] = bytes else { return };
    let compression = Compression::ALL[usize::from(codec % 4)];
    let declared = u64::from(u16::from_le_bytes([*low, *high])) * 16;
    let whole = decode(compression, declared, body, usize::MAX);
    assert_eq!(whole, decode(compression, declared, body, 5));
});
