//! A device at the other end of a link, on the bus.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use dxgk_event::Event;
use dxgk_hw::{BarKind, MachineMemory, PciFunction, PhysAddr, Width};
use dxgk_model::{BadShape, Machine, PciDevice, Remote, RemoteShape};
use dxgk_shm::Ram;
use dxgk_shm::link::{Access, DeviceEnd, Place, Transfer};

use crate::rig::{DEVICE, Recorder};

const SOON: Duration = Duration::from_secs(10);

fn shape() -> RemoteShape {
    let mut config = vec![0; 256];
    config[..4].copy_from_slice(&[0xf4, 0x1a, 0x50, 0x10]);
    config[6] = 0x10;
    config[8..12].copy_from_slice(&[1, 0, 0, 3]);
    config[0x14] = 1;
    config[0x18] = 8;
    config[0x34] = 0x50;
    config[0x50] = 9;
    RemoteShape { config, bars: vec![(0, 0x1000), (1, 3), (2, 0x1001)] }
}

struct Rig {
    ram: Arc<Ram>,
    events: Arc<Recorder>,
    machine: Machine,
    device: Arc<DeviceEnd>,
}

impl Rig {
    /// Nothing is translated: the unit is as after power-on.
    fn new() -> Self {
        let ram = Arc::new(Ram::create(&"1M".parse().expect("layout")).expect("RAM"));
        let events = Arc::new(Recorder::default());
        let device = Arc::new(DeviceEnd::create().expect("a link"));
        let remote = Remote::new(device.machine_end().expect("the other end"), shape());
        let machine = Machine::builder(ram.clone(), events.clone())
            .device(DEVICE, "elsewhere", Box::new(remote))
            .build()
            .expect("machine");
        Self { ram, events, machine, device }
    }

    fn function(&self) -> &PciDevice {
        &self.machine.functions()[0]
    }

    /// The device answers one access so.
    fn answering(&self, answer: impl FnOnce(&DeviceEnd, Access) -> u64 + Send + 'static) -> JoinHandle<()> {
        let device = Arc::clone(&self.device);
        thread::spawn(move || {
            let access = (0..100).find_map(|_| device.next_access(SOON / 100)).expect("an access");
            let value = answer(&device, access);
            device.answer(value);
        })
    }
}

#[test]
fn its_header_is_the_buss_and_the_rest_of_its_configuration_space_its_own() {
    let rig = Rig::new();
    let function = rig.function();
    assert_eq!(function.config_read(0, Width::Dword), 0x1050_1af4);
    assert_eq!(function.config_read(8, Width::Dword), 0x0300_0001);
    assert_eq!(function.config_read(0x34, Width::Byte), 0x50);
    let bars: Vec<_> = function.bars().iter().map(|bar| (bar.index, bar.kind, bar.size)).collect();
    let memory = |prefetchable| BarKind::Memory { prefetchable };
    assert_eq!(bars, [(0, memory(false), 0x1000), (1, BarKind::Io, 4), (2, memory(true), 0x2000)]);
    let place = Place::Config;
    let asked = rig.answering(move |_, access| {
        assert_eq!(access, Access::Read { place, offset: 0x52, width: Width::Word });
        0xffff_1234
    });
    assert_eq!(function.config_read(0x52, Width::Word), 0x1234);
    asked.join().expect("asked");
    let told = rig.answering(move |_, access| {
        assert_eq!(access, Access::Write { place, offset: 4, width: Width::Word, value: 2 });
        0
    });
    function.config_write(4, Width::Word, 2);
    told.join().expect("told");
    assert_eq!(function.config_read(4, Width::Word), 2);
    function.config_write(0x10, Width::Dword, 0xffff_ffff);
    assert_eq!(function.config_read(0x10, Width::Dword), 0xffff_f000, "sizing is between driver and bus");
}

