//! Every refusal of the callbacks, named; each leaves everything as it was.

use dxgk_abi::callback::{
    AccessMode, AllocateAdlFlags, AllocatePagesFlags, ArgCbAllocateAdl, ArgCbAllocatePagesForMdl,
    ArgCbCreatePhysicalMemoryObject, ArgCbFreePagesFromMdl, ArgCbMapMdlToIoMmu, ArgCbMapPhysicalMemory,
    ArgCbOpenPhysicalMemoryObject, ArgCbUnmapMdlFromIoMmu, ArgCbUnmapPhysicalMemory, ContiguousParameters,
    MdlParameters, MemoryCachingType, PhysicalMemoryParameters, PhysicalMemoryType,
};
use dxgk_abi::mdl::{Mdl, MdlFlags};
use dxgk_abi::{BugCheck, Handle, NtStatus, Pointer};
use dxgk_sysmm::pages::{PageOwner, PageRequest};
use dxgk_sysmm::policy::Strictness;
use dxgk_sysmm::{CallError, HandleError, HandleKind, Policy};

use crate::machine::{
    ALL_MODES, CALLER, Kind, MODES_2_4, Run, adl_args, contiguous_object, mdl_header, mdl_object, pages,
    pages_args, status,
};

/// Shows S-APM-05, S-APM-10, S-APMA-04, S-MPE-12, S-MPE-13, S-MPE-17, S-MPE-18, S-MPE-21, S-MPE-24.
#[test]
fn allocate_pages_for_mdl_refuses() {
    use AllocatePagesFlags as Flag;
    let with = |change: &dyn Fn(&mut ArgCbAllocatePagesForMdl)| {
        let mut args = pages_args(8192);
        change(&mut args);
        args
    };
    let flags = |flags: Flag, skip: u64, bytes: u64| {
        with(&|args| {
            args.flags = flags;
            args.skip_bytes = skip;
            args.total_bytes = bytes;
        })
    };
    let chunks = Flag::ALLOCATE_REQUIRE_CONTIGUOUS_CHUNKS;
    let cases: [(&str, ArgCbAllocatePagesForMdl, NtStatus); 20] = [
        ("no bytes", pages_args(0), NtStatus::INVALID_PARAMETER),
        ("4 GiB", pages_args(1 << 32), NtStatus::INVALID_PARAMETER),
        ("4 GiB less a page and a byte", pages_args((1 << 32) - 4095), NtStatus::INVALID_PARAMETER),
        ("4 GiB less a page: more than there is", pages_args((1 << 32) - 4096), NtStatus::NO_MEMORY),
        (
            "low above high",
            with(&|a| (a.low_address, a.high_address) = (8192, 4096)),
            NtStatus::INVALID_PARAMETER,
        ),
        ("a range without RAM", with(&|a| a.low_address = 1 << 40), NtStatus::NO_MEMORY),
        ("a range of page 0 only", with(&|a| a.high_address = 4095), NtStatus::NO_MEMORY),
        ("skip of half a page", with(&|a| a.skip_bytes = 2048), NtStatus::INVALID_PARAMETER),
        (
            "a skip that is negative, and no multiple of a page",
            with(&|a| a.skip_bytes = u64::MAX),
            NtStatus::INVALID_PARAMETER,
        ),
        ("every flag", flags(Flag(u32::MAX), 0, 8192), NtStatus::INVALID_PARAMETER),
        ("cache type 3", with(&|a| a.cache_type = MemoryCachingType(3)), NtStatus::INVALID_PARAMETER),
        ("hot removal", flags(Flag::ALLOCATE_AND_HOT_REMOVE, 0, 8192), NtStatus::INVALID_PARAMETER),
        ("a flag that nobody knows", flags(Flag(0x200), 0, 8192), NtStatus::INVALID_PARAMETER),
        ("chunks of three pages", flags(chunks, 12288, 12288), NtStatus::INVALID_PARAMETER),
        ("chunks that do not divide the whole", flags(chunks, 8192, 12288), NtStatus::INVALID_PARAMETER),
        ("a run longer than RAM", flags(chunks, 0, 100 << 20), NtStatus::NO_MEMORY),
        (
            "large pages without chunks",
            flags(Flag::ALLOCATE_FAST_LARGE_PAGES, 0, 2 << 20),
            NtStatus::INVALID_PARAMETER,
        ),
        (
            "large pages in small chunks",
            flags(Flag::ALLOCATE_FAST_LARGE_PAGES.union(chunks), 1 << 20, 2 << 20),
            NtStatus::INVALID_PARAMETER,
        ),
        (
            "large pages in chunks of one",
            flags(Flag::ALLOCATE_FAST_LARGE_PAGES.union(chunks), 2 << 20, 4 << 20),
            NtStatus::SUCCESS,
        ),
        (
            "trimming, which has no effect",
            flags(Flag::ALLOCATE_TRIM_IF_NECESSARY, 0, 4096),
            NtStatus::SUCCESS,
        ),
    ];
    for (name, args, expected) in cases {
        for kind in MODES_2_4 {
            let run = Run::new(kind);
            let before = run.sysmm.statistics();
            let result = run.sysmm.allocate_pages_for_mdl(&CALLER, run.lead, &args);
            assert_eq!(status(result), expected, "{name}, {kind:?}");
            if expected != NtStatus::SUCCESS {
                assert_eq!(run.sysmm.statistics(), before, "{name}, {kind:?}");
            }
        }
    }
}

