use super::*;
use crate::fiber::{FibersOutcome, run_fibers};
use crate::processor;

const SUCCESS: u32 = 0;
const TIMEOUT: u32 = 0x102;

fn event(bench: &Bench, offset: u64, kind: u64, state: u64) -> u64 {
    let at = bench.scratch + offset;
    bench.call("KeInitializeEvent", &[at, kind, state]);
    at
}

/// Waits with a time-out in 100 ns, relative.
fn wait(bench: &Bench, object: u64, timeout: i64) -> u32 {
    let at = bench.place(0x800, &(-timeout).to_le_bytes());
    bench.status("KeWaitForSingleObject", &[object, 0, 0, 0, at])
}

fn thread(bench: &Bench, routine: u64, context: u64) -> u64 {
    let at = bench.scratch + 0x700;
    assert_eq!(bench.status("PsCreateSystemThread", &[at, 0x1F_FFFF, 0, 0, 0, routine, context]), SUCCESS);
    get(at)
}

#[test]
fn a_notification_event_stays_set_and_a_synchronization_event_does_not() {
    let bench = Bench::new();
    let (notification, synchronization) = (event(&bench, 0, 0, 0), event(&bench, 0x20, 1, 0));
    for at in [notification, synchronization] {
        assert_eq!(wait(&bench, at, 0), TIMEOUT);
        assert_eq!(bench.status("KeSetEvent", &[at, 0, 0]), 0);
        assert_eq!(bench.status("KeSetEvent", &[at, 0, 0]), 1, "the state before");
        assert_eq!(wait(&bench, at, 0), SUCCESS);
    }
    assert_eq!(wait(&bench, notification, 0), SUCCESS);
    assert_eq!(wait(&bench, synchronization, 0), TIMEOUT);
    assert_eq!(bench.status("KeReadStateEvent", &[notification]), 1);
    assert_eq!(bench.status("KeResetEvent", &[notification]), 1);
    bench.call("KeClearEvent", &[notification]);
    assert_eq!(wait(&bench, notification, 0), TIMEOUT);
}

#[test]
fn a_wait_with_a_time_out_lets_exactly_that_time_pass() {
    let bench = Bench::new();
    let at = event(&bench, 0, 0, 0);
    let before = bench.kernel().now();
    assert_eq!(wait(&bench, at, 50_000), TIMEOUT);
    let passed = bench.kernel().now() - before;
    assert!((50_000..51_000).contains(&passed), "{passed}");
    let interval = bench.place(0x800, &(-30_000i64).to_le_bytes());
    let before = bench.kernel().now();
    assert_eq!(bench.status("KeDelayExecutionThread", &[0, 0, interval]), SUCCESS);
    let passed = bench.kernel().now() - before;
    assert!((30_000..31_000).contains(&passed), "{passed}");
    let told = *lock(&bench.time.passed);
    bench.call("KeStallExecutionProcessor", &[50]);
    assert_eq!(*lock(&bench.time.passed) - told, 500);
}

#[test]
fn a_wait_gives_a_device_in_real_time_what_is_left_of_it_and_counts_what_it_took() {
    let bench = Bench::new();
    let at = event(&bench, 0, 0, 0);
    *lock(&bench.time.outside) = (vec![20_000, 10_000], vec![]);
    let before = bench.kernel().now();
    assert_eq!(wait(&bench, at, 50_000), TIMEOUT);
    let passed = bench.kernel().now() - before;
    assert!((50_000..51_000).contains(&passed), "{passed}");
    let given = lock(&bench.time.outside).1.clone();
    let near = |given: &Option<u64>, expected: u64| {
        given.is_some_and(|given| (expected - 1_000..=expected).contains(&given))
    };
    assert_eq!(given.len(), 3, "{given:?}");
    assert!(given.iter().zip([50_000, 40_000, 20_000]).all(|(given, left)| near(given, left)), "{given:?}");
    bench.call("KeStallExecutionProcessor", &[50]);
    assert_eq!(lock(&bench.time.outside).1.last(), Some(&Some(500)));
}

#[test]
fn a_wait_for_ever_for_nothing_is_a_stop_not_a_hang() {
    let bench = Bench::new();
    let at = event(&bench, 0, 0, 0);
    let outcome = call_driver(bench.address("KeWaitForSingleObject"), &[at, 0, 0, 0, 0]);
    assert!(matches!(outcome, CallOutcome::Stopped(StopReason::WaitsForEver { .. })), "{outcome}");
}

