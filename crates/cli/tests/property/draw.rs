//! Arguments, good and bad, drawn from the step's word.

use dxgk_abi::Handle;
use dxgk_abi::callback::{AllocatePagesFlags as Flags, MemoryCachingType};

use crate::request::Ask;
use crate::world::World;

impl World {
    /// Mostly one of `live`; else one that is stale, of another kind, null or nonsense.
    pub(crate) fn draw_handle(&mut self, live: &[u64]) -> u64 {
        if !live.is_empty() && !self.rng.one_in(12) {
            return self.rng.of(live);
        }
        match self.rng.below(8) {
            0 => 0,
            1 => self.rng.word(),
            _ => self.rng.pick(&self.given).copied().unwrap_or(1),
        }
    }

    pub(crate) fn draw_adapter(&mut self) -> Handle {
        let live: Vec<u64> = self.reference.adapters.keys().copied().collect();
        Handle(self.draw_handle(&live))
    }

    /// As [`draw_adapter`](Self::draw_adapter), mostly a lead one.
    pub(crate) fn draw_lead(&mut self) -> Handle {
        let leads: Vec<u64> =
            self.reference.adapters.iter().filter(|(_, it)| it.lead).map(|(handle, _)| *handle).collect();
        if self.rng.one_in(6) { self.draw_adapter() } else { Handle(self.draw_handle(&leads)) }
    }

    pub(crate) fn draw_pages(&mut self) -> u64 {
        match self.rng.below(40) {
            0..=23 => 1 + self.rng.below(16),
            24..=33 => 1 + self.rng.below(64),
            34 | 35 => 512,
            36 | 37 => 1 + self.rng.below(700),
            38 => 1500 + self.rng.below(2000),
            _ => self.rng.of(&[0, 1 << 20, (1 << 20) - 1, 1 << 40, u64::MAX >> 12]),
        }
    }

    /// A length of so many pages, not always a multiple of one.
    pub(crate) fn draw_bytes(&mut self) -> u64 {
        let bytes = self.draw_pages() << 12;
        if self.rng.one_in(4) { bytes.saturating_sub(self.rng.below(4096)) } else { bytes }
    }

    pub(crate) fn draw_cache(&mut self) -> MemoryCachingType {
        MemoryCachingType(if self.rng.one_in(40) { self.rng.of(&[3, 77]) } else { self.rng.below(3) as u32 })
    }

    fn draw_address(&mut self) -> u64 {
        let ranges = self.reference.ranges.clone();
        let range = self.rng.of(&ranges);
        let at = range.start.get() + self.rng.below(range.bytes);
        match self.rng.below(3) {
            0 => at,
            1 => at & !0xfff,
            _ => at | 0xfff,
        }
    }

    /// Limits: mostly none, else somewhere in RAM, now and then the wrong way round.
    pub(crate) fn draw_limits(&mut self) -> (u64, u64) {
        if !self.rng.one_in(4) {
            return (0, u64::MAX);
        }
        let (one, other) = (self.draw_address(), self.draw_address());
        match self.rng.below(8) {
            0 => (one, other),
            1 | 2 => (one, u64::MAX),
            3 | 4 => (0, one),
            _ => (one.min(other), one.max(other)),
        }
    }

    pub(crate) fn draw_ask(&mut self) -> Ask {
        let (low, high) = self.draw_limits();
        let mut ask = Ask { low, high, skip: 0, bytes: self.draw_bytes(), flags: Flags::empty() };
        for flag in [
            Flags::DONT_ZERO_ALLOCATION,
            Flags::ALLOCATE_FROM_LOCAL_NODE_ONLY,
            Flags::ALLOCATE_FULLY_REQUIRED,
            Flags::ALLOCATE_NO_WAIT,
            Flags::ALLOCATE_PREFER_CONTIGUOUS,
            Flags::ALLOCATE_TRIM_IF_NECESSARY,
        ] {
            if self.rng.one_in(5) {
                ask.flags |= flag;
            }
        }
        match self.rng.below(24) {
            0 => ask.flags |= Flags(self.rng.of(&[0x100, 0x1000, 0x8000_0000])),
            1 => ask.flags |= Flags::ALLOCATE_FAST_LARGE_PAGES,
            2..=4 => {
                ask.flags |= Flags::ALLOCATE_REQUIRE_CONTIGUOUS_CHUNKS;
                ask.skip = self.rng.of(&[0, 1, 2, 4, 16, 512, 3]) << 12;
                if ask.skip != 0 && !self.rng.one_in(8) {
                    ask.bytes = ask.bytes.checked_next_multiple_of(ask.skip).unwrap_or(ask.bytes);
                }
                if ask.skip == 512 << 12 && self.rng.one_in(2) {
                    ask.flags |= Flags::ALLOCATE_FAST_LARGE_PAGES;
                }
            }
            5 | 6 => ask.skip = self.rng.of(&[1, 7, 64, 256, 1000]) << 12,
            7 => ask.skip = self.rng.of(&[1, 0x800, 0x1001]),
            _ => {}
        }
        ask
    }
}
