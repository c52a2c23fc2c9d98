use dxgk_abi::mdl::Mdl;
use dxgk_abi::{MdlFlags, Pointer};
use dxgk_event::{Event, ObjectKind, ObjectStep};
use dxgk_hw::{AdlShape, DriverMemory, ViewOwner};

use super::*;

const TAG: u64 = 0x4c44_4d54;
const NON_PAGED: u64 = 0x40;
const KERNEL_MODE: u64 = 0;

fn page_array(mdl: u64, count: u64) -> Vec<u64> {
    (0..count).map(|index| get::<u64>(mdl + 48 + 8 * index)).collect()
}

#[test]
fn an_mdl_of_pool_lists_the_frames_that_mm_get_physical_address_says() {
    let bench = Bench::with(true, Registry::default());
    let bytes = 5 * PAGE_SIZE;
    let va = bench.call("ExAllocatePool2", &[NON_PAGED, bytes, TAG]);
    let mdl = bench.call("IoAllocateMdl", &[va + 0x123, bytes - 0x200, 0, 0, 0]);
    let header: Mdl = get(mdl);
    assert_eq!((header.start_va, header.byte_offset), (Pointer(va), 0x123));
    assert_eq!((u64::from(header.byte_count), header.page_count()), (bytes - 0x200, 5));
    assert_eq!(header.page_capacity(), 5);
    bench.call("MmBuildMdlForNonPagedPool", &[mdl]);
    let header: Mdl = get(mdl);
    assert!(header.mdl_flags.contains(MdlFlags::SOURCE_IS_NONPAGED_POOL));
    assert_eq!(header.mapped_system_va, Pointer(va + 0x123));
    let expected: Vec<u64> =
        (0..5).map(|page| bench.call("MmGetPhysicalAddress", &[va + page * PAGE_SIZE]) / PAGE_SIZE).collect();
    assert_eq!(page_array(mdl, 5), expected);
    assert!(expected.windows(2).any(|pair| pair[0] + 1 != pair[1]), "the pool is scattered in this test");
    bench.call("IoFreeMdl", &[mdl]);
    let queries = bench.events().iter().filter(|event| matches!(event, Event::PhysicalQuery(_))).count();
    assert_eq!(queries, 5);
}

#[test]
fn locking_mapping_and_unlocking_shows_the_same_bytes_and_takes_the_mapping_along() {
    let bench = Bench::with(true, Registry::default());
    let va = bench.call("ExAllocatePool2", &[NON_PAGED, 3 * PAGE_SIZE, TAG]);
    memory::write(va + 0x1ff8, &0xfeed_f00d_dead_beefu64).unwrap();
    let mdl = bench.call("IoAllocateMdl", &[va + 0x10, 2 * PAGE_SIZE, 0, 0, 0]);
    bench.call("MmProbeAndLockPages", &[mdl, KERNEL_MODE, 1]);
    assert!(get::<Mdl>(mdl).mdl_flags.contains(MdlFlags::PAGES_LOCKED | MdlFlags::WRITE_OPERATION));
    let view = bench.call("MmMapLockedPagesSpecifyCache", &[mdl, KERNEL_MODE, 1, 0, 0, 16]);
    assert_ne!(view, 0);
    assert_ne!(view, va + 0x10);
    assert_eq!(view % PAGE_SIZE, 0x10);
    assert_eq!(get::<u64>(view + 0x1ff8 - 0x10), 0xfeed_f00d_dead_beef);
    memory::write(view, &0x77u8).unwrap();
    assert_eq!(get::<u8>(va + 0x10), 0x77);
    let physical = |va: u64| bench.call("MmGetPhysicalAddress", &[va]);
    assert_eq!(physical(view), physical(va + 0x10));
    let header: Mdl = get(mdl);
    assert!(header.mdl_flags.contains(MdlFlags::MAPPED_TO_SYSTEM_VA));
    assert_eq!(header.mapped_system_va, Pointer(view));
    bench.call("MmUnlockPages", &[mdl]);
    assert!(!get::<Mdl>(mdl).mdl_flags.intersects(MdlFlags::PAGES_LOCKED | MdlFlags::MAPPED_TO_SYSTEM_VA));
    assert!(memory::read_bytes(view, &mut [0]).is_err(), "the mapping is gone");
    bench.call("IoFreeMdl", &[mdl]);
    let steps: Vec<(ObjectKind, ObjectStep)> = bench
        .events()
        .iter()
        .filter_map(|event| match event {
            Event::Object(object) if object.kind != ObjectKind::Pool => Some((object.kind, object.step)),
            _ => None,
        })
        .collect();
    let (mdl, view) = (ObjectKind::Mdl, ObjectKind::MmMapping);
    let (made, gone) = (ObjectStep::Created, ObjectStep::Released);
    assert_eq!(steps, [(mdl, made), (view, made), (view, gone), (mdl, gone)]);
}

