//! Whatever stands in memory and registers: no panic, no endless walk or queue.

use proptest::prelude::*;

use super::rig::{Rig, TABLE, V, forget_stream};

fn word() -> impl Strategy<Value = u64> {
    prop_oneof![
        (0u64..0x40, any::<u64>()).prop_map(|(frame, noise)| (0x200 + frame) << 12 | TABLE | noise & 0xffc),
        any::<u64>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn structures_of_noise_are_walked_to_an_end(
        words in proptest::collection::vec(word(), 64),
        entry in any::<[u64; 4]>(),
        addresses in proptest::collection::vec(any::<u64>(), 16),
    ) {
        let rig = Rig::new();
        for frame in 0x200..0x240u64 {
            for index in 0..512 {
                rig.set(frame, index, words[((frame * 31 + index * 7) % 64) as usize]);
            }
        }
        let [first, second, third, fourth] = entry;
        let legal = 9 | 25 << 32 | 1 << 38 | 5 << 48 | 1 << 51 | 1 << 58;
        for entry in [
            entry,
            [V | (first & 3) << 2 | 0b100 << 1 | 0x200 << 12, second, third, fourth],
            [V | 0b110 << 1, 0, legal ^ third & 0x3f_0000_0000, 0x200 << 12],
        ] {
            rig.stream(entry);
            rig.command(forget_stream());
            for at in &addresses {
                let _ = rig.load(*at);
                let _ = rig.store(at & 0x7f_ffff_ffff, 0);
            }
        }
    }

    #[test]
    fn queues_of_noise_stop_or_run_to_the_end(
        words in proptest::collection::vec(any::<[u64; 2]>(), 32),
        registers in proptest::collection::vec((0u64..0x40, any::<u32>()), 64),
    ) {
        let rig = Rig::new();
        for [first, second] in words {
            rig.submit(&[[first, second]]);
            rig.write(0x64, rig.read(0x60));
        }
        for (at, value) in registers {
            rig.write(at * 4, value);
            rig.write(0x1_00a8 + (at & 1) * 4, value);
            let _ = rig.read(at * 4);
            let _ = rig.load(u64::from(value));
        }
    }
}
