//! The adapter: the port driver's callbacks for one physical device.

use dxgk_abi::table::{Slot, Table};
use dxgk_abi::version::InterfaceVersion;
use dxgk_abi::{DxgkrnlInterface, Guid, Handle};

use crate::device::DeviceInformation;
use crate::raw::table::Callbacks;
use crate::status::Result;

/// What `DxgkDdiStartDevice` is given: the callbacks and the device's handle. Everything that maps memory borrows it,
/// so nothing can outlive the stop.
///
/// The table is copied as long as it was offered. A callback that the offered table does not have answers
/// `STATUS_NOT_SUPPORTED`; no memory behind the table is ever read.
#[derive(Debug)]
pub struct Adapter {
    callbacks: Callbacks,
    guid: Guid,
}

impl Adapter {
    pub(crate) fn new(callbacks: Callbacks, guid: Guid) -> Self {
        Self { callbacks, guid }
    }

    /// The callbacks.
    pub(crate) fn callbacks(&self) -> &Callbacks {
        &self.callbacks
    }

    /// `DeviceHandle`: this physical adapter's handle.
    pub fn handle(&self) -> Handle {
        self.callbacks.table().device_handle
    }

    /// The handle of the lead of this adapter's chain, for the callbacks that want that one: its own, unless
    /// [`set_lead`](Self::set_lead) said another.
    pub fn lead(&self) -> Handle {
        self.callbacks.lead()
    }

    /// Says which handle the lead of this adapter's chain has. The lead is started first, so its handle is known then.
    pub fn set_lead(&self, lead: Handle) {
        self.callbacks.set_lead(lead);
    }

    /// `AdapterGuid` of the start information; zeros when there was none.
    pub fn guid(&self) -> Guid {
        self.guid
    }

    /// The interface version that the port driver offers.
    pub fn version(&self) -> InterfaceVersion {
        self.callbacks.table().version
    }

    /// Bytes of the table that are used: what was offered, and at most what this crate knows.
    pub fn table_size(&self) -> u32 {
        self.callbacks.table().size
    }

    /// Whether the offered table has a callback, by its name ("DxgkCbAllocateAdl").
    pub fn has(&self, name: &str) -> bool {
        let slot: Option<&Slot> = DxgkrnlInterface::find(name);
        slot.and_then(|slot| self.callbacks.table().slot(slot.offset)).is_some_and(|address| address != 0)
    }

    /// `DxgkCbGetDeviceInformation`: the resources that the system gave the device, and the machine's memory.
    ///
    /// # Errors
    /// The port driver's status, documented as `STATUS_INVALID_PARAMETER`.
    pub fn information(&self) -> Result<DeviceInformation<'_>> {
        let (info, resources) = self.callbacks.get_device_information()?;
        Ok(DeviceInformation::new(info, resources))
    }
}
