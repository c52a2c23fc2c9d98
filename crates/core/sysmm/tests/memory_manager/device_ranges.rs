//! IO_SPACE objects: ranges of a device's memory.

use dxgk_abi::callback::{
    AccessMode, AllocateAdlFlags, ArgCbAllocateAdl, ArgCbCreatePhysicalMemoryObject,
    ArgCbDestroyPhysicalMemoryObject, ArgCbFreeAdl, ArgCbMapPhysicalMemory, ArgCbOpenPhysicalMemoryObject,
    ArgCbUnmapPhysicalMemory, MemoryCachingType,
};
use dxgk_abi::{Handle, NtStatus, Pointer};
use dxgk_event::{Event, ObjectKind};
use dxgk_sysmm::CallError;

use crate::machine::{ALL_MODES, BAR, CALLER, Kind, Laid, MIB, Run, adl_args, device_object};

const PAGE: u64 = 4096;

/// Shows S-PMT-04, S-CPOA-03, S-AADA-05.
#[test]
fn a_range_of_registers_is_reached_by_device_and_processor_and_takes_no_ram() {
    for kind in ALL_MODES {
        let run = Run::new(kind);
        let before = run.sysmm.statistics().pages;
        // The linked adapter has no such resource, but shares the domain of the one that has.
        let args = device_object(run.linked, BAR + 4 * PAGE, 3 * PAGE);
        let made = run.sysmm.create_physical_memory_object(&CALLER, &args).expect("its registers");
        assert_eq!(run.sysmm.statistics().pages, before);
        let args = ArgCbAllocateAdl {
            flags: AllocateAdlFlags::REQUIRE_CONTIGUOUS,
            ..adl_args(made.adapter_memory_object, PAGE, 2 * PAGE)
        };
        let adl = run.sysmm.allocate_adl(&CALLER, &args).expect("one run");
        let Laid::Contiguous(base, 2) = run.adl(adl.adl) else { panic!("{:?}", run.adl(adl.adl)) };
        let frames: Vec<u64> = (0..2).map(|page| BAR / PAGE + 5 + page).collect();
        if kind == Kind::Remapping {
            assert_ne!(base, frames[0], "a logical page");
        } else {
            assert_eq!(base, frames[0]);
        }
        if kind != Kind::Passthrough {
            assert_eq!(run.domain.reachable(), frames, "{kind:?}");
        }
        let map = ArgCbMapPhysicalMemory {
            physical_memory_object: made.physical_memory_object,
            offset: PAGE + 0x24,
            size: 8,
            ..ArgCbMapPhysicalMemory::default()
        };
        let view = run.sysmm.map_physical_memory(&CALLER, &map).expect("room");
        assert_eq!((view.offset, view.size), (0x24, PAGE));
        let views = run.machine.driver.views.lock().expect("unpoisoned").clone();
        assert_eq!(views.get(&view.mapped_address.get()), Some(&(PAGE, BAR + 5 * PAGE)), "a window");
        let unmap = ArgCbUnmapPhysicalMemory {
            physical_memory_object: made.physical_memory_object,
            base_address: Pointer(view.mapped_address.get()),
            size: view.size,
        };
        run.sysmm.unmap_physical_memory(&CALLER, &unmap).expect("live");
        let adapter_memory_object = made.adapter_memory_object;
        let free = ArgCbFreeAdl { adapter_memory_object, adl: Pointer(adl.adl.get()) };
        run.sysmm.free_adl(&CALLER, &free).expect("live");
        let physical_memory_object = made.physical_memory_object;
        let args = ArgCbDestroyPhysicalMemoryObject { physical_memory_object, adapter_memory_object };
        run.sysmm.destroy_physical_memory_object(&CALLER, &args).expect("nothing hangs on it");
        run.assert_balanced();
        assert_eq!(run.sysmm.statistics().pages, before);
    }
}

