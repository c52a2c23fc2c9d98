//! Walks of either stage.

use dxgk_event::FaultReason;
use dxgk_hw::{MachineMemory, PhysAddr};
use dxgk_model::SmmuConfig;

use super::rig::{BLOCK, CD, IN, PAGE, READ_ONLY, RNW, Rig, S2, S2_READ, S2_WRITE, STAGE_2, TABLE, USER, V};

const TRANSLATION: u64 = 0x10;
const ADDR_SIZE: u64 = 0x11;
const ACCESS: u64 = 0x12;
const PERMISSION: u64 = 0x13;
const AT: u64 = 0x8765_4321_d000;

#[test]
fn pages_are_reached_in_stage_1_and_nothing_beside_them() {
    let rig = Rig::new();
    let root = rig.stage_1();
    let frame = rig.map(root, 4, AT);
    assert_eq!(rig.load(AT), Ok(frame));
    rig.store(AT + 8, 77).expect("mapped");
    assert_eq!(rig.get(frame, 1), 77);
    assert_eq!(rig.event(), None);
    for (hole, reason) in [(AT ^ 0x1000, FaultReason::NotPresent), (AT | 1 << 48, FaultReason::BeyondWidth)] {
        rig.store(hole, 1).unwrap_err();
        assert_eq!(rig.assert_event(TRANSLATION, IN, hole).reason, reason);
    }
}

#[test]
fn pages_are_reached_in_stage_2_and_nothing_beside_them() {
    let rig = Rig::new();
    let root = rig.stage_2();
    let at = 0x43_2100_d000;
    let frame = rig.map(root, 3, at);
    assert_eq!(rig.load(at), Ok(frame));
    rig.store(at + 8, 77).expect("mapped");
    assert_eq!(rig.get(frame, 1), 77);
    rig.load(at ^ 0x1000).unwrap_err();
    let fault = rig.assert_event(TRANSLATION, RNW | IN | S2, at ^ 0x1000);
    assert_eq!((fault.reason, fault.domain), (FaultReason::NotPresent, 9));
    rig.load(1 << 39).unwrap_err();
    assert_eq!(rig.assert_event(TRANSLATION, RNW | IN | S2, 1 << 39).reason, FaultReason::BeyondWidth);
}

#[test]
fn a_stage_2_root_of_tables_in_a_row_goes_on_where_the_first_ends() {
    let rig = Rig::new();
    // 41 bits from a start at three levels: the root is four tables.
    let root = rig.frame();
    for _ in 0..3 {
        rig.frame();
    }
    let third = 9 | 23 << 32 | 1 << 38 | 5 << 48 | 1 << 51 | 1 << 58;
    rig.stream([V | STAGE_2, 0, third, root << 12]);
    for nth in 0..4u64 {
        let at = nth << 39 | 3 << 30;
        let frame = rig.frame();
        rig.set(frame, 0, frame);
        let table = rig.frame();
        let leaves = rig.frame();
        rig.set(root, nth * 512 + 3, table << 12 | TABLE);
        rig.set(table, 0, leaves << 12 | TABLE);
        rig.set(leaves, 0, frame << 12 | PAGE | S2_READ);
        assert_eq!(rig.load(at), Ok(frame), "table {nth}");
    }
}

#[test]
fn granules_of_16_and_64_kib_make_their_own_levels() {
    // Granule, its TG0, the level of blocks and the shift of a block.
    for (granule, tg0, block) in [(14u64, 2u64, 25u64), (16, 1, 29)] {
        let rig = Rig::new();
        let bits = granule - 3;
        let span = |level: u64| granule + (level - 1) * bits;
        let levels = (1..).find(|levels| granule + levels * bits >= 48).expect("a number");
        // Tables of 16 frames, aligned, for whatever granule.
        let table = |nth: u64| 0x1000 + nth * 16;
        let root = table(0);
        rig.context(CD | tg0 << 6, root);
        let at = 0x4321_8765_0000 & !((1 << granule) - 1);
        let mut here = root;
        for level in (2..=levels).rev() {
            let mask = if level == levels { (1 << (48 - span(level))) - 1 } else { (1 << bits) - 1 };
            rig.set(here, at >> span(level) & mask, table(level) << 12 | TABLE);
            here = table(level);
        }
        let leaf = 1u64 << 32;
        rig.set(here, at >> granule & ((1 << bits) - 1), leaf | PAGE | USER);
        for within in [0, (1 << granule) - 4096] {
            rig.ram.write(PhysAddr::new(leaf + within), &within.to_le_bytes()).expect("RAM");
            assert_eq!(rig.load(at + within), Ok(within), "granule 2^{granule}");
        }
        rig.load(at + (1 << granule)).unwrap_err();
        rig.assert_event(TRANSLATION, RNW | IN, at + (1 << granule));
        // A block one level up.
        let level_2 = if levels > 2 { table(3) } else { root };
        let at = at ^ 1 << (block + 1);
        let mask = if levels == 2 { (1 << (48 - span(2))) - 1 } else { (1 << bits) - 1 };
        rig.set(level_2, at >> span(2) & mask, leaf | BLOCK | USER);
        let within = at & ((1 << block) - 1);
        rig.ram.write(PhysAddr::new(leaf + within), &7u64.to_le_bytes()).expect("RAM");
        assert_eq!(rig.load(at), Ok(7), "a block of 2^{block}");
    }
}

