//! What was cached stays usable until a command covers it, and exactly then is gone.

use dxgk_model::AmdviConfig;

use super::rig::{ALL, IR, IW, Rig, TV, V, forget_device, forget_pages, next_level};
use crate::rig::DEVICE;

const AT: u64 = 0x12_3450_0000;
/// S and PDE of INVALIDATE_IOMMU_PAGES.
const S: u64 = 1;
const PDE: u64 = 2;

/// A rig in which `count` pages from [`AT`] were mapped, used and unmapped without a command.
fn stale(count: u64) -> Rig {
    let rig = Rig::new();
    let root = rig.attach(4, 5);
    for page in 0..count {
        rig.map(root, 4, AT + (page << 12));
        rig.load(AT + (page << 12)).expect("mapped");
        rig.put(root, 4, 1, AT + (page << 12), 0);
    }
    rig
}

fn reachable(rig: &Rig, count: u64) -> Vec<u64> {
    (0..count).filter(|page| rig.load(AT + (page << 12)).is_ok()).collect()
}

#[test]
fn a_page_is_forgotten_alone() {
    let rig = stale(8);
    for elsewhere in [forget_pages(6, AT + 0x3000), forget_pages(5, AT + 0x9000), forget_device(DEVICE.0)] {
        rig.command(elsewhere);
        assert_eq!(reachable(&rig, 8).len(), 8);
    }
    rig.command(forget_pages(5, AT + 0x3000));
    assert_eq!(reachable(&rig, 8), [0, 1, 2, 4, 5, 6, 7]);
}

#[test]
fn a_block_is_forgotten_as_large_as_the_ones_in_the_address_say() {
    // Bit 12 clear: two pages. One one: four. Two ones: eight.
    for (ones, pages) in [(0u64, 2u64), (1, 4), (3, 8)] {
        let rig = stale(16);
        rig.command(forget_pages(5, AT | ones << 12 | S));
        assert_eq!(reachable(&rig, 16), (pages..16).collect::<Vec<_>>());
    }
    let rig = stale(16);
    rig.command(forget_pages(6, 0x7fff_ffff_ffff_f000 | S | PDE));
    assert_eq!(reachable(&rig, 16).len(), 16);
    rig.command(forget_pages(5, 0x7fff_ffff_ffff_f000 | S | PDE));
    assert_eq!(reachable(&rig, 16).len(), 0);
}

#[test]
fn everything_is_forgotten_by_one_command() {
    let rig = stale(4);
    rig.device(V | TV, 9);
    assert_eq!(reachable(&rig, 4).len(), 4);
    rig.command([8 << 60, 0]);
    assert_eq!(reachable(&rig, 4).len(), 0);
}

#[test]
fn a_large_leaf_goes_with_any_page_of_it() {
    let rig = Rig::new();
    let root = rig.attach(4, 5);
    rig.put(root, 4, 2, AT, 1 << 32 | ALL);
    rig.load(AT).expect("mapped");
    rig.put(root, 4, 2, AT, 0);
    rig.load(AT + 0x5000).expect("cached");
    rig.command(forget_pages(5, AT + 0x7_0000));
    rig.load(AT + 0x5000).unwrap_err();
}

#[test]
fn a_table_taken_out_of_the_tree_is_walked_until_directory_entries_are_forgotten() {
    let rig = Rig::new();
    let root = rig.attach(4, 5);
    let old = rig.map(root, 4, AT);
    let table = rig.put(root, 4, 1, AT + 0x2000, old << 12 | ALL);
    rig.load(AT).expect("mapped");
    // Another leaf table takes its place. AT + 0x2000 has never been translated.
    rig.put(root, 4, 2, AT, 0);
    let new = rig.map(root, 4, AT + 0x2000);
    assert_eq!(rig.load(AT + 0x2000), Ok(old), "from the cached directory entry");
    rig.command(forget_pages(5, AT + 0x2000));
    assert_eq!(rig.load(AT + 0x2000), Ok(old), "only pages were forgotten");
    rig.command(forget_pages(5, (AT + 0x2000) | PDE));
    assert_eq!(rig.load(AT + 0x2000), Ok(new));
    assert_eq!(rig.get(table, 0) & next_level(7), 0);
}

#[test]
fn a_device_entry_is_used_as_it_was_until_it_is_forgotten() {
    let rig = Rig::new();
    let root = rig.attach(4, 5);
    let frame = rig.map(root, 4, AT);
    assert_eq!(rig.load(AT), Ok(frame));
    rig.device(V | TV, 0);
    assert_eq!(rig.load(AT), Ok(frame));
    rig.command(forget_device(DEVICE.0 + 1));
    rig.command(forget_pages(5, 0x7fff_ffff_ffff_f000 | S | PDE));
    assert_eq!(rig.load(AT), Ok(frame));
    rig.command(forget_device(DEVICE.0));
    rig.load(AT).unwrap_err();
    // The entry that blocks is cached like any other.
    rig.device(V | TV | IR | IW | root << 12 | 4 << 9, 5);
    rig.load(AT).unwrap_err();
    rig.command(forget_device(DEVICE.0));
    assert_eq!(rig.load(AT), Ok(frame));
}

#[test]
fn with_np_cache_an_absent_page_stays_absent_until_it_is_forgotten() {
    for caches_absent in [false, true] {
        let rig = Rig::with(AmdviConfig { caches_absent, ..AmdviConfig::default() });
        let root = rig.attach(4, 5);
        rig.load(AT).unwrap_err();
        let frame = rig.map(root, 4, AT);
        assert_eq!(rig.load(AT).is_err(), caches_absent);
        rig.command(forget_pages(5, AT));
        assert_eq!(rig.load(AT), Ok(frame));
    }
}
