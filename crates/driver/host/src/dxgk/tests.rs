//! Full drivers that others wrote, found in the folder that `DXGK_DRIVERS` names; nothing of them is part of this project.
//!
//! What a driver's page table holds after an aperture was mapped is read back from RAM, as its device would.

use std::sync::Arc;

use dxgk_abi::callback::{ArgCbAllocatePagesForMdl, ArgCbFreePagesFromMdl, MemoryCachingType};
use dxgk_abi::paging::{ArgBuildPagingBuffer, MapApertureSegment, PagingParameters, UnmapApertureSegment};
use dxgk_abi::{Handle, InterfaceVersion, Irql, Pointer};
use dxgk_hw::{Bar, CpuVa, DriverMemory, MachineMemory, PAGE_SIZE, PciFunction, RequesterId, Width};
use dxgk_port::mode::{Asked, Request};
use dxgk_port::vidmm::{SegmentQuery, VideoMemory};
use dxgk_port::{AdapterSpec, DeviceContext, Port};
use dxgk_shm::{ArenaReader, Ram, RamLayout, RingReader};
use dxgk_sysmm::{Caller, PageDatabase, Platform, Policy, SysMm};

use super::{DeviceWindows, Devices, LoadedMiniport, PortState, Settings, port_entries};
use crate::image::Image;
use crate::kernel::registry::{Registry, SERVICES, text_bytes};
use crate::kernel::{DeviceKeys, DriverImage, Installed, Kernel, KernelParts, PoolKind};
use crate::layout::{Purpose, Region, RunGuard};
use crate::platform::{HostPlatform, KernelPages};
use crate::processor::Processor;
use crate::public_driver::driver;
use crate::sink::{HostSink, StackPolicy};

const REQUESTER: RequesterId = RequesterId::new(0, 3, 0);
const SERVICE: &str = "tested";

/// A function without registers.
pub(super) struct Nothing;

impl PciFunction for Nothing {
    fn requester(&self) -> RequesterId {
        REQUESTER
    }

    fn name(&self) -> &str {
        "nothing"
    }

    fn config_read(&self, _offset: u16, _width: Width) -> u64 {
        0
    }

    fn config_write(&self, _offset: u16, _width: Width, _value: u64) {}

    fn bars(&self) -> Vec<Bar> {
        Vec::new()
    }

    fn read(&self, _bar: u8, _offset: u64, width: Width) -> u64 {
        width.mask()
    }

    fn write(&self, _bar: u8, _offset: u64, _width: Width, _value: u64) {}

    fn interrupt_pending(&self) -> bool {
        false
    }

    fn advance(&self, _now: u64) {}
}

/// A machine without an IOMMU and a driver in it. Fields are dropped in order.
struct Bench {
    miniport: LoadedMiniport,
    state: Arc<PortState>,
    kernel: Arc<Kernel>,
    sysmm: Arc<SysMm<HostPlatform>>,
    ram: Arc<Ram>,
    sink: Arc<HostSink>,
    _code: (Image, Region),
    _installed: Installed,
    _processor: Processor,
    _output: (RingReader, ArenaReader),
    _guard: RunGuard,
}

