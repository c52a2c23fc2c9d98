//! Drivers that do the worst they can. Whatever happens to the process that they run in: the command survives, says what
//! and where it was, writes its report, exits with the status of the contract, and leaves no process behind.

#[path = "support/pe.rs"]
mod pe;
mod support;

use std::path::PathBuf;

use pe::{CODE, DATA, Driver};
use serde_json::Value;
use support::{Run, run};

/// Runs it as `bad.sys`; a driver that hangs is given a second.
fn run_driver(driver: &Driver) -> Run {
    let folder = tempfile::tempdir().expect("a folder");
    let path: PathBuf = folder.path().join("bad.sys");
    std::fs::write(&path, driver.build()).expect("the driver's file");
    run(&[path.to_str().expect("a UTF-8 path"), "--timeout", "1"])
}

fn ended(run: &Run, outcome: &str, status: i32) {
    assert_eq!((run.text("/outcome"), run.status), (outcome, status), "{}", run.told());
}

/// A bug check at an offset of the driver, with registers.
fn stopped_at(run: &Run, offset: u32) {
    ended(run, "bugcheck", 3);
    let stop = &run.report["bugcheck"];
    assert_eq!(stop["where"]["module"], "bad.sys", "{}", run.told());
    assert_eq!(run.text("/bugcheck/where/offset"), format!("{offset:#x}"), "{}", run.told());
    let registers = stop["registers"].as_object().expect("registers");
    assert_eq!(registers.len(), 18, "{}", run.told());
    let rip = run.text("/bugcheck/registers/rip");
    assert!(rip.ends_with(&format!("{offset:x}")), "{rip}: {}", run.told());
    assert_eq!(stop["parameters"].as_array().map(Vec::len), Some(4));
    assert_ne!(run.text("/bugcheck/name"), "unknown", "{}", run.told());
    assert!(run.stdout.is_empty() || run.stdout.contains("BUG CHECK"), "{}", run.told());
    let entry = &run.report["life"][0];
    assert_eq!(entry["ddi"], "DriverEntry", "{}", run.told());
}

fn code_is(run: &Run, code: &str, parameters: &[&str]) {
    assert_eq!(run.text("/bugcheck/code"), code, "{}", run.told());
    for (index, parameter) in parameters.iter().enumerate() {
        assert_eq!(run.text(&format!("/bugcheck/parameters/{index}")), *parameter, "{}", run.told());
    }
}

const RET: &[u8] = &[0xC3];
/// `xor eax, eax`
const ZERO: &[u8] = &[0x31, 0xC0];
const SUCCEED: &[u8] = &[0x31, 0xC0, 0xC3];

#[test]
fn a_read_of_null_is_a_bug_check_at_its_instruction() {
    // mov rax, [rax]
    let run = run_driver(&Driver::new(ZERO).then(&[0x48, 0x8B, 0x00]).then(RET));
    stopped_at(&run, CODE + 2);
    // An access violation that nobody handles: 0x50 is for addresses of the kernel.
    code_is(&run, "0x7E", &["0xc0000005", run.text("/bugcheck/registers/rip")]);
    assert_eq!(run.text("/bugcheck/address"), "0x0");
    assert_eq!(run.text("/bugcheck/registers/rax"), "0x0");
}

