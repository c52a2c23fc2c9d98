//! Configuration space and decoding.

use std::sync::Arc;

use dxgk_event::NoEvents;
use dxgk_hw::{PciFunction, PhysAddr, RequesterId, Width};
use dxgk_model::{
    BadMachine, BarShape, Bus, Capability, Device, Edu, Identity, Machine, PciDevice, VtdConfig,
};
use dxgk_shm::Ram;

use crate::rig::{DEVICE, Rig};

fn rig_and_function() -> (Rig, Arc<PciDevice>) {
    let rig = Rig::off(VtdConfig::default());
    let function = rig.machine.functions()[0].clone();
    (rig, function)
}

#[test]
fn the_header_identifies_the_device() {
    let (_rig, edu) = rig_and_function();
    assert_eq!(edu.requester(), DEVICE);
    assert_eq!(edu.name(), "edu");
    assert_eq!(edu.config_read(0, Width::Dword), 0x11e8_1234);
    assert_eq!(edu.config_read(2, Width::Word), 0x11e8);
    assert_eq!(edu.config_read(8, Width::Byte), 0x10);
    assert_eq!(edu.config_read(0x0e, Width::Byte), 0, "header type 0");
    assert_eq!(edu.config_read(0x3d, Width::Byte), 1, "INTA");
    edu.config_write(0, Width::Dword, 0);
    assert_eq!(edu.config_read(0, Width::Dword), 0x11e8_1234, "read only");
    for (offset, width) in [(0x100, Width::Dword), (0xffff, Width::Byte), (1, Width::Word), (0, Width::Qword)]
    {
        assert_eq!(edu.config_read(offset, width), width.mask());
        edu.config_write(offset, width, 0);
    }
}

#[test]
fn the_sizing_protocol_finds_the_bar() {
    let (_rig, edu) = rig_and_function();
    let bar = edu.bars()[0];
    assert_eq!((bar.index, bar.size), (0, 1 << 20));
    assert_eq!(edu.config_read(0x10, Width::Dword), bar.base.get());
    edu.config_write(0x10, Width::Dword, 0xffff_ffff);
    assert_eq!(edu.config_read(0x10, Width::Dword), 0xfff0_0000);
    edu.config_write(0x10, Width::Dword, bar.base.get());
    edu.config_write(0x14, Width::Dword, 0xffff_ffff);
    assert_eq!(edu.config_read(0x14, Width::Dword), 0, "no second BAR");
    assert_eq!(edu.bars()[0], bar);
}

#[test]
fn a_moved_bar_answers_at_its_new_address_only() {
    let (rig, edu) = rig_and_function();
    let old = edu.bars()[0].base;
    edu.config_write(0x10, Width::Dword, 0xf000_0000);
    assert_eq!(rig.machine.read_register(PhysAddr::new(0xf000_0000), Width::Dword), 0x0100_00ed);
    assert_eq!(rig.machine.read_register(old, Width::Dword), 0xffff_ffff);
}

#[test]
fn without_memory_decoding_nothing_answers() {
    let (rig, edu) = rig_and_function();
    let base = edu.bars()[0].base;
    assert_eq!(edu.read(0, 0, Width::Dword), 0x0100_00ed);
    edu.config_write(4, Width::Word, 4);
    assert_eq!(edu.read(0, 0, Width::Dword), 0xffff_ffff);
    assert_eq!(rig.machine.read_register(base, Width::Dword), 0xffff_ffff);
    edu.write(0, 4, Width::Dword, 5);
    edu.config_write(4, Width::Word, 6);
    assert_eq!(edu.read(0, 4, Width::Dword), 0, "the write was dropped");
}

#[test]
fn accesses_outside_the_bar_read_as_all_ones() {
    let (rig, edu) = rig_and_function();
    assert_eq!(edu.read(0, 1 << 20, Width::Dword), 0xffff_ffff);
    assert_eq!(edu.read(0, (1 << 20) - 2, Width::Dword), 0xffff_ffff);
    assert_eq!(edu.read(0, u64::MAX, Width::Byte), 0xff);
    assert_eq!(edu.read(1, 0, Width::Word), 0xffff);
    assert_eq!(rig.machine.read_register(PhysAddr::new(0xd000_0000), Width::Qword), u64::MAX);
    assert_eq!(rig.machine.read_port(0xc000, Width::Byte), 0xff);
    rig.machine.write_port(0xc000, Width::Byte, 1);
}

#[test]
fn the_units_registers_are_at_their_address() {
    let (rig, _) = rig_and_function();
    let cap = PhysAddr::new(rig.machine.unit_base().get() + 8);
    assert_eq!(rig.machine.read_register(cap, Width::Qword), rig.read64(8));
    assert_eq!(rig.machine.read_register(cap, Width::Dword), rig.read64(8) & 0xffff_ffff);
    assert_eq!(rig.machine.read_register(cap, Width::Byte), 0xff);
    rig.machine.write_register(PhysAddr::new(rig.machine.unit_base().get() + 0x20), Width::Qword, 0x5000);
    assert_eq!(rig.read64(0x20), 0x5000);
}

/// A device with BARs and capabilities to taste.
struct Shaped(Vec<BarShape>, Vec<Capability>);

impl Device for Shaped {
    fn identity(&self) -> Identity {
        Identity { vendor: 1, device: 2, revision: 3, class: 0x03_0000, subsystem_vendor: 4, subsystem: 5 }
    }

