//! MapMemory and UnmapMemory.

use dxgk_abi::NtStatus;
use dxgk_event::{Event, ObjectKind};
use dxgk_hw::CpuVa;
use dxgk_sysmm::callbacks::MapMemoryArgs;
use dxgk_sysmm::{CallError, Caller};

use crate::machine::{ALL_MODES, BAR, CALLER, Kind, MIB, Run};

fn window(translated_address: u64, length: u32) -> MapMemoryArgs {
    MapMemoryArgs { translated_address, length, in_io_space: false, map_to_user_mode: false, cache_type: 0 }
}

fn ports(translated_address: u64, length: u32) -> MapMemoryArgs {
    MapMemoryArgs { in_io_space: true, cache_type: 77, ..window(translated_address, length) }
}

/// Shows S-MAP-01, S-MAP-03, S-MAP-04, S-MAP-05, S-MAP-15.
#[test]
fn map_memory_refuses() {
    let (bad, denied) = (NtStatus::INVALID_PARAMETER, NtStatus::ACCESS_DENIED);
    let end = BAR + MIB;
    for kind in ALL_MODES {
        let run = Run::new(kind);
        let cases = [
            ("no bytes", window(BAR, 0), bad),
            ("an overflow", window(u64::MAX - 1, 4), bad),
            ("cache type 3", MapMemoryArgs { cache_type: 3, ..window(BAR, 4) }, bad),
            ("a byte before the resource", window(BAR - 1, 4), denied),
            ("a byte behind it", window(end - 3, 4), denied),
            ("RAM", window(0x10_0000, 4096), denied),
            ("memory as ports", ports(BAR, 4), denied),
            ("ports as memory", window(0xc000, 4), denied),
            ("a port behind the range", ports(0xc01f, 2), denied),
        ];
        for (name, args, expected) in cases {
            let result = run.sysmm.map_memory(&CALLER, run.lead, &args);
            assert_eq!(result, Err(CallError::Status(expected)), "{name}, {kind:?}");
        }
        let other = run.sysmm.map_memory(&CALLER, run.linked, &window(BAR, 4));
        assert_eq!(other, Err(CallError::Status(denied)), "the linked adapter has no such resource");
        run.assert_balanced();
    }
}

/// Shows S-UNM-01, S-UNM-05.
#[test]
fn the_same_registers_may_be_mapped_twice_and_each_map_goes_by_itself() {
    let run = Run::new(Kind::Passthrough);
    let first = run.sysmm.map_memory(&CALLER, run.lead, &window(BAR + 0x10, 8)).expect("room");
    let second = run.sysmm.map_memory(&CALLER, run.lead, &window(BAR + 0x10, 8)).expect("room");
    assert_ne!(first, second);
    assert_eq!(first.get() % 4096, 0x10);
    let refused = Err(CallError::Status(NtStatus::INVALID_PARAMETER));
    assert_eq!(run.sysmm.unmap_memory(&CALLER, run.lead, CpuVa::new(first.get() + 4)), refused);
    assert_eq!(run.sysmm.unmap_memory(&CALLER, run.linked, first), refused, "another adapter's map");
    run.sysmm.unmap_memory(&CALLER, run.lead, first).expect("live");
    assert_eq!(run.sysmm.unmap_memory(&CALLER, run.lead, first), refused);
    run.sysmm.unmap_memory(&CALLER, run.lead, second).expect("live");
    run.assert_balanced();
}

#[test]
fn ports_are_given_as_port_numbers_and_counted() {
    let run = Run::new(Kind::Passthrough);
    for _ in 0..2 {
        let mapped = run.sysmm.map_memory(&CALLER, run.lead, &ports(0xc008, 4)).expect("a port range");
        assert_eq!(mapped.get(), 0xc008);
    }
    for _ in 0..2 {
        run.sysmm.unmap_memory(&CALLER, run.lead, CpuVa::new(0xc008)).expect("mapped twice");
    }
    let third = run.sysmm.unmap_memory(&CALLER, run.lead, CpuVa::new(0xc008));
    assert_eq!(third, Err(CallError::Status(NtStatus::INVALID_PARAMETER)));
    run.assert_balanced();
}

#[test]
fn a_user_map_is_undone_only_in_its_own_process() {
    let run = Run::new(Kind::Passthrough);
    let args = MapMemoryArgs { map_to_user_mode: true, ..window(BAR, 4096) };
    let mapped = run.sysmm.map_memory(&CALLER, run.lead, &args).expect("room");
    let stranger = Caller { process: CALLER.process + 1, ..CALLER };
    let refused = run.sysmm.unmap_memory(&stranger, run.lead, mapped);
    assert_eq!(refused, Err(CallError::Status(NtStatus::INVALID_PARAMETER)));
    run.sysmm.unmap_memory(&CALLER, run.lead, mapped).expect("its own");
    run.assert_balanced();
}

#[test]
fn the_event_names_the_registers_pages() {
    let run = Run::new(Kind::Passthrough);
    run.sysmm.map_memory(&CALLER, run.lead, &window(BAR + 4094, 4)).expect("room");
    let events = run.machine.sink.events.lock().expect("unpoisoned");
    let Some(Event::Object(object)) = events.last() else { panic!("an object event") };
    assert_eq!((object.kind, object.bytes), (ObjectKind::RegisterMap, 4));
    let arena = run.machine.sink.arena.lock().expect("unpoisoned");
    assert_eq!(arena.get(object.pages.first as usize..), Some([BAR >> 12, 2].as_slice()));
}

/// Shows S-DVI-03, S-DVI-04, S-GDI-03.
#[test]
fn device_information_says_how_much_ram_there_is() {
    let run = Run::new(Kind::Passthrough);
    let memory = run.sysmm.get_device_information(&CALLER, run.lead).expect("live");
    assert_eq!(memory.system_memory_size, 128 * MIB);
    assert_eq!(memory.highest_physical_address.get(), (1 << 32) + 64 * MIB - 1);
    let refused = run.sysmm.get_device_information(&CALLER, dxgk_abi::Handle(1));
    assert_eq!(refused, Err(CallError::Status(NtStatus::INVALID_PARAMETER)), "the page names this status");
}
