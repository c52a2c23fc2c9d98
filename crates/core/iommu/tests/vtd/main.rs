//! The VT-d driver against a scripted register file.

#[path = "../../../iopt/tests/memory/mod.rs"]
mod memory;
mod scripted;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use dxgk_hw::{
    Access, Attachment, DomainOps, IommuUnit, LogicalPage, MachineMemory, MapError, PageRun, Pfn,
    RequesterId, UnitError,
};
use dxgk_iommu::vtd::{Fault, Mode, VtdUnit};
use dxgk_iopt::vtd::spec::{
    AddressWidth, Capability, ContextEntryHigh, ContextEntryLow, DescriptorType, FaultReason, FaultRecord,
    Granularity, IotlbInvalidate, IotlbInvalidateAddress, RootEntryLow, TranslationType,
};
use memory::Ram;
use scripted::{Mood, Scripted, capability};

type Unit = VtdUnit<parking_lot::RawMutex>;

const EDU: RequesterId = RequesterId::new(3, 4, 1);

fn bench_with(capability: Capability, frames: u64) -> (Arc<Ram>, Arc<Scripted>, Result<Unit, UnitError>) {
    let ram = Arc::new(Ram::with_frames(frames));
    let registers = Arc::new(Scripted::new(Arc::clone(&ram), capability));
    let unit =
        Unit::start(Arc::clone(&registers) as _, Arc::clone(&ram) as _, Arc::clone(&ram) as _, Mode::Legacy);
    (ram, registers, unit)
}

fn bench() -> (Arc<Ram>, Arc<Scripted>, Unit) {
    let (ram, registers, unit) = bench_with(capability(), 64);
    registers.take_done();
    (ram, registers, unit.unwrap())
}

fn context(ram: &Ram, registers: &Scripted, who: RequesterId) -> (ContextEntryLow, ContextEntryHigh) {
    let root = ram.live(registers.root()).unwrap();
    let entry = RootEntryLow::from_bits(root[usize::from(who.bus()) * 2].load(Ordering::Relaxed));
    if !entry.p() {
        return Default::default();
    }
    let table = ram.live(Pfn::new(entry.ctp())).unwrap();
    let word = |nth: usize| table[usize::from(who.devfn()) * 2 + nth].load(Ordering::Relaxed);
    (ContextEntryLow::from_bits(word(0)), ContextEntryHigh::from_bits(word(1)))
}

fn map(domain: &Arc<dyn DomainOps>, at: u64, pages: u64) {
    let run = [PageRun::new(Pfn::new(at + 1), pages)];
    domain.map(LogicalPage::new(at), &run, Access::all()).unwrap();
}

/// Unmaps and invalidates; returns the descriptors that this took.
fn unmap(registers: &Scripted, domain: &Arc<dyn DomainOps>, at: u64, pages: u64) -> Vec<[u64; 2]> {
    registers.take_done();
    domain.unmap(LogicalPage::new(at), pages).unwrap();
    assert_eq!(registers.take_done(), [[0; 2]; 0], "an unmap does not invalidate");
    domain.sync(LogicalPage::new(at), pages).unwrap();
    registers.take_done()
}

#[test]
fn starting_blocks_everything_and_changes_one_command_bit_at_a_time() {
    let (ram, registers, unit) = bench_with(capability(), 64);
    let _unit = unit.unwrap();
    let mut before = 0u32;
    for command in registers.commands() {
        let changed = (command ^ before) & !(1 << 30);
        assert!(changed.count_ones() + (command >> 30 & 1) <= 1, "{command:#x} after {before:#x}");
        before = command & 0x96ff_ffff;
    }
    assert_eq!(registers.status(), 1 << 31 | 1 << 30 | 1 << 26);
    assert!(ram.live(registers.root()).unwrap().iter().all(|word| word.load(Ordering::Relaxed) == 0));
    let kinds: Vec<_> = registers.take_done().iter().map(|words| DescriptorType::of(words[0])).collect();
    assert_eq!(kinds, [Some(DescriptorType::ContextCache), Some(DescriptorType::Iotlb)]);
}

