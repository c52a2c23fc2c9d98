//! The neural processor.

use dxgk_event::Event;
use dxgk_hw::{MachineMemory, PciFunction, PhysAddr, Width};

use super::{Bench, NPU};
use crate::rig::DEVICE;

const STATUS: u64 = 0x04;
const IRQ_STATUS: u64 = 0x08;
const IRQ_ENABLE: u64 = 0x0c;
const DOORBELL: u64 = 0x20;

fn operands(npu: &Bench, host: u64, local: u64, words: u64) {
    npu.put(0x10, host & 0xffff_ffff);
    npu.put(0x14, host >> 32);
    npu.put(0x18, local);
    npu.put(0x1c, words);
}

#[test]
fn it_is_what_its_file_says() {
    let npu = Bench::new(NPU);
    assert_eq!(npu.function.config_read(0, Width::Dword), 0x4e50_1234);
    assert_eq!(npu.function.config_read(8, Width::Dword), 0x1200_0001);
    assert_eq!(npu.function.config_read(0x2c, Width::Dword), 0x1100_1af4);
    assert_eq!(
        npu.function.bars().iter().map(|bar| (bar.index, bar.size)).collect::<Vec<_>>(),
        [(0, 0x1000)]
    );
    npu.put(0, 0);
    assert_eq!(npu.get(0), 0x4e50_0001, "a constant");
    assert_eq!(npu.get(0x100), 0xffff_ffff, "nobody's");
    assert_eq!(npu.function.read(0, 0, Width::Word), 0xffff, "only whole registers are decoded");
}

#[test]
fn a_doorbell_loads_and_another_stores_what_was_loaded() {
    let npu = Bench::new(NPU);
    let pattern: Vec<u8> = (0..256u32).map(|i| (i * 31 + 7) as u8).collect();
    npu.rig.ram.write(PhysAddr::new(0x1_0000_5100), &pattern).expect("RAM");
    npu.put(IRQ_ENABLE, 1);
    operands(&npu, 0x1_0000_5100, 0x8000, 64);
    npu.put(DOORBELL, 1);
    assert_eq!(npu.get(STATUS), 1, "busy");
    npu.put(0x10, 0xbad0_0000);
    npu.put(DOORBELL, 1);
    npu.function.advance(7);
    assert_eq!((npu.get(STATUS), npu.rig.events.transfers().len()), (1, 0));
    npu.function.advance(8);
    assert_eq!((npu.get(STATUS), npu.get(IRQ_STATUS), npu.function.interrupt_pending()), (0, 1, true));
    npu.put(IRQ_STATUS, 2);
    assert!(npu.function.interrupt_pending(), "another bit was acknowledged");
    npu.put(IRQ_STATUS, 1);
    assert!(!npu.function.interrupt_pending());
    operands(&npu, 0x6000, 0x8000, 64);
    npu.put(DOORBELL, 2);
    npu.function.advance(16);
    let mut out = vec![0; 256];
    npu.rig.ram.read(PhysAddr::new(0x6000), &mut out).expect("RAM");
    assert_eq!(out, pattern);
    assert_eq!((npu.get(0x28), npu.get(0x28)), (3, 0), "the history is cleared by reading");
}

#[test]
fn the_doorbell_is_recorded_with_its_address_and_causes_the_transfer() {
    let npu = Bench::new(NPU);
    operands(&npu, 0x1_0000_5100, 0, 8);
    npu.put(DOORBELL, 2);
    npu.function.advance(8);
    let events = npu.rig.events.all();
    let [Event::Doorbell(doorbell), Event::Dma(dma)] = events[..] else { panic!("{events:?}") };
    let register = npu.function.bars()[0].base.get() + DOORBELL;
    assert_eq!((doorbell.register, doorbell.address), (register, 0x1_0000_5100));
    assert_eq!((doorbell.bytes, doorbell.write, doorbell.requester), (32, 1, DEVICE.0));
    assert_eq!((dma.cause, dma.address, dma.bytes, dma.done, dma.write), (1, 0x1_0000_5100, 32, 32, 1));
}

#[test]
fn a_computation_is_polled_for_and_interrupts_only_when_enabled() {
    let npu = Bench::new(NPU);
    npu.put(0x24, 0);
    assert_eq!(npu.get(STATUS), 2);
    npu.function.advance(10);
    npu.put(0x24, 0);
    npu.function.advance(15);
    assert_eq!(npu.get(STATUS), 2);
    npu.function.advance(16);
    assert_eq!((npu.get(STATUS), npu.get(IRQ_STATUS)), (0, 2));
    assert!(!npu.function.interrupt_pending());
    npu.put(IRQ_ENABLE, 0xffff_ffff);
    assert_eq!(npu.get(IRQ_ENABLE), 3);
    assert!(npu.function.interrupt_pending());
    npu.function.advance(100);
    assert_eq!(npu.get(IRQ_STATUS), 2, "the second start was dropped");
}

#[test]
fn the_clock_runs_and_can_be_read_in_halves() {
    let npu = Bench::new(NPU);
    npu.function.advance(0x1_0000_0003);
    assert_eq!(npu.function.read(0, 0x30, Width::Qword), 0x1_0000_0003);
    assert_eq!((npu.get(0x30), npu.get(0x34)), (3, 1));
    assert_eq!(npu.function.read(0, 0x32, Width::Word), 0xffff);
}

#[test]
fn a_transfer_ends_where_local_memory_does() {
    let npu = Bench::new(NPU);
    operands(&npu, 0x5000, 0xf_fff0, 0xffff_ffff);
    npu.put(DOORBELL, 2);
    npu.function.advance(8);
    assert_eq!(npu.rig.events.transfers()[0].bytes, 16);
}
