//! Random sequences of the memory callbacks against a simple reference, with a device that looks.
//!
//! The system is the real one: memory manager, table builder and VT-d driver, over the model's machine in a memfd.
//! Every answer is compared with the reference's. Right after each call the device tries the pages concerned, and
//! after every hundred steps all of RAM, all of its domain, and a thousand addresses where nothing is mapped, reading
//! and writing, through the model's IOMMU, whose caches go stale. Pages carry signatures, so that "reachable" means
//! "the right frame". Totals balance at each of these points and at the end.
//!
//! A failure prints the seed and the shortest sequence that was found to fail.

mod adls;
mod draw;
mod life;
mod objects;
mod pages;
mod paging;
mod random;
mod reference;
mod request;
#[path = "rig.rs"]
mod rig;
mod views;
mod world;

use dxgk_model::{AmdviConfig, VtdConfig};
use dxgk_sysmm::Policy;
use dxgk_sysmm::policy::{LogicalBase, Scatter, Strictness};

use random::Random;
use world::{Setup, Start, Totals, World};

/// Steps of a machine with one seed. Five machines of this many make 10^5; there are more.
const STEPS: usize = 100_000 / (5 * SEEDS.len());
const SEEDS: [u64; 4] = [1, 0x2b, 0xdead_beef, 0x5eed_0000_0001];
const BETWEEN_SWEEPS: usize = 100;
/// Runs that shortening a failing sequence may take.
const SHORTENINGS: usize = 200;

struct Failure {
    /// Steps that were made, the failing one included.
    steps: usize,
    what: String,
    log: Vec<String>,
}

fn run(setup: Setup, seed: u64, words: &[u64]) -> Result<Totals, Box<Failure>> {
    let fail = |steps: usize, what: String, log: Vec<String>| Box::new(Failure { steps, what, log });
    let mut world = World::new(setup, seed).map_err(|what| fail(0, what, Vec::new()))?;
    for (nth, word) in words.iter().enumerate() {
        let mut made = world.step(*word);
        let last = nth + 1 == words.len();
        if made.is_ok() && (last || (nth + 1).is_multiple_of(BETWEEN_SWEEPS)) {
            made = world.sweep(*word).map_err(|what| format!("sweep: {what}"));
        }
        if let Err(what) = made {
            return Err(fail(nth + 1, what, world.log));
        }
    }
    match finish(&mut world) {
        Ok(()) => Ok(world.totals),
        Err(what) => Err(fail(words.len(), format!("at the end: {what}"), world.log)),
    }
}

/// One adapter is removed with all that it holds, the others after everything was freed; then nothing is left.
fn finish(world: &mut World) -> Result<(), String> {
    world.begin(0);
    world.end()?;
    let last = world.reference.logical.len() - 1;
    world.unplug(last)?;
    world.sweep(1)?;
    world.free_all()?;
    world.unplug(0)?;
    let unowned = world.bench.sysmm.reclaim_unowned();
    if !unowned.is_empty() {
        return Err(format!("{unowned:?} left"));
    }
    world.sweep(2)?;
    let (tables, of_unit) = (world.tables().len(), world.bench.unit_frames);
    if tables == of_unit {
        Ok(())
    } else {
        Err(format!("{tables} table frames are left, {of_unit} are the unit's"))
    }
}

/// Leaves out parts of a failing sequence as long as it fails.
fn shorten(make: impl Fn() -> Setup, seed: u64, mut words: Vec<u64>) -> Vec<u64> {
    let mut part = words.len().div_ceil(2).max(1);
    let mut runs = 0;
    while runs < SHORTENINGS {
        let mut at = 0;
        let before = words.len();
        while at < words.len() && runs < SHORTENINGS {
            let end = (at + part).min(words.len());
            let fewer: Vec<u64> = words[..at].iter().chain(&words[end..]).copied().collect();
            runs += 1;
            match run(make(), seed, &fewer) {
                Err(failure) => {
                    words = fewer;
                    words.truncate(failure.steps.max(1));
                }
                Ok(_) => at = end,
            }
        }
        if part == 1 && words.len() == before {
            break;
        }
        part = (part / 2).max(1);
    }
    words
}

