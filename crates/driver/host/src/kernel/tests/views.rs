//! Views of processes, and pages that are taken from under views.

use std::sync::{Arc, Mutex};

use dxgk_hw::{CacheType, CpuVa, DriverMemory, PAGE_SIZE, PageRun, Pfn, ViewOwner};

use super::{Bench, lock};
use crate::guarded;
use crate::kernel::{self, Pager};

const FRAMES: u64 = 4;

/// Brings each page of one view back to the frame that it had.
struct Bringer {
    base: u64,
    frames: PageRun,
    asked: Mutex<Vec<(u64, bool)>>,
    willing: Mutex<bool>,
}

impl Bringer {
    fn bring(&self, address: CpuVa, at_once: bool) -> bool {
        let page = (address.get() - self.base) / PAGE_SIZE;
        lock(&self.asked).push((page, at_once));
        if !*lock(&self.willing) {
            return false;
        }
        let frame = [PageRun::new(Pfn::new(self.frames.start.get() + page), 1)];
        let kernel = kernel::current().expect("the bench's");
        kernel.put_into_view(CpuVa::new(self.base), page * PAGE_SIZE, &frame).is_ok()
    }
}

impl Pager for Bringer {
    fn page_in(&self, address: CpuVa) -> bool {
        self.bring(address, false)
    }

    fn page_in_at_once(&self, address: CpuVa) -> bool {
        self.bring(address, true)
    }
}

fn view(bench: &Bench, owner: ViewOwner) -> (u64, PageRun) {
    let frames = bench.kernel().pages.take(FRAMES).expect("frames");
    let base = bench.kernel().map_view(&[frames], CacheType::Cached, owner).expect("room");
    (base.get(), frames)
}

fn bringer(bench: &Bench, base: u64, frames: PageRun) -> Arc<Bringer> {
    let bringer = Bringer { base, frames, asked: Mutex::default(), willing: Mutex::new(true) };
    let bringer = Arc::new(bringer);
    bench.kernel().set_pager(Arc::clone(&bringer) as _);
    bringer
}

fn reads(address: u64) -> Option<u8> {
    let mut byte = [0];
    guarded::read(address, &mut byte).ok().map(|()| byte[0])
}

fn physical(bench: &Bench, address: u64) -> Option<u64> {
    bench.kernel().space().with_map(|map| map.physical(CpuVa::new(address))).map(|at| at.get())
}

/// Shows S-ACC-03.
#[test]
fn a_user_view_is_there_only_while_its_process_is_the_current_one() {
    let bench = Bench::new();
    bench.kernel().switch_process(1);
    let (one, frames) = view(&bench, ViewOwner::Process(1));
    let (kernels, _) = view(&bench, ViewOwner::Kernel);
    assert!(one <= crate::layout::HIGHEST_USER_ADDRESS && kernels > crate::layout::HIGHEST_USER_ADDRESS);
    guarded::write(one, &[7]).expect("its own");
    assert_eq!(physical(&bench, one), Some(frames.start.get() * PAGE_SIZE));
    bench.kernel().switch_process(2);
    assert_eq!((reads(one), physical(&bench, one)), (None, None), "another process's");
    assert_eq!(reads(kernels), Some(0), "the kernel's is in every process");
    let (other, _) = view(&bench, ViewOwner::Process(2));
    guarded::write(other, &[9]).expect("its own");
    bench.kernel().switch_process(1);
    assert_eq!((reads(one), reads(other)), (Some(7), None));
    bench.kernel().switch_process(0);
    assert_eq!((reads(one), reads(other)), (None, None), "nor are they the system process's");
    bench.kernel().unmap_view(CpuVa::new(one), FRAMES * PAGE_SIZE);
    bench.kernel().switch_process(1);
    assert_eq!(reads(one), None, "gone for good");
}

#[test]
fn a_view_for_reading_only_stays_one_through_switches() {
    let bench = Bench::new();
    bench.kernel().switch_process(1);
    let (base, _) = view(&bench, ViewOwner::Process(1));
    bench.kernel().make_view_read_only(CpuVa::new(base), FRAMES * PAGE_SIZE).expect("possible");
    for process in [1, 2, 1] {
        bench.kernel().switch_process(process);
        assert_eq!(reads(base).is_some(), process == 1);
        assert!(guarded::write(base, &[1]).is_err());
    }
}

