//! The walk through host page tables.

use dxgk_event::FaultReason;
use dxgk_hw::{MachineMemory, PhysAddr};

use super::rig::{ALL, FLAG_PE, FLAG_PR, FLAG_RW, FLAG_RZ, IR, IW, PAGE_FAULT, PR, Rig, next_level};

const DOMAIN: u64 = 5 << 32;

/// An address that has something at every level of `mode`.
fn address(mode: u64) -> u64 {
    let whole = 0x8765_4321_9abc_d000;
    if mode == 6 { whole } else { whole & ((1 << (12 + 9 * mode)) - 1) }
}

#[test]
fn pages_are_reached_in_every_mode_and_nothing_beyond_its_width() {
    for mode in 1..=6 {
        let rig = Rig::new();
        let root = rig.attach(mode, 5);
        let at = address(mode);
        let frame = rig.map(root, mode, at);
        assert_eq!(rig.load(at), Ok(frame), "mode {mode}");
        rig.store(at + 8, 77).expect("mapped");
        assert_eq!(rig.get(frame, 1), 77);
        assert_eq!(rig.event(), None);
        if mode < 6 {
            let beyond = at | 1 << (12 + 9 * mode);
            rig.load(beyond).unwrap_err();
            assert_eq!(rig.assert_event(PAGE_FAULT | DOMAIN, beyond).reason, FaultReason::BeyondWidth);
        }
        rig.load(at ^ 0x1000).unwrap_err();
        assert_eq!(rig.assert_event(PAGE_FAULT | DOMAIN, at ^ 0x1000).reason, FaultReason::NotPresent);
    }
}

#[test]
fn leaves_of_every_power_of_two_reach_as_far_as_they_say() {
    for shift in 12..=30u32 {
        let rig = Rig::new();
        let root = rig.attach(4, 5);
        let level = u64::from((shift - 12) / 9 + 1);
        let own = 12 + 9 * (level as u32 - 1);
        let (at, to) = (0x41u64 << 31, 1u64 << 32);
        let leaf = if shift == own {
            to | ALL
        } else {
            // Ones below the lowest zero say the size.
            to | ((1u64 << (shift - 1)) - (1 << 12)) | next_level(7) | ALL
        };
        let entries = 1u64 << (shift - own);
        for part in 0..entries {
            rig.put(root, 4, level, at + (part << own), leaf);
        }
        for within in [0, (1u64 << shift) - 4096, (1u64 << shift) / 2] {
            rig.ram.write(PhysAddr::new(to + within), &within.to_le_bytes()).expect("RAM");
            assert_eq!(rig.load(at + within), Ok(within), "2^{shift}");
        }
        rig.load(at + (1 << shift)).unwrap_err();
    }
}

#[test]
fn skipped_levels_translate_only_where_their_part_of_the_address_is_0() {
    let rig = Rig::new();
    let root = rig.attach(4, 5);
    let (table, frame) = (rig.frame(), rig.frame());
    rig.set(frame, 0, 42);
    rig.set(root, 3, table << 12 | next_level(1) | ALL);
    rig.set(table, 9, frame << 12 | ALL);
    let at = 3 << 39 | 9 << 12;
    assert_eq!(rig.load(at), Ok(42));
    rig.load(at | 1 << 21).unwrap_err();
    rig.assert_event(PAGE_FAULT | DOMAIN, at | 1 << 21);
    rig.load(at | 1 << 30).unwrap_err();
    rig.assert_event(PAGE_FAULT | DOMAIN, at | 1 << 30);
}

