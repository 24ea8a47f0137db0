//! Hashes in the order of offsets, in a local file without a name: gone when dropped, and when the process is killed. Equal
//! ones in a row are one record, so that holes cost nothing.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use format::HashRun;

use crate::hash::Hash;

/// A hash, the number of hashes up to the end of its run, and a sum of both.
const RECORD_BYTES: usize = 32 + 8 + 8;
const BUFFER_BYTES: usize = 64 << 10;
/// Places kept in memory, half a mebibyte of them.
const PLACES_MAX: usize = 1 << 16;
/// Read at once: few at first, since mostly few are wanted.
const RECORDS_MIN: usize = 32;
const RECORDS_MAX: usize = 1024;

type Record = [u8; RECORD_BYTES];

/// Takes hashes in order.
#[derive(Debug)]
pub(crate) struct HashFileWriter {
    out: BufWriter<File>,
    /// The last run, which may go on.
    run: HashRun,
    index: Index,
    records: u64,
    count: u64,
}

/// Where the records of each step end: what is looked for lies between two of them.
#[derive(Debug)]
struct Index {
    step: u64,
    ends: Vec<u64>,
}

impl Index {
    fn push(&mut self, end: u64) {
        self.ends.push(end);
        if self.ends.len() == PLACES_MAX {
            let mut odd = true;
            self.ends.retain(|_| {
                odd = !odd;
                odd
            });
            self.step *= 2;
        }
    }

    /// The records among which is the one with the hash of this number.
    fn place(&self, number: u64) -> Range<u64> {
        let at = self.ends.partition_point(|&end| end <= number) as u64;
        at * self.step..(at + 1) * self.step
    }
}

impl HashFileWriter {
    pub(crate) fn create(directory: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let out = BufWriter::with_capacity(BUFFER_BYTES, tempfile::tempfile_in(directory)?);
        Ok(Self {
            out,
            run: HashRun { hash: [0; 32], count: 0 },
            index: Index { step: 1, ends: Vec::new() },
            records: 0,
            count: 0,
        })
    }

    pub(crate) fn push(&mut self, run: HashRun) -> io::Result<()> {
        if run.hash == self.run.hash {
            self.run.count += run.count;
        } else {
            self.end_run()?;
            self.run = run;
        }
        self.count += run.count;
        Ok(())
    }

    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn finish(mut self) -> io::Result<HashFile> {
        self.end_run()?;
        let file = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(HashFile { file, index: self.index, records: self.records, count: self.count })
    }

    fn end_run(&mut self) -> io::Result<()> {
        if self.run.count == 0 {
            return Ok(());
        }
        self.records += 1;
        if self.records.is_multiple_of(self.index.step) {
            self.index.push(self.count);
        }
        self.out.write_all(&record(&self.run.hash, self.count))
    }
}

/// The finished file.
#[derive(Debug)]
pub(crate) struct HashFile {
    file: File,
    index: Index,
    records: u64,
    count: u64,
}

impl HashFile {
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// Those from number `first` on; blocking.
    pub(crate) fn runs(&self, first: u64) -> Runs<'_> {
        Runs { file: self, reached: first, next: None, page: Vec::new(), at: 0 }
    }

    /// `count` of them; blocking.
    pub(crate) fn hashes(&self, first: u64, count: usize) -> io::Result<Vec<Hash>> {
        let mut hashes = Vec::with_capacity(count);
        let mut runs = self.runs(first);
        while hashes.len() < count {
            let run = runs.next().ok_or(ErrorKind::UnexpectedEof)??;
            let taken = usize::try_from(run.count).unwrap_or(usize::MAX).min(count - hashes.len());
            hashes.resize(hashes.len() + taken, run.hash);
        }
        Ok(hashes)
    }

    /// A record before which the hash of this number is not, and not far behind which it is.
    fn find(&self, number: u64) -> io::Result<u64> {
        let Range { start, end } = self.index.place(number);
        let mut range = start.min(self.records)..end.min(self.records);
        while range.end - range.start > RECORDS_MIN as u64 {
            let middle = range.start + (range.end - range.start) / 2;
            let mut bytes = [0; RECORD_BYTES];
            self.file.read_exact_at(&mut bytes, middle * RECORD_BYTES as u64)?;
            if read(&bytes)?.1 <= number { range.start = middle + 1 } else { range.end = middle }
        }
        Ok(range.start)
    }
}

/// Ends with the file or after an error.
#[derive(Debug)]
pub(crate) struct Runs<'a> {
    file: &'a HashFile,
    /// Number of the next hash.
    reached: u64,
    /// The first record behind the page; looked for when the first page is read.
    next: Option<u64>,
    page: Vec<Record>,
    at: usize,
}