    fn bars(&self) -> Vec<BarShape> {
        self.0.clone()
    }

    fn capabilities(&self) -> Vec<Capability> {
        self.1.clone()
    }

    fn read(&mut self, bar: u8, offset: u64, _width: Width, _bus: &Bus<'_>) -> u64 {
        u64::from(bar) << 4 | offset
    }

    fn write(&mut self, _: u8, _: u64, _: Width, _: u64, _: &Bus<'_>) {}

    fn advance(&mut self, _: u64, _: &Bus<'_>) {}

    fn interrupt(&self) -> bool {
        false
    }
}

fn build(devices: Vec<(RequesterId, Box<dyn Device>)>) -> Result<Machine, BadMachine> {
    let ram = Arc::new(Ram::create(&"1M".parse().expect("layout")).expect("RAM"));
    let builder = Machine::builder(ram, Arc::new(NoEvents));
    devices.into_iter().fold(builder, |builder, (at, device)| builder.device(at, "shaped", device)).build()
}

#[test]
fn bars_are_assigned_aligned_and_apart() {
    use dxgk_hw::BarKind::{Io, Memory};
    let bar = |index, kind, size| BarShape { index, kind, size };
    let memory = Memory { prefetchable: true };
    let shaped = |bars| Box::new(Shaped(bars, vec![])) as Box<dyn Device>;
    let machine = build(vec![
        (DEVICE, shaped(vec![bar(0, memory, 16), bar(2, memory, 1 << 24), bar(4, Io, 32)])),
        (RequesterId::new(1, 0, 0), shaped(vec![bar(0, memory, 1 << 20), bar(1, Io, 256)])),
    ])
    .expect("machine");
    let bars: Vec<_> = machine.functions().iter().flat_map(|function| function.bars()).collect();
    for (number, one) in bars.iter().enumerate() {
        assert!(one.base.get().is_multiple_of(one.size), "{one:?}");
        for other in bars.iter().skip(number + 1).filter(|other| (other.kind == Io) == (one.kind == Io)) {
            let (a, b) = (one.base.get(), other.base.get());
            assert!(a + one.size <= b || b + other.size <= a, "{one:?} {other:?}");
        }
    }
    let port = bars[2].base.get() as u16;
    assert_eq!(machine.read_port(port + 3, Width::Byte), 0x43);
    assert_eq!(machine.functions()[0].config_read(0x18, Width::Dword) & 0xf, 8, "prefetchable");
    assert_eq!(machine.functions()[0].config_read(0x20, Width::Dword) & 3, 1, "ports");
}

#[test]
fn capabilities_are_a_list_of_which_software_changes_what_it_may() {
    let capabilities = vec![
        Capability { at: 0x70, id: 9, body: vec![0x10, 1, 0xaa], writable: vec![] },
        Capability { at: 0x40, id: 5, body: vec![0, 0, 1, 2], writable: vec![0x71, 0, 0xff] },
    ];
    let machine =
        build(vec![(DEVICE, Box::new(Shaped(vec![], capabilities)) as Box<dyn Device>)]).expect("machine");
    let function = &machine.functions()[0];
    assert_eq!(function.config_read(6, Width::Word) & 0x10, 0x10, "there is a list");
    assert_eq!(function.config_read(0x34, Width::Byte), 0x70);
    assert_eq!(function.config_read(0x70, Width::Dword), 0x0110_4009);
    assert_eq!(function.config_read(0x40, Width::Dword), 0x0000_0005, "the last of the list");
    for at in [0x34, 0x40, 0x44, 0x70, 0x74] {
        function.config_write(at, Width::Dword, 0xffff_ffff);
    }
    assert_eq!(function.config_read(0x34, Width::Byte), 0x70);
    assert_eq!(function.config_read(0x70, Width::Dword), 0x0110_4009);
    assert_eq!(function.config_read(0x74, Width::Dword), 0x0000_00aa);
    assert_eq!(function.config_read(0x40, Width::Dword), 0x0071_0005);
    assert_eq!(function.config_read(0x44, Width::Dword), 0x0000_02ff);
    let (_, edu) = rig_and_function();
    assert_eq!((edu.config_read(6, Width::Word) & 0x10, edu.config_read(0x34, Width::Byte)), (0, 0));
}

#[test]
fn impossible_machines_are_refused() {
    let bar = |index, size| BarShape { index, kind: dxgk_hw::BarKind::Memory { prefetchable: false }, size };
    let one = |shape| build(vec![(DEVICE, Box::new(Shaped(vec![shape], vec![])) as Box<dyn Device>)]).err();
    assert!(matches!(one(bar(6, 4096)), Some(BadMachine::BadBar { bar: 6, .. })));
    assert!(matches!(one(bar(0, 5000)), Some(BadMachine::BadBar { .. })));
    assert!(matches!(one(bar(0, 8)), Some(BadMachine::BadBar { .. })));
    assert!(matches!(one(bar(0, 1 << 40)), Some(BadMachine::NoAddresses { .. })));
    assert!(matches!(one(bar(0, 1 << 63)), Some(BadMachine::NoAddresses { .. })));
    let twice = build(vec![(DEVICE, Box::new(Edu::default())), (DEVICE, Box::new(Edu::default()))]);
    assert!(matches!(twice, Err(BadMachine::SameRequester(DEVICE))));
}
