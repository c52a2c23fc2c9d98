//! The driver's address space as the memory manager touches it: `dxgk_hw::DriverMemory` for [`Kernel`].

use dxgk_abi::adl::Adl;
use dxgk_abi::mdl::{Mdl, PAGE_SIZE as MDL_PAGE, PFN_SIZE};
use dxgk_abi::{MdlFlags, Pointer};
use dxgk_hw::{
    AdlShape, BadAddress, CacheType, CpuVa, DriverMemory, NoRoom, PageRun, Pfn, RegisterWindow, ViewOwner,
    total_pages,
};

use super::address_map::RangeUse;
use super::mdl::{self, HEADER};
use super::memory;
use super::space::lock;
use super::state::Kernel;
use super::structures::Content;
use super::trouble::Trouble;
use crate::layout::Purpose;

fn bad(at: CpuVa) -> impl FnOnce(Trouble) -> BadAddress {
    move |trouble| match trouble {
        Trouble::Fault { address, .. } => BadAddress(CpuVa::new(address)),
        _ => BadAddress(at),
    }
}

impl Kernel {
    fn structure(&self, bytes: u64, content: Content) -> Result<u64, NoRoom> {
        lock(&self.structures).allocate(bytes, content).ok().flatten().ok_or(NoRoom)
    }
}

impl DriverMemory for Kernel {
    fn mdl_header(&self, mdl: CpuVa) -> Result<Mdl, BadAddress> {
        memory::read(mdl.get()).map_err(bad(mdl))
    }

    fn mdl_pages(&self, mdl: CpuVa, count: u64, visit: &mut dyn FnMut(Pfn)) -> Result<(), BadAddress> {
        mdl::read_pages(mdl.get(), count, visit).map_err(bad(mdl))
    }

    fn read(&self, at: CpuVa, out: &mut [u8]) -> Result<(), BadAddress> {
        memory::read_bytes(at.get(), out).map_err(bad(at))
    }

    fn build_mdl(&self, runs: &[PageRun]) -> Result<CpuVa, NoRoom> {
        let pages = total_pages(runs);
        let byte_count =
            pages.checked_mul(MDL_PAGE).and_then(|bytes| u32::try_from(bytes).ok()).ok_or(NoRoom)?;
        let at = self.structure(HEADER + pages * PFN_SIZE, Content::PortMdl)?;
        let header = Mdl {
            size: mdl::size_field(pages),
            mdl_flags: MdlFlags::PAGES_LOCKED,
            start_va: Pointer::NULL,
            byte_count,
            ..Mdl::default()
        };
        memory::write(at, &header).map_err(|_| NoRoom)?;
        mdl::write_pages(at, runs).map_err(|_| NoRoom)?;
        Ok(CpuVa::new(at))
    }

    fn release_mdl(&self, mdl: CpuVa) {
        lock(&self.structures).release(mdl.get(), Content::PortMdl);
    }

    fn build_adl(&self, shape: AdlShape<'_>) -> Result<CpuVa, NoRoom> {
        let head = size_of::<Adl>() as u64;
        let (adl, numbers, bytes) = match shape {
            AdlShape::Contiguous { base, pages } => (Adl::contiguous(base, pages), [].as_slice(), head),
            AdlShape::Pages(runs) => {
                let count = runs.iter().fold(0u64, |sum, (_, pages)| sum.saturating_add(*pages));
                let count32 = u32::try_from(count).map_err(|_| NoRoom)?;
                (Adl::array(Pointer::NULL, count32), runs, head + count * PFN_SIZE)
            }
        };
        let at = self.structure(bytes, Content::Adl)?;
        let array = at + head;
        let adl = if adl.is_contiguous() { adl } else { Adl::array(Pointer(array), adl.page_count) };
        memory::write(at, &adl).map_err(|_| NoRoom)?;
        let words =
            numbers.iter().flat_map(|(first, pages)| (0..*pages).map(move |page| first.wrapping_add(page)));
        let list: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
        memory::write_bytes(array, &list).map_err(|_| NoRoom)?;
        Ok(CpuVa::new(at))
    }

    fn release_adl(&self, adl: CpuVa) {
        lock(&self.structures).release(adl.get(), Content::Adl);
    }

    fn map_view(&self, runs: &[PageRun], _cache: CacheType, owner: ViewOwner) -> Result<CpuVa, NoRoom> {
        match owner {
            ViewOwner::Kernel => self.space.map_ram(Purpose::Views, RangeUse::View, runs),
            ViewOwner::Process(process) => {
                let base = self.space.map_ram(Purpose::UserViews, RangeUse::User, runs)?;
                self.space.assign(base, process);
                Ok(base)
            }
        }
    }

    fn make_view_read_only(&self, base: CpuVa, _bytes: u64) -> Result<(), NoRoom> {
        self.space.make_read_only(base)
    }

    fn take_from_view(&self, base: CpuVa, offset: u64, pages: u64) -> Result<(), NoRoom> {
        // Without somebody to bring pages back, none is taken.
        let pager = self.pager().ok_or(NoRoom)?;
        self.space.take_pages(base, offset, pages, &pager)
    }

    fn put_into_view(&self, base: CpuVa, offset: u64, runs: &[PageRun]) -> Result<(), NoRoom> {
        self.space.put_pages(base, offset, runs, self.pager().as_ref())
    }

    fn unmap_view(&self, base: CpuVa, _bytes: u64) {
        self.space.unmap(base);
    }

    fn map_registers(&self, window: RegisterWindow) -> Result<CpuVa, NoRoom> {
        let va =
            self.device_memory.map(window.base, window.bytes, window.cache, window.owner).ok_or(NoRoom)?;
        let _ = self.space.note_device(va, window.bytes, window.base);
        Ok(va)
    }

    fn unmap_registers(&self, base: CpuVa, bytes: u64) {
        self.space.forget_device(base);
        self.device_memory.unmap(base, bytes);
    }
}
