//! The edu device.

use std::sync::Arc;

use dxgk_event::Event;
use dxgk_hw::{MachineMemory, PciFunction, PhysAddr, Width};
use dxgk_model::{DMA_LATENCY, Edu, Machine, PciDevice, VtdConfig};

use crate::rig::{DEVICE, RW, Rig};

fn edu(rig: &Rig) -> Arc<PciDevice> {
    rig.machine.functions()[0].clone()
}

fn get(edu: &PciDevice, offset: u64) -> u64 {
    edu.read(0, offset, Width::Dword)
}

fn put(edu: &PciDevice, offset: u64, value: u64) {
    edu.write(0, offset, Width::Dword, value);
}

/// Writes the DMA registers, the command last.
fn command(edu: &PciDevice, source: u64, destination: u64, count: u64, command: u64) {
    edu.write(0, 0x80, Width::Qword, source);
    edu.write(0, 0x88, Width::Qword, destination);
    edu.write(0, 0x90, Width::Qword, count);
    edu.write(0, 0x98, Width::Qword, command);
}

#[test]
fn identification_and_liveness() {
    let rig = Rig::off(VtdConfig::default());
    let edu = edu(&rig);
    assert_eq!(get(&edu, 0), 0x0100_00ed);
    put(&edu, 4, 0x1234_5678);
    assert_eq!(get(&edu, 4), 0xedcb_a987);
    put(&edu, 0, 5);
    assert_eq!(get(&edu, 0), 0x0100_00ed);
}

#[test]
fn factorials_take_time_and_may_interrupt() {
    let rig = Rig::off(VtdConfig::default());
    let edu = edu(&rig);
    let factorials =
        [(0, 1), (1, 1), (5, 120), (12, 479_001_600), (13, 1_932_053_504), (34, 0), (0xffff_ffff, 0)];
    for (now, (n, expected)) in factorials.into_iter().enumerate().map(|(i, case)| (i as u64 * 100, case)) {
        edu.advance(now);
        put(&edu, 8, n);
        assert_eq!(get(&edu, 0x20), 1, "computing");
        put(&edu, 8, 3);
        edu.advance(now + DMA_LATENCY - 1);
        assert_eq!(get(&edu, 0x20), 1);
        edu.advance(now + DMA_LATENCY);
        assert_eq!((get(&edu, 0x20), get(&edu, 8)), (0, expected), "{n}!");
        assert!(!edu.interrupt_pending());
    }
    put(&edu, 0x20, 0xff);
    assert_eq!(get(&edu, 0x20), 0x80, "only the interrupt bit can be written");
    put(&edu, 8, 4);
    edu.advance(10_000);
    assert_eq!((get(&edu, 8), get(&edu, 0x24)), (24, 1));
    assert!(edu.interrupt_pending());
    put(&edu, 0x64, 1);
    assert!(!edu.interrupt_pending());
}

#[test]
fn interrupts_are_raised_acknowledged_and_can_be_disabled() {
    let rig = Rig::off(VtdConfig::default());
    let edu = edu(&rig);
    put(&edu, 0x60, 0x30);
    assert_eq!(get(&edu, 0x24), 0x30);
    assert!(edu.interrupt_pending());
    assert_eq!(edu.config_read(6, Width::Word) & 8, 8, "interrupt status");
    edu.config_write(4, Width::Word, 0x406);
    assert!(!edu.interrupt_pending(), "disabled in the command register");
    edu.config_write(4, Width::Word, 6);
    put(&edu, 0x64, 0x10);
    assert!(edu.interrupt_pending());
    put(&edu, 0x64, 0x20);
    assert!(!edu.interrupt_pending());
    assert_eq!(edu.config_read(6, Width::Word) & 8, 0);
}

#[test]
fn only_the_documented_widths_are_decoded() {
    let rig = Rig::off(VtdConfig::default());
    let edu = edu(&rig);
    for width in [Width::Byte, Width::Word, Width::Qword] {
        assert_eq!(edu.read(0, 0, width), width.mask());
        edu.write(0, 4, width, 0);
    }
    assert_eq!(get(&edu, 4), 0);
    edu.write(0, 0x80, Width::Byte, 1);
    assert_eq!(edu.read(0, 0x80, Width::Qword), 0);
    edu.write(0, 0x80, Width::Qword, 0x1_2345_6789);
    assert_eq!(edu.read(0, 0x80, Width::Qword), 0x1_2345_6789);
    assert_eq!(get(&edu, 0x80), 0x2345_6789);
    assert_eq!(get(&edu, 0x40), 0xffff_ffff);
}

