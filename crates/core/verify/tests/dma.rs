//! DMA-001 to DMA-004.

mod stream;

use dxgk_event::{FaultReason, MappingStep, ModeChoice, ObjectKind};
use dxgk_verify::{Culprit, Severity};
use stream::{Made, Run, places};

const PHYSICAL: u64 = 0xffff_8000_0000_1000;
const ADL: u64 = 0x5000_0000_2000;
const FRAMES: &[(u64, u64)] = &[(0x100, 4), (0x200, 4)];
const LOGICAL_PAGE: u64 = 0x8_0000;

/// A physical memory object, and an ADL of it mapped at `LOGICAL_PAGE` (or one to one).
fn memory(run: &mut Run, logical: Option<u64>) -> (Made, Made) {
    let physical = run.at(0x10).create(ObjectKind::PhysicalMemory, PHYSICAL, 0, FRAMES);
    let adl = run.at(0x20).create(ObjectKind::Adl, ADL, physical.object, FRAMES);
    run.map(adl, logical, FRAMES);
    (physical, adl)
}

fn remapped() -> (Run, Made, Made) {
    let mut run = Run::new(ModeChoice::Remapping);
    let (physical, adl) = memory(&mut run, Some(LOGICAL_PAGE));
    (run, physical, adl)
}

fn free_adl(run: &mut Run, adl: Made, invalidate: bool) {
    run.at(0x30).unmap(adl, Some(LOGICAL_PAGE), FRAMES, invalidate);
    run.release(adl);
}

#[test]
fn transfers_within_mappings_are_no_finding() {
    let (mut run, _, _) = remapped();
    run.transfer(0x40, (LOGICAL_PAGE << 12) + 0x80, 0x8000 - 0x80, 0x8000 - 0x80, None);
    let mut isolated = Run::new(ModeChoice::Isolation);
    memory(&mut isolated, None);
    isolated.transfer(0x40, 0x200_000, 0x4000, 0x4000, None);
    assert_eq!((run.found(), isolated.found()), (vec![], vec![]));
}

#[test]
fn an_address_that_was_never_mapped_is_dma_001_at_the_doorbell() {
    let (mut run, _, _) = remapped();
    run.refused(0x40, 0x7777_7000);
    run.refused(0x40, 0x7777_8000);
    run.refused(0x44, 0x7777_8000);
    assert_eq!(run.found(), [("DMA-001", 0x40), ("DMA-001", 0x44)]);
    let finding = &run.verifier.findings()[0];
    assert_eq!((finding.count, finding.severity, finding.culprit), (2, Severity::Error, Culprit::Driver));
    assert_eq!(finding.place.module.as_deref(), Some("edu.sys"));
    assert!(finding.message.contains("0x77777000"), "{}", finding.message);
    assert!(!finding.message.contains("behind"), "{}", finding.message);
    assert_eq!(finding.object, None);
    assert!(!finding.rule.documentation.is_empty() && !finding.fix.is_empty());
}

#[test]
fn an_overrun_names_the_mapping_that_it_overran() {
    let (mut run, _, _) = remapped();
    let start = (LOGICAL_PAGE + 7) << 12;
    run.transfer(0x40, start, 0x1800, 0x1000, Some(FaultReason::NotPresent));
    run.refused(0x44, (LOGICAL_PAGE << 12) - 0x400);
    run.refused(0x48, (LOGICAL_PAGE + 8) << 12);
    assert_eq!(run.found(), [("DMA-006", 0x40), ("DMA-001", 0x44), ("DMA-001", 0x48)]);
    let [over, under, behind] = run.verifier.findings() else { panic!("{:?}", run.found()) };
    assert!(over.message.contains("ran over the end of the ADL"), "{}", over.message);
    assert!(over.message.contains("where nothing is mapped"), "{}", over.message);
    assert!(behind.message.contains("the first byte behind the end of the ADL"), "{}", behind.message);
    assert!(under.message.contains("0x400 bytes before the start of the ADL"), "{}", under.message);
}

#[test]
fn a_transfer_without_a_doorbell_has_no_place() {
    let (mut run, _, _) = remapped();
    run.at(0x50).transfer_of(0, 0x7777_7000, 4, 0, Some(FaultReason::NotPresent));
    assert_eq!((run.only().place.rip, run.only().place.module.clone()), (0, None));
}

