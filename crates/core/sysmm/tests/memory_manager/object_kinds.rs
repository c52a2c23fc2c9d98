//! Physical memory objects of the types MDL and CONTIGUOUS_MEMORY: what each makes of its arguments.

use dxgk_abi::callback::{
    AllocatePagesFlags, ArgCbCreatePhysicalMemoryObject, ArgCbOpenPhysicalMemoryObject, ContiguousParameters,
    MdlParameters, PhysicalMemoryParameters, PhysicalMemoryType,
};
use dxgk_abi::{Handle, NtStatus};
use dxgk_event::{Event, ObjectKind, ObjectStep};
use dxgk_sysmm::{CallError, Policy};

use crate::machine::{ALL_MODES, CALLER, Kind, MIB, Run, adl_args, contiguous_object, mdl_object};

const PAGE: u64 = 4096;

/// The runs of the object that a call makes, or its status.
fn runs(run: &Run, args: &ArgCbCreatePhysicalMemoryObject) -> Result<Vec<(u64, u64)>, NtStatus> {
    match run.sysmm.create_physical_memory_object(&CALLER, args) {
        Ok(_) => {}
        Err(CallError::Status(status)) => return Err(status),
        Err(other) => panic!("{other}"),
    }
    let number = run.machine.sink.latest(ObjectKind::PhysicalMemory);
    let events = run.machine.sink.events.lock().expect("unpoisoned");
    let list = events.iter().find_map(|event| match event {
        Event::Object(object) if object.object == number && object.step == ObjectStep::Created => {
            Some(object.pages)
        }
        _ => None,
    });
    let list = list.expect("created");
    let arena = run.machine.sink.arena.lock().expect("unpoisoned");
    let words = &arena[list.first as usize..][..list.count as usize];
    Ok(words.chunks(2).map(|run| (run[0], run[1])).collect())
}

fn pages(runs: &[(u64, u64)]) -> Vec<u64> {
    let mut pages: Vec<u64> = runs.iter().flat_map(|(first, count)| *first..first + count).collect();
    pages.sort_unstable();
    pages
}

fn mdl(run: &Run, bytes: u64, parameters: MdlParameters) -> ArgCbCreatePhysicalMemoryObject {
    let mut args = mdl_object(run.lead, bytes);
    args.set_parameters(PhysicalMemoryParameters::Mdl(parameters));
    args
}

fn contiguous(run: &Run, bytes: u64, parameters: ContiguousParameters) -> ArgCbCreatePhysicalMemoryObject {
    let mut args = contiguous_object(run.lead, bytes);
    args.set_parameters(PhysicalMemoryParameters::Contiguous(parameters));
    args
}

/// Shows S-CPO-01, S-CPOA-03, S-CPOA-11, S-PMT-01.
#[test]
fn pages_of_an_mdl_object_come_from_the_ranges_and_as_the_flags_say() {
    for kind in ALL_MODES {
        let run = Run::new(kind);
        let window = MdlParameters {
            low_address: 8 * MIB,
            high_address: 8 * MIB + 4 * PAGE - 1,
            ..Default::default()
        };
        let four = runs(&run, &mdl(&run, 4 * PAGE - 1, window)).expect("room");
        assert_eq!(pages(&four), [2048, 2049, 2050, 2051], "{kind:?}: they stay taken");
        assert_eq!(runs(&run, &mdl(&run, PAGE, window)), Err(NtStatus::NO_MEMORY), "{kind:?}");
        let skipping = MdlParameters { skip_bytes: MIB, ..window };
        let next = runs(&run, &mdl(&run, 4 * PAGE, skipping)).expect("in the next range");
        assert_eq!(pages(&next), [2304, 2305, 2306, 2307], "{kind:?}");
        let blocks = MdlParameters {
            high_address: u64::MAX,
            skip_bytes: 16 * PAGE,
            flags: AllocatePagesFlags::ALLOCATE_REQUIRE_CONTIGUOUS_CHUNKS,
            ..Default::default()
        };
        let blocks = runs(&run, &mdl(&run, 64 * PAGE, blocks)).expect("room");
        assert!(blocks.iter().all(|(first, count)| first % 16 == 0 && count % 16 == 0), "{blocks:?}");
    }
}

/// Shows S-CPO-01, S-CPOA-03, S-CPOA-13, S-PMT-02.
#[test]
fn a_contiguous_object_is_one_run_between_its_limits_that_crosses_no_boundary() {
    let anywhere = ContiguousParameters { highest_acceptable_address: u64::MAX, ..Default::default() };
    for kind in ALL_MODES {
        let run = Run::new(kind);
        let one = runs(&run, &contiguous(&run, 100 * PAGE - 1, anywhere)).expect("room");
        assert!(matches!(one[..], [(_, 100)]), "{kind:?}: {one:?}");
        let within = ContiguousParameters {
            lowest_acceptable_address: 8 * MIB,
            highest_acceptable_address: 8 * MIB + 12 * PAGE - 1,
            ..anywhere
        };
        let refused = runs(&run, &contiguous(&run, 13 * PAGE, within));
        assert_eq!(refused, Err(NtStatus::NO_MEMORY), "{kind:?}");
        assert_eq!(runs(&run, &contiguous(&run, 12 * PAGE, within)), Ok(vec![(2048, 12)]), "{kind:?}");
        // From page 2063 on eight pages are free, but they cross page 2064, a multiple of eight.
        let bounded = ContiguousParameters {
            lowest_acceptable_address: 2063 * PAGE,
            boundary_address_multiple: 8 * PAGE,
            ..anywhere
        };
        let bounded = runs(&run, &contiguous(&run, 8 * PAGE, bounded)).expect("room");
        assert!(matches!(bounded[..], [(first, 8)] if first % 8 == 0 && first >= 2063), "{bounded:?}");
    }
}

