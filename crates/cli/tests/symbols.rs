//! Functions and lines in reports: of the sample as a driver file, of the linked one, of public drivers, of mingw's.

#[path = "support/files.rs"]
mod files;
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::{Run, run};

fn source(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../miniports/edu/src").join(file);
    std::fs::read_to_string(&path).expect("the sample's source")
}

/// The number of the first line of a source file of the sample that has `marker`.
fn line_of(file: &str, marker: &str) -> u64 {
    number_of(&source(file), marker)
}

/// The number of the first line that is just this; the correct twin stands deeper.
fn exact_line_of(file: &str, wanted: &str) -> u64 {
    source(file).lines().position(|line| line == wanted).expect(wanted) as u64 + 1
}

fn number_of(text: &str, marker: &str) -> u64 {
    let index = text.lines().position(|line| line.contains(marker)).expect(marker);
    index as u64 + 1
}

fn check(place: &Value, function: &str, file: &str, line: u64, run: &Run) {
    let text = |field: &str| place[field].as_str().unwrap_or_default();
    assert!(text("function").ends_with(function), "not {function}: {place}\n{}", run.told());
    assert!(text("file").replace('\\', "/").ends_with(file), "not {file}: {place}\n{}", run.told());
    assert_eq!(place["line"].as_u64(), Some(line), "{place}\n{}", run.told());
}

fn demo(sys: &str, name: &str, rest: &[&str]) -> Run {
    let chosen = format!("Demo=string:{name}");
    run(&[&[sys, "--registry", &chosen], rest].concat())
}

#[test]
fn a_call_in_the_sample_is_named_with_the_line_that_makes_it() {
    let Some(sys) = files::edu_sys() else { return };
    let run = demo(&sys, "leak", &[]);
    let place = &run.report["findings"][0]["where"];
    let line = line_of("demo/leak.rs", "UnopenedMemory::pages");
    check(place, "demo::leak::run", "edu/src/demo/leak.rs", line, &run);
    assert!(place["offset"].as_str().is_some_and(|offset| offset.starts_with("0x")), "{place}");
    assert!(run.stdout.contains(&format!("demo::leak::run (src/demo/leak.rs:{line})")), "{}", run.stdout);
    let stack = place["stack"][0].as_str().unwrap_or_default();
    let caller = line_of("demo/mod.rs", "=> run(work)");
    assert!(stack.starts_with("edu.sys+0x"), "{stack}");
    assert!(stack.ends_with(&format!("demo::Demo::show src/demo/mod.rs:{caller}")), "{stack}");

    let run = demo(&sys, "double-free", &[]);
    let line = line_of("demo/freed_twice.rs", "misuse::free_twice");
    check(&run.report["findings"][0]["where"], "demo::freed_twice::run", "demo/freed_twice.rs", line, &run);
    assert_eq!(run.report["symbols"], Value::Array(vec![]), "{}", run.told());
}

#[test]
fn a_register_write_is_named_with_its_own_line_and_the_calls_it_is_inlined_into() {
    let Some(sys) = files::edu_sys() else { return };
    let run = demo(&sys, "use-after-unmap", &[]);
    let finding = &run.report["findings"][0];
    let written = line_of("device.rs", "write(DMA_COMMAND");
    check(&finding["where"], "Device::transfer", "edu/src/device.rs", written, &run);
    // The demo is either inlined around it or on the stack.
    let read = exact_line_of(
        "demo/device_address_unmapped.rs",
        "            work.device.read_ram(address, PAGE / 2)",
    );
    let wanted = format!("device_address_unmapped::run src/demo/device_address_unmapped.rs:{read}");
    let place = &finding["where"];
    let lists = [&place["inlined"], &place["stack"]];
    let mut told = lists.iter().filter_map(|list| list.as_array()).flatten().filter_map(Value::as_str);
    assert!(told.any(|text| text.ends_with(&wanted)), "{}", run.told());
    let history = finding["history"].as_array().expect("a history");
    let step = |what: &str| {
        let mut steps =
            history.iter().filter(|step| step["what"].as_str().is_some_and(|it| it.contains(what)));
        steps.next().and_then(|step| step["where"].as_str()).unwrap_or_default()
    };
    let dropped = exact_line_of("demo/device_address_unmapped.rs", "            drop(adl);");
    let unmapped = step("unmapped");
    assert!(unmapped.ends_with(&format!("src/demo/device_address_unmapped.rs:{dropped}")), "{unmapped}");
    assert!(step("was given address").ends_with(&format!("src/device.rs:{written}")), "{}", run.told());
}

