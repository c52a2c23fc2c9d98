//! Memory of the host that the driver may read: MDLs, ADLs, kernel objects.
//!
//! On Windows these lie in pool. Here they have pages of their own, which are no RAM of the machine, so that a device can never
//! reach them (our choice). A freed structure is filled and queues behind the other free ones of its size.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use dxgk_hw::CpuVa;

use super::memory;
use super::pool::FREED;
use super::space::Space;
use super::trouble::Outcome;

const SLOT_SIZES: [u64; 6] = [64, 128, 256, 512, 1024, 2048];
const CHUNK_BYTES: u64 = 64 << 10;

#[derive(Clone, Copy, Debug)]
enum Place {
    Slot(usize),
    Pages,
}

/// What a structure is, so that a pointer to one is never freed as another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Content {
    /// An MDL of IoAllocateMdl.
    DriverMdl,
    /// An MDL that the memory manager laid out.
    PortMdl,
    /// An ADL.
    Adl,
    /// A kernel object.
    Object,
    /// A request with its stack locations.
    Request,
    /// An IO_WORKITEM.
    WorkItem,
    /// An MDL of MmAllocatePagesForMdl, freed as pool.
    PageList,
    /// Text and the like that the host made for the driver.
    Buffer,
}

/// The structures of one run.
pub(crate) struct Structures {
    space: Arc<Space>,
    live: BTreeMap<u64, (Place, Content)>,
    free: [VecDeque<u64>; SLOT_SIZES.len()],
}

impl Structures {
    pub(crate) fn new(space: Arc<Space>) -> Self {
        Self { space, live: BTreeMap::new(), free: Default::default() }
    }

    /// `bytes` zeroed bytes at a multiple of 64; `None` when the host has no room.
    pub(crate) fn allocate(&mut self, bytes: u64, content: Content) -> Outcome<Option<u64>> {
        let Some(class) = SLOT_SIZES.iter().position(|size| *size >= bytes) else {
            let Ok(base) = self.space.map_host(bytes) else { return Ok(None) };
            self.live.insert(base.get(), (Place::Pages, content));
            return Ok(Some(base.get()));
        };
        let size = SLOT_SIZES.get(class).copied().unwrap_or(CHUNK_BYTES);
        let Some(slots) = self.free.get_mut(class) else { return Ok(None) };
        if slots.is_empty() {
            let Ok(base) = self.space.map_host(CHUNK_BYTES) else { return Ok(None) };
            slots.extend((0..CHUNK_BYTES / size).map(|index| base.get() + index * size));
        }
        let Some(at) = slots.pop_front() else { return Ok(None) };
        memory::fill(at, size, 0)?;
        self.live.insert(at, (Place::Slot(class), content));
        Ok(Some(at))
    }

    /// Frees what [`allocate`](Self::allocate) gave for `content`; `false` for anything else.
    pub(crate) fn release(&mut self, at: u64, content: Content) -> bool {
        if self.live.get(&at).is_none_or(|(_, found)| *found != content) {
            return false;
        }
        match self.live.remove(&at).map(|(place, _)| place) {
            None => false,
            Some(Place::Pages) => self.space.unmap(CpuVa::new(at)),
            Some(Place::Slot(class)) => {
                let size = SLOT_SIZES.get(class).copied().unwrap_or_default();
                // Our own committed pages: filling them cannot fail.
                let _ = memory::fill(at, size, FREED);
                if let Some(slots) = self.free.get_mut(class) {
                    slots.push_back(at);
                }
                true
            }
        }
    }
}
