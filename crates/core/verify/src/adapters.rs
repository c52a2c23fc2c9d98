//! The adapters, and how each handles its device's DMA.

use alloc::collections::BTreeMap;

use dxgk_event::{Adapter, Mode, ModeChoice};

use crate::limits;

/// The book of adapters. Of what is told of more than [`limits::ADAPTERS`] of them only the first are believed.
#[derive(Default)]
pub(crate) struct Adapters {
    /// By physical number.
    physical: BTreeMap<u32, Adapter>,
    by_requester: BTreeMap<u16, u32>,
    /// By logical number; those that started.
    modes: BTreeMap<u32, Mode>,
    only: Only,
    /// The lowest version that any adapter was offered.
    offered: Option<u32>,
}

/// The only logical adapter.
#[derive(Clone, Copy, Default)]
enum Only {
    #[default]
    None,
    One(u32),
    Several,
}

impl Adapters {
    pub(crate) fn added(&mut self, adapter: &Adapter) {
        if self.physical.len() < limits::ADAPTERS {
            let logical = adapter.logical_adapter;
            self.only = match self.only {
                Only::None => Only::One(logical),
                Only::One(first) if first == logical => Only::One(first),
                _ => Only::Several,
            };
            let offered = adapter.interface_version.min(adapter.driver_version);
            self.offered = Some(self.offered.map_or(offered, |lowest| lowest.min(offered)));
            self.physical.insert(adapter.adapter, *adapter);
            self.by_requester.insert(adapter.requester, adapter.logical_adapter);
        }
    }

    pub(crate) fn chosen(&mut self, mode: &Mode) {
        if self.modes.len() < limits::ADAPTERS {
            self.modes.insert(mode.logical_adapter, *mode);
        }
    }

    /// The adapter of a callback, by its physical number.
    pub(crate) fn get(&self, number: u32) -> Option<&Adapter> {
        self.physical.get(&number)
    }

    /// The logical adapter that a call speaks of: of one that names none, the only one there is.
    pub(crate) fn logical(&self, number: u32) -> Option<u32> {
        let only = if let Only::One(logical) = self.only { Some(logical) } else { None };
        self.get(number).map(|adapter| adapter.logical_adapter).or(only)
    }

    /// The logical adapter of the device with this number on the bus.
    pub(crate) fn of_requester(&self, requester: u16) -> Option<u32> {
        self.by_requester.get(&requester).copied()
    }

    /// How a logical adapter's mode came about.
    pub(crate) fn told_of_mode(&self, logical_adapter: u32) -> Option<&Mode> {
        self.modes.get(&logical_adapter)
    }

    pub(crate) fn mode(&self, logical_adapter: u32) -> Option<ModeChoice> {
        self.told_of_mode(logical_adapter).map(|mode| mode.mode)
    }

    /// The interface version that the driver was offered: the smaller of the port's and its own. 0: not told.
    pub(crate) fn offered_version(&self) -> u32 {
        self.offered.unwrap_or_default()
    }
}
