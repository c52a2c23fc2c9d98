//! Drivers in assembly, with tables written by hand: these always run.
#![expect(unsafe_code, reason = "assembles the drivers' code")]

use std::arch::global_asm;

use super::{NOWHERE, readable, returned, run, stopped};
use crate::portable::{self, Function, Scope};
use dxgk_abi::{BugCheck, NtStatus};
use dxgk_host::{CallOutcome, StopReason};

// Imports: 0 __C_specific_handler, 1 ExRaiseStatus, 2 Nest, 3 Note, 4 memcpy, 5 RtlUnwindEx, 6 RtlCaptureContext.
// Every function has `sub rsp, 38h` as its prologue, some push rbx before.
global_asm!(
    ".pushsection .text.dxgk_seh_tests, \"ax\"",
    "seh_text:",
    // The language handler that the tables name.
    "jmp [rip + seh_text + 0x1200]",
    ".balign 16",
    // u64 takes(u64 *p): try { return touch(p) } except (1) { return code }, and its tail.
    "seh_takes:",
    "sub rsp, 0x38",
    "seh_takes_try:",
    "mov rax, [rcx]",
    "nop",
    "seh_takes_end:",
    "add rsp, 0x38",
    "ret",
    "seh_takes_except:",
    "mov ecx, eax",
    "lea rax, [rcx + 1]",
    "add rsp, 0x38",
    "ret",
    "seh_takes_after:",
    // u64 outer(f, p): sets preserved registers, try { f(p) } except (filter) { note 9; registers must be back }
    "seh_outer:",
    "push rbx",
    "sub rsp, 0x40",
    "movaps [rsp + 0x20], xmm6",
    "mov ebx, 0x1111",
    "mov eax, 0x2222",
    "movd xmm6, eax",
    "mov rax, rcx",
    "mov rcx, rdx",
    "seh_outer_try:",
    "call rax",
    "nop",
    "seh_outer_end:",
    "jmp 2f",
    "seh_outer_except:",
    "mov ecx, 9",
    "call [rip + seh_text + 0x1218]",
    "movd eax, xmm6",
    "shl rax, 32",
    "add rax, rbx",
    "2: movaps xmm6, [rsp + 0x20]",
    "add rsp, 0x40",
    "pop rbx",
    "ret",
    "seh_outer_after:",
    // The filter: notes 1, takes access violations and what has customer bits.
    "seh_filter:",
    "push rbx",
    "sub rsp, 0x20",
    "mov rbx, [rcx]",
    "mov ecx, 1",
    "call [rip + seh_text + 0x1218]",
    "mov ecx, [rbx]",
    "xor eax, eax",
    "cmp ecx, 0xC0000005",
    "je 3f",
    "test ecx, 0x20000000",
    "jz 4f",
    "3: mov eax, 1",
    "4: add rsp, 0x20",
    "pop rbx",
    "ret",
    "seh_filter_after:",
    // u64 inner(p): changes the registers, try { touch(p) } finally { note 5 + abnormal }
    "seh_inner:",
    "push rbx",
    "sub rsp, 0x30",
    "movaps [rsp + 0x20], xmm6",
    "mov ebx, 0x3333",
    "xorps xmm6, xmm6",
    "seh_inner_try:",
    "mov rax, [rcx]",
    "nop",
    "seh_inner_end:",
    "xor ecx, ecx",
    "call seh_finally",
    "movaps xmm6, [rsp + 0x20]",
    "add rsp, 0x30",
    "pop rbx",
    "ret",
    "seh_inner_after:",
    "seh_finally:",
    "sub rsp, 0x28",
    "movzx ecx, cl",
    "add ecx, 5",
    "call [rip + seh_text + 0x1218]",
    "add rsp, 0x28",
    "ret",
    "seh_finally_after:",
    // u64 bad_finally(p): try { touch(p) } finally { note 7; touch(0) }: a second exception collides with the unwind.
    "seh_collides:",
    "sub rsp, 0x38",
    "seh_collides_try:",
    "mov rax, [rcx]",
    "nop",
    "seh_collides_end:",
    "add rsp, 0x38",
    "ret",
    "seh_collides_after:",
    "seh_bad_finally:",
    "sub rsp, 0x28",
    "mov ecx, 7",
    "call [rip + seh_text + 0x1218]",
    "xor eax, eax",
    "mov rax, [rax]",
    "add rsp, 0x28",
    "ret",
    "seh_bad_finally_after:",
    // u64 mends(p): try { rdx = [rcx] } except (filter that sets Rcx to the frame and goes on) {}
    "seh_mends:",
    "sub rsp, 0x38",
    "mov dword ptr [rsp + 0x28], 0x77",
    "mov dword ptr [rsp + 0x2C], 0",
    "seh_mends_try:",
    "mov rax, [rcx]",
    "nop",
    "seh_mends_end:",
    "add rsp, 0x38",
    "ret",
    "seh_mends_after:",
    "seh_mending_filter:",
    "mov rax, [rcx + 8]",
    "lea rdx, [rdx + 0x28]",
    "mov [rax + 0x80], rdx",
    "mov eax, -1",
    "ret",
    // u64 raising(status): calls ExRaiseStatus in a leaf-like frame.
    "seh_raising:",
    "push rbx",
    "sub rsp, 0x20",
    "mov ebx, 0x4444",
    "call [rip + seh_text + 0x1208]",
    "nop",
    "add rsp, 0x20",
    "pop rbx",
    "ret",
    "seh_raising_after:",
    // u64 copying(p): memcpy(frame, p, 8).
    "seh_copying:",
    "sub rsp, 0x38",
    "mov rdx, rcx",
    "lea rcx, [rsp + 0x20]",
    "mov r8d, 8",
    "call [rip + seh_text + 0x1220]",
    "nop",
    "add rsp, 0x38",
    "ret",
    "seh_copying_after:",
    // A leaf that faults: no entry in .pdata.
    "seh_leaf:",
    "mov rax, [rcx]",
    "ret",
    // u64 dividing(p), stopping, breaking.
    "seh_dividing:",
    "xor edx, edx",
    "xor ecx, ecx",
    "mov eax, 1",
    "div ecx",
    "ret",
    "seh_breaking:",
    "int3",
    "ret",
    "seh_undefined:",
    "ud2",
    "seh_failing_fast:",
    "mov ecx, 2",
    "int 0x29",
    // u64 nesting(f): Nest(f, NOWHERE) from a callback: the nested call's exception.
    "seh_nesting:",
    "sub rsp, 0x38",
    "mov edx, 0x100000",
    "call [rip + seh_text + 0x1210]",
    "nop",
    "add rsp, 0x38",
    "ret",
    "seh_nesting_after:",
    // A language handler of the driver's own, as __GSHandlerCheck: notes 3, goes on searching. With [data] set it unwinds itself.
    "seh_own_handler:",
    "push rbx",
    "sub rsp, 0x30",
    "mov rbx, r9",
    "mov ecx, 3",
    "call [rip + seh_text + 0x1218]",
    "mov eax, 1",
    "add rsp, 0x30",
    "pop rbx",
    "ret",
    "seh_own_handler_after:",
    "seh_checked:",
    "sub rsp, 0x38",
    "mov rax, [rcx]",
    "nop",
    "add rsp, 0x38",
    "ret",
    "seh_checked_after:",
    // A filter that itself faults for ever.
    "seh_bad_filter:",
    "sub rsp, 0x28",
    "mov ecx, 2",
    "call [rip + seh_text + 0x1218]",
    "ud2",
    "seh_bad_filter_after:",
    "seh_end:",
    ".popsection",
);

