//! The handles that a driver holds.
//!
//! One table for every kind. A handle is a number in the upper half of the address space, as kernel pointers are, so
//! that it is neither a small integer nor an address of RAM; it names a slot, the slot's generation and the kind. A
//! slot whose generations are used up is never used again, so a stale handle never names another object. Handles are
//! the same in every run.
//!
//! Bits: 63..47 ones, 46..43 kind, 42..23 generation, 22..4 slot, 3..0 zero.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use dxgk_abi::{Handle, NtStatus};

use crate::error::CallError;
use crate::low_resources::{Allocation, LowResources};

/// What a handle names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum HandleKind {
    /// A physical adapter (`DeviceHandle`, `hAdapter`).
    Adapter = 1,
    /// Pages from AllocatePagesForMdl.
    MdlPages = 2,
    /// A mapping made by MapMdlToIoMmu.
    MdlMap = 3,
    /// A physical memory object.
    PhysicalMemory = 4,
    /// An adapter memory object.
    AdapterMemory = 5,
    /// Memory from AllocateContiguousMemory.
    ContiguousMemory = 6,
}

impl HandleKind {
    fn from_bits(bits: u64) -> Option<Self> {
        match bits {
            1 => Some(Self::Adapter),
            2 => Some(Self::MdlPages),
            3 => Some(Self::MdlMap),
            4 => Some(Self::PhysicalMemory),
            5 => Some(Self::AdapterMemory),
            6 => Some(Self::ContiguousMemory),
            _ => None,
        }
    }
}

/// What is wrong with a handle. A driver sees STATUS_INVALID_HANDLE for each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HandleError {
    /// Null.
    Null,
    /// Never given out.
    Unknown,
    /// Given out once, closed since.
    Stale,
    /// A live handle of this other kind.
    WrongKind(HandleKind),
    /// A live handle of another adapter's object.
    ForeignAdapter,
}

impl fmt::Display for HandleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => write!(f, "the handle is null"),
            Self::Unknown => write!(f, "the handle was never given out"),
            Self::Stale => write!(f, "the handle was closed before"),
            Self::WrongKind(kind) => write!(f, "the handle is of another kind ({kind:?})"),
            Self::ForeignAdapter => write!(f, "the handle is another adapter's"),
        }
    }
}

impl core::error::Error for HandleError {}

impl From<HandleError> for CallError {
    fn from(_: HandleError) -> Self {
        Self::Status(NtStatus::INVALID_HANDLE)
    }
}

const PREFIX: u64 = 0xffff_8000_0000_0000;
const KIND_SHIFT: u32 = 43;
const GENERATION_SHIFT: u32 = 23;
const GENERATION_BITS: u32 = 20;
const SLOT_SHIFT: u32 = 4;
const SLOT_BITS: u32 = 19;

struct Slot<T> {
    generation: u32,
    kind: HandleKind,
    value: Option<T>,
}

/// The table.
pub(crate) struct HandleTable<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    low: Arc<LowResources>,
}

impl<T> HandleTable<T> {
    pub(crate) fn new(low: Arc<LowResources>) -> Self {
        Self { slots: Vec::new(), free: Vec::new(), low }
    }

    fn encode(slot: u32, generation: u32, kind: HandleKind) -> Handle {
        Handle(
            PREFIX
                | (kind as u64) << KIND_SHIFT
                | u64::from(generation) << GENERATION_SHIFT
                | u64::from(slot) << SLOT_SHIFT,
        )
    }

    fn slot_of(handle: Handle) -> usize {
        ((handle.0 >> SLOT_SHIFT) & ((1 << SLOT_BITS) - 1)) as usize
    }

    /// Puts a value in; gives it back when all slots are taken.
    pub(crate) fn insert(&mut self, kind: HandleKind, value: T) -> Result<Handle, T> {
        if self.low.refuses(Allocation::Handle) {
            return Err(value);
        }
        if let Some(index) = self.free.pop()
            && let Some(slot) = self.slots.get_mut(index as usize)
        {
            slot.generation += 1;
            slot.kind = kind;
            slot.value = Some(value);
            return Ok(Self::encode(index, slot.generation, kind));
        }
        let index = self.slots.len() as u32;
        if index >= 1 << SLOT_BITS {
            return Err(value);
        }
        self.slots.push(Slot { generation: 1, kind, value: Some(value) });
        Ok(Self::encode(index, 1, kind))
    }

