//! One thread of a driver.

use dxgk_abi::callback::{
    AllocateAdlFlags, ArgCbAllocateAdl, ArgCbAllocatePagesForMdl, ArgCbCreatePhysicalMemoryObject,
    ArgCbDestroyPhysicalMemoryObject, ArgCbFreeAdl, ArgCbFreePagesFromMdl, ArgCbMapMdlToIoMmu,
    ArgCbUnmapMdlFromIoMmu, MdlParameters, MemoryCachingType, PhysicalMemoryParameters,
};
use dxgk_abi::{Handle, Irql, Pointer};
use dxgk_hw::{DriverMemory, LogicalAddr, PAGE_SIZE, PageRun, RequesterId};
use dxgk_sysmm::pages::{PageOwner, PageRequest};
use dxgk_sysmm::{CallError, Caller, Policy};

use crate::Everything;
use crate::random::{Random, mix};
use crate::rig::lock;

const CALLER: Caller = Caller { irql: Irql::PASSIVE_LEVEL, process: 0, node: 0 };
/// Words of a page that carry a token: not the first, which the sweeps read.
const AT: u64 = 64;

/// An adapter that a thread may use.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) adapter: Handle,
    pub(crate) device: RequesterId,
    pub(crate) remapping: bool,
}

/// What a thread holds.
enum Held {
    Pages { handle: Handle, frames: Vec<u64> },
    Mapped { handle: Handle, mdl: u64, runs: Vec<PageRun> },
    Adl { physical: Handle, opened: Handle, adl: u64, device_pages: Vec<u64> },
}

pub(crate) struct Worker<'a> {
    bench: &'a Everything,
    places: &'a [Place],
    rng: Random,
    token: u64,
    calls: u64,
    held: Vec<(Place, Held, u64)>,
}

impl<'a> Worker<'a> {
    pub(crate) fn new(bench: &'a Everything, places: &'a [Place], number: u64) -> Self {
        Self { bench, places, rng: Random::new(number), token: number << 48, calls: 0, held: Vec::new() }
    }

    /// Returns the number of callbacks made.
    pub(crate) fn run(mut self, rounds: u64) -> u64 {
        for _ in 0..rounds {
            if self.held.len() >= 6 || (!self.held.is_empty() && self.rng.one_in(2)) {
                let nth = self.rng.below(self.held.len() as u64) as usize;
                let ending = self.held.swap_remove(nth);
                self.end(ending);
            } else {
                let place = self.rng.of(self.places);
                match self.rng.below(3) {
                    0 if !place.remapping => self.allocate(place),
                    1 if !place.remapping => self.map(place),
                    _ => self.list(place),
                }
            }
        }
        while let Some(ending) = self.held.pop() {
            self.end(ending);
        }
        self.calls
    }

    fn done<T>(&mut self, made: Result<T, CallError>) -> T {
        self.calls += 1;
        made.unwrap_or_else(|error| panic!("a callback failed: {error}"))
    }

    /// The device writes a fresh token into one of the pages, and reads it back.
    fn hold(&mut self, place: Place, held: Held) {
        self.token = mix(self.token) | 1;
        let page = match &held {
            Held::Pages { frames, .. } => *self.rng.pick(frames).expect("pages"),
            Held::Mapped { runs, .. } => runs.first().expect("pages").start.get(),
            Held::Adl { device_pages, .. } => *self.rng.pick(device_pages).expect("pages"),
        };
        let at = LogicalAddr::new(page * PAGE_SIZE + AT);
        let port = self.bench.machine.port(place.device);
        port.write(at, &self.token.to_le_bytes(), 0).expect("the page is mapped");
        assert_eq!(self.look(place, page), Some(self.token), "the device reads what it wrote");
        self.held.push((place, held, page));
    }

    fn look(&self, place: Place, page: u64) -> Option<u64> {
        let mut word = [0; 8];
        let at = LogicalAddr::new(page * PAGE_SIZE + AT);
        let read = self.bench.machine.port(place.device).read(at, &mut word, 0);
        read.ok().map(|()| u64::from_le_bytes(word))
    }

    fn allocate(&mut self, place: Place) {
        let args = ArgCbAllocatePagesForMdl {
            high_address: u64::MAX,
            total_bytes: (1 + self.rng.below(40)) * PAGE_SIZE,
            cache_type: MemoryCachingType::CACHED,
            ..ArgCbAllocatePagesForMdl::default()
        };
        let made = self.bench.sysmm.allocate_pages_for_mdl(&CALLER, place.adapter, &args);
        let made = self.done(made);
        let frames = lock(&self.bench.stage.desk.mdls)[&made.mdl.get()].1.clone();
        self.hold(place, Held::Pages { handle: made.memory_handle, frames });
    }

