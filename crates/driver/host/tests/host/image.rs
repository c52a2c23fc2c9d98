//! The loader on a driver made by hand, sound and damaged, and stack walks in it.

use std::sync::Mutex;

use dxgk_abi::NtStatus;
use dxgk_host::image::{Image, LoadError, LoadWarning};
use dxgk_host::layout::{Purpose, Region, RunGuard};
use dxgk_host::unwind::{Frame, StackTrace};
use dxgk_host::{CallOutcome, Processor, StopReason, call_driver, guarded, thunk};

use crate::pe;

static TRACE: Mutex<Vec<Option<u32>>> = Mutex::new(Vec::new());
static DATA: u64 = 0x1234;

fn offsets(trace: &StackTrace) -> Vec<Option<u32>> {
    trace.frames().map(Frame::place).map(|place| place.map(|(_, offset)| offset)).collect()
}

fn keep_trace() -> u64 {
    *TRACE.lock().unwrap() = offsets(&StackTrace::of_caller());
    0x55
}

thunk! {
    /// Keeps its caller's stack.
    fn test_callback() -> u64 => keep_trace;
}

fn resolve(module: &str, name: &str) -> Option<u64> {
    assert_eq!(module, "ntoskrnl.exe");
    match name {
        "TestCallback" => Some(test_callback as *const () as u64),
        "TestData" => Some(&raw const DATA as u64),
        _ => None,
    }
}

fn with_region<R>(body: impl FnOnce(&mut Region) -> R) -> R {
    let guard = RunGuard::acquire();
    let mut images = Region::new(Purpose::Images, &guard);
    let processor = Processor::attach(&guard).expect("a processor");
    let result = body(&mut images);
    drop(processor);
    result
}

fn load(file: &[u8], region: &mut Region) -> Result<Image, LoadError> {
    Image::load(file, "test.sys", region, &mut resolve)
}

#[test]
fn a_driver_is_placed_linked_and_runs() {
    with_region(|region| {
        let image = load(&pe::driver(&[]), region).expect("loads");
        assert_eq!(image.base(), Purpose::Images.bounds().0);
        let word = |at: u32| guarded::read_struct::<u64>(image.base() + u64::from(at)).expect("readable");
        assert_eq!(word(pe::SELF_POINTER), image.base() + u64::from(pe::SELF_POINTER));
        assert_eq!(word(pe::DATA_SLOT), &raw const DATA as u64);
        let cookie = word(pe::SECURITY_COOKIE);
        assert!(cookie != 0 && cookie != 0x0000_2B99_2DDF_A232 && cookie >> 48 == 0);
        assert!(image.warnings().is_empty());
        for (at, writable) in [(0, false), (0x1000, false), (0x2000, false), (0x4000, true)] {
            let result = guarded::write(image.base() + at, &[0x90]);
            assert_eq!(result.is_ok(), writable, "{at:#x}");
        }
        assert_eq!(call_driver(image.entry(), &[]).returned().expect("returned"), 0x55);
        assert_eq!(*TRACE.lock().unwrap(), [Some(pe::INNER_RETURN), Some(pe::OUTER_RETURN)]);
    });
}