macro_rules! symbols {
    ($($name:ident)*) => {
        // SAFETY: the labels are defined above; only their addresses are taken, and reading their bytes is fine.
        unsafe extern "C" {
            $(safe static $name: u8;)*
        }
    };
}

symbols! {
    seh_text seh_takes seh_takes_try seh_takes_end seh_takes_except seh_takes_after seh_outer seh_outer_try
    seh_outer_end seh_outer_except seh_outer_after seh_filter seh_filter_after seh_inner seh_inner_try
    seh_inner_end seh_inner_after seh_finally seh_finally_after seh_collides seh_collides_try seh_collides_end
    seh_collides_after seh_bad_finally seh_bad_finally_after seh_mends seh_mends_try seh_mends_end
    seh_mends_after seh_mending_filter seh_raising seh_raising_after seh_copying seh_copying_after seh_leaf
    seh_dividing seh_breaking seh_undefined seh_failing_fast seh_nesting seh_nesting_after seh_own_handler
    seh_own_handler_after seh_checked seh_checked_after seh_bad_filter seh_bad_filter_after seh_end
}

/// The offset of a label.
fn at(symbol: &u8) -> u32 {
    (std::ptr::from_ref(symbol) as u64 - &raw const seh_text as u64) as u32
}

fn text() -> Vec<u8> {
    let start = &raw const seh_text as u64;
    let mut bytes = vec![0; at(&seh_end) as usize];
    dxgk_host::guarded::read(start, &mut bytes).expect("the code");
    bytes
}

/// UWOP_ALLOC_SMALL and UWOP_PUSH_NONVOL rbx at prologue offsets.
fn alloc(offset: u16, bytes: u16) -> u16 {
    offset | 2 << 8 | (bytes / 8 - 1) << 12
}

fn push_rbx(offset: u16) -> u16 {
    offset | 3 << 12
}

const EXCEPT: u8 = 1;
const FINALLY: u8 = 2;

