//! A platform and a domain whose locks are the scheduler's, so that it can switch threads at each of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dxgk_abi::mdl::{Mdl, MdlFlags};
use dxgk_abi::{Handle, Irql};
use dxgk_event::NoEvents;
use dxgk_hw::{
    Access, AdlShape, BadAddress, CacheType, CpuVa, DomainId, DomainOps, DriverMemory, LogicalAddr,
    LogicalPage, MachineMemory, MapError, NoRoom, NotRam, PAGE_SIZE, PageRun, Pfn, PhysAddr, RamRange,
    RegisterWindow, UnitError, ViewOwner, total_pages,
};
use dxgk_sysmm::{Addressing, Caller, LogicalAdapterId, PageDatabase, Platform, Policy, SysMm};
use shuttle_parking_lot::{Mutex, RawMutex};

pub(crate) const CALLER: Caller = Caller { irql: Irql::PASSIVE_LEVEL, process: 0, node: 0 };

pub(crate) struct Ram(Vec<RamRange>);

impl MachineMemory for Ram {
    fn ranges(&self) -> &[RamRange] {
        &self.0
    }

    fn live(&self, _frame: Pfn) -> Option<&[AtomicU64; 512]> {
        None
    }

    fn fill(&self, _run: PageRun, _pattern: u64) -> Result<(), NotRam> {
        Ok(())
    }

    fn read(&self, at: PhysAddr, _out: &mut [u8]) -> Result<(), NotRam> {
        Err(NotRam(at))
    }

    fn write(&self, at: PhysAddr, _bytes: &[u8]) -> Result<(), NotRam> {
        Err(NotRam(at))
    }
}

/// The driver's address space: addresses that are never used again, and the page lists of MDLs.
pub(crate) struct Space {
    next: AtomicU64,
    mdls: Mutex<BTreeMap<u64, Vec<u64>>>,
}

impl Space {
    fn address(&self, bytes: u64) -> CpuVa {
        CpuVa::new(self.next.fetch_add(bytes.next_multiple_of(PAGE_SIZE), Ordering::Relaxed))
    }
}

impl DriverMemory for Space {
    fn mdl_header(&self, mdl: CpuVa) -> Result<Mdl, BadAddress> {
        let pages = self.mdls.lock().get(&mdl.get()).map(Vec::len).ok_or(BadAddress(mdl))?;
        Ok(Mdl {
            size: (48 + 8 * pages) as u16,
            mdl_flags: MdlFlags::PAGES_LOCKED,
            byte_count: (pages as u64 * PAGE_SIZE) as u32,
            ..Mdl::default()
        })
    }

    fn mdl_pages(&self, mdl: CpuVa, count: u64, visit: &mut dyn FnMut(Pfn)) -> Result<(), BadAddress> {
        let pages = self.mdls.lock().get(&mdl.get()).cloned().ok_or(BadAddress(mdl))?;
        pages.iter().take(count as usize).for_each(|page| visit(Pfn::new(*page)));
        Ok(())
    }

    fn build_mdl(&self, runs: &[PageRun]) -> Result<CpuVa, NoRoom> {
        let at = self.address(PAGE_SIZE);
        self.mdls.lock().insert(at.get(), pages(runs).collect());
        Ok(at)
    }

    fn release_mdl(&self, mdl: CpuVa) {
        self.mdls.lock().remove(&mdl.get());
    }

    fn build_adl(&self, _shape: AdlShape<'_>) -> Result<CpuVa, NoRoom> {
        Ok(self.address(16))
    }

    fn release_adl(&self, _adl: CpuVa) {}

    fn map_view(&self, runs: &[PageRun], _cache: CacheType, _owner: ViewOwner) -> Result<CpuVa, NoRoom> {
        Ok(self.address(total_pages(runs) * PAGE_SIZE))
    }

    fn make_view_read_only(&self, _base: CpuVa, _bytes: u64) -> Result<(), NoRoom> {
        Ok(())
    }

    fn take_from_view(&self, _base: CpuVa, _offset: u64, _pages: u64) -> Result<(), NoRoom> {
        Err(NoRoom)
    }

    fn put_into_view(&self, _base: CpuVa, _offset: u64, _runs: &[PageRun]) -> Result<(), NoRoom> {
        Err(NoRoom)
    }

    fn unmap_view(&self, _base: CpuVa, _bytes: u64) {}

    fn map_registers(&self, window: RegisterWindow) -> Result<CpuVa, NoRoom> {
        Ok(self.address(window.bytes))
    }

    fn unmap_registers(&self, _base: CpuVa, _bytes: u64) {}
}

pub(crate) struct Machine {
    ram: Ram,
    space: Space,
    events: NoEvents,
}

impl Platform for Machine {
    type RawMutex = RawMutex;
    type Memory = Ram;
    type Driver = Space;
    type Sink = NoEvents;

