//! DPCs, timers, work items, mutexes, semaphores, waits for several objects, levels.

use dxgk_event::{Event, MisuseKind};

use super::*;
use crate::processor;

const TIMEOUT: u32 = 0x102;
pub(super) const DISPATCH: u64 = 2;

/// A DPC whose routine is KeSetEvent: it gets its own address, and leaves a 1 in the padding at offset 4.
fn dpc(bench: &Bench, offset: u64) -> u64 {
    let at = bench.scratch + offset;
    bench.call("KeInitializeDpc", &[at, bench.address("KeSetEvent"), 7]);
    at
}

fn has_run(dpc: u64) -> bool {
    let ran = get::<u32>(dpc + 4) != 0;
    memory::write(dpc + 4, &0u32).unwrap();
    ran
}

fn wait(bench: &Bench, object: u64, timeout: i64) -> u32 {
    let at = bench.place(0x800, &(-timeout).to_le_bytes());
    bench.status("KeWaitForSingleObject", &[object, 0, 0, 0, at])
}

pub(super) fn too_high(bench: &Bench) -> Vec<(&'static str, u64)> {
    let misuse = bench.events().into_iter().filter_map(|event| match event {
        Event::Misuse(misuse) if misuse.kind == MisuseKind::LevelTooHigh => {
            Some((crate::kernel::table::name_of_slot(misuse.va as u16)?, misuse.offset))
        }
        _ => None,
    });
    misuse.collect()
}

#[test]
fn a_dpc_runs_at_once_below_dispatch_level_and_else_when_the_level_falls() {
    let bench = Bench::new();
    let at = dpc(&bench, 0);
    assert_eq!(bench.call("KeInsertQueueDpc", &[at, 1, 2]) & 0xff, 1);
    assert!(has_run(at));
    bench.call("KfRaiseIrql", &[DISPATCH]);
    assert_eq!(bench.call("KeInsertQueueDpc", &[at, 1, 2]) & 0xff, 1);
    assert_eq!(bench.call("KeInsertQueueDpc", &[at, 3, 4]) & 0xff, 0, "it is queued");
    assert_eq!(get::<[u64; 2]>(at + 40), [1, 2], "and keeps its arguments");
    assert!(!has_run(at));
    bench.call("KeLowerIrql", &[0]);
    assert!(has_run(at));
    assert_eq!(processor::irql(), 0);
    bench.call("KfRaiseIrql", &[DISPATCH]);
    bench.call("KeInsertQueueDpc", &[at, 1, 2]);
    assert_eq!(bench.call("KeRemoveQueueDpc", &[at]) & 0xff, 1);
    assert_eq!(bench.call("KeRemoveQueueDpc", &[at]) & 0xff, 0);
    bench.call("KeLowerIrql", &[0]);
    assert!(!has_run(at));
}

#[test]
fn a_dpc_runs_at_dispatch_level_and_calls_above_their_level_are_recorded() {
    let bench = Bench::new();
    let at = bench.scratch;
    bench.call("KeInitializeDpc", &[at, bench.address("KeFlushQueuedDpcs"), 0]);
    bench.call("KeInsertQueueDpc", &[at, 0, 0]);
    assert_eq!(too_high(&bench), [("KeFlushQueuedDpcs", 0)]);
    bench.call("KfRaiseIrql", &[DISPATCH + 1]);
    bench.call("KeReadStateEvent", &[bench.scratch]);
    bench.call("KeGetCurrentIrql", &[]);
    assert_eq!(too_high(&bench), [("KeFlushQueuedDpcs", 0), ("KeReadStateEvent", 2)]);
}

#[test]
fn a_dpc_that_was_never_initialized_or_returns_at_another_level_stops() {
    let bench = Bench::new();
    let stopped = bench.stops("KeInsertQueueDpc", &[bench.scratch, 0, 0]);
    assert_eq!(stopped, (BugCheck::TIMER_OR_DPC_INVALID, [1, bench.scratch, 0, 0]));
    drop(bench);
    let bench = Bench::new();
    // The routine gets the DPC's address, whose lowest byte is the level that it lowers to: 0.
    bench.call("KeInitializeDpc", &[bench.scratch, bench.address("KeLowerIrql"), 0]);
    let stopped = bench.stops("KeInsertQueueDpc", &[bench.scratch, 0, 0]);
    assert_eq!((stopped.0, stopped.1[0]), (BugCheck::IRQL_UNEXPECTED_VALUE, 0));
}

