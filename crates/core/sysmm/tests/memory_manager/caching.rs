//! How views are cached, whose they are, and where they begin.

use dxgk_abi::callback::{ArgCbCreatePhysicalMemoryObject, ArgCbMapPhysicalMemory, MemoryCachingType};
use dxgk_event::{Event, ObjectKind, ObjectStep};
use dxgk_hw::{CacheType, CpuVa, ViewOwner};
use dxgk_sysmm::Caller;
use dxgk_sysmm::callbacks::MapMemoryArgs;

use crate::machine::{ALL_MODES, BAR, CALLER, Kind, Run, contiguous_object};

const TYPES: [(u32, CacheType); 3] =
    [(0, CacheType::NonCached), (1, CacheType::Cached), (2, CacheType::WriteCombined)];

/// How the latest view was to be made.
fn latest(run: &Run) -> Option<(CacheType, ViewOwner)> {
    run.machine.driver.made.lock().expect("unpoisoned").last().copied()
}

/// The first frame of the latest object of the kind.
fn first_frame(run: &Run, kind: ObjectKind) -> u64 {
    let number = run.machine.sink.latest(kind);
    let events = run.machine.sink.events.lock().expect("unpoisoned");
    let list = events.iter().find_map(|event| match event {
        Event::Object(object) if object.object == number && object.step == ObjectStep::Created => {
            Some(object.pages)
        }
        _ => None,
    });
    run.machine.sink.arena.lock().expect("unpoisoned")[list.expect("created").first as usize]
}

/// Shows S-CCH-01, S-CCH-02, S-CCH-03, S-CPOA-08, S-MPM-02.
#[test]
fn a_view_is_cached_as_its_object_was_created() {
    for kind in ALL_MODES {
        let run = Run::new(kind);
        for (number, cache) in TYPES {
            let args = ArgCbCreatePhysicalMemoryObject {
                cache_type: MemoryCachingType(number),
                ..contiguous_object(run.lead, 8192)
            };
            let made = run.sysmm.create_physical_memory_object(&CALLER, &args).expect("room");
            let map = ArgCbMapPhysicalMemory {
                physical_memory_object: made.physical_memory_object,
                size: 1,
                ..ArgCbMapPhysicalMemory::default()
            };
            run.sysmm.map_physical_memory(&CALLER, &map).expect("room");
            assert_eq!(latest(&run), Some((cache, ViewOwner::Kernel)), "{kind:?}");
        }
    }
}

/// Shows S-MPM-01, S-MPMA-03, S-MPMA-04, S-MPMA-08, S-MPMA-05.
#[test]
fn a_view_begins_at_the_page_that_holds_the_first_byte() {
    let run = Run::new(Kind::Isolation);
    let made = run
        .sysmm
        .create_physical_memory_object(&CALLER, &contiguous_object(run.lead, 8 << 12))
        .expect("room");
    let frame = first_frame(&run, ObjectKind::PhysicalMemory);
    for (offset, size) in [(0, 1), (4095, 1), (4096, 4096), (0x5123, 0x2000)] {
        let map = ArgCbMapPhysicalMemory {
            physical_memory_object: made.physical_memory_object,
            offset,
            size,
            ..ArgCbMapPhysicalMemory::default()
        };
        let view = run.sysmm.map_physical_memory(&CALLER, &map).expect("room");
        assert_eq!((view.mapped_address.get() % 4096, view.offset), (0, offset % 4096));
        let views = run.machine.driver.views.lock().expect("unpoisoned");
        let behind = views.get(&view.mapped_address.get()).copied();
        assert_eq!(behind, Some((view.size, frame + offset / 4096)), "{offset:#x}");
    }
}

fn window(cache_type: u32, map_to_user_mode: bool) -> MapMemoryArgs {
    MapMemoryArgs { translated_address: BAR, length: 4096, in_io_space: false, map_to_user_mode, cache_type }
}

/// Shows S-MAP-06, S-MAP-07, S-MAP-10.
#[test]
fn registers_are_cached_as_asked_for_and_belong_to_the_system_or_to_the_current_process() {
    let run = Run::new(Kind::Passthrough);
    for (number, cache) in TYPES {
        for (user, owner) in [(false, ViewOwner::Kernel), (true, ViewOwner::Process(CALLER.process))] {
            run.sysmm.map_memory(&CALLER, run.lead, &window(number, user)).expect("room");
            assert_eq!(latest(&run), Some((cache, owner)));
        }
    }
}

/// Shows S-MAP-08, S-UNM-04, S-MAP-09.
#[test]
fn ports_have_no_view_in_any_process_and_every_address_is_unmapped_by_the_same_call() {
    let run = Run::new(Kind::Passthrough);
    let stranger = Caller { process: CALLER.process + 1, ..CALLER };
    for user in [false, true] {
        let ports =
            MapMemoryArgs { translated_address: 0xc000, length: 4, in_io_space: true, ..window(1, user) };
        let mapped = run.sysmm.map_memory(&CALLER, run.lead, &ports).expect("ports");
        assert_eq!((mapped, latest(&run)), (CpuVa::new(0xc000), None), "a number, no view");
        run.sysmm.unmap_memory(&stranger, run.lead, mapped).expect("nobody's in particular");
    }
    for user in [false, true] {
        let mapped = run.sysmm.map_memory(&CALLER, run.lead, &window(0, user)).expect("room");
        run.sysmm.unmap_memory(&CALLER, run.lead, mapped).expect("live");
    }
    run.assert_balanced();
}
