//! Machine code called as a driver's: arguments, callbacks, exceptions, and the ways out.

use std::arch::naked_asm;
use std::sync::Mutex;

use dxgk_abi::{BugCheck, NtStatus};
use dxgk_host::layout::RunGuard;
use dxgk_host::stop::{Access, ExceptionReport};
use dxgk_host::thunk::VaList;
use dxgk_host::{CallOutcome, Processor, StopReason, bug_check, call, call_driver, processor, thunk};

fn address(function: *const ()) -> u64 {
    function as u64
}

fn run<R>(body: impl FnOnce() -> R) -> R {
    let guard = RunGuard::acquire();
    let processor = Processor::attach(&guard).expect("a processor");
    let result = body();
    drop(processor);
    result
}

#[track_caller]
fn exception(outcome: CallOutcome) -> ExceptionReport {
    match outcome {
        CallOutcome::Stopped(StopReason::Exception(report)) => *report,
        other => panic!("no exception but {other}"),
    }
}

#[unsafe(naked)]
extern "win64" fn digits_of_nine_arguments() {
    naked_asm!(
        "imul rax, rcx, 10",
        "add rax, rdx",
        "imul rax, rax, 10",
        "add rax, r8",
        "imul rax, rax, 10",
        "add rax, r9",
        "imul rax, rax, 10",
        "add rax, [rsp + 0x28]",
        "imul rax, rax, 10",
        "add rax, [rsp + 0x30]",
        "imul rax, rax, 10",
        "add rax, [rsp + 0x38]",
        "imul rax, rax, 10",
        "add rax, [rsp + 0x40]",
        "imul rax, rax, 10",
        "add rax, [rsp + 0x48]",
        "ret",
    )
}

#[test]
fn arguments_arrive_in_registers_and_on_the_stack() {
    let entry = address(digits_of_nine_arguments as *const ());
    let result = run(|| call_driver(entry, &[1, 2, 3, 4, 5, 6, 7, 8, 9]).returned());
    assert_eq!(result.expect("returned"), 123_456_789);
}

/// Calls `rcx(rdx)` with a mark in rbx and returns what it returned plus one; preserves rbx, as drivers do.
#[unsafe(naked)]
extern "win64" fn calls_back() {
    naked_asm!(
        "push rbx",
        "sub rsp, 32",
        "mov ebx, 0x1234",
        "mov rax, rcx",
        "mov rcx, rdx",
        "call rax",
        "inc rax",
        "add rsp, 32",
        "pop rbx",
        "ret",
    )
}

static SEEN: Mutex<Vec<u64>> = Mutex::new(Vec::new());

fn note_caller(value: u64) -> u64 {
    let capture = processor::captured();
    *SEEN.lock().unwrap() = vec![capture.return_address, capture.rbx, value];
    value * 2
}

fn nest(value: u64) -> u64 {
    let before = processor::captured();
    let inner = call_driver(address(calls_back as *const ()), &[address(double as *const ()), value]);
    assert_eq!(before, processor::captured(), "the nested call's capture hides the outer one");
    inner.returned().expect("returned") + 100
}

fn stop_here(parameter: u64) -> u64 {
    bug_check(BugCheck::VIDEO_DXGKRNL_FATAL_ERROR, [parameter, 2, 3, 4])
}

fn nest_then_stop(value: u64) -> u64 {
    let outcome = call_driver(address(calls_back as *const ()), &[address(stopper as *const ()), value]);
    panic!("came back: {outcome}")
}

fn panics(value: u64) -> u64 {
    value.checked_sub(1).expect("something")
}

fn print(level: u32, format: u64, mut list: VaList) -> u64 {
    let slots: Vec<u64> = (0..5).filter_map(|_| list.next_slot()).collect();
    assert_eq!((level, format), (7, 8));
    slots.iter().fold(0, |sum, slot| sum * 10 + slot)
}

thunk! {
    /// Notes its caller.
    fn double(value: u64) -> u64 => note_caller;
    /// Calls the driver again.
    fn nested(value: u64) -> u64 => nest;
    /// Stops the run.
    fn stopper(parameter: u64) -> u64 => stop_here;
    /// Calls the driver, which stops the run.
    fn nested_stopper(value: u64) -> u64 => nest_then_stop;
    /// Has a defect.
    fn panicker(value: u64) -> u64 => panics;
    /// Variadic.
    fn printer(level: u32, format: u64, ...) -> u64 => print;
}

#[test]
fn a_callback_knows_who_called_it() {
    let caller = address(calls_back as *const ());
    let result = run(|| call_driver(caller, &[address(double as *const ()), 21]).returned());
    assert_eq!(result.expect("returned"), 43);
    let seen = SEEN.lock().unwrap();
    let [rip, rbx, value] = seen[..] else { panic!("{seen:?}") };
    assert!(rip > caller && rip < caller + 32, "{rip:#x} is not in {caller:#x}");
    assert_eq!((rbx, value), (0x1234, 21));
}