/// Shows S-RMP-47.
#[test]
fn the_2_4_set_is_not_for_remapping() {
    let run = Run::new(Kind::Remapping);
    let refused = NtStatus::NOT_SUPPORTED;
    let memory_handle = Handle(1);
    let mdl = run.machine.driver.own_mdl(mdl_header(1, MdlFlags::PAGES_LOCKED), &[5]);
    let map = ArgCbMapMdlToIoMmu { mdl: Pointer(mdl), memory_handle: Handle::NULL };
    assert_eq!(status(run.sysmm.allocate_pages_for_mdl(&CALLER, run.lead, &pages_args(4096))), refused);
    let free = ArgCbFreePagesFromMdl { memory_handle };
    assert_eq!(status(run.sysmm.free_pages_from_mdl(&CALLER, run.lead, &free)), refused);
    assert_eq!(status(run.sysmm.map_mdl_to_iommu(&CALLER, run.lead, &map)), refused);
    let unmap = ArgCbUnmapMdlFromIoMmu { memory_handle };
    assert_eq!(status(run.sysmm.unmap_mdl_from_iommu(&CALLER, run.lead, &unmap)), refused);
    run.assert_balanced();
}

/// Shows S-MMI-04.
#[test]
fn map_mdl_to_iommu_refuses() {
    let locked = MdlFlags::PAGES_LOCKED;
    let both = locked.union(MdlFlags::SOURCE_IS_NONPAGED_POOL);
    for kind in MODES_2_4 {
        let run = Run::new(kind);
        let pool = run.pages.allocate(&PageRequest::anywhere(2), PageOwner::Kernel).expect("room");
        let good: Vec<u64> = pages(&pool).collect();
        let free_page = (1..0x4000).find(|page| !good.contains(page)).expect("one");
        let table = dxgk_hw::FrameSource::take_frame(&*run.pages).expect("room").get();
        let header = mdl_header(2, locked);
        let cases: [(&str, Mdl, Vec<u64>); 13] = [
            ("a chain", Mdl { next: Pointer(0x1000), ..header }, good.clone()),
            ("an empty buffer", Mdl { byte_count: 0, ..header }, good.clone()),
            ("an offset of a page", Mdl { byte_offset: 4096, byte_count: 4096, ..header }, good.clone()),
            ("a size without room for the array", Mdl { size: 48 + 8, ..header }, good.clone()),
            ("pages that are not locked", mdl_header(2, MdlFlags::MAPPED_TO_SYSTEM_VA), good.clone()),
            ("locked and of nonpaged pool", mdl_header(2, both), good.clone()),
            ("device memory", mdl_header(2, locked.union(MdlFlags::IO_SPACE)), good.clone()),
            ("a page that is no RAM", header, vec![good[0], 0x8_0000]),
            ("a number that is no page", header, vec![good[0], u64::MAX]),
            ("page 0", header, vec![good[0], 0]),
            ("a free page", header, vec![good[0], free_page]),
            ("a translation table", header, vec![good[0], table]),
            ("an array that ends too early", header, vec![good[0]]),
        ];
        let before = run.sysmm.statistics();
        for (name, header, list) in cases {
            let mdl = run.machine.driver.own_mdl(header, &list);
            let args = ArgCbMapMdlToIoMmu { mdl: Pointer(mdl), memory_handle: Handle::NULL };
            let result = run.sysmm.map_mdl_to_iommu(&CALLER, run.lead, &args);
            assert_eq!(status(result), NtStatus::INVALID_PARAMETER, "{name}, {kind:?}");
            assert_eq!(run.sysmm.statistics(), before, "{name}, {kind:?}");
        }
        for pointer in [0, 0xdead_0000] {
            let args = ArgCbMapMdlToIoMmu { mdl: Pointer(pointer), memory_handle: Handle::NULL };
            let result = run.sysmm.map_mdl_to_iommu(&CALLER, run.lead, &args);
            assert_eq!(status(result), NtStatus::INVALID_PARAMETER, "MDL at {pointer:#x}");
        }
        let mdl = run.machine.driver.own_mdl(header, &good);
        let args = ArgCbMapMdlToIoMmu { mdl: Pointer(mdl), memory_handle: Handle::NULL };
        let linked = run.sysmm.map_mdl_to_iommu(&CALLER, run.linked, &args);
        assert_eq!(status(linked), NtStatus::INVALID_HANDLE, "a linked adapter that is not the lead");
        // The held pages of `release` are still used: a mapped page cannot be pinned away from its owner.
        let mapped = run.sysmm.map_mdl_to_iommu(&CALLER, run.lead, &args).expect("a good MDL");
        let unmap = ArgCbUnmapMdlFromIoMmu { memory_handle: mapped };
        assert_eq!(
            status(run.sysmm.unmap_mdl_from_iommu(&CALLER, run.linked, &unmap)),
            NtStatus::INVALID_HANDLE
        );
        run.sysmm.unmap_mdl_from_iommu(&CALLER, run.lead, &unmap).expect("live");
    }
}