#[test]
fn a_timer_expires_after_its_time_runs_its_dpc_and_ends_waits() {
    let bench = Bench::new();
    let (timer, at) = (bench.scratch, dpc(&bench, 0x80));
    bench.call("KeInitializeTimerEx", &[timer, 1]);
    assert_eq!(bench.call("KeSetTimer", &[timer, (-50_000i64) as u64, at]) & 0xff, 0);
    assert_eq!(wait(&bench, timer, 20_000), TIMEOUT);
    assert!(!has_run(at));
    let before = bench.kernel().now();
    assert_eq!(wait(&bench, timer, 900_000), 0);
    let passed = bench.kernel().now() - before;
    assert!((29_000..31_000).contains(&passed), "{passed}");
    assert!(has_run(at));
    assert_eq!(wait(&bench, timer, 0), TIMEOUT, "a synchronization timer's signal is taken");
    bench.call("KeSetTimer", &[timer, (-50_000i64) as u64, at]);
    assert_eq!(bench.call("KeSetTimer", &[timer, (-60_000i64) as u64, at]) & 0xff, 1);
    assert_eq!(bench.call("KeCancelTimer", &[timer]) & 0xff, 1);
    assert_eq!(bench.call("KeCancelTimer", &[timer]) & 0xff, 0);
    assert_eq!(wait(&bench, timer, 100_000), TIMEOUT);
    assert!(!has_run(at));
}

#[test]
fn an_absolute_time_is_system_time_and_a_stall_brings_a_timer_due() {
    let bench = Bench::new();
    let timer = bench.scratch;
    bench.call("KeInitializeTimer", &[timer]);
    bench.call("KeQuerySystemTimePrecise", &[bench.scratch + 0x100]);
    let now: u64 = get(bench.scratch + 0x100);
    assert!(now >= super::super::SYSTEM_TIME_AT_START);
    bench.call("KeSetTimer", &[timer, now + 500, 0]);
    assert_eq!(bench.call("KeReadStateTimer", &[timer]) & 0xff, 0);
    bench.call("KeStallExecutionProcessor", &[50]);
    assert_eq!(bench.call("KeReadStateTimer", &[timer]) & 0xff, 1);
}

/// A reference without any cleverness: when each timer fires, tick by tick.
#[test]
fn periodic_timers_fire_as_often_as_a_simple_reference_says() {
    for seed in 1..=20u64 {
        let bench = Bench::new();
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut next = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        let begin = bench.kernel().now();
        let mut timers = Vec::new();
        for index in 0..4u64 {
            let timer = bench.scratch + 0x1000 + index * 0x40;
            let semaphore = bench.scratch + 0x2000 + index * 0x40;
            // Signaled by nobody: what counts is how often the synchronization timer can be taken.
            let (due, period) = ((next(40) + 1) * 10_000 + 5_000, next(30) + 1);
            bench.call("KeInitializeTimerEx", &[timer, 1]);
            bench.call("KeSetTimerEx", &[timer, (due as i64).wrapping_neg() as u64, period, 0]);
            let set_at = bench.kernel().now();
            timers.push((timer, semaphore, set_at - begin + due, period * 10_000, 0u64));
        }
        let interval = bench.place(0x800, &(-10_000i64).to_le_bytes());
        for _ in 0..60 {
            bench.call("KeDelayExecutionThread", &[0, 0, interval]);
            for (timer, _, _, _, taken) in &mut timers {
                *taken += u64::from(wait(&bench, *timer, 0) == 0);
            }
        }
        let end = bench.kernel().now() - begin;
        for (_, _, due, period, taken) in timers {
            let expected = (0..=end).step_by(10).filter(|at| *at >= due && (at - due) % period < 10).count();
            let difference = taken.abs_diff(expected as u64);
            assert!(difference <= 1, "seed {seed}: due {due} period {period}: {taken}, not {expected}");
        }
    }
}

#[test]
fn pool_that_holds_an_armed_timer_or_a_queued_dpc_must_not_be_freed() {
    let bench = Bench::new();
    let va = bench.call("ExAllocatePool2", &[0x40, 256, 0x3174_7354]);
    bench.call("KeInitializeTimer", &[va + 64]);
    bench.call("KeSetTimer", &[va + 64, (-1_000_000i64) as u64, 0]);
    let stopped = bench.stops("ExFreePool", &[va]);
    assert_eq!(stopped, (BugCheck::TIMER_OR_DPC_INVALID, [0, va + 64, va, 256]));
}

