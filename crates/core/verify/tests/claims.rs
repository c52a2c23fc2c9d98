//! RSV-001, SAVE-001, MDL-004, MDL-005, and what is pinned and not unpinned.

mod stream;

use std::mem::offset_of;

use dxgk_abi::{DxgkrnlInterface, MdlFlags, NtStatus};
use dxgk_event::{ClaimKind, ClaimOutcome, Event, MdlMoment, MdlState, MemoryClaim, ModeChoice, ObjectKind};
use dxgk_verify::Severity;
use stream::{LOGICAL, Run};

const LEAD: u64 = 0xffff_8000_0000_0000;
const PIN: usize = offset_of!(DxgkrnlInterface, pin_frame_buffer_for_save);
const PIN2: usize = offset_of!(DxgkrnlInterface, pin_frame_buffer_for_save2);
const UNPIN: usize = offset_of!(DxgkrnlInterface, unpin_frame_buffer_for_save);
const UNMAP: usize = offset_of!(DxgkrnlInterface, unmap_frame_buffer_pointer);
const INVALID: NtStatus = NtStatus::INVALID_PARAMETER;

fn claim(kind: ClaimKind, base: u64, bytes: u64, outcome: ClaimOutcome) -> Event {
    Event::MemoryClaim(MemoryClaim {
        base,
        bytes,
        logical_adapter: LOGICAL,
        index: 0,
        kind,
        outcome,
        reserved: [0; 6],
    })
}

/// Rules found, with what each says.
fn found(run: &Run) -> Vec<(&'static str, String)> {
    run.verifier.findings().iter().map(|it| (it.rule.id, it.message.clone())).collect()
}

fn rules(run: &Run) -> Vec<&'static str> {
    run.verifier.findings().iter().map(|it| it.rule.id).collect()
}

/// Shows S-HRR-01, S-HRR-02, S-ISO-77.
#[test]
fn a_reserved_range_or_a_segment_over_memory_that_is_handed_out_is_rsv_001() {
    for (kind, named) in [(ClaimKind::ReservedRange, "reserved range"), (ClaimKind::Segment, "segment 0")] {
        let mut run = Run::new(ModeChoice::Isolation);
        run.emit(claim(kind, 0xa000_0000, 0x10_0000, ClaimOutcome::Granted));
        run.emit(claim(kind, 0xa000_0001, 0x10_0000, ClaimOutcome::Malformed));
        run.emit(claim(kind, 0xa000_0000, 0x10_0000, ClaimOutcome::NoRoom));
        assert_eq!(rules(&run), [""; 0]);
        run.emit(claim(kind, 0x12_3000, 0x2000, ClaimOutcome::InUse));
        let all = found(&run);
        assert_eq!(all.len(), 1);
        let (rule, message) = &all[0];
        assert_eq!(*rule, "RSV-001");
        assert!(message.contains("0x123000") && message.contains(named), "{message}");
    }
}

/// Shows S-FSA-01, S-ISO-59, S-ISO-61.
#[test]
fn a_save_area_that_is_no_multiple_of_a_page_is_save_001() {
    let mut run = Run::new(ModeChoice::Isolation);
    run.emit(claim(ClaimKind::SaveArea, 0, 0x1800, ClaimOutcome::Malformed));
    let all = found(&run);
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].0, "SAVE-001");
    assert!(all[0].1.contains("0x1800"), "{}", all[0].1);
}

/// Shows S-ISO-31, S-PINA-02, S-PINA-03, S-PI2A-02, S-PI2A-03.
#[test]
fn a_pin_of_more_than_was_reported_or_of_half_pages_is_save_001() {
    for slot in [PIN, PIN2] {
        for (size, status, expected) in [
            (0x4000, NtStatus::SUCCESS, 0),
            (0x1000, NtStatus::SUCCESS, 0),
            (0x4000, NtStatus::NO_MEMORY, 0),
            (0x4000, INVALID, 0),
            (0x5000, INVALID, 1),
            (0x4001, INVALID, 1),
            (0x800, INVALID, 1),
        ] {
            let mut run = Run::new(ModeChoice::Isolation);
            run.emit(claim(ClaimKind::SaveArea, 0, 0x4000, ClaimOutcome::Granted));
            run.call(slot, 0x40, &[0, size, 0], status, |_| {});
            assert_eq!(rules(&run), vec!["SAVE-001"; expected], "{size:#x}, {status}");
        }
        let mut run = Run::new(ModeChoice::Isolation);
        run.call(slot, 0x40, &[0, 0x1000, 0], INVALID, |_| {});
        assert_eq!(rules(&run), ["SAVE-001"], "nothing was reported");
    }
}

#[test]
fn a_pin_that_is_refused_for_its_mode_is_mode_001_and_nothing_else() {
    let mut run = Run::new(ModeChoice::Remapping);
    run.call(PIN, 0x40, &[0, 0x1000], NtStatus::NOT_SUPPORTED, |_| {});
    assert_eq!(rules(&run), ["MODE-001"]);
}