/// Shows S-FPM-03.
#[test]
fn handles_that_are_stale_foreign_or_of_another_kind_are_refused_and_told_apart() {
    let run = Run::new(Kind::Isolation);
    let made = run.sysmm.allocate_pages_for_mdl(&CALLER, run.lead, &pages_args(4096)).expect("room");
    let free = ArgCbFreePagesFromMdl { memory_handle: made.memory_handle };
    let as_map = ArgCbUnmapMdlFromIoMmu { memory_handle: made.memory_handle };
    let refused = NtStatus::INVALID_HANDLE;
    assert_eq!(status(run.sysmm.unmap_mdl_from_iommu(&CALLER, run.lead, &as_map)), refused);
    assert_eq!(
        run.sysmm.inspect_handle(made.memory_handle, HandleKind::MdlMap),
        Err(HandleError::WrongKind(HandleKind::MdlPages))
    );
    let other = run.sysmm.add_logical_adapter();
    let stranger = run.sysmm.add_adapter(other, true, &[]).expect("room").handle;
    assert_eq!(status(run.sysmm.free_pages_from_mdl(&CALLER, stranger, &free)), refused);
    run.sysmm.free_pages_from_mdl(&CALLER, run.lead, &free).expect("live");
    assert_eq!(status(run.sysmm.free_pages_from_mdl(&CALLER, run.lead, &free)), refused);
    assert_eq!(run.sysmm.inspect_handle(made.memory_handle, HandleKind::MdlPages), Err(HandleError::Stale));
    let again = run.sysmm.allocate_pages_for_mdl(&CALLER, run.lead, &pages_args(4096)).expect("room");
    assert_ne!(again.memory_handle, made.memory_handle);
    assert_eq!(status(run.sysmm.free_pages_from_mdl(&CALLER, run.lead, &free)), refused);
    for nonsense in [Handle(0), Handle(4), Handle(0x1000), Handle(u64::MAX), run.lead] {
        let free = ArgCbFreePagesFromMdl { memory_handle: nonsense };
        assert_eq!(status(run.sysmm.free_pages_from_mdl(&CALLER, run.lead, &free)), refused, "{nonsense:?}");
        if nonsense != run.lead {
            let result = run.sysmm.allocate_pages_for_mdl(&CALLER, nonsense, &pages_args(4096));
            assert_eq!(status(result), refused, "{nonsense:?} as an adapter");
        }
    }
}

