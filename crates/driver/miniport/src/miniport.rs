//! What a driver implements, and how it is declared.

use dxgk_abi::life::{DevicePowerState, PowerAction};
use dxgk_abi::version::InterfaceVersion;
use dxgk_abi::{NtStatus, Pointer};

use crate::adapter::Adapter;
use crate::query::Query;
use crate::raw::context::Driver;
use crate::status::Result;

/// The device's `PDEVICE_OBJECT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhysicalDevice(pub(crate) u64);

impl PhysicalDevice {
    /// The pointer, for calls that this crate does not wrap.
    pub fn pointer(self) -> Pointer {
        Pointer(self.0)
    }
}

/// What `DxgkDdiSetPowerState` asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowerChange {
    /// Which child; `DISPLAY_ADAPTER_HW_ID` (all ones): the adapter itself.
    pub device_uid: u32,
    /// The state to enter.
    pub state: DevicePowerState,
    /// Why.
    pub action: PowerAction,
}

/// What `DxgkDdiLinkDevice` says of a device's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Which chain.
    pub chain: u32,
    /// Devices in it.
    pub links: u32,
    /// Whether the device is its lead.
    pub lead: bool,
}

/// A display miniport without sources and children of its own: one value for each physical adapter.
///
/// A DDI that this trait does not have is answered with `STATUS_NOT_SUPPORTED`. An interrupt can come while any other
/// DDI runs, so everything is shared (`&self`, `Sync`); what changes is atomic or behind a lock of the driver's.
pub trait Miniport: Sized + Sync + Send + 'static {
    /// What the driver has between start and stop: register maps, memory. It borrows the adapter, so none of it can
    /// be left over by accident.
    type Started<'a>: Sync + Send;

    /// What the driver was made for; it decides how long the tables are.
    const INTERFACE_VERSION: InterfaceVersion = InterfaceVersion::WDDM3_1;
    /// Whether the driver links devices into chains; without it the table has no `DxgkDdiLinkDevice`.
    const LINKS: bool = false;
    /// `NumberOfVideoPresentSources`.
    const SOURCES: u32 = 0;
    /// `NumberOfChildren`.
    const CHILDREN: u32 = 0;

    /// `DxgkDdiAddDevice`. `driver` knows the service key.
    ///
    /// # Errors
    /// What the port driver is told; the device is not added.
    fn add_device(driver: &'static Driver, device: PhysicalDevice) -> Result<Self>;

    /// `DxgkDdiLinkDevice`, between `add_device` and the start, of a driver with [`Self::LINKS`].
    ///
    /// # Errors
    /// What the port driver is told; the device is not linked.
    fn link_device(&self) -> Result<Link> {
        Err(NtStatus::NOT_SUPPORTED)
    }

    /// `DxgkDdiStartDevice`.
    ///
    /// # Errors
    /// What the port driver is told; the device is not started.
    fn start_device<'a>(&'a self, adapter: &'a Adapter) -> Result<Self::Started<'a>>;

    /// `DxgkDdiStopDevice`: releases everything.
    ///
    /// # Errors
    /// What the port driver is told; the device is stopped all the same.
    fn stop_device<'a>(&'a self, started: Self::Started<'a>) -> Result<()> {
        drop(started);
        Ok(())
    }

    /// `DxgkDdiRemoveDevice`.
    ///
    /// # Errors
    /// What the port driver is told; the device is removed all the same.
    fn remove_device(self) -> Result<()> {
        Ok(())
    }

    /// `DxgkDdiUnload`.
    fn unload() {}

    /// `DxgkDdiQueryAdapterInfo`; some questions come before the start.
    ///
    /// # Errors
    /// `STATUS_NOT_SUPPORTED` for a question that the driver does not know.
    fn query_adapter_info(&self, started: Option<&Self::Started<'_>>, query: Query<'_>) -> Result<()>;

    /// `DxgkDdiSetPowerState` of a started device.
    ///
    /// # Errors
    /// What the port driver is told.
    fn set_power_state(&self, started: &Self::Started<'_>, change: PowerChange) -> Result<()> {
        let _ = (started, change);
        Ok(())
    }

    /// `DxgkDdiBeginExclusiveAccess`: when it returns, no DMA is in flight, and none starts before the end.
    ///
    /// # Errors
    /// What the port driver is told; the attach then fails.
    fn begin_exclusive_access(&self, started: &Self::Started<'_>) -> Result<()> {
        let _ = started;
        Ok(())
    }

    /// `DxgkDdiEndExclusiveAccess`.
    ///
    /// # Errors
    /// What the port driver is told.
    fn end_exclusive_access(&self, started: &Self::Started<'_>) -> Result<()> {
        let _ = started;
        Ok(())
    }

    /// `DxgkDdiInterruptRoutine`, at the device's IRQL: whether the interrupt was this device's.
    fn interrupt(&self, started: &Self::Started<'_>, message: u32) -> bool {
        let _ = (started, message);
        false
    }

    /// `DxgkDdiDpcRoutine`, at DISPATCH_LEVEL.
    fn dpc(&self, started: &Self::Started<'_>) {
        let _ = started;
    }
}

/// A driver with its static state; made by [`crate::declare_miniport!`].
pub trait Declared: Miniport {
    /// The driver's one state.
    fn driver() -> &'static Driver;
}

/// A miniport linked into a host process instead of loaded from a file.
#[cfg(not(windows))]
#[derive(Clone, Copy, Debug)]
pub struct LinkedImage {
    /// The driver's name, as its file would be called.
    pub name: &'static str,
    /// `DriverEntry`.
    #[cfg(target_arch = "x86_64")]
    pub driver_entry: unsafe extern "win64" fn(*mut core::ffi::c_void, *const core::ffi::c_void) -> NtStatus,
    /// `DriverEntry`.
    #[cfg(not(target_arch = "x86_64"))]
    pub driver_entry: unsafe extern "C" fn(*mut core::ffi::c_void, *const core::ffi::c_void) -> NtStatus,
    /// What the host must bind before it calls `DriverEntry`.
    pub imports: &'static [crate::Import],
}