fn scope(begin: &u8, end: &u8, filter: Option<&u8>, target: Option<&u8>) -> Scope {
    Scope { begin: at(begin), end: at(end), filter: filter.map(at), target: target.map_or(0, at) }
}

fn function(begin: &u8, end: &u8, info: Vec<u8>) -> Function {
    Function { begin: at(begin), end: at(end), info }
}

/// All functions; the outer one's filter can be another.
fn driver(filter: Option<&u8>) -> Vec<u8> {
    let small = |bytes| vec![alloc(4, bytes)];
    let pushed = |bytes| vec![alloc(5, bytes), push_rbx(1)];
    // movaps [rsp + 20h], xmm6 takes 5 bytes: UWOP_SAVE_XMM128 at 20h.
    let vector = |bytes| vec![10 | 8 << 8 | 6 << 12, 2, alloc(5, bytes), push_rbx(1)];
    let takes = scope(&seh_takes_try, &seh_takes_end, None, Some(&seh_takes_except));
    let outer = scope(&seh_outer_try, &seh_outer_end, filter, Some(&seh_outer_except));
    let inner = scope(&seh_inner_try, &seh_inner_end, Some(&seh_finally), None);
    let collides = scope(&seh_collides_try, &seh_collides_end, Some(&seh_bad_finally), None);
    let mends = scope(&seh_mends_try, &seh_mends_end, Some(&seh_mending_filter), Some(&seh_mends_end));
    let info = portable::info;
    let guarded = |info, scope| portable::guarded(info, 0, &[scope]);
    let mut own = info(4, 0, &small(0x38), EXCEPT | FINALLY);
    own.extend_from_slice(&(portable::TEXT + at(&seh_own_handler)).to_le_bytes());
    let functions = [
        function(&seh_takes, &seh_takes_after, guarded(info(4, 0, &small(0x38), EXCEPT), takes)),
        function(&seh_outer, &seh_outer_after, guarded(info(10, 0, &vector(0x40), EXCEPT), outer)),
        function(&seh_filter, &seh_filter_after, info(5, 0, &pushed(0x20), 0)),
        function(&seh_inner, &seh_inner_after, guarded(info(10, 0, &vector(0x30), FINALLY), inner)),
        function(&seh_finally, &seh_finally_after, info(4, 0, &small(0x28), 0)),
        function(&seh_collides, &seh_collides_after, guarded(info(4, 0, &small(0x38), FINALLY), collides)),
        function(&seh_bad_finally, &seh_bad_finally_after, info(4, 0, &small(0x28), 0)),
        function(&seh_mends, &seh_mends_after, guarded(info(4, 0, &small(0x38), EXCEPT), mends)),
        function(&seh_raising, &seh_raising_after, info(5, 0, &pushed(0x20), 0)),
        function(&seh_copying, &seh_copying_after, info(4, 0, &small(0x38), 0)),
        function(&seh_nesting, &seh_nesting_after, info(4, 0, &small(0x38), 0)),
        function(&seh_own_handler, &seh_own_handler_after, info(5, 0, &pushed(0x30), 0)),
        function(&seh_checked, &seh_checked_after, own),
        function(&seh_bad_filter, &seh_bad_filter_after, info(4, 0, &small(0x28), 0)),
    ];
    let imports = [
        "__C_specific_handler",
        "ExRaiseStatus",
        "Nest",
        "Note",
        "memcpy",
        "RtlUnwindEx",
        "RtlCaptureContext",
    ];
    portable::driver(&text(), at(&seh_takes), &functions, &imports)
}

/// Calls `outer(inner, argument)`, whose handler notes 9 and returns its preserved registers.
fn outer(inner: &u8, argument: u64) -> super::Ran {
    outer_with(&seh_filter, inner, argument)
}

fn outer_with(filter: &u8, inner: &u8, argument: u64) -> super::Ran {
    let base = dxgk_host::layout::Purpose::Images.bounds().0;
    let inner = base + u64::from(portable::TEXT + at(inner));
    run(&driver(Some(filter)), Some(at(&seh_outer)), &[inner, argument])
}

const REGISTERS: u64 = 0x2222_0000_1111;

#[test]
fn an_access_violation_in_a_try_goes_on_in_its_except_with_the_code() {
    let ran = run(&driver(None), None, &[NOWHERE]);
    assert_eq!((returned(&ran), ran.handled), (0xC000_0006, 1));
}

#[test]
fn a_fault_below_is_filtered_unwound_and_handled_with_every_preserved_register() {
    let ran = outer(&seh_inner, NOWHERE);
    // The filter, the __finally block told that it is abnormal, the handler.
    assert_eq!((returned(&ran), ran.log), (REGISTERS, 169));
}

