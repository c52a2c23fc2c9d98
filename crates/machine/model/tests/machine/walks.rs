//! Translation of hand-written tables.

use dxgk_event::FaultReason;
use dxgk_hw::{DmaError, LogicalAddr, MachineMemory, PhysAddr, RequesterId};
use dxgk_model::VtdConfig;

use crate::rig::{PS, R, RW, Rig, W};

fn poke(rig: &Rig, at: u64, value: u64) {
    rig.ram.write(PhysAddr::new(at), &value.to_le_bytes()).expect("RAM");
}

#[test]
fn without_translation_requests_are_physical() {
    let rig = Rig::off(VtdConfig::default());
    poke(&rig, 0x1_0000_5008, 77);
    assert_eq!(rig.load(0x1_0000_5008), Ok(77));
    assert_eq!(rig.store(0x6000, 5), Ok(()));
    assert!(rig.events.transfers().iter().all(|transfer| transfer.translated == 0 && transfer.done == 8));
    assert!(rig.load(0xa000_0000).is_err(), "a hole");
    assert_eq!(rig.events.faults()[0].reason, FaultReason::NoMemory);
}

#[test]
fn pass_through_leaves_addresses_alone() {
    let rig = Rig::new();
    rig.context(0b10 << 2 | 1, 7 << 8 | 2);
    poke(&rig, 0x9_f000, 3);
    assert_eq!(rig.load(0x9_f000), Ok(3));
    assert_eq!(rig.events.transfers()[0].translated, 0);
    assert!(rig.load(0xc000_0000).is_err());
    assert_eq!(rig.events.faults()[0].domain, 7);
    assert_eq!(rig.events.faults()[0].record, [0, 0], "no fault of the unit's");
}

#[test]
fn leaves_of_all_sizes_translate_with_their_offset() {
    for (level, size) in [(1, 1u64 << 12), (2, 1 << 21), (3, 1 << 30)] {
        let rig = Rig::new();
        let root = rig.attach(9);
        let at = 0x7f_c000_0000;
        let ps = if level == 1 { 0 } else { PS };
        rig.put(root, 4, level, at, 0x1_4000_0000 | ps | RW);
        for offset in [0, 8, size / 2 + 0x10, size - 8] {
            poke(&rig, 0x1_4000_0000 + offset, offset + 1);
            // Twice: from the walk, and from the cache.
            assert_eq!(rig.load(at + offset), Ok(offset + 1), "level {level}, offset {offset:#x}");
            assert_eq!(rig.load(at + offset), Ok(offset + 1), "level {level}, offset {offset:#x}");
        }
        assert!(rig.load(at + size).is_err());
        assert!(rig.load(at - 8).is_err());
        assert_eq!(rig.events.transfers()[0].translated, 1);
    }
}

#[test]
fn three_level_tables_hold_39_bits() {
    let rig = Rig::new();
    let root = rig.frame();
    rig.context(root << 12 | 1, 5 << 8 | 1);
    rig.put(root, 3, 1, 0x7f_ffff_f000, 0x800 << 12 | RW);
    poke(&rig, 0x80_0000, 42);
    assert_eq!(rig.load(0x7f_ffff_f000), Ok(42));
    assert!(rig.load(0x80_0000_0000).is_err());
    let fault = rig.events.faults()[0];
    assert_eq!((fault.reason, fault.record[1] >> 32 & 0xff), (FaultReason::BeyondWidth, 4));
}

