//! Which addresses of the driver are backed by what: the answer to MmGetPhysicalAddress, MmIsAddressValid and the
//! building of MDLs.
//!
//! Ranges are whole pages, disjoint, and keyed by their first address. RAM is kept as runs with the number of pages
//! in front of each, so that a lookup in a scattered view of many runs is two binary searches.

use std::collections::BTreeMap;

use dxgk_hw::{CpuVa, PAGE_SIZE, PageRun, Pfn, PhysAddr};

/// What a range of the driver's addresses is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RangeUse {
    /// Pool.
    Pool,
    /// Memory from the MmAllocateContiguousMemory family.
    Contiguous,
    /// Pages of an MDL mapped into system space by MmMapLockedPagesSpecifyCache.
    MappedMdl,
    /// A CPU view that the memory manager made.
    View,
    /// Device registers or a frame buffer.
    Device,
    /// The host's own structures that the driver may read (MDLs, ADLs, kernel objects).
    Structure,
    /// Memory of a user process.
    User,
}

/// What stands behind a range.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Backing {
    /// Frames of RAM, in order.
    Ram(Vec<PageRun>),
    /// Device memory from this address on.
    Device(PhysAddr),
    /// Memory of the host that has no physical address in the machine.
    Host,
}

#[derive(Clone, Debug)]
enum Pages {
    /// `(pages before this run, first frame)`, ascending; no frame: the pages are not there at the moment.
    Ram(Vec<(u64, Option<Pfn>)>),
    Device(PhysAddr),
    Host,
}

/// A range taken out of the map by [`AddressMap::take`].
#[derive(Clone, Debug)]
pub struct Range {
    bytes: u64,
    usage: RangeUse,
    pages: Pages,
}

/// The range overlaps one that is already there, is empty, not whole pages, or its frames do not add up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadRange;

/// Ranges of the driver's address space. See the module's page.
#[derive(Debug, Default)]
pub struct AddressMap {
    ranges: BTreeMap<u64, Range>,
}

impl Range {
    /// As [`AddressMap::change_frames`].
    pub fn change_frames(&mut self, first: u64, pages: u64, frames: Option<&[PageRun]>) {
        let total = self.bytes / PAGE_SIZE;
        let Pages::Ram(list) = &mut self.pages else { return };
        let end = first.saturating_add(pages).min(total);
        let mut changed = Vec::with_capacity(list.len() + 2);
        let ends = list.iter().skip(1).map(|(before, _)| *before).chain([total]);
        // What lies before, the new pages, and what lies behind.
        let pieces: Vec<(u64, u64, Option<Pfn>)> =
            list.iter().zip(ends).map(|((from, start), to)| (*from, to, *start)).collect();
        let kept = |low: u64, high: u64| {
            pieces.iter().filter_map(move |(from, to, start)| {
                let (cut, to) = (low.max(*from), high.min(*to));
                let start = start.and_then(|start| start.checked_add(cut.saturating_sub(*from)));
                (cut < to).then_some((cut, start))
            })
        };
        changed.extend(kept(0, first));
        match frames {
            None => changed.push((first, None)),
            Some(runs) => {
                let mut at = first;
                for run in runs {
                    changed.push((at, Some(run.start)));
                    at = at.saturating_add(run.pages);
                }
            }
        }
        changed.extend(kept(end, total));
        *list = changed;
    }
}

