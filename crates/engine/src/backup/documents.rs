//! The backup's two documents, written anew as often as they are put: there may be gigabytes of hashes, and one local copy
//! of them is enough.

use std::io::{self, Write};
use std::ops::Range;

use format::{Manifest, Sha256Header, Sha256Text, Window};
use storage::Writable;

use super::send::DataObject;
use crate::hash_file::HashFile;

/// The hashes of all blocks.
#[derive(Debug)]
pub(crate) struct HashDocument {
    text: Sha256Text,
    hashes: HashFile,
}

impl HashDocument {
    pub(crate) fn new(header: &Sha256Header, hashes: HashFile) -> Self {
        Self { text: Sha256Text::new(header, hashes.count()), hashes }
    }
}

impl Writable for HashDocument {
    fn length_bytes(&self) -> u64 {
        self.text.length_bytes()
    }

    fn write(&self, range: Range<u64>, out: &mut dyn Write) -> io::Result<()> {
        self.text.write(range, |first| self.hashes.runs(first), out)
    }
}

/// The manifest, with these objects in place of its own.
#[derive(Debug)]
pub(crate) struct ManifestDocument {
    manifest: Manifest,
    prefix: String,
    objects: Vec<DataObject>,
    length_bytes: u64,
}

impl ManifestDocument {
    /// Writes it once to learn its length; blocking.
    pub(crate) fn new(manifest: Manifest, prefix: String, objects: Vec<DataObject>) -> Self {
        let mut this = Self { manifest, prefix, objects, length_bytes: 0 };
        let mut length = Length(0);
        // Nothing is refused.
        drop(this.write_all(&mut length));
        this.length_bytes = length.0;
        this
    }

    fn write_all(&self, out: &mut impl Write) -> io::Result<()> {
        self.manifest.write(self.objects.iter().map(|object| object.entry(&self.prefix)), out)
    }
}

impl Writable for ManifestDocument {
    fn length_bytes(&self) -> u64 {
        self.length_bytes
    }

    fn write(&self, range: Range<u64>, out: &mut dyn Write) -> io::Result<()> {
        self.write_all(&mut Window::new(out, range))
    }
}

/// Counts what is written.
struct Length(u64);

impl Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