#[test]
fn permissions_are_the_and_over_all_levels() {
    for level in 1..=4u32 {
        for (access, readable, writable) in [(R, true, false), (W, false, true), (RW, true, true)] {
            let rig = Rig::new();
            let root = rig.attach(1);
            let at = 0x12_3456_7000;
            rig.map(root, at, 0x500, RW);
            // Weaken one level by hand.
            let mut table = root;
            for above in (level..=4).rev() {
                let index = (at >> (12 + 9 * (above - 1))) as usize & 0x1ff;
                let place = PhysAddr::new(table << 12 | (index as u64) << 3);
                let mut word = [0; 8];
                rig.ram.read(place, &mut word).expect("RAM");
                let entry = u64::from_le_bytes(word);
                if above == level {
                    poke(&rig, place.get(), entry & !RW | access);
                }
                table = entry >> 12;
            }
            assert_eq!(rig.load(at).is_ok(), readable, "level {level}, access {access}");
            assert_eq!(rig.store(at, 1).is_ok(), writable, "level {level}, access {access}");
            // Again, now that whichever was allowed is cached.
            assert_eq!(rig.load(at).is_ok(), readable, "level {level}, access {access}");
            assert_eq!(rig.store(at, 1).is_ok(), writable, "level {level}, access {access}");
            let reasons: Vec<_> = rig
                .events
                .faults()
                .iter()
                .map(|fault| (fault.reason, fault.record[1] >> 32 & 0xff))
                .collect();
            match access {
                R => assert_eq!(reasons, [(FaultReason::NoWrite, 5); 2]),
                W => assert_eq!(reasons, [(FaultReason::NoRead, 6); 2]),
                _ => assert!(reasons.is_empty()),
            }
        }
    }
}

#[test]
fn the_fault_of_an_absent_entry_names_its_level_and_place() {
    for level in 1..=4u32 {
        let rig = Rig::new();
        let root = rig.attach(6);
        let at = 0x12_3456_7000u64;
        let table = rig.put(root, 4, level, at, 0);
        assert!(rig.load(at).is_err());
        let index = at >> (12 + 9 * (level - 1)) & 0x1ff;
        let fault = rig.events.faults()[0];
        assert_eq!(fault.reason, FaultReason::NotPresent);
        assert_eq!(
            (u32::from(fault.level), fault.entry, fault.entry_at),
            (level, 0, table << 12 | index << 3)
        );
        assert_eq!((fault.domain, fault.address, fault.cached), (6, at, 0));
    }
}

#[test]
fn reserved_bits_of_present_entries_are_refused() {
    // (level, leaf with PS, bit)
    let bits: &[(u32, u64, u32)] = &[
        (1, 0, 11),
        (1, 0, 46),
        (1, 0, 51),
        (1, 0, 62),
        (2, PS, 12),
        (2, PS, 20),
        (2, PS, 46),
        (3, PS, 12),
        (3, PS, 29),
        (2, 0, 51),
        (2, 0, 62),
        (3, 0, 46),
        (3, 0, 11),
        (4, 0, 7),
        (4, 0, 48),
        (4, 0, 62),
    ];
    for (level, ps, bit) in bits {
        let rig = Rig::new();
        let root = rig.attach(1);
        let next = if *ps == 0 { 0x1_4000_0000 } else { 0x4000_0000 };
        rig.put(root, 4, *level, 0, next | ps | RW | 1 << bit);
        assert!(rig.load(0).is_err(), "level {level}, bit {bit}");
        let fault = rig.events.faults()[0];
        assert_eq!(
            (fault.reason, fault.record[1] >> 32 & 0xff),
            (FaultReason::Malformed, 0xc),
            "level {level}, bit {bit}"
        );
        assert_eq!(u32::from(fault.level), *level);
        assert_ne!(fault.entry & 1 << bit, 0);
    }
}

#[test]
fn bits_that_hardware_ignores_do_not_matter() {
    let rig = Rig::new();
    let root = rig.attach(1);
    // X, EMT, IPAT, A, D, bit 10, 61:52 and 63; PS of a level 1 entry.
    let ignored = 0b111_1100 | 1 << 8 | 1 << 9 | 1 << 10 | 0x3ff << 52 | 1 << 63;
    rig.map(root, 0x5000, 0x700, RW | ignored | PS);
    poke(&rig, 0x70_0000, 9);
    assert_eq!(rig.load(0x5000), Ok(9));
}

#[test]
fn an_entry_with_only_the_execute_bit_is_absent() {
    let rig = Rig::new();
    let root = rig.attach(1);
    rig.map(root, 0x5000, 0x700, 0b100);
    assert!(rig.load(0x5000).is_err());
    assert_eq!(rig.events.faults()[0].reason, FaultReason::NotPresent);
}

