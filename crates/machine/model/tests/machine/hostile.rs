//! Nothing that software can write makes the machine panic, hang, or reach what it must not.

use dxgk_hw::{LogicalAddr, MachineMemory, PciFunction, PhysAddr, RequesterId, Width};
use dxgk_model::VtdConfig;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::rig::{DEVICE, Rig};

fn width() -> impl Strategy<Value = Width> {
    prop_oneof![Just(Width::Byte), Just(Width::Word), Just(Width::Dword), Just(Width::Qword)]
}

/// Words that look like entries: small frames, all low and high bits.
fn entry() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        (0x100u64..0x180, 0u64..0x1000, prop_oneof![9 => Just(0u64), 1 => 0u64..0x1000])
            .prop_map(|(frame, low, high)| frame << 12 | low | high << 52),
        (0x100u64..0x180, 0u64..4).prop_map(|(frame, access)| frame << 12 | access),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_register_writes_never_panic(
        writes in vec((0u64..0x400, any::<u64>(), any::<bool>()), 1..200),
        addresses in vec(any::<u64>(), 8),
    ) {
        let rig = Rig::new();
        for (offset, value, wide) in writes {
            if wide {
                rig.write64(offset & !7, value);
            } else {
                rig.write32(offset & !3, value as u32);
            }
            rig.read64(offset & !7);
        }
        for at in addresses {
            let _ = rig.load(at);
            let _ = rig.store(at & 0xffff_ffff, 1);
        }
    }

    #[test]
    fn random_tables_never_panic_and_never_lead_outside_ram(
        words in vec((0x100u64..0x180, 0usize..512, entry()), 1..400),
        requests in vec((any::<u16>(), 0u64..1 << 50, any::<bool>()), 1..60),
        levels in any::<bool>(),
    ) {
        let rig = Rig::with(VtdConfig { four_levels: levels, ..VtdConfig::default() });
        for (frame, index, word) in words {
            rig.set(frame, index, word);
        }
        let _ = rig.attach(1);
        for (source, at, write) in requests {
            for requester in [DEVICE, RequesterId(source)] {
                let port = rig.machine.port(requester);
                let at = LogicalAddr::new(at);
                let mut out = [0; 64];
                let answer = if write { port.write(at, &out, 0) } else { port.read(at, &mut out, 0) };
                if let Err(error) = answer {
                    prop_assert!(error.done < 64);
                }
            }
        }
        for transfer in rig.events.transfers() {
            prop_assert_eq!(transfer.done == transfer.bytes, transfer.fault == 0);
        }
    }

    #[test]
    fn random_queues_never_panic_or_hang(
        words in vec((0usize..512, entry()), 0..600),
        tails in vec(any::<u32>(), 1..20),
    ) {
        let rig = Rig::new();
        let queue = rig.read64(0x90) >> 12;
        for (index, word) in words {
            rig.set(queue, index, word & !0xf | (word & 7));
        }
        for tail in tails {
            rig.write64(0x88, u64::from(tail) & 0xfff0);
            prop_assert!(rig.read64(0x80) >> 4 < 256);
            rig.write32(0x34, 0x10);
        }
    }

    #[test]
    fn random_device_accesses_never_panic(
        accesses in vec((0u64..0x100, width(), any::<u64>(), 0u8..4), 1..200),
        config in vec((any::<u16>(), width(), any::<u64>()), 0..10),
    ) {
        let rig = Rig::off(VtdConfig::default());
        let edu = rig.machine.functions()[0].clone();
        for (offset, width, value) in config {
            edu.config_write(offset & 0x1ff, width, value);
            edu.config_read(offset, width);
            edu.config_write(4, Width::Word, 6);
        }
        for (now, (offset, width, value, action)) in accesses.into_iter().enumerate() {
            match action {
                0 => edu.write(0, offset, width, value),
                1 => edu.write(0, offset & !7, Width::Qword, value & 0x4_ffff),
                2 => edu.advance(value >> 40),
                _ => prop_assert_eq!(edu.read(0, offset, width) & !width.mask(), 0),
            }
            edu.advance(now as u64);
        }
        let mut word = [0; 8];
        rig.ram.read(PhysAddr::new(0), &mut word).expect("RAM");
    }
}
