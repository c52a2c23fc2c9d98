//! A round of work: patterned data from RAM to the device and back to other pages, compared.

use dxgk_miniport::abi::NtStatus;
use dxgk_miniport::abi::callback::AllocateAdlFlags;
use dxgk_miniport::abi::kernel::PageProtection;
use dxgk_miniport::{
    Adapter, DeviceAddress, MdlMapping, MdlPages, Memory, NonPagedPool, PhysicalMemory, Placement, Result,
    UnopenedMemory, log,
};

use crate::device::{Device, PIECE};
use crate::pattern;
use crate::settings::MemoryApi;

/// Bytes of a page.
pub(crate) const PAGE: u64 = 4096;
/// Bytes of scattered pages, and of a run.
const SCATTERED: u64 = 64 * 1024;
pub(crate) const RUN: u64 = 16 * 1024;
/// Pages that are copied at most; the device's round trips are what a round costs.
const COPIES: u64 = 4;
/// `STATUS_DEVICE_DATA_ERROR`.
pub(crate) const DATA_ERROR: NtStatus = NtStatus(0xC000_009C);

/// What a round needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work<'w> {
    pub(crate) adapter: &'w Adapter,
    pub(crate) device: &'w Device<'w>,
    pub(crate) api: MemoryApi,
    /// A demo does its correct twin instead of its mistake.
    pub(crate) twin: bool,
}

impl Work<'_> {
    /// One round, by the rules.
    pub(crate) fn round(&self) -> Result<()> {
        match self.api {
            MemoryApi::Wddm29 => self.objects(),
            MemoryApi::Wddm24 => self.mdls(),
        }
    }

    /// Physical memory objects: right in every mode.
    fn objects(&self) -> Result<()> {
        let pages = PhysicalMemory::pages(self.adapter, SCATTERED, Placement::ANYWHERE)?;
        self.object(&pages, AllocateAdlFlags(0), 1)?;
        let run = PhysicalMemory::contiguous(self.adapter, RUN, Placement::ANYWHERE, 0)?;
        self.object(&run, AllocateAdlFlags::PREFER_CONTIGUOUS, 2)?;
        let section = PhysicalMemory::section(self.adapter, RUN, PageProtection::READWRITE)?;
        self.object(&section, AllocateAdlFlags(0), 3)?;
        self.process(&section)?;
        self.opened_later()?;
        self.registers()
    }

    /// What the kernel writes the process sees.
    fn process(&self, memory: &PhysicalMemory<'_>) -> Result<()> {
        let (kernel, user) = (memory.view(PAGE, PAGE)?, memory.user_view(PAGE, PAGE)?);
        let seed = 4 << 8;
        pattern::fill(&kernel, kernel.start(), PAGE as usize, seed)?;
        match pattern::first_difference(&user, user.start(), PAGE as usize, seed)? {
            None => Ok(()),
            Some(offset) => {
                log!("edu: the process sees something else at offset {offset:#x}");
                Err(DATA_ERROR)
            }
        }
    }

    /// An object that was made before it was known which adapter would use it.
    fn opened_later(&self) -> Result<()> {
        let memory = UnopenedMemory::pages(self.adapter, 2 * PAGE, Placement::ANYWHERE)?;
        let view = memory.view(0, memory.size())?;
        let opened = memory.open(self.adapter)?;
        let adl = opened.adl(0, memory.size(), AllocateAdlFlags(0))?;
        let part = Part { memory: &view, start: view.start(), bytes: memory.size(), seed: 5 };
        exchange(self.device, part, |offset| adl.device_address(offset))
    }

    /// The device's registers as an object: the processor reads one through a view; another device could be let at them.
    fn registers(&self) -> Result<()> {
        let information = self.adapter.information()?;
        let (start, _) =
            information.resources().memory().next().ok_or(NtStatus::DEVICE_CONFIGURATION_ERROR)?;
        let registers = PhysicalMemory::device_range(self.adapter, start, PAGE)?;
        let view = registers.view(0, PAGE)?;
        let adl = registers.adl(0, PAGE, AllocateAdlFlags::REQUIRE_CONTIGUOUS)?;
        let (seen, read) = (view.read::<u32>(view.start())?, self.device.identification()?);
        if adl.is_contiguous() && seen == read {
            return Ok(());
        }
        log!("edu: {seen:#010x} through the object's view, {read:#010x} through the register map");
        Err(DATA_ERROR)
    }

    /// One object: the processor through a view, the device through a list.
    fn object(&self, memory: &PhysicalMemory<'_>, flags: AllocateAdlFlags, seed: u32) -> Result<()> {
        let view = memory.view(0, memory.size())?;
        let adl = memory.adl(0, memory.size(), flags)?;
        let part = Part { memory: &view, start: view.start(), bytes: memory.size(), seed };
        exchange(self.device, part, |offset| adl.device_address(offset))
    }

    /// Pages and MDL maps: right in isolation and without an IOMMU.
    fn mdls(&self) -> Result<()> {
        let pages = MdlPages::allocate(self.adapter, SCATTERED, Placement::ANYWHERE)?;
        {
            let view = pages.view()?;
            let part = Part { memory: &view, start: 0, bytes: SCATTERED, seed: 1 };
            exchange(self.device, part, |offset| pages.device_address(offset))?;
        }
        let block = NonPagedPool::allocate(RUN as usize)?;
        let mdl = block.mdl()?;
        let mapping = MdlMapping::map(self.adapter, &mdl)?;
        let part = Part { memory: &block, start: 0, bytes: RUN, seed: 2 };
        exchange(self.device, part, |offset| mapping.device_address(offset))
    }
}

/// Copies pages of the first half to the second, through the device, and compares.
pub(crate) fn exchange<'d>(
    device: &Device<'_>,
    part: Part<'_>,
    address: impl Fn(u64) -> Result<DeviceAddress<'d>>,
) -> Result<()> {
    let half = part.bytes / 2;
    for page in 0..COPIES.min(half / PAGE) {
        let (from, to) = (page * PAGE, half + page * PAGE);
        let seed = part.seed << 8 | page as u32;
        pattern::fill(part.memory, part.start + from as usize, PAGE as usize, seed)?;
        pattern::clear(part.memory, part.start + to as usize, PAGE as usize)?;
        // A run for the device ends with its page, and memory need not begin with one.
        let mut done = 0;
        while done < PAGE {
            let (source, target) = (address(from + done)?, address(to + done)?);
            let left = |address: DeviceAddress<'_>| PAGE - address.bits() % PAGE;
            let bytes = PIECE.min(PAGE - done).min(left(source)).min(left(target));
            device.read_ram(source, bytes)?;
            device.write_ram(target, bytes)?;
            done += bytes;
        }
        let there = part.start + to as usize;
        if let Some(offset) = pattern::first_difference(part.memory, there, PAGE as usize, seed)? {
            log!("edu: what came back differs at offset {offset:#x} of memory {}", part.seed);
            return Err(DATA_ERROR);
        }
    }
    Ok(())
}

/// Memory to work on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<'m> {
    pub(crate) memory: &'m Memory,
    /// Where the part begins, and its length, in bytes.
    pub(crate) start: usize,
    pub(crate) bytes: u64,
    /// Tells its data from other parts'.
    pub(crate) seed: u32,
}
