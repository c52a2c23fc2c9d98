//! AllocatePagesForMdl, FreePagesFromMdl, MapMdlToIoMmu, UnmapMdlFromIoMmu, and the memory that a driver has from
//! elsewhere in the kernel.

use dxgk_abi::callback::{
    ArgCbAllocatePagesForMdl, ArgCbFreePagesFromMdl, ArgCbMapMdlToIoMmu, ArgCbUnmapMdlFromIoMmu,
};
use dxgk_abi::mdl::{Mdl, MdlFlags};
use dxgk_abi::{Handle, Pointer};
use dxgk_hw::{DriverMemory, PageRun, Pfn};
use dxgk_sysmm::Caller;
use dxgk_sysmm::pages::{PageListError, PageOwner, PageRequest};

use crate::reference::{BAD_HANDLE, Frame, INVALID, Mapping, NO_MEMORY, Pages, Verdict};
use crate::request::{Layout, Request};
use crate::rig::{lock, pages_of};
use crate::world::{DENIED, KERNEL, Step, World};

const MOST_BYTES: u64 = (1 << 32) - 4096;

impl World {
    pub(crate) fn allocate_pages(&mut self) -> Step {
        let adapter = self.draw_adapter();
        let (ask, cache) = (self.draw_ask(), self.draw_cache());
        let caller = Caller { node: self.rng.below(2) as u32, ..KERNEL };
        let args = ArgCbAllocatePagesForMdl {
            low_address: ask.low,
            high_address: ask.high,
            skip_bytes: ask.skip,
            total_bytes: ask.bytes,
            cache_type: cache,
            flags: ask.flags,
            ..ArgCbAllocatePagesForMdl::default()
        };
        let tables = self.tables();
        let decide = || {
            let logical = self.reference.place_2_4(adapter.0)?;
            if cache.0 > 2 || ask.bytes > MOST_BYTES {
                return Err(INVALID);
            }
            let request = ask.check(caller.node)?;
            let fits = request.fits(&self.reference, &tables);
            if fits { Ok((logical, request)) } else { Err(NO_MEMORY) }
        };
        let wanted: Verdict<(usize, Request)> = decide();
        let got = self.bench.sysmm.allocate_pages_for_mdl(&caller, adapter, &args);
        let wanted = match wanted {
            Ok((_, request)) if request.large && got.as_ref().err() == Some(&NO_MEMORY) => Err(NO_MEMORY),
            wanted => wanted,
        };
        let taken = wanted.as_ref().map_or(0, |(_, request)| request.pages);
        let wanted = self.limited(wanted, taken, true)?;
        self.agree(format!("AllocatePagesForMdl({adapter:?}, {ask:x?})"), &wanted, &got)?;
        let (Ok((logical, request)), Ok(made)) = (wanted, got) else { return Ok(()) };
        self.fresh_handle(made.memory_handle.0)?;
        let list = lock(&self.bench.stage.desk.mdls).get(&made.mdl.get()).map(|(_, pages)| pages.clone());
        let frames = list.ok_or("the MDL does not exist")?;
        if let Some(objection) = request.objection(&frames, &self.reference, &tables) {
            return Err(objection);
        }
        self.take_over(&frames, request.zeroed, Frame::Driver)?;
        let map = Mapping { logical, device: frames.clone(), frames, writable: true };
        self.reference.map(&map);
        let pages = Pages { owned: true, adapter: adapter.0, mdl: made.mdl.get(), map: map.clone() };
        self.reference.pages.insert(made.memory_handle.0, pages);
        self.probe(&map)
    }

    /// FreePagesFromMdl (`owned`), or UnmapMdlFromIoMmu.
    pub(crate) fn end_pages(&mut self, owned: bool, adapter: Handle, handle: Handle) -> Step {
        let decide = || {
            let logical = if owned {
                self.reference.place_2_4(adapter.0)?
            } else {
                self.reference.lead_place_2_4(adapter.0)?
            };
            let fits = |it: &&Pages| it.owned == owned && it.map.logical == logical;
            self.reference.pages.get(&handle.0).filter(fits).map(|_| ()).ok_or(BAD_HANDLE)
        };
        let wanted: Verdict<()> = decide();
        let (name, got) = if owned {
            let args = ArgCbFreePagesFromMdl { memory_handle: handle };
            ("FreePagesFromMdl", self.bench.sysmm.free_pages_from_mdl(&KERNEL, adapter, &args))
        } else {
            let args = ArgCbUnmapMdlFromIoMmu { memory_handle: handle };
            ("UnmapMdlFromIoMmu", self.bench.sysmm.unmap_mdl_from_iommu(&KERNEL, adapter, &args))
        };
        self.agree(format!("{name}({adapter:?}, {handle:?})"), &wanted, &got)?;
        if wanted.is_err() {
            return Ok(());
        }
        let gone = self.reference.end_pages(handle.0);
        self.probe(&gone)
    }

