//! A small machine: RAM without contents, a driver's address space without memory, a list of events.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use dxgk_abi::mdl::Mdl;
use dxgk_event::{Event, EventId, EventSink, ListRef, Mode};
use dxgk_hw::{
    AdlShape, BadAddress, CacheType, CpuVa, DriverMemory, MachineMemory, NoRoom, NotRam, PAGE_SIZE, PageRun,
    Pfn, PhysAddr, RamRange, RegisterWindow, ViewOwner,
};
use dxgk_sysmm::Platform;

pub(crate) const RAM_BYTES: u64 = 16 << 20;

/// RAM of which the words that were written are remembered.
pub(crate) struct Ram([RamRange; 1], Mutex<BTreeMap<u64, [u8; 8]>>);

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

    fn read(&self, at: PhysAddr, out: &mut [u8]) -> Result<(), NotRam> {
        let words = self.1.lock().expect("unpoisoned");
        out.copy_from_slice(words.get(&at.get()).unwrap_or(&[0; 8]));
        Ok(())
    }

    fn write(&self, at: PhysAddr, bytes: &[u8]) -> Result<(), NotRam> {
        let mut words = self.1.lock().expect("unpoisoned");
        for (place, word) in (at.get()..).step_by(8).zip(bytes.chunks(8)) {
            let mut padded = [0; 8];
            padded.iter_mut().zip(word).for_each(|(to, from)| *to = *from);
            words.insert(place, padded);
        }
        Ok(())
    }
}

/// Gives out addresses that nothing is at, and remembers what was laid out and mapped there.
#[derive(Default)]
pub(crate) struct Addresses {
    next: AtomicU64,
    mdls: Mutex<BTreeMap<u64, Vec<PageRun>>>,
    adls: Mutex<BTreeSet<u64>>,
    /// By address: the frames behind it, and whose it is.
    pub(crate) views: Mutex<BTreeMap<u64, (Vec<u64>, ViewOwner)>>,
    /// There is no room for views.
    pub(crate) full: AtomicBool,
}

impl Addresses {
    fn next(&self) -> Result<CpuVa, NoRoom> {
        Ok(CpuVa::new(0x5000_0000_0000 + self.next.fetch_add(1 << 30, Ordering::Relaxed)))
    }
}

impl Addresses {
    /// MDLs, ADLs and views that are still there.
    pub(crate) fn left(&self) -> [usize; 3] {
        let mdls = self.mdls.lock().expect("unpoisoned").len();
        let adls = self.adls.lock().expect("unpoisoned").len();
        [mdls, adls, self.views.lock().expect("unpoisoned").len()]
    }

    /// The frames that an MDL lists.
    pub(crate) fn pages(&self, mdl: u64) -> Vec<u64> {
        let mdls = self.mdls.lock().expect("unpoisoned");
        let runs = mdls.get(&mdl).expect("a live MDL").iter();
        runs.flat_map(|run| run.start.get()..run.start.get() + run.pages).collect()
    }
}

impl DriverMemory for Addresses {
    /// Whatever is read holds these.
    fn read(&self, _at: CpuVa, out: &mut [u8]) -> Result<(), BadAddress> {
        out.fill(0x5a);
        Ok(())
    }

    fn mdl_header(&self, mdl: CpuVa) -> Result<Mdl, BadAddress> {
        Err(BadAddress(mdl))
    }

    fn mdl_pages(&self, mdl: CpuVa, count: u64, visit: &mut dyn FnMut(Pfn)) -> Result<(), BadAddress> {
        if !self.mdls.lock().expect("unpoisoned").contains_key(&mdl.get()) {
            return Err(BadAddress(mdl));
        }
        self.pages(mdl.get()).into_iter().take(count as usize).for_each(|page| visit(Pfn::new(page)));
        Ok(())
    }

    fn build_mdl(&self, runs: &[PageRun]) -> Result<CpuVa, NoRoom> {
        let at = self.next()?;
        self.mdls.lock().expect("unpoisoned").insert(at.get(), runs.to_vec());
        Ok(at)
    }

    fn release_mdl(&self, mdl: CpuVa) {
        assert!(self.mdls.lock().expect("unpoisoned").remove(&mdl.get()).is_some());
    }

    fn build_adl(&self, _shape: AdlShape<'_>) -> Result<CpuVa, NoRoom> {
        let at = self.next()?;
        self.adls.lock().expect("unpoisoned").insert(at.get());
        Ok(at)
    }

    fn release_adl(&self, adl: CpuVa) {
        assert!(self.adls.lock().expect("unpoisoned").remove(&adl.get()));
    }

    fn map_view(&self, runs: &[PageRun], _cache: CacheType, owner: ViewOwner) -> Result<CpuVa, NoRoom> {
        if self.full.load(Ordering::Relaxed) {
            return Err(NoRoom);
        }
        let at = self.next()?;
        let frames = runs.iter().flat_map(|run| run.start.get()..run.start.get() + run.pages).collect();
        self.views.lock().expect("unpoisoned").insert(at.get(), (frames, owner));
        Ok(at)
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

    fn unmap_view(&self, base: CpuVa, _bytes: u64) {
        assert!(self.views.lock().expect("unpoisoned").remove(&base.get()).is_some());
    }

    fn map_registers(&self, _window: RegisterWindow) -> Result<CpuVa, NoRoom> {
        self.next()
    }

    fn unmap_registers(&self, _base: CpuVa, _bytes: u64) {}
}

#[derive(Default)]
pub(crate) struct Events(pub(crate) Mutex<Vec<Event>>);

impl Events {
    pub(crate) fn all(&self) -> Vec<Event> {
        self.0.lock().expect("unpoisoned").clone()
    }

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
    pub(crate) driver: Addresses,
    pub(crate) events: Events,
}

impl Default for Machine {
    fn default() -> Self {
        let range = RamRange { start: PhysAddr::new(0), bytes: RAM_BYTES, node: 0 };
        assert_eq!(RAM_BYTES % PAGE_SIZE, 0);
        Self { ram: Ram([range], Mutex::default()), driver: Addresses::default(), events: Events::default() }
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
