//! What was cached stays usable until a command covers it, and exactly then is gone.

use super::rig::{PAGE, Rig, USER, V, forget_stream, forget_va};
use crate::rig::DEVICE;

const AT: u64 = 0x12_3450_0000;

/// A rig in which `count` pages from [`AT`] were mapped, used and unmapped without a command.
fn stale(count: u64) -> Rig {
    let rig = Rig::new();
    let root = rig.stage_1();
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
fn an_address_is_forgotten_alone() {
    let rig = stale(8);
    let elsewhere =
        [forget_va(6, AT, false), forget_va(5, AT + 0x9000, false), forget_stream(), [0x28 | 1 << 32, 0]];
    for command in elsewhere {
        rig.command(command);
        assert_eq!(reachable(&rig, 8).len(), 8);
    }
    rig.command(forget_va(5, AT + 0x3000, true));
    assert_eq!(reachable(&rig, 8), [0, 1, 2, 4, 5, 6, 7]);
}

#[test]
fn an_asid_a_vmid_and_everything_are_forgotten_whole() {
    for command in [[0x11 | 5 << 48, 0], [0x10, 0], [0x28, 0], [0x30, 0]] {
        let rig = stale(4);
        rig.command([0x11 | 6 << 48, 0]);
        assert_eq!(reachable(&rig, 4).len(), 4);
        rig.command(command);
        assert_eq!(reachable(&rig, 4).len(), 0, "{command:x?}");
    }
}

#[test]
fn stage_2_is_forgotten_by_address_and_by_vmid() {
    for (command, gone) in [
        ([0x2a | 8 << 32, 0x5000], false),
        ([0x2a | 9 << 32, 0x6000], false),
        ([0x2a | 9 << 32, 0x5000], true),
    ] {
        let rig = Rig::new();
        let root = rig.stage_2();
        rig.map(root, 3, 0x5000);
        rig.load(0x5000).expect("mapped");
        rig.put(root, 3, 1, 0x5000, 0);
        rig.command(command);
        assert_eq!(rig.load(0x5000).is_err(), gone);
        rig.command([0x28 | 9 << 32, 0]);
        rig.load(0x5000).unwrap_err();
    }
}

#[test]
fn a_table_taken_out_of_the_tree_is_walked_until_more_than_leaves_are_forgotten() {
    let rig = Rig::new();
    let root = rig.stage_1();
    let old = rig.map(root, 4, AT);
    rig.put(root, 4, 1, AT + 0x2000, old << 12 | PAGE | USER);
    rig.load(AT).expect("mapped");
    rig.put(root, 4, 2, AT, 0);
    let new = rig.map(root, 4, AT + 0x2000);
    assert_eq!(rig.load(AT + 0x2000), Ok(old), "from the cached table descriptor");
    rig.command(forget_va(5, AT + 0x2000, true));
    assert_eq!(rig.load(AT + 0x2000), Ok(old), "only leaves were forgotten");
    rig.command(forget_va(5, AT + 0x2000, false));
    assert_eq!(rig.load(AT + 0x2000), Ok(new));
}

#[test]
fn a_row_with_the_contiguous_hint_goes_with_any_page_of_it() {
    let rig = Rig::new();
    let root = rig.stage_1();
    for page in 0..16u64 {
        rig.put(root, 4, 1, AT + (page << 12), (0x10_0000 + page) << 12 | PAGE | USER | 1 << 52);
    }
    rig.load(AT).expect("mapped");
    for page in 0..16u64 {
        rig.put(root, 4, 1, AT + (page << 12), 0);
    }
    rig.load(AT + 0xf000).expect("one TLB entry for all");
    rig.command(forget_va(5, AT + 0x7000, true));
    rig.load(AT + 0xf000).unwrap_err();
}

#[test]
fn entries_and_descriptors_are_used_as_they_were_until_they_are_forgotten() {
    let rig = Rig::new();
    let root = rig.stage_1();
    let frame = rig.map(root, 4, AT);
    assert_eq!(rig.load(AT), Ok(frame));
    rig.stream([0; 4]);
    assert_eq!(rig.load(AT), Ok(frame));
    rig.command([3 | u64::from(DEVICE.0 + 1) << 32, 1]);
    assert_eq!(rig.load(AT), Ok(frame));
    rig.command(forget_stream());
    rig.load(AT).unwrap_err();
    // A descriptor that is changed beneath a valid entry.
    let descriptor = rig.context(super::rig::CD, root);
    rig.load(AT).expect("an entry that was not valid is not cached");
    rig.set(descriptor, 0, 0);
    rig.load(AT).expect("cached");
    rig.command([5 | u64::from(DEVICE.0) << 32, 1]);
    rig.load(AT).unwrap_err();
    // All streams at once.
    rig.set(descriptor, 0, super::rig::CD);
    rig.load(AT).expect("valid again");
    rig.stream([V, 0, 0, 0]);
    rig.command([4, 31]);
    rig.load(AT).unwrap_err();
}
