//! Entries bit by bit, as the manuals draw them. Numbers are written out: nothing here comes from the code it tests.

use dxgk_hw::{Access, Pfn};
use dxgk_iopt::{
    AmdV1, Entry, Format, Granule, Leaf, Malformed, SmmuStage1, SmmuStage2, Stop, TableBase, Used,
    VtdFirstStage, VtdSecondStage,
};

const RW: Access = Access::all();

fn leaf(frame: u64, shift: u32, access: Access) -> Leaf {
    Leaf { frame: Pfn::new(frame), shift, access }
}

#[test]
fn second_stage_entries_have_the_bits_of_the_manual() {
    let format = VtdSecondStage::LEVELS_4;
    let leaf = |shift, access| leaf(0xabcde40000, shift, access);
    assert_eq!(format.table(4, 3, Pfn::new(0x12345)), 0x1234_5003);
    assert_eq!(format.leaf(1, leaf(12, Access::READ), 0), 0x000a_bcde_4000_0001);
    assert_eq!(format.leaf(2, leaf(21, Access::WRITE), 0), 0x000a_bcde_4000_0082);
    assert_eq!(format.leaf(3, leaf(30, RW), 0), 0x000a_bcde_4000_0083);
    assert!(matches!(format.decode(4, 0x83), Entry::Malformed(_)), "no leaf at level 4");
    assert!(matches!(format.decode(2, 0x1083), Entry::Malformed(_)), "2 MiB leaf off its alignment");
    assert!(matches!(format.decode(2, 0x803), Entry::Malformed(_)), "reserved bit 11");
    assert_eq!(format.decode(2, 0xfff0_0000_0000_0000 | 4), Entry::Absent, "execute alone is not present");
    assert!(
        matches!(format.decode(2, 0xbff0_0000_0000_0003), Entry::Table { .. }),
        "bits 61:52 and 63 are ignored"
    );
    let tracking = format.with_tracking();
    assert_eq!(tracking.used(1, 0x303), Some(Used { accessed: true, dirty: true }));
    assert_eq!(tracking.used(1, 0x103), Some(Used { accessed: true, dirty: false }));
    assert_eq!(tracking.unused(1, 0x303), 3);
}

#[test]
fn first_stage_entries_have_the_bits_of_the_manual() {
    let format = VtdFirstStage::LEVELS_4;
    let leaf = |shift, access| leaf(0xabcde40000, shift, access);
    assert_eq!(format.table(4, 3, Pfn::new(0x12345)), 0x1234_5027, "present, write, user, accessed");
    assert_eq!(format.leaf(1, leaf(12, Access::READ), 0), 0x000a_bcde_4000_0025);
    assert_eq!(format.leaf(1, leaf(12, RW), 0), 0x000a_bcde_4000_0067, "dirty too");
    assert_eq!(format.leaf(2, leaf(21, RW), 0), 0x000a_bcde_4000_00e7);
    assert!(!format.expresses(Access::WRITE) && format.expresses(Access::READ));
    assert!(matches!(format.decode(4, 0x87), Entry::Malformed(Malformed::LeafLevel)));
    assert!(matches!(format.decode(2, 0x2087), Entry::Malformed(Malformed::Reserved(0x2000))));
    assert!(matches!(format.decode(2, 0x1087), Entry::Leaf(_)), "bit 12 of a large leaf is PAT");
    assert_eq!(format.decode(1, 0x66), Entry::Absent);
    let supervisor = format.decode(1, 0x63);
    assert!(
        matches!(supervisor, Entry::Leaf(Leaf { access, .. }) if access.is_empty()),
        "not for requests of users"
    );
    let tracking = format.with_tracking();
    assert_eq!(tracking.leaf(1, leaf(12, RW), 0) & 0x60, 0);
    assert_eq!(tracking.used(1, 0x67), Some(Used { accessed: true, dirty: true }));
    assert_eq!(tracking.unused(1, 0x67), 0x07);
    assert_eq!(format.used(1, 0x67), None, "what was written at once says nothing");
}