/// Shows S-B1E4-01, S-CPO-02.
#[test]
fn create_physical_memory_object_refuses() {
    let change = |mut args: ArgCbCreatePhysicalMemoryObject,
                  how: &dyn Fn(&mut ArgCbCreatePhysicalMemoryObject)| {
        how(&mut args);
        args
    };
    for kind in ALL_MODES {
        let run = Run::new(kind);
        let mdl = mdl_object(run.lead, 8192);
        let contiguous = contiguous_object(run.lead, 8192);
        let with = |boundary: u64, low: u64, high: u64, bytes: u64| {
            change(contiguous, &|args| {
                args.size = bytes;
                args.set_parameters(PhysicalMemoryParameters::Contiguous(ContiguousParameters {
                    lowest_acceptable_address: low,
                    highest_acceptable_address: high,
                    boundary_address_multiple: boundary,
                }));
            })
        };
        let hot = MdlParameters {
            high_address: u64::MAX,
            flags: AllocatePagesFlags::ALLOCATE_AND_HOT_REMOVE,
            ..MdlParameters::default()
        };
        let cases = [
            ("an unknown adapter", change(mdl, &|a| a.adapter = Handle(8)), NtStatus::INVALID_HANDLE),
            ("no bytes", change(mdl, &|a| a.size = 0), NtStatus::INVALID_PARAMETER),
            (
                "cache type 9",
                change(mdl, &|a| a.cache_type = MemoryCachingType(9)),
                NtStatus::INVALID_PARAMETER,
            ),
            ("type 4", change(mdl, &|a| a.kind = PhysicalMemoryType(4)), NtStatus::INVALID_PARAMETER),
            (
                "a section whose protection is all zeroes",
                change(mdl, &|a| a.kind = PhysicalMemoryType::SECTION),
                NtStatus::INVALID_PARAMETER,
            ),
            (
                "page 0 as I/O space",
                change(mdl, &|a| a.kind = PhysicalMemoryType::IO_SPACE),
                NtStatus::ACCESS_DENIED,
            ),
            (
                "hot removal",
                change(mdl, &|a| a.set_parameters(PhysicalMemoryParameters::Mdl(hot))),
                NtStatus::INVALID_PARAMETER,
            ),
            ("more than there is", change(mdl, &|a| a.size = u64::MAX), NtStatus::NO_MEMORY),
            ("a boundary of three pages", with(12288, 0, u64::MAX, 4096), NtStatus::INVALID_PARAMETER),
            ("a boundary inside a page", with(2048, 0, u64::MAX, 4096), NtStatus::INVALID_PARAMETER),
            ("a boundary smaller than the run", with(4096, 0, u64::MAX, 8192), NtStatus::NO_MEMORY),
            ("limits the wrong way round", with(0, 8192, 4096, 4096), NtStatus::INVALID_PARAMETER),
            ("a range of a byte less than the run", with(0, 4096, 12286, 8192), NtStatus::NO_MEMORY),
        ];
        for (name, args, expected) in cases {
            let result = run.sysmm.create_physical_memory_object(&CALLER, &args);
            assert_eq!(status(result), expected, "{name}, {kind:?}");
            run.assert_balanced();
        }
    }
    let strict = Policy { strictness: Strictness::Windows, ..Policy::default() };
    let run = Run::with(Kind::Remapping, strict, &[(0, 1 << 24, 0)]);
    let unknown = change(mdl_object(run.lead, 4096), &|a| a.kind = PhysicalMemoryType(4));
    assert_eq!(
        run.sysmm.create_physical_memory_object(&CALLER, &unknown),
        Err(CallError::BugCheck {
            code: BugCheck::VIDEO_DXGKRNL_SYSMM_FATAL_ERROR,
            parameters: [1, 0, 0, 0]
        })
    );
}

/// Shows S-AAD-03, S-AADA-02, S-AADA-03, S-AADA-06, S-AADA-09.
#[test]
fn allocate_adl_refuses() {
    for kind in ALL_MODES {
        let run = Run::new(kind);
        let made =
            run.sysmm.create_physical_memory_object(&CALLER, &mdl_object(run.lead, 4 << 12)).expect("room");
        let (physical, opened) = (made.physical_memory_object, made.adapter_memory_object);
        let flagged = |flags| ArgCbAllocateAdl { flags, ..adl_args(opened, 0, 4096) };
        let before = run.sysmm.statistics();
        let cases = [
            ("the physical object's handle", adl_args(physical, 0, 4096), NtStatus::INVALID_HANDLE),
            ("null", adl_args(Handle::NULL, 0, 4096), NtStatus::INVALID_HANDLE),
            ("no bytes", adl_args(opened, 0, 0), NtStatus::INVALID_PARAMETER),
            ("half a page", adl_args(opened, 0, 2048), NtStatus::INVALID_PARAMETER),
            ("an offset of half a page", adl_args(opened, 2048, 4096), NtStatus::INVALID_PARAMETER),
            ("a page too many", adl_args(opened, 0, 5 << 12), NtStatus::INVALID_PARAMETER),
            ("a range behind the end", adl_args(opened, 4 << 12, 4096), NtStatus::INVALID_PARAMETER),
            ("an overflow", adl_args(opened, !4095, 8192), NtStatus::INVALID_PARAMETER),
            ("a reserved flag", flagged(AllocateAdlFlags(4)), NtStatus::INVALID_PARAMETER),
            (
                "RequireContiguous on pages",
                flagged(AllocateAdlFlags::REQUIRE_CONTIGUOUS),
                NtStatus::INVALID_PARAMETER,
            ),
        ];
        for (name, args, expected) in cases {
            assert_eq!(status(run.sysmm.allocate_adl(&CALLER, &args)), expected, "{name}, {kind:?}");
            assert_eq!(run.sysmm.statistics(), before, "{name}, {kind:?}");
        }
        run.machine.driver.full.store(true, std::sync::atomic::Ordering::Relaxed);
        let result = run.sysmm.allocate_adl(&CALLER, &adl_args(opened, 0, 4096));
        assert_eq!(status(result), NtStatus::INSUFFICIENT_RESOURCES);
        assert_eq!(run.sysmm.statistics(), before);
    }
}