#[test]
fn a_transfer_before_the_answer_is_a_consequence_of_the_write() {
    let rig = Rig::new();
    rig.ram.write(PhysAddr::new(0x5000), b"from memory").expect("RAM");
    let device = rig.answering(|device, _| {
        let mut bytes = [0; 11];
        assert_eq!(device.transfer(0x5000, Transfer::Read(&mut bytes), || false), Some(11));
        assert_eq!(device.transfer(0x6000, Transfer::Write(&bytes), || false), Some(11));
        assert_eq!(device.transfer(0xf_fffc, Transfer::Write(&bytes), || false), Some(4), "RAM ends");
        0
    });
    rig.function().write(0, 0x98, Width::Dword, 1);
    device.join().expect("the device");
    let mut there = [0; 11];
    rig.ram.read(PhysAddr::new(0x6000), &mut there).expect("RAM");
    assert_eq!(&there, b"from memory");
    let events = rig.events.all();
    let Some(Event::Doorbell(rung)) = events.first() else { panic!("{events:?}") };
    let base = rig.function().bars()[0].base.get();
    assert_eq!((rung.register, rung.address, rung.bytes, rung.requester), (base + 0x98, 1, 0, DEVICE.0));
    assert!(rig.events.transfers().iter().all(|transfer| transfer.cause == 1), "{events:?}");
    assert_eq!(rig.events.transfers().len(), 3);
}

#[test]
fn what_it_does_by_itself_is_seen_at_boundaries_and_waited_for_when_nothing_else_happens() {
    let rig = Rig::new();
    let device = Arc::clone(&rig.device);
    let other = thread::spawn(move || {
        assert_eq!(device.transfer(0x7000, Transfer::Write(b"late"), || false), Some(4));
        device.interrupt();
    });
    let function = rig.function();
    assert!(function.wait(SOON));
    assert!(function.interrupt_pending() || function.wait(SOON));
    other.join().expect("the device");
    let mut there = [0; 4];
    rig.ram.read(PhysAddr::new(0x7000), &mut there).expect("RAM");
    assert_eq!(&there, b"late");
    assert!(function.interrupt_pending());
    let taken = function.interrupt_taken();
    rig.device.interrupt();
    let served = rig.answering(|_, access| {
        assert_eq!(access, Access::InterruptServed);
        0
    });
    function.interrupt_served(taken);
    served.join().expect("served");
    assert!(function.interrupt_pending(), "the second came while the first was served");
    assert!(function.wait(SOON), "and nobody who waits misses it");
    assert!(!function.wait(Duration::from_millis(10)), "nor sees it twice");
}

#[test]
fn a_device_that_is_gone_reads_as_an_empty_slot() {
    let rig = Rig::new();
    rig.device.leave();
    let function = rig.function();
    assert_eq!(function.read(0, 0, Width::Dword), 0xffff_ffff);
    assert_eq!(function.config_read(0x40, Width::Word), 0xffff);
    function.write(0, 0, Width::Dword, 1);
    assert!(!function.wait(SOON));
}

#[test]
fn a_device_that_the_machine_has_no_place_for_is_refused_with_the_reason() {
    let with = |change: fn(&mut RemoteShape)| {
        let mut shape = shape();
        change(&mut shape);
        shape.check("it")
    };
    assert_eq!(with(|_| ()), Ok(()));
    assert_eq!(with(|shape| shape.config.truncate(64)), Err(BadShape::NoConfig(64)));
    assert_eq!(with(|shape| shape.config[..2].fill(0xff)), Err(BadShape::NoDevice(0xffff)));
    assert_eq!(with(|shape| shape.config[0x0e] = 0x81), Err(BadShape::Bridge(1)));
    assert!(matches!(with(|shape| shape.bars[0].1 = 1 << 40), Err(BadShape::Bars(_))));
    assert!(matches!(with(|shape| shape.bars[0].1 = u64::MAX), Err(BadShape::Bars(_))));
}