    fn memory(&self) -> &Ram {
        &self.ram
    }

    fn driver(&self) -> &Space {
        &self.space
    }

    fn events(&self) -> &NoEvents {
        &self.events
    }
}

#[derive(Default)]
struct Tables {
    entries: BTreeMap<u64, u64>,
    /// Cleared, but still in the unit's cache.
    stale: BTreeMap<u64, u64>,
}

/// A domain without tables, whose unit's cache forgets nothing by itself.
#[derive(Default)]
pub(crate) struct BookDomain {
    tables: Mutex<Tables>,
}

impl BookDomain {
    /// The frames that a device reaches now, by the tables or by what the unit still believes.
    pub(crate) fn reachable(&self) -> Vec<u64> {
        let tables = self.tables.lock();
        tables.entries.values().chain(tables.stale.values()).copied().collect()
    }
}

impl DomainOps for BookDomain {
    fn id(&self) -> DomainId {
        DomainId(7)
    }

    fn highest(&self) -> LogicalAddr {
        LogicalAddr::new((1 << 48) - 1)
    }

    fn map(&self, at: LogicalPage, runs: &[PageRun], _access: Access) -> Result<(), MapError> {
        let mut tables = self.tables.lock();
        let list: Vec<(u64, u64)> = (at.get()..).zip(pages(runs)).collect();
        match list.iter().find(|(page, _)| tables.entries.contains_key(page)) {
            Some((page, _)) => Err(MapError::Occupied(LogicalPage::new(*page))),
            None => {
                tables.entries.extend(list);
                Ok(())
            }
        }
    }

    fn unmap(&self, at: LogicalPage, count: u64) -> Result<(), MapError> {
        let mut tables = self.tables.lock();
        for page in at.get()..at.get() + count {
            let frame = tables.entries.remove(&page).ok_or(MapError::NotMapped(LogicalPage::new(page)))?;
            tables.stale.insert(page, frame);
        }
        Ok(())
    }

    fn sync(&self, at: LogicalPage, count: u64) -> Result<(), UnitError> {
        self.tables.lock().stale.retain(|page, _| *page < at.get() || *page >= at.get() + count);
        Ok(())
    }
}

pub(crate) fn pages(runs: &[PageRun]) -> impl Iterator<Item = u64> {
    runs.iter().flat_map(|run| run.start.get()..run.start.get() + run.pages)
}

/// A machine of 15 free pages with one adapter.
pub(crate) struct Run {
    pub(crate) sysmm: SysMm<Machine>,
    pub(crate) pages: Arc<PageDatabase<Machine>>,
    pub(crate) domain: Arc<BookDomain>,
    pub(crate) logical: LogicalAdapterId,
    pub(crate) adapter: Handle,
}

impl Run {
    pub(crate) fn new(remapping: bool) -> Arc<Self> {
        let range = RamRange { start: PhysAddr::new(0), bytes: 16 * PAGE_SIZE, node: 0 };
        let machine = Arc::new(Machine {
            ram: Ram(vec![range]),
            space: Space { next: AtomicU64::new(0x5000_0000_0000), mdls: Mutex::default() },
            events: NoEvents,
        });
        let policy = Policy::default();
        let pages = PageDatabase::new(Arc::clone(&machine), &policy);
        let sysmm = SysMm::new(machine, Arc::clone(&pages), policy);
        let domain = Arc::new(BookDomain::default());
        let logical = sysmm.add_logical_adapter();
        let adapter = sysmm.add_adapter(logical, true, &[]).expect("room").handle;
        let ops = Arc::clone(&domain) as Arc<dyn DomainOps>;
        let addressing = if remapping {
            Addressing::Remapping { domain: ops, highest_visible: LogicalAddr::new((1 << 30) - 1) }
        } else {
            Addressing::Isolation { domain: ops }
        };
        sysmm.set_mode(logical, addressing).expect("the mode is possible");
        Arc::new(Self { sysmm, pages, domain, logical, adapter })
    }

    /// What a device reaches is not free. To be asked at any time.
    pub(crate) fn assert_nothing_free_is_reachable(&self) {
        for frame in self.domain.reachable() {
            // Held pages have no owner, but they are not free either. And between two questions a page may have been
            // freed in good order: then it is no longer reachable.
            let pages = &self.pages;
            let free = pages.owner(Pfn::new(frame)).is_none() && pages.counts().held == 0;
            assert!(
                !free || !self.domain.reachable().contains(&frame),
                "frame {frame:#x} is free and reachable"
            );
        }
    }

    /// Nothing is left.
    pub(crate) fn assert_balanced(&self) {
        let totals = self.sysmm.statistics();
        assert_eq!(totals.pages.free + totals.pages.reserved, totals.pages.total, "{totals:?}");
        assert_eq!(totals.mapped_pages, 0, "{totals:?}");
        assert_eq!(self.domain.reachable(), Vec::<u64>::new());
    }
}