    pub(crate) fn end_some_pages(&mut self, owned: bool) -> Step {
        let of_kind = self.reference.pages.iter().filter(|(_, it)| it.owned == owned);
        let live: Vec<u64> = of_kind.map(|(handle, _)| *handle).collect();
        let handle = self.draw_handle(&live);
        let owner = self.reference.pages.get(&handle).map(|it| it.adapter);
        let adapter = match owner {
            Some(owner) if !self.rng.one_in(8) => Handle(owner),
            _ => self.draw_adapter(),
        };
        self.end_pages(owned, adapter, Handle(handle))
    }

    /// The driver makes an MDL of memory that it has, of what it had, or of nonsense.
    pub(crate) fn make_mdl(&mut self) -> Step {
        let mut source: Vec<u64> = match self.rng.below(4) {
            0 => self.reference.pages.values().flat_map(|it| it.map.frames.clone()).collect(),
            1 => self.reference.physical.values().flat_map(|it| it.pages.clone()).collect(),
            _ => self.kernel.concat(),
        };
        if source.is_empty() || self.rng.one_in(20) {
            source.push(self.rng.below(0x800));
        }
        let count = 1 + self.rng.below(12);
        let start = self.rng.below(source.len() as u64);
        let mut pages: Vec<u64> =
            (0..count).map(|nth| source[((start + nth) % source.len() as u64) as usize]).collect();
        if self.rng.one_in(16) {
            let page = self.rng.of(&[0, 0x800, 0x10_0400, 1 << 40, 1 << 52, u64::MAX]);
            let at = self.rng.below(count) as usize;
            pages[at] = page;
        }
        let mut header = Mdl {
            size: (48 + 8 * count) as u16,
            mdl_flags: self.rng.of(&[
                MdlFlags::PAGES_LOCKED,
                MdlFlags::SOURCE_IS_NONPAGED_POOL,
                MdlFlags::PARTIAL | MdlFlags::PAGES_LOCKED,
                MdlFlags::PARTIAL,
            ]),
            byte_count: (count << 12) as u32,
            ..Mdl::default()
        };
        match self.rng.below(40) {
            0 => header.next = Pointer(0x1234_5000),
            1 => header.byte_count = 0,
            2 => header.byte_offset = 4096,
            3 => header.size -= 8,
            4 => header.mdl_flags = MdlFlags::ALLOCATED_FIXED_SIZE,
            5 => header.mdl_flags = MdlFlags::PAGES_LOCKED | MdlFlags::SOURCE_IS_NONPAGED_POOL,
            6 => header.mdl_flags |= MdlFlags::IO_SPACE,
            7 => drop(pages.pop()),
            8..=16 => {
                // A buffer that begins and ends inside its pages.
                header.byte_offset = self.rng.below(4096) as u32;
                header.byte_count -= header.byte_offset;
            }
            _ => {}
        }
        // Addresses of their own, far from those that the desk gives out.
        let at = 0x7000_0000_0000 + ((self.own_mdls.len() as u64) << 16);
        self.note(format!("MDL {at:#x}: {header:x?} of {pages:x?}"));
        lock(&self.bench.stage.desk.mdls).insert(at, (header, pages));
        self.own_mdls.push(at);
        Ok(())
    }

    /// The driver writes into an MDL that may be mapped.
    pub(crate) fn scribble(&mut self) -> Step {
        let page = self.rng.below(0x800);
        if let Some(at) = self.rng.pick(&self.own_mdls)
            && let Some((_, pages)) = lock(&self.bench.stage.desk.mdls).get_mut(at)
            && let Some(first) = pages.first_mut()
        {
            *first = page;
        }
        Ok(())
    }

    /// The pages of an MDL that may be mapped.
    fn mappable(&self, mdl: u64) -> Verdict<Vec<u64>> {
        let list = self.listed(mdl).ok_or(INVALID)?;
        if list.iter().any(|page| *page > u64::MAX >> 12) {
            return Err(INVALID);
        }
        for page in &list {
            match self.reference.frame(*page) {
                Some(Frame::Driver | Frame::Kernel) => {}
                Some(Frame::ReadOnly) => return Err(DENIED),
                _ => return Err(INVALID),
            }
        }
        Ok(list)
    }

    /// The pages of an MDL that makes sense, or nothing.
    fn listed(&self, mdl: u64) -> Option<Vec<u64>> {
        let mdls = lock(&self.bench.stage.desk.mdls);
        let (header, list) = mdls.get(&mdl)?;
        let flags = header.mdl_flags;
        let both = MdlFlags::PAGES_LOCKED | MdlFlags::SOURCE_IS_NONPAGED_POOL;
        let count = (u64::from(header.byte_offset) + u64::from(header.byte_count)).div_ceil(4096);
        let sane = header.next.is_null()
            && header.byte_count != 0
            && header.byte_offset < 4096
            && flags.intersects(both | MdlFlags::PARTIAL)
            && !flags.contains(both)
            && !flags.contains(MdlFlags::IO_SPACE)
            && 48 + 8 * count <= u64::from(header.size);
        list.get(..count as usize).filter(|_| sane).map(<[u64]>::to_vec)
    }

