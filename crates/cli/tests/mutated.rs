//! The sample's file with bytes changed at random: whatever becomes of it, the command says something sensible.

#[path = "support/files.rs"]
mod files;
mod support;

use std::collections::BTreeMap;

use support::run;

/// Copies that are tried.
const COPIES: usize = 200;
/// Hangs cost time that the others do not: after these the rest of the copies is left out.
const MOST_HANGS: usize = 6;

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

#[test]
#[expect(clippy::print_stderr, reason = "the table of outcomes is for people to look at")]
fn a_damaged_driver_ends_in_an_outcome_of_the_contract_and_the_command_survives() {
    let Some(path) = files::edu_sys() else { return };
    let whole = std::fs::read(path).expect("the driver's file");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("edu.sys");
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    let mut table: BTreeMap<(i32, String), usize> = BTreeMap::new();
    let mut hangs = 0;
    for copy in 0..COPIES {
        std::fs::write(&path, mutate(&whole, &mut numbers)).expect("the file");
        let run = run(&[path.to_str().expect("UTF-8"), "--timeout", "2"]);
        let outcome = run.text("/outcome").to_owned();
        let expected = match outcome.as_str() {
            "clean" => 0,
            "findings" => 1,
            "load-failed" => 2,
            "bugcheck" | "hang" | "sandbox-violation" => 3,
            other => panic!("copy {copy}: outcome {other:?}: {}", run.told()),
        };
        assert_eq!(run.status, expected, "copy {copy}: {}", run.told());
        hangs += usize::from(outcome == "hang");
        *table.entry((run.status, outcome)).or_default() += 1;
        if hangs == MOST_HANGS {
            eprintln!("{hangs} copies hang; the others after copy {copy} were left out");
            break;
        }
    }
    for ((status, outcome), count) in &table {
        eprintln!("{count:4} copies: {outcome}, exit status {status}");
    }
    assert!(table.len() > 1, "changes change nothing: {table:?}");
}