#[test]
fn recorded_exports_leave_entry_and_return() {
    let bench = Bench::new();
    let mdl = bench.call("IoAllocateMdl", &[0x5000_0000_0123, 17, 0, 0, 0]);
    let calls: Vec<dxgk_event::Callback> = bench
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Callback(call) => Some(call),
            _ => None,
        })
        .collect();
    let [entry, back] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!(super::super::table::name_of_slot(entry.slot), Some("IoAllocateMdl"));
    assert_eq!((entry.words[0], entry.words[1]), (0x5000_0000_0123, 17));
    assert_eq!((back.slot, back.words[0], back.entry), (entry.slot, mdl, 1));
}

#[test]
fn an_mdl_is_refused_beyond_4_gib_and_freed_only_once() {
    let bench = Bench::new();
    assert_eq!(bench.call("IoAllocateMdl", &[0x5000_0000_0000, 0xffff_f001, 0, 0, 0]), 0);
    let mdl = bench.call("IoAllocateMdl", &[0x5000_0000_0000, 64, 0, 0, 0]);
    bench.call("IoFreeMdl", &[mdl]);
    assert_eq!(bench.stops("IoFreeMdl", &[mdl]).0, BugCheck::BAD_POOL_CALLER);
}

#[test]
fn locking_memory_that_is_not_there_raises_access_violation() {
    let bench = Bench::new();
    let mdl = bench.call("IoAllocateMdl", &[0x1234_5000, 64, 0, 0, 0]);
    let (code, parameters) = bench.stops("MmProbeAndLockPages", &[mdl, 1, 0]);
    assert_eq!((code, parameters[0]), (BugCheck::KMODE_EXCEPTION_NOT_HANDLED, 0xC000_0005));
}

#[test]
fn unlocking_what_is_not_locked_stops() {
    let bench = Bench::new();
    let mdl = bench.call("IoAllocateMdl", &[0x5000_0000_0000, 64, 0, 0, 0]);
    assert_eq!(bench.stops("MmUnlockPages", &[mdl]).0, BugCheck::PFN_LIST_CORRUPT);
}

#[test]
fn device_memory_is_mapped_unmapped_and_unknown_to_nobody() {
    let bench = Bench::new();
    let va = bench.call("MmMapIoSpaceEx", &[0xE000_0800, 0x1000, 0x404]);
    assert_eq!(va, 0x7000_0000_0800);
    assert_eq!(bench.call("MmGetPhysicalAddress", &[va + 0x900]), 0xE000_1100);
    assert_eq!(lock(&bench.device.mapped).len(), 1);
    bench.call("MmUnmapIoSpace", &[va, 0x1000]);
    assert_eq!(lock(&bench.device.mapped).len(), 0);
    assert_eq!(bench.call("MmMapIoSpace", &[0xF000_0000, 0x1000, 0]), 0);
    assert_eq!(bench.call("MmMapIoSpace", &[0xE000_0000, 0, 0]), 0);
    let cache = bench.events().into_iter().find_map(|event| match event {
        Event::Object(object) => Some(object.cache),
        _ => None,
    });
    assert_eq!(cache, Some(CacheType::WriteCombined as u8));
    assert_eq!(bench.stops("MmUnmapIoSpace", &[va, 0x1000]).0, BugCheck::MEMORY_MANAGEMENT);
}

/// Shows S-MCC-01, S-MCC-03, S-MCC-05.
#[test]
fn contiguous_memory_keeps_its_bounds_and_goes_back() {
    let bench = Bench::new();
    let before = bench.pages.left();
    let bounds = [0x1_8000u64, 0x10_0000, 0x1_0000];
    let name = "MmAllocateContiguousMemorySpecifyCache";
    let va = bench.call(name, &[7 * PAGE_SIZE, bounds[0], bounds[1], bounds[2], 0]);
    assert_ne!(va, 0);
    let first = bench.call("MmGetPhysicalAddress", &[va]);
    let last = bench.call("MmGetPhysicalAddress", &[va + 7 * PAGE_SIZE - 1]);
    assert_eq!(last - first, 7 * PAGE_SIZE - 1);
    assert!(first >= bounds[0] && last <= bounds[1] && first / bounds[2] == last / bounds[2]);
    bench.call("MmFreeContiguousMemory", &[va]);
    assert_eq!(bench.pages.left(), before);
    assert!(memory::read_bytes(va, &mut [0]).is_err());
    assert_eq!(bench.call("MmAllocateContiguousMemory", &[128 << 20, u64::MAX]), 0);
    assert_eq!(bench.stops("MmFreeContiguousMemory", &[va]).0, BugCheck::MEMORY_MANAGEMENT);
}

