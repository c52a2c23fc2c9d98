//! The described edu beside the built-in one: the same accesses, the same answers, the same events.

use dxgk_hw::{MachineMemory, PciFunction, PhysAddr, Width};
use dxgk_model::VtdConfig;
use proptest::collection::vec;
use proptest::prelude::*;

use super::{Bench, EDU};
use crate::rig::Rig;

/// Accesses in which the two must not differ: no factorial's value, no half of a 64-bit register written alone.
#[derive(Clone, Debug)]
enum Step {
    Read(u64, Width),
    Write(u64, Width, u64),
    Wait(u64),
}

fn word() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        0x4_0000u64..0x4_1010,
        0x5000u64..0x9000,
        Just(0),
        (0u64..8).prop_map(|low| low | 1)
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let wide = prop_oneof![Just(0x80u64), Just(0x88), Just(0x90), Just(0x98)];
    let narrow = prop_oneof![Just(0x00u64), Just(0x04), Just(0x20), Just(0x60), Just(0x64), Just(0x40)];
    let any_read = prop_oneof![
        prop_oneof![Just(0u64), Just(4), Just(0x20), Just(0x24), Just(0x60), Just(0x64), Just(0x0c)]
            .prop_map(|at| Step::Read(at, Width::Dword)),
        (wide.clone(), any::<bool>())
            .prop_map(|(at, half)| Step::Read(at, if half { Width::Dword } else { Width::Qword })),
        (0u64..0x40).prop_map(|at| Step::Read(at * 2, Width::Word)),
    ];
    prop_oneof![
        4 => any_read,
        4 => (wide, word()).prop_map(|(at, value)| Step::Write(at, Width::Qword, value)),
        2 => (narrow, any::<u64>()).prop_map(|(at, value)| Step::Write(at, Width::Dword, value)),
        1 => (0u64..0x40, word()).prop_map(|(at, value)| Step::Write(at, Width::Byte, value)),
        2 => (0u64..6).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_described_edu_is_the_built_in_one(steps in vec(step(), 1..120)) {
        let described = Bench::new(EDU);
        let rig = Rig::off(VtdConfig::default());
        let built_in = rig.machine.functions()[0].clone();
        let pattern: Vec<u8> = (0..0x4000u32).map(|i| (i * 13 + (i >> 8)) as u8).collect();
        for ram in [&rig.ram, &described.rig.ram] {
            ram.write(PhysAddr::new(0x5000), &pattern).expect("RAM");
        }
        let mut now = 0;
        for step in steps {
            match step {
                Step::Read(at, width) => {
                    prop_assert_eq!(built_in.read(0, at, width), described.function.read(0, at, width), "{:#x}", at);
                }
                Step::Write(at, width, value) => {
                    built_in.write(0, at, width, value);
                    described.function.write(0, at, width, value);
                }
                Step::Wait(boundaries) => now += boundaries,
            }
            built_in.advance(now);
            described.function.advance(now);
            prop_assert_eq!(built_in.interrupt_pending(), described.function.interrupt_pending());
        }
        prop_assert_eq!(rig.events.all(), described.rig.events.all());
        let mut images = [vec![0; 0x4000], vec![0; 0x4000]];
        for (ram, image) in [&rig.ram, &described.rig.ram].into_iter().zip(&mut images) {
            ram.read(PhysAddr::new(0x5000), image).expect("RAM");
        }
        prop_assert!(images[0] == images[1], "the memories differ");
    }
}

#[test]
fn a_scripted_driver_sees_no_difference() {
    let described = Bench::new(EDU);
    let rig = Rig::off(VtdConfig::default());
    let built_in = rig.machine.functions()[0].clone();
    for function in [&built_in, &described.function] {
        assert_eq!(function.config_read(0, Width::Dword), 0x11e8_1234);
        assert_eq!(function.config_read(8, Width::Dword), 0x00ff_0010);
        assert_eq!(function.read(0, 0, Width::Dword), 0x0100_00ed);
        function.write(0, 4, Width::Dword, 0x1234_5678);
        assert_eq!(function.read(0, 4, Width::Dword), 0xedcb_a987);
        function.write(0, 8, Width::Dword, 1);
        assert_eq!(function.read(0, 0x20, Width::Dword), 1);
        function.advance(4);
        assert_eq!((function.read(0, 0x20, Width::Dword), function.read(0, 8, Width::Dword)), (0, 1));
        for (register, value) in [(0x80, 0x5000), (0x88, 0x4_0000), (0x90, 64), (0x98, 5)] {
            function.write(0, register, Width::Qword, value);
        }
        assert_eq!(function.read(0, 0x98, Width::Dword), 5);
        function.advance(8);
        assert_eq!(function.read(0, 0x24, Width::Dword), 0x100);
        assert!(function.interrupt_pending());
        function.write(0, 0x64, Width::Dword, 0x100);
        assert!(!function.interrupt_pending());
    }
    assert_eq!(rig.events.all(), described.rig.events.all());
    assert_eq!(rig.events.transfers().len(), 1);
}