impl AddressMap {
    /// Adds `bytes` (a multiple of the page size) from `base`.
    ///
    /// # Errors
    /// [`BadRange`]; nothing is added then.
    pub fn insert(
        &mut self,
        base: CpuVa,
        bytes: u64,
        usage: RangeUse,
        backing: Backing,
    ) -> Result<(), BadRange> {
        let start = base.get();
        let end = start.checked_add(bytes).ok_or(BadRange)?;
        if bytes == 0 || !bytes.is_multiple_of(PAGE_SIZE) || !start.is_multiple_of(PAGE_SIZE) {
            return Err(BadRange);
        }
        let before = self.ranges.range(..end).next_back();
        if before.is_some_and(|(first, range)| first + range.bytes > start) {
            return Err(BadRange);
        }
        let pages = match backing {
            Backing::Device(at) => Pages::Device(at),
            Backing::Host => Pages::Host,
            Backing::Ram(runs) => {
                let mut sum = 0u64;
                let mut list = Vec::with_capacity(runs.len());
                for run in runs {
                    list.push((sum, Some(run.start)));
                    sum = sum.checked_add(run.pages).ok_or(BadRange)?;
                }
                if sum != bytes / PAGE_SIZE {
                    return Err(BadRange);
                }
                Pages::Ram(list)
            }
        };
        self.ranges.insert(start, Range { bytes, usage, pages });
        Ok(())
    }

    /// Takes the range that begins at `base` away; its length in bytes, or `None` when none begins there.
    pub fn remove(&mut self, base: CpuVa) -> Option<u64> {
        self.ranges.remove(&base.get()).map(|range| range.bytes)
    }

    /// Takes a range out of the map, to be [put back](Self::put_back) later.
    pub fn take(&mut self, base: CpuVa) -> Option<Range> {
        self.ranges.remove(&base.get())
    }

    /// Puts a range back where it was; nothing else can have been put there meanwhile.
    pub fn put_back(&mut self, base: CpuVa, range: Range) {
        self.ranges.insert(base.get(), range);
    }

    /// Changes the frames of `pages` pages of the range at `base`, from page `first` on; without `frames` they have none.
    pub fn change_frames(&mut self, base: CpuVa, first: u64, pages: u64, frames: Option<&[PageRun]>) {
        if let Some(range) = self.ranges.get_mut(&base.get()) {
            range.change_frames(first, pages, frames);
        }
    }

    fn find(&self, va: u64) -> Option<(u64, &Range)> {
        let (start, range) = self.ranges.range(..=va).next_back()?;
        (va - start < range.bytes).then_some((*start, range))
    }

    /// The range that holds `va`: its first address, its length in bytes and its use.
    #[must_use]
    pub fn range_of(&self, va: CpuVa) -> Option<(CpuVa, u64, RangeUse)> {
        self.find(va.get()).map(|(start, range)| (CpuVa::new(start), range.bytes, range.usage))
    }

    /// The physical address behind `va`, or `None` where there is none (nothing mapped, or host memory).
    #[must_use]
    pub fn physical(&self, va: CpuVa) -> Option<PhysAddr> {
        let (start, range) = self.find(va.get())?;
        let offset = va.get() - start;
        match &range.pages {
            Pages::Host => None,
            Pages::Device(base) => base.checked_add(offset),
            Pages::Ram(list) => {
                let page = offset / PAGE_SIZE;
                let at = list.partition_point(|(before, _)| *before <= page).checked_sub(1)?;
                let (before, first) = list.get(at)?;
                (*first)?.checked_add(page - before)?.address().checked_add(offset % PAGE_SIZE)
            }
        }
    }