/// Shows S-APMA-09, S-ADL-01, S-ADL-02, S-ADL-05, S-ADL-06, S-ADL-07, S-ADLF-01, S-ACC-01, S-ADLF-02.
#[test]
fn the_memory_managers_lists_and_views_are_what_it_asked_for() {
    let bench = Bench::new();
    let kernel = bench.kernel();
    let runs = [PageRun::new(Pfn::new(30), 3), PageRun::new(Pfn::new(7), 1), PageRun::new(Pfn::new(8), 600)];
    let frames: Vec<u64> = runs.iter().flat_map(|run| run.start.get()..run.start.get() + run.pages).collect();
    let mdl = kernel.build_mdl(&runs).unwrap();
    let header = kernel.mdl_header(mdl).unwrap();
    assert_eq!((header.page_count(), header.page_capacity()), (604, 604));
    assert_eq!(header.mdl_flags, MdlFlags::PAGES_LOCKED);
    let mut read = Vec::new();
    kernel.mdl_pages(mdl, 604, &mut |pfn| read.push(pfn.get())).unwrap();
    assert_eq!(read, frames);

    let view = kernel.map_view(&runs, CacheType::Cached, ViewOwner::Kernel).unwrap();
    memory::write(view.get() + 3 * PAGE_SIZE + 1, &0x42u8).unwrap();
    let other =
        kernel.map_view(&[PageRun::new(Pfn::new(7), 1)], CacheType::Cached, ViewOwner::Process(4)).unwrap();
    assert_eq!(get::<u8>(other.get() + 1), 0x42);
    assert!(
        other.get() <= crate::layout::HIGHEST_USER_ADDRESS
            && view.get() > crate::layout::HIGHEST_USER_ADDRESS
    );
    kernel.unmap_view(view, 604 * PAGE_SIZE);
    assert!(memory::read_bytes(view.get(), &mut [0]).is_err());
    assert!(
        kernel
            .map_view(&[PageRun::new(Pfn::new(FRAMES - 1), 2)], CacheType::Cached, ViewOwner::Kernel)
            .is_err()
    );

    let adl = kernel.build_adl(AdlShape::Pages(&[(100, 2), (50, 1)])).unwrap();
    let array = get::<dxgk_abi::Adl>(adl.get()).pages().unwrap();
    assert_eq!(get::<[u64; 3]>(array.0), [100, 101, 50]);
    let flat = kernel.build_adl(AdlShape::Contiguous { base: 0x1234, pages: 9 }).unwrap();
    let read = get::<dxgk_abi::Adl>(flat.get());
    assert_eq!((read.base_page_number(), read.page_count), (Some(0x1234), 9));
    // No bit but the one that says which form it is.
    assert_eq!((read.flags.0, get::<dxgk_abi::Adl>(adl.get()).flags.0), (1, 0));
    // A pointer to something else is ignored.
    kernel.release_adl(mdl);
    assert_eq!(kernel.mdl_header(mdl).unwrap().page_count(), 604);
    kernel.release_mdl(mdl);
    assert!(kernel.mdl_header(mdl).is_err(), "a large list has pages of its own, which are gone");
    assert!(kernel.mdl_header(CpuVa::new(0x10)).is_err());
}

#[test]
fn a_partial_mdl_lists_the_pages_of_its_part() {
    let bench = Bench::with(true, Registry::default());
    bench.kernel().set_going_on(true);
    let va = bench.call("ExAllocatePool2", &[NON_PAGED, 6 * PAGE_SIZE, TAG]);
    let source = bench.call("IoAllocateMdl", &[va + 0x80, 6 * PAGE_SIZE - 0x100, 0, 0, 0]);
    bench.call("MmBuildMdlForNonPagedPool", &[source]);
    let part = va + 2 * PAGE_SIZE + 0x300;
    let target = bench.call("IoAllocateMdl", &[part, 2 * PAGE_SIZE, 0, 0, 0]);
    bench.call("IoBuildPartialMdl", &[source, target, part, 2 * PAGE_SIZE]);
    let header: Mdl = get(target);
    assert_eq!((header.start_va, header.byte_offset), (Pointer(va + 2 * PAGE_SIZE), 0x300));
    assert!(header.mdl_flags.contains(MdlFlags::PARTIAL | MdlFlags::SOURCE_IS_NONPAGED_POOL));
    assert_eq!(header.mapped_system_va, Pointer(part));
    assert_eq!(page_array(target, 3), page_array(source, 6)[2..5]);
    let refused = |va: u64, length: u64| {
        let before = bench.events().len();
        bench.call("IoBuildPartialMdl", &[source, target, va, length]);
        let after = bench.events();
        after[before..].iter().any(|event| matches!(event, Event::Callback(call) if call.status != 0))
    };
    assert!(refused(part, 4 * PAGE_SIZE), "the target has no room");
    assert!(refused(va, 16), "before the source");
    assert!(refused(part, 6 * PAGE_SIZE), "beyond the source");
    assert!(refused(part, 0), "the rest does not fit either");
    assert!(!refused(va + 5 * PAGE_SIZE, 0), "the last page does");
    assert_eq!(get::<Mdl>(target).byte_count, 0xf80);
}
