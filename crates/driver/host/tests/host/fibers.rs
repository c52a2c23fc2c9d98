//! Driver threads: taking turns, waiting for each other, waiting for ever, ending.

use std::arch::naked_asm;
use std::cell::RefCell;

use dxgk_host::fiber::{self, FibersOutcome};
use dxgk_host::layout::RunGuard;
use dxgk_host::{CallOutcome, Processor, StopReason, call_driver, processor, thunk};

thread_local! {
    static LOG: RefCell<Vec<(u32, u64)>> = const { RefCell::new(Vec::new()) };
    /// Events: set or not.
    static EVENTS: RefCell<[bool; 4]> = const { RefCell::new([false; 4]) };
    static TIME_PASSES: RefCell<u32> = const { RefCell::new(0) };
}

fn note(value: u64) {
    LOG.with_borrow_mut(|log| log.push((fiber::current().0, value)));
}

fn wait_for(event: u64) -> u64 {
    fiber::wait(|| {
        EVENTS.with_borrow_mut(|events| std::mem::take(&mut events[event as usize]).then_some(()))
    });
    note(event);
    0
}

fn set(event: u64) -> u64 {
    EVENTS.with_borrow_mut(|events| events[event as usize] = true);
    0
}

fn end(_: u64) -> u64 {
    fiber::exit()
}

fn start_thread(entry: u64) -> u64 {
    u64::from(fiber::spawn(entry, 0x77, 0x1000).expect("a thread").0)
}

fn give_way(_: u64) -> u64 {
    fiber::yield_now();
    0
}

thunk! {
    /// Waits for an event and resets it.
    fn wait_event(event: u64) -> u64 => wait_for;
    /// Sets an event.
    fn set_event(event: u64) -> u64 => set;
    /// Ends the thread.
    fn end_thread(unused: u64) -> u64 => end;
    /// Starts a thread.
    fn create_thread(entry: u64) -> u64 => start_thread;
    /// Yields.
    fn yield_thread(unused: u64) -> u64 => give_way;
}

/// Starts `ping`, then three times: sets event 0 and waits for event 1. Keeps a mark in registers that must survive.
#[unsafe(naked)]
extern "win64" fn main_thread() {
    naked_asm!(
        "push rbx",
        "push rsi",
        "sub rsp, 40",
        "movdqu [rsp + 16], xmm6",
        "mov esi, 0x4242",
        "movq xmm6, rsi",
        "lea rcx, [rip + {ping}]",
        "call {create}",
        "mov ebx, 3",
        "2: xor ecx, ecx",
        "call {set}",
        "mov ecx, 1",
        "call {wait}",
        "dec ebx",
        "jnz 2b",
        "movq rax, xmm6",
        "sub rax, rsi",
        "movdqu xmm6, [rsp + 16]",
        "add rsp, 40",
        "pop rsi",
        "pop rbx",
        "ret",
        ping = sym ping,
        create = sym create_thread,
        set = sym set_event,
        wait = sym wait_event,
    )
}

/// Its context is 0x77; waits for event 0 and sets event 1, for ever.
#[unsafe(naked)]
extern "win64" fn ping() {
    naked_asm!(
        "sub rsp, 40",
        "xor esi, esi",
        "pxor xmm6, xmm6",
        "cmp ecx, 0x77",
        "jne 3f",
        "2: xor ecx, ecx",
        "call {wait}",
        "mov ecx, 1",
        "call {set}",
        "jmp 2b",
        "3: ud2",
        set = sym set_event,
        wait = sym wait_event,
    )
}

fn run<R>(body: impl FnOnce() -> R) -> R {
    let guard = RunGuard::acquire();
    let processor = Processor::attach(&guard).expect("a processor");
    let result = body();
    drop(processor);
    result
}

#[test]
fn two_threads_wait_for_each_other_in_turns() {
    let result = run(|| call_driver(main_thread as *const () as u64, &[]).returned());
    assert_eq!(result.expect("returned"), 0, "registers were lost across a switch");
    assert_eq!(LOG.take(), vec![(1, 0), (0, 1), (1, 0), (0, 1), (1, 0), (0, 1)]);
}