#[test]
fn amd_entries_have_the_bits_of_the_manual() {
    let format = AmdV1::MODE_6;
    assert_eq!(format.table(4, 3, Pfn::new(0x12345)), 0x6000_0000_1234_5601);
    assert_eq!(format.table(6, 2, Pfn::new(0x12345)), 0x6000_0000_1234_5401, "levels are skipped");
    assert_eq!(format.leaf(1, leaf(0xabcde40000, 12, Access::READ), 0), 0x200a_bcde_4000_0001);
    assert_eq!(format.leaf(2, leaf(0xabcde40000, 21, Access::WRITE), 0), 0x400a_bcde_4000_0001);
    // The table of page size encodings: 8 KiB, 16 KiB, 1 MiB; 4 MiB, 4 GiB.
    for (level, shift, low) in
        [(1, 13, 0), (1, 14, 0x1000), (1, 20, 0x7_f000), (2, 22, 0x1f_f000), (3, 32, 0x7fff_f000)]
    {
        let word = 0x6000_0000_0000_0e01 | 0x8_0000_0000_0000 | low;
        let expected = leaf(0x80_0000_0000, shift, RW);
        assert_eq!(format.decode(level, word), Entry::Leaf(expected));
        for part in [0, 1] {
            assert_eq!(format.leaf(level, expected, part), word);
        }
    }
    assert_eq!(format.leaf_sizes(3) >> 39 & 1 | format.leaf_sizes(4) >> 39 & 1, 0, "no 512 GiB leaf");
    assert_eq!(format.leaf_sizes(6), 0);
    for (level, word, expected) in [
        (3, 0x6000_0000_0000_0601, Malformed::NextLevel(3)),
        (1, 0x6000_0000_0000_0201, Malformed::NextLevel(1)),
        (6, 0x6000_0000_0000_0001, Malformed::LeafLevel),
        (2, 0x6000_0000_0007_fe01, Malformed::LeafSize(20)),
        (1, 0x6000_0000_000f_fe01, Malformed::LeafSize(21)),
        (2, 0x6010_0000_0000_0201, Malformed::Reserved(1 << 52)),
        (2, 0x7000_0000_0000_0201, Malformed::Reserved(1 << 60)),
    ] {
        assert_eq!(format.decode(level, word), Entry::Malformed(expected));
    }
    assert!(
        matches!(format.decode(1, 0x7800_0000_0000_0001), Entry::Leaf(_)),
        "U and FC are attributes of leaves"
    );
    assert!(matches!(format.decode(2, 0xe000_0000_0000_019f | 0x200), Entry::Table { .. }), "ignored bits");
    assert_eq!(format.decode(1, 0x6000_0000_0000_0000), Entry::Absent);
    assert_eq!(
        format.with_tracking().used(1, 0x6000_0000_0000_0061),
        Some(Used { accessed: true, dirty: true })
    );
}

#[test]
fn arm_descriptors_of_stage_1_have_the_bits_of_the_manual() {
    let format = SmmuStage1::new(Granule::K4);
    assert_eq!(format.table(4, 3, Pfn::new(0x12345)), 0x1234_5003);
    // nG, AF, inner shareable, unprivileged; a page has bit 1.
    assert_eq!(format.leaf(1, leaf(0xbcde40000, 12, RW), 0), 0x0000_bcde_4000_0f43);
    assert_eq!(format.leaf(1, leaf(0xbcde40000, 12, Access::READ), 0), 0x0000_bcde_4000_0fc3);
    assert_eq!(format.leaf(2, leaf(0xbcde40000, 21, RW), 0), 0x0000_bcde_4000_0f41);
    assert_eq!(
        format.leaf(1, leaf(0xbcde40000, 16, RW), 5),
        0x0010_bcde_4000_5f43,
        "contiguous, the sixth of 16"
    );
    assert!(!format.expresses(Access::WRITE));
    assert_eq!(
        format.decode(1, 0x1f41),
        Entry::Malformed(Malformed::LeafLevel),
        "a block at the lowest level"
    );
    assert_eq!(format.decode(4, 0x1f41), Entry::Malformed(Malformed::LeafLevel), "a block at the highest");
    assert_eq!(format.decode(1, 0x1b43), Entry::Malformed(Malformed::AccessFlag));
    let narrow = format.with_output_width(44);
    assert_eq!(narrow.decode(1, 0x1000_0000_0f43), Entry::Malformed(Malformed::AddressSize(44)));
    assert!(
        format.misplaced(1, 4, 0x0010_bcde_4000_5f43) && !format.misplaced(1, 0x15, 0x0010_bcde_4000_5f43)
    );
    let read_only = format.decode(2, 0x4000_0000_1234_5003);
    assert!(matches!(read_only, Entry::Table { access: Access::READ, .. }), "APTable bit 1");
    let none = format.decode(2, 0x2000_0000_1234_5003);
    assert!(matches!(none, Entry::Table { access, .. } if access.is_empty()), "APTable bit 0");
    assert_eq!(format.table_base(), Some(TableBase { tsz: 16, sl0: None }));
    let tracking = format.with_tracking();
    assert_eq!(
        tracking.leaf(1, leaf(1, 12, RW), 0),
        0x0008_0000_0000_1bc3,
        "writable and clean: DBM and read-only"
    );
    assert_eq!(tracking.used(1, 0x0008_0000_0000_1f43), Some(Used { accessed: true, dirty: true }));
    assert_eq!(tracking.unused(1, 0x0008_0000_0000_1f43), 0x0008_0000_0000_1bc3);
}