    /// The slot of a live handle of the kind.
    fn check(&self, handle: Handle, kind: HandleKind) -> Result<usize, HandleError> {
        if handle.is_null() {
            return Err(HandleError::Null);
        }
        let bits = handle.0;
        let index = Self::slot_of(handle);
        let generation = ((bits >> GENERATION_SHIFT) & ((1 << GENERATION_BITS) - 1)) as u32;
        let named = HandleKind::from_bits((bits >> KIND_SHIFT) & 0xf).ok_or(HandleError::Unknown)?;
        let slot = self.slots.get(index).ok_or(HandleError::Unknown)?;
        if Self::encode(index as u32, generation, named) != handle
            || generation == 0
            || generation > slot.generation
        {
            return Err(HandleError::Unknown);
        }
        if generation < slot.generation || slot.value.is_none() {
            return Err(HandleError::Stale);
        }
        if slot.kind != named {
            return Err(HandleError::Unknown);
        }
        if named != kind {
            return Err(HandleError::WrongKind(named));
        }
        Ok(index)
    }

    pub(crate) fn get(&self, handle: Handle, kind: HandleKind) -> Result<&T, HandleError> {
        let index = self.check(handle, kind)?;
        self.slots.get(index).and_then(|slot| slot.value.as_ref()).ok_or(HandleError::Stale)
    }

    pub(crate) fn get_mut(&mut self, handle: Handle, kind: HandleKind) -> Result<&mut T, HandleError> {
        let index = self.check(handle, kind)?;
        self.slots.get_mut(index).and_then(|slot| slot.value.as_mut()).ok_or(HandleError::Stale)
    }

    pub(crate) fn remove(&mut self, handle: Handle, kind: HandleKind) -> Result<T, HandleError> {
        let index = self.check(handle, kind)?;
        let slot = self.slots.get_mut(index).ok_or(HandleError::Unknown)?;
        let value = slot.value.take().ok_or(HandleError::Stale)?;
        if slot.generation + 1 < 1 << GENERATION_BITS {
            self.free.push(index as u32);
        }
        Ok(value)
    }

    /// Every live handle with its value, in order of slots.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Handle, &T)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| {
            let value = slot.value.as_ref()?;
            Some((Self::encode(index as u32, slot.generation, slot.kind), value))
        })
    }

    /// As [`iter`](Self::iter), to change values.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (Handle, &mut T)> {
        self.slots.iter_mut().enumerate().filter_map(|(index, slot)| {
            let handle = Self::encode(index as u32, slot.generation, slot.kind);
            slot.value.as_mut().map(|value| (handle, value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_handle_is_told_from_a_foreign_one_and_from_nonsense() {
        let mut table = HandleTable::new(Arc::default());
        let first = table.insert(HandleKind::MdlPages, 1).expect("room");
        let other = table.insert(HandleKind::MdlMap, 2).expect("room");
        assert_eq!(table.get(first, HandleKind::MdlPages), Ok(&1));
        assert_eq!(table.get(other, HandleKind::MdlPages), Err(HandleError::WrongKind(HandleKind::MdlMap)));
        assert_eq!(table.remove(first, HandleKind::MdlPages), Ok(1));
        assert_eq!(table.get(first, HandleKind::MdlPages), Err(HandleError::Stale));
        let again = table.insert(HandleKind::MdlPages, 3).expect("room");
        assert_ne!(again, first);
        assert_eq!(table.get(first, HandleKind::MdlPages), Err(HandleError::Stale));
        for nonsense in
            [1, 0x1000, u64::MAX, first.0 + 1, again.0 + (1 << GENERATION_SHIFT), again.0 ^ (1 << 62)]
        {
            assert_eq!(
                table.get(Handle(nonsense), HandleKind::MdlPages),
                Err(HandleError::Unknown),
                "{nonsense:#x}"
            );
        }
        assert_eq!(table.get(Handle::NULL, HandleKind::MdlPages), Err(HandleError::Null));
    }

    #[test]
    fn a_slot_whose_generations_are_used_up_is_not_used_again() {
        let mut table = HandleTable::new(Arc::default());
        for _ in 0..1 << GENERATION_BITS {
            let handle = table.insert(HandleKind::MdlMap, ()).expect("room");
            table.remove(handle, HandleKind::MdlMap).expect("live");
        }
        assert!(table.slots.len() > 1);
    }
}