#[unsafe(naked)]
extern "win64" fn waits_for_nothing() {
    naked_asm!("sub rsp, 40", "mov ecx, 2", "call {wait}", "mov eax, 9", "add rsp, 40", "ret", wait = sym wait_event)
}

#[test]
fn a_wait_that_nothing_ends_is_found_out() {
    let outcome = run(|| {
        fiber::spawn(ping as *const () as u64, 0x77, 0).expect("a thread");
        call_driver(waits_for_nothing as *const () as u64, &[])
    });
    let CallOutcome::Stopped(StopReason::WaitsForEver { stack }) = outcome else { panic!("{outcome}") };
    let place = stack.frames().next().expect("a frame").address;
    let function = waits_for_nothing as *const () as u64;
    assert!(place > function && place < function + 24, "the stack is not the waiting call's");
}

#[test]
fn time_passes_when_everybody_waits() {
    fn idle() -> bool {
        TIME_PASSES.with_borrow_mut(|count| *count += 1);
        if TIME_PASSES.with_borrow(|count| *count == 3) {
            set(2);
        }
        true
    }
    TIME_PASSES.set(0);
    let outcome = run(|| {
        fiber::set_idle_hook(idle);
        call_driver(waits_for_nothing as *const () as u64, &[]).returned()
    });
    assert_eq!(outcome.expect("returned"), 9);
    assert_eq!(TIME_PASSES.take(), 3);
}

#[unsafe(naked)]
extern "win64" fn yields_twice() {
    naked_asm!("sub rsp, 40", "call {y}", "call {y}", "add rsp, 40", "ret", y = sym yield_thread)
}

#[unsafe(naked)]
extern "win64" fn ends_itself() {
    naked_asm!("sub rsp, 40", "call {y}", "call {end}", "ud2", y = sym yield_thread, end = sym end_thread)
}

#[test]
fn threads_run_without_a_call_until_all_wait_or_end() {
    run(|| {
        assert!(matches!(fiber::run_fibers(100), FibersOutcome::Quiet));
        let first = fiber::spawn(yields_twice as *const () as u64, 0, 0x10).expect("a thread");
        let second = fiber::spawn(ends_itself as *const () as u64, 0, 0x20).expect("a thread");
        let third = fiber::spawn(ping as *const () as u64, 0x77, 0x30).expect("a thread");
        processor::set_current_thread(5);
        let outcome = fiber::run_fibers(100);
        assert!(matches!(outcome, FibersOutcome::Quiet), "{outcome:?}");
        assert_eq!(processor::current_thread(), 5);
        assert_eq!([first, second, third].map(fiber::is_live), [false, false, true]);
        // The waiting one goes on when its event comes.
        set(0);
        assert!(matches!(fiber::run_fibers(100), FibersOutcome::Quiet));
        assert_eq!(LOG.take(), vec![(third.0, 0)]);
    });
}

#[test]
fn a_thread_that_only_yields_uses_up_the_budget() {
    #[unsafe(naked)]
    extern "win64" fn yields_for_ever() {
        naked_asm!("sub rsp, 40", "2: call {y}", "jmp 2b", y = sym yield_thread)
    }
    run(|| {
        fiber::spawn(yields_for_ever as *const () as u64, 0, 0).expect("a thread");
        assert!(matches!(fiber::run_fibers(1000), FibersOutcome::Budget));
    });
}

#[test]
fn stacks_are_used_again_and_run_out() {
    run(|| {
        for _ in 0..3 * fiber::MOST_FIBERS {
            fiber::spawn(yields_twice as *const () as u64, 0, 0).expect("a thread");
            assert!(matches!(fiber::run_fibers(100), FibersOutcome::Quiet));
        }
        let started = (0..2 * fiber::MOST_FIBERS)
            .take_while(|_| fiber::spawn(ping as *const () as u64, 0x77, 0).is_ok());
        assert_eq!(started.count(), fiber::MOST_FIBERS - 1);
    });
}
