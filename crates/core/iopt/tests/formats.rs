//! The laws of [`Format`], for every format and every level, through the interface alone.

use dxgk_hw::{Access, LogicalPage, PAGE_SHIFT, Pfn};
use dxgk_iopt::{Entry, Format, Leaf, MAX_LEVELS, VtdSecondStage};
use proptest::prelude::*;

/// One test per law and format.
macro_rules! laws {
    ($($module:ident = $format:expr;)*) => {$(
        mod $module {
            use super::*;

            #[test]
            fn the_geometry_is_whole() {
                geometry($format);
            }

            proptest! {
                #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

                #[test]
                fn a_leaf_is_decoded_as_it_was_encoded(frame: u64, access in 0u8..4) {
                    leaf_law($format, frame, access);
                }

                #[test]
                fn a_table_is_decoded_as_it_was_encoded(frame: u64) {
                    table_law($format, frame);
                }

                #[test]
                fn any_word_is_decoded_without_a_panic_and_legal_leaves_are_aligned(word: u64) {
                    total($format, word);
                }

                #[test]
                fn encoding_is_total(frame: u64, access in 0u8..4, shift in 12u32..63) {
                    for level in 1..=$format.root_level() {
                        let access = Access::from_bits_truncate(access);
                        $format.leaf(level, Leaf { frame: Pfn::new(frame), shift, access }, 0);
                        $format.table(level, Pfn::new(frame));
                    }
                }

                #[test]
                fn the_largest_leaf_is_the_one_that_brute_force_finds(
                    at in 0u64..1 << 36, frame in 0u64..1 << 36, zeros in 0u32..32,
                    extent in 1u64..1 << 20, ceiling in 1u32..=MAX_LEVELS as u32,
                ) {
                    let (at, frame) = (at >> zeros << zeros, frame >> zeros << zeros);
                    let ceiling = ceiling.min($format.root_level());
                    let chosen = $format.largest_leaf(ceiling, LogicalPage::new(at), Pfn::new(frame), extent);
                    prop_assert_eq!(chosen, brute_force($format, ceiling, at, frame, extent));
                }
            }
        }
    )*};
}

laws! {
    vtd_ss4 = VtdSecondStage::LEVELS_4;
    vtd_ss4_without_large_pages = VtdSecondStage::LEVELS_4.with_large_pages(0);
}

fn sizes(format: impl Format, level: u32) -> impl Iterator<Item = u32> {
    (0..64).filter(move |shift| format.leaf_sizes(level) >> shift & 1 == 1)
}

fn geometry(format: impl Format) {
    let root = format.root_level();
    assert!((1..=MAX_LEVELS as u32).contains(&root));
    assert_eq!(format.entry_shift(1), format.entry_shift(1).max(PAGE_SHIFT));
    assert!(format.span_shift(root) >= format.width());
    for level in 2..=root {
        assert_eq!(format.entry_shift(level), format.span_shift(level - 1), "level {level}");
    }
    for level in 1..=root {
        assert!(sizes(format, level).all(|shift| shift >= format.entry_shift(level)), "level {level}");
    }
    assert_ne!(format.leaf_sizes(1), 0);
}

fn leaf_law(format: impl Format, frame: u64, access: u8) {
    let access = Access::from_bits_truncate(access);
    if !format.expresses(access) {
        return;
    }
    for level in 1..=format.root_level() {
        for shift in sizes(format, level) {
            let pages = 1u64 << (shift - PAGE_SHIFT);
            let frame = frame & ((1 << (format.output_width() - PAGE_SHIFT)) - 1) & !(pages - 1);
            let leaf = Leaf { frame: Pfn::new(frame), shift, access };
            for part in 0..1u64 << (shift - format.entry_shift(level)) {
                assert_eq!(format.decode(level, format.leaf(level, leaf, part)), Entry::Leaf(leaf));
            }
        }
    }
}

fn table_law(format: impl Format, frame: u64) {
    for level in 2..=format.root_level() {
        let frame = frame & ((1 << (format.output_width() - PAGE_SHIFT)) - 1);
        let aligned = frame / format.table_frames(level - 1) * format.table_frames(level - 1);
        let table = Pfn::new(aligned);
        let expected = Entry::Table { table, level: level - 1, access: Access::all() };
        assert_eq!(format.decode(level, format.table(level, table)), expected);
    }
}

fn total(format: impl Format, word: u64) {
    for level in 1..=format.root_level() {
        match format.decode(level, word) {
            Entry::Leaf(leaf) => {
                assert_eq!(format.leaf_sizes(level) >> leaf.shift & 1, 1);
                assert_eq!(leaf.frame.get() & (leaf.pages() - 1), 0);
                assert!(!leaf.access.is_empty());
            }
            Entry::Table { .. } => assert!(level > 1),
            Entry::Absent | Entry::Malformed(_) => {}
        }
    }
    assert_eq!(format.decode(1, 0), Entry::Absent);
}

fn brute_force(format: impl Format, ceiling: u32, at: u64, frame: u64, extent: u64) -> Option<(u32, u32)> {
    let mut best = None;
    for level in 1..=ceiling {
        for shift in sizes(format, level) {
            let pages = 1u64 << (shift - PAGE_SHIFT);
            if at.is_multiple_of(pages) && frame.is_multiple_of(pages) && pages <= extent {
                best = Some((level, shift));
            }
        }
    }
    best
}

#[test]
fn second_stage_entries_have_the_bits_of_the_manual() {
    let format = VtdSecondStage::LEVELS_4;
    let leaf = |shift, access| Leaf { frame: Pfn::new(0xabcde40000), shift, access };
    assert_eq!(format.table(4, Pfn::new(0x12345)), 0x1234_5003);
    assert_eq!(format.leaf(1, leaf(12, Access::READ), 0), 0x000a_bcde_4000_0001);
    assert_eq!(format.leaf(2, leaf(21, Access::WRITE), 0), 0x000a_bcde_4000_0082);
    assert_eq!(format.leaf(3, leaf(30, Access::all()), 0), 0x000a_bcde_4000_0083);
    assert!(matches!(format.decode(4, 0x83), Entry::Malformed(_)), "no leaf at level 4");
    assert!(matches!(format.decode(2, 0x1083), Entry::Malformed(_)), "2 MiB leaf off its alignment");
    assert!(matches!(format.decode(2, 0x803), Entry::Malformed(_)), "reserved bit 11");
    assert_eq!(format.decode(2, 0xfff0_0000_0000_0000 | 4), Entry::Absent, "execute alone is not present");
}
