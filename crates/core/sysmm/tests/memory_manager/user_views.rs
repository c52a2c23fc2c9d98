//! Views in processes.

use dxgk_abi::callback::{
    AccessMode, AllocatePagesFlags, ArgCbCreatePhysicalMemoryObject, ArgCbMapPhysicalMemory,
    ArgCbUnmapPhysicalMemory, MdlParameters, PhysicalMemoryParameters,
};
use dxgk_abi::{Handle, NtStatus, Pointer};
use dxgk_event::{Event, ObjectKind};
use dxgk_hw::{MachineMemory, PhysAddr};
use dxgk_sysmm::callbacks::MappedView;
use dxgk_sysmm::{CallError, Caller, Policy};

use crate::machine::{ALL_MODES, CALLER, Kind, MIB, Run, contiguous_object, mdl_object};

fn map(run: &Run, caller: &Caller, object: Handle, mode: AccessMode) -> MappedView {
    let args = ArgCbMapPhysicalMemory {
        physical_memory_object: object,
        access_mode: mode,
        offset: 0,
        size: 2 << 12,
        ..ArgCbMapPhysicalMemory::default()
    };
    run.sysmm.map_physical_memory(caller, &args).expect("room")
}

fn object(run: &Run, args: &ArgCbCreatePhysicalMemoryObject) -> Handle {
    run.sysmm.create_physical_memory_object(&CALLER, args).expect("room").physical_memory_object
}

/// The latest view, as it was told.
fn told(run: &Run) -> dxgk_event::Object {
    let events = run.machine.sink.events.lock().expect("unpoisoned").clone();
    match events.last() {
        Some(Event::Object(object)) => *object,
        other => panic!("{other:?}"),
    }
}

/// Shows S-ACC-03, S-ACC-04.
#[test]
fn a_user_view_is_undone_in_the_process_that_made_it_and_by_nobody_else() {
    for kind in ALL_MODES {
        let run = Run::new(kind);
        let physical_memory_object = object(&run, &mdl_object(run.lead, 2 << 12));
        let view = map(&run, &CALLER, physical_memory_object, AccessMode::USER_MODE);
        assert_eq!(told(&run).kind, ObjectKind::UserView);
        let unmap = |base: u64, size: u64| ArgCbUnmapPhysicalMemory {
            physical_memory_object,
            base_address: Pointer(base),
            size,
        };
        let (base, stranger) = (view.mapped_address.get(), Caller { process: CALLER.process + 1, ..CALLER });
        let before = run.sysmm.statistics();
        for (name, caller, args) in [
            ("another process", stranger, unmap(base, view.size)),
            ("the system process", Caller { process: 0, ..CALLER }, unmap(base, view.size)),
            ("a page too few", CALLER, unmap(base, view.size - 4096)),
            ("a page too many", CALLER, unmap(base, view.size + 4096)),
            ("a byte too few", CALLER, unmap(base, view.size - 1)),
            ("no bytes", CALLER, unmap(base, 0)),
            ("the second page", CALLER, unmap(base + 4096, view.size - 4096)),
            ("null", CALLER, unmap(0, view.size)),
        ] {
            let refused = run.sysmm.unmap_physical_memory(&caller, &args);
            assert_eq!(refused, Err(CallError::Status(NtStatus::INVALID_PARAMETER)), "{name}, {kind:?}");
            assert_eq!(run.sysmm.statistics(), before, "{name}, {kind:?}");
        }
        run.sysmm.unmap_physical_memory(&CALLER, &unmap(base, view.size)).expect("its own");
    }
}

/// Shows S-MPE-05, S-MCC-08.
#[test]
fn unzeroed_memory_that_nobody_has_written_is_told_of_when_a_process_is_let_see_it() {
    let unzeroed = |run: &Run| {
        let mut args = mdl_object(run.lead, 2 << 12);
        args.set_parameters(PhysicalMemoryParameters::Mdl(MdlParameters {
            high_address: u64::MAX,
            flags: AllocatePagesFlags::DONT_ZERO_ALLOCATION,
            ..MdlParameters::default()
        }));
        args
    };
    let run = Run::new(Kind::Isolation);
    let kinds = [
        ("zeroed", mdl_object(run.lead, 2 << 12), 0),
        ("unzeroed", unzeroed(&run), 1),
        ("contiguous", contiguous_object(run.lead, 2 << 12), 1),
    ];
    for (name, args, expected) in kinds {
        let handle = object(&run, &args);
        map(&run, &CALLER, handle, AccessMode::KERNEL_MODE);
        assert_eq!(told(&run).flags, 0, "{name}: the kernel may see it");
        map(&run, &CALLER, handle, AccessMode::USER_MODE);
        assert_eq!(told(&run).flags, expected, "{name}");
    }
    // Once the driver has written all of it, it is fit to be seen; a word left out is not.
    let handle = object(&run, &unzeroed(&run));
    let view = map(&run, &CALLER, handle, AccessMode::KERNEL_MODE);
    let frames: Vec<u64> = (0..2)
        .map(|page| run.machine.driver.frame_under(view.mapped_address, page << 12).expect("a frame"))
        .collect();
    run.machine.ram.write(PhysAddr::new(frames[0] << 12), &[0; 4096]).expect("RAM");
    run.machine.ram.write(PhysAddr::new(frames[1] << 12), &[0; 4088]).expect("RAM");
    map(&run, &CALLER, handle, AccessMode::USER_MODE);
    assert_eq!(told(&run).flags, 1, "the last word");
    run.machine.ram.write(PhysAddr::new((frames[1] << 12) + 4088), &[1; 8]).expect("RAM");
    map(&run, &CALLER, handle, AccessMode::USER_MODE);
    assert_eq!(told(&run).flags, 0);
}

#[test]
fn without_a_poison_pattern_nothing_is_said_of_what_was_written() {
    let policy = Policy { poison: None, ..Policy::default() };
    let run = Run::with(Kind::Passthrough, policy, &[(0, 16 * MIB, 0)]);
    let handle = object(&run, &contiguous_object(run.lead, 2 << 12));
    map(&run, &CALLER, handle, AccessMode::USER_MODE);
    assert_eq!(told(&run).flags, 0);
}
