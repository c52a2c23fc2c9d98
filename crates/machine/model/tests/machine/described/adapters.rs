//! Devices that others drive: what their drivers look for before they do anything.

use dxgk_hw::{PciFunction, Width};

use super::{Bench, QXL, VIRTIO_GPU};

/// Structure, BAR, offset and length of each virtio capability, in the order of the list.
fn structures(bench: &Bench) -> Vec<(u64, u64, u64, u64)> {
    let byte = |at: u16| bench.function.config_read(at, Width::Byte);
    let word = |at: u16| bench.function.config_read(at, Width::Dword);
    let mut found = Vec::new();
    let mut at = byte(0x34) as u16;
    while at != 0 {
        assert_eq!(byte(at), 9, "a vendor's own");
        found.push((byte(at + 3), byte(at + 4), word(at + 8), word(at + 12)));
        at = byte(at + 1) as u16;
    }
    found
}

#[test]
fn a_virtio_driver_finds_its_structures_and_agrees_on_features() {
    let gpu = Bench::new(VIRTIO_GPU);
    assert_eq!(structures(&gpu), [(1, 4, 0, 56), (2, 4, 0x3000, 4), (3, 4, 0x1000, 1), (4, 4, 0x2000, 16)]);
    let read = |offset, width| gpu.function.read(4, offset, width);
    let write = |offset, width, value| gpu.function.write(4, offset, width, value);
    for (half, features) in [(1, 3), (2, 0), (0, 1)] {
        write(0, Width::Dword, half);
        assert_eq!(read(4, Width::Dword), features, "half {half}");
    }
    for status in [1, 3, 11, 15] {
        write(0x14, Width::Byte, status);
        assert_eq!(read(0x14, Width::Byte), status);
    }
    write(0x20, Width::Dword, 0x1234_5000);
    write(0x24, Width::Dword, 1);
    assert_eq!(read(0x20, Width::Qword), 0x1_1234_5000);
    write(0x1c, Width::Word, 1);
    write(0x14, Width::Byte, 0);
    assert_eq!((read(0x14, Width::Byte), read(0x1c, Width::Word)), (0, 0), "a reset");
    assert_eq!(read(0x2008, Width::Dword), 1, "one scan-out");
}

#[test]
fn a_rom_holds_what_the_file_says_and_cannot_be_written() {
    let qxl = Bench::new(QXL);
    let read = |bar, offset| qxl.function.read(bar, offset, Width::Dword);
    assert_eq!(read(2, 0), u64::from(u32::from_le_bytes(*b"QXRO")));
    let header = read(2, 44);
    assert_eq!(read(0, header), u64::from(u32::from_le_bytes(*b"QXRA")));
    let modes = read(2, 24);
    assert_eq!((read(2, modes), read(2, modes + 8), read(2, modes + 12)), (1, 1024, 768));
    qxl.function.write(2, 0, Width::Dword, 0);
    qxl.function.write(0, header, Width::Dword, 7);
    assert_eq!((read(2, 0), read(0, header)), (u64::from(u32::from_le_bytes(*b"QXRO")), 7));
}