    /// Pages of the kernel's, mapped for the device by an MDL.
    fn map(&mut self, place: Place) {
        let request = PageRequest::anywhere(1 + self.rng.below(20));
        let runs = self.bench.pages.allocate(&request, PageOwner::Kernel).expect("pages");
        let mdl = self.bench.stage.desk.build_mdl(&runs).expect("room").get();
        let args = ArgCbMapMdlToIoMmu { mdl: Pointer(mdl), ..ArgCbMapMdlToIoMmu::default() };
        let made = self.bench.sysmm.map_mdl_to_iommu(&CALLER, place.adapter, &args);
        let handle = self.done(made);
        self.hold(place, Held::Mapped { handle, mdl, runs });
    }

    /// An object, and an ADL of it.
    fn list(&mut self, place: Place) {
        let size = (1 + self.rng.below(40)) * PAGE_SIZE;
        let mut args = ArgCbCreatePhysicalMemoryObject {
            adapter: place.adapter,
            size,
            cache_type: MemoryCachingType::CACHED,
            ..ArgCbCreatePhysicalMemoryObject::default()
        };
        let anywhere = MdlParameters { high_address: u64::MAX, ..MdlParameters::default() };
        args.set_parameters(PhysicalMemoryParameters::Mdl(anywhere));
        let made = self.bench.sysmm.create_physical_memory_object(&CALLER, &args);
        let made = self.done(made);
        let args = ArgCbAllocateAdl {
            adapter_memory_object: made.adapter_memory_object,
            size,
            flags: self.rng.of(&[AllocateAdlFlags::empty(), AllocateAdlFlags::PREFER_CONTIGUOUS]),
            ..ArgCbAllocateAdl::default()
        };
        let adl = self.bench.sysmm.allocate_adl(&CALLER, &args);
        let adl = self.done(adl).adl.get();
        let device_pages = lock(&self.bench.stage.desk.adls)[&adl].pages.clone();
        let (physical, opened) = (made.physical_memory_object, made.adapter_memory_object);
        self.hold(place, Held::Adl { physical, opened, adl, device_pages });
    }

    fn end(&mut self, (place, held, page): (Place, Held, u64)) {
        let token = self.look(place, page).expect("still mapped");
        let sysmm = &self.bench.sysmm;
        match held {
            Held::Pages { handle, .. } => {
                let args = ArgCbFreePagesFromMdl { memory_handle: handle };
                let freed = sysmm.free_pages_from_mdl(&CALLER, place.adapter, &args);
                self.done(freed);
            }
            Held::Mapped { handle, mdl, runs } => {
                // Half of the time the kernel gives the pages back while the device still reaches them.
                let early = self.rng.one_in(2);
                if early {
                    self.bench.pages.release(&runs, PageOwner::Kernel).expect("given back");
                }
                let args = ArgCbUnmapMdlFromIoMmu { memory_handle: handle };
                let unmapped = sysmm.unmap_mdl_from_iommu(&CALLER, place.adapter, &args);
                self.done(unmapped);
                self.bench.stage.desk.release_mdl(dxgk_hw::CpuVa::new(mdl));
                if !early {
                    // Nobody else's before this: the token may be there still, but no device reads it.
                    assert_eq!(self.look(place, page), None, "unmapped, and not yet given back");
                    self.bench.pages.release(&runs, PageOwner::Kernel).expect("given back");
                }
            }
            Held::Adl { physical, opened, adl, .. } => {
                let args = ArgCbFreeAdl { adapter_memory_object: opened, adl: Pointer(adl) };
                let freed = sysmm.free_adl(&CALLER, &args);
                self.done(freed);
                let args = ArgCbDestroyPhysicalMemoryObject {
                    physical_memory_object: physical,
                    adapter_memory_object: opened,
                };
                let destroyed = self.bench.sysmm.destroy_physical_memory_object(&CALLER, &args);
                self.done(destroyed);
            }
        }
        // Somebody else's page may be there by now; what this thread's device wrote is not.
        let found = self.look(place, page);
        assert!(
            found != Some(token) && found != Some(Policy::FREED),
            "after the end the device finds {found:x?}"
        );
    }
}
