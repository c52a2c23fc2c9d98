//! Pool: blocks of machine RAM, with what it takes to see misuse.
//!
//! Documents: wdm.h pages of ExAllocatePool2, ExAllocatePoolWithTag, ExFreePoolWithTag; "Bug Check 0xC2", "Bug Check 0x19".
//! Windows promises: a block of a page or more is page-aligned, a smaller one is aligned to 16 bytes and crosses no page.
//! Everything else here is our choice:
//! * a small block lies in a slot of its own with red zones before and behind it; a block of more than
//!   [`SMALL_LIMIT`] bytes starts on a page of its own, has a red zone up to the end of its last page and a page behind
//!   it that nothing is mapped at;
//! * red zones are looked at when the block is freed; a changed byte is 0x19;
//! * a freed small block is filled and waits in a byte-bounded quarantine before its slot is used again; a freed large
//!   block becomes unreadable at once, and only its frames wait;
//! * in the special form every block has pages of its own and ends where they end (blocks of a page or more, which have to
//!   begin on a page, up to the rest of their last page), so that an overrun faults at once, and a freed block of any size
//!   is unreadable at once;
//! * blocks that are not zeroed are filled, so that nobody relies on zeroes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use dxgk_abi::BugCheck;
use dxgk_hw::{CpuVa, PAGE_SIZE, PageRun};

use super::address_map::RangeUse;
use super::memory;
use super::ram::PoolPages;
use super::space::Space;
use super::trouble::{Outcome, Trouble, misuse};
use crate::layout::Purpose;

/// Byte of red zones.
pub(super) const RED_ZONE: u8 = 0xFB;
/// Byte of blocks that are given out without zeroing.
pub(super) const UNINITIALIZED: u8 = 0xCB;
/// Byte of freed blocks.
pub(super) const FREED: u8 = 0xDF;
/// Largest block that shares a page with others, in bytes.
pub(super) const SMALL_LIMIT: u64 = 1984;
/// Bytes that the quarantine holds before its oldest block is used again.
pub(super) const QUARANTINE_BYTES: u64 = 4 << 20;

const SLOT_SIZES: [u64; 6] = [64, 128, 256, 512, 1024, 2048];
const ALIGNMENT: u64 = 16;
const CACHE_LINE: u64 = 64;

/// How blocks lie.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum PoolKind {
    /// Small blocks share pages; red zones tell of an overrun when the block is freed.
    #[default]
    Fast,
    /// Every block has pages of its own, and an unreadable page behind its end.
    Special,
}

/// How a block is to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Request {
    /// Bytes; 0 counts as 1 (our choice).
    pub(crate) bytes: u64,
    /// The tag, as the driver passed it.
    pub(crate) tag: u32,
    /// Whether the contents are zero.
    pub(crate) zeroed: bool,
    /// Aligned to a cache line (64 bytes).
    pub(crate) cache_aligned: bool,
    /// Pageable pool. It is resident all the same; the flag is for the record.
    pub(crate) paged: bool,
}

#[derive(Clone, Debug)]
enum Place {
    Slot {
        at: u64,
        class: usize,
    },
    /// `at` is the first of the pages; the block may begin behind it.
    Pages {
        at: u64,
        runs: Vec<PageRun>,
    },
}

/// A live block.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// Bytes asked for.
    pub(crate) bytes: u64,
    /// Tag.
    pub(crate) tag: u32,
    /// Its number in the event stream.
    pub(crate) object: u64,
    /// Pageable pool.
    pub(crate) paged: bool,
    place: Place,
}

/// A block written to after it was freed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LateWrite {
    /// First changed byte.
    pub(crate) va: u64,
    /// The block's object number.
    pub(crate) object: u64,
    /// Offset of the byte in the block.
    pub(crate) offset: u64,
}

/// A block that was freed, and what was wrong.
pub(crate) struct Freed {
    /// The block.
    pub(crate) block: Block,
    /// Older blocks that left the quarantine changed.
    pub(crate) late: Vec<LateWrite>,
    /// What Windows would not have survived.
    pub(crate) wrong: Option<Trouble>,
}

/// The pool of one run.
pub(crate) struct Pool {
    kind: PoolKind,
    pages: Arc<dyn PoolPages>,
    space: Arc<Space>,
    live: BTreeMap<u64, Block>,
    freed: BTreeMap<u64, Block>,
    order: VecDeque<u64>,
    waiting_bytes: u64,
    free_slots: [VecDeque<u64>; SLOT_SIZES.len()],
}

