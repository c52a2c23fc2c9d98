//! The calls, each with what it needs before and how what it made is unmade.

use dxgk_abi::callback::{
    AllocateAdlFlags, ArgCbAllocateAdl, ArgCbAllocatePagesForMdl, ArgCbClosePhysicalMemoryObject,
    ArgCbCreatePhysicalMemoryObject, ArgCbDestroyPhysicalMemoryObject, ArgCbFreeAdl, ArgCbFreePagesFromMdl,
    ArgCbMapMdlToIoMmu, ArgCbMapPhysicalMemory, ArgCbOpenPhysicalMemoryObject, ArgCbUnmapMdlFromIoMmu,
    ArgCbUnmapPhysicalMemory, ContiguousParameters, MdlParameters, MemoryCachingType,
    PhysicalMemoryParameters,
};
use dxgk_abi::{Handle, Pointer};
use dxgk_hw::{Attachment, DriverMemory, PAGE_SIZE};
use dxgk_sysmm::Addressing;
use dxgk_sysmm::callbacks::{AllocatedAdl, CreatedPhysicalMemory, MapMemoryArgs};
use dxgk_sysmm::pages::{PageOwner, PageRequest};

use crate::walk::{BAR, CALLER, MIB, Mode, Walk};

pub(crate) struct Act {
    pub(crate) name: &'static str,
    /// Not usable in remapping mode.
    pub(crate) isolation_set: bool,
    pub(crate) run: fn(&mut Walk),
    /// Points over all modes below which the walk has lost something.
    pub(crate) least: u64,
}

/// Enough for several leaf tables, at scattered places.
const SIZE: u64 = 3 * MIB;

pub(crate) const ALL: &[Act] = &[
    Act { name: "AllocatePagesForMdl", isolation_set: true, run: allocate_pages_for_mdl, least: 10 },
    Act { name: "MapMdlToIoMmu", isolation_set: true, run: map_mdl, least: 5 },
    Act { name: "CreatePhysicalMemoryObject(MDL)", isolation_set: false, run: create_mdl, least: 9 },
    Act {
        name: "CreatePhysicalMemoryObject(CONTIGUOUS)",
        isolation_set: false,
        run: create_contiguous,
        least: 9,
    },
    Act {
        name: "CreatePhysicalMemoryObject(no adapter)",
        isolation_set: false,
        run: create_unowned,
        least: 6,
    },
    Act { name: "OpenPhysicalMemoryObject", isolation_set: false, run: open, least: 3 },
    Act { name: "AllocateAdl", isolation_set: false, run: allocate_adl, least: 10 },
    Act {
        name: "AllocateAdl(RequireContiguous)",
        isolation_set: false,
        run: allocate_contiguous_adl,
        least: 8,
    },
    Act { name: "MapPhysicalMemory", isolation_set: false, run: map_physical_memory, least: 3 },
    Act { name: "MapMemory", isolation_set: false, run: map_memory, least: 3 },
    Act { name: "the late switch to isolation", isolation_set: true, run: switch_late, least: 8 },
];

fn pages(bytes: u64) -> ArgCbAllocatePagesForMdl {
    ArgCbAllocatePagesForMdl {
        high_address: u64::MAX,
        total_bytes: bytes,
        cache_type: MemoryCachingType::CACHED,
        ..ArgCbAllocatePagesForMdl::default()
    }
}

fn allocate_pages_for_mdl(walk: &mut Walk) {
    let (args, lead) = (pages(SIZE), walk.lead);
    let made = walk.call(|bench| bench.sysmm.allocate_pages_for_mdl(&CALLER, lead, &args));
    let free = ArgCbFreePagesFromMdl { memory_handle: made.memory_handle };
    walk.bench.sysmm.free_pages_from_mdl(&CALLER, lead, &free).expect("freed");
}

/// An MDL of the kernel's pages, which nothing maps yet.
fn map_mdl(walk: &mut Walk) {
    let lead = walk.lead;
    let runs = walk.bench.pages.allocate(&PageRequest::anywhere(SIZE / PAGE_SIZE), PageOwner::Kernel);
    let runs = runs.expect("pages");
    let mdl = walk.bench.stage.desk.build_mdl(&runs).expect("room");
    let map = ArgCbMapMdlToIoMmu { mdl: Pointer(mdl.get()), ..ArgCbMapMdlToIoMmu::default() };
    let handle = walk.call(|bench| bench.sysmm.map_mdl_to_iommu(&CALLER, lead, &map));
    let unmap = ArgCbUnmapMdlFromIoMmu { memory_handle: handle };
    walk.bench.sysmm.unmap_mdl_from_iommu(&CALLER, lead, &unmap).expect("unmapped");
    walk.bench.stage.desk.release_mdl(mdl);
    walk.bench.pages.release(&runs, PageOwner::Kernel).expect("given back");
}

fn object(adapter: Handle, parameters: PhysicalMemoryParameters) -> ArgCbCreatePhysicalMemoryObject {
    let mut args = ArgCbCreatePhysicalMemoryObject {
        adapter,
        size: SIZE,
        cache_type: MemoryCachingType::CACHED,
        ..ArgCbCreatePhysicalMemoryObject::default()
    };
    args.set_parameters(parameters);
    args
}

fn mdl(adapter: Handle) -> ArgCbCreatePhysicalMemoryObject {
    let parameters = MdlParameters { high_address: u64::MAX, ..MdlParameters::default() };
    object(adapter, PhysicalMemoryParameters::Mdl(parameters))
}

fn contiguous(adapter: Handle) -> ArgCbCreatePhysicalMemoryObject {
    let parameters =
        ContiguousParameters { highest_acceptable_address: u64::MAX, ..ContiguousParameters::default() };
    object(adapter, PhysicalMemoryParameters::Contiguous(parameters))
}