#[test]
fn a_callback_can_call_the_driver_again() {
    let entry = address(calls_back as *const ());
    let (result, depth) = run(|| {
        let result = call_driver(entry, &[address(nested as *const ()), 5]).returned();
        (result, call::deepest_stack())
    });
    assert_eq!(result.expect("returned"), 5 * 2 + 1 + 100 + 1);
    assert!(depth > 64 && depth < 1 << 16, "{depth}");
}

#[test]
fn a_stop_in_a_nested_callback_ends_the_outermost_call_and_every_later_one() {
    let entry = address(calls_back as *const ());
    run(|| {
        for _ in 0..2 {
            let outcome = call_driver(entry, &[address(nested_stopper as *const ()), 77]);
            let CallOutcome::Stopped(StopReason::BugCheck { code, parameters, .. }) = outcome else {
                panic!("{outcome}")
            };
            assert_eq!((code, parameters), (BugCheck::VIDEO_DXGKRNL_FATAL_ERROR, [77, 2, 3, 4]));
        }
    });
    // The next run starts afresh.
    assert!(run(|| call_driver(entry, &[address(double as *const ()), 1]).returned()).is_ok());
}

#[test]
fn a_panic_in_a_callback_stops_the_run() {
    let outcome = run(|| call_driver(address(calls_back as *const ()), &[address(panicker as *const ()), 0]));
    let CallOutcome::Stopped(StopReason::HostPanic { message, .. }) = outcome else { panic!("{outcome}") };
    assert_eq!(message, "something");
}

#[unsafe(naked)]
extern "win64" fn prints() {
    naked_asm!(
        "sub rsp, 0x38",
        "mov rax, rcx",
        "mov ecx, 7",
        "mov edx, 8",
        "mov r8d, 1",
        "mov r9d, 2",
        "mov qword ptr [rsp + 0x20], 3",
        "mov qword ptr [rsp + 0x28], 4",
        "mov qword ptr [rsp + 0x30], 5",
        "call rax",
        "add rsp, 0x38",
        "ret",
    )
}

#[test]
fn variadic_arguments_are_one_list() {
    let result =
        run(|| call_driver(address(prints as *const ()), &[address(printer as *const ())]).returned());
    assert_eq!(result.expect("returned"), 12345);
}

#[unsafe(naked)]
extern "win64" fn writes() {
    naked_asm!("mov r12d, 0x77", "mov [rcx + 8], rdx", "ret")
}

#[test]
fn a_bad_write_is_reported_with_address_and_registers() {
    let entry = address(writes as *const ());
    let report = exception(run(|| call_driver(entry, &[0x1000, 0xAB])));
    assert_eq!(
        (report.code, report.address, report.access),
        (NtStatus::ACCESS_VIOLATION, 0x1008, Access::Write)
    );
    assert_eq!(report.rip, entry + 6);
    assert_eq!(
        (report.registers.gpr[1], report.registers.gpr[2], report.registers.gpr[12]),
        (0x1000, 0xAB, 0x77)
    );
    assert_eq!(&report.bytes[..4], [0x48, 0x89, 0x51, 0x08]);
    let noncanonical = exception(run(|| call_driver(entry, &[0x8000_0000_0000_0000, 0])));
    assert_eq!((noncanonical.code, noncanonical.address), (NtStatus::ACCESS_VIOLATION, u64::MAX));
    let kernel_half = exception(run(|| call_driver(entry, &[0xFFFF_F780_0000_0000, 0])));
    assert_eq!((kernel_half.code, kernel_half.address), (NtStatus::ACCESS_VIOLATION, 0xFFFF_F780_0000_0008));
}

#[test]
fn a_fault_in_lent_memory_routines_is_the_callers() {
    let entry = address(copies as *const ());
    let mut buffer = [0u8; 64];
    let to = buffer.as_mut_ptr() as u64;
    let routine = address(dxgk_host::leaf::memmove as *const ());
    let report = exception(run(|| call_driver(entry, &[routine, to, 0x2000, 16])));
    assert_eq!(
        (report.code, report.address, report.access),
        (NtStatus::ACCESS_VIOLATION, 0x2000, Access::Read)
    );
    assert!(report.rip > entry && report.rip < entry + 40, "{:#x} {entry:#x}", report.rip);
    assert_eq!(report.registers.gpr[7], 0x99, "rdi is not the caller's");
    let from: Vec<u8> = (0..64).collect();
    run(|| call_driver(entry, &[routine, to, from.as_ptr() as u64, 37])).returned().expect("returned");
    assert_eq!(buffer[..37], from[..37]);
    run(|| call_driver(entry, &[routine, to + 3, to, 30])).returned().expect("returned");
    assert_eq!(buffer[3..33], from[..30], "overlapping");
}