/// 0xC2 subcodes ("Bug Check 0xC2: BAD_POOL_CALLER", parameter 1).
mod caller {
    pub(super) const FREED_TWICE: u64 = 0x7;
    pub(super) const WRONG_TAG: u64 = 0xA;
    pub(super) const INVALID_ADDRESS: u64 = 0x46;
}

/// 0x19 subcode ("Bug Check 0x19: BAD_POOL_HEADER", parameter 1): the pool block header is damaged.
const HEADER_DAMAGED: u64 = 0x20;

impl Pool {
    pub(crate) fn new(kind: PoolKind, pages: Arc<dyn PoolPages>, space: Arc<Space>) -> Self {
        Self {
            kind,
            pages,
            space,
            live: BTreeMap::new(),
            freed: BTreeMap::new(),
            order: VecDeque::new(),
            waiting_bytes: 0,
            free_slots: Default::default(),
        }
    }

    /// A new block; its address, or `None` when memory is short.
    pub(crate) fn allocate(&mut self, request: Request, object: u64) -> Outcome<Option<u64>> {
        let bytes = request.bytes.max(1);
        let alignment = if request.cache_aligned { CACHE_LINE } else { ALIGNMENT };
        let placed = match self.kind {
            PoolKind::Fast if bytes <= SMALL_LIMIT => self.place_in_slot(bytes, alignment)?,
            PoolKind::Fast => self.place_on_pages(bytes, PAGE_SIZE)?,
            PoolKind::Special => self.place_on_pages(bytes, alignment)?,
        };
        let Some((va, place)) = placed else { return Ok(None) };
        memory::fill(va, bytes, if request.zeroed { 0 } else { UNINITIALIZED })?;
        let block = Block { bytes, tag: request.tag, object, paged: request.paged, place };
        self.live.insert(va, block);
        Ok(Some(va))
    }

    fn place_in_slot(&mut self, bytes: u64, front: u64) -> Outcome<Option<(u64, Place)>> {
        let needed = front + bytes + ALIGNMENT;
        let Some(class) = SLOT_SIZES.iter().position(|size| *size >= needed) else {
            return self.place_on_pages(bytes, PAGE_SIZE);
        };
        let size = SLOT_SIZES.get(class).copied().unwrap_or(PAGE_SIZE);
        if self.free_slots.get(class).is_none_or(VecDeque::is_empty) && !self.grow(class, size) {
            return Ok(None);
        }
        let Some(at) = self.free_slots.get_mut(class).and_then(VecDeque::pop_front) else { return Ok(None) };
        memory::fill(at, front, RED_ZONE)?;
        memory::fill(at + front + bytes, size - front - bytes, RED_ZONE)?;
        Ok(Some((at + front, Place::Slot { at, class })))
    }

    fn grow(&mut self, class: usize, size: u64) -> bool {
        let Some(run) = self.pages.take(1) else { return false };
        let Ok(base) = self.space.map_ram(Purpose::Pool, RangeUse::Pool, &[run]) else {
            self.pages.give(run);
            return false;
        };
        if let Some(slots) = self.free_slots.get_mut(class) {
            slots.extend((0..PAGE_SIZE / size).map(|index| base.get() + index * size));
        }
        true
    }

    /// A block that begins at a multiple of `alignment` as near to the end of its pages as can be, or on the first of them
    /// where it has a page or more.
    fn place_on_pages(&mut self, bytes: u64, alignment: u64) -> Outcome<Option<(u64, Place)>> {
        let Some(length) = bytes.checked_next_multiple_of(PAGE_SIZE) else { return Ok(None) };
        let Some(runs) = self.take_runs(length / PAGE_SIZE) else { return Ok(None) };
        let Ok(base) = self.space.map_ram(Purpose::Pool, RangeUse::Pool, &runs) else {
            runs.iter().for_each(|run| self.pages.give(*run));
            return Ok(None);
        };
        let at = base.get();
        let room = length - bytes;
        let front = if bytes < PAGE_SIZE { room - room % alignment } else { 0 };
        memory::fill(at, front, RED_ZONE)?;
        memory::fill(at + front + bytes, room - front, RED_ZONE)?;
        Ok(Some((at + front, Place::Pages { at, runs })))
    }

