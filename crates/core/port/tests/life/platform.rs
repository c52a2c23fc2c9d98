//! A small machine: RAM without contents, a driver's address space without memory, a list of events.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use dxgk_abi::mdl::Mdl;
use dxgk_event::{Event, EventId, EventSink, ListRef, Mode};
use dxgk_hw::{
    AdlShape, BadAddress, CacheType, CpuVa, DriverMemory, MachineMemory, NoRoom, NotRam, PAGE_SIZE, PageRun,
    Pfn, PhysAddr, RamRange, RegisterWindow, ViewOwner,
};
use dxgk_sysmm::Platform;

pub(crate) const RAM_BYTES: u64 = 16 << 20;

pub(crate) struct Ram([RamRange; 1]);

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

/// Gives out addresses that nothing is at.
#[derive(Default)]
pub(crate) struct Addresses(AtomicU64);

impl Addresses {
    fn next(&self) -> Result<CpuVa, NoRoom> {
        Ok(CpuVa::new(0x5000_0000_0000 + self.0.fetch_add(1 << 30, Ordering::Relaxed)))
    }
}

impl DriverMemory for Addresses {
    fn mdl_header(&self, mdl: CpuVa) -> Result<Mdl, BadAddress> {
        Err(BadAddress(mdl))
    }

    fn mdl_pages(&self, mdl: CpuVa, _count: u64, _visit: &mut dyn FnMut(Pfn)) -> Result<(), BadAddress> {
        Err(BadAddress(mdl))
    }

    fn build_mdl(&self, _runs: &[PageRun]) -> Result<CpuVa, NoRoom> {
        self.next()
    }

    fn release_mdl(&self, _mdl: CpuVa) {}

    fn build_adl(&self, _shape: AdlShape<'_>) -> Result<CpuVa, NoRoom> {
        self.next()
    }

    fn release_adl(&self, _adl: CpuVa) {}

    fn map_view(&self, _runs: &[PageRun], _cache: CacheType, _owner: ViewOwner) -> Result<CpuVa, NoRoom> {
        self.next()
    }

    fn unmap_view(&self, _base: CpuVa, _bytes: u64) {}

    fn map_registers(&self, _window: RegisterWindow) -> Result<CpuVa, NoRoom> {
        self.next()
    }

    fn unmap_registers(&self, _base: CpuVa, _bytes: u64) {}
}

#[derive(Default)]
pub(crate) struct Events(pub(crate) Mutex<Vec<Event>>);

impl Events {
    /// Every announcement of a mode.
    pub(crate) fn modes(&self) -> Vec<Mode> {
        let events = self.0.lock().expect("unpoisoned");
        let modes = events.iter().filter_map(|event| match event {
            Event::Mode(mode) => Some(*mode),
            _ => None,
        });
        modes.collect()
    }
}

impl EventSink for Events {
    fn emit(&self, event: &Event) -> EventId {
        let mut events = self.0.lock().expect("unpoisoned");
        events.push(*event);
        EventId(events.len() as u64)
    }

    fn list(&self, _words: &mut dyn Iterator<Item = u64>) -> ListRef {
        ListRef::default()
    }
}

pub(crate) struct Machine {
    ram: Ram,
    driver: Addresses,
    pub(crate) events: Events,
}

impl Default for Machine {
    fn default() -> Self {
        let range = RamRange { start: PhysAddr::new(0), bytes: RAM_BYTES, node: 0 };
        assert_eq!(RAM_BYTES % PAGE_SIZE, 0);
        Self { ram: Ram([range]), driver: Addresses::default(), events: Events::default() }
    }
}

impl Platform for Machine {
    type RawMutex = parking_lot::RawMutex;
    type Memory = Ram;
    type Driver = Addresses;
    type Sink = Events;

    fn memory(&self) -> &Ram {
        &self.ram
    }

    fn driver(&self) -> &Addresses {
        &self.driver
    }

    fn events(&self) -> &Events {
        &self.events
    }
}
