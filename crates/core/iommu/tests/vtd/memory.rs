//! A few frames of RAM, in a vector.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use dxgk_hw::{FrameSource, MachineMemory, NotRam, PAGE_SIZE, PageRun, Pfn, PhysAddr, RamRange};

/// RAM from [`BASE`] on, and a stack of free frames in it.
pub(crate) struct Ram {
    ranges: [RamRange; 1],
    pages: Vec<[AtomicU64; 512]>,
    free: Mutex<Vec<Pfn>>,
}

/// First frame of RAM.
pub(crate) const BASE: u64 = 0x100;

impl Ram {
    pub(crate) fn with_frames(frames: u64) -> Self {
        Self {
            ranges: [RamRange { start: PhysAddr::new(BASE * PAGE_SIZE), bytes: frames * PAGE_SIZE, node: 0 }],
            pages: (0..frames).map(|_| std::array::from_fn(|_| AtomicU64::new(0))).collect(),
            free: Mutex::new((BASE..BASE + frames).rev().map(Pfn::new).collect()),
        }
    }

    pub(crate) fn free(&self) -> usize {
        self.free.lock().unwrap().len()
    }
}

impl MachineMemory for Ram {
    fn ranges(&self) -> &[RamRange] {
        &self.ranges
    }

    fn live(&self, frame: Pfn) -> Option<&[AtomicU64; 512]> {
        self.pages.get(usize::try_from(frame.get().checked_sub(BASE)?).ok()?)
    }

    fn fill(&self, run: PageRun, _pattern: u64) -> Result<(), NotRam> {
        Err(NotRam(run.start.address()))
    }

    fn read(&self, at: PhysAddr, _out: &mut [u8]) -> Result<(), NotRam> {
        Err(NotRam(at))
    }

    fn write(&self, at: PhysAddr, _bytes: &[u8]) -> Result<(), NotRam> {
        Err(NotRam(at))
    }
}

impl FrameSource for Ram {
    fn take_frame(&self) -> Option<Pfn> {
        let frame = self.free.lock().unwrap().pop()?;
        for word in self.live(frame).unwrap() {
            word.store(0, Ordering::Relaxed);
        }
        Some(frame)
    }

    fn give_frame(&self, frame: Pfn) {
        let mut free = self.free.lock().unwrap();
        assert!(!free.contains(&frame), "{frame:?} is given back twice");
        free.push(frame);
    }
}
