//! Exports, called as a driver calls them: through their doors, on a processor.

mod displib;
mod drivers;
mod library;
mod mdl;
mod mm_routines;
mod order;
mod pool;
mod print;
mod public_imports;
mod registry;
mod sync;
mod views;

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex};

use dxgk_abi::BugCheck;
use dxgk_event::{Event, EventId, EventSink, ListRef, digest};
use dxgk_hw::{CacheType, CpuVa, PAGE_SIZE, PageRun, Pfn, PhysAddr, ViewOwner};

use super::memory;
use super::space::lock;
use super::{Installed, IoSpace, Kernel, KernelParts, PoolKind, PoolPages, RamFile, Registry, TimePassing};
use crate::layout::RunGuard;
use crate::{CallOutcome, Processor, StopReason, call_driver};

/// Frames of RAM in a test's machine, from frame 0.
const FRAMES: u64 = 2048;

struct TestRam(File);

impl RamFile for TestRam {
    fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    fn file_offset(&self, pfn: Pfn) -> Option<u64> {
        (pfn.get() < FRAMES).then(|| pfn.get() * PAGE_SIZE)
    }
}

/// Frames, handed out from the top. Where `scattered`, never two in a row that follow each other.
struct TestPages {
    free: Mutex<Vec<u64>>,
    scattered: bool,
}

impl TestPages {
    fn left(&self) -> usize {
        lock(&self.free).len()
    }
}

impl PoolPages for TestPages {
    fn take(&self, pages: u64) -> Option<PageRun> {
        if self.scattered && pages > 1 {
            return None;
        }
        if self.scattered {
            let mut free = lock(&self.free);
            let middle = free.len() / 2;
            return (!free.is_empty()).then(|| PageRun::new(Pfn::new(free.remove(middle)), 1));
        }
        self.take_within(pages, PhysAddr::new(0), PhysAddr::new(u64::MAX), 0)
    }

    fn take_within(&self, pages: u64, lowest: PhysAddr, highest: PhysAddr, boundary: u64) -> Option<PageRun> {
        let mut free = lock(&self.free);
        free.sort_unstable();
        let fits = |start: u64| {
            let (first, last) = (start * PAGE_SIZE, (start + pages) * PAGE_SIZE - 1);
            let crosses = boundary != 0 && first / boundary != last / boundary;
            first >= lowest.get() && last <= highest.get() && !crosses
        };
        let at = (0..free.len()).rev().find(|at| {
            let end = at + pages as usize;
            end <= free.len() && free[end - 1] == free[*at] + pages - 1 && fits(free[*at])
        })?;
        let start = free[at];
        free.drain(at..at + pages as usize);
        Some(PageRun::new(Pfn::new(start), pages))
    }

    fn hold(&self, _runs: &[PageRun]) -> bool {
        true
    }

    fn release(&self, _runs: &[PageRun]) {}

    fn give(&self, run: PageRun) {
        let mut free = lock(&self.free);
        for frame in run.start.get()..run.start.get() + run.pages {
            assert!(!free.contains(&frame), "frame {frame} given back twice");
            free.push(frame);
        }
    }
}

/// One device with a megabyte of memory at 0xE0000000; its windows are never readable here.
#[derive(Default)]
struct TestDevice {
    mapped: Mutex<Vec<(u64, u64)>>,
}

impl IoSpace for TestDevice {
    fn map(&self, base: PhysAddr, bytes: u64, _cache: CacheType, _owner: ViewOwner) -> Option<CpuVa> {
        let offset = base.get().checked_sub(0xE000_0000).filter(|offset| offset + bytes <= 1 << 20)?;
        let va = 0x7000_0000_0000 + offset;
        lock(&self.mapped).push((va, bytes));
        Some(CpuVa::new(va))
    }

    fn unmap(&self, va: CpuVa, bytes: u64) {
        lock(&self.mapped).retain(|window| *window != (va.get(), bytes));
    }