#[test]
fn a_thread_runs_while_its_creator_waits_and_its_object_is_signaled_at_its_end() {
    let bench = Bench::new();
    let at = event(&bench, 0, 0, 0);
    // The thread's routine is KeSetEvent(event, ...): it returns, and the thread ends.
    let handle = thread(&bench, bench.address("KeSetEvent"), at);
    assert_eq!(get::<i32>(at + 4), 0, "it has not run yet");
    let object_at = bench.scratch + 0x708;
    let kind: u64 = get(bench.address("PsThreadType"));
    let arguments = |kind| [handle, 0x1F_FFFF, kind, 0, object_at, 0];
    let file_type: u64 = get(bench.address("IoFileObjectType"));
    assert_eq!(bench.status("ObReferenceObjectByHandle", &arguments(file_type)), 0xC000_0024);
    assert_eq!(bench.status("ObReferenceObjectByHandle", &arguments(kind)), SUCCESS);
    let object: u64 = get(object_at);
    assert_eq!(bench.status("KeWaitForSingleObject", &[object, 0, 0, 0, 0]), SUCCESS);
    assert_eq!(get::<i32>(at + 4), 1, "it ran");
    assert_eq!(bench.call("ObfDereferenceObject", &[object]), 1);
    assert_eq!(bench.status("ZwClose", &[handle]), SUCCESS);
    assert_eq!(bench.status("ZwClose", &[handle]), 0xC000_0008);
    assert_eq!(bench.stops("ObfDereferenceObject", &[object]).0, BugCheck(0x18));
}

#[test]
fn a_terminating_thread_ends_and_the_others_go_on() {
    let bench = Bench::new();
    let at = event(&bench, 0, 0, 0);
    thread(&bench, bench.address("PsTerminateSystemThread"), 0);
    thread(&bench, bench.address("KeSetEvent"), at);
    assert!(matches!(run_fibers(100), FibersOutcome::Quiet));
    assert_eq!(get::<i32>(at + 4), 1);
}

#[test]
fn levels_go_up_and_down_and_not_the_wrong_way() {
    let bench = Bench::new();
    assert_eq!(bench.call("KfRaiseIrql", &[2]) & 0xff, 0);
    assert_eq!(bench.call("KeGetCurrentIrql", &[]) & 0xff, 2);
    assert_eq!(bench.call("KfRaiseIrql", &[8]) & 0xff, 2);
    bench.call("KeLowerIrql", &[0]);
    assert_eq!(processor::irql(), 0);
    let lock_at = bench.scratch;
    bench.call("KeInitializeSpinLock", &[lock_at]);
    assert_eq!(bench.call("KeAcquireSpinLockRaiseToDpc", &[lock_at]) & 0xff, 0);
    assert_eq!((processor::irql(), get::<u64>(lock_at)), (2, 1));
    bench.call("KeReleaseSpinLock", &[lock_at, 0]);
    assert_eq!((processor::irql(), get::<u64>(lock_at)), (0, 0));
    assert_eq!(bench.stops("KeLowerIrql", &[2]).0, BugCheck::IRQL_UNEXPECTED_VALUE);
}

#[test]
fn a_spin_lock_taken_twice_and_a_wait_at_dispatch_level_stop() {
    let bench = Bench::new();
    bench.call("KeInitializeSpinLock", &[bench.scratch]);
    bench.call("KeAcquireSpinLockAtDpcLevel", &[bench.scratch]);
    let stopped = bench.stops("KeAcquireSpinLockAtDpcLevel", &[bench.scratch]);
    assert_eq!(stopped, (BugCheck::DPC_WATCHDOG_VIOLATION, [0, bench.scratch, 0, 0]));
    drop(bench);
    let bench = Bench::new();
    let at = event(&bench, 0, 0, 0);
    bench.call("KfRaiseIrql", &[2]);
    let stopped = bench.stops("KeWaitForSingleObject", &[at, 0, 0, 0, 0]);
    assert_eq!(stopped.0, BugCheck::ATTEMPTED_SWITCH_FROM_DPC);
}

#[test]
fn a_bug_check_that_the_driver_asks_for_carries_its_numbers() {
    let bench = Bench::new();
    assert!(!bench.kernel().driver_asked_to_stop());
    let stopped = bench.stops("KeBugCheckEx", &[0x113, 1, 2, 3, 4]);
    assert_eq!(stopped, (BugCheck::VIDEO_DXGKRNL_FATAL_ERROR, [1, 2, 3, 4]));
    assert!(bench.kernel().driver_asked_to_stop());
}

#[test]
fn a_bad_pointer_stops_as_a_page_fault_not_as_a_crash_of_the_host() {
    let bench = Bench::new();
    let (code, parameters) = bench.stops("KeSetEvent", &[0x5300_0000_0000, 0, 0]);
    assert_eq!((code, parameters[1]), (BugCheck::PAGE_FAULT_IN_NONPAGED_AREA, 0));
    drop(bench);
    let bench = Bench::new();
    let (code, parameters) = bench.stops("RtlGetVersion", &[8]);
    assert_eq!((code, parameters[0], parameters[3]), (BugCheck::KMODE_EXCEPTION_NOT_HANDLED, 0xC000_0005, 8));
}