    /// Frames for `pages` pages, in as few runs as there are; pool need not be contiguous.
    fn take_runs(&self, pages: u64) -> Option<Vec<PageRun>> {
        let mut runs = Vec::new();
        let (mut left, mut step) = (pages, pages);
        while left > 0 {
            match self.pages.take(step) {
                Some(run) => {
                    runs.push(run);
                    left -= step;
                    step = step.min(left);
                }
                None if step > 1 => step /= 2,
                None => {
                    runs.iter().for_each(|run| self.pages.give(*run));
                    return None;
                }
            }
        }
        Some(runs)
    }

    /// Frees the block at `va`. A `tag` of 0 is not compared. A block with a wrong tag or damaged red zones is freed
    /// all the same, and the result says so.
    pub(crate) fn free(&mut self, va: u64, tag: u32) -> Outcome<Freed> {
        let Some(block) = self.live.get(&va) else {
            return if self.freed.contains_key(&va) {
                misuse(BugCheck::BAD_POOL_CALLER, [caller::FREED_TWICE, 0, 0, va])
            } else {
                misuse(BugCheck::BAD_POOL_CALLER, [caller::INVALID_ADDRESS, va, 0, 0])
            };
        };
        let wrong = if tag != 0 && tag != block.tag {
            let parameters = [caller::WRONG_TAG, va, u64::from(block.tag), u64::from(tag)];
            Some(Trouble::Misuse { code: BugCheck::BAD_POOL_CALLER, parameters })
        } else {
            let code = BugCheck::BAD_POOL_HEADER;
            self.damaged(va, block)?
                .map(|at| Trouble::Misuse { code, parameters: [HEADER_DAMAGED, va, at, 0] })
        };
        let block = block.clone();
        self.live.remove(&va);
        match &block.place {
            Place::Slot { .. } => memory::fill(va, block.bytes, FREED)?,
            Place::Pages { at, .. } => {
                self.space.unmap(CpuVa::new(*at));
            }
        }
        self.waiting_bytes += block.bytes;
        self.order.push_back(va);
        self.freed.insert(va, block.clone());
        let late = self.shrink_quarantine(QUARANTINE_BYTES)?;
        Ok(Freed { block, late, wrong })
    }

    /// The first damaged byte of a live block's red zones.
    fn damaged(&self, va: u64, block: &Block) -> Outcome<Option<u64>> {
        let end = va + block.bytes;
        let (zone, last) = match block.place {
            Place::Slot { at, class } => (at..va, at + SLOT_SIZES.get(class).copied().unwrap_or(PAGE_SIZE)),
            Place::Pages { at, .. } => (at..va, end.next_multiple_of(PAGE_SIZE)),
        };
        if let Some(offset) = memory::first_other(zone.start, zone.end - zone.start, RED_ZONE)? {
            return Ok(Some(zone.start + offset));
        }
        Ok(memory::first_other(end, last - end, RED_ZONE)?.map(|offset| end + offset))
    }

    /// Uses the oldest freed blocks again until at most `limit` bytes wait, and tells which were written to meanwhile.
    pub(crate) fn shrink_quarantine(&mut self, limit: u64) -> Outcome<Vec<LateWrite>> {
        let mut late = Vec::new();
        while self.waiting_bytes > limit || (limit == 0 && !self.order.is_empty()) {
            let Some(va) = self.order.pop_front() else { break };
            let Some(block) = self.freed.remove(&va) else { continue };
            self.waiting_bytes = self.waiting_bytes.saturating_sub(block.bytes);
            match block.place {
                Place::Slot { at, class } => {
                    if let Some(offset) = memory::first_other(va, block.bytes, FREED)? {
                        late.push(LateWrite { va: va + offset, object: block.object, offset });
                    }
                    if let Some(slots) = self.free_slots.get_mut(class) {
                        slots.push_back(at);
                    }
                }
                Place::Pages { runs, .. } => runs.iter().for_each(|run| self.pages.give(*run)),
            }
        }
        Ok(late)
    }

    /// The live block that holds `va`, with its first address.
    #[cfg(test)]
    pub(crate) fn block_at(&self, va: u64) -> Option<(u64, &Block)> {
        let (start, block) = self.live.range(..=va).next_back()?;
        (va - start < block.bytes).then_some((*start, block))
    }
}