impl Bench {
    fn new(name: &str, file: &[u8]) -> Self {
        let guard = RunGuard::acquire();
        let processor = Processor::attach(&guard).expect("a processor");
        let ram = Arc::new(Ram::create(&"512M".parse::<RamLayout>().expect("a layout")).expect("RAM"));
        // Nobody reads meanwhile: there is room for everything.
        let ring = RingReader::create(1 << 16).expect("a ring");
        let arena = ArenaReader::create(1 << 24).expect("an arena");
        let sink = Arc::new(HostSink::new(ring.writer(), arena.writer(), StackPolicy::None));
        let platform = Arc::new(HostPlatform::new(Arc::clone(&ram), Arc::clone(&sink)));
        let policy = Policy::default();
        let pages = PageDatabase::new(Arc::clone(&platform), &policy);
        let functions: Vec<Arc<dyn PciFunction>> = vec![Arc::new(Nothing)];
        let devices = Arc::new(Devices::new(functions, Arc::clone(&sink), &guard));
        let sysmm = Arc::new(SysMm::new(Arc::clone(&platform), Arc::clone(&pages), policy));
        let mut registry = Registry::default();
        let key = registry.create(&format!(r"{SERVICES}\{SERVICE}"));
        registry.set_dword(key, "RenderOnly", 1);
        let device = registry.create(&format!(r"{SERVICES}\{SERVICE}\Device"));
        // REG_MULTI_SZ: it ends with an empty text.
        registry.set(device, "HardwareID", 7, [text_bytes(r"PCI\VEN_1234&DEV_11E8"), vec![0, 0]].concat());
        let parts = KernelParts {
            events: Arc::clone(&sink) as _,
            ram: Arc::clone(&ram) as _,
            pages: Arc::new(KernelPages(pages)),
            io: Arc::new(DeviceWindows(Arc::clone(&devices))),
            time: Arc::clone(&devices) as _,
            registry,
            pool: PoolKind::Fast,
        };
        let kernel = Arc::new(Kernel::new(parts, &guard).expect("a kernel"));
        platform.set_kernel(Arc::clone(&kernel));
        let installed = kernel.install();
        let settings =
            Settings { offered: InterfaceVersion::WDDM3_1, stop_like_windows: false, post_display: None };
        let state = Arc::new(PortState::new(Arc::clone(&sysmm), Arc::clone(&sink), devices, settings));
        kernel.set_pager(Arc::clone(&sysmm) as _);
        kernel.set_port(Arc::clone(&state) as _);
        kernel.set_port_entries(port_entries());
        let mut images = Region::new(Purpose::Images, &guard);
        let mut resolve =
            |module: &str, import: &str| kernel.resolve(module, import).map(|export| export.address);
        let image =
            Image::load(file, name, &mut images, &mut resolve).unwrap_or_else(|error| panic!("{error}"));
        let place = DriverImage { base: image.base(), bytes: image.bytes() as u32, entry: image.entry() };
        let arguments = kernel.add_driver(SERVICE, place).expect("a driver object");
        let key = format!(r"{SERVICES}\{SERVICE}");
        let keys = DeviceKeys { hardware: format!(r"{key}\Device"), software: key };
        let miniport =
            LoadedMiniport::new(Arc::clone(&kernel), Arc::clone(&state), place.entry, arguments, vec![keys])
                .expect("a miniport");
        Self {
            miniport,
            state,
            kernel,
            sysmm,
            ram,
            sink,
            _code: (image, images),
            _installed: installed,
            _processor: processor,
            _output: (ring, arena),
            _guard: guard,
        }
    }

    fn port(&self) -> Port<'_, LoadedMiniport, HostPlatform> {
        Port {
            miniport: &self.miniport,
            sysmm: &self.sysmm,
            unit: None,
            sink: self.sink.as_ref(),
            request: Request { asked: Asked::Off, ..Request::default() },
            limit: None,
            highest_physical: self.ram.highest_physical_address().get(),
        }
    }

    /// The adapter's handle and the driver's context.
    fn adapter(&self) -> (Handle, DeviceContext) {
        let adapters = self.state.adapters();
        let (handle, adapter) = adapters.iter().next().expect("an adapter");
        (Handle(*handle), DeviceContext(adapter.context))
    }

    /// Words of the driver's memory, read from RAM.
    fn words(&self, at: u64, count: u64) -> Vec<u64> {
        let word = |index| {
            let va = CpuVa::new(at + index * 8);
            let physical = self.kernel.space().with_map(|map| map.physical(va)).expect("in RAM");
            let mut bytes = [0; 8];
            self.ram.read(physical, &mut bytes).expect("RAM");
            u64::from_le_bytes(bytes)
        };
        (0..count).map(word).collect()
    }

    fn page(&self, operation: PagingParameters) {
        let mut args = ArgBuildPagingBuffer::default();
        args.set_operation(operation);
        let device = self.adapter().1;
        assert_eq!(self.miniport.build_paging_buffer(device, &mut args), Ok(()));
        assert_eq!(args.dma_buffer, Pointer::NULL, "nothing was written");
    }
}

/// Where both drivers keep the page table of their aperture, in the adapter's context.
const PAGE_TABLE: u64 = 8;