/// Shows S-CPOA-19.
#[test]
fn a_range_of_registers_refuses() {
    let (bad, denied) = (NtStatus::INVALID_PARAMETER, NtStatus::ACCESS_DENIED);
    let cases = [
        ("a byte off the page", BAR + 1, PAGE, bad),
        ("half a page off", BAR + 0x800, PAGE, bad),
        ("no bytes", BAR, 0, bad),
        ("an overflow", !0xfff, 2 * PAGE, bad),
        ("all of the address space", 0, u64::MAX, bad),
        ("the page before", BAR - PAGE, 2 * PAGE, denied),
        ("the page behind", BAR, MIB + 1, denied),
        ("only the page behind", BAR + MIB, PAGE, denied),
        ("RAM", 0x10_0000, PAGE, denied),
        ("port numbers", 0xc000, 0x20, denied),
        ("page 0", 0, PAGE, denied),
    ];
    for kind in ALL_MODES {
        let run = Run::new(kind);
        let other = run.sysmm.add_logical_adapter();
        let stranger = run.sysmm.add_adapter(other, true, &[]).expect("room").handle;
        let before = run.sysmm.statistics();
        for (name, base, bytes, expected) in cases {
            for adapter in [Handle::NULL, run.lead] {
                let refused =
                    run.sysmm.create_physical_memory_object(&CALLER, &device_object(adapter, base, bytes));
                assert_eq!(refused, Err(CallError::Status(expected)), "{name}, {kind:?}");
            }
        }
        let refused = run.sysmm.create_physical_memory_object(&CALLER, &device_object(stranger, BAR, PAGE));
        assert_eq!(refused, Err(CallError::Status(denied)), "another logical adapter's registers");
        let args = ArgCbCreatePhysicalMemoryObject {
            cache_type: MemoryCachingType(3),
            ..device_object(run.lead, BAR, PAGE)
        };
        let refused = run.sysmm.create_physical_memory_object(&CALLER, &args);
        assert_eq!(refused, Err(CallError::Status(bad)), "cache type 3");
        assert_eq!(run.sysmm.statistics(), before);
    }
}

/// Shows S-ACC-02.
#[test]
fn a_process_is_never_given_a_view_of_registers() {
    let run = Run::new(Kind::Isolation);
    let made = run.sysmm.create_physical_memory_object(&CALLER, &device_object(run.lead, BAR, PAGE));
    let args = ArgCbMapPhysicalMemory {
        physical_memory_object: made.expect("its registers").physical_memory_object,
        access_mode: AccessMode::USER_MODE,
        size: PAGE,
        ..ArgCbMapPhysicalMemory::default()
    };
    let before = run.sysmm.statistics();
    let refused = run.sysmm.map_physical_memory(&CALLER, &args);
    assert_eq!(refused, Err(CallError::Status(NtStatus::INVALID_PARAMETER)));
    assert_eq!(run.sysmm.statistics(), before);
}

#[test]
fn without_an_adapter_another_logical_adapters_device_may_be_let_reach_them() {
    let run = Run::new(Kind::Isolation);
    let other = run.sysmm.add_logical_adapter();
    let peer = run.sysmm.add_adapter(other, true, &[]).expect("room").handle;
    let made = run.sysmm.create_physical_memory_object(&CALLER, &device_object(Handle::NULL, BAR, PAGE));
    let physical_memory_object = made.expect("some adapter's registers").physical_memory_object;
    let open = ArgCbOpenPhysicalMemoryObject {
        physical_memory_object,
        adapter: peer,
        adapter_memory_object: Handle::NULL,
    };
    let opened = run.sysmm.open_physical_memory_object(&CALLER, &open).expect("not open yet");
    let adl = run.sysmm.allocate_adl(&CALLER, &adl_args(opened, 0, PAGE)).expect("room");
    assert_eq!(run.adl(adl.adl), Laid::Pages(vec![BAR / PAGE]));
}

#[test]
fn a_view_of_registers_says_so_in_its_event() {
    let run = Run::new(Kind::Passthrough);
    let made = run.sysmm.create_physical_memory_object(&CALLER, &device_object(run.lead, BAR, PAGE));
    let args = ArgCbMapPhysicalMemory {
        physical_memory_object: made.expect("its registers").physical_memory_object,
        size: PAGE,
        ..ArgCbMapPhysicalMemory::default()
    };
    run.sysmm.map_physical_memory(&CALLER, &args).expect("room");
    let events = run.machine.sink.events.lock().expect("unpoisoned").clone();
    let Some(Event::Object(view)) = events.last() else { panic!("an object event") };
    assert_eq!((view.kind, view.flags, view.cache), (ObjectKind::KernelView, 2, 0));
    let arena = run.machine.sink.arena.lock().expect("unpoisoned").clone();
    assert_eq!(arena[view.pages.first as usize..][..2], [BAR >> 12, 1]);
}