/// Stops at `at` by a breakpoint, then walks with the instruction in place again: in a sound copy of the image, to which
/// the return addresses on the stack are moved.
fn walk_at(at: u32, region: &mut Region) -> StackTrace {
    let broken = load(&pe::driver(&[(at, &[0xCC])]), region).expect("loads");
    let outcome = call_driver(broken.entry(), &[]);
    let CallOutcome::Stopped(StopReason::Exception(report)) = outcome else { panic!("{outcome}") };
    assert_eq!((report.code, report.rip), (NtStatus::BREAKPOINT, broken.base() + u64::from(at)));
    assert!(report.stack.to_string().starts_with(&format!("test.sys+{at:#x}")));
    let sound = load(&pe::driver(&[]), region).expect("loads");
    let mut registers = report.registers;
    registers.rip = sound.base() + u64::from(at);
    for slot in (registers.gpr[4]..registers.gpr[4] + 0x200).step_by(8) {
        match guarded::read_struct::<u64>(slot) {
            Ok(value) if broken.contains(value) => {
                guarded::write_struct(slot, &(value - broken.base() + sound.base())).expect("the stack");
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    StackTrace::walk(&registers)
}

#[test]
fn a_walk_is_right_at_every_instruction() {
    for (function, starts) in [(pe::OUTER, &pe::OUTER_STARTS[..]), (pe::INNER, &pe::INNER_STARTS[..])] {
        for start in starts {
            let at = function + start;
            let outer = (function == pe::INNER).then_some(Some(pe::OUTER_RETURN));
            let expected: Vec<_> = [Some(at)].into_iter().chain(outer).collect();
            assert_eq!(offsets(&with_region(|region| walk_at(at, region))), expected, "at {at:#x}");
        }
    }
}

/// File offset of a section's content, and of its characteristics.
fn section_of(file: &[u8], index: usize) -> (usize, usize) {
    let header = 0x58 + 240 + index * 40;
    let at: [u8; 4] = file[header + 20..header + 24].try_into().expect("four bytes");
    (u32::from_le_bytes(at) as usize, header + 36)
}

#[test]
fn what_only_initialisation_needs_is_there_until_it_is_discarded() {
    let mut file = pe::driver(&[]);
    for (index, discardable) in [(3, true), (4, true), (1, false)] {
        let (_, characteristics) = section_of(&file, index);
        if discardable {
            file[characteristics + 3] |= 2;
        }
    }
    with_region(|region| {
        let image = load(&file, region).expect("loads");
        let readable = |at: u64| guarded::read_struct::<u64>(image.base() + at).is_ok();
        assert!([0x1000, 0x2000, 0x4000, 0x5000].into_iter().all(readable));
        image.discard_initialization().expect("discards");
        assert_eq!([0x1000, 0x2000, 0x4000, 0x5000].map(readable), [true, true, false, false]);
        assert_eq!(call_driver(image.entry(), &[]).returned().expect("the rest is there"), 0x55);
    });
}

/// Compilers let the pointers of Control Flow Guard lead to routines of the driver's own that do nothing; only a kernel that
/// enforces it has others to put there.
#[test]
fn guard_pointers_go_on_leading_to_the_driver_s_own_routines() {
    let mut file = pe::driver(&[]);
    // IMAGE_LOAD_CONFIG_DIRECTORY64 at 0x2100: GuardCFCheckFunctionPointer at 0x70, GuardCFDispatchFunctionPointer at 0x78,
    // GuardFlags at 0x90. Both pointers are the slot that is relocated, which holds the address of a `ret`.
    let (constants, _) = section_of(&file, 1);
    let slot = (pe::PREFERRED_BASE + u64::from(pe::SELF_POINTER)).to_le_bytes();
    for field in [0x70, 0x78] {
        file[constants + 0x100 + field..][..8].copy_from_slice(&slot);
    }
    file[constants + 0x190..][..4].copy_from_slice(&0x500u32.to_le_bytes());
    let (data, _) = section_of(&file, 3);
    let routine = u64::from(pe::OUTER) + 0x25;
    file[data + 8..][..8].copy_from_slice(&(pe::PREFERRED_BASE + routine).to_le_bytes());
    with_region(|region| {
        let image = load(&file, region).expect("loads");
        let slot = image.base() + u64::from(pe::SELF_POINTER);
        let routine = image.base() + routine;
        assert_eq!(guarded::read_struct::<u64>(slot), Ok(routine));
        assert!(matches!(call_driver(routine, &[7]), CallOutcome::Returned(_)));
    });
}

#[test]
fn missing_imports_are_listed_together() {
    let error =
        with_region(|region| Image::load(&pe::driver(&[]), "test.sys", region, &mut |_, _| None).err());
    let Some(LoadError::MissingImports(missing)) = &error else { panic!("{error:?}") };
    assert_eq!(missing.len(), 2);
    let text = error.map(|error| error.to_string()).unwrap_or_default();
    // The code calls the one, and never uses the other.
    assert_eq!(text, "missing imports: ntoskrnl.exe!TestCallback (used at +0x1051), ntoskrnl.exe!TestData");
}

#[test]
fn stripped_relocations_are_told_from_none_needed() {
    let mut file = pe::driver(&[]);
    // Neither relocations nor the cookie, which needs one.
    file[0x58 + 112 + 5 * 8..][..8].fill(0);
    file[0x58 + 112 + 10 * 8..][..8].fill(0);
    assert_eq!(with_region(|region| load(&file, region).map(|_| ())), Ok(()));
    file[0x56] |= 1;
    assert_eq!(with_region(|region| load(&file, region).map(|_| ())), Err(LoadError::NotRelocatable));
}

#[test]
fn files_that_are_no_drivers_are_named_for_what_they_are() {
    let sound = pe::driver(&[]);
    let with = |at: usize, bytes: &[u8]| {
        let mut file = sound.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        with_region(|region| load(&file, region).map(|image| image.warnings().to_vec()))
    };
    let section = |index: usize| 0x58 + 240 + index * 40;
    assert_eq!(with(0, b"ZM"), Err(LoadError::NotPe("no MZ header")));
    assert_eq!(with(0x40, b"LE"), Err(LoadError::NotPe("no PE header")));
    assert_eq!(with(0x44, &[0x4C, 0x01]), Err(LoadError::NotX64(0x14C)));
    assert_eq!(with(0x58, &[0x0B, 0x01]), Err(LoadError::NotPe64(0x10B)));
    assert_eq!(with(0x58 + 32, &[0, 2]), Err(LoadError::Alignment(0x200)));
    assert_eq!(with(0x58 + 56, &[0, 0]), Err(LoadError::ImageSize(0)));
    assert_eq!(with(0x58 + 16, &[0, 0x20]), Err(LoadError::EntryPoint(0x2000)));
    assert_eq!(with(0x58 + 68, &[2]), Ok(vec![LoadWarning::Subsystem(2)]));
    assert_eq!(with(section(0) + 39, &[0xE0]), Ok(vec![LoadWarning::WritableCode(".text".to_owned())]));
    assert_eq!(with(section(1) + 12, &[0, 0x10]), Err(LoadError::SectionsOverlap(".rdata".to_owned())));
    assert_eq!(with(section(4) + 12, &[0, 0x60]), Err(LoadError::SectionOutside(".reloc".to_owned())));
    assert_eq!(with(0x58 + 112 + 8, &[0, 0, 0x10]), Err(LoadError::Directory("import")));
    assert_eq!(with(0x58 + 112 + 3 * 8, &[0xF0, 0x5F]), Err(LoadError::Directory("exception")));
    let truncated = with_region(|region| load(&sound[..sound.len() - 0x200], region).err());
    assert_eq!(truncated, Some(LoadError::Truncated("sections")));
}

#[test]
fn damaged_files_never_bring_the_loader_down() {
    let sound = pe::driver(&[]);
    // xorshift64: any generator will do, but the same files every time.
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as usize % below
    };
    let mut outcomes = [0, 0];
    for _ in 0..20 {
        with_region(|region| {
            for _ in 0..250 {
                let mut file = sound.clone();
                for _ in 0..=random(3) {
                    // Headers and tables; code is not looked at.
                    let at = if random(2) == 0 { random(0x400) } else { 0x600 + random(sound.len() - 0x600) };
                    file[at] = random(256) as u8;
                }
                file.truncate(if random(8) == 0 { random(sound.len()) } else { sound.len() });
                let mut any = |_: &str, name: &str| (name.len() < 100).then_some(1);
                let result = Image::load(&file, "damaged.sys", region, &mut any);
                outcomes[usize::from(result.is_ok())] += 1;
            }
        });
    }
    let [refused, loaded] = outcomes;
    assert!(refused > 500 && loaded > 500, "the damage is too small or too big: {outcomes:?}");
}