    pub(crate) fn map_mdl(&mut self) -> Step {
        let adapter = self.draw_lead();
        let mdl = match self.rng.below(8) {
            0 => self.rng.of(&[0, 0x10, 0x5000_0000_0000]),
            1 | 2 => {
                let made: Vec<u64> = self.reference.pages.values().map(|it| it.mdl).collect();
                self.rng.pick(&made).copied().unwrap_or(0)
            }
            _ => {
                let late = self.own_mdls.len().saturating_sub(12);
                self.rng.pick(&self.own_mdls[late..]).copied().unwrap_or(0)
            }
        };
        let decide = || {
            let logical = self.reference.lead_place_2_4(adapter.0)?;
            Ok((logical, self.mappable(mdl)?))
        };
        let wanted: Verdict<(usize, Vec<u64>)> = decide();
        let args = ArgCbMapMdlToIoMmu { mdl: Pointer(mdl), memory_handle: Handle::NULL };
        let got = self.bench.sysmm.map_mdl_to_iommu(&KERNEL, adapter, &args);
        let wanted = self.limited(wanted, 0, false)?;
        self.agree(format!("MapMdlToIoMmu({adapter:?}, {mdl:#x})"), &wanted, &got)?;
        let (Ok((logical, frames)), Ok(handle)) = (wanted, got) else { return Ok(()) };
        self.fresh_handle(handle.0)?;
        let map = Mapping { logical, device: frames.clone(), frames, writable: true };
        self.reference.pin(&map.frames);
        self.reference.map(&map);
        let pages = Pages { owned: false, adapter: adapter.0, mdl, map: map.clone() };
        self.reference.pages.insert(handle.0, pages);
        self.probe(&map)
    }

    /// The kernel around the driver takes pages: pool, say.
    pub(crate) fn take_kernel_pages(&mut self) -> Step {
        let count = 1 + self.rng.below(24);
        let request = Request {
            pages: count,
            low: 0,
            high: u64::MAX,
            skip: 0,
            layout: Layout::Any,
            zeroed: true,
            node: None,
            large: false,
        };
        let tables = self.tables();
        let fits = request.fits(&self.reference, &tables);
        let got = self.bench.pages.allocate(&PageRequest::anywhere(count), PageOwner::Kernel);
        self.note(format!("kernel takes {count} pages -> {got:x?}"));
        let frames = match got {
            Ok(runs) if fits => pages_of(&runs),
            Err(_) if !fits => return Ok(()),
            other => return Err(format!("kernel pages: fits {fits}, got {other:?}")),
        };
        if let Some(objection) = request.objection(&frames, &self.reference, &tables) {
            return Err(objection);
        }
        self.take_over(&frames, true, Frame::Kernel)?;
        self.kernel.push(frames);
        Ok(())
    }

    /// It gives pages back: its own, or, by mistake, somebody's.
    pub(crate) fn give_kernel_pages(&mut self) -> Step {
        let wrong = self.rng.one_in(10);
        let pages = if wrong {
            let at = self.rng.below(self.reference.frames.len() as u64 + 8) as usize;
            vec![self.reference.ram().nth(at).unwrap_or(0x900)]
        } else {
            let Some(last) = self.kernel.len().checked_sub(1) else { return Ok(()) };
            let at = self.rng.below(last as u64 + 1) as usize;
            self.kernel.swap_remove(at)
        };
        let runs: Vec<PageRun> = pages.iter().map(|page| PageRun::new(Pfn::new(*page), 1)).collect();
        let state = pages.first().and_then(|page| self.reference.frame(*page));
        if wrong && state == Some(Frame::Kernel) {
            return Ok(());
        }
        let got = self.bench.pages.release(&runs, PageOwner::Kernel);
        self.note(format!("kernel gives {pages:x?} -> {got:x?}"));
        let wanted = match state {
            Some(Frame::Kernel) => Ok(self.reference.give(&pages)),
            Some(_) => Err(PageListError::NotOwned(Pfn::new(pages[0]))),
            None => Err(PageListError::NotRam(Pfn::new(pages[0]))),
        };
        if wanted == got { Ok(()) } else { Err(format!("kernel pages: expected {wanted:?}, got {got:?}")) }
    }

    /// MDLs of the driver's own go with it.
    pub(crate) fn drop_own_mdls(&mut self) {
        let desk = &self.bench.stage.desk;
        self.own_mdls.drain(..).for_each(|at| desk.release_mdl(dxgk_hw::CpuVa::new(at)));
    }
}
