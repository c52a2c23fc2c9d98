//! Whatever stands in memory and registers: no panic, no endless walk, and nothing reached that no table leads to.

use dxgk_hw::MachineMemory;
use proptest::prelude::*;

use super::rig::{ALL, Rig};

fn word() -> impl Strategy<Value = u64> {
    // Entries that lead somewhere, and anything.
    prop_oneof![
        (0u64..0x40, 0u64..8, any::<u64>()).prop_map(|(frame, next, noise)| (0x200 + frame) << 12
            | next << 9
            | ALL
            | noise & 0x1c00_0000_0000_01fe),
        any::<u64>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn tables_of_noise_are_walked_to_an_end(
        words in proptest::collection::vec(word(), 64),
        first in any::<u64>(),
        second in any::<u64>(),
        addresses in proptest::collection::vec(any::<u64>(), 16),
    ) {
        let rig = Rig::new();
        for frame in 0x200..0x240u64 {
            for index in 0..512 {
                rig.set(frame, index, words[((frame * 31 + index * 7) % 64) as usize]);
            }
        }
        for first in [first, first & 0x7000_0000_0000_0e00 | 3 | 0x200 << 12] {
            rig.device(first, second);
            rig.command(super::rig::forget_device(crate::rig::DEVICE.0));
            for at in &addresses {
                let _ = rig.load(*at);
                let _ = rig.store(at & 0xffff_ffff_ffff, 0);
            }
        }
    }

    #[test]
    fn rings_of_noise_stop_or_run_to_the_tail(
        words in proptest::collection::vec(any::<[u64; 2]>(), 32),
        registers in proptest::collection::vec((0u64..0x410, any::<u64>()), 64),
    ) {
        let rig = Rig::new();
        for [first, second] in words {
            rig.submit(&[[first, second]]);
            rig.submit(&[[first & !(0xf << 60) | (first % 9) << 60, second]]);
        }
        for (at, value) in registers {
            rig.write(at * 8 + if at > 8 { 0x1f80 } else { 0 }, value);
            let _ = rig.read(at * 8);
        }
        prop_assert!(rig.ram.live(dxgk_hw::Pfn::new(0)).is_some());
    }
}
