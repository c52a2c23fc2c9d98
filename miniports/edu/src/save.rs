//! Saving what the device would forget, as "IOMMU-based GPU isolation" has it: the save area pinned and filled by the
//! device; when the pin is refused, piece by piece through a buffer of the driver's own; when even a piece is refused,
//! not at all, and the device is set up anew.
//!
//! Edu's one buffer plays a window on banks of memory: before a bank is saved it is loaded with the bank's contents, which
//! the driver draws from a pattern, and after it is restored it is read out and compared.

use core::sync::atomic::{AtomicU8, Ordering};

use dxgk_miniport::abi::callback::PinFrameBufferFlags;
use dxgk_miniport::{
    Adapter, ContiguousMemory, DeviceAddress, Memory, PinnedSaveArea, Placement, Result, SavePiece,
    SharedBuffer, log,
};

use crate::device::PIECE;
use crate::pattern;
use crate::settings::MemoryApi;
use crate::work::{DATA_ERROR, PAGE, Work};

/// The most that is saved, and what the driver reports.
pub(crate) const SAVED: u64 = 4 * PAGE;
/// Banks of a [`PIECE`] in it, and in a page.
const BANKS: u64 = SAVED / PIECE;
const BANKS_IN_PAGE: u64 = PAGE / PIECE;
/// Tells saved data from others.
const SEED: u32 = 0x5A00;
/// The lead of its chain: only it keeps something.
const INDEX: u32 = 0;

/// The driver's own buffer, seen by the device: a page, taken at the start, when there is memory. Its first half stages
/// banks, its second carries pieces when there is no pin.
#[derive(Debug)]
pub(crate) enum Buffer<'a> {
    /// Right in every mode.
    Object(SharedBuffer<'a>),
    /// Right in isolation and without an IOMMU.
    Contiguous(ContiguousMemory<'a>),
}

/// Where the two halves begin.
const STAGE: u64 = 0;
const CARRY: u64 = PIECE;

impl<'a> Buffer<'a> {
    pub(crate) fn allocate(adapter: &'a Adapter, api: MemoryApi) -> Result<Self> {
        match api {
            MemoryApi::Wddm29 => SharedBuffer::allocate(adapter, PAGE).map(Self::Object),
            MemoryApi::Wddm24 => {
                ContiguousMemory::allocate(adapter, PAGE, Placement::ANYWHERE, 0).map(Self::Contiguous)
            }
        }
    }

    /// The memory, and where the buffer begins in it.
    fn memory(&self) -> (&Memory, usize) {
        match self {
            Self::Object(buffer) => (buffer, buffer.start()),
            Self::Contiguous(memory) => (memory, 0),
        }
    }

    fn device_address(&self, offset: u64) -> Result<DeviceAddress<'_>> {
        match self {
            Self::Object(buffer) => buffer.device_address(offset),
            Self::Contiguous(memory) => memory.device_address(offset),
        }
    }
}

/// What became of the device's memory.
#[derive(Debug, Default)]
pub(crate) struct Saved(AtomicU8);

const NOTHING: u8 = 0;
const SAFE: u8 = 1;
const LOST: u8 = 2;

/// A save or a restore under way.
#[derive(Clone, Copy)]
struct Transfer<'w> {
    work: &'w Work<'w>,
    buffer: &'w Buffer<'w>,
}

impl Saved {
    /// Before the power goes.
    pub(crate) fn save(&self, work: &Work<'_>, buffer: &Buffer<'_>) -> Result<()> {
        let transfer = Transfer { work, buffer };
        let kept = transfer.through(Direction::Save)?;
        self.0.store(if kept { SAFE } else { LOST }, Ordering::Relaxed);
        Ok(())
    }

    /// When the power is back. What was lost is not missed: the next round writes the device anew.
    pub(crate) fn restore(&self, work: &Work<'_>, buffer: &Buffer<'_>) -> Result<()> {
        match self.0.swap(NOTHING, Ordering::Relaxed) {
            NOTHING => Ok(()),
            LOST => {
                log!("edu: the device's memory was not saved; it is set up anew");
                Ok(())
            }
            _ => {
                let transfer = Transfer { work, buffer };
                if !transfer.through(Direction::Restore)? {
                    log!("edu: the device's memory cannot be restored; it is set up anew");
                }
                Ok(())
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Save,
    Restore,
}

impl Transfer<'_> {
    /// All banks, in whichever way can be had. False when there is none.
    fn through(self, direction: Direction) -> Result<bool> {
        match self.pin() {
            Ok(area) => {
                for bank in 0..BANKS {
                    self.bank(direction, bank, area.device_address(bank * PIECE)?)?;
                }
                Ok(true)
            }
            Err(status) => {
                log!("edu: the save area cannot be pinned ({:#010x}); going on in pieces", status.0);
                self.in_pieces(direction)
            }
        }
    }

    fn pin(&self) -> Result<PinnedSaveArea<'_>> {
        match self.work.api {
            MemoryApi::Wddm29 => {
                PinnedSaveArea::pin2(self.work.adapter, INDEX, SAVED, PinFrameBufferFlags::PREFER_CONTIGUOUS)
            }
            MemoryApi::Wddm24 => PinnedSaveArea::pin(self.work.adapter, INDEX, SAVED),
        }
    }

    /// A page at a time: mapped, copied, unmapped before the next.
    fn in_pieces(self, direction: Direction) -> Result<bool> {
        for page in 0..SAVED / PAGE {
            let piece = match SavePiece::map(self.work.adapter, INDEX, page * PAGE, PAGE) {
                Ok(piece) => piece,
                Err(status) => {
                    log!("edu: not even a page of the save area can be mapped ({:#010x})", status.0);
                    return Ok(false);
                }
            };
            for nth in 0..BANKS_IN_PAGE {
                let there = (nth * PIECE) as usize;
                let (memory, start) = self.buffer.memory();
                let carried = start + CARRY as usize;
                if direction == Direction::Restore {
                    copy(&piece, there, memory, carried)?;
                }
                let bank = page * BANKS_IN_PAGE + nth;
                self.bank(direction, bank, self.buffer.device_address(CARRY)?)?;
                if direction == Direction::Save {
                    copy(memory, carried, &piece, there)?;
                }
            }
        }
        Ok(true)
    }

    /// One bank, from the device's memory to an address of the device's, or back.
    fn bank(self, direction: Direction, bank: u64, place: DeviceAddress<'_>) -> Result<()> {
        let device = self.work.device;
        let (memory, start) = self.buffer.memory();
        let stage = start + STAGE as usize;
        let seed = SEED | bank as u32;
        if direction == Direction::Save {
            pattern::fill(memory, stage, PIECE as usize, seed)?;
            device.read_ram(self.buffer.device_address(STAGE)?, PIECE)?;
            return device.write_ram(place, PIECE);
        }
        pattern::clear(memory, stage, PIECE as usize)?;
        device.read_ram(place, PIECE)?;
        device.write_ram(self.buffer.device_address(STAGE)?, PIECE)?;
        match pattern::first_difference(memory, stage, PIECE as usize, seed)? {
            None => Ok(()),
            Some(offset) => {
                log!("edu: bank {bank} came back changed at offset {offset:#x}");
                Err(DATA_ERROR)
            }
        }
    }
}

fn copy(from: &Memory, at: usize, to: &Memory, there: usize) -> Result<()> {
    for offset in (0..PIECE as usize).step_by(8) {
        to.write::<u64>(there + offset, from.read::<u64>(at + offset)?)?;
    }
    Ok(())
}
