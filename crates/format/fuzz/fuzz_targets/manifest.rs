//! Any bytes as a manifest: an answer, the same however the bytes come, and what is accepted is written and read again alike.

#![no_main]

use std::io::Read;

use format::{Manifest, ManifestObject, ParseLimits};
use libfuzzer_sys::fuzz_target;

const PREFIX: &str = "volume_x_backup_y";
const LIMITS: ParseLimits<'_> = ParseLimits { prefix: PREFIX, volume_bytes_max: 1 << 40 };

/// Gives a few bytes at a time.
struct Trickle<'a>(&'a [u8]);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = buffer.len().min(7);
        self.0.read(&mut buffer[..length])
    }
}

fuzz_target!(|bytes: &[u8]| {
    let whole = Manifest::parse(bytes, &LIMITS);
    let mut objects: Vec<ManifestObject> = Vec::new();
    let slow = Manifest::read(Trickle(bytes), &LIMITS, &mut |object| {
        objects.push(object);
        Ok(())
    });
    match (whole, slow) {
        (Ok(whole), Ok(slow)) => {
            assert_eq!(whole, Manifest { objects, ..slow });
            for object in &whole.objects {
                assert!(object.name.starts_with(PREFIX) && !object.name[PREFIX.len()..].contains('/'));
                assert!(object.offset.checked_add(object.length).is_some_and(|end| end <= 1 << 40));
            }
            assert_eq!(Manifest::parse(&whole.to_json(), &LIMITS).ok(), Some(whole));
        }
        (Err(whole), Err(slow)) => assert_eq!(whole.kind(), slow.kind()),
        (whole, slow) => panic!("{whole:?} and {slow:?}"),
    }
});