#[test]
fn a_page_that_was_taken_comes_back_when_it_is_touched_with_what_it_held() {
    let bench = Bench::new();
    let (base, frames) = view(&bench, ViewOwner::Kernel);
    let bringer = bringer(&bench, base, frames);
    for page in 0..FRAMES {
        guarded::write(base + page * PAGE_SIZE, &[page as u8 + 1]).expect("there");
    }
    bench.kernel().take_from_view(CpuVa::new(base), PAGE_SIZE, 2).expect("possible");
    assert_eq!(physical(&bench, base + PAGE_SIZE), None);
    assert_eq!(reads(base), Some(1));
    assert_eq!(lock(&bringer.asked).len(), 0, "its neighbour is there");
    assert_eq!(reads(base + PAGE_SIZE + 5).map(|_| reads(base + PAGE_SIZE)), Some(Some(2)));
    // The driver's own touch, in a routine that it imports, is made again.
    let to = bench.scratch;
    bench.call("memcpy", &[to, base + 2 * PAGE_SIZE, 1]);
    assert_eq!(reads(to), Some(3));
    assert_eq!(lock(&bringer.asked).iter().map(|(page, _)| *page).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(physical(&bench, base + PAGE_SIZE), Some((frames.start.get() + 1) * PAGE_SIZE));
    bench.kernel().unmap_view(CpuVa::new(base), FRAMES * PAGE_SIZE);
    assert_eq!(reads(base + PAGE_SIZE), None);
}

#[test]
fn a_page_taken_from_a_hidden_view_is_missed_only_in_its_process() {
    let bench = Bench::new();
    bench.kernel().switch_process(1);
    let (base, frames) = view(&bench, ViewOwner::Process(1));
    let bringer = bringer(&bench, base, frames);
    guarded::write(base, &[4]).expect("there");
    bench.kernel().switch_process(2);
    bench.kernel().take_from_view(CpuVa::new(base), 0, 1).expect("possible");
    assert_eq!(reads(base), None);
    assert_eq!(lock(&bringer.asked).len(), 0, "nobody is asked on another process's behalf");
    bench.kernel().switch_process(1);
    assert_eq!(physical(&bench, base), None);
    assert_eq!(reads(base), Some(4));
    assert_eq!(lock(&bringer.asked).len(), 1);
}

#[test]
fn without_a_pager_no_page_is_taken_and_one_that_does_not_come_back_is_inaccessible() {
    let bench = Bench::new();
    let (base, frames) = view(&bench, ViewOwner::Kernel);
    assert!(bench.kernel().take_from_view(CpuVa::new(base), 0, 1).is_err());
    assert_eq!(reads(base), Some(0));
    let bringer = bringer(&bench, base, frames);
    *lock(&bringer.willing) = false;
    bench.kernel().take_from_view(CpuVa::new(base), 0, 1).expect("possible");
    assert_eq!(reads(base), None);
    *lock(&bringer.willing) = true;
    assert_eq!(reads(base), Some(0));
}

#[test]
fn an_mdl_of_a_pageable_view_is_locked_with_the_pages_back_in_place() {
    let bench = Bench::new();
    let (base, frames) = view(&bench, ViewOwner::Kernel);
    let bringer = bringer(&bench, base, frames);
    bench.kernel().take_from_view(CpuVa::new(base), 0, 2).expect("possible");
    let mdl = bench.call("IoAllocateMdl", &[base, 2 * PAGE_SIZE, 0, 0, 0]);
    bench.call("MmProbeAndLockPages", &[mdl, 0, 1]);
    assert_eq!(lock(&bringer.asked).len(), 2);
    let mut numbers = Vec::new();
    bench.kernel().mdl_pages(CpuVa::new(mdl), 2, &mut |page| numbers.push(page.get())).expect("locked");
    assert_eq!(numbers, [frames.start.get(), frames.start.get() + 1]);
    bench.call("MmUnlockPages", &[mdl]);
    bench.call("IoFreeMdl", &[mdl]);
}