/// Code that sets the level, the address, and touches it; the bug check's code and first parameters.
type Fault<'a> = (&'a [u8], &'a [u8], &'a [u8], &'a str, &'a [&'a str]);

#[test]
fn a_fault_is_another_bug_check_by_its_address_and_by_the_level() {
    // mov rax, 470000000000h: an address of the kernel's, where nothing is.
    let kernel: &[u8] = &[0x48, 0xB8, 0, 0, 0, 0, 0, 0x47, 0, 0];
    let far: &[u8] = &[0x48, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0x80];
    // mov rax, [rax] / mov [rax], rax
    let (read, write): (&[u8], &[u8]) = (&[0x48, 0x8B, 0x00], &[0x48, 0x89, 0x00]);
    // mov ecx, 2; mov cr8, rcx
    let raised: &[u8] = &[0xB9, 2, 0, 0, 0, 0x44, 0x0F, 0x22, 0xC1];
    let at = "0x470000000000";
    let cases: [Fault<'_>; 6] = [
        (&[], kernel, read, "0x50", &[at, "0x0"]),
        (&[], kernel, write, "0x50", &[at, "0x2"]),
        (&[], far, read, "0x7E", &["0xc0000005"]),
        (raised, ZERO, read, "0xD1", &["0x0", "0x2", "0x0"]),
        (raised, ZERO, write, "0xD1", &["0x0", "0x2", "0x1"]),
        (raised, kernel, read, "0xD1", &[at, "0x2", "0x0"]),
    ];
    for (level, address, access, code, parameters) in cases {
        let run = run_driver(&Driver::new(level).then(address).then(access).then(RET));
        stopped_at(&run, CODE + (level.len() + address.len()) as u32);
        code_is(&run, code, parameters);
    }
}

#[test]
fn a_fast_fail_is_bug_check_139_with_its_code() {
    // mov ecx, 2; int 29h
    let run = run_driver(&Driver::new(&[0xB9, 2, 0, 0, 0, 0xCD, 0x29]));
    stopped_at(&run, CODE + 5);
    code_is(&run, "0x139", &["0x2"]);
    assert_eq!(run.text("/bugcheck/name"), "KERNEL_SECURITY_CHECK_FAILURE");
    assert_eq!(run.text("/bugcheck/registers/rcx"), "0x2");
}

#[test]
fn a_loop_without_end_is_a_hang_that_names_its_place() {
    let run = run_driver(&Driver::new(&[0x90, 0xEB, 0xFE]));
    ended(&run, "hang", 3);
    assert!(run.text("/failure").contains("bad.sys+0x1001"), "{}", run.told());
    assert_eq!(run.report["bugcheck"], Value::Null);
}

#[test]
fn a_loop_that_can_be_seen_to_do_something_is_a_hang_too() {
    // sub rsp, 28h; again: mov ecx, 1; call KeStallExecutionProcessor; jmp again
    let stall = Driver::new(&[0x48, 0x83, 0xEC, 0x28, 0xB9, 1, 0, 0, 0])
        .call("ntoskrnl.exe", "KeStallExecutionProcessor")
        .then(&[0xEB, 0xF3]);
    let run = run_driver(&stall);
    ended(&run, "hang", 3);
    // sub rsp, 28h; again: lea rcx, [text]; call DbgPrint; jmp again
    let print = Driver::new(&[0x48, 0x83, 0xEC, 0x28])
        .reaching(&[0x48, 0x8D, 0x0D], DATA)
        .call("ntoskrnl.exe", "DbgPrint")
        .then(&[0xEB, 0xF1]);
    let run = run_driver(&print);
    ended(&run, "hang", 3);
}

#[test]
fn a_system_call_out_of_driver_code_is_a_sandbox_violation() {
    // mov eax, N; syscall / int 80h
    for (number, instruction) in [(39u8, [0x0F, 0x05]), (57, [0x0F, 0x05]), (20, [0xCD, 0x80])] {
        let run = run_driver(&Driver::new(&[0xB8, number, 0, 0, 0]).then(&instruction).then(SUCCEED));
        ended(&run, "sandbox-violation", 3);
        let failure = run.text("/failure");
        assert!(failure.contains(&format!("system call {number}")), "{}", run.told());
        // The processor names the instruction after it.
        assert!(failure.contains("bad.sys+0x1007"), "{}", run.told());
        assert_eq!(run.report["bugcheck"], Value::Null, "no bug check of Windows: {}", run.told());
    }
}

#[test]
fn a_stack_that_overflows_is_a_double_fault_where_it_did() {
    // call itself
    let run = run_driver(&Driver::new(&[0xE8, 0xFB, 0xFF, 0xFF, 0xFF]));
    stopped_at(&run, CODE);
    code_is(&run, "0x7F", &["0x8"]);
}

#[test]
fn execution_of_data_is_bug_check_fc() {
    // lea rax, [data]; call rax
    let run = run_driver(&Driver::new(&[]).reaching(&[0x48, 0x8D, 0x05], DATA).then(&[0xFF, 0xD0]));
    stopped_at(&run, DATA);
    code_is(&run, "0xFC", &[]);
}

#[test]
fn a_write_to_its_own_code_is_bug_check_be() {
    // lea rax, [code]; mov byte [rax], 0
    let run = run_driver(&Driver::new(&[]).reaching(&[0x48, 0x8D, 0x05], CODE).then(&[0xC6, 0x00, 0x00]));
    stopped_at(&run, CODE + 7);
    code_is(&run, "0xBE", &[]);
}

#[test]
fn ports_are_those_of_the_device() {
    // mov dx, PORT; in al, dx; movzx eax, al; ret: what was read comes back as DriverEntry's status.
    let read = |port: u16| {
        let [low, high] = port.to_le_bytes();
        Driver::new(&[0x66, 0xBA, low, high, 0xEC, 0x0F, 0xB6, 0xC0, 0xC3])
    };
    let on_display = |driver: &Driver| {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("bad.sys");
        std::fs::write(&path, driver.build()).expect("the driver's file");
        let device = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/devices/display.toml");
        run(&[path.to_str().expect("a UTF-8 path"), "--device", device])
    };
    // Its ports are only recorded, and read as ones.
    let run = on_display(&read(0xC03F));
    assert_eq!(run.text("/life/0/status"), "0x000000FF", "{}", run.told());
    let run = on_display(&read(0xC040));
    stopped_at(&run, CODE + 4);
    code_is(&run, "0x7E", &["0xc0000096"]);
}

#[test]
fn instructions_that_the_host_does_not_play_are_named_as_privileged() {
    let cases: [&[u8]; 6] = [
        &[0xF4],             // hlt
        &[0xFA],             // cli
        &[0x0F, 0x32],       // rdmsr
        &[0x0F, 0x22, 0xD8], // mov cr3, rax
        &[0xE4, 0x60],       // in al, 60h
        &[0x0F, 0x01, 0x10], // lgdt [rax]
    ];
    for instruction in cases {
        let run = run_driver(&Driver::new(instruction).then(SUCCEED));
        stopped_at(&run, CODE);
        code_is(&run, "0x7E", &["0xc0000096"]);
    }
}

#[test]
fn other_exceptions_carry_their_status() {
    let cases: [(&[u8], u32, &str); 4] = [
        (&[0x0F, 0x0B], 0, "0xc000001d"),                                     // ud2
        (&[0xCC], 0, "0x80000003"),                                           // int 3
        (&[0x31, 0xC9, 0x31, 0xD2, 0xF7, 0xF1], 4, "0xc0000094"),             // div ecx, ecx = 0
        (&[0x9C, 0x80, 0x4C, 0x24, 1, 1, 0x9D, 0x90, 0x90], 8, "0x80000004"), // the trap flag
    ];
    for (code, at, status) in cases {
        let run = run_driver(&Driver::new(code).then(SUCCEED));
        stopped_at(&run, CODE + at);
        code_is(&run, "0x7E", &[status]);
    }
}

#[test]
fn a_bug_check_of_the_driver_s_own_keeps_its_code_and_parameters() {
    // sub rsp, 38h; mov ecx, 0xE2; mov edx, 0x11; mov r8d, 0x22; mov r9d, 0x33; mov qword [rsp+20h], 0x44; call
    let driver = Driver::new(&[0x48, 0x83, 0xEC, 0x38, 0xB9, 0xE2, 0, 0, 0, 0xBA, 0x11, 0, 0, 0])
        .then(&[0x41, 0xB8, 0x22, 0, 0, 0, 0x41, 0xB9, 0x33, 0, 0, 0])
        .then(&[0x48, 0xC7, 0x44, 0x24, 0x20, 0x44, 0, 0, 0])
        .call("ntoskrnl.exe", "KeBugCheckEx");
    let run = run_driver(&driver);
    ended(&run, "bugcheck", 3);
    code_is(&run, "0xE2", &["0x11", "0x22", "0x33", "0x44"]);
    assert_eq!(run.text("/bugcheck/cause"), "driver-asked");
    assert_eq!(run.text("/bugcheck/name"), "MANUALLY_INITIATED_CRASH");
    assert_eq!(run.text("/bugcheck/where/module"), "bad.sys", "{}", run.told());
    // The instruction after the call.
    assert_eq!(run.text("/bugcheck/where/offset"), "0x1029", "{}", run.told());
}

#[test]
fn jumps_into_nothing_are_bug_checks_wherever_they_lead() {
    let cases: [&[u8]; 4] = [
        &[0xB8, 0x10, 0, 0, 0, 0xFF, 0xD0],                   // call 10h
        &[0x48, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0x80, 0xFF, 0xE0], // jmp to a non-canonical address
        &[0x58, 0x6A, 0x00, 0xC3],                            // return to 0
        &[0x31, 0xE4, 0x50],                                  // push with no stack
    ];
    for code in cases {
        let run = run_driver(&Driver::new(code));
        ended(&run, "bugcheck", 3);
    }
}

#[test]
fn a_driver_that_ruins_the_processor_state_only_ends_its_own_process() {
    let cases: [&[u8]; 4] = [
        &[0x31, 0xC0, 0xF3, 0x48, 0x0F, 0xAE, 0xD0],    // wrfsbase rax
        &[0x31, 0xC0, 0xF3, 0x48, 0x0F, 0xAE, 0xD8],    // wrgsbase rax
        &[0xFD],                                        // std
        &[0x9C, 0x81, 0x4C, 0x24, 0, 0, 0, 4, 0, 0x9D], // the alignment-check flag
    ];
    for code in cases {
        let run = run_driver(&Driver::new(code).then(SUCCEED));
        assert!([1, 3].contains(&run.status), "{}", run.told());
        assert!(!run.text("/failure").is_empty() || run.status == 3, "{}", run.told());
    }
}

#[test]
fn a_driver_entry_that_fails_is_reported_with_its_status_and_is_not_clean() {
    // mov eax, STATUS_UNSUCCESSFUL
    let run = run_driver(&Driver::new(&[0xB8, 1, 0, 0, 0xC0]).then(RET));
    ended(&run, "findings", 1);
    assert_eq!(run.text("/life/0/status"), "0xC0000001", "{}", run.told());
    assert_eq!(run.report["life"].as_array().map(Vec::len), Some(1), "nothing after it: {}", run.told());
    let failure = run.text("/failure");
    assert!(failure.contains("DriverEntry") && failure.contains("UNSUCCESSFUL"), "{}", run.told());
    assert_eq!(run.text("/not_started/ddi"), "DriverEntry", "{}", run.told());
    assert_eq!(run.text("/not_started/status"), "0xC0000001", "{}", run.told());
    assert!(run.stdout.contains("not started: DriverEntry returned 0xC0000001"), "{}", run.told());
}

#[test]
fn a_driver_entry_that_registers_nothing_is_said_so() {
    let run = run_driver(&Driver::new(SUCCEED));
    ended(&run, "findings", 1);
    assert!(run.text("/failure").contains("DriverEntry"), "{}", run.told());
    assert_eq!(run.report["not_started"]["ddi"], Value::Null, "it returned success: {}", run.told());
    assert!(run.text("/not_started/why").contains("DriverEntry"), "{}", run.told());
}

#[test]
fn all_missing_imports_are_named_together_with_who_wants_them() {
    let driver = Driver::new(SUCCEED)
        .import("ntoskrnl.exe", "DbgPrint")
        .import("ntoskrnl.exe", "NoSuchThing")
        .import("ntoskrnl.exe", "MmNeverWas")
        .import("watchdog.sys", "WdLogEvent5_WdError");
    let run = run_driver(&driver);
    ended(&run, "load-failed", 2);
    let failure = run.text("/failure");
    for missing in ["ntoskrnl.exe!NoSuchThing", "ntoskrnl.exe!MmNeverWas", "watchdog.sys!WdLogEvent5_WdError"]
    {
        assert!(failure.contains(missing), "{missing} is not named: {}", run.told());
    }
    assert!(!failure.contains("DbgPrint"), "{}", run.told());
    let list = run.report["driver"]["missing_imports"].as_array().expect("a list");
    assert_eq!(list.len(), 3, "{}", run.told());
    assert_eq!(run.report["life"], Value::Array(vec![]), "no code of it ran: {}", run.told());
}
