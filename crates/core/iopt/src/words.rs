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
        meter::load();
        Ok(self.word(index)?.load(Ordering::Relaxed))
    }

    pub(crate) fn store(&mut self, index: u64, value: u64) -> Result<(), OutsideRam> {
        meter::store();
        self.word(index)?.store(value, Ordering::Relaxed);
        Ok(())
    }

    /// Changes an entry that hardware may write to at the same time. Returns what was there before.
    pub(crate) fn update(&mut self, index: u64, change: impl Fn(u64) -> u64) -> Result<u64, OutsideRam> {
        meter::store();
        let word = self.word(index)?;
        let updated = word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |old| Some(change(old)));
        let (Ok(before) | Err(before)) = updated;
        Ok(before)
    }

    /// Stores an entry that makes what was written before reachable.
    pub(crate) fn publish(&mut self, index: u64, value: u64) -> Result<(), OutsideRam> {
        meter::store();
        self.word(index)?.store(value, Ordering::Release);
        Ok(())
    }
}

/// What the tests of effort count; nothing elsewhere.
#[cfg(not(test))]
pub(crate) mod meter {
    pub(crate) const fn load() {}
    pub(crate) const fn store() {}
    pub(crate) const fn descent() {}
}

/// What the tests of effort count, a thread for itself.
#[cfg(test)]
pub(crate) mod meter {
    extern crate std;

    use core::cell::Cell;

    /// Accesses to entries, and descents from the root.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub(crate) struct Effort {
        pub(crate) loads: u64,
        pub(crate) stores: u64,
        pub(crate) descents: u64,
    }

    std::thread_local! {
        static EFFORT: Cell<Effort> = const { Cell::new(Effort { loads: 0, stores: 0, descents: 0 }) };
    }

    fn add(change: impl Fn(&mut Effort)) {
        EFFORT.with(|cell| {
            let mut effort = cell.get();
            change(&mut effort);
            cell.set(effort);
        });
    }

    pub(crate) fn load() {
        add(|effort| effort.loads += 1);
    }

    pub(crate) fn store() {
        add(|effort| effort.stores += 1);
    }

    pub(crate) fn descent() {
        add(|effort| effort.descents += 1);
    }

    /// The effort since the last call.
    pub(crate) fn take() -> Effort {
        EFFORT.with(Cell::take)
    }
}