/// Shows S-MPM-03.
#[test]
fn views_refuse() {
    let run = Run::new(Kind::Remapping);
    let made =
        run.sysmm.create_physical_memory_object(&CALLER, &mdl_object(run.lead, 2 << 12)).expect("room");
    let physical_memory_object = made.physical_memory_object;
    let wanted = |offset: u64, size: u64, mode: u32| ArgCbMapPhysicalMemory {
        physical_memory_object,
        access_mode: AccessMode(mode),
        offset,
        size,
        ..ArgCbMapPhysicalMemory::default()
    };
    let cases = [
        ("no bytes", wanted(0, 0, 0), NtStatus::INVALID_PARAMETER),
        ("a byte too many", wanted(1, 2 << 12, 0), NtStatus::INVALID_PARAMETER),
        ("an overflow", wanted(u64::MAX, 2, 0), NtStatus::INVALID_PARAMETER),
        ("an unknown mode", wanted(0, 1, 2), NtStatus::INVALID_PARAMETER),
        ("a mode of all ones", wanted(0, 1, u32::MAX), NtStatus::INVALID_PARAMETER),
    ];
    for (name, args, expected) in cases {
        assert_eq!(status(run.sysmm.map_physical_memory(&CALLER, &args)), expected, "{name}");
    }
    let view = run.sysmm.map_physical_memory(&CALLER, &wanted(4095, 2, 0)).expect("room");
    assert_eq!((view.offset, view.size), (4095, 2 << 12));
    let unmap = |base: u64, size: u64| ArgCbUnmapPhysicalMemory {
        physical_memory_object,
        base_address: Pointer(base),
        size,
    };
    let base = view.mapped_address.get();
    let refused = NtStatus::INVALID_PARAMETER;
    assert_eq!(status(run.sysmm.unmap_physical_memory(&CALLER, &unmap(base + 4095, 2 << 12))), refused);
    assert_eq!(status(run.sysmm.unmap_physical_memory(&CALLER, &unmap(base, 2))), refused);
    run.sysmm.unmap_physical_memory(&CALLER, &unmap(base, 2 << 12)).expect("as it was mapped");
    assert_eq!(status(run.sysmm.unmap_physical_memory(&CALLER, &unmap(base, 2 << 12))), refused);
}

#[test]
fn nothing_works_after_the_stop_and_everything_after_the_next_start() {
    let run = Run::new(Kind::Isolation);
    let made = run.sysmm.create_physical_memory_object(&CALLER, &mdl_object(run.lead, 4096)).expect("room");
    let pages = run.sysmm.allocate_pages_for_mdl(&CALLER, run.lead, &pages_args(4096)).expect("room");
    run.sysmm.stop_adapter(run.lead).expect("live");
    let stopped = NtStatus::DEVICE_NOT_READY;
    let free = ArgCbFreePagesFromMdl { memory_handle: pages.memory_handle };
    assert_eq!(status(run.sysmm.allocate_pages_for_mdl(&CALLER, run.lead, &pages_args(4096))), stopped);
    assert_eq!(status(run.sysmm.free_pages_from_mdl(&CALLER, run.lead, &free)), stopped);
    assert_eq!(
        status(run.sysmm.allocate_adl(&CALLER, &adl_args(made.adapter_memory_object, 0, 4096))),
        stopped
    );
    let open = ArgCbOpenPhysicalMemoryObject {
        physical_memory_object: made.physical_memory_object,
        adapter: run.lead,
        adapter_memory_object: Handle::NULL,
    };
    assert_eq!(status(run.sysmm.open_physical_memory_object(&CALLER, &open)), stopped);
    assert_eq!(status(run.sysmm.get_device_information(&CALLER, run.lead)), stopped);
    run.sysmm.start_adapter(run.lead).expect("live");
    run.sysmm.free_pages_from_mdl(&CALLER, run.lead, &free).expect("live");
}
