//! The driver, as the port calls it.

use dxgk_abi::life::{DevicePowerState, LinkedDevice};
use dxgk_abi::query::QueryAdapterInfoType;
use dxgk_abi::{Handle, NtStatus};
use dxgk_hw::{PageRun, RequesterId};

use crate::vidmm::VideoMemory;

/// Why a DDI call gave nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DdiError {
    /// The driver returned this status.
    Failed(NtStatus),
    /// The driver's table has no such DDI.
    Absent,
    /// The machine stopped during the call (bug check, unhandled exception, hang). No driver code may run after it.
    Stopped,
}

/// What a DDI call gives.
pub type DdiResult<T> = Result<T, DdiError>;

/// What DriverEntry told the port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DriverFacts {
    /// `Version` of its initialization data.
    pub version: u32,
    /// It called DxgkInitializeDisplayOnlyDriver.
    pub display_only: bool,
}

/// A device context: what AddDevice returned, passed back to every other DDI.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeviceContext(pub u64);

/// What StartDevice told the port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Started {
    /// Video present sources.
    pub sources: u32,
    /// Child devices.
    pub children: u32,
}

/// A physical adapter that the driver is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AdapterIdentity {
    /// Its number, from 0.
    pub number: u32,
    /// The handle for `DXGKRNL_INTERFACE::DeviceHandle`.
    pub handle: Handle,
    /// Who it is on the bus.
    pub requester: RequesterId,
}

/// A block that a driver saved over its update.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Restored<'a> {
    /// Its pages, in order.
    pub pages: &'a [PageRun],
    /// What was saved along.
    pub metadata: &'a [u8],
}

/// A display miniport, loaded.
///
/// One method a DDI, in the words of the DDI. The implementation marshals the arguments into memory that the driver
/// can reach, runs the driver, and reads the results as untrusted. `None` of a table slot is [`DdiError::Absent`].
pub trait Miniport {
    /// What its DriverEntry registered.
    fn facts(&self) -> DriverFacts;

    /// `DxgkDdiAddDevice`.
    ///
    /// # Errors
    /// [`DdiError`], as for every method here.
    fn add_device(&self, adapter: &AdapterIdentity) -> DdiResult<DeviceContext>;

    /// `DxgkDdiLinkDevice`, for the devices of a chain only: what the driver says of the device's place in it.
    ///
    /// # Errors
    /// [`DdiError`].
    fn link_device(&self, device: DeviceContext) -> DdiResult<LinkedDevice> {
        let _ = device;
        Err(DdiError::Absent)
    }

    /// `DxgkDdiQueryAdapterInfo`: `output` holds what the driver wrote, zeroes where it wrote nothing.
    ///
    /// # Errors
    /// [`DdiError`].
    fn query_adapter_info(
        &self,
        device: DeviceContext,
        query: QueryAdapterInfoType,
        input: &[u8],
        output: &mut [u8],
    ) -> DdiResult<()>;

    /// `DxgkDdiQueryAdapterInfo(HARDWARERESERVEDRANGES)`, both of its calls: the ranges as (base, bytes).
    ///
    /// # Errors
    /// [`DdiError`].
    fn hardware_reserved_ranges(&self, device: DeviceContext) -> DdiResult<alloc::vec::Vec<(u64, u64)>>;

    /// `DxgkDdiStartDevice`.
    ///
    /// # Errors
    /// [`DdiError`].
    fn start_device(&self, device: DeviceContext, adapter: &AdapterIdentity) -> DdiResult<Started>;

    /// `DxgkDdiQueryChildRelations`, `QueryChildStatus` and `QueryDeviceDescriptor` for `children` children.
    ///
    /// # Errors
    /// [`DdiError`].
    fn enumerate_children(&self, device: DeviceContext, children: u32) -> DdiResult<()>;

    /// `DxgkDdiBeginExclusiveAccess`.
    ///
    /// # Errors
    /// [`DdiError`].
    fn begin_exclusive_access(&self, device: DeviceContext) -> DdiResult<()>;

    /// `DxgkDdiEndExclusiveAccess`.
    ///
    /// # Errors
    /// [`DdiError`].
    fn end_exclusive_access(&self, device: DeviceContext) -> DdiResult<()>;

    /// The driver as one that can be given work for its video memory; `None` when its table lacks a DDI of that.
    fn video_memory(&self) -> Option<&dyn VideoMemory> {
        None
    }

    /// One round of work for a driver without video memory: whatever it can be given without a VidPN.
    ///
    /// # Errors
    /// [`DdiError`]; [`DdiError::Absent`] when there is nothing that this driver can be given.
    fn work(&self, device: DeviceContext) -> DdiResult<()>;

    /// `DxgkDdiSetPowerState` for the adapter (`DISPLAY_ADAPTER_HW_ID`).
    ///
    /// # Errors
    /// [`DdiError`].
    fn set_power_state(&self, device: DeviceContext, state: DevicePowerState) -> DdiResult<()>;

    /// `DxgkDdiQueryInterface` for the hot-update interface: its context, which the next two take.
    ///
    /// # Errors
    /// [`DdiError`]; [`DdiError::Absent`] for a driver that cannot be updated so.
    fn hot_update_context(&self, device: DeviceContext) -> DdiResult<u64> {
        let _ = device;
        Err(DdiError::Absent)
    }

    /// `DxgkDdiSaveMemoryForHotUpdate`.
    ///
    /// # Errors
    /// [`DdiError`].
    fn save_memory_for_hot_update(&self, device: DeviceContext, context: u64) -> DdiResult<()> {
        let _ = (device, context);
        Err(DdiError::Absent)
    }

    /// `DxgkDdiRestoreMemoryForHotUpdate` for a block; `None` is the last call, with `RestoreComplete`. A driver that
    /// succeeds owns the pages from then on.
    ///
    /// # Errors
    /// [`DdiError`]; the pages are still the caller's.
    fn restore_memory_for_hot_update(
        &self,
        device: DeviceContext,
        context: u64,
        block: Option<Restored<'_>>,
    ) -> DdiResult<()> {
        let _ = (device, context, block);
        Err(DdiError::Absent)
    }

    /// `DxgkDdiNotifySurpriseRemoval`, after Plug and Play found the device gone.
    ///
    /// # Errors
    /// [`DdiError`].
    fn notify_surprise_removal(&self, device: DeviceContext) -> DdiResult<()> {
        let _ = device;
        Err(DdiError::Absent)
    }

    /// `DxgkDdiStopDevice`.
    ///
    /// # Errors
    /// [`DdiError`].
    fn stop_device(&self, device: DeviceContext) -> DdiResult<()>;

    /// `DxgkDdiRemoveDevice`.
    ///
    /// # Errors
    /// [`DdiError`].
    fn remove_device(&self, device: DeviceContext) -> DdiResult<()>;

    /// `DxgkDdiUnload`.
    ///
    /// # Errors
    /// [`DdiError`].
    fn unload(&self) -> DdiResult<()>;
}
