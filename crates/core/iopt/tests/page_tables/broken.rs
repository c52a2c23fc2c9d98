//! Tables that nobody made: every operation ends, and says what is wrong; nothing panics.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use dxgk_hw::{Access, LogicalAddr, LogicalPage, MachineMemory, PageRun, Pfn};
use dxgk_iopt::{Entry, Format, Outcome, PartialLeaf, Store, Table};

use super::memory::{BASE, Ram};

macro_rules! broken {
    ($($module:ident = $format:expr;)*) => {$(
        mod $module {
            #[test]
            fn no_operation_loops_or_panics_on_random_tables() {
                super::random_tables($format);
            }

            #[test]
            fn a_root_outside_ram_is_said_to_be() {
                super::outside($format);
            }
        }
    )*};
}

every_format!(broken);

const FRAMES: u64 = 96;

/// A word that may be anything, but is most often nearly a table or a leaf.
fn word(format: impl Format, level: u32, dice: &mut impl FnMut() -> u64) -> u64 {
    let (kind, frame) = (dice() % 16, BASE + dice() % (FRAMES + 1));
    let word = match kind {
        0..5 if level > 1 => format.table(level, 1 + dice() as u32 % level, Pfn::new(frame)),
        0..9 => {
            let sizes: Vec<u32> =
                (0..64).filter(|shift| format.leaf_sizes(level) >> shift & 1 == 1).collect();
            let shift = sizes.get(dice() as usize % sizes.len().max(1)).copied().unwrap_or(30);
            let access = Access::from_bits_truncate(dice() as u8 & 3);
            format.leaf(level, dxgk_iopt::Leaf { frame: Pfn::new(frame), shift, access }, dice() % 40)
        }
        9..12 => 0,
        _ => dice(),
    };
    if dice().is_multiple_of(4) { word ^ 1 << (dice() % 64) } else { word }
}

fn random_tables(format: impl Format) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut dice = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    };
    for round in 0..if cfg!(miri) { 1 } else { 12 } {
        let ram = Ram::with_frames(FRAMES);
        let store = Store { memory: &ram, frames: &ram };
        let root = Table::new(format, store).unwrap().root();
        for frame in BASE..BASE + FRAMES - 4 {
            let level = 1 + dice() as u32 % format.root_level();
            for word_of in ram.live(Pfn::new(frame)).unwrap() {
                word_of.store(word(format, level, &mut dice), Ordering::Relaxed);
            }
        }
        let mut tree = Table::at(format, root);
        let mut visits = 0;
        let _ = tree.visit(&ram, &mut |_| {
            visits += 1;
            if visits < 5000 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        for _ in 0..if cfg!(miri) { 5 } else { 200 } {
            let at = LogicalPage::new(dice() % format.end().get());
            let walk = tree.walk(&ram, at.address());
            assert!(walk.steps().count() <= format.root_level() as usize);
            for access in [Access::READ, Access::WRITE] {
                let passes = matches!(walk.outcome, Outcome::Mapped { access: allowed, .. } if allowed.contains(access));
                assert_eq!(walk.fault(format, access).is_none(), passes, "round {round}: {walk:?}");
            }
            let pages = 1 + dice() % 64;
            let runs = [PageRun::new(Pfn::new(dice() >> (dice() % 64)), pages)];
            let access = Access::from_bits_truncate(dice() as u8 & 3);
            let _ = match dice() % 6 {
                0 => tree.map(store, at, &runs, access),
                1 => tree.unmap(store, at, pages, PartialLeaf::Split),
                2 => tree.unmap(store, at, pages, PartialLeaf::Refuse),
                3 => tree.protect(store, at, pages, access, PartialLeaf::Split),
                4 => tree
                    .split_at(store, at)
                    .and_then(|broken| broken.map_or(Ok(()), |broken| tree.mend(store, broken))),
                _ => tree.used(&ram, at, pages, dice().is_multiple_of(2), &mut |_, _, _| {}),
            };
        }
    }
}

fn outside(format: impl Format) {
    let ram = Ram::with_frames(2 * format.table_frames(format.root_level()).max(format.table_frames(1)));
    let lost = Pfn::new(0x7000);
    let walk = Table::at(format, lost).walk(&ram, LogicalAddr::new(0));
    assert_eq!((walk.outcome, walk.steps().count()), (Outcome::OutsideRam(lost), 0));
    assert!(walk.fault(format, Access::READ).is_some());
    // The same one level down.
    let store = Store { memory: &ram, frames: &ram };
    let tree = Table::new(format, store).unwrap();
    let level = format.root_level();
    if level > 1 {
        let word = format.table(level, level - 1, lost);
        ram.live(tree.root()).unwrap()[0].store(word, Ordering::Relaxed);
        let walk = tree.walk(&ram, LogicalAddr::new(0));
        let Some(Entry::Table { table, .. }) = walk.steps().last().map(|step| step.entry) else { panic!() };
        assert_eq!(walk.outcome, Outcome::OutsideRam(table));
    }
}