/// `rcx(rdx, r8, r9)` with a mark in rdi.
#[unsafe(naked)]
extern "win64" fn copies() {
    naked_asm!(
        "push rdi",
        "sub rsp, 32",
        "mov edi, 0x99",
        "mov rax, rcx",
        "mov rcx, rdx",
        "mov rdx, r8",
        "mov r8, r9",
        "call rax",
        "add rsp, 32",
        "pop rdi",
        "ret",
    )
}

macro_rules! instruction {
    ($name:ident, $($code:literal),+) => {
        #[unsafe(naked)]
        extern "win64" fn $name() {
            naked_asm!($($code),+, "ret")
        }
    };
}
instruction!(fast_fail, "mov ecx, 5", "int 0x29");
instruction!(assertion, "int 0x2c");
instruction!(breakpoint, "int3");
instruction!(undefined, "ud2");
instruction!(division, "xor ecx, ecx", "mov eax, 1", "cdq", "div ecx");
instruction!(halt, "hlt");
instruction!(machine_register, "rdmsr");
instruction!(recursion, "2: sub rsp, 4096", "mov [rsp], rax", "jmp 2b");

#[test]
fn instructions_that_windows_knows_have_its_status() {
    let cases: [(*const (), NtStatus, u64); 7] = [
        (fast_fail as *const (), NtStatus::STACK_BUFFER_OVERRUN, 5),
        (assertion as *const (), NtStatus::ASSERTION_FAILURE, 0),
        (breakpoint as *const (), NtStatus::BREAKPOINT, 0),
        (undefined as *const (), NtStatus::ILLEGAL_INSTRUCTION, 0),
        (division as *const (), NtStatus::INTEGER_DIVIDE_BY_ZERO, 0),
        (halt as *const (), NtStatus::PRIVILEGED_INSTRUCTION, 0),
        (machine_register as *const (), NtStatus::PRIVILEGED_INSTRUCTION, 0),
    ];
    for (function, code, value) in cases {
        let report = exception(run(|| call_driver(address(function), &[])));
        assert_eq!(report.code, code);
        if value != 0 {
            assert_eq!(report.address, value);
        }
        assert!(report.rip >= address(function) && report.rip < address(function) + 16, "{code}");
    }
}

#[test]
fn a_stack_overflow_is_called_so() {
    let report = exception(run(|| call_driver(address(recursion as *const ()), &[])));
    assert_eq!((report.code, report.note), (NtStatus::ACCESS_VIOLATION, "the driver's stack overflowed"));
}

#[test]
fn a_driver_that_never_comes_back_is_found_by_the_watchdog() {
    instruction!(spin, "2: jmp 2b");
    let entry = address(spin as *const ());
    let outcome = run(|| {
        #[expect(unsafe_code, reason = "the signal must reach this thread")]
        // SAFETY: the calling thread's own handle.
        let thread = unsafe { libc::pthread_self() };
        let done = &std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                // Until it hits: the first may come before the driver runs, and is ignored then.
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    #[expect(unsafe_code, reason = "sends the watchdog's signal")]
                    // SAFETY: the thread lives until the flag is set and this scope ends; the signal has a handler.
                    unsafe {
                        libc::pthread_kill(thread, libc::SIGALRM)
                    };
                    std::thread::yield_now();
                }
            });
            let outcome = call_driver(entry, &[]);
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            outcome
        })
    });
    let CallOutcome::Stopped(StopReason::Watchdog { stack }) = outcome else { panic!("{outcome}") };
    assert_eq!(stack.frames().next().expect("a frame").address, entry);
}

#[test]
fn code_of_this_program_can_be_a_module() {
    let entry = address(writes as *const ());
    let (text, base) = run(|| {
        let module = dxgk_host::modules::Registration::of_program("linked").expect("registered");
        let report = exception(call_driver(entry, &[0x1000, 0xAB]));
        (report.stack.to_string(), module.module().base)
    });
    assert_eq!(text, format!("linked+{:#x}", entry + 6 - base));
}

#[test]
fn a_call_to_nowhere_is_an_execute_fault() {
    let report = exception(run(|| call_driver(address(calls_back as *const ()), &[0, 0])));
    assert_eq!((report.rip, report.access), (0, Access::Execute));
}

#[test]
fn a_driver_sees_its_processor_block() {
    #[unsafe(naked)]
    extern "win64" fn reads_block() {
        naked_asm!(
            "mov rax, gs:[0x18]",
            "cmp rax, gs:[0x30]",
            "jne 2f",
            "mov rax, gs:[0x188]",
            "ret",
            "2: xor eax, eax",
            "ret"
        )
    }
    let result = run(|| {
        processor::set_current_thread(0x5000_1234);
        call_driver(address(reads_block as *const ()), &[]).returned()
    });
    assert_eq!(result.expect("returned"), 0x5000_1234);
}
