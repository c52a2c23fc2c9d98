//! Registers.

use dxgk_model::VtdConfig;

use crate::rig::Rig;

#[test]
fn capabilities_say_what_the_unit_has() {
    let rig = Rig::off(VtdConfig::default());
    let cap = rig.read64(0x08);
    assert_eq!(cap & 7, 6, "2^16 domains");
    assert_eq!(cap >> 8 & 0x1f, 0b110, "39 and 48 bits");
    assert_eq!(cap >> 16 & 0x3f, 47, "48-bit addresses");
    assert_eq!(cap >> 24 & 0x3ff, 0x22, "fault records at 0x220");
    assert_eq!(cap >> 34 & 0xf, 0b11, "2 MiB and 1 GiB pages");
    assert_eq!(cap >> 39 & 1, 1, "page-selective invalidation");
    assert_eq!(cap >> 40 & 0xff, 7, "8 records");
    assert_eq!(cap >> 48 & 0x3f, 18, "masks up to 1 GiB");
    assert_eq!(cap >> 7 & 1, 0, "no caching mode");
    let ecap = rig.read64(0x10);
    assert_eq!(ecap & 0b1000_0111, 0b011, "coherent, queued invalidation, no device TLBs");
    assert_eq!(ecap >> 6 & 1, 1, "pass-through");
    assert_eq!(ecap >> 8 & 0x3ff, 0xf, "IOTLB registers at 0xf0");
    assert_eq!(rig.read32(0x08), cap as u32);
    assert_eq!(rig.read32(0x0c), (cap >> 32) as u32);
    let small = Rig::off(VtdConfig {
        four_levels: false,
        large_pages: false,
        pass_through: false,
        ..VtdConfig::default()
    });
    assert_eq!(small.read64(0x08) >> 8 & 0x1f, 0b010);
    assert_eq!(small.read64(0x08) >> 16 & 0x3f, 38);
    assert_eq!(small.read64(0x08) >> 34 & 0xf, 0);
    assert_eq!(small.read64(0x10) >> 6 & 1, 0);
}

#[test]
fn switches_follow_the_command_and_one_shot_bits_stay_in_the_status_only_where_the_manual_says() {
    let rig = Rig::off(VtdConfig::default());
    assert_eq!(rig.read32(0x1c), 0);
    rig.write32(0x18, 1 << 30);
    assert_eq!(rig.read32(0x1c), 1 << 30, "root table pointer set");
    rig.write32(0x18, 1 << 31);
    assert_eq!(rig.read32(0x1c), 1 << 31 | 1 << 30);
    rig.write32(0x18, 0);
    assert_eq!(rig.read32(0x1c), 1 << 30);
    rig.write32(0x18, 1 << 27 | 1 << 25 | 1 << 24 | 1 << 23);
    assert_eq!(rig.read32(0x1c), 1 << 30, "what the unit lacks is not acknowledged");
    assert_eq!(rig.read32(0x18), 0, "the command register is write only");
}

#[test]
fn read_only_registers_keep_their_value_and_reserved_ones_read_as_zero() {
    let rig = Rig::off(VtdConfig::default());
    for offset in [0x00, 0x08, 0x10, 0x1c, 0x80] {
        let before = rig.read64(offset & !7);
        rig.write32(offset, u32::MAX);
        assert_eq!(rig.read64(offset & !7), before, "{offset:#x}");
    }
    rig.write64(0x600, u64::MAX);
    assert_eq!(rig.read64(0x600), 0);
    rig.write64(0x20, u64::MAX);
    assert_eq!(rig.read64(0x20), !0xfff | 0xc00, "only fields are stored");
}

#[test]
fn beyond_the_page_and_unaligned_reads_are_all_ones() {
    let rig = Rig::off(VtdConfig::default());
    for offset in [0x1000, 0x1008, !7] {
        assert_eq!(rig.read32(offset), u32::MAX);
        assert_eq!(rig.read64(offset), u64::MAX);
        rig.write64(offset, 0);
    }
    assert_eq!(rig.read32(0x1e), u32::MAX);
    assert_eq!(rig.read64(0x1c), u64::MAX);
}

#[test]
fn a_register_written_in_halves_is_one_register() {
    let rig = Rig::off(VtdConfig::default());
    rig.write32(0x20, 0x8765_4000);
    rig.write32(0x24, 0x12);
    assert_eq!(rig.read64(0x20), 0x12_8765_4000);
    assert_eq!(rig.read32(0x24), 0x12);
}

#[test]
fn a_new_root_table_takes_effect_only_when_its_pointer_is_set() {
    let rig = Rig::new();
    let root = rig.attach(1);
    rig.map(root, 0x5000, 0x1234, crate::rig::RW);
    rig.write64(0x20, 0x7f00_0000);
    assert!(rig.load(0x5000).is_ok(), "the old table");
    rig.write32(0x18, 1 << 31 | 1 << 30 | 1 << 26);
    rig.invalidate(&[crate::rig::contexts(1, 0, 0, 0), crate::rig::iotlb(1, 0, 0, 0)]);
    assert!(rig.load(0x5000).is_err(), "the new one is empty");
}