#[test]
fn in_isolation_dma_001_names_the_memory_that_is_not_mapped() {
    let mut run = Run::new(ModeChoice::Isolation);
    let physical = run.at(0x10).create(ObjectKind::PhysicalMemory, PHYSICAL, 0, FRAMES);
    run.refused(0x40, 0x201_000);
    let finding = run.only();
    assert_eq!(finding.rule.id, "DMA-001");
    assert_eq!(finding.object.as_ref().map(|object| object.number), Some(physical.object));
    assert_eq!(places(finding), [0x10, 0x40]);
}

/// Shows S-FAD-02.
#[test]
fn after_the_unmap_it_is_dma_002_with_its_history() {
    let (mut run, _, adl) = remapped();
    free_adl(&mut run, adl, true);
    run.refused(0x40, (LOGICAL_PAGE + 5) << 12);
    run.refused(0x40, (LOGICAL_PAGE + 6) << 12);
    let finding = run.only();
    assert_eq!((finding.rule.id, finding.place.offset, finding.count), ("DMA-002", 0x40, 2));
    assert_eq!(finding.culprit, Culprit::Driver);
    assert_eq!(finding.object.as_ref().map(|object| (object.number, object.handle)), Some((adl.object, ADL)));
    // Made, mapped, unmapped, the doorbell.
    assert_eq!(places(finding), [0x20, 0x20, 0x30, 0x40]);
    assert!(finding.message.contains("0x80005000"), "{}", finding.message);
}

#[test]
fn a_transfer_through_a_translation_that_was_not_invalidated_is_the_ports() {
    let (mut run, _, adl) = remapped();
    free_adl(&mut run, adl, false);
    run.transfer(0x40, LOGICAL_PAGE << 12, 0x100, 0x100, None);
    let finding = run.only();
    assert_eq!((finding.rule.id, finding.culprit), ("DMA-002", Culprit::Port));
    assert!(finding.message.contains("never invalidated"), "{}", finding.message);
    assert_eq!(places(finding), [0x20, 0x20, 0x30, 0x40]);
}

#[test]
fn a_transfer_through_what_was_invalidated_is_the_ports_as_well() {
    let (mut run, _, adl) = remapped();
    free_adl(&mut run, adl, true);
    run.transfer(0x40, LOGICAL_PAGE << 12, 0x100, 0x100, None);
    let finding = run.only();
    assert_eq!((finding.rule.id, finding.culprit), ("DMA-002", Culprit::Port));
    assert!(!finding.message.contains("never invalidated"), "{}", finding.message);
    assert!(
        finding.history.iter().any(|entry| entry.what == "unmapped and invalidated"),
        "{:?}",
        finding.history
    );
}

#[test]
fn the_stale_page_in_the_middle_of_a_transfer_is_found() {
    let (mut run, physical, adl) = remapped();
    let second = run.at(0x21).create(ObjectKind::Adl, ADL + 0x100, physical.object, &[(0x100, 1)]);
    run.map(second, Some(LOGICAL_PAGE + 8), &[(0x100, 1)]);
    let third = run.at(0x22).create(ObjectKind::Adl, ADL + 0x200, physical.object, &[(0x100, 1)]);
    run.map(third, Some(LOGICAL_PAGE + 9), &[(0x100, 1)]);
    run.at(0x31).unmap(second, Some(LOGICAL_PAGE + 8), &[(0x100, 1)], false);
    run.transfer(0x40, (LOGICAL_PAGE + 6) << 12, 0x4000, 0x4000, None);
    let finding = run.only();
    assert_eq!(finding.rule.id, "DMA-002");
    assert!(finding.message.contains("0x80008000"), "{}", finding.message);
    assert_ne!(finding.object.as_ref().map(|object| object.number), Some(adl.object));
}

