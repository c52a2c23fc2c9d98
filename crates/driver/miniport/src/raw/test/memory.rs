//! Memory: what is called when, and what is checked before anything is touched.

use std::vec::Vec;

use dxgk_abi::callback::AllocateAdlFlags;
use dxgk_abi::{DxgkrnlInterface, Guid, NtStatus};
use zerocopy::{FromZeros, IntoBytes};

use super::super::table::Callbacks;
use super::callbacks::{LOGICAL, table};
use super::kernel::{bind, frame, take_log, with};
use crate::{
    Adapter, MdlMapping, MdlPages, NonPagedPool, PhysicalAddress, PhysicalMemory, Placement, RegisterCache,
    RegisterMap, UnopenedMemory, misuse,
};

/// An adapter over a table of which `size` bytes are offered; the copy has not one readable byte more.
fn adapter_of(table: &DxgkrnlInterface, size: usize) -> Adapter {
    bind();
    let mut words = std::vec![0_u64; size.div_ceil(8)];
    let bytes = words.as_mut_bytes();
    bytes[..size].copy_from_slice(&table.as_bytes()[..size]);
    bytes[..4].copy_from_slice(&(size as u32).to_le_bytes());
    // SAFETY: as many bytes as it says, with slots of the documented signatures.
    let callbacks = unsafe { Callbacks::copy(words.as_ptr().cast()) }.expect("a table");
    Adapter::new(callbacks, Guid::new_zeroed())
}

pub(super) fn adapter() -> Adapter {
    adapter_of(&table(), size_of::<DxgkrnlInterface>())
}

#[test]
fn views_and_lists_are_undone_before_their_object_in_reverse_order() {
    let adapter = adapter();
    {
        let memory = PhysicalMemory::pages(&adapter, 0x4000, Placement::ANYWHERE).expect("an object");
        let _view = memory.view(0, 0x4000).expect("a view");
        let _adl = memory.adl(0, 0x4000, AllocateAdlFlags(0)).expect("a list");
    }
    let expected =
        ["create MDL 0x4000", "view 0x5000", "list 4 pages", "free list", "unview 0x5000", "destroy"];
    assert_eq!(take_log(), expected);
}

#[test]
fn an_object_opened_later_is_closed_before_it_is_destroyed_and_not_closed_by_both() {
    let adapter = adapter();
    {
        let memory = UnopenedMemory::pages(&adapter, 0x2000, Placement::ANYWHERE).expect("an object");
        let opened = memory.open(&adapter).expect("open");
        let _adl = opened.adl(0, 0x1000, AllocateAdlFlags(0)).expect("a list");
    }
    let expected = ["create MDL 0x2000", "open", "list 1 pages", "free list", "close", "destroy unopened"];
    assert_eq!(take_log(), expected);
}

#[test]
fn an_mdl_map_goes_before_its_mdl_and_the_mdl_before_its_pool() {
    let adapter = adapter();
    {
        let block = NonPagedPool::allocate(0x4000).expect("pool");
        let mdl = block.mdl().expect("an MDL");
        let _mapping = MdlMapping::map(&adapter, &mdl).expect("a map");
    }
    assert_eq!(take_log(), ["map MDL", "unmap MDL", "IoFreeMdl", "ExFreePoolWithTag"]);
    assert!(with(|state| state.pool.is_empty() && state.mdls.is_empty()));
}

#[test]
fn a_register_map_is_unmapped_once_and_not_at_all_when_leaked() {
    let adapter = adapter();
    let map = || RegisterMap::map(&adapter, PhysicalAddress(0xFE00_0000), 0x1000, RegisterCache::NonCached);
    drop(map().expect("a map"));
    assert_eq!(take_log(), ["map 0xfe000000+0x1000", "unmap"]);
    map().expect("a map").leak();
    assert_eq!(take_log(), ["map 0xfe000000+0x1000"]);
}

#[test]
fn each_thing_is_released_exactly_once_and_twice_only_by_misuse() {
    let adapter = adapter();
    let memory = PhysicalMemory::pages(&adapter, 0x1000, Placement::ANYWHERE).expect("an object");
    take_log();
    drop(memory.adl(0, 0x1000, AllocateAdlFlags(0)).expect("a list"));
    assert_eq!(take_log(), ["list 1 pages", "free list"]);
    misuse::free_twice(memory.adl(0, 0x1000, AllocateAdlFlags(0)).expect("a list"));
    assert_eq!(take_log(), ["list 1 pages", "free list", "free list"]);
    misuse::free_pages_twice(MdlPages::allocate(&adapter, 0x1000, Placement::ANYWHERE).expect("pages"));
    assert_eq!(take_log(), ["allocate 1 pages", "free pages", "free pages"]);
}

#[test]
fn a_refused_allocation_leaves_nothing_to_undo() {
    let adapter = adapter();
    let refused = PhysicalMemory::pages(&adapter, 0, Placement::ANYWHERE);
    assert_eq!(refused.expect_err("no bytes"), NtStatus::INVALID_PARAMETER);
    assert!(take_log().is_empty());
}

#[test]
fn a_slot_beyond_the_offered_size_is_not_supported_and_not_read() {
    let adapter = adapter_of(&table(), 0x1B8);
    assert!(adapter.has("DxgkCbMapMdlToIoMmu"));
    assert!(!adapter.has("DxgkCbUnmapMdlFromIoMmu"));
    let object = PhysicalMemory::pages(&adapter, 0x1000, Placement::ANYWHERE);
    assert_eq!(object.expect_err("a slot of WDDM 2.9"), NtStatus::NOT_SUPPORTED);
    assert_eq!(adapter.table_size(), 0x1B8);
    assert!(take_log().is_empty());
}