#[test]
fn blocks_are_where_the_granule_has_them_and_nowhere_else() {
    for (level, legal) in [(2u64, true), (3, true), (4, false)] {
        let rig = Rig::new();
        let root = rig.stage_1();
        let shift = 12 + 9 * (level - 1);
        rig.put(root, 4, level, AT, 1 << 32 & !((1 << shift) - 1) | BLOCK | USER);
        let within = AT & ((1 << shift) - 1);
        if legal {
            let at = PhysAddr::new((1 << 32) + within);
            if rig.ram.write(at, &9u64.to_le_bytes()).is_ok() {
                assert_eq!(rig.load(AT), Ok(9));
            }
            assert_eq!(rig.event(), None);
        } else {
            rig.load(AT).unwrap_err();
            rig.assert_event(TRANSLATION, RNW | IN, AT);
        }
    }
    // At the lowest level only a page is one.
    let rig = Rig::new();
    let root = rig.stage_1();
    rig.put(root, 4, 1, AT, 0x9000 << 12 | BLOCK | USER);
    rig.load(AT).unwrap_err();
    rig.assert_event(TRANSLATION, RNW | IN, AT);
}

#[test]
fn permissions_of_stage_1_come_from_the_leaf_and_all_tables() {
    // Leaf bits, table bits, reads, writes.
    let (no_user, no_write) = (1u64 << 61, 1u64 << 62);
    let cases = [
        (USER, 0, true, true),
        (USER | READ_ONLY, 0, true, false),
        (0, 0, false, false),
        (USER, no_write, true, false),
        (USER, no_user, false, false),
    ];
    for (leaf, tables, reads, writes) in cases {
        for level in 2..=4 {
            let rig = Rig::new();
            let root = rig.stage_1();
            rig.put(root, 4, 1, AT, 0x9000 << 12 | PAGE | leaf);
            let table = rig.put(root, 4, level, AT, 0);
            let index = AT >> (12 + 9 * (level - 1)) & 0x1ff;
            let below = rig.frame();
            rig.set(table, index, below << 12 | TABLE | tables);
            rig.put(below, level - 1, 1, AT, 0x9000 << 12 | PAGE | leaf);
            assert_eq!(rig.load(AT).is_ok(), reads, "{leaf:#x} {tables:#x}");
            if !reads {
                assert_eq!(rig.assert_event(PERMISSION, RNW | IN, AT).reason, FaultReason::NoRead);
            }
            assert_eq!(rig.store(AT, 1).is_ok(), writes);
            if !writes {
                assert_eq!(rig.assert_event(PERMISSION, IN, AT).reason, FaultReason::NoWrite);
            }
        }
    }
}

#[test]
fn permissions_of_stage_2_are_each_its_own_bit() {
    for (bits, reads, writes) in
        [(0, false, false), (S2_READ, true, false), (S2_WRITE, false, true), (S2_READ | S2_WRITE, true, true)]
    {
        let rig = Rig::new();
        let root = rig.stage_2();
        rig.put(root, 3, 1, 0x5000, 0x9000 << 12 | PAGE | bits);
        assert_eq!(rig.load(0x5000).is_ok(), reads);
        if !reads {
            rig.assert_event(PERMISSION, RNW | IN | S2, 0x5000);
        }
        assert_eq!(rig.store(0x5000, 1).is_ok(), writes);
        if !writes {
            rig.assert_event(PERMISSION, IN | S2, 0x5000);
        }
    }
}

#[test]
fn a_clear_access_flag_faults_unless_that_is_off() {
    let rig = Rig::new();
    let root = rig.stage_1();
    rig.put(root, 4, 1, AT, 0x9000 << 12 | PAGE & !(1 << 10) | USER);
    rig.load(AT).unwrap_err();
    rig.assert_event(ACCESS, RNW | IN, AT);
    let rig = Rig::new();
    let root = rig.frame();
    rig.context(CD | 1 << 35, root);
    rig.put(root, 4, 1, AT, 0x9000 << 12 | PAGE & !(1 << 10) | USER);
    rig.load(AT).expect("AFFD");
}

#[test]
fn addresses_beyond_the_output_are_refused_at_any_level() {
    for level in [1, 3] {
        let rig = Rig::with(SmmuConfig { output_bits: 40, ..SmmuConfig::default() });
        let root = rig.stage_1();
        rig.put(root, 4, level, AT, 1 << 40 | PAGE | USER);
        rig.load(AT).unwrap_err();
        rig.assert_event(ADDR_SIZE, RNW | IN, AT);
    }
}

#[test]
fn a_table_outside_memory_is_an_external_abort() {
    let rig = Rig::new();
    let root = rig.stage_1();
    rig.put(root, 4, 4, AT, 1 << 40 | TABLE);
    rig.load(AT).unwrap_err();
    let fault = rig.assert_event(0x0b, RNW | 1 << 40, AT);
    assert_eq!((fault.reason, fault.level), (FaultReason::Malformed, 3));
}