/// Shows S-BPD-05.
#[test]
fn after_an_allocation_left_its_aperture_the_device_finds_the_dummy_page_and_nothing_else() {
    let mut run = Run::new(ModeChoice::Isolation);
    let dummy = run.at(0).create(ObjectKind::MdlPages, PHYSICAL, 0, &[(0x300, 1)]);
    run.map(dummy, None, &[(0x300, 1)]);
    let store = run.create(ObjectKind::MdlPages, PHYSICAL + 0x10, 0, FRAMES);
    run.map(store, None, FRAMES);
    run.transfer(0x40, 0x200_000, 0x1000, 0x1000, None);
    run.unmap(store, None, FRAMES, true);
    run.release(store);
    // Its page table points at the dummy page, as it was told to.
    run.transfer(0x41, 0x300_000, 0x1000, 0x1000, None);
    assert_eq!(run.found(), []);
    // It does not.
    run.refused(0x42, 0x200_000);
    assert_eq!(run.found(), [("DMA-002", 0x42)]);
}

#[test]
fn a_page_that_another_object_still_maps_is_reachable() {
    let mut run = Run::new(ModeChoice::Isolation);
    let (physical, adl) = memory(&mut run, None);
    let second = run.create(ObjectKind::Adl, ADL + 0x100, physical.object, &[(0x200, 2)]);
    run.map(second, None, &[(0x200, 2)]);
    run.unmap(adl, None, FRAMES, true);
    run.transfer(0x40, 0x200_000, 0x2000, 0x2000, None);
    assert_eq!(run.found(), []);
    run.refused(0x41, 0x202_000);
    assert_eq!(run.found(), [("DMA-002", 0x41)]);
}

#[test]
fn memory_mapped_again_at_the_same_address_is_reachable() {
    let (mut run, physical, adl) = remapped();
    free_adl(&mut run, adl, true);
    let again = run.create(ObjectKind::Adl, ADL, physical.object, FRAMES);
    run.map(again, Some(LOGICAL_PAGE), FRAMES);
    run.transfer(0x40, LOGICAL_PAGE << 12, 0x1000, 0x1000, None);
    assert_eq!(run.found(), []);
}

#[test]
fn a_mapping_in_pieces_dies_piece_by_piece() {
    let mut run = Run::new(ModeChoice::Remapping);
    let adl = run.create(ObjectKind::Adl, ADL, 0, FRAMES);
    run.map(adl, Some(0x1000), &[(0x100, 4)]);
    run.map(adl, Some(0x9000), &[(0x200, 4)]);
    run.mapping(MappingStep::Unmapped, adl, 0x1000, &[(0x100, 4)], false);
    run.transfer(0x40, 0x9000 << 12, 8, 8, None);
    assert_eq!(run.found(), []);
    run.refused(0x41, 0x1000 << 12);
    assert_eq!(run.found(), [("DMA-002", 0x41)]);
}

#[test]
fn what_was_mapped_in_passthrough_lives_on_in_the_domain() {
    let mut run = Run::new(ModeChoice::Isolation);
    let (_, adl) = memory(&mut run, None);
    // The late attach tells it a second time.
    run.map(adl, None, FRAMES);
    run.transfer(0x40, 0x100_000, 8, 8, None);
    run.unmap(adl, None, FRAMES, true);
    assert_eq!(run.found(), []);
    run.refused(0x41, 0x100_000);
    assert_eq!(run.found(), [("DMA-002", 0x41)]);
}

/// Shows S-AAD-04, S-ISO-81.
#[test]
fn a_physical_address_under_remapping_is_dma_004_with_the_right_address() {
    let (mut run, physical, _) = remapped();
    run.refused(0x40, 0x201_234);
    run.refused(0x40, 0x100_000);
    let finding = run.only();
    assert_eq!((finding.rule.id, finding.place.offset, finding.count), ("DMA-004", 0x40, 2));
    assert_eq!(
        finding.object.as_ref().map(|object| (object.number, object.handle)),
        Some((physical.object, PHYSICAL))
    );
    // Logical page 5 of the ADL is physical page 0x201.
    for part in ["0x201234", "0x80005234", "physical memory object"] {
        assert!(finding.message.contains(part), "{part}: {}", finding.message);
    }
    assert!(finding.fix.contains("0x80005234"), "{}", finding.fix);
    assert_eq!(places(finding), [0x10, 0x20, 0x40]);
}