#[test]
fn permissions_are_the_and_of_all_levels() {
    for weak in 1..=4 {
        for (permissions, reads, writes) in [(IR, true, false), (IW, false, true), (0, false, false)] {
            let rig = Rig::new();
            let root = rig.attach(4, 5);
            let at = address(4);
            rig.map(root, 4, at);
            let table = rig.put(root, 4, weak, at, 0);
            let index = at >> (12 + 9 * (weak - 1)) & 0x1ff;
            let (below, level) = if weak == 1 { (rig.frame(), 0) } else { (rig.frame(), weak - 1) };
            rig.set(table, index, below << 12 | next_level(level) | PR | permissions);
            if weak > 1 {
                rig.put(below, weak - 1, 1, at, rig.frame() << 12 | ALL);
            }
            let denied = PAGE_FAULT | DOMAIN | FLAG_PR | FLAG_PE;
            assert_eq!(rig.load(at).is_ok(), reads, "level {weak}");
            if !reads {
                assert_eq!(rig.assert_event(denied, at).reason, FaultReason::NoRead);
            }
            assert_eq!(rig.store(at, 1).is_ok(), writes, "level {weak}");
            if !writes {
                assert_eq!(rig.assert_event(denied | FLAG_RW, at).reason, FaultReason::NoWrite);
            }
        }
    }
}

#[test]
fn the_device_entrys_permissions_count_too_and_are_not_cached_with_the_page() {
    let rig = Rig::new();
    let root = rig.attach(4, 5);
    let at = address(4);
    let frame = rig.map(root, 4, at);
    assert_eq!(rig.load(at), Ok(frame));
    rig.device(super::rig::V | super::rig::TV | IR | root << 12 | 4 << 9, 5);
    rig.command(super::rig::forget_device(crate::rig::DEVICE.0));
    assert_eq!(rig.load(at), Ok(frame));
    rig.store(at, 1).unwrap_err();
    rig.assert_event(PAGE_FAULT | DOMAIN | FLAG_PR | FLAG_PE | FLAG_RW, at);
}

#[test]
fn entries_that_mean_nothing_are_refused_with_what_is_wrong() {
    let at = address(4);
    let frame = 0x9000u64 << 12;
    let wrong = [
        // Reserved bits, in leaves and in directories.
        (1, frame | ALL | 1 << 52, FLAG_RZ),
        (1, frame | ALL | 1 << 58, FLAG_RZ),
        (2, frame | ALL | next_level(1) | 1 << 59, FLAG_RZ),
        (2, frame | ALL | next_level(1) | 1 << 60, FLAG_RZ),
        // A level that is not below; a size that is not the level's.
        (2, frame | ALL | next_level(2), 0),
        (1, frame | ALL | next_level(5), 0),
        (2, frame | ALL | next_level(7), 0),
        (1, frame | 0x3_ffff_f000 | ALL | next_level(7), 0),
    ];
    for (level, entry, flags) in wrong {
        let rig = Rig::new();
        let root = rig.attach(4, 5);
        rig.put(root, 4, level, at, entry);
        rig.load(at).unwrap_err();
        let fault = rig.assert_event(PAGE_FAULT | DOMAIN | FLAG_PR | flags, at);
        assert_eq!((fault.reason, fault.entry), (FaultReason::Malformed, entry));
        assert_eq!(u64::from(fault.level), level);
    }
}

#[test]
fn a_table_outside_memory_is_a_hardware_error_that_names_the_place() {
    let rig = Rig::new();
    let root = rig.attach(4, 5);
    let nowhere = 1u64 << 40;
    rig.put(root, 4, 4, 0, nowhere | next_level(3) | ALL);
    rig.load(0x1000).unwrap_err();
    let fault = rig.assert_event(4 << 60 | 1 << 57 | DOMAIN, nowhere);
    assert_eq!((fault.level, fault.reason), (3, FaultReason::Malformed));
}

#[test]
fn a_page_outside_memory_is_not_the_units_business() {
    let rig = Rig::new();
    let root = rig.attach(4, 5);
    rig.put(root, 4, 1, 0x1000, 1 << 40 | ALL);
    rig.load(0x1000).unwrap_err();
    assert_eq!(rig.event(), None);
    assert_eq!(rig.events.faults().last().map(|fault| fault.reason), Some(FaultReason::NoMemory));
}

#[test]
fn interrupt_messages_are_no_memory_and_reading_them_is_logged() {
    let rig = Rig::new();
    rig.attach(4, 5);
    rig.store(0xfee0_0000, 1).unwrap_err();
    assert_eq!(rig.event(), None);
    rig.load(0xfee0_1000).unwrap_err();
    rig.assert_event(8 << 60, 0xfee0_1000);
}