#[test]
fn arm_descriptors_of_stage_2_have_the_bits_of_the_manual() {
    let format = SmmuStage2::new(Granule::K64);
    assert_eq!(format.table(3, 2, Pfn::new(0x12340)), 0x1234_0003);
    assert_eq!(format.leaf(1, leaf(0xbcde40000, 16, RW), 0), 0x0000_bcde_4000_07ff);
    assert_eq!(format.leaf(1, leaf(0xbcde40000, 16, Access::READ), 0), 0x0000_bcde_4000_077f);
    assert_eq!(format.leaf(1, leaf(0xbcde40000, 16, Access::WRITE), 0), 0x0000_bcde_4000_07bf);
    assert_eq!(format.leaf(2, leaf(0xbcde40000, 29, RW), 0), 0x0000_bcde_4000_07fd);
    assert_eq!(
        format.leaf(1, leaf(0xbcde40000, 21, RW), 31),
        0x0010_bcde_401f_07ff,
        "contiguous, the last of 32"
    );
    let tracking = format.with_tracking();
    assert_eq!(tracking.leaf(1, leaf(0x10, 16, RW), 0), 0x0008_0000_0001_037f);
    assert_eq!(tracking.used(1, 0x0008_0000_0001_07ff), Some(Used { accessed: true, dirty: true }));
}

#[test]
fn arm_start_levels_and_contiguous_sizes_are_those_of_the_manual() {
    let stage_2 = |granule| SmmuStage2::new(granule);
    let base = |format: SmmuStage2| format.table_base().unwrap();
    for (granule, sl0, levels) in [(Granule::K4, 2, 4), (Granule::K16, 2, 3), (Granule::K64, 2, 3)] {
        assert_eq!(base(stage_2(granule)), TableBase { tsz: 20, sl0: Some(sl0) });
        assert_eq!(stage_2(granule).root_level(), levels);
    }
    // 42 bits are 8 concatenated tables of Arm's level 1 with 4 KiB; 40 bits 16 of level 2 with 16 KiB; 44 bits 4 of
    // level 2 with 64 KiB.
    for (granule, bits, sl0, levels, frames) in [
        (Granule::K4, 42, 1, 3, 8),
        (Granule::K4, 43, 1, 3, 16),
        (Granule::K4, 44, 2, 4, 1),
        (Granule::K16, 40, 1, 2, 64),
        (Granule::K64, 44, 1, 2, 64),
    ] {
        let format = SmmuStage2::with_input_bits(granule, bits, true);
        assert_eq!(base(format), TableBase { tsz: 64 - bits, sl0: Some(sl0) });
        assert_eq!((format.root_level(), format.table_frames(levels)), (levels, frames));
    }
    let sizes = |granule, level| SmmuStage1::new(granule).leaf_sizes(level);
    assert_eq!(
        [1, 2, 3].map(|level| sizes(Granule::K4, level)),
        [1 << 12 | 1 << 16, 1 << 21 | 1 << 25, 1 << 30 | 1 << 34]
    );
    assert_eq!([1, 2, 3].map(|level| sizes(Granule::K16, level)), [1 << 14 | 1 << 21, 1 << 25 | 1 << 30, 0]);
    assert_eq!([1, 2, 3].map(|level| sizes(Granule::K64, level)), [1 << 16 | 1 << 21, 1 << 29 | 1 << 34, 0]);
}

#[test]
fn faults_have_the_numbers_of_the_manuals() {
    let code =
        |format: &dyn Fn(Stop, Access) -> u8, stop| [format(stop, Access::READ), format(stop, Access::WRITE)];
    let second = |stop, access| VtdSecondStage::LEVELS_4.fault(1, stop, access).code;
    let first = |stop, access| VtdFirstStage::LEVELS_4.fault(1, stop, access).code;
    let amd = |stop, access| AmdV1::MODE_4.fault(1, stop, access).code;
    let arm = |stop, access| SmmuStage2::new(Granule::K4).fault(1, stop, access).code;
    let reserved = Stop::Malformed(Malformed::Reserved(1));
    for (stop, expected) in [
        (Stop::NotPresent, [[6, 5], [0x71, 0x71], [2, 2], [0x10, 0x10]]),
        (Stop::NoPermission, [[6, 5], [0x81, 0x85], [2, 2], [0x13, 0x13]]),
        (Stop::Unreadable, [[7, 7], [0x70, 0x70], [4, 4], [0x0b, 0x0b]]),
        (Stop::BeyondWidth, [[4, 4], [0x80, 0x80], [2, 2], [0x10, 0x10]]),
        (reserved, [[0xc, 0xc], [0x72, 0x72], [2, 2], [0x10, 0x10]]),
    ] {
        let found = [code(&second, stop), code(&first, stop), code(&amd, stop), code(&arm, stop)];
        assert_eq!(found, expected, "{stop:?}");
    }
    assert_eq!(arm(Stop::Malformed(Malformed::AddressSize(44)), Access::READ), 0x11);
    assert_eq!(arm(Stop::Malformed(Malformed::AccessFlag), Access::READ), 0x12);
}
