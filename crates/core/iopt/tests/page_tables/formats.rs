//! The laws of [`Format`], for every format and every level, through the interface alone.

use dxgk_hw::{Access, LogicalAddr, LogicalPage, PAGE_SHIFT, Pfn};
use dxgk_iopt::{Entry, Format, Leaf, MAX_LEVELS, Stop};
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

            #[test]
            fn every_attribute_bit_is_decoded_to_something_that_can_be_written_again() {
                attributes($format);
            }

            #[test]
            fn addresses_that_are_not_canonical_are_not_translated() {
                canonical($format);
            }

            proptest! {
                #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..Default::default() })]

                #[test]
                fn a_leaf_is_decoded_as_it_was_encoded(frame: u64) {
                    leaf_law($format, frame);
                }

                #[test]
                fn a_table_is_decoded_as_it_was_encoded(frame: u64) {
                    table_law($format, frame);
                }

                #[test]
                fn any_word_is_decoded_without_a_panic(word: u64) {
                    total($format, word);
                }

                #[test]
                fn encoding_is_total(frame: u64, shift in 12u32..63, part: u64, level in 1u32..=$format.root_level()) {
                    for access in every_access() {
                        $format.leaf(level, Leaf { frame: Pfn::new(frame), shift, access }, part);
                    }
                    for next in 0..9 {
                        $format.table(level, next, Pfn::new(frame));
                    }
                }

                #[test]
                fn the_largest_leaf_is_the_one_that_brute_force_finds(
                    at in 0u64..1 << 36, frame in 0u64..1 << 36, zeros in 0u32..36,
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

/// Miri takes a thousand times as long.
const CASES: u32 = if cfg!(miri) { 4 } else { 500 };

every_format!(laws);

fn every_access() -> impl Iterator<Item = Access> {
    (0..4).map(Access::from_bits_truncate)
}

fn sizes(format: impl Format, level: u32) -> impl Iterator<Item = u32> {
    (0..64).filter(move |shift| format.leaf_sizes(level) >> shift & 1 == 1)
}

fn geometry(format: impl Format) {
    let root = format.root_level();
    assert!((1..=MAX_LEVELS as u32).contains(&root));
    assert!(format.entry_shift(1) >= PAGE_SHIFT);
    assert_eq!(format.span_shift(root), format.width());
    assert!(format.end().get() <= 1 << (format.width() - PAGE_SHIFT));
    for level in 2..=root {
        assert_eq!(format.entry_shift(level), format.span_shift(level - 1), "level {level}");
    }
    for level in 1..=root {
        for shift in sizes(format, level) {
            assert!(shift >= format.entry_shift(level), "level {level}");
            assert!(shift <= format.span_shift(level), "a leaf fits its table, level {level}");
            assert!(shift < format.output_width(), "level {level}");
        }
        assert!(format.table_frames(level).is_power_of_two());
        let bytes = 8u64 << format.index_bits(level);
        assert!(bytes <= format.table_frames(level) << PAGE_SHIFT, "a table has room in its frames");
    }
    assert_ne!(format.leaf_sizes(1), 0);
}

fn canonical(format: impl Format) {
    let last = format.end().get() - 1;
    for page in [0, 1, last >> 1, last] {
        assert_eq!(
            format.canonical(LogicalPage::new(page)).get(),
            page,
            "what is mapped is asked for as it is"
        );
        assert!(format.translates(LogicalPage::new(page).address()));
    }
    if format.width() < 64 {
        assert!(!format.translates(LogicalAddr::new(1 << format.width())));
        assert!(!format.translates(format.end().address()));
    }
    let upper = LogicalPage::new((1 << (format.width() - PAGE_SHIFT)) - 1);
    assert!(format.translates(format.canonical(upper).address()));
}

fn cut(format: impl Format, frame: u64, pages: u64) -> Pfn {
    Pfn::new(frame & ((1 << (format.output_width() - PAGE_SHIFT)) - 1) & !(pages - 1))
}

fn leaf_law(format: impl Format, frame: u64) {
    for level in 1..=format.root_level() {
        for access in every_access().filter(|access| format.expresses(*access)) {
            for shift in sizes(format, level) {
                let frame = cut(format, frame, 1 << (shift - PAGE_SHIFT));
                let leaf = Leaf { frame, shift, access };
                for part in 0..1u64 << (shift - format.entry_shift(level)) {
                    let word = format.leaf(level, leaf, part);
                    assert_eq!(format.decode(level, word), Entry::Leaf(leaf), "part {part}");
                    assert!(!format.misplaced(level, part, word), "part {part}");
                    if let Some(used) = format.used(level, word) {
                        assert!(!used.accessed && !used.dirty, "nobody has used it yet");
                        assert_eq!(format.unused(level, word), word);
                    }
                }
            }
        }
    }
}

fn table_law(format: impl Format, frame: u64) {
    for level in 2..=format.root_level() {
        let lowest = if format.skips_levels() { 1 } else { level - 1 };
        for next in lowest..level {
            let table = cut(format, frame, format.table_frames(next).max(format.granule_pages()));
            let expected = Entry::Table { table, level: next, access: Access::all() };
            let word = format.table(level, next, table);
            assert_eq!(format.decode(level, word), expected);
            assert_eq!(format.decode(level, word ^ format.full_mark()), expected, "the mark is ignored");
            assert_eq!(word & format.full_mark(), 0);
        }
    }
}

/// What a word says can be written, and then says the same.
fn total(format: impl Format, word: u64) {
    for level in 1..=format.root_level() {
        match format.decode(level, word) {
            Entry::Leaf(leaf) => {
                assert!((format.entry_shift(level)..=format.span_shift(level)).contains(&leaf.shift));
                assert_eq!(leaf.frame.get() & (leaf.pages() - 1), 0);
                if format.expresses(leaf.access) && format.leaf_sizes(level) >> leaf.shift & 1 == 1 {
                    let again = format.leaf(level, leaf, 0);
                    assert_eq!(format.decode(level, again), Entry::Leaf(leaf));
                }
                if format.used(level, word).is_some() {
                    let cleared = format.unused(level, word);
                    assert_eq!(format.decode(level, cleared), Entry::Leaf(leaf), "as much as before");
                    let used = format.used(level, cleared).unwrap();
                    assert!(!used.accessed && !used.dirty);
                }
            }
            Entry::Table { table, level: next, .. } => {
                assert!(next > 0 && next < level);
                let again = format.decode(level, format.table(level, next, table));
                assert!(
                    matches!(again, Entry::Table { table: same, level, .. } if same == table && level == next)
                );
            }
            Entry::Absent => {}
            Entry::Malformed(why) => {
                for access in [Access::READ, Access::WRITE] {
                    assert_ne!(format.fault(level, Stop::Malformed(why), access).code, 0);
                }
            }
        }
    }
    assert_eq!(format.decode(1, 0), Entry::Absent);
}

/// All values of the 12 low bits, with no, each, and each two of the 12 high ones, at two addresses.
fn attributes(format: impl Format) {
    let high: Vec<u64> = (52..=64)
        .flat_map(|one| (one..=64).map(move |other| [one, other]))
        .map(|bits| bits.into_iter().filter(|bit| *bit < 64).fold(0, |word, bit| word | 1 << bit))
        .collect();
    let step = if cfg!(miri) { 509 } else { 1 };
    for address in [0, 0x0000_4240_0000_0000] {
        for low in (0..1 << 12).step_by(step) {
            for high in &high {
                total(format, high | address | low);
            }
        }
    }
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
