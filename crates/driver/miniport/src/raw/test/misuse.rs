//! Mistakes on purpose: they do what they say, in that order, and nothing else.

use std::vec::Vec;

use dxgk_abi::{Handle, Irql};

use super::kernel::take_log;
use super::memory::adapter;
use crate::{MdlMapping, NonPagedPool, PhysicalMemory, Placement, RegisterCache, RegisterMap, misuse};

#[test]
fn what_is_done_at_a_level_is_done_between_the_raise_and_the_lowering() {
    let adapter = adapter();
    let memory = PhysicalMemory::pages(&adapter, 0x1000, Placement::ANYWHERE).expect("an object");
    take_log();
    misuse::at_level(Irql::DISPATCH_LEVEL, || memory.view(0, 0x1000)).expect("a view").leak();
    assert_eq!(take_log(), ["KfRaiseIrql(2)", "view 0x2000", "KeLowerIrql(0)"]);
}

#[test]
fn an_object_is_closed_then_destroyed_with_what_was_closed_and_in_the_end_without() {
    let adapter = adapter();
    let memory = PhysicalMemory::pages(&adapter, 0x1000, Placement::ANYWHERE).expect("an object");
    take_log();
    misuse::close_and_destroy(memory).expect("all offered");
    assert_eq!(take_log(), ["close", "destroy", "destroy unopened"]);
}

#[test]
fn any_number_is_passed_as_a_handle() {
    let adapter = adapter();
    misuse::close(&adapter, Handle(1)).expect("offered");
    misuse::free_pages(&adapter, Handle(1)).expect("offered");
    assert_eq!(take_log(), ["close", "free pages"]);
}

#[test]
fn an_mdl_goes_before_its_mapping() {
    let adapter = adapter();
    let block = NonPagedPool::allocate(0x1000).expect("a block");
    let mdl = block.mdl().expect("an MDL");
    take_log();
    misuse::free_while_mapped(&adapter, mdl).expect("offered");
    assert_eq!(take_log(), ["map MDL", "IoFreeMdl", "unmap MDL"]);
}

#[test]
fn page_numbers_are_exchanged_within_the_mdl_only() {
    let adapter = adapter();
    let block = NonPagedPool::allocate(0x3000).expect("a block");
    let mdl = block.mdl().expect("an MDL");
    let mapping = MdlMapping::map(&adapter, &mdl).expect("a map");
    let pages = || -> Vec<u64> {
        (0..3).map(|page| mapping.device_address(page * 0x1000).expect("a page").bits() >> 12).collect()
    };
    let before = pages();
    misuse::swap_page_numbers(&mdl, 0, 2);
    assert_eq!(pages(), [before[2], before[1], before[0]]);
    misuse::swap_page_numbers(&mdl, 0, 100);
    assert_eq!(pages(), [before[2], before[1], before[0]]);
}

#[test]
fn an_mdl_without_page_numbers_has_the_room_for_them() {
    let _adapter = adapter();
    let block = NonPagedPool::allocate(0x2000).expect("a block");
    let mdl = misuse::unpopulated_mdl(&block).expect("an MDL");
    assert_eq!(mdl.page_count(), block.mdl().expect("an MDL").page_count());
    assert_eq!(mdl.list().page_frame(0), Some(0));
}

#[test]
fn a_read_beyond_is_at_the_first_byte_beyond() {
    let adapter = adapter();
    let start = crate::PhysicalAddress(0xFE00_0000);
    let map = RegisterMap::map(&adapter, start, 0xFF8, RegisterCache::NonCached).expect("a map");
    // Eight bytes of the page are left behind the map here, and they are zero.
    assert_eq!(misuse::read_register_beyond(&map), 0);
    assert_eq!(map.address() % 4096, 0);
}