#[test]
fn a_slot_that_the_offered_size_cuts_in_two_is_not_supported() {
    let adapter = adapter_of(&table(), 0x1B4);
    assert!(!adapter.has("DxgkCbMapMdlToIoMmu"));
    assert!(adapter.has("DxgkCbFreePagesFromMdl"));
}

#[test]
fn a_table_larger_than_known_is_used_as_far_as_it_is_known() {
    bind();
    let mut words = std::vec![u64::MAX; 100];
    words.as_mut_bytes()[..size_of::<DxgkrnlInterface>()].copy_from_slice(table().as_bytes());
    words.as_mut_bytes()[..4].copy_from_slice(&800_u32.to_le_bytes());
    // SAFETY: 800 bytes, as it says.
    let callbacks = unsafe { Callbacks::copy(words.as_ptr().cast()) }.expect("a table");
    assert_eq!(callbacks.table().size as usize, size_of::<DxgkrnlInterface>());
}

#[test]
fn a_null_table_and_one_without_a_size_are_refused() {
    // SAFETY: null is looked at, not through.
    let null = unsafe { Callbacks::copy(core::ptr::null()) };
    assert_eq!(null.expect_err("no table"), NtStatus::INVALID_PARAMETER);
    let none = [0_u64; 2];
    // SAFETY: it says that it has no bytes.
    let none = unsafe { Callbacks::copy(none.as_ptr().cast()) };
    assert_eq!(none.expect_err("no size"), NtStatus::REVISION_MISMATCH);
}

#[test]
fn both_forms_of_a_list_give_the_same_kind_of_address() {
    let adapter = adapter();
    let memory = PhysicalMemory::contiguous(&adapter, 0x4000, Placement::ANYWHERE, 0).expect("an object");
    let array = memory.adl(0x1000, 0x3000, AllocateAdlFlags(0)).expect("a list");
    assert!(!array.is_contiguous());
    let pages: Vec<u64> = array.pages().map(|page| page.bits() >> 12).collect();
    assert_eq!(pages, [LOGICAL + 1, LOGICAL + 4, LOGICAL + 7]);
    assert_eq!(array.device_address(0x2010).expect("inside").bits(), (LOGICAL + 7) << 12 | 0x10);
    assert_eq!(array.device_address(0x3000).expect_err("beyond"), NtStatus::INVALID_PARAMETER);

    let run = memory.adl(0, 0x4000, AllocateAdlFlags::PREFER_CONTIGUOUS).expect("a list");
    assert!(run.is_contiguous());
    let pages: Vec<u64> = run.pages().map(|page| page.bits() >> 12).collect();
    assert_eq!(pages, [LOGICAL, LOGICAL + 1, LOGICAL + 2, LOGICAL + 3]);
}

#[test]
fn an_mdl_gives_the_frame_of_each_page() {
    let adapter = adapter();
    let pages = MdlPages::allocate(&adapter, 0x3000, Placement::ANYWHERE).expect("pages");
    assert_eq!(pages.device_address(0x2008).expect("inside").bits(), 0x8FC << 12 | 8);
    assert_eq!(pages.device_address(0x3000).expect_err("beyond"), NtStatus::INVALID_PARAMETER);

    let block = NonPagedPool::allocate(0x3000).expect("pool");
    let mdl = block.mdl().expect("an MDL");
    let mapping = MdlMapping::map(&adapter, &mdl).expect("a map");
    // Pool that does not begin with a page: the MDL's offset counts.
    for offset in [0, 1, 0xFFF, 0x1000, 0x2FFF] {
        let address = mapping.device_address(offset).expect("inside").bits();
        let byte = block.physical_address(offset as usize).expect("inside");
        assert_eq!(address, byte.0, "offset {offset:#x}");
    }
    assert_eq!(frame(block.address()), mapping.physical_address(0).expect("inside").0 >> 12);
}

#[test]
fn access_is_checked_for_range_and_alignment() {
    let adapter = adapter();
    let map =
        RegisterMap::map(&adapter, PhysicalAddress(0), 0x1000, RegisterCache::NonCached).expect("a map");
    map.write(0xFF8, 0x1122_3344_5566_7788_u64).expect("the last word");
    assert_eq!(map.read::<u32>(0xFFC), Ok(0x1122_3344));
    assert_eq!(map.read::<u8>(0xFFF), Ok(0x11));
    assert_eq!(map.read::<u64>(0xFFC), Err(NtStatus::INVALID_PARAMETER));
    assert_eq!(map.read::<u32>(usize::MAX), Err(NtStatus::INVALID_PARAMETER));
    assert_eq!(map.write(0x2, 0_u32), Err(NtStatus::DATATYPE_MISALIGNMENT));
}

#[test]
fn a_view_says_where_the_wanted_part_begins() {
    let adapter = adapter();
    let memory = PhysicalMemory::pages(&adapter, 0x2000, Placement::ANYWHERE).expect("an object");
    let view = memory.view(0x1000, 0x1000).expect("a view");
    assert_eq!((view.start(), view.length()), (0x1000, 0x2000));
}