    fn enter_process(&self, _process: u32) {}
}

#[derive(Default)]
struct TestTime {
    passed: Mutex<u64>,
    /// A device in real time: how long each of its next actions takes, and how long it was given for each.
    outside: Mutex<(Vec<u64>, Vec<Option<u64>>)>,
}

impl TimePassing for TestTime {
    fn passed(&self, hundreds: u64) {
        *lock(&self.passed) += hundreds;
    }

    fn idle(&self) -> bool {
        false
    }

    fn wait_outside(&self, most: Option<u64>) -> Option<u64> {
        let mut outside = lock(&self.outside);
        outside.1.push(most);
        outside.0.pop()
    }
}

#[derive(Default)]
struct TestSink {
    events: Mutex<Vec<Event>>,
    lists: Mutex<Vec<u64>>,
}

impl EventSink for TestSink {
    fn emit(&self, event: &Event) -> EventId {
        let mut events = lock(&self.events);
        events.push(*event);
        EventId(events.len() as u64)
    }

    fn list(&self, words: &mut dyn Iterator<Item = u64>) -> ListRef {
        let words: Vec<u64> = words.collect();
        let mut lists = lock(&self.lists);
        let first = lists.len() as u32;
        lists.extend_from_slice(&words);
        ListRef { first, count: words.len() as u32, digest: digest(&words) }
    }
}

/// A kernel on this thread, and a page of scratch memory for arguments.
struct Bench {
    // In the order of drop: the processor forgets the kernel before it goes.
    installed: Installed,
    _processor: Processor,
    run: RunGuard,
    sink: Arc<TestSink>,
    pages: Arc<TestPages>,
    device: Arc<TestDevice>,
    time: Arc<TestTime>,
    scratch: u64,
}

impl Bench {
    fn new() -> Self {
        Self::with(false, Registry::default())
    }

    fn with(scattered: bool, registry: Registry) -> Self {
        Self::with_pool(scattered, registry, PoolKind::Fast)
    }

    fn with_pool(scattered: bool, registry: Registry, pool: PoolKind) -> Self {
        let run = RunGuard::acquire();
        let processor = Processor::attach(&run).expect("a processor");
        let file = tempfile::tempfile().expect("a file");
        file.set_len(FRAMES * PAGE_SIZE).expect("its length");
        let sink = Arc::new(TestSink::default());
        let pages = Arc::new(TestPages { free: Mutex::new((1..FRAMES).collect()), scattered });
        let (device, time) = (Arc::new(TestDevice::default()), Arc::new(TestTime::default()));
        let parts = KernelParts {
            events: Arc::clone(&sink) as Arc<dyn EventSink>,
            ram: Arc::new(TestRam(file)),
            pages: Arc::clone(&pages) as Arc<dyn PoolPages>,
            io: Arc::clone(&device) as Arc<dyn IoSpace>,
            time: Arc::clone(&time) as Arc<dyn TimePassing>,
            registry,
            pool,
        };
        let kernel = Arc::new(Kernel::new(parts, &run).expect("a kernel"));
        let scratch = kernel.space().map_host(1 << 16).expect("scratch memory").get();
        let installed = kernel.install();
        Self { installed, _processor: processor, run, sink, pages, device, time, scratch }
    }

    fn kernel(&self) -> &Kernel {
        self.installed.kernel()
    }

    fn address(&self, name: &str) -> u64 {
        self.kernel().resolve("NTOSKRNL.exe", name).unwrap_or_else(|| panic!("no export {name}")).address
    }

    /// Calls an export that returns.
    fn call(&self, name: &str, arguments: &[u64]) -> u64 {
        match call_driver(self.address(name), arguments) {
            CallOutcome::Returned(value) => value,
            CallOutcome::Stopped(reason) => panic!("{name} stopped: {reason}"),
        }
    }