#[test]
fn the_page_table_of_a_mapped_aperture_holds_the_pages_of_the_mdl() {
    for name in ["RosKmd.sys", "RosKmd_checked.sys", "CosKmd.sys", "CosKmd_checked.sys"] {
        let Some(file) = driver(name) else { continue };
        let bench = Bench::new(name, &file);
        bench.miniport.driver_entry().unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let port = bench.port();
        let mut logical = port.add(&[AdapterSpec { requester: REQUESTER, bars: Vec::new() }]).expect(name);
        port.start(&mut logical).expect(name);
        let (handle, device) = bench.adapter();

        let caller = Caller::new(Irql::PASSIVE_LEVEL, 0);
        let args = ArgCbAllocatePagesForMdl {
            high_address: u64::MAX,
            total_bytes: 7 * PAGE_SIZE,
            cache_type: MemoryCachingType::CACHED,
            ..ArgCbAllocatePagesForMdl::default()
        };
        let given = bench.sysmm.allocate_pages_for_mdl(&caller, handle, &args).expect("pages");
        let mut numbers = Vec::new();
        let driver_memory = bench.sysmm.platform().driver();
        driver_memory.mdl_pages(given.mdl, 7, &mut |page| numbers.push(page.get())).expect("an MDL");

        let table = device.0 + PAGE_TABLE;
        assert_eq!(bench.words(table, 8), [0; 8], "{name}: nothing is mapped at first");
        bench.page(PagingParameters::MapApertureSegment(MapApertureSegment {
            segment_id: 1,
            offset_in_pages: 2,
            number_of_pages: 4,
            mdl: Pointer(given.mdl.get()),
            mdl_offset: 3,
            ..MapApertureSegment::default()
        }));
        let mut expected = vec![0; 8];
        expected[2..6].copy_from_slice(&numbers[3..7]);
        assert_eq!(bench.words(table, 8), expected, "{name}");
        bench.page(PagingParameters::UnmapApertureSegment(UnmapApertureSegment {
            segment_id: 1,
            offset_in_pages: 3,
            number_of_pages: 3,
            ..UnmapApertureSegment::default()
        }));
        expected[3..6].fill(0);
        assert_eq!(bench.words(table, 8), expected, "{name}: what was unmapped points nowhere");
        let args = ArgCbFreePagesFromMdl { memory_handle: given.memory_handle };
        bench.sysmm.free_pages_from_mdl(&caller, handle, &args).expect("ours");

        port.stop(&mut logical).expect(name);
        port.remove(&mut logical).expect(name);
        port.unload().expect(name);
    }
}

#[test]
fn a_round_moves_contents_there_and_back_and_leaves_nothing() {
    for (name, query, aperture_pages) in
        [("RosKmd.sys", SegmentQuery::Third, 1), ("CosKmd.sys", SegmentQuery::Fourth, 0)]
    {
        let Some(file) = driver(name) else { continue };
        let bench = Bench::new(name, &file);
        bench.miniport.driver_entry().unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let port = bench.port();
        let mut logical = port.add(&[AdapterSpec { requester: REQUESTER, bars: Vec::new() }]).expect(name);
        port.start(&mut logical).expect(name);
        let device = bench.adapter().1;
        assert!(
            bench.miniport.query_segments(device, query).is_ok_and(|answer| !answer.descriptors.is_empty())
        );

        let before = bench.sysmm.statistics();
        let done = port.page(&logical).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(done.moved_bytes, 64 * 64 * 4, "{name}");
        // The paging buffer, where the driver wants it in its aperture.
        assert_eq!(done.aperture_pages, aperture_pages, "{name}");
        assert_eq!(done.submissions, 3, "{name}: a fill, in, out");
        assert_eq!(bench.sysmm.statistics().page_mappings, before.page_mappings, "{name}");
        assert_eq!(bench.sysmm.statistics().pages.driver, before.pages.driver, "{name}");
        // A second round does as the first.
        assert_eq!(port.page(&logical), Ok(done), "{name}");

        port.stop(&mut logical).expect(name);
        assert!(port.page(&logical).is_err(), "{name}: a stopped adapter is given nothing");
        port.remove(&mut logical).expect(name);
        port.unload().expect(name);
    }
}
