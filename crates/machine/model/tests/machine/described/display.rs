//! The display controller.

use dxgk_hw::{BarKind, MachineMemory, PciFunction, PhysAddr, Width};

use super::{Bench, DISPLAY};

const CONTROL: u64 = 0x08;
const IRQ_STATUS: u64 = 0x0c;
const IRQ_MASK: u64 = 0x10;

fn show(display: &Bench, page: u64, bytes: u64) {
    display.put(0x14, page);
    display.put(0x18, bytes);
    display.put(0x1c, 1);
}

#[test]
fn it_has_registers_a_frame_buffer_and_ports() {
    let display = Bench::new(DISPLAY);
    let bars: Vec<_> = display.function.bars().iter().map(|bar| (bar.index, bar.kind, bar.size)).collect();
    assert_eq!(
        bars,
        [
            (0, BarKind::Memory { prefetchable: false }, 0x1000),
            (1, BarKind::Memory { prefetchable: true }, 0x40_0000),
            (2, BarKind::Io, 0x40),
        ]
    );
    assert_eq!(display.get(4), 0x0300_0400, "1024 x 768");
    assert_eq!(display.get(0x800), 0, "nobody's");
    display.function.write(2, 4, Width::Byte, 0x55);
    assert_eq!(display.function.read(2, 4, Width::Byte), 0xff);
    assert_eq!((display.get(0x24), display.get(0x24), display.get(0x24)), (0, 1, 2), "a counter of reads");
}

#[test]
fn the_frame_buffer_is_memory_of_any_width() {
    let display = Bench::new(DISPLAY);
    let frame = &display.function;
    frame.write(1, 0x3f_fff8, Width::Qword, 0x8877_6655_4433_2211);
    frame.write(1, 0x3f_fff9, Width::Byte, 0xee);
    assert_eq!(frame.read(1, 0x3f_fff8, Width::Dword), 0x4433_ee11);
    assert_eq!(frame.read(1, 0x3f_fffe, Width::Word), 0x8877);
    assert_eq!(frame.read(1, 0x3f_fffe, Width::Dword), 0xffff_ffff, "beyond the end");
}

#[test]
fn a_flip_scans_out_the_surface_and_interrupts_when_done() {
    let display = Bench::new(DISPLAY);
    display.rig.ram.write(PhysAddr::new(0x1_0000_0000), b"picture!").expect("RAM");
    display.put(IRQ_MASK, 1);
    show(&display, 0x10_0000, 8);
    assert_eq!(display.get(0x20), 1);
    display.function.advance(2);
    assert_eq!(display.function.read(1, 0, Width::Qword), u64::from_le_bytes(*b"picture!"));
    assert_eq!((display.get(0x20), display.get(IRQ_STATUS)), (0, 2));
    assert!(display.function.interrupt_pending());
    display.put(IRQ_MASK, 3);
    assert!(!display.function.interrupt_pending(), "held back");
}

#[test]
fn every_refresh_reads_the_surface_again_because_of_the_flip() {
    let display = Bench::new(DISPLAY);
    show(&display, 5, 16);
    display.put(CONTROL, 1);
    display.function.advance(2);
    display.function.advance(63);
    assert_eq!(display.get(IRQ_STATUS), 2, "no vertical blank yet");
    display.function.advance(64);
    assert_eq!(display.get(IRQ_STATUS), 3);
    display.function.advance(66);
    let transfers = display.rig.events.transfers();
    assert_eq!(transfers.len(), 2);
    assert!(transfers.iter().all(|dma| (dma.cause, dma.address, dma.bytes) == (1, 0x5000, 16)));
    display.function.advance(1000);
    display.function.advance(1002);
    assert_eq!(display.rig.events.transfers().len(), 3, "what passed unseen is not made up for");
    display.put(IRQ_STATUS, 3);
    display.function.advance(1023);
    assert_eq!(display.get(IRQ_STATUS), 0);
    display.function.advance(1024);
    assert_eq!(display.get(IRQ_STATUS), 1, "the refresh keeps its beat");
    display.put(CONTROL, 0);
    display.function.advance(2000);
    display.function.advance(3000);
    assert_eq!(display.rig.events.transfers().len(), 4, "the one that ran when it was turned off");
}