#[test]
fn data_goes_both_ways_through_the_unit() {
    let rig = Rig::new();
    let root = rig.attach(1);
    rig.map(root, 0x70_0000, 0x900, RW);
    rig.map(root, 0x70_1000, 0x910, RW);
    let edu = edu(&rig);
    let pattern: Vec<u8> = (0..4096u32).map(|i| (i * 7 + (i >> 8)) as u8).collect();
    rig.ram.write(PhysAddr::new(0x90_0800), &pattern[..0x800]).expect("RAM");
    rig.ram.write(PhysAddr::new(0x91_0000), &pattern[0x800..0x1000]).expect("RAM");
    command(&edu, 0x70_0800, 0x4_0000, 4096, 1);
    edu.advance(DMA_LATENCY);
    assert_eq!(get(&edu, 0x98), 0, "done");
    rig.ram.write(PhysAddr::new(0x90_0800), &[0; 0x800]).expect("RAM");
    command(&edu, 0x4_0400, 0x70_0000, 0x100, 3);
    edu.advance(2 * DMA_LATENCY);
    let mut out = vec![0; 0x100];
    rig.ram.read(PhysAddr::new(0x90_0000), &mut out).expect("RAM");
    assert_eq!(out, pattern[0x400..0x500]);
    assert!(rig.events.faults().is_empty());
}

#[test]
fn a_transfer_happens_when_it_is_due_and_registers_are_locked_until_then() {
    let rig = Rig::off(VtdConfig::default());
    let edu = edu(&rig);
    edu.advance(1000);
    command(&edu, 0x5000, 0x4_0000, 64, 1 | 4);
    assert_eq!(get(&edu, 0x98), 5, "running");
    edu.write(0, 0x80, Width::Qword, 0x9000);
    edu.write(0, 0x98, Width::Qword, 3);
    assert_eq!(edu.read(0, 0x80, Width::Qword), 0x5000);
    edu.advance(1000 + DMA_LATENCY - 1);
    assert!(rig.events.transfers().is_empty());
    assert!(!edu.interrupt_pending());
    edu.advance(3);
    assert!(rig.events.transfers().is_empty(), "time does not run backwards");
    edu.advance(1000 + DMA_LATENCY);
    assert_eq!(rig.events.transfers().len(), 1);
    assert_eq!((get(&edu, 0x98), get(&edu, 0x24)), (4, 0x100));
    assert!(edu.interrupt_pending());
    edu.advance(5000);
    assert_eq!(rig.events.transfers().len(), 1, "once");
}

#[test]
fn the_doorbell_is_the_cause_of_the_transfer_and_of_its_fault() {
    let rig = Rig::new();
    let _ = rig.attach(1);
    let edu = edu(&rig);
    command(&edu, 0x4_0000, 0x1_2345_6000, 128, 3);
    rig.machine.advance(DMA_LATENCY);
    let events = rig.events.take();
    let [Event::Doorbell(doorbell), Event::Fault(fault), Event::Dma(dma)] = events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(doorbell.register, edu.bars()[0].base.get() + 0x98);
    assert_eq!((doorbell.address, doorbell.bytes, doorbell.write), (0x1_2345_6000, 128, 1));
    assert_eq!((doorbell.requester, dma.requester), (DEVICE.0, DEVICE.0));
    assert_eq!((fault.address, fault.write), (0x1_2345_6000, 1));
    assert_eq!((dma.cause, dma.fault, dma.done, dma.bytes), (1, 2, 0, 128));
    assert_eq!(get(&edu, 0x98) & 1, 0, "the device knows of no fault");
}

#[test]
fn transfers_outside_the_buffer_are_cut_or_ignored() {
    let rig = Rig::off(VtdConfig::default());
    let edu = edu(&rig);
    let mut now = 0;
    for (device, count, moved) in [
        (0x4_0000, 4096, Some(4096)),
        (0x4_0ff0, 64, Some(16)),
        (0x4_0000, u64::MAX, Some(4096)),
        (0x4_1000, 16, None),
        (0x3_fff0, 64, None),
        (0, 64, None),
        (u64::MAX, 64, None),
    ] {
        command(&edu, device, 0x5000, count, 3);
        now += DMA_LATENCY;
        edu.advance(now);
        let bytes = rig.events.transfers().first().map(|transfer| transfer.done);
        assert_eq!(bytes, moved, "{count} bytes at {device:#x}");
        assert_eq!(get(&edu, 0x98) & 1, 0);
        rig.events.take();
    }
}

#[test]
fn without_bus_mastering_requests_do_not_leave_the_device() {
    let rig = Rig::off(VtdConfig::default());
    let edu = edu(&rig);
    rig.ram.write(PhysAddr::new(0x5000), &[7; 16]).expect("RAM");
    edu.config_write(4, Width::Word, 2);
    command(&edu, 0x4_0000, 0x5000, 16, 3);
    edu.advance(DMA_LATENCY);
    let mut out = [0; 16];
    rig.ram.read(PhysAddr::new(0x5000), &mut out).expect("RAM");
    assert_eq!(out, [7; 16]);
    let transfer = rig.events.transfers()[0];
    assert_eq!((transfer.done, transfer.fault), (0, 0));
}

#[test]
fn a_device_with_few_address_bits_drops_the_others() {
    let rig = Rig::off(VtdConfig::default());
    let machine = Machine::builder(rig.ram.clone(), rig.events.clone())
        .device(DEVICE, "edu", Box::new(Edu::new((1 << 28) - 1)))
        .build()
        .expect("machine");
    let edu = machine.functions()[0].clone();
    command(&edu, 0x4_0000, 0x1_1000_5000, 16, 3);
    edu.advance(DMA_LATENCY);
    assert_eq!(rig.events.transfers()[0].address, 0x5000);
}
