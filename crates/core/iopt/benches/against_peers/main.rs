//! What mapping and unmapping cost a page, beside crates that do the same for CPU tables, in one process and by turns.
//! Ratios mean something; times are of this machine now. `cargo xtask bench`, or
//! `cargo bench -p dxgk-iopt --bench against_peers`.
//!
//! The work is not quite the same, and the differences are not in our favour: this crate checks that a range is free,
//! undoes a map that fails, checks a range before it unmaps, and keeps emptied tables for the invalidation. Peers take
//! their tables from the same kind of pool.

#![expect(clippy::print_stdout, reason = "a benchmark's figures")]

mod aarch64;
mod ours;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::time::{Duration, Instant};

use dxgk_hw::{PageRun, Pfn};
use dxgk_iopt::{AmdV1, Granule, SmmuStage1, SmmuStage2, VtdFirstStage, VtdSecondStage};

/// Rounds, of which the fastest counts.
const ROUNDS: usize = 40;

/// Who maps and unmaps.
trait Contender {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Maps the case, and says how long that took.
    fn map(&mut self, case: &Case) -> Duration;

    /// Unmaps it; `None` when it cannot.
    fn unmap(&mut self, case: &Case) -> Option<Duration>;
}

/// What is mapped at [`AT`].
struct Case {
    name: &'static str,
    /// Contiguous, or every frame by itself and none beside its neighbour.
    runs: Vec<PageRun>,
    pages: u64,
    /// Leaves above 4 KiB may be used.
    large: bool,
}

/// First page: 4 GiB, so that gibibytes are aligned.
const AT: u64 = 1 << 20;
/// First frame, as well aligned.
const FRAME: u64 = 2 << 20;

fn measured(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn contiguous(name: &'static str, pages: u64, large: bool) -> Case {
    Case { name, runs: vec![PageRun::new(Pfn::new(FRAME), pages)], pages, large }
}

fn run(case: &Case, contenders: &mut [Box<dyn Contender>]) {
    let mut best = vec![(Duration::MAX, None::<Duration>); contenders.len()];
    for _ in 0..ROUNDS {
        for (contender, best) in contenders.iter_mut().zip(&mut best) {
            best.0 = best.0.min(contender.map(case));
            if let Some(unmap) = contender.unmap(case) {
                best.1 = Some(best.1.map_or(unmap, |known| known.min(unmap)));
            }
        }
    }
    println!("{} ({} pages)", case.name, case.pages);
    let page = |time: Duration| time.as_nanos() as f64 / case.pages as f64;
    let ratio = |time: Duration, first: Duration| time.as_secs_f64() / first.as_secs_f64().max(1e-9);
    let (first_map, first_unmap) = best.first().copied().unwrap_or_default();
    for (contender, (map, unmap)) in contenders.iter().zip(best) {
        print!("  {:<24} map {:9.3} ns/page {:6.2}x", contender.name(), page(map), ratio(map, first_map));
        match (unmap, first_unmap) {
            (Some(unmap), Some(first)) => {
                println!("   unmap {:9.3} ns/page {:6.2}x", page(unmap), ratio(unmap, first));
            }
            _ => println!(),
        }
    }
}

fn main() {
    let scattered: Vec<PageRun> =
        (0..1u64 << 14).map(|nth| PageRun::new(Pfn::new(FRAME + 2 * nth + 1), 1)).collect();
    let cases = [
        Case { name: "scattered list", pages: scattered.len() as u64, runs: scattered, large: false },
        contiguous("contiguous, 4 KiB leaves only", 1 << 14, false),
        contiguous("contiguous, large leaves", 1 << 20, true),
    ];
    for case in &cases {
        let mut contenders: Vec<Box<dyn Contender>> = vec![
            Box::new(ours::Ours::new(VtdFirstStage::LEVELS_4)),
            #[cfg(target_arch = "x86_64")]
            Box::new(x86::Multiarch::new()),
            Box::new(ours::Ours::new(SmmuStage1::new(Granule::K4))),
        ];
        if case.runs.len() == 1 {
            contenders.push(Box::new(aarch64::Linear::new()));
        }
        contenders.push(Box::new(ours::Ours::new(VtdSecondStage::LEVELS_4)));
        contenders.push(Box::new(ours::Ours::new(AmdV1::MODE_4)));
        contenders.push(Box::new(ours::Ours::new(SmmuStage2::new(Granule::K4))));
        run(case, &mut contenders);
    }
}