#[test]
fn the_linked_sample_has_the_functions_of_this_program() {
    let run = run(&["--demo", "leak"]);
    assert_eq!(run.text("/findings/0/rule"), "LEAK-001", "{}", run.told());
    let place = &run.report["findings"][0]["where"];
    assert!(place["module"].as_str().is_some_and(|name| name.contains("linked")), "{place}");
    assert!(place["function"].as_str().is_some_and(|name| !name.is_empty()), "{place}");
    let file = place["file"].as_str().unwrap_or("");
    assert!(file.contains("miniport") && file.ends_with(".rs"), "{place}");
    assert!(place["line"].as_u64() > Some(0), "{place}");
}

/// The sample's own work rings the doorbell a hundred times before the demo has its turn.
#[test]
#[expect(clippy::print_stderr, reason = "a skip is said")]
fn a_doorbell_rung_after_many_others_still_has_its_stack() {
    if !cfg!(dxgk_frame_pointers) {
        eprintln!("SKIPPED: built without the workspace's flags, the linked sample has no stacks");
        return;
    }
    let run = run(&["--demo", "never-mapped"]);
    let stack = run.report["findings"][0]["where"]["stack"].as_array().map_or(0, Vec::len);
    assert!(stack >= 2, "{}", run.told());
}

#[test]
fn symbols_are_looked_for_where_the_option_says_and_refused_when_they_are_of_another_build() {
    let Some(sys) = files::edu_sys() else { return };
    let pdb = PathBuf::from(&sys).with_file_name("dxgk_miniport_edu.pdb");
    let folder = tempfile::tempdir().expect("a folder");
    let alone = folder.path().join("edu.sys");
    std::fs::copy(&sys, &alone).expect("a copy");
    let alone = alone.to_str().expect("a path");
    let named = |run: &Run| run.report["findings"][0]["where"]["function"].is_string();

    let without = demo(alone, "leak", &[]);
    assert!(!named(&without), "{}", without.told());
    assert!(without.stdout.contains("symbols: no dxgk_miniport_edu.pdb"), "{}", without.stdout);
    let with_folder = pdb.parent().and_then(Path::to_str).expect("a path");
    for place in [with_folder, pdb.to_str().expect("a path")] {
        let with = demo(alone, "leak", &["--symbols", place]);
        assert!(named(&with), "{}", with.told());
    }

    let mut other = std::fs::read(&sys).expect("the driver");
    let record = other.windows(4).position(|bytes| bytes == b"RSDS").expect("the record");
    other[record + 4] ^= 1;
    std::fs::write(alone, other).expect("a changed copy");
    let refused = demo(alone, "leak", &["--symbols", with_folder]);
    assert!(!named(&refused), "{}", refused.told());
    assert!(
        refused.stdout.contains("symbols of dxgk_miniport_edu.pdb are of another build"),
        "{}",
        refused.told()
    );
    let note = refused.report["symbols"][0].as_str().unwrap_or_default();
    assert!(note.contains("another build"), "{note}");

    let nowhere = demo(alone, "leak", &["--symbols", "/no/such/place"]);
    assert_eq!(nowhere.status, 2, "{}", nowhere.told());
    assert!(nowhere.stderr.contains("/no/such/place"), "{}", nowhere.stderr);
}

/// A driver that is wrong, in the way that is compiled in.
const SOURCE: &str = r#"
typedef unsigned long ULONG;
typedef unsigned long long ULONGLONG;
__declspec(dllimport) void __attribute__((noreturn)) KeBugCheck(ULONG code);
void *kept = &kept; /* a relocation, without which nothing is loaded elsewhere */
static inline __attribute__((always_inline)) void poke(volatile ULONG *where)
{
    *where = 7; /* faults */
}
__attribute__((noinline)) static void stops(void)
{
    KeBugCheck(0xE2); /* asks */
}
long DriverEntry(void *driver, void *path)
{
    if (WAY == 1) {
        poke((volatile ULONG *)0x10); /* pokes */
    } else {
        stops(); /* calls */
    }
    return 0;
}
"#;

