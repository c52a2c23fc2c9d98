//! What addresses the device is told in each mode, and what lies behind them.

use std::sync::Arc;

use dxgk_abi::NtStatus;
use dxgk_abi::callback::ArgCbCreatePhysicalMemoryObject;
use dxgk_abi::callback::{AllocateAdlFlags, ArgCbAllocateAdl, MdlParameters, PhysicalMemoryParameters};
use dxgk_event::{Event, ObjectKind, ObjectStep};
use dxgk_hw::{DomainOps, LogicalAddr};
use dxgk_sysmm::policy::LogicalBase;
use dxgk_sysmm::{Addressing, CallError, Policy};

use crate::domain::BookDomain;
use crate::machine::{ALL_MODES, CALLER, Kind, Laid, MIB, Run, adl_args, mdl_object, pages_args};

const GIB: u64 = 1 << 30;

/// The frames of the latest object of the kind, in order.
fn frames(run: &Run, kind: ObjectKind) -> Vec<u64> {
    let number = run.machine.sink.latest(kind);
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
    words.chunks(2).flat_map(|run| run[0]..run[0] + run[1]).collect()
}

/// The page numbers of an ADL, in order.
fn numbers(laid: Laid) -> Vec<u64> {
    match laid {
        Laid::Contiguous(base, pages) => (base..base + u64::from(pages)).collect(),
        Laid::Pages(list) => list,
    }
}

/// A machine with RAM at the bottom and beyond 4 GiB, remapped for a device that sees addresses up to `highest`.
fn remapped(highest: u64, logical_base: LogicalBase) -> Run {
    let policy = Policy { logical_base, ..Policy::default() };
    let run = Run::with(Kind::Passthrough, policy, &[(0, 64 * MIB, 0), (4 * GIB, 64 * MIB, 0)]);
    let addressing = Addressing::Remapping {
        domain: Arc::clone(&run.domain) as Arc<dyn DomainOps>,
        highest_visible: LogicalAddr::new(highest),
    };
    run.sysmm.set_mode(run.logical, addressing).expect("the mode is possible");
    run
}

/// An object of which every page lies beyond 4 GiB.
fn beyond_4_gib(run: &Run, bytes: u64) -> ArgCbCreatePhysicalMemoryObject {
    let mut args = mdl_object(run.lead, bytes);
    let high = MdlParameters { low_address: 4 * GIB, high_address: u64::MAX, ..MdlParameters::default() };
    args.set_parameters(PhysicalMemoryParameters::Mdl(high));
    args
}

/// Shows S-ISO-21, S-ISO-52, S-RMP-02.
#[test]
fn in_isolation_each_page_of_an_mdl_has_its_own_address_in_the_domain() {
    let run = Run::new(Kind::Isolation);
    let made = run.sysmm.allocate_pages_for_mdl(&CALLER, run.lead, &pages_args(MIB)).expect("room");
    let mut expected: Vec<(u64, u64)> = run.mdl_pages(made.mdl).iter().map(|page| (*page, *page)).collect();
    expected.sort_unstable();
    let tables = run.domain.tables.lock().expect("unpoisoned");
    assert_eq!(tables.entries.iter().map(|(at, frame)| (*at, *frame)).collect::<Vec<_>>(), expected);
}

/// Shows S-AAD-01, S-RMP-03, S-RMP-24.
#[test]
fn an_adl_holds_physical_pages_unless_it_is_remapped_and_logical_ones_when_it_is() {
    for kind in ALL_MODES {
        for flags in [AllocateAdlFlags(0), AllocateAdlFlags::PREFER_CONTIGUOUS] {
            let run = Run::new(kind);
            let made = run
                .sysmm
                .create_physical_memory_object(&CALLER, &mdl_object(run.lead, 64 << 12))
                .expect("room");
            let physical = frames(&run, ObjectKind::PhysicalMemory);
            let args = ArgCbAllocateAdl { flags, ..adl_args(made.adapter_memory_object, 0, 64 << 12) };
            let adl = run.sysmm.allocate_adl(&CALLER, &args).expect("room");
            let told = numbers(run.adl(adl.adl));
            let tables = run.domain.tables.lock().expect("unpoisoned");
            let behind: Vec<u64> = match kind {
                Kind::Passthrough => told.clone(),
                _ => told.iter().map(|page| tables.entries[page]).collect(),
            };
            assert_eq!(behind, physical, "{kind:?} {flags:?}: page for page");
            assert_eq!(told == physical, kind != Kind::Remapping, "{kind:?} {flags:?}");
        }
    }
}