fn destroy(walk: &Walk, made: CreatedPhysicalMemory) {
    let args = ArgCbDestroyPhysicalMemoryObject {
        physical_memory_object: made.physical_memory_object,
        adapter_memory_object: made.adapter_memory_object,
    };
    walk.bench.sysmm.destroy_physical_memory_object(&CALLER, &args).expect("destroyed");
}

fn create(walk: &mut Walk, args: &ArgCbCreatePhysicalMemoryObject) {
    let made = walk.call(|bench| bench.sysmm.create_physical_memory_object(&CALLER, args));
    destroy(walk, made);
}

fn create_mdl(walk: &mut Walk) {
    create(walk, &mdl(walk.lead));
}

fn create_contiguous(walk: &mut Walk) {
    create(walk, &contiguous(walk.lead));
}

fn create_unowned(walk: &mut Walk) {
    create(walk, &mdl(Handle::NULL));
}

fn open(walk: &mut Walk) {
    let lead = walk.lead;
    let made =
        walk.bench.sysmm.create_physical_memory_object(&CALLER, &mdl(Handle::NULL)).expect("an object");
    let args = ArgCbOpenPhysicalMemoryObject {
        physical_memory_object: made.physical_memory_object,
        adapter: lead,
        ..ArgCbOpenPhysicalMemoryObject::default()
    };
    let opened = walk.call(|bench| bench.sysmm.open_physical_memory_object(&CALLER, &args));
    let close = ArgCbClosePhysicalMemoryObject { adapter_memory_object: opened };
    walk.bench.sysmm.close_physical_memory_object(&CALLER, &close).expect("closed");
    destroy(walk, made);
}

fn adl(walk: &mut Walk, object: &ArgCbCreatePhysicalMemoryObject, flags: AllocateAdlFlags) {
    let made = walk.bench.sysmm.create_physical_memory_object(&CALLER, object).expect("an object");
    let args = ArgCbAllocateAdl {
        adapter_memory_object: made.adapter_memory_object,
        size: SIZE,
        flags,
        ..ArgCbAllocateAdl::default()
    };
    let AllocatedAdl { adl, .. } = walk.call(|bench| bench.sysmm.allocate_adl(&CALLER, &args));
    let free = ArgCbFreeAdl { adapter_memory_object: made.adapter_memory_object, adl: Pointer(adl.get()) };
    walk.bench.sysmm.free_adl(&CALLER, &free).expect("freed");
    destroy(walk, made);
}

fn allocate_adl(walk: &mut Walk) {
    adl(walk, &mdl(walk.lead), AllocateAdlFlags::empty());
}

fn allocate_contiguous_adl(walk: &mut Walk) {
    adl(walk, &contiguous(walk.lead), AllocateAdlFlags::REQUIRE_CONTIGUOUS);
}

fn map_physical_memory(walk: &mut Walk) {
    let made = walk.bench.sysmm.create_physical_memory_object(&CALLER, &mdl(walk.lead)).expect("an object");
    let args = ArgCbMapPhysicalMemory {
        physical_memory_object: made.physical_memory_object,
        size: SIZE,
        ..ArgCbMapPhysicalMemory::default()
    };
    let view = walk.call(|bench| bench.sysmm.map_physical_memory(&CALLER, &args));
    let unmap = ArgCbUnmapPhysicalMemory {
        physical_memory_object: made.physical_memory_object,
        base_address: Pointer(view.mapped_address.get()),
        size: view.size,
    };
    walk.bench.sysmm.unmap_physical_memory(&CALLER, &unmap).expect("unmapped");
    destroy(walk, made);
}

fn map_memory(walk: &mut Walk) {
    let lead = walk.lead;
    let args = MapMemoryArgs {
        translated_address: BAR,
        length: 0x100,
        in_io_space: false,
        map_to_user_mode: false,
        cache_type: 0,
    };
    let at = walk.call(|bench| bench.sysmm.map_memory(&CALLER, lead, &args));
    walk.bench.sysmm.unmap_memory(&CALLER, lead, at).expect("unmapped");
}

/// With pages, an object and an ADL alive.
fn switch_late(walk: &mut Walk) {
    let (lead, logical) = (walk.lead, walk.logical);
    if walk.mode != Mode::Passthrough {
        return;
    }
    let held = walk.bench.sysmm.allocate_pages_for_mdl(&CALLER, lead, &pages(SIZE)).expect("pages");
    let made = walk.bench.sysmm.create_physical_memory_object(&CALLER, &mdl(lead)).expect("an object");
    let args = ArgCbAllocateAdl {
        adapter_memory_object: made.adapter_memory_object,
        size: SIZE,
        ..ArgCbAllocateAdl::default()
    };
    let adl = walk.bench.sysmm.allocate_adl(&CALLER, &args).expect("an ADL").adl;
    let domain = walk.bench.unit.create_domain().expect("a domain");
    walk.call(|bench| bench.sysmm.set_mode(logical, Addressing::Isolation { domain: domain.clone() }));
    walk.attach(Attachment::Domain(domain));
    let free = ArgCbFreeAdl { adapter_memory_object: made.adapter_memory_object, adl: Pointer(adl.get()) };
    walk.bench.sysmm.free_adl(&CALLER, &free).expect("freed");
    destroy(walk, made);
    let free = ArgCbFreePagesFromMdl { memory_handle: held.memory_handle };
    walk.bench.sysmm.free_pages_from_mdl(&CALLER, lead, &free).expect("freed");
    // The mode stays until the adapter has gone.
    walk.attach(Attachment::PassThrough);
    walk.bench.sysmm.remove_adapter(lead).expect("removed");
    walk.bench.sysmm.remove_logical_adapter(logical).expect("removed");
}