/// Shows S-APM-07, S-ACM-04.
#[test]
fn a_physical_address_of_memory_that_is_not_mapped_is_dma_004_too() {
    for kind in [ObjectKind::Pool, ObjectKind::MdlPages, ObjectKind::ContiguousMemory] {
        let mut run = Run::new(ModeChoice::Remapping);
        run.at(0x10).create(kind, 0x5000_0000_0000, 0, FRAMES);
        run.refused(0x40, 0x100_000);
        assert_eq!(run.only().rule.id, "DMA-004", "{kind:?}");
        assert!(run.only().message.contains("not mapped for the device at all"), "{}", run.only().message);
    }
}

#[test]
fn dma_004_is_for_remapping_and_for_memory_that_is_alive() {
    for mode in [ModeChoice::Isolation, ModeChoice::Passthrough] {
        let mut run = Run::new(mode);
        run.create(ObjectKind::PhysicalMemory, PHYSICAL, 0, FRAMES);
        run.refused(0x40, 0x100_000);
        assert_eq!(run.found(), [("DMA-001", 0x40)]);
    }
    let mut run = Run::new(ModeChoice::Remapping);
    let registers = run.create(ObjectKind::RegisterMap, 0x7000_0000_0000, 0, &[(0xfe000, 1)]);
    let physical = run.create(ObjectKind::PhysicalMemory, PHYSICAL, 0, FRAMES);
    run.release(physical);
    run.refused(0x40, 0x100_000);
    run.refused(0x41, 0xfe00_0000);
    assert_eq!(run.found(), [("DMA-001", 0x40), ("DMA-001", 0x41)]);
    run.release(registers);
}

#[test]
fn dma_002_goes_before_dma_004() {
    let mut run = Run::new(ModeChoice::Remapping);
    run.create(ObjectKind::PhysicalMemory, PHYSICAL, 0, FRAMES);
    // A logical address that has the number of the driver's memory.
    let adl = run.create(ObjectKind::Adl, ADL, 0, &[(0x900, 1)]);
    run.map(adl, Some(0x100), &[(0x900, 1)]);
    run.unmap(adl, Some(0x100), &[(0x900, 1)], true);
    run.refused(0x40, 0x100_000);
    run.refused(0x41, 0x101_000);
    assert_eq!(run.found(), [("DMA-002", 0x40), ("DMA-004", 0x41)]);
}

#[test]
fn a_mapped_address_that_is_refused_is_not_the_drivers_mistake() {
    let (mut run, _, _) = remapped();
    run.transfer(0x40, LOGICAL_PAGE << 12, 8, 0, Some(FaultReason::NoWrite));
    assert_eq!(run.found(), []);
    run.refused(0x41, LOGICAL_PAGE << 12);
    assert_eq!(run.only().culprit, Culprit::Port);
}

#[test]
fn when_a_page_list_was_lost_dma_001_is_not_certain() {
    let mut run = Run::new(ModeChoice::Isolation);
    let adl = run.create(ObjectKind::Adl, ADL, 0, FRAMES);
    run.map_without_list(adl, 0x100, 8);
    run.refused(0x40, 0x100_000);
    assert_eq!(run.only().severity, Severity::Warning);
}

#[test]
fn a_write_where_only_reading_is_mapped_is_dma_003_and_a_read_there_is_the_units_affair() {
    let (mut run, _, _) = remapped();
    // Mapped with both rights, refused for one of them: not decided.
    run.transfer(0x40, LOGICAL_PAGE << 12, 0x100, 0, Some(FaultReason::NoWrite));
    assert_eq!(run.found(), []);
    let mut run = Run::new(ModeChoice::Remapping);
    let section = run.at(0x10).create(ObjectKind::PhysicalMemory, PHYSICAL, 0, FRAMES);
    let adl = run.at(0x20).create(ObjectKind::Adl, ADL, section.object, FRAMES);
    run.map_for_reading(adl, LOGICAL_PAGE, FRAMES);
    run.transfer(0x40, LOGICAL_PAGE << 12, 0x100, 0, Some(FaultReason::NoWrite));
    let finding = run.only();
    assert_eq!((finding.rule.id, finding.place.offset, finding.severity), ("DMA-003", 0x40, Severity::Error));
    assert_eq!(finding.object.as_ref().map(|object| object.number), Some(adl.object));
    assert_eq!(places(finding), [0x20, 0x20, 0x40]);
}