impl Runs<'_> {
    fn next_run(&mut self) -> io::Result<Option<HashRun>> {
        loop {
            if self.at == self.page.len() && !self.turn_page()? {
                return Ok(None);
            }
            let (hash, end) = read(&self.page[self.at])?;
            self.at += 1;
            // Where it was looked for, others may stand before it.
            if let Some(count) = end.checked_sub(self.reached).filter(|&count| count > 0) {
                self.reached = end;
                return Ok(Some(HashRun { hash, count }));
            }
        }
    }

    fn turn_page(&mut self) -> io::Result<bool> {
        let next = match self.next {
            Some(next) => next,
            None => self.file.find(self.reached)?,
        };
        let left = usize::try_from(self.file.records - next).unwrap_or(usize::MAX);
        let length = (self.page.len() * 2).clamp(RECORDS_MIN, RECORDS_MAX).min(left);
        self.page.resize(length, [0; RECORD_BYTES]);
        self.file.file.read_exact_at(self.page.as_flattened_mut(), next * RECORD_BYTES as u64)?;
        (self.next, self.at) = (Some(next + length as u64), 0);
        Ok(length > 0)
    }
}

impl Iterator for Runs<'_> {
    type Item = io::Result<HashRun>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_run().transpose()
    }
}

fn record(hash: &Hash, end: u64) -> Record {
    let mut record = [0; RECORD_BYTES];
    record[..32].copy_from_slice(hash);
    record[32..40].copy_from_slice(&end.to_le_bytes());
    record[40..].copy_from_slice(&sum(hash, end).to_le_bytes());
    record
}

/// What a record says; `InvalidData` when it is not what was written.
fn read(record: &Record) -> io::Result<(Hash, u64)> {
    let mut hash = [0; 32];
    hash.copy_from_slice(&record[..32]);
    let [end, found] = [&record[32..40], &record[40..]].map(word);
    if found == sum(&hash, end) { Ok((hash, end)) } else { Err(damaged()) }
}

/// Against disks that damage what they keep, not against malice: every single changed word shows.
fn sum(hash: &Hash, end: u64) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let words = hash.chunks_exact(8).map(word).chain([end]);
    words.fold(ODD, |sum, word| (sum ^ word).wrapping_mul(ODD).rotate_left(31))
}

fn word(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

fn damaged() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "the spooled hashes are not what was written")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(hashes: &[Hash]) -> HashFile {
        let mut writer = HashFileWriter::create(&std::env::temp_dir()).unwrap();
        for run in hashes.chunk_by(|one, other| one == other) {
            writer.push(HashRun { hash: run[0], count: run.len() as u64 }).unwrap();
        }
        writer.finish().unwrap()
    }

    proptest! {
        #[test]
        fn every_place_is_found(ends in prop::collection::btree_set(1..1_000_000u64, 0..400), numbers in prop::collection::vec(0..1_000_000u64, 20)) {
            let ends: Vec<u64> = ends.into_iter().collect();
            for step in [1, 2, 64] {
                let index = Index { step, ends: ends.iter().copied().skip(step as usize - 1).step_by(step as usize).collect() };
                for &number in &numbers {
                    let record = ends.partition_point(|&end| end <= number) as u64;
                    prop_assert!(index.place(number).contains(&record));
                }
            }
        }

        #[test]
        fn every_part_comes_back(runs in prop::collection::vec((0..3u8, 1..400usize), 0..300), cut in 0..40_000usize) {
            let hashes: Vec<Hash> = runs.iter().flat_map(|&(byte, count)| vec![[byte; 32]; count]).collect();
            let file = file(&hashes);
            prop_assert_eq!(file.count(), hashes.len() as u64);
            prop_assert!(file.records <= runs.len() as u64);
            let cut = cut.min(hashes.len());
            prop_assert_eq!(&file.hashes(0, cut).unwrap(), &hashes[..cut]);
            prop_assert_eq!(&file.hashes(cut as u64, hashes.len() - cut).unwrap(), &hashes[cut..]);
            prop_assert!(file.hashes(cut as u64, hashes.len() - cut + 1).is_err());
        }
    }

    #[test]
    fn more_runs_than_places() {
        let hash =
            |number: u64| -> Hash { std::array::from_fn(|at| if at < 8 { number.to_le_bytes()[at] } else { 7 }) };
        let hashes: Vec<Hash> = (0..3 * PLACES_MAX as u64).map(hash).collect();
        let file = file(&hashes);
        assert!(file.index.ends.len() < PLACES_MAX && file.index.step > 1);
        for first in (0..hashes.len()).step_by(997) {
            let count = 70.min(hashes.len() - first);
            assert_eq!(file.hashes(first as u64, count).unwrap(), hashes[first..first + count]);
        }
    }

    #[test]
    fn damage_shows() {
        let hashes = [[1; 32], [2; 32], [3; 32]];
        for at in 0..3 * RECORD_BYTES as u64 {
            let file = file(&hashes);
            let mut byte = [0];
            file.file.read_exact_at(&mut byte, at).unwrap();
            file.file.write_all_at(&[byte[0] ^ 0x40], at).unwrap();
            assert_eq!(file.hashes(0, 3).unwrap_err().kind(), ErrorKind::InvalidData, "byte {at}");
        }
    }
}