    /// Calls an export that returns an NTSTATUS or another 32-bit number.
    fn status(&self, name: &str, arguments: &[u64]) -> u32 {
        self.call(name, arguments) as u32
    }

    /// Calls an export with which the machine stops; the code and its parameters.
    fn stops(&self, name: &str, arguments: &[u64]) -> (BugCheck, [u64; 4]) {
        match call_driver(self.address(name), arguments) {
            CallOutcome::Stopped(StopReason::BugCheck { code, parameters, .. }) => (code, parameters),
            other => panic!("{name}: {other}"),
        }
    }

    /// Places bytes at `offset` of the scratch memory; their address.
    fn place(&self, offset: u64, bytes: &[u8]) -> u64 {
        memory::write_bytes(self.scratch + offset, bytes).expect("scratch memory");
        self.scratch + offset
    }

    /// Places a text as a UNICODE_STRING with its buffer behind it.
    fn unicode(&self, offset: u64, text: &str) -> u64 {
        let bytes: Vec<u8> = text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
        let buffer = self.place(offset + 16, &bytes);
        let lengths = (bytes.len() as u64 - 2) | (bytes.len() as u64) << 16;
        self.place(offset, &[lengths.to_le_bytes(), buffer.to_le_bytes()].concat())
    }

    fn events(&self) -> Vec<Event> {
        lock(&self.sink.events).clone()
    }

    fn list(&self, list: ListRef) -> Vec<u64> {
        lock(&self.sink.lists)[list.first as usize..][..list.count as usize].to_vec()
    }
}

fn get<T: zerocopy::FromBytes + zerocopy::IntoBytes>(address: u64) -> T {
    memory::read(address).expect("readable")
}

#[test]
fn every_export_has_its_own_name_and_an_address_in_both_modules() {
    let bench = Bench::new();
    let names: Vec<&str> = bench.kernel().export_names().collect();
    let distinct: std::collections::BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(distinct.len(), names.len());
    for name in names {
        let export = bench.kernel().resolve("ntoskrnl.exe", name).unwrap();
        assert_ne!(export.address, 0, "{name}");
        assert_eq!(bench.kernel().resolve("HAL.dll", name), Some(export));
    }
    assert_eq!(bench.kernel().resolve("ntoskrnl.exe", "NoSuchRoutine"), None);
    assert_eq!(bench.kernel().resolve("watchdog.sys", "memcpy"), None);
}

#[test]
fn data_exports_are_variables_that_hold_what_the_layout_says() {
    let bench = Bench::new();
    assert_eq!(get::<u64>(bench.address("MmUserProbeAddress")), crate::layout::USER_PROBE_ADDRESS);
    assert_eq!(get::<u64>(bench.address("MmHighestUserAddress")), crate::layout::HIGHEST_USER_ADDRESS);
    assert_eq!(get::<u8>(bench.address("KdDebuggerNotPresent")), 1);
    assert_eq!(get::<u8>(bench.address("KeNumberProcessors")), 1);
    let types = [get::<u64>(bench.address("PsThreadType")), get::<u64>(bench.address("IoFileObjectType"))];
    assert!(types[0] != 0 && types[1] != 0 && types[0] != types[1]);
}

#[test]
fn the_leaf_routines_copy_fill_and_compare() {
    let bench = Bench::new();
    let from = bench.place(0, b"hello, world");
    let to = bench.scratch + 64;
    assert_eq!(bench.call("memcpy", &[to, from, 12]), to);
    assert_eq!(bench.status("memcmp", &[to, from, 12]), 0);
    bench.call("memset", &[to + 5, u64::from(b'!'), 2]);
    assert_eq!(get::<[u8; 12]>(to), *b"hello!!world");
    assert_ne!(bench.status("memcmp", &[to, from, 12]), 0);
    // Overlapping, upwards.
    bench.call("memmove", &[to + 1, to, 11]);
    assert_eq!(get::<[u8; 12]>(to), *b"hhello!!worl");
}