/// Shows S-CPOA-06, S-CPOA-10, S-CPOA-12.
#[test]
fn the_type_decides_which_member_of_the_union_is_read() {
    let run = Run::new(Kind::Isolation);
    // As SkipBytes three pages are fine; as BoundaryAddressMultiple they are not, for they are no power of two.
    let skip = MdlParameters { high_address: u64::MAX, skip_bytes: 3 * PAGE, ..Default::default() };
    let args = mdl(&run, 64 * PAGE, skip);
    assert!(runs(&run, &args).is_ok_and(|runs| runs.len() > 1), "scattered");
    let other = ArgCbCreatePhysicalMemoryObject { kind: PhysicalMemoryType::CONTIGUOUS_MEMORY, ..args };
    assert_eq!(runs(&run, &other), Err(NtStatus::INVALID_PARAMETER));
    // What a contiguous object does not look at: behind its three words lie an MDL object's flags.
    let mut args = contiguous_object(run.lead, 64 * PAGE);
    args.per_type[24..].fill(0xff);
    assert!(runs(&run, &args).is_ok_and(|runs| runs.len() == 1), "one run");
    let other = ArgCbCreatePhysicalMemoryObject { kind: PhysicalMemoryType::MDL, ..args };
    assert_eq!(runs(&run, &other), Err(NtStatus::INVALID_PARAMETER));
}

/// Shows S-CPOA-05.
#[test]
fn any_context_will_do() {
    let run = Run::new(Kind::Isolation);
    for context in [0, 1, 0xdead_beef, u64::MAX] {
        let args = ArgCbCreatePhysicalMemoryObject { context, ..mdl_object(run.lead, PAGE) };
        assert_eq!(runs(&run, &args).map(|runs| pages(&runs).len()), Ok(1), "{context:#x}");
    }
}

/// Shows S-CPOA-25, S-OPO-03, S-OPOA-04.
#[test]
fn any_linked_adapter_will_do_at_creation_and_no_open_may_follow() {
    let run = Run::new(Kind::Isolation);
    for adapter in [run.lead, run.linked] {
        let made =
            run.sysmm.create_physical_memory_object(&CALLER, &mdl_object(adapter, PAGE)).expect("room");
        let before = run.domain.reachable().len();
        run.sysmm.allocate_adl(&CALLER, &adl_args(made.adapter_memory_object, 0, PAGE)).expect("no open");
        assert_eq!(run.domain.reachable().len(), before + 1, "in the one domain of all of them");
        let open = ArgCbOpenPhysicalMemoryObject {
            physical_memory_object: made.physical_memory_object,
            adapter,
            adapter_memory_object: Handle::NULL,
        };
        let again = run.sysmm.open_physical_memory_object(&CALLER, &open);
        assert_eq!(again, Err(CallError::Status(NtStatus::ALREADY_REGISTERED)));
    }
}

/// Shows S-OPOA-06.
#[test]
fn one_open_by_any_linked_adapter_counts_for_all_of_them() {
    let run = Run::new(Kind::Remapping);
    for adapter in [run.linked, run.lead] {
        let made =
            run.sysmm.create_physical_memory_object(&CALLER, &mdl_object(Handle::NULL, PAGE)).expect("room");
        let open = |adapter| {
            let args = ArgCbOpenPhysicalMemoryObject {
                physical_memory_object: made.physical_memory_object,
                adapter,
                adapter_memory_object: Handle::NULL,
            };
            run.sysmm.open_physical_memory_object(&CALLER, &args)
        };
        let opened = open(adapter).expect("free to open");
        let before = run.domain.reachable().len();
        run.sysmm.allocate_adl(&CALLER, &adl_args(opened, 0, PAGE)).expect("room");
        assert_eq!(run.domain.reachable().len(), before + 1, "in the one domain of all of them");
        for other in [run.lead, run.linked] {
            assert_eq!(open(other), Err(CallError::Status(NtStatus::ALREADY_REGISTERED)));
        }
    }
}

/// Shows S-MCC-07.
#[test]
fn contiguous_memory_holds_what_nobody_wrote() {
    let run = Run::new(Kind::Isolation);
    let first = runs(&run, &contiguous_object(run.lead, PAGE)).expect("room")[0].0;
    let filled = run.machine.ram.filled.lock().expect("unpoisoned");
    assert_eq!(filled.get(&first), Some(&Policy::POISON), "not zeroes");
}
