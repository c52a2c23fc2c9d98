//! Damaged symbols: no panic gets out, nothing takes long, and lines of another build are not shown.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::bounded::Bounded;
use super::{contained, dwarf, find, image, pdb};

/// A generator of numbers (xorshift64), so that a failure comes again.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// A driver and its PDB: the sample's, or KMDOD's.
fn driver_and_pdb() -> Option<(PathBuf, PathBuf)> {
    let named = |name: &str| std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
    let sample = named("DXGK_EDU_SYS").map(|sys| (sys.clone(), sys.with_file_name("dxgk_miniport_edu.pdb")));
    let public = named("DXGK_DRIVERS").map(|folder| (folder.join("KMDOD.sys"), folder.join("KMDOD.pdb")));
    let found = sample.into_iter().chain(public).find(|(sys, pdb)| sys.is_file() && pdb.is_file());
    if found.is_none() {
        #[expect(clippy::print_stderr, reason = "a skip must be seen")]
        {
            eprintln!("SKIPPED: neither DXGK_EDU_SYS nor DXGK_DRIVERS names a driver with a PDB");
        }
    }
    found
}

fn damage(bytes: &mut [u8], numbers: &mut Numbers) {
    for _ in 0..1 + numbers.below(16) {
        // The header and the last pages, where the linkers put the directory, are small targets otherwise.
        let at = match numbers.below(4) {
            0 => numbers.below(64),
            1 => bytes.len() - 1 - numbers.below(0x3000),
            _ => numbers.below(bytes.len()),
        };
        let value = match numbers.below(3) {
            0 => 0xFF,
            1 => 0,
            _ => numbers.next() as u8,
        };
        if let Some(byte) = bytes.get_mut(at) {
            *byte = value;
        }
    }
}

#[test]
fn a_damaged_pdb_costs_no_panic_and_no_time() {
    let Some((_, path)) = driver_and_pdb() else { return };
    let good = std::fs::read(path).expect("the PDB");
    let whole = pdb::Pdb::read(Bounded::memory(&good)).expect("undamaged").frames(0x1010).expect("frames");
    assert!(!whole.is_empty(), "the address that is asked for has no function");
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    let (mut usable, mut panics) = (0, 0);
    for round in 0..400 {
        let mut bytes = good.clone();
        damage(&mut bytes, &mut numbers);
        if round % 8 == 0 {
            bytes.truncate(numbers.below(good.len()));
        }
        let start = Instant::now();
        let ended = contained::run(|| {
            let mut pdb = pdb::Pdb::read(Bounded::memory(&bytes)).ok()?;
            (0..32).map(|_| 0x1000 + numbers.below(0x8000) as u32).try_for_each(|rva| {
                let _ = pdb.frames(rva);
                Some(())
            })
        });
        match ended {
            Ok(done) => usable += usize::from(done.is_some()),
            Err(contained::Panicked) => panics += 1,
        }
        assert!(start.elapsed() < Duration::from_secs(20), "round {round} took {:?}", start.elapsed());
    }
    assert!(usable > 100, "the damage was too great to test anything: {usable} usable, {panics} panics");
}

#[test]
fn a_pdb_whose_streams_are_longer_than_itself_is_refused() {
    use pdb2::{Source, SourceSlice};
    let mut source = Bounded::memory(&[0; 4096]);
    let page = SourceSlice { offset: 0, size: 4096 };
    assert!(source.view(&[page]).is_ok());
    assert!(source.view(&vec![page; 1 << 16]).is_err(), "256 MiB of a file of 4 KiB");
    assert!(source.view(&[SourceSlice { offset: 4096, size: 1 }]).is_err());
    assert!(source.view(&[SourceSlice { offset: u64::MAX, size: 4096 }]).is_err());
}