#[test]
fn a_unit_that_lacks_something_is_refused_by_name() {
    for lacking in [capability().with_sagaw(0b10), capability().with_rwbf(true)] {
        let (ram, registers, unit) = bench_with(lacking, 64);
        assert!(matches!(unit, Err(UnitError::Unsupported(_))));
        assert_eq!((ram.free(), registers.commands().len()), (64, 0), "nothing was touched");
    }
    let (ram, _, unit) = bench_with(capability(), 2);
    assert!(matches!(unit, Err(UnitError::NoResources)));
    assert_eq!(ram.free(), 2);
}

#[test]
fn attaching_writes_the_context_entry_and_leaving_invalidates_it() {
    let (ram, registers, unit) = bench();
    let domain = unit.create_domain().unwrap();
    unit.attach(EDU, Attachment::Domain(Arc::clone(&domain))).unwrap();
    let (low, high) = context(&ram, &registers, EDU);
    assert!(low.p() && low.tt() == TranslationType::Untranslated && low.ssptptr() != 0);
    assert_eq!((high.aw(), high.did()), (AddressWidth::Bits48, domain.id().0));
    unit.attach(EDU, Attachment::PassThrough).unwrap();
    let (low, high) = context(&ram, &registers, EDU);
    assert!(low.p() && low.tt() == TranslationType::PassThrough && high.did() != domain.id().0);
    let done = registers.take_done();
    assert_eq!(DescriptorType::of(done[0][0]), Some(DescriptorType::ContextCache));
    assert_eq!(IotlbInvalidate::from_bits(done[1][0]).did(), domain.id().0);
    unit.attach(EDU, Attachment::Blocked).unwrap();
    assert!(!context(&ram, &registers, EDU).0.p());
}

#[test]
fn a_failed_invalidation_is_made_up_for_by_the_next_attach() {
    let (ram, registers, unit) = bench();
    unit.attach(EDU, Attachment::PassThrough).unwrap();
    registers.set_mood(Mood::Silent);
    assert_eq!(unit.attach(EDU, Attachment::Blocked), Err(UnitError::Hung));
    assert!(!context(&ram, &registers, EDU).0.p());
    registers.set_mood(Mood::Works);
    registers.take_done();
    unit.attach(EDU, Attachment::Blocked).unwrap();
    assert_eq!(registers.take_done().len(), 2);
}

#[test]
fn a_domain_of_another_unit_is_refused() {
    let (_ram, _registers, unit) = bench();
    let (_other_ram, _other_registers, other) = bench();
    let _same_number = unit.create_domain().unwrap();
    let foreign = other.create_domain().unwrap();
    assert!(matches!(unit.attach(EDU, Attachment::Domain(foreign)), Err(UnitError::Unsupported(_))));
}

#[test]
fn a_small_unmap_invalidates_exactly_its_pages_and_keeps_upper_levels() {
    let (_ram, registers, unit) = bench();
    let domain = unit.create_domain().unwrap();
    map(&domain, 0x0f, 1);
    map(&domain, 0x13, 5);
    let done = unmap(&registers, &domain, 0x13, 5);
    let blocks: Vec<_> = done
        .iter()
        .map(|words| {
            assert_eq!(IotlbInvalidate::from_bits(words[0]).g(), Granularity::Selective);
            let address = IotlbInvalidateAddress::from_bits(words[1]);
            assert!(address.ih());
            (address.addr(), address.am())
        })
        .collect();
    assert_eq!(blocks, [(0x13, 0), (0x14, 2)]);
}

#[test]
fn emptied_tables_are_invalidated_with_their_whole_range_before_they_are_given_back() {
    let (ram, registers, unit) = bench();
    let domain = unit.create_domain().unwrap();
    map(&domain, 0x3ff, 1);
    map(&domain, 0x402, 1);
    let before = ram.free();
    let done = unmap(&registers, &domain, 0x402, 1);
    let address = IotlbInvalidateAddress::from_bits(done[0][1]);
    assert_eq!((done.len(), address.addr(), address.am(), address.ih()), (1, 0x400, 9, false));
    assert_eq!(ram.free(), before + 1);
    // Now all levels are empty, and 512 GiB are more than pages can be selected for.
    let done = unmap(&registers, &domain, 0x3ff, 1);
    assert_eq!(IotlbInvalidate::from_bits(done[0][0]).g(), Granularity::Domain);
    assert_eq!(ram.free(), before + 4);
}

