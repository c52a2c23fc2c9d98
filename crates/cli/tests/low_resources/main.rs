//! The n-th internal allocation fails, n walked from 1 until the call passes untouched: for every memory callback, in
//! every mode it may be used in, over the genuine page tables and the model's unit.
//!
//! Each time the driver is told the status that the shortage has, nothing has changed (pages, tables, handles,
//! mappings, views, what the event stream says lives), and the same call made again works.

mod acts;
#[path = "../property/rig.rs"]
mod rig;
mod walk;

use std::collections::BTreeMap;

use dxgk_sysmm::Allocation;

use walk::{Mode, Walk};

/// Points that a walk passed, by what failed there.
type Points = BTreeMap<Allocation, u64>;

#[test]
#[expect(clippy::print_stderr, reason = "the test says at how many points it struck")]
fn a_failed_allocation_leaves_nothing_behind_and_the_next_call_works() {
    let mut sum = Points::new();
    for act in acts::ALL {
        let mut of_act = Points::new();
        for mode in Mode::ALL.into_iter().filter(|mode| !act.isolation_set || *mode != Mode::Remapping) {
            for nth in 1.. {
                assert!(nth < 10_000, "{} in {mode:?} does not end", act.name);
                let mut walk = Walk::new(act.name, mode, nth);
                (act.run)(&mut walk);
                match walk.finish() {
                    Some(kind) => *of_act.entry(kind).or_default() += 1,
                    None => break,
                }
            }
        }
        let points: u64 = of_act.values().sum();
        eprintln!("{}: {points} points {of_act:?}", act.name);
        assert!(points >= act.least, "{}: {points} points, where at least {} are known", act.name, act.least);
        of_act.into_iter().for_each(|(kind, points)| *sum.entry(kind).or_default() += points);
    }
    eprintln!("injected failures: {} {sum:?}", sum.values().sum::<u64>());
}