#[test]
fn unpinning_and_unmapping_twice_is_free_001_for_any_index_and_once_is_nothing() {
    for index in [0, 1] {
        let mut run = Run::new(ModeChoice::Isolation);
        let pin = run.at(0x10).create(ObjectKind::Pin, LEAD + index, 0, &[(0x100, 4)]);
        run.call(UNPIN, 0x20, &[index], NtStatus::SUCCESS, |run| run.release(pin));
        assert_eq!(rules(&run), [""; 0]);
        run.call(UNPIN, 0x30, &[index], INVALID, |_| {});
        assert_eq!(rules(&run), ["FREE-001"]);
    }
    let mut run = Run::new(ModeChoice::Isolation);
    let base = 0x7000_0000_0000;
    let view = run.at(0x10).create(ObjectKind::SaveView, base, 0, &[(0x100, 4)]);
    run.call(UNMAP, 0x20, &[0, base], NtStatus::SUCCESS, |run| run.release(view));
    assert_eq!(rules(&run), [""; 0]);
    run.call(UNMAP, 0x30, &[0, base], INVALID, |_| {});
    assert_eq!(rules(&run), ["FREE-001"]);
}

/// An MDL that DxgkCbMapMdlToIoMmu refused.
fn refused(change: impl FnOnce(&mut MdlState)) -> Run {
    let mut state = MdlState {
        mdl: 0x5000_0000_1000,
        handle: 0,
        pages_digest: 1,
        next: 0,
        start_va: 0x6100_0000_0000,
        byte_count: 0x1800,
        byte_offset: 0x10,
        size: 64,
        flags: MdlFlags::PAGES_LOCKED.0,
        moment: MdlMoment::Map,
        readable: 1,
        reserved: [0; 2],
    };
    change(&mut state);
    let mut run = Run::new(ModeChoice::Isolation);
    let slot = offset_of!(DxgkrnlInterface, map_mdl_to_iommu);
    run.call(slot, 0x20, &[state.mdl], INVALID, |run| {
        run.emit(Event::MdlState(state));
    });
    run
}

#[test]
fn an_mdl_whose_header_does_not_fit_itself_is_mdl_004_also_when_it_is_not_locked() {
    let both = MdlFlags::PAGES_LOCKED.union(MdlFlags::SOURCE_IS_NONPAGED_POOL).0;
    type Case<'a> = (&'a str, &'a dyn Fn(&mut MdlState), &'a [&'a str]);
    let cases: [Case<'_>; 10] = [
        ("as it should be, and refused for something else", &|_| {}, &[]),
        ("a page more than Size has room for", &|it| it.byte_count = 0x2000, &["MDL-004"]),
        ("the last byte that fits", &|it| it.byte_count = 0x1ff0, &[]),
        ("one byte more", &|it| it.byte_count = 0x1ff1, &["MDL-004"]),
        ("an offset of a page", &|it| (it.byte_offset, it.byte_count) = (0x1000, 8), &["MDL-004"]),
        ("no bytes", &|it| it.byte_count = 0, &["MDL-004"]),
        ("locked and of nonpaged pool", &|it| it.flags = both, &["MDL-004"]),
        ("too long and not locked", &|it| (it.byte_count, it.flags) = (0x9000, 0), &["MDL-004"]),
        ("not locked", &|it| it.flags = 0, &["MDL-003"]),
        ("not readable", &|it| (it.readable, it.byte_count, it.flags) = (0, 0, 0), &[]),
    ];
    for (name, change, expected) in cases {
        assert_eq!(rules(&refused(change)), expected, "{name}");
    }
}

/// Shows S-APM-05.
#[test]
fn more_than_an_mdl_can_name_is_mdl_005_refused_or_not() {
    let most = (1u64 << 32) - 4096;
    let pages = offset_of!(DxgkrnlInterface, allocate_pages_for_mdl);
    let object = offset_of!(DxgkrnlInterface, create_physical_memory_object);
    let mdl = |bytes| vec![LEAD, bytes, 0, 1];
    type Case = (&'static str, usize, Vec<u64>, NtStatus, Option<Severity>);
    let cases: [Case; 8] = [
        ("the most", pages, vec![0, u64::MAX, 0, most, 1, 0], NtStatus::SUCCESS, None),
        ("a byte more", pages, vec![0, u64::MAX, 0, most + 1, 1, 0], INVALID, Some(Severity::Error)),
        ("all there is", pages, vec![0, u64::MAX, 0, u64::MAX, 1, 0], INVALID, Some(Severity::Error)),
        ("an object of the most", object, mdl(most), NtStatus::SUCCESS, None),
        ("a larger object", object, mdl(most + 1), NtStatus::SUCCESS, Some(Severity::Warning)),
        ("a larger one, refused", object, mdl(1 << 40), NtStatus::NO_MEMORY, Some(Severity::Warning)),
        ("another type", object, vec![LEAD, 1 << 40, 1, 1], NtStatus::NO_MEMORY, None),
        ("refused for its mode", pages, vec![0, 0, 0, 1 << 33, 1, 0], NtStatus::NOT_SUPPORTED, None),
    ];
    for (name, slot, words, status, expected) in cases {
        let mut run = Run::new(ModeChoice::Isolation);
        run.call(slot, 0x20, &words, status, |_| {});
        let severities: Vec<Severity> = run.verifier.findings().iter().map(|it| it.severity).collect();
        assert_eq!(severities, expected.into_iter().collect::<Vec<_>>(), "{name}");
        assert!(rules(&run).iter().all(|rule| *rule == "MDL-005"), "{name}");
    }
}