#[expect(clippy::print_stderr, reason = "the test says how much it looked at")]
fn check(make: impl Fn(u64) -> Setup) {
    let mut sum = Totals::default();
    for seed in SEEDS {
        let mut random = Random::new(seed);
        let words: Vec<u64> = (0..STEPS).map(|_| random.word()).collect();
        let totals = match run(make(seed), seed, &words) {
            Ok(totals) => totals,
            Err(first) => {
                eprintln!(
                    "seed {seed:#x} failed at step {}: {}; it is being shortened",
                    first.steps, first.what
                );
                let failing = words[..first.steps.min(words.len())].to_vec();
                let words = shorten(|| make(seed), seed, failing);
                let last = run(make(seed), seed, &words).err().unwrap_or(first);
                panic!(
                    "{} with seed {seed:#x}: {}\nafter {} steps (words {words:#x?}):\n{}",
                    make(seed).name,
                    last.what,
                    words.len(),
                    last.log.join("\n")
                );
            }
        };
        sum.steps += totals.steps;
        sum.succeeded += totals.succeeded;
        sum.refused += totals.refused;
        sum.sweeps += totals.sweeps;
        sum.accesses += totals.accesses;
        sum.reached += totals.reached;
        sum.switches += totals.switches;
        sum.taken += totals.taken;
        sum.brought += totals.brought;
    }
    eprintln!("{}: {sum:?}", make(0).name);
    assert!(sum.refused > sum.steps / 20, "bad calls were among them");
    assert!(sum.succeeded > sum.steps / 4, "good ones too");
    assert!(sum.taken > 50 && sum.brought > 10, "pages came and went: {sum:?}");
}

/// 6 MiB at 0 and 4 MiB at 4 GiB, on two nodes.
const RAM: &str = "6M@0:node0,4M@4G:node1";

fn setup(name: &'static str, starts: [Start; 2], seed: u64) -> Setup {
    let policy = Policy {
        seed,
        poison: [Some(Policy::POISON), None][(seed >> 1) as usize % 2],
        scatter: [Scatter::Runs(16), Scatter::Runs(1), Scatter::Dense][seed as usize % 3],
        ..Policy::default()
    };
    // Caches that forget little, so that an invalidation left out is seen; and, for one seed, the usual ones.
    let unit = if seed == 1 {
        VtdConfig::default()
    } else {
        VtdConfig { iotlb_sets: 512, iotlb_ways: 8, ..VtdConfig::default() }
    };
    Setup { name, ram: RAM, starts, policy, unit: unit.into() }
}

#[test]
fn random_calls_agree_with_the_reference_without_an_iommu_domain() {
    check(|seed| {
        let setup = setup("off", [Start::Off, Start::Off], seed);
        Setup { policy: Policy { strictness: Strictness::Windows, ..setup.policy }, ..setup }
    });
}

#[test]
fn random_calls_agree_with_the_reference_in_isolation() {
    check(|seed| setup("isolation", [Start::Isolation, Start::Isolation], seed));
}

#[test]
fn random_calls_agree_with_the_reference_over_late_switches_to_isolation() {
    check(|seed| setup("late isolation", [Start::Late, Start::Late], seed));
}

#[test]
fn random_calls_agree_with_the_reference_in_remapping_beside_isolation() {
    check(|seed| setup("remapping", [Start::Remapping((1 << 40) - 1), Start::Late], seed));
}

/// Devices that see 1 MiB and 256 KiB: logical addresses run out, and come in pieces.
#[test]
fn random_calls_agree_with_the_reference_when_logical_addresses_run_out() {
    check(|seed| {
        let starts = [Start::Remapping((1 << 20) - 1), Start::Remapping((1 << 18) - 1)];
        let setup = setup("remapping, narrow", starts, seed);
        let policy = Policy { logical_base: LogicalBase::Windows, guard_pages: 0, ..setup.policy };
        Setup { policy, ..setup }
    });
}

#[test]
fn random_calls_agree_with_the_reference_on_an_amd_vi_unit() {
    check(|seed| {
        let setup = setup("remapping, AMD-Vi", [Start::Remapping((1 << 40) - 1), Start::Late], seed);
        let config = AmdviConfig { iotlb_sets: 512, iotlb_ways: 8, ..AmdviConfig::default() };
        // The device table takes 2 MiB of it.
        Setup { ram: "6M@0:node0,6M@4G:node1", unit: config.into(), ..setup }
    });
}