/// Shows S-PMC-01, S-RMP-07, S-RMP-08.
#[test]
fn logical_addresses_stay_within_the_devices_reach_and_any_page_may_lie_behind_them() {
    for logical_base in [LogicalBase::Safe, LogicalBase::Windows] {
        let run = remapped(GIB - 1, logical_base);
        let args = beyond_4_gib(&run, 16 * MIB);
        let made = run.sysmm.create_physical_memory_object(&CALLER, &args).expect("room");
        let opened = made.adapter_memory_object;
        for part in 0..4 {
            run.sysmm.allocate_adl(&CALLER, &adl_args(opened, part * 4 * MIB, 4 * MIB)).expect("room");
        }
        let tables = run.domain.tables.lock().expect("unpoisoned");
        assert_eq!(tables.entries.len(), 4096);
        assert!(tables.entries.keys().all(|page| *page < GIB >> 12), "{logical_base:?}");
        assert!(tables.entries.values().all(|frame| *frame >= (4 * GIB) >> 12), "{logical_base:?}");
    }
}

/// Shows S-RMP-07.
#[test]
fn what_does_not_fit_below_the_devices_limit_is_refused() {
    // Pages 1 to 15: page 0 is never used, and a guard may follow each mapping.
    for (highest, last) in [(0xffff, 15), (0xfffe, 15), (0x1_0000, 16)] {
        let run = remapped(highest, LogicalBase::Windows);
        let made =
            run.sysmm.create_physical_memory_object(&CALLER, &beyond_4_gib(&run, 64 << 12)).expect("room");
        let adl = |pages: u64| {
            run.sysmm.allocate_adl(&CALLER, &adl_args(made.adapter_memory_object, 0, pages << 12))
        };
        let refused = adl(17).map(|adl| adl.first);
        assert_eq!(refused, Err(CallError::Status(NtStatus::INSUFFICIENT_RESOURCES)), "{highest:#x}");
        while adl(1).is_ok() {}
        let tables = run.domain.tables.lock().expect("unpoisoned");
        let used = tables.entries.keys().copied();
        assert!(used.clone().max().is_some_and(|page| page <= last), "{highest:#x}: {used:?}");
    }
}

/// Shows S-CPOA-24, S-ISO-35.
#[test]
fn each_logical_adapter_has_a_domain_of_its_own() {
    let run = Run::new(Kind::Isolation);
    let other_domain = Arc::new(BookDomain::default());
    let other = run.sysmm.add_logical_adapter();
    let stranger = run.sysmm.add_adapter(other, true, &[]).expect("room").handle;
    let addressing = Addressing::Isolation { domain: Arc::clone(&other_domain) as Arc<dyn DomainOps> };
    run.sysmm.set_mode(other, addressing).expect("the mode is possible");

    let ours = run.sysmm.allocate_pages_for_mdl(&CALLER, run.lead, &pages_args(8192)).expect("room");
    let theirs = run.sysmm.create_physical_memory_object(&CALLER, &mdl_object(stranger, 4096)).expect("room");
    let frame = frames(&run, ObjectKind::PhysicalMemory);
    run.sysmm.allocate_adl(&CALLER, &adl_args(theirs.adapter_memory_object, 0, 4096)).expect("room");

    let mut list = run.mdl_pages(ours.mdl);
    list.sort_unstable();
    assert_eq!(run.domain.reachable(), list);
    assert_eq!(other_domain.reachable(), frame);
}