    /// Frames of the `pages` pages from the page that holds `va`, merged into runs; `None` when one of them is not
    /// RAM. Pages may lie in several ranges.
    #[must_use]
    pub fn frames(&self, va: CpuVa, pages: u64) -> Option<Vec<PageRun>> {
        let first = va.get() - va.get() % PAGE_SIZE;
        let mut runs: Vec<PageRun> = Vec::new();
        for index in 0..pages {
            let at = CpuVa::new(first.checked_add(index.checked_mul(PAGE_SIZE)?)?);
            let (_, range) = self.find(at.get())?;
            if !matches!(range.pages, Pages::Ram(_)) {
                return None;
            }
            let frame = self.physical(at)?.page();
            match runs.last_mut() {
                Some(run) if run.start.get().checked_add(run.pages) == Some(frame.get()) => run.pages += 1,
                _ => runs.push(PageRun::new(frame, 1)),
            }
        }
        Some(runs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(start: u64, pages: u64) -> PageRun {
        PageRun::new(Pfn::new(start), pages)
    }

    #[test]
    fn a_scattered_range_answers_each_page_with_its_own_frame() {
        let mut map = AddressMap::default();
        let base = CpuVa::new(0x5000_0000_0000);
        let runs = vec![run(10, 2), run(100, 1), run(7, 3)];
        map.insert(base, 6 * PAGE_SIZE, RangeUse::View, Backing::Ram(runs.clone())).unwrap();
        let frames = [10u64, 11, 100, 7, 8, 9];
        for (page, frame) in frames.iter().enumerate() {
            let va = CpuVa::new(base.get() + page as u64 * PAGE_SIZE + 0x123);
            assert_eq!(map.physical(va), Some(PhysAddr::new(frame * PAGE_SIZE + 0x123)));
        }
        assert_eq!(map.physical(CpuVa::new(base.get() + 6 * PAGE_SIZE)), None);
        assert_eq!(map.physical(CpuVa::new(base.get() - 1)), None);
        assert_eq!(map.frames(CpuVa::new(base.get() + 5), 6), Some(runs));
        assert_eq!(map.frames(base, 7), None);
        assert_eq!(map.remove(base), Some(6 * PAGE_SIZE));
        assert_eq!(map.physical(base), None);
    }

    #[test]
    fn pages_of_a_range_lose_their_frames_and_get_others() {
        let mut map = AddressMap::default();
        let base = CpuVa::new(0x5000_0000_0000);
        map.insert(base, 6 * PAGE_SIZE, RangeUse::View, Backing::Ram(vec![run(10, 4), run(100, 2)])).unwrap();
        let frames = |map: &AddressMap| -> Vec<Option<u64>> {
            let at = |page| CpuVa::new(base.get() + page * PAGE_SIZE);
            (0..6).map(|page| map.physical(at(page)).map(|physical| physical.page().get())).collect()
        };
        map.change_frames(base, 1, 4, None);
        assert_eq!(frames(&map), [Some(10), None, None, None, None, Some(101)]);
        map.change_frames(base, 2, 2, Some(&[run(7, 1), run(50, 1)]));
        assert_eq!(frames(&map), [Some(10), None, Some(7), Some(50), None, Some(101)]);
        map.change_frames(base, 0, 6, Some(&[run(20, 6)]));
        assert_eq!(frames(&map), [20, 21, 22, 23, 24, 25].map(Some));
        map.change_frames(base, 5, 1, None);
        map.change_frames(base, 0, 1, None);
        assert_eq!(frames(&map), [None, Some(21), Some(22), Some(23), Some(24), None]);
    }

    #[test]
    fn overlaps_and_wrong_page_counts_are_refused() {
        let mut map = AddressMap::default();
        let at = |page: u64| CpuVa::new(page * PAGE_SIZE);
        map.insert(at(10), 4 * PAGE_SIZE, RangeUse::Device, Backing::Device(PhysAddr::new(0xf000_0000)))
            .unwrap();
        for (page, pages) in [(10, 1), (13, 1), (8, 3), (9, 10)] {
            let refused = map.insert(at(page), pages * PAGE_SIZE, RangeUse::Structure, Backing::Host);
            assert_eq!(refused, Err(BadRange), "{page} {pages}");
        }
        map.insert(at(14), PAGE_SIZE, RangeUse::Structure, Backing::Host).unwrap();
        map.insert(at(8), 2 * PAGE_SIZE, RangeUse::Structure, Backing::Host).unwrap();
        assert_eq!(map.physical(CpuVa::new(12 * PAGE_SIZE + 4)), Some(PhysAddr::new(0xf000_2004)));
        assert_eq!(map.physical(at(14)), None, "host memory has no physical address");
        assert_eq!(
            map.insert(at(20), 2 * PAGE_SIZE, RangeUse::View, Backing::Ram(vec![run(1, 3)])),
            Err(BadRange)
        );
        assert_eq!(map.insert(at(20), 5, RangeUse::View, Backing::Host), Err(BadRange));
        assert_eq!(map.insert(at(20), 0, RangeUse::View, Backing::Host), Err(BadRange));
    }
}
