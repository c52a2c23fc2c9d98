//! A range of installed RAM with the state of its pages, as a structure of arrays: a bit, a byte and a 16-bit count
//! a page. The arrays come zeroed from the allocator and are touched only where pages are used.

use alloc::vec;
use alloc::vec::Vec;

use super::bitmap::Bitmap;
use crate::runs::align_up;

/// What a page is. The values are those of the state array; 0 is what untouched memory reads as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum PageState {
    /// Nobody's.
    Free = 0,
    /// Never handed out.
    Reserved = 1,
    /// An object's.
    Driver = 2,
    /// The kernel's.
    Kernel = 3,
    /// A translation table.
    Table = 4,
    /// Kept for ever, because an invalidation was not confirmed.
    Quarantined = 5,
    /// Given back by its owner while something still maps it for a device, or about to be.
    Held = 6,
    /// Nobody's, in a large page that is kept whole.
    Cached = 7,
    /// An object's, and devices may only read it.
    ReadOnly = 8,
}

impl PageState {
    pub(crate) const COUNT: usize = 9;

    fn from_byte(byte: u8) -> Self {
        match byte {
            0 => Self::Free,
            2 => Self::Driver,
            3 => Self::Kernel,
            4 => Self::Table,
            5 => Self::Quarantined,
            6 => Self::Held,
            7 => Self::Cached,
            8 => Self::ReadOnly,
            _ => Self::Reserved,
        }
    }
}

pub(crate) struct Zone {
    start: u64,
    pages: u64,
    pub(crate) node: u32,
    used: Bitmap,
    state: Vec<u8>,
    pins: Vec<u16>,
}

impl Zone {
    pub(crate) fn new(start: u64, pages: u64, node: u32) -> Self {
        Self {
            start,
            pages,
            node,
            used: Bitmap::new(pages),
            state: vec![0; pages as usize],
            pins: vec![0; pages as usize],
        }
    }

    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    pub(crate) fn end(&self) -> u64 {
        self.start + self.pages
    }

    pub(crate) fn pages(&self) -> u64 {
        self.pages
    }

    pub(crate) fn contains(&self, page: u64) -> bool {
        page >= self.start && page < self.end()
    }

    pub(crate) fn state(&self, page: u64) -> PageState {
        let byte = page.checked_sub(self.start).and_then(|at| self.state.get(at as usize));
        byte.map_or(PageState::Reserved, |byte| PageState::from_byte(*byte))
    }

    pub(crate) fn pins(&self, page: u64) -> u16 {
        page.checked_sub(self.start).and_then(|at| self.pins.get(at as usize)).copied().unwrap_or(0)
    }

    pub(crate) fn set_pins(&mut self, page: u64, pins: u16) {
        if let Some(slot) = page.checked_sub(self.start).and_then(|at| self.pins.get_mut(at as usize)) {
            *slot = pins;
        }
    }

    /// Gives `[from, to)`, which lies inside, the state.
    pub(crate) fn mark(&mut self, from: u64, to: u64, state: PageState) {
        let (from, to) = (from.saturating_sub(self.start), to.saturating_sub(self.start));
        if state == PageState::Free {
            self.used.clear(from, to);
        } else {
            self.used.set(from, to);
        }
        if let Some(bytes) = self.state.get_mut(from as usize..to as usize) {
            bytes.fill(state as u8);
        }
    }

    /// The first free page of `[from, to)`, cut to the zone.
    pub(crate) fn next_free(&self, from: u64, to: u64) -> Option<u64> {
        let (from, to) = (from.max(self.start), to.min(self.end()));
        if from >= to {
            return None;
        }
        self.used.next_free(from - self.start, to - self.start).map(|page| page + self.start)
    }

    /// How many pages from the free page `page` on are free, at most `limit`, below `to`.
    pub(crate) fn free_run(&self, page: u64, to: u64, limit: u64) -> u64 {
        let to = to.min(self.end()).min(page.saturating_add(limit));
        if page < self.start || page >= to {
            return 0;
        }
        self.used.next_used(page - self.start, to - self.start) + self.start - page
    }

    /// The first place in `[low, high)` for `count` pages in one run, on a multiple of `align`, crossing no multiple
    /// of `boundary` (0: none).
    pub(crate) fn find(&self, count: u64, low: u64, high: u64, align: u64, boundary: u64) -> Option<u64> {
        let high = high.min(self.end());
        let mut at = low;
        loop {
            let mut first = align_up(self.next_free(at, high)?, align)?;
            let last = first.checked_add(count)?.checked_sub(1)?;
            if boundary != 0 && first / boundary != last / boundary {
                first = align_up(align_up(first + 1, boundary)?, align)?;
            }
            let end = first.checked_add(count)?;
            if end > high {
                return None;
            }
            let used = self.used.next_used(first - self.start, end - self.start) + self.start;
            if used == end {
                return Some(first);
            }
            at = used + 1;
        }
    }
}
