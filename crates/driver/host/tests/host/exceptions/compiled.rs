//! A driver compiled from C by clang with its own tables. Skipped, loudly, where clang, lld and llvm-dlltool are not installed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::{NOWHERE, Ran, returned, run, stopped};
use dxgk_abi::NtStatus;
use dxgk_host::CallOutcome;

const IMPORTS: &str = "LIBRARY ntoskrnl.exe\nEXPORTS\nExRaiseStatus\nNote\nmemcpy\n__C_specific_handler\n";

#[expect(clippy::print_stderr, reason = "a skip must be seen")]
fn say_loudly(text: &str) {
    eprintln!("SKIPPED: {text}");
}

/// Runs a tool; false when it is not installed.
fn tool(name: &str, arguments: &[&str], directory: &Path) -> bool {
    match Command::new(name).args(arguments).current_dir(directory).output() {
        Ok(output) if output.status.success() => true,
        Ok(output) => panic!("{name}: {}", String::from_utf8_lossy(&output.stderr)),
        Err(_) => false,
    }
}

fn build(optimised: &str) -> Option<Vec<u8>> {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/host/exceptions/driver.c");
    let directory: PathBuf =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("exceptions{optimised}-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    std::fs::write(directory.join("ntoskrnl.def"), IMPORTS).expect("a file");
    let compile = [
        "--target=x86_64-pc-windows-msvc",
        "-fms-extensions",
        "-ffreestanding",
        "-fno-builtin",
        "-funwind-tables",
        "-mno-red-zone",
        "-w",
        optimised,
        "-c",
        source,
        "-o",
        "driver.obj",
    ];
    let link = [
        "/driver",
        "/subsystem:native",
        "/nodefaultlib",
        "/entry:DriverEntry",
        "/out:driver.sys",
        "driver.obj",
        "ntoskrnl.lib",
    ];
    let library = ["-m", "i386:x86-64", "-d", "ntoskrnl.def", "-l", "ntoskrnl.lib"];
    let built = tool("clang", &compile, &directory)
        && tool("llvm-dlltool", &library, &directory)
        && tool("lld-link", &link, &directory);
    let file = built.then(|| std::fs::read(directory.join("driver.sys")).expect("the driver"));
    std::fs::remove_dir_all(&directory).expect("removed");
    if file.is_none() {
        say_loudly(
            "clang, lld-link or llvm-dlltool is not installed: exceptions of compiled C are not tested",
        );
    }
    file
}

/// The driver unoptimised and optimised; empty where there is no compiler.
fn drivers() -> &'static [Vec<u8>] {
    static DRIVERS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    DRIVERS.get_or_init(|| ["-O0", "-O2"].into_iter().filter_map(build).collect())
}

fn each(test: u64, argument: u64, check: impl Fn(Ran)) {
    for driver in drivers() {
        check(run(driver, None, &[test, argument]));
    }
}

#[test]
fn a_fault_in_a_callee_is_filtered_its_finally_runs_and_the_except_block_goes_on() {
    each(0, NOWHERE, |ran| assert_eq!((returned(&ran), ran.log, ran.handled), (0xC000_0005 + 40, 124, 1)));
}

#[test]
fn without_a_fault_only_the_finally_block_runs() {
    let word = 5u64;
    each(0, &raw const word as u64, |ran| {
        assert_eq!((returned(&ran), ran.log, ran.handled), (7, 83, 0));
    });
}

#[test]
fn what_no_filter_takes_is_reported_where_it_happened_and_nothing_is_unwound() {
    each(1, NOWHERE, |ran| {
        assert_eq!((stopped(&ran).0, ran.log), (NtStatus::ACCESS_VIOLATION, 1));
        let CallOutcome::Stopped(reason) = &ran.outcome else { panic!("stopped") };
        assert!(reason.to_string().contains("Read 0x100000"), "{reason}");
    });
}

#[test]
fn raised_statuses_find_the_inner_or_the_outer_handler() {
    each(2, 0xC000_0001, |ran| assert_eq!((returned(&ran), ran.log), (1, 5)));
    each(2, 0xC000_0002, |ran| assert_eq!((returned(&ran), ran.log), (2, 0)));
}

#[test]
fn a_fault_in_an_imported_copy_is_caught() {
    each(3, NOWHERE, |ran| assert_eq!(returned(&ran), 0xC000_0005));
}

#[test]
fn an_exception_in_a_handler_finds_the_outer_one_again_and_again() {
    each(4, NOWHERE, |ran| assert_eq!((returned(&ran), ran.handled), (100_100, 200)));
}
