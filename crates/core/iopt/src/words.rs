//! A table's entries in machine memory.

use core::sync::atomic::{AtomicU64, Ordering};

use dxgk_hw::{FrameSource, MachineMemory, Pfn};

/// Where tables live and where their pages come from.
#[derive(Clone, Copy)]
pub struct Store<'a> {
    /// Machine memory.
    pub memory: &'a dyn MachineMemory,
    /// Frames for tables.
    pub frames: &'a dyn FrameSource,
}

impl Store<'_> {
    /// A zeroed table of `frames` frames.
    pub(crate) fn take_table(&self, frames: u64) -> Option<Pfn> {
        self.frames.take_run(frames)
    }

    pub(crate) fn give_table(&self, table: Pfn, frames: u64) {
        self.frames.give_run(table, frames);
    }
}

/// The entries of one table. Asks memory once per frame, not once per entry.
pub(crate) struct Words<'a> {
    memory: &'a dyn MachineMemory,
    table: Pfn,
    chunk: u64,
    words: &'a [AtomicU64; 512],
}

/// The table is not in RAM.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct OutsideRam;

impl<'a> Words<'a> {
    pub(crate) fn new(memory: &'a dyn MachineMemory, table: Pfn) -> Result<Self, OutsideRam> {
        let words = memory.live(table).ok_or(OutsideRam)?;
        Ok(Self { memory, table, chunk: 0, words })
    }

    fn word(&mut self, index: u64) -> Result<&'a AtomicU64, OutsideRam> {
        let chunk = index >> 9;
        if chunk != self.chunk {
            let frame = self.table.checked_add(chunk).ok_or(OutsideRam)?;
            self.words = self.memory.live(frame).ok_or(OutsideRam)?;
            self.chunk = chunk;
        }
        Ok(&self.words[(index & 511) as usize])
    }

    pub(crate) fn load(&mut self, index: u64) -> Result<u64, OutsideRam> {
        Ok(self.word(index)?.load(Ordering::Relaxed))
    }

    pub(crate) fn store(&mut self, index: u64, value: u64) -> Result<(), OutsideRam> {
        self.word(index)?.store(value, Ordering::Relaxed);
        Ok(())
    }

    /// Stores an entry that makes what was written before reachable.
    pub(crate) fn publish(&mut self, index: u64, value: u64) -> Result<(), OutsideRam> {
        self.word(index)?.store(value, Ordering::Release);
        Ok(())
    }
}