#[test]
fn a_work_item_runs_on_a_system_thread_when_the_driver_waits() {
    let bench = Bench::new();
    // The device that the routine gets is an event, and the routine is KeSetEvent.
    let event = bench.scratch;
    bench.call("KeInitializeEvent", &[event, 0, 0]);
    let item = bench.call("IoAllocateWorkItem", &[event]);
    bench.call("IoQueueWorkItem", &[item, bench.address("KeSetEvent"), 1, 0]);
    assert_eq!(get::<i32>(event + 4), 0, "not before the driver waits");
    assert_eq!(bench.status("KeWaitForSingleObject", &[event, 0, 0, 0, 0]), 0);
    bench.call("IoFreeWorkItem", &[item]);
    assert_eq!(bench.stops("IoFreeWorkItem", &[item]).0, BugCheck::BAD_POOL_CALLER);
    drop(bench);
    let bench = Bench::new();
    let item = bench.call("IoAllocateWorkItem", &[bench.scratch]);
    bench.call("IoQueueWorkItem", &[item, bench.address("KeSetEvent"), 1, 0]);
    let stopped = bench.stops("IoQueueWorkItem", &[item, bench.address("KeSetEvent"), 1, 0]);
    assert_eq!(stopped, (BugCheck(0xE4), [1, item, 0, 0]));
}

#[test]
fn mutexes_are_recursive_and_semaphores_count_up_to_their_limit() {
    let bench = Bench::new();
    let mutex = bench.scratch;
    bench.call("KeInitializeMutex", &[mutex, 0]);
    assert_eq!((wait(&bench, mutex, 0), wait(&bench, mutex, 0)), (0, 0));
    assert_eq!(bench.status("KeReadStateMutex", &[mutex]) as i32, -1);
    assert_eq!(bench.status("KeReleaseMutex", &[mutex, 0]) as i32, -1);
    assert_eq!(bench.status("KeReleaseMutex", &[mutex, 0]), 0);
    let (code, parameters) = bench.stops("KeReleaseMutex", &[mutex, 0]);
    assert_eq!((code, parameters[0]), (BugCheck::KMODE_EXCEPTION_NOT_HANDLED, 0xC000_0046));
    drop(bench);
    let bench = Bench::new();
    let semaphore = bench.scratch;
    bench.call("KeInitializeSemaphore", &[semaphore, 1, 3]);
    assert_eq!(bench.status("KeReleaseSemaphore", &[semaphore, 0, 2, 0]), 1);
    for expected in [0, 0, 0, TIMEOUT] {
        assert_eq!(wait(&bench, semaphore, 0), expected);
    }
    let (code, parameters) = bench.stops("KeReleaseSemaphore", &[semaphore, 0, 4, 0]);
    assert_eq!((code, parameters[0]), (BugCheck::KMODE_EXCEPTION_NOT_HANDLED, 0xC000_0047));
}

#[test]
fn a_wait_for_any_says_which_and_a_wait_for_all_takes_all_or_nothing() {
    let bench = Bench::new();
    let events = [bench.scratch, bench.scratch + 0x20, bench.scratch + 0x40];
    for event in events {
        bench.call("KeInitializeEvent", &[event, 1, 0]);
    }
    let bytes: Vec<u8> = events.iter().flat_map(|event| event.to_le_bytes()).collect();
    let list = bench.place(0x100, &bytes);
    let zero = bench.place(0x200, &0i64.to_le_bytes());
    let waits = |kind: u64| bench.status("KeWaitForMultipleObjects", &[3, list, kind, 0, 0, 0, zero, 0]);
    assert_eq!(waits(1), TIMEOUT);
    bench.call("KeSetEvent", &[events[2], 0, 0]);
    assert_eq!(waits(0), TIMEOUT, "not all");
    assert_eq!(waits(1), 2);
    assert_eq!(waits(1), TIMEOUT, "it was taken");
    for event in events {
        bench.call("KeSetEvent", &[event, 0, 0]);
    }
    assert_eq!(waits(0), 0);
    assert!(events.iter().all(|event| get::<i32>(event + 4) == 0));
    let stopped = bench.stops("KeWaitForMultipleObjects", &[4, list, 1, 0, 0, 0, zero, 0]);
    assert_eq!(stopped.0, BugCheck(0xC));
}

#[test]
fn queued_spin_locks_and_fast_mutexes_set_the_level_and_give_it_back() {
    let bench = Bench::new();
    let (lock_at, handle) = (bench.scratch, bench.scratch + 0x40);
    bench.call("KeAcquireInStackQueuedSpinLock", &[lock_at, handle]);
    assert_eq!((processor::irql(), get::<u64>(lock_at)), (2, 1));
    bench.call("KeReleaseInStackQueuedSpinLock", &[handle]);
    assert_eq!((processor::irql(), get::<u64>(lock_at)), (0, 0));
    let mutex = bench.scratch + 0x80;
    bench.call("KeInitializeGuardedMutex", &[mutex]);
    bench.call("ExAcquireFastMutex", &[mutex]);
    assert_eq!((processor::irql(), get::<i32>(mutex)), (1, 0));
    assert_eq!(bench.call("ExTryToAcquireFastMutex", &[mutex]) & 0xff, 0);
    bench.call("ExReleaseFastMutex", &[mutex]);
    assert_eq!((processor::irql(), get::<i32>(mutex)), (0, 1));
}
