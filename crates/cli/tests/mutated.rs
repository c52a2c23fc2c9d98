//! The sample's file with bytes changed at random: whatever becomes of it, the command says something sensible.

#[path = "support/files.rs"]
mod files;
mod support;

use std::collections::BTreeMap;

use support::run;

/// Copies that are tried, if `DXGK_MUTATIONS` does not say how many (`cargo xtask soak mutated` does).
const COPIES: usize = 200;
/// Of a thousand copies so many are loaded, and so many return from DriverEntry and go on, or the changes are too rough to say
/// anything of what comes after.
const LOADED: usize = 400;
const ENTERED: usize = 200;

/// A generator of numbers that are the same in every run (xorshift64*, Vigna 2016).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % limit
    }
}

/// A copy with a few bytes changed: in the headers, in one place, or everywhere.
fn mutate(whole: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut copy = whole.to_vec();
    let (window, changes) = match numbers.below(4) {
        0 => (0..0x400.min(copy.len()), 1 + numbers.below(3)),
        1 => {
            let start = numbers.below(copy.len());
            (start..(start + 64).min(copy.len()), 8)
        }
        2 => (0..copy.len(), 1),
        _ => (0..copy.len(), 1 + numbers.below(64)),
    };
    for _ in 0..changes {
        let at = window.start + numbers.below(window.len());
        copy[at] = numbers.below(256) as u8;
    }
    copy
}

/// How one copy ended.
struct Ended {
    outcome: String,
    status: i32,
    loaded: bool,
    /// DriverEntry returned, and the driver was called again.
    entered: bool,
}

fn try_copy(copy: usize, path: &str) -> Ended {
    let run = run(&[path, "--timeout", "2"]);
    let outcome = run.text("/outcome").to_owned();
    let expected = match outcome.as_str() {
        "clean" => 0,
        "findings" => 1,
        "load-failed" => 2,
        "bugcheck" | "hang" | "sandbox-violation" => 3,
        other => panic!("copy {copy}: outcome {other:?}: {}", run.told()),
    };
    assert_eq!(run.status, expected, "copy {copy}: {}", run.told());
    let calls = run.report["life"].as_array().map_or(0, Vec::len);
    Ended { loaded: outcome != "load-failed", entered: calls > 1, outcome, status: run.status }
}

fn copies() -> usize {
    let asked = std::env::var("DXGK_MUTATIONS").ok();
    asked.map_or(COPIES, |count| count.parse().expect("DXGK_MUTATIONS is a number"))
}

#[test]
#[expect(clippy::print_stderr, reason = "the table of outcomes is for people to look at")]
fn a_damaged_driver_ends_in_an_outcome_of_the_contract_and_the_command_survives() {
    let Some(path) = files::edu_sys() else { return };
    let whole = std::fs::read(path).expect("the driver's file");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("edu.sys");
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    let mut table: BTreeMap<(i32, String), usize> = BTreeMap::new();
    let (mut loaded, mut entered) = (0, 0);
    let copies = copies();
    for copy in 0..copies {
        std::fs::write(&path, mutate(&whole, &mut numbers)).expect("the file");
        let ended = try_copy(copy, path.to_str().expect("UTF-8"));
        loaded += usize::from(ended.loaded);
        entered += usize::from(ended.entered);
        *table.entry((ended.status, ended.outcome)).or_default() += 1;
    }
    for ((status, outcome), count) in &table {
        eprintln!("{count:5} copies: {outcome}, exit status {status}");
    }
    eprintln!("{loaded:5} of {copies} copies were loaded, {entered} came past DriverEntry");
    assert!(table.len() > 1, "changes change nothing: {table:?}");
    assert!(loaded * 1000 >= LOADED * copies, "{loaded} of {copies} copies were loaded");
    assert!(entered * 1000 >= ENTERED * copies, "{entered} of {copies} copies came past DriverEntry");
}
