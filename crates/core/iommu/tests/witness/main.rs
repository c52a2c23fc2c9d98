//! QEMU as witness: the drivers of this crate run on QEMU's IOMMUs, with tables and queues in RAM that QEMU walks, and
//! QEMU's edu device does the DMA. The same random scenarios run on the model. Both must do what a flat map says.
//!
//! The proof is not circular: walker and device are QEMU's, and what must be reachable is a map from page to frame
//! that the scenario keeps for itself. Each scenario maps, tries (mapped pages both ways, holes, missing permissions,
//! addresses beyond the width), unmaps, and tries again: before an invalidation that covers it a page is reached as
//! before, after it every access is blocked and recorded.
//!
//! What a version of QEMU does not do as the manual says is listed, with the reason, in `blind.rs`; nothing else is
//! let pass. Without a witness stay VT-d's five levels, Arm's contiguous hint as a hint (QEMU looks at each entry), and
//! stage 2 trees that start with several tables in a row. Needs QEMU; without it the tests say so and pass, or fail if `DXGK_REQUIRE_QEMU` is set.
//! `DXGK_WITNESS_SCENARIOS` says how many scenarios a family runs.

#![expect(clippy::print_stderr, reason = "what was witnessed, or that nothing was, has to be heard")]

mod blind;
mod family;
mod plan;
mod play;
mod random;
mod side;

use std::time::Instant;

use dxgk_iopt::{AmdV1, Granule};
use dxgk_qemu::{Installed, find_qemu};

use blind::Blind;
use family::Family;
use play::{Count, play};
use side::Side;

/// Scenarios of a family in the usual test run.
const SCENARIOS: u64 = 24;

/// After so many scenarios the unit is taken over anew, which invalidates everything.
const UNTIL_RESTART: u64 = 8;

/// The QEMU that can witness a family, if there is one.
fn qemu_for(family: Family) -> Option<Installed> {
    let installed = match find_qemu(family.qemu().board().architecture()) {
        Ok(installed) => installed,
        Err(error) => {
            assert!(std::env::var_os("DXGK_REQUIRE_QEMU").is_none(), "DXGK_REQUIRE_QEMU is set: {error}");
            eprintln!("SKIPPED: witness of {family:?}: {error}");
            return None;
        }
    };
    if let Some(reason) = family.qemu().missing_in(&installed) {
        eprintln!("SKIPPED: witness of {family:?} by {installed}: {reason}");
        return None;
    }
    Some(installed)
}

fn witness(family: Family) {
    let Some(installed) = qemu_for(family) else { return };
    let scenarios = std::env::var("DXGK_WITNESS_SCENARIOS").ok().map(|text| text.parse().expect("a number"));
    let scenarios = scenarios.unwrap_or(SCENARIOS);
    let blind = blind::spots(family, &installed);
    for spot in &blind {
        eprintln!("{family:?}: {installed} cannot witness: {}", spot.reason());
    }
    let start = Instant::now();
    let mut sides = [Side::model(family), Side::qemu(family, &installed)];
    let mut count = Count::default();
    for seed in 0..scenarios {
        for side in &mut sides {
            let blind: &[Blind] = if side.is_qemu() { &blind } else { &[] };
            if let Err(why) = play(family, seed, side, blind, &mut count) {
                panic!("{family:?}, scenario {seed}, {}: {why}", side.name());
            }
            if (seed + 1).is_multiple_of(UNTIL_RESTART)
                && let Err(why) = play::restart(family, side, &mut count)
            {
                panic!("{family:?}, restart after scenario {seed}, {}: {why}", side.name());
            }
        }
    }
    eprintln!(
        "{family:?}: {installed} and the model agreed on {scenarios} scenarios, {count}; {:.1} s",
        start.elapsed().as_secs_f64()
    );
    assert!(count.is_of_everything(family.width()), "something was never tried: {count}");
}

#[test]
fn vt_d_in_legacy_mode() {
    witness(Family::VtdLegacy);
}

#[test]
fn vt_d_in_scalable_mode_by_its_second_stage() {
    witness(Family::VtdSecondStage);
}

#[test]
fn vt_d_in_scalable_mode_by_its_first_stage() {
    witness(Family::VtdFirstStage);
}

#[test]
fn smmuv3_stage_1_granule_of_4_kib() {
    witness(Family::SmmuStage1(Granule::K4));
}

#[test]
fn smmuv3_stage_1_granule_of_16_kib() {
    witness(Family::SmmuStage1(Granule::K16));
}

#[test]
fn smmuv3_stage_1_granule_of_64_kib() {
    witness(Family::SmmuStage1(Granule::K64));
}

#[test]
fn smmuv3_stage_2_granule_of_4_kib() {
    witness(Family::SmmuStage2(Granule::K4));
}

#[test]
fn smmuv3_stage_2_granule_of_16_kib() {
    witness(Family::SmmuStage2(Granule::K16));
}

#[test]
fn smmuv3_stage_2_granule_of_64_kib() {
    witness(Family::SmmuStage2(Granule::K64));
}

#[test]
fn amd_vi_mode_3() {
    witness(Family::Amdvi(AmdV1::MODE_3));
}

#[test]
fn amd_vi_mode_4() {
    witness(Family::Amdvi(AmdV1::MODE_4));
}

#[test]
fn amd_vi_mode_5() {
    witness(Family::Amdvi(AmdV1::MODE_5));
}

#[test]
fn amd_vi_mode_6() {
    witness(Family::Amdvi(AmdV1::MODE_6));
}

#[test]
fn a_driver_that_does_not_invalidate_is_found_out_by_both() {
    for family in [Family::VtdLegacy, Family::Amdvi(AmdV1::MODE_4), Family::SmmuStage1(Granule::K4)] {
        let Some(installed) = qemu_for(family) else { continue };
        let blind = blind::spots(family, &installed);
        for mut side in [Side::model(family), Side::qemu(family, &installed)] {
            side.forgets = true;
            let blind: &[Blind] = if side.is_qemu() { &blind } else { &[] };
            let why = play(family, 0, &mut side, blind, &mut Count::default()).expect_err("it is stale");
            assert!(why.contains("wanted: Err(Absent)"), "{}: {why}", side.name());
        }
    }
}
