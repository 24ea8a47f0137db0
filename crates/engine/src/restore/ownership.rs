//! Which object each byte of a restored volume comes from: the chain of backups merged before anything is fetched, so
//! that every byte is written once, from its newest owner.

use std::collections::BTreeMap;
use std::ops::Range;

use format::ManifestObject;

/// An object of the chain: index of the layer, oldest first, and of the object in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Owner {
    pub(crate) layer: usize,
    pub(crate) object: usize,
}

/// A run of the volume that comes from one object. `start` and `end` are bytes of the volume.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Segment {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) owner: Owner,
}

/// All owned runs of the volume: ordered, without overlap.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Ownership {
    segments: Vec<Segment>,
}

impl Ownership {
    /// Lays the layers over each other, oldest first. Each layer's objects are ordered by offset and do not overlap.
    pub(crate) fn merge<'a>(layers: impl IntoIterator<Item = &'a [ManifestObject]>) -> Self {
        let mut segments = Vec::new();
        for (layer, objects) in layers.into_iter().enumerate() {
            let upper = objects.iter().enumerate().filter(|(_, object)| object.length > 0).map(|(index, object)| {
                let owner = Owner { layer, object: index };
                Segment { start: object.offset, end: object.offset.saturating_add(object.length), owner }
            });
            segments = overlay(segments, upper);
        }
        Self { segments }
    }

    /// Cuts off what lies behind the volume's end.
    pub(crate) fn truncate(&mut self, volume_bytes: u64) {
        self.segments.truncate(self.segments.partition_point(|segment| segment.start < volume_bytes));
        if let Some(last) = self.segments.last_mut() {
            last.end = last.end.min(volume_bytes);
        }
    }

    /// The runs that meet `range`, whole.
    pub(crate) fn owners_of(&self, range: Range<u64>) -> &[Segment] {
        let first = self.segments.partition_point(|segment| segment.end <= range.start);
        let behind = self.segments.partition_point(|segment| segment.start < range.end);
        self.segments.get(first..behind).unwrap_or_default()
    }

    /// Runs of `0 .. volume_bytes` that no object holds.
    pub(crate) fn gaps(&self, volume_bytes: u64) -> impl Iterator<Item = Range<u64>> {
        let starts = std::iter::once(0).chain(self.segments.iter().map(|segment| segment.end));
        let ends = self.segments.iter().map(|segment| segment.start).chain(std::iter::once(volume_bytes));
        starts.zip(ends).filter(|(start, end)| start < end).map(|(start, end)| start..end)
    }

    /// The runs of each object that owns any, ordered by owner.
    pub(crate) fn by_owner(&self) -> BTreeMap<Owner, Vec<Range<u64>>> {
        let mut owners: BTreeMap<Owner, Vec<Range<u64>>> = BTreeMap::new();
        for segment in &self.segments {
            owners.entry(segment.owner).or_default().push(segment.start..segment.end);
        }
        owners
    }
}

/// `upper` hides what lies under it; both are ordered and without overlap.
fn overlay(lower: Vec<Segment>, upper: impl Iterator<Item = Segment>) -> Vec<Segment> {
    let mut merged = Vec::with_capacity(lower.len());
    let mut lower = lower.into_iter();
    let mut rest = lower.next();
    for top in upper {
        while let Some(under) = rest.filter(|under| under.start < top.end) {
            if under.start < top.start {
                merged.push(Segment { end: under.end.min(top.start), ..under });
            }
            if under.end > top.end {
                rest = Some(Segment { start: top.end, ..under });
                break;
            }
            rest = lower.next();
        }
        merged.push(top);
    }
    merged.extend(rest);
    merged.extend(lower);
    merged
}

#[cfg(test)]
mod tests {
    use format::Compression;
    use proptest::prelude::*;

    use super::*;

    const VOLUME: usize = 200;

    fn object(start: usize, end: usize) -> ManifestObject {
        let (offset, length) = (start as u64, (end - start) as u64);
        ManifestObject { name: String::new(), offset, length, compression: Compression::None, md5: [0; 16] }
    }

    /// Cuts become objects: from every second cut to the next one.
    fn layers() -> impl Strategy<Value = Vec<Vec<ManifestObject>>> {
        let layer = prop::collection::btree_set(0..VOLUME + 40, 0..24).prop_map(|cuts| {
            let cuts: Vec<usize> = cuts.into_iter().collect();
            cuts.chunks_exact(2).map(|pair| object(pair[0], pair[1])).collect()
        });
        prop::collection::vec(layer, 1..5)
    }

    proptest! {
        #[test]
        fn agrees_with_byte_by_byte(layers in layers()) {
            let mut naive = vec![None; VOLUME];
            for (layer, objects) in layers.iter().enumerate() {
                for (index, object) in objects.iter().enumerate() {
                    let end = ((object.offset + object.length) as usize).min(VOLUME);
                    for byte in naive.iter_mut().take(end).skip(object.offset as usize) {
                        *byte = Some(Owner { layer, object: index });
                    }
                }
            }
            let mut ownership = Ownership::merge(layers.iter().map(Vec::as_slice));
            ownership.truncate(VOLUME as u64);

            let mut mapped = vec![None; VOLUME];
            for segment in &ownership.segments {
                for byte in &mut mapped[segment.start as usize..segment.end as usize] {
                    prop_assert!(byte.is_none(), "written twice");
                    *byte = Some(segment.owner);
                }
            }
            prop_assert_eq!(&mapped, &naive);
            for gap in ownership.gaps(VOLUME as u64) {
                prop_assert!(naive[gap.start as usize..gap.end as usize].iter().all(Option::is_none));
            }
            let in_gaps: u64 = ownership.gaps(VOLUME as u64).map(|gap| gap.end - gap.start).sum();
            prop_assert_eq!(in_gaps as usize, naive.iter().filter(|owner| owner.is_none()).count());
            for start in (0..VOLUME).step_by(13) {
                let range = start..(start + 7).min(VOLUME);
                let owners: Vec<_> = ownership.owners_of(range.start as u64..range.end as u64).iter().map(|s| s.owner).collect();
                for owner in naive[range].iter().flatten() {
                    prop_assert!(owners.contains(owner));
                }
            }
        }
    }
}