#[test]
fn without_page_selection_or_with_too_many_blocks_the_domain_goes() {
    let (_ram, registers, unit) = bench_with(capability().with_psi(false), 64);
    let domain = unit.unwrap().create_domain().unwrap();
    map(&domain, 0, 1);
    let done = unmap(&registers, &domain, 0, 1);
    assert_eq!(IotlbInvalidate::from_bits(done[0][0]).g(), Granularity::Domain);
    let (_ram, registers, unit) = bench_with(capability().with_mamv(0), 64);
    let domain = unit.unwrap().create_domain().unwrap();
    map(&domain, 0, 17);
    map(&domain, 17, 1);
    let done = unmap(&registers, &domain, 0, 17);
    assert_eq!((done.len(), IotlbInvalidate::from_bits(done[0][0]).g()), (1, Granularity::Domain));
}

#[test]
fn nothing_is_given_back_while_the_unit_does_not_answer() {
    let (ram, registers, unit) = bench();
    let domain = unit.create_domain().unwrap();
    map(&domain, 0, 1);
    domain.unmap(LogicalPage::new(0), 1).unwrap();
    let before = ram.free();
    registers.set_mood(Mood::Silent);
    assert_eq!(domain.sync(LogicalPage::new(0), 1), Err(UnitError::Hung));
    registers.set_mood(Mood::Refuses);
    assert!(matches!(domain.sync(LogicalPage::new(0), 1), Err(UnitError::Queue(_))));
    assert_eq!(ram.free(), before);
    registers.set_mood(Mood::Works);
    domain.sync(LogicalPage::new(0), 1).unwrap();
    assert_eq!(ram.free(), before + 3);
}

#[test]
fn a_map_that_runs_short_leaves_nothing_behind() {
    let (ram, _registers, unit) = bench_with(capability(), 9);
    let unit = unit.unwrap();
    let domain = unit.create_domain().unwrap();
    let before = ram.free();
    let run = [PageRun::new(Pfn::new(1), 4000)];
    assert_eq!(domain.map(LogicalPage::new(0), &run, Access::all()), Err(MapError::NoFrame));
    assert_eq!(ram.free(), before);
    assert_eq!(domain.unmap(LogicalPage::new(0), 1), Err(MapError::NotMapped(LogicalPage::new(0))));
}

#[test]
fn domains_give_back_tables_and_numbers_when_the_last_user_goes() {
    let (ram, _registers, unit) = bench();
    let before = ram.free();
    let domain = unit.create_domain().unwrap();
    let number = domain.id();
    map(&domain, 0, 1000);
    unit.attach(EDU, Attachment::Domain(domain)).unwrap();
    assert!(ram.free() < before, "attached, it stays");
    unit.attach(EDU, Attachment::Blocked).unwrap();
    assert_eq!(ram.free(), before - 1, "all but the bus's context table");
    assert_eq!(unit.create_domain().unwrap().id(), number);
}

#[test]
fn threads_share_a_domain() {
    let (ram, _registers, unit) = bench_with(capability(), 400);
    let unit = unit.unwrap();
    let domain = unit.create_domain().unwrap();
    let before = ram.free();
    std::thread::scope(|scope| {
        for nth in 0..4 {
            let domain = &domain;
            scope.spawn(move || {
                // Ranges next to each other: the threads share their tables.
                for round in 0..200 {
                    let (at, pages) = (nth * 700, 600 + round % 100);
                    map(domain, at, pages);
                    domain.unmap(LogicalPage::new(at), pages).unwrap();
                    domain.sync(LogicalPage::new(at), pages).unwrap();
                }
            });
        }
    });
    domain.sync(LogicalPage::new(0), 1 << 36).unwrap();
    assert_eq!(ram.free(), before);
}

#[test]
fn faults_are_read_and_freed() {
    let (_ram, registers, unit) = bench();
    registers.fault(FaultRecord::new().with_sid(EDU.0).with_t1(true).with_fr(6), true);
    let mut faults = Vec::new();
    let summary = unit.take_faults(&mut |fault| faults.push(fault));
    let expected =
        Fault { requester: EDU, page: LogicalPage::new(0x12345), write: false, reason: FaultReason::NO_READ };
    assert_eq!((faults, summary.read, summary.overflow), (vec![expected], 1, true));
    let summary = unit.take_faults(&mut |_| panic!("freed"));
    assert_eq!((summary.read, summary.overflow), (0, false));
}