#[test]
fn without_a_fault_the_finally_block_runs_normally() {
    let word = 5u64;
    let ran = outer(&seh_inner, &raw const word as u64);
    assert_eq!((returned(&ran), ran.log, ran.handled), (5, 5, 0));
}

#[test]
fn a_fault_in_a_leaf_has_its_callers_handler() {
    let ran = outer(&seh_leaf, NOWHERE);
    assert_eq!((returned(&ran), ran.log), (REGISTERS, 19));
}

#[test]
fn a_call_to_nowhere_has_its_callers_handler() {
    let ran = run(&driver(Some(&seh_filter)), Some(at(&seh_outer)), &[NOWHERE, 0]);
    assert_eq!((returned(&ran), ran.log), (REGISTERS, 19));
}

#[test]
fn a_fault_in_a_lent_routine_is_dispatched_as_if_at_the_call() {
    let ran = outer(&seh_copying, NOWHERE);
    assert_eq!((returned(&ran), ran.log), (REGISTERS, 19));
}

#[test]
fn an_export_that_raises_returns_first_and_the_handler_finds_its_registers() {
    let ran = outer(&seh_raising, 0xE000_0001);
    assert_eq!((returned(&ran), ran.log), (REGISTERS, 19));
}

#[test]
fn a_raise_that_no_filter_takes_ends_the_run_as_it_was_to() {
    let ran = outer(&seh_raising, 0xC000_0001);
    let CallOutcome::Stopped(StopReason::BugCheck { code, parameters, .. }) = &ran.outcome else {
        panic!("{}", ran.outcome)
    };
    assert_eq!((*code, parameters[0], ran.log), (BugCheck::KMODE_EXCEPTION_NOT_HANDLED, 0xC000_0001, 1));
}

#[test]
fn an_exception_that_no_filter_takes_is_reported_where_it_happened() {
    for (code, place) in [
        (NtStatus::INTEGER_DIVIDE_BY_ZERO, at(&seh_dividing) + 9),
        (NtStatus::BREAKPOINT, at(&seh_breaking)),
        (NtStatus::ILLEGAL_INSTRUCTION, at(&seh_undefined)),
    ] {
        let label = match code {
            NtStatus::INTEGER_DIVIDE_BY_ZERO => &seh_dividing,
            NtStatus::BREAKPOINT => &seh_breaking,
            _ => &seh_undefined,
        };
        let ran = outer(label, 0);
        assert_eq!((stopped(&ran), ran.log), ((code, u64::from(portable::TEXT + place)), 1));
    }
}

#[test]
fn kernel_addresses_and_fast_fails_are_no_exceptions() {
    let kernel = dxgk_host::layout::Purpose::Pool.bounds().0;
    assert!(!readable(kernel));
    let ran = outer(&seh_inner, kernel);
    assert_eq!((stopped(&ran).0, ran.log), (NtStatus::ACCESS_VIOLATION, 0));
    let ran = outer(&seh_failing_fast, 0);
    assert_eq!((stopped(&ran).0, ran.log), (NtStatus::STACK_BUFFER_OVERRUN, 0));
}

#[test]
fn a_filter_can_mend_the_context_and_go_on() {
    let ran = run(&driver(None), Some(at(&seh_mends)), &[NOWHERE]);
    assert_eq!((returned(&ran), ran.handled), (0x77, 1));
}

#[test]
fn an_exception_in_a_finally_block_collides_and_the_block_does_not_run_twice() {
    let ran = outer(&seh_collides, NOWHERE);
    // Filter, block (faults), filter again for the second exception, handler.
    assert_eq!((returned(&ran), ran.log), (REGISTERS, 1719));
}

#[test]
fn a_language_handler_of_the_drivers_own_is_asked_in_both_phases() {
    let ran = outer(&seh_checked, NOWHERE);
    assert_eq!((returned(&ran), ran.log), (REGISTERS, 3139));
}

#[test]
fn an_exception_in_a_nested_call_is_not_handled_beyond_it() {
    let base = dxgk_host::layout::Purpose::Images.bounds().0;
    let target = |label: &u8| base + u64::from(portable::TEXT + at(label));
    let ran = outer(&seh_nesting, target(&seh_leaf));
    assert_eq!((stopped(&ran).0, ran.log), (NtStatus::ACCESS_VIOLATION, 0));
    // Handled inside: the nested call returns, and so does everything above.
    let ran = outer(&seh_nesting, target(&seh_takes));
    assert_eq!((returned(&ran), ran.log), (0xC000_0006, 0));
}

#[test]
fn a_filter_that_faults_for_ever_ends_the_run() {
    let ran = outer_with(&seh_bad_filter, &seh_inner, NOWHERE);
    assert!(matches!(ran.outcome, CallOutcome::Stopped(StopReason::Exception(_))), "{}", ran.outcome);
}
