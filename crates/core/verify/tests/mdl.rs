//! MDL-001, MDL-002, MDL-003.

mod stream;

use std::mem::offset_of;

use dxgk_abi::{DxgkrnlInterface, MdlFlags, NtStatus};
use dxgk_event::{Event, MdlMoment, MdlState, ModeChoice, ObjectKind};
use stream::{Made, Run, places};

const HANDLE: u64 = 0xffff_8000_0000_2000;
const MDL: u64 = 0x5000_0000_1000;
const BUFFER: u64 = 0x6100_0000_0000;
const FRAMES: &[(u64, u64)] = &[(0x100, 1), (0x200, 1)];

const STATE: MdlState = MdlState {
    mdl: MDL,
    handle: 0,
    pages_digest: 0x1234,
    next: 0,
    start_va: BUFFER,
    byte_count: 0x1800,
    byte_offset: 0x10,
    size: 64,
    flags: MdlFlags::PAGES_LOCKED.0,
    moment: MdlMoment::Map,
    readable: 1,
    reserved: [0; 2],
};

struct Mapped {
    run: Run,
    block: Made,
    mdl: Made,
    mapping: Made,
}

/// A pool block, an MDL of it, and its mapping.
fn mapped() -> Mapped {
    let mut run = Run::new(ModeChoice::Isolation);
    let block = run.at(0x10).create_sized(ObjectKind::Pool, BUFFER, 0, FRAMES, 0x2000, None);
    let mdl = run.at(0x11).create_sized(ObjectKind::Mdl, MDL, 0, &[], 0x1800, None);
    let mapping = run.at(0x12).create(ObjectKind::MdlMapping, HANDLE, 0, FRAMES);
    run.emit(Event::MdlState(MdlState { handle: HANDLE, ..STATE }));
    Mapped { run, block, mdl, mapping }
}

/// An unmap that finds the MDL so.
fn unmap(it: &mut Mapped, seen: MdlState) {
    let mapping = it.mapping;
    let slot = offset_of!(DxgkrnlInterface, unmap_mdl_from_iommu);
    it.run.call(slot, 0x30, &[HANDLE], NtStatus::SUCCESS, |run| {
        run.emit(Event::MdlState(MdlState { handle: HANDLE, moment: MdlMoment::Unmap, ..seen }));
        run.release(mapping);
    });
}

#[test]
fn what_stays_as_it_is_and_is_freed_after_the_unmap_is_no_finding() {
    let mut it = mapped();
    // Mapped for the processor meanwhile, by the kernel.
    let flags = STATE.flags | MdlFlags::MAPPED_TO_SYSTEM_VA.0;
    unmap(&mut it, MdlState { flags, ..STATE });
    it.run.release(it.mdl);
    it.run.release(it.block);
    assert_eq!(it.run.found(), []);
}

/// Shows S-MMIA-02.
#[test]
fn each_member_that_changed_is_named() {
    let changes = [
        (MdlState { pages_digest: 1, ..STATE }, "page numbers"),
        (MdlState { byte_count: 0x1000, ..STATE }, "ByteCount was 0x1800 and is 0x1000"),
        (MdlState { byte_offset: 0, ..STATE }, "ByteOffset"),
        (MdlState { start_va: BUFFER + 0x1000, ..STATE }, "StartVa"),
        (MdlState { next: 1, ..STATE }, "Next"),
        (MdlState { size: 72, ..STATE }, "Size"),
    ];
    for (seen, told) in changes {
        let mut it = mapped();
        unmap(&mut it, seen);
        let finding = it.run.only();
        assert_eq!((finding.rule.id, finding.place.offset), ("MDL-001", 0x30), "{told}");
        assert!(finding.message.contains(told), "{}", finding.message);
        assert_eq!(places(finding), [0x12, 0x30]);
        assert_eq!(finding.object.as_ref().map(|object| object.number), Some(it.mapping.object));
    }
}

/// Shows S-MMI-06.
#[test]
fn an_mdl_or_its_pool_freed_before_the_unmap_is_mdl_002_where_it_is_freed_and_nothing_more() {
    for mdl_itself in [true, false] {
        let mut it = mapped();
        let freed = if mdl_itself { it.mdl } else { it.block };
        it.run.at(0x20).release(freed);
        let finding = it.run.only();
        assert_eq!((finding.rule.id, finding.place.offset), ("MDL-002", 0x20));
        assert_eq!(places(finding), [0x12, 0x20]);
        // What the memory holds by then is nobody's business.
        unmap(&mut it, MdlState { readable: u8::from(mdl_itself), pages_digest: 9, ..STATE });
        assert_eq!(it.run.found().len(), 1);
    }
}

#[test]
fn pool_beside_the_buffer_may_be_freed() {
    let mut it = mapped();
    for (va, bytes) in [(BUFFER - 0x20, 0x20), (BUFFER + 0x1810, 0x40)] {
        let other = it.run.create_sized(ObjectKind::Pool, va, 0, &[], bytes, None);
        it.run.at(0x20).release(other);
    }
    assert_eq!(it.run.found(), []);
    let inside = it.run.create_sized(ObjectKind::Pool, BUFFER + 0x180f, 0, &[], 1, None);
    it.run.at(0x21).release(inside);
    assert_eq!(it.run.found(), [("MDL-002", 0x21)]);
}

/// Shows S-MMI-07.
#[test]
fn pages_that_were_unlocked_and_an_mdl_that_is_gone_are_mdl_002_at_the_unmap() {
    for seen in [MdlState { flags: 0, ..STATE }, MdlState { readable: 0, pages_digest: 0, ..STATE }] {
        let mut it = mapped();
        unmap(&mut it, seen);
        assert_eq!(it.run.found(), [("MDL-002", 0x30)]);
    }
}

/// Shows S-MMIA-01.
#[test]
fn a_map_of_pages_that_are_not_locked_is_mdl_003_and_one_refused_for_another_reason_is_none() {
    let refused = |flags: MdlFlags, readable| {
        let mut run = Run::new(ModeChoice::Isolation);
        let slot = offset_of!(DxgkrnlInterface, map_mdl_to_iommu);
        run.call(slot, 0x30, &[MDL], NtStatus::INVALID_PARAMETER, |run| {
            run.emit(Event::MdlState(MdlState { flags: flags.0, readable, ..STATE }));
        });
        run.found()
    };
    assert_eq!(refused(MdlFlags(0), 1), [("MDL-003", 0x30)]);
    assert_eq!(refused(MdlFlags::WRITE_OPERATION, 1), [("MDL-003", 0x30)]);
    for flags in [MdlFlags::PAGES_LOCKED, MdlFlags::SOURCE_IS_NONPAGED_POOL, MdlFlags::PARTIAL] {
        assert_eq!(refused(flags, 1), []);
    }
    assert_eq!(refused(MdlFlags(0), 0), []);
}

#[test]
fn pages_of_the_mm_routines_are_found_by_their_mdl_or_their_address() {
    for (handle, va) in [(MDL, 0), (BUFFER, BUFFER)] {
        let mut it = mapped();
        let pages = it.run.create_at(ObjectKind::MmMemory, handle, va, 0x2000);
        it.run.at(0x20).release(pages);
        assert_eq!(it.run.found(), [("MDL-002", 0x20)]);
    }
}
