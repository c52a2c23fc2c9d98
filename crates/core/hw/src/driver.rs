//! The driver's address space, as the memory manager may touch it.
//!
//! A pointer from a driver is an allegation until this trait has checked it. The memory manager never follows
//! one itself: it asks for copies, made once, at the call.

use dxgk_abi::mdl::Mdl;

use crate::{CpuVa, PageRun, Pfn, PhysAddr};

/// The driver's pointer leads nowhere (unmapped, not readable, not writable).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadAddress(pub CpuVa);

/// The host has no address space, mappings or memory left. The host's limit, never the driver's mistake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoRoom;

/// How the CPU caches a mapping (DXGK_MEMORY_CACHING_TYPE and MEMORY_CACHING_TYPE, reduced to what differs).
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum CacheType {
    /// Uncached.
    NonCached = 0,
    /// Write-back.
    Cached = 1,
    /// Write-combining.
    WriteCombined = 2,
}

/// Whose address space a view is made in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ViewOwner {
    /// The system's: visible in every process.
    Kernel,
    /// The process with this number.
    Process(u32),
}

/// A range of a device's memory BAR that the driver wants to reach with its CPU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RegisterWindow {
    /// First byte; need not be page-aligned.
    pub base: PhysAddr,
    /// Bytes, never 0.
    pub bytes: u64,
    /// Cache type of the mapping.
    pub cache: CacheType,
    /// Whose address space.
    pub owner: ViewOwner,
}

/// An address descriptor list to be laid out for the driver. The numbers are physical or logical page numbers,
/// whichever the device must use; by the time an ADL is written they are plain numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AdlShape<'a> {
    /// `DXGK_ADL_FLAGS::Contiguous` set: base page number and count.
    Contiguous {
        /// First page number.
        base: u64,
        /// Number of pages.
        pages: u32,
    },
    /// The page-array form: runs of page numbers, written out one number a page.
    Pages(&'a [(u64, u64)]),
}

/// What the memory manager needs of the driver's side.
pub trait DriverMemory: Send + Sync {
    /// Copies an MDL's 48-byte header.
    ///
    /// # Errors
    /// [`BadAddress`] when it cannot be read.
    fn mdl_header(&self, mdl: CpuVa) -> Result<Mdl, BadAddress>;

    /// Reads `count` page numbers of the array behind the header, in order, each once.
    ///
    /// # Errors
    /// [`BadAddress`] when the array cannot be read that far.
    fn mdl_pages(&self, mdl: CpuVa, count: u64, visit: &mut dyn FnMut(Pfn)) -> Result<(), BadAddress>;

    /// Copies bytes out of the driver's memory.
    ///
    /// # Errors
    /// [`BadAddress`] when not all of them can be read; `out` is then unspecified. An address space without contents has
    /// none to read.
    fn read(&self, at: CpuVa, out: &mut [u8]) -> Result<(), BadAddress> {
        let _ = out;
        Err(BadAddress(at))
    }

    /// Lays out an MDL for `runs` in the driver's memory: pages locked, no system address, StartVa null.
    ///
    /// # Errors
    /// [`NoRoom`].
    fn build_mdl(&self, runs: &[PageRun]) -> Result<CpuVa, NoRoom>;

    /// Frees what [`build_mdl`](Self::build_mdl) made. A pointer that it did not make is ignored.
    fn release_mdl(&self, mdl: CpuVa);

    /// Lays out an ADL. An array of page numbers begins right behind the structure (our choice), so that whoever knows
    /// where an ADL is knows where its array is.
    ///
    /// # Errors
    /// [`NoRoom`].
    fn build_adl(&self, shape: AdlShape<'_>) -> Result<CpuVa, NoRoom>;

    /// Frees what [`build_adl`](Self::build_adl) made. A pointer that it did not make is ignored.
    fn release_adl(&self, adl: CpuVa);

    /// Maps frames of RAM for the CPU, one after the other.
    ///
    /// # Errors
    /// [`NoRoom`].
    fn map_view(&self, runs: &[PageRun], cache: CacheType, owner: ViewOwner) -> Result<CpuVa, NoRoom>;

    /// Takes a view away. The addresses stay reserved and unreadable, so that a use after it faults.
    fn unmap_view(&self, base: CpuVa, bytes: u64);

    /// Makes a view from [`map_view`](Self::map_view) readable only. It stays so.
    ///
    /// # Errors
    /// [`NoRoom`]; the view is as it was.
    fn make_view_read_only(&self, base: CpuVa, bytes: u64) -> Result<(), NoRoom>;

    /// Takes the frames from under `pages` pages of a view, `offset` bytes (a multiple of the page) from its base. A touch
    /// of one of them has to end in `SysMm::page_in`, and is then made again.
    ///
    /// # Errors
    /// [`NoRoom`]; the view is as it was.
    fn take_from_view(&self, base: CpuVa, offset: u64, pages: u64) -> Result<(), NoRoom>;

    /// Puts frames under pages of a view, `offset` bytes from its base, whether they have others or none.
    ///
    /// # Errors
    /// [`NoRoom`]; the pages then have none, and a touch of them ends as for [`take_from_view`](Self::take_from_view).
    fn put_into_view(&self, base: CpuVa, offset: u64, runs: &[PageRun]) -> Result<(), NoRoom>;

    /// Maps device registers; the address returned has the offset in its page of `window.base`.
    ///
    /// # Errors
    /// [`NoRoom`].
    fn map_registers(&self, window: RegisterWindow) -> Result<CpuVa, NoRoom>;

    /// Takes a register view away.
    fn unmap_registers(&self, base: CpuVa, bytes: u64);
}
