//! Which object each byte of a restored volume comes from: the chain of backups merged before anything is fetched, so
//! that every byte is taken once, from its newest owner.

use std::ops::Range;

/// Where an object lies in the volume, bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// An object of the chain: index of the layer, oldest first, and of the object in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Owner {
    pub(crate) layer: u32,
    pub(crate) object: u32,
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
    pub(crate) fn merge<'a>(layers: impl IntoIterator<Item = &'a [Place]>) -> Self {
        let mut segments = Vec::new();
        for (layer, places) in (0..).zip(layers) {
            let filled = (0..).zip(places).filter(|(_, place)| place.start < place.end);
            let upper =
                filled.map(|(object, &Place { start, end })| Segment { start, end, owner: Owner { layer, object } });
            segments = overlay(segments, upper, places.len());
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

    /// The runs of each object that owns any, in the order of their first bytes.
    pub(crate) fn by_owner(&self) -> impl Iterator<Item = (Owner, Vec<Range<u64>>)> {
        let mut order: Vec<u32> = (0..).zip(&self.segments).map(|(index, _)| index).collect();
        // Stable: the runs of one owner stay in their order.
        order.sort_by_key(|&index| self.segments[index as usize].owner);
        let same_owner = |a: &u32, b: &u32| self.segments[*a as usize].owner == self.segments[*b as usize].owner;
        let mut groups: Vec<(u32, u32)> = Vec::new();
        let mut behind = 0;
        for group in order.chunk_by(same_owner) {
            let start = behind;
            behind += group.len() as u32;
            groups.push((start, behind));
        }
        groups.sort_unstable_by_key(|&(start, _)| order[start as usize]);
        groups.into_iter().filter_map(move |(start, behind)| {
            let runs = &order[start as usize..behind as usize];
            let owner = self.segments[*runs.first()? as usize].owner;
            let runs = runs.iter().map(|&index| &self.segments[index as usize]);
            Some((owner, runs.map(|run| run.start..run.end).collect()))
        })
    }

    /// Blocks of `block_bytes` that no single object and no gap holds whole, by their index.
    pub(crate) fn cut_blocks(&self, block_bytes: u64, volume_bytes: u64) -> Vec<u64> {
        let borders = self.segments.iter().flat_map(|segment| [segment.start, segment.end]);
        let inside = borders.filter(|&border| !border.is_multiple_of(block_bytes) && border < volume_bytes);
        let mut blocks: Vec<u64> = inside.map(|border| border / block_bytes).collect();
        blocks.dedup();
        blocks
    }

    /// What it takes of memory, with what [`Self::by_owner`] takes.
    pub(crate) fn memory_bytes(&self) -> u64 {
        (self.segments.capacity() * (size_of::<Segment>() + 3 * size_of::<u32>())) as u64
    }
}

/// `upper` hides what lies under it; both are ordered and without overlap.
fn overlay(lower: Vec<Segment>, upper: impl Iterator<Item = Segment>, upper_count: usize) -> Vec<Segment> {
    let mut merged = Vec::with_capacity(lower.len() + upper_count);
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
    merged.shrink_to_fit();
    merged
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VOLUME: usize = 200;

    fn place(start: usize, end: usize) -> Place {
        Place { start: start as u64, end: end as u64 }
    }

    /// Cuts become objects: from every second cut to the next one.
    fn layers() -> impl Strategy<Value = Vec<Vec<Place>>> {
        let layer = prop::collection::btree_set(0..VOLUME + 40, 0..24).prop_map(|cuts| {
            let cuts: Vec<usize> = cuts.into_iter().collect();
            cuts.chunks_exact(2).map(|pair| place(pair[0], pair[1])).collect()
        });
        prop::collection::vec(layer, 1..5)
    }

    proptest! {
        #[test]
        fn agrees_with_byte_by_byte(layers in layers()) {
            let mut naive = vec![None; VOLUME];
            for (layer, objects) in layers.iter().enumerate() {
                for (index, place) in objects.iter().enumerate() {
                    let end = (place.end as usize).min(VOLUME);
                    for byte in naive.iter_mut().take(end).skip(place.start as usize) {
                        *byte = Some(Owner { layer: layer as u32, object: index as u32 });
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