/// Builds [`SOURCE`] with mingw; says so when that is not there.
fn mingw(folder: &Path, way: u32) -> Option<PathBuf> {
    let source = folder.join("wrong.c");
    std::fs::write(&source, SOURCE).expect("a source");
    let driver = folder.join(format!("wrong{way}.sys"));
    let built = Command::new("x86_64-w64-mingw32-gcc")
        .args([
            "-g",
            "-O2",
            "-nostdlib",
            "-shared",
            "-Wl,--subsystem,native",
            "-Wl,--entry,DriverEntry",
            "-Wl,--dynamicbase",
        ])
        .arg(format!("-DWAY={way}"))
        .arg("-o")
        .arg(&driver)
        .arg(&source)
        .arg("-lntoskrnl")
        .output();
    match built {
        Ok(output) if output.status.success() => Some(driver),
        Ok(output) => panic!("{}", String::from_utf8_lossy(&output.stderr)),
        Err(_) => {
            #[expect(clippy::print_stderr, reason = "a skip must be seen")]
            {
                eprintln!("SKIPPED: x86_64-w64-mingw32-gcc is not there; DWARF of drivers is not tested");
            }
            None
        }
    }
}

#[test]
fn a_mingw_driver_has_the_lines_of_its_dwarf_inside_or_in_a_file_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(driver) = mingw(folder.path(), 1) else { return };
    let path = driver.to_str().expect("a path");
    let fault = run(&[path]);
    check(&fault.report["bugcheck"]["where"], "poke", "wrong.c", number_of(SOURCE, "/* faults */"), &fault);
    let inlined = fault.report["bugcheck"]["where"]["inlined"].to_string();
    assert!(inlined.contains(&format!("wrong.c:{}", number_of(SOURCE, "/* pokes */"))), "{inlined}");

    // A call that does not return: its return address is in another function.
    let driver = mingw(folder.path(), 2).expect("mingw");
    let asked = run(&[driver.to_str().expect("a path")]);
    check(&asked.report["bugcheck"]["where"], "stops", "wrong.c", number_of(SOURCE, "/* asks */"), &asked);

    let apart = folder.path().join("apart");
    std::fs::create_dir(&apart).expect("a folder");
    let debug = apart.join("wrong.debug");
    let objcopy = |arguments: &[&std::ffi::OsStr]| {
        let status = Command::new("x86_64-w64-mingw32-objcopy").args(arguments).status();
        assert!(status.is_ok_and(|status| status.success()), "objcopy {arguments:?}");
    };
    let mut link = std::ffi::OsString::from("--add-gnu-debuglink=");
    link.push(&debug);
    let driver = mingw(folder.path(), 1).expect("mingw");
    objcopy(&["--only-keep-debug".as_ref(), driver.as_ref(), debug.as_ref()]);
    objcopy(&["--strip-debug".as_ref(), driver.as_ref()]);
    objcopy(&[&link, driver.as_ref()]);
    let path = driver.to_str().expect("a path");
    let without = run(&[path]);
    assert_eq!(without.report["bugcheck"]["where"]["file"], Value::Null, "{}", without.told());
    let symbols = apart.to_str().expect("a path");
    let with = run(&[path, "--symbols", symbols]);
    check(&with.report["bugcheck"]["where"], "poke", "wrong.c", number_of(SOURCE, "/* faults */"), &with);
    let mut bytes = std::fs::read(&debug).expect("the debug file");
    bytes.push(0);
    std::fs::write(&debug, bytes).expect("a changed debug file");
    let other = run(&[path, "--symbols", symbols]);
    assert_eq!(other.report["bugcheck"]["where"]["file"], Value::Null, "{}", other.told());
    assert!(other.stdout.contains("another build"), "{}", other.stdout);
}