#[test]
fn large_pages_are_reserved_where_the_unit_has_none() {
    let rig = Rig::with(VtdConfig { large_pages: false, ..VtdConfig::default() });
    let root = rig.attach(1);
    rig.put(root, 4, 2, 0, 0x4000_0000 | PS | RW);
    assert!(rig.load(0).is_err());
    assert_eq!(rig.events.faults()[0].record[1] >> 32 & 0xff, 0xc);
}

#[test]
fn a_table_outside_ram_and_a_leaf_outside_ram_differ() {
    let rig = Rig::new();
    let root = rig.attach(1);
    rig.put(root, 4, 2, 0, 0xa000_0000 | RW);
    assert!(rig.load(0).is_err());
    rig.map(root, 0x4000_0000, 0xa_0000, RW);
    assert!(rig.load(0x4000_0000).is_err());
    let faults = rig.events.faults();
    assert_eq!((faults[0].reason, faults[0].record[1] >> 32 & 0xff), (FaultReason::Malformed, 7));
    assert_eq!((faults[1].reason, faults[1].record), (FaultReason::NoMemory, [0, 0]));
    assert_eq!((faults[1].entry, faults[1].level), (0xa000_0000 | RW, 1));
}

#[test]
fn a_transfer_is_split_at_pages_and_stops_at_the_first_refused() {
    let rig = Rig::new();
    let root = rig.attach(1);
    rig.map(root, 0x1000, 0x900, RW);
    rig.map(root, 0x2000, 0x800, RW);
    let bytes: Vec<u8> = (0..0x2000u32).map(|i| i as u8 ^ (i >> 8) as u8).collect();
    let at = LogicalAddr::new(0x1800);
    let answer = rig.port().write(at, &bytes, 55);
    assert_eq!(answer, Err(DmaError { at: LogicalAddr::new(0x3000), done: 0x1800 }));
    let mut first = vec![0; 0x800];
    rig.ram.read(PhysAddr::new(0x90_0800), &mut first).expect("RAM");
    assert_eq!(first, bytes[..0x800]);
    let mut second = vec![0; 0x1000];
    rig.ram.read(PhysAddr::new(0x80_0000), &mut second).expect("RAM");
    assert_eq!(second, bytes[0x800..0x1800]);
    let transfer = rig.events.transfers()[0];
    assert_eq!((transfer.cause, transfer.bytes, transfer.done, transfer.write), (55, 0x2000, 0x1800, 1));
    assert_eq!(transfer.fault, 1, "the fault's record, which came first");
    assert_eq!(rig.events.faults()[0].address, 0x3000);
    // What a device reads beyond the refusal is all ones.
    let mut out = vec![0; 0x2000];
    assert!(rig.port().read(at, &mut out, 0).is_err());
    assert_eq!(out[..0x1800], bytes[..0x1800]);
    assert!(out[0x1800..].iter().all(|byte| *byte == 0xff));
}

#[test]
fn a_transfer_over_the_end_of_the_address_space_is_refused() {
    let rig = Rig::off(VtdConfig::default());
    assert!(rig.port().write(LogicalAddr::new(u64::MAX - 3), &[0; 16], 0).is_err());
}

#[test]
fn requests_to_the_interrupt_range_reach_no_memory_whatever_is_mapped() {
    let rig = Rig::new();
    let root = rig.attach(1);
    rig.map(root, 0xfee0_0000, 0x900, RW);
    assert!(rig.store(0xfee0_0000, 5).is_err());
    assert_eq!(rig.events.faults()[0].reason, FaultReason::NoMemory);
}

#[test]
fn requesters_meet_their_own_context() {
    let rig = Rig::new();
    let root = rig.attach(1);
    rig.map(root, 0x1000, 0x900, RW);
    assert!(rig.load(0x1000).is_ok());
    for other in [RequesterId::new(0, 3, 1), RequesterId::new(0, 4, 0), RequesterId::new(1, 3, 0)] {
        let port = rig.machine.port(other);
        assert!(port.read(LogicalAddr::new(0x1000), &mut [0; 4], 0).is_err(), "{other}");
    }
    let codes: Vec<_> =
        rig.events.faults().iter().map(|fault| (fault.reason, fault.record[1] >> 32 & 0xff)).collect();
    assert_eq!(codes, [(FaultReason::NoDevice, 2), (FaultReason::NoDevice, 2), (FaultReason::NoDevice, 1)]);
}