#[test]
fn a_pdb_of_another_build_is_refused_and_said_so() {
    let Some((sys, path)) = driver_and_pdb() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let name = path.file_name().expect("a name");
    let mut driver = std::fs::read(&sys).expect("the driver");
    std::fs::copy(&path, folder.path().join(name)).expect("a copy");
    let look = |driver: &[u8]| {
        let mut notes = Vec::new();
        let found = find::of_driver(&sys, driver, Some(folder.path()), &mut notes);
        (found.is_some(), notes)
    };
    assert_eq!(look(&driver), (true, vec![]));
    let record = driver.windows(4).position(|bytes| bytes == b"RSDS").expect("the record");
    driver[record + 4] ^= 1;
    let (found, notes) = look(&driver);
    assert!(!found, "symbols of another build were taken");
    let [note] = notes.as_slice() else { panic!("{notes:?}") };
    assert!(note.contains("another build") && note.contains(&*name.to_string_lossy()), "{note}");
}

#[test]
fn damaged_drivers_and_dwarf_are_refused_quietly() {
    let program = std::fs::read("/proc/self/exe").expect("this program");
    // Headers and section table: what lies between is data that only a reader of DWARF sees.
    let mut numbers = Numbers(1);
    for length in [0, 1, 64, 4096, program.len() / 2] {
        let part = program.get(..length).unwrap_or_default();
        assert!(contained::run(|| dwarf::Dwarf::read(part)).is_ok());
        assert!(contained::run(|| image::read(part)).is_ok());
    }
    let Some((sys, _)) = driver_and_pdb() else { return };
    let good = std::fs::read(sys).expect("the driver");
    for _ in 0..2000 {
        let mut bytes = good.clone();
        for _ in 0..8 {
            let at = numbers.below(0x400.min(bytes.len()));
            bytes[at] = numbers.next() as u8;
        }
        assert!(contained::run(|| image::read(&bytes)).is_ok(), "reading a damaged driver panicked");
        assert!(contained::run(|| dwarf::Dwarf::read(&bytes)).is_ok());
    }
}

#[test]
fn this_program_knows_its_own_functions() {
    let mut notes = Vec::new();
    let mut found = find::of_this_program(&mut notes).expect("a test is built with debug information");
    assert_eq!(notes, Vec::<String>::new());
    let here = this_program_knows_its_own_functions as fn() as usize as u64;
    let maps = std::fs::read_to_string("/proc/self/maps").expect("maps");
    let exe = std::env::current_exe().expect("a path");
    let exe: &Path = &exe;
    let first = maps.lines().find(|line| line.ends_with(&*exe.to_string_lossy())).expect("a mapping");
    let base = u64::from_str_radix(first.split('-').next().unwrap_or(""), 16).expect("an address");
    let frames = found.frames(here - base).expect("frames");
    let told = frames.last().and_then(|frame| frame.function.clone()).unwrap_or_default();
    assert!(told.contains("this_program_knows_its_own_functions"), "{frames:?}");
    assert!(frames.iter().any(|frame| frame.file.as_deref().is_some_and(|file| file.ends_with("tests.rs"))));
}

#[test]
fn the_entry_points_of_clang_made_drivers_are_named_with_their_source() {
    use object::Object;
    let Some(folder) = std::env::var_os("DXGK_DRIVERS").filter(|path| !path.is_empty()).map(PathBuf::from)
    else {
        #[expect(clippy::print_stderr, reason = "a skip must be seen")]
        {
            eprintln!("SKIPPED: DXGK_DRIVERS names no folder of public drivers; their PDBs are not tested");
        }
        return;
    };
    let sys = folder.join("KMDOD_debug.sys");
    let bytes = std::fs::read(&sys).expect("KMDOD_debug.sys");
    let file = object::read::pe::PeFile64::parse(&*bytes).expect("a PE file");
    let entry = file.entry() - file.relative_address_base();
    let mut notes = Vec::new();
    let mut found = find::of_driver(&sys, &bytes, None, &mut notes).unwrap_or_else(|| panic!("{notes:?}"));
    assert_eq!(notes, Vec::<String>::new());
    let frames = found.frames(entry).expect("frames");
    let [frame] = frames.as_slice() else { panic!("{frames:?}") };
    assert_eq!(frame.function.as_deref(), Some("DriverEntry"));
    let source = frame.file.as_deref().unwrap_or_default();
    assert!(source.ends_with("bdd_ddi.cxx") && frame.line > Some(0), "{frame:?}");
}
