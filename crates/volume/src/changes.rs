//! What changed between two frozen copies of one volume, told by the places of their bytes.
//!
//! On a file system with reflinks a copy shares its extents with the volume until one of the two is written to, and what
//! is written goes elsewhere. While both copies are kept, none of their blocks can be freed and used again: bytes that lie
//! at one place in both are the same bytes.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;

use domain::{Error, Result};

use crate::device::FileDevice;
use crate::failure::failed;
use crate::fiemap::{self, Mapped};
use crate::port::{BlockDevice, Changes};

/// Two files that nobody writes to.
#[derive(Debug)]
pub(crate) struct FileChanges {
    base: FileDevice,
    copy: FileDevice,
}

impl FileChanges {
    /// `None` when the file system does not tell, or they lie on two: places can be compared on one only.
    pub(crate) fn between(base: FileDevice, copy: FileDevice) -> io::Result<Option<Self>> {
        let (of_base, of_copy) = (base.file().metadata()?, copy.file().metadata()?);
        let comparable = of_base.is_file() && of_copy.is_file() && of_base.dev() == of_copy.dev();
        let tells = |file: &File| fiemap::map(file, 0, 1).is_ok();
        Ok((comparable && tells(base.file()) && tells(copy.file())).then_some(Self { base, copy }))
    }

    fn compare(&self, window: Range<u64>) -> io::Result<Vec<Range<u64>>> {
        let map = |device: &FileDevice| fiemap::map(device.file(), window.start, window.end - window.start);
        let before = map(&self.base)?;
        let now = map(&self.copy)?;
        // A file system that moves extents about (btrfs balance) might have freed a place between the two questions.
        if map(&self.base)? != before {
            return Ok(vec![window]);
        }
        Ok(differing(&before, &now, window))
    }
}

impl Changes for FileChanges {
    fn changed(&self, offset: u64, length: u64) -> Result<Vec<Range<u64>>> {
        let (base_bytes, copy_bytes) = (self.base.size_bytes(), self.copy.size_bytes());
        let end = offset.checked_add(length).filter(|&end| end <= copy_bytes).ok_or_else(|| {
            Error::invalid(format!("A volume of {copy_bytes} bytes has no {length} bytes at {offset}."))
        })?;
        let common = offset..end.min(base_bytes);
        let mut changed = Vec::new();
        if !common.is_empty() {
            let compared = self.compare(common.clone());
            changed = compared.map_err(|error| failed("compare two copies of a volume", error))?;
        }
        push(&mut changed, common.end.max(offset)..end);
        if copy_bytes < base_bytes && end == copy_bytes {
            // The block of which this is the end went on.
            push(&mut changed, end.saturating_sub(1).max(offset)..end);
        }
        Ok(changed)
    }
}

/// Where a run of bytes lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Hole,
    /// On the device.
    At(u64),
    Unknown,
}

impl Place {
    fn skip(self, bytes: u64) -> Self {
        match self {
            Self::At(place) => place.checked_add(bytes).map_or(Self::Unknown, Self::At),
            other => other,
        }
    }
}

/// The parts of `window` of which the two maps do not prove that they are the same.
fn differing(base: &[Mapped], copy: &[Mapped], window: Range<u64>) -> Vec<Range<u64>> {
    let (base, copy) = (cover(base, &window), cover(copy, &window));
    let (mut base, mut copy) = (base.into_iter().peekable(), copy.into_iter().peekable());
    let mut changed = Vec::new();
    let mut at = window.start;
    while let (Some((old, was)), Some((new, is))) = (base.peek(), copy.peek()) {
        let end = old.end.min(new.end);
        let (was, is) = (was.skip(at - old.start), is.skip(at - new.start));
        if was != is || is == Place::Unknown {
            push(&mut changed, at..end);
        }
        at = end;
        base.next_if(|(part, _)| part.end == at);
        copy.next_if(|(part, _)| part.end == at);
    }
    push(&mut changed, at..window.end);
    changed
}

/// The window as runs without gap. A map that is not in order says nothing.
fn cover(map: &[Mapped], window: &Range<u64>) -> Vec<(Range<u64>, Place)> {
    let mut runs = Vec::new();
    let mut at = window.start;
    for extent in map {
        let end = extent.offset.saturating_add(extent.length).min(window.end);
        let start = extent.offset.max(window.start);
        if end <= start {
            continue;
        }
        if start < at {
            return vec![(window.clone(), Place::Unknown)];
        }
        if at < start {
            runs.push((at..start, Place::Hole));
        }
        let place = extent.place.map_or(Place::Unknown, Place::At);
        runs.push((start..end, place.skip(start - extent.offset)));
        at = end;
    }
    if at < window.end {
        runs.push((at..window.end, Place::Hole));
    }
    runs
}

/// Adds a range that begins where the last one ends, or behind it.
fn push(ranges: &mut Vec<Range<u64>>, range: Range<u64>) {
    match ranges.last_mut() {
        _ if range.is_empty() => {}
        Some(last) if last.end >= range.start => last.end = last.end.max(range.end),
        _ => ranges.push(range),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Short extents with gaps and unknown places between them.
    fn map() -> impl Strategy<Value = Vec<Mapped>> {
        let part = (0..3u64, 1..9u64, prop::option::weighted(0.8, 0..40u64));
        prop::collection::vec(part, 0..8).prop_map(|parts| {
            let mut offset = 0;
            let mut place_extent = |(gap, length, place)| {
                offset += gap;
                let mapped = Mapped { offset, length, place };
                offset += length;
                mapped
            };
            parts.into_iter().map(&mut place_extent).collect()
        })
    }

    fn place(map: &[Mapped], at: u64) -> Place {
        let extent = map.iter().find(|extent| (extent.offset..extent.offset + extent.length).contains(&at));
        match extent {
            None => Place::Hole,
            Some(Mapped { place: None, .. }) => Place::Unknown,
            Some(Mapped { offset, place: Some(place), .. }) => Place::At(place + at - offset),
        }
    }

    proptest! {
        #[test]
        fn every_byte_is_judged_by_its_place(base in map(), copy in map(), start in 0..30u64, length in 0..40u64) {
            let window = start..start + length;
            let changed = differing(&base, &copy, window.clone());
            prop_assert!(changed.windows(2).all(|pair| pair[0].end < pair[1].start));
            for at in window {
                let same = place(&base, at) == place(&copy, at) && place(&copy, at) != Place::Unknown;
                prop_assert_eq!(!same, changed.iter().any(|range| range.contains(&at)), "{}", at);
            }
        }
    }

    #[test]
    fn a_map_in_disorder_says_nothing() {
        let map = |offset, place| Mapped { offset, length: 4, place: Some(place) };
        let disorder = [map(4, 100), map(2, 200)];
        assert_eq!(differing(&disorder, &disorder, 0..8), vec![Range { start: 0, end: 8 }]);
    }
}
