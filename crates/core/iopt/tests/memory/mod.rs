//! A few frames of RAM, in a vector.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use dxgk_hw::{FrameSource, MachineMemory, NotRam, PAGE_SIZE, PageRun, Pfn, PhysAddr, RamRange};

/// RAM from [`BASE`] on, and which of its frames are free.
pub(crate) struct Ram {
    ranges: [RamRange; 1],
    pages: Vec<[AtomicU64; 512]>,
    free: Mutex<Vec<bool>>,
}

/// First frame of RAM.
pub(crate) const BASE: u64 = 0x100;

impl Ram {
    pub(crate) fn with_frames(frames: u64) -> Self {
        Self {
            ranges: [RamRange { start: PhysAddr::new(BASE * PAGE_SIZE), bytes: frames * PAGE_SIZE, node: 0 }],
            pages: (0..frames).map(|_| std::array::from_fn(|_| AtomicU64::new(0))).collect(),
            free: Mutex::new(vec![true; frames as usize]),
        }
    }

    pub(crate) fn free(&self) -> usize {
        self.free.lock().unwrap().iter().filter(|free| **free).count()
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
        self.take_run(1)
    }

    /// The lowest place that is free, zeroed.
    fn take_run(&self, frames: u64) -> Option<Pfn> {
        let mut free = self.free.lock().unwrap();
        let first = (BASE.next_multiple_of(frames)..BASE + free.len() as u64)
            .step_by(frames as usize)
            .map(|frame| (frame - BASE) as usize)
            .find(|&at| free.get(at..at + frames as usize).is_some_and(|run| run.iter().all(|free| *free)))?;
        free[first..first + frames as usize].fill(false);
        for word in self.pages[first..first + frames as usize].iter().flatten() {
            word.store(0, Ordering::Relaxed);
        }
        Some(Pfn::new(BASE + first as u64))
    }

    /// Whoever still walks it finds nonsense.
    fn give_frame(&self, frame: Pfn) {
        let at = (frame.get() - BASE) as usize;
        for word in &self.pages[at] {
            word.store(!0, Ordering::Relaxed);
        }
        let before = std::mem::replace(&mut self.free.lock().unwrap()[at], true);
        assert!(!before, "{frame:?} is given back twice");
    }
}
