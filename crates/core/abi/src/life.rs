//! An adapter's life: what passes at its start, its questions to the port, and exclusive access.

use crate::display::DdiFormat;
use crate::kernel::UnicodeString;
use crate::word::{Boolean, Guid, Luid, Pointer};

layout! {
    /// What the port tells at `DxgkDdiStartDevice`.
    "DXGK_START_INFO" [28]
    pub struct StartInfo {
        0 => required_dma_queue_entry: u32, "`RequiredDmaQueueEntry`: entries of the queue of DMA buffers.";
        4 => adapter_guid: Guid, "`AdapterGuid`: identifies the adapter.";
        20 => adapter_luid: Luid, "`AdapterLuid`: identifies the adapter until the restart.";
    }
}

layout! {
    /// What `DxgkCbGetDeviceInformation` tells.
    "DXGK_DEVICE_INFO" [80]
    pub struct DeviceInfo {
        0 => miniport_device_context: Pointer, "`MiniportDeviceContext`: what AddDevice returned.";
        8 => physical_device_object: Pointer, "`PhysicalDeviceObject`: the `DEVICE_OBJECT` of the device.";
        16 => device_registry_path: UnicodeString, "`DeviceRegistryPath`: the software key.";
        32 => translated_resource_list: Pointer, "`TranslatedResourceList`: a `CM_RESOURCE_LIST`.";
        40 => system_memory_size: u64, "`SystemMemorySize`: bytes.";
        48 => highest_physical_address: u64, "`HighestPhysicalAddress`: highest physical address of RAM, bytes.";
        56 => agp_aperture_base: u64, "`AgpApertureBase`: physical address, bytes.";
        64 => agp_aperture_size: u64, "`AgpApertureSize`: bytes.";
        72 => docking_state: u32, "`DockingState`: 0 unsupported, 1 quiescent, 2 arriving, 3 departing, 4 ejected.";
        76 => _pad0: [u8; 4], "Padding.";
    }
}

layout! {
    /// The frame buffer that firmware or another driver left on the screen, since WDDM 1.2.
    "DXGK_DISPLAY_INFORMATION" [32]
    pub struct DisplayInformation {
        0 => width: u32, "`Width`: pixels.";
        4 => height: u32, "`Height`: pixels.";
        8 => pitch: u32, "`Pitch`: bytes from one line to the next.";
        12 => color_format: DdiFormat, "`ColorFormat`: pixel format.";
        16 => physic_address: u64, "`PhysicAddress`: physical address of the frame buffer, bytes.";
        24 => target_id: u32, "`TargetId`: video present target.";
        28 => acpi_id: u32, "`AcpiId`: ACPI identifier.";
    }
}

layout! {
    /// An adapter's place in a link.
    "LINKED_DEVICE" [12]
    pub struct LinkedDevice {
        0 => chain_uid: u32, "`ChainUid`: which chain.";
        4 => number_of_links_in_chain: u32, "`NumberOfLinksInChain`: adapters in the link.";
        8 => lead_link: Boolean, "`LeadLink`: whether this is the lead adapter.";
        9 => _pad0: [u8; 3], "Padding.";
    }
}

layout! {
    /// Argument of `DxgkDdiQueryInterface`.
    "QUERY_INTERFACE" [40]
    pub struct QueryInterface {
        0 => interface_type: Pointer, "`InterfaceType`: identifies the kind.";
        8 => size: u16, "`Size`: bytes.";
        10 => version: u16, "`Version`: version.";
        12 => _pad0: [u8; 4], "Padding.";
        16 => interface: Pointer, "`Interface`: where the table goes.";
        24 => interface_specific_data: Pointer, "`InterfaceSpecificData`: anything more.";
        32 => device_uid: u32, "`DeviceUid`: which child; `0xFFFFFFFF`: the adapter.";
        36 => _pad1: [u8; 4], "Padding.";
    }
}

flags! {
    /// `DXGK_PRE_START_INFO.Output`: what the driver answers.
    pub struct PreStartOutput(u32) {
        SUPPORT_PRESERVE_BOOT_DISPLAY = 0x1, "`SupportPreserveBootDisplay`.";
        IS_UEFI_FRAME_BUFFER_CPU_ACCESSIBLE_DURING_STARTUP = 0x2, "`IsUEFIFrameBufferCpuAccessibleDuringStartup`.";
    }
}

layout! {
    /// Argument of `DxgkDdiExchangePreStartInfo`, since WDDM 2.2.
    "DXGK_PRE_START_INFO" [8]
    pub struct PreStartInfo {
        0 => input: u32, "In, `Input`: reserved.";
        4 => output: PreStartOutput, "Out, `Output`.";
    }
}

flags! {
    /// `DXGK_DISPLAY_OWNERSHIP_FLAGS`, since WDDM 2.2: what `DxgkCbAcquirePostDisplayOwnership2` tells of the
    /// frame buffer.
    pub struct DisplayOwnershipFlags(u32) {
        FRAME_BUFFER_STATE = 0xf, "`FrameBufferState`, 4 bits.";
    }
}

layout! {
    /// Argument of `DxgkDdiBeginExclusiveAccess`: from its return on the device must not use memory, since WDDM 2.4.
    "DXGKARG_BEGINEXCLUSIVEACCESS" [4]
    pub struct ArgBeginExclusiveAccess {
        0 => reserved: u32, "`Reserved`: the only member.";
    }
}

layout! {
    /// Argument of `DxgkDdiEndExclusiveAccess`, since WDDM 2.4.
    "DXGKARG_ENDEXCLUSIVEACCESS" [4]
    pub struct ArgEndExclusiveAccess {
        0 => reserved: u32, "`Reserved`: the only member.";
    }
}

layout! {
    /// Argument of `DxgkDdiRestoreMemoryForHotUpdate`, since WDDM 2.6.
    "DXGKARG_RESTOREMEMORYFORHOTUPDATE" [32]
    pub struct ArgRestoreMemoryForHotUpdate {
        0 => flags: RestoreMemoryFlags, "`Flags`: see the type.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => data_mdl: Pointer, "`pDataMdl`: the saved memory.";
        16 => meta_data_size: u32, "`MetaDataSize`: bytes.";
        20 => _pad1: [u8; 4], "Padding.";
        24 => meta_data: Pointer, "`pMetaData`: the driver's description of the data.";
    }
}

flags! {
    /// `DXGK_RESTOREMEMORYFORHOTUPDATEFLAGS`: of [`ArgRestoreMemoryForHotUpdate`], since WDDM 2.6.
    pub struct RestoreMemoryFlags(u32) {
        RESTORE_COMPLETE = 0x1, "`RestoreComplete`.";
    }
}

flags! {
    /// `DXGKARG_SAVEMEMORYFORHOTUPDATE`: argument of `DxgkDdiSaveMemoryForHotUpdate`.
    pub struct ArgSaveMemoryForHotUpdate(u32) {
        CANCEL_HOT_UPDATE = 0x1, "`CancelHotUpdate`.";
    }
}

open_enum! {
    /// `DXGK_SERVICES`: which table `DxgkCbQueryServices` is asked for.
    pub struct Services(u32) {
        AGP = 0, "`DxgkServicesAgp`.";
        DEBUG_REPORT = 1, "`DxgkServicesDebugReport`.";
        TIMED_OPERATION = 2, "`DxgkServicesTimedOperation`.";
        SPB = 3, "`DxgkServicesSPB`.";
        BDD = 4, "`DxgkServicesBDD`.";
        FIRMWARE_TABLE = 5, "`DxgkServicesFirmwareTable`.";
        IDD = 6, "`DxgkServicesIDD`.";
    }
}

open_enum! {
    /// `DXGK_EVENT_TYPE`: what `DxgkDdiNotifyAcpiEvent` tells of.
    pub struct EventType(u32) {
        UNDEFINED_EVENT = 0, "`DxgkUndefinedEvent`.";
        ACPI_EVENT = 1, "`DxgkAcpiEvent`.";
        POWER_STATE_EVENT = 2, "`DxgkPowerStateEvent`.";
        DOCKING_EVENT = 3, "`DxgkDockingEvent`.";
        CHAINED_ACPI_EVENT = 4, "`DxgkChainedAcpiEvent`.";
    }
}

open_enum! {
    /// `DXGK_SURPRISE_REMOVAL_TYPE`: why the device is gone.
    pub struct SurpriseRemovalType(u32) {
        HIBERNATION = 0, "`DxgkRemovalHibernation`.";
        PNP_NOTIFY = 1, "`DxgkRemovalPnPNotify`.";
    }
}

open_enum! {
    /// `DEVICE_POWER_STATE`: a device's power state.
    pub struct DevicePowerState(u32) {
        UNSPECIFIED = 0, "`PowerDeviceUnspecified`.";
        D0 = 1, "`PowerDeviceD0`.";
        D1 = 2, "`PowerDeviceD1`.";
        D2 = 3, "`PowerDeviceD2`.";
        D3 = 4, "`PowerDeviceD3`.";
        MAXIMUM = 5, "`PowerDeviceMaximum`.";
    }
}

open_enum! {
    /// `SYSTEM_POWER_STATE`: the machine's power state.
    pub struct SystemPowerState(u32) {
        UNSPECIFIED = 0, "`PowerSystemUnspecified`.";
        WORKING = 1, "`PowerSystemWorking`.";
        SLEEPING1 = 2, "`PowerSystemSleeping1`.";
        SLEEPING2 = 3, "`PowerSystemSleeping2`.";
        SLEEPING3 = 4, "`PowerSystemSleeping3`.";
        HIBERNATE = 5, "`PowerSystemHibernate`.";
        SHUTDOWN = 6, "`PowerSystemShutdown`.";
        MAXIMUM = 7, "`PowerSystemMaximum`.";
    }
}

open_enum! {
    /// `POWER_ACTION`: why power changes.
    pub struct PowerAction(u32) {
        NONE = 0, "`PowerActionNone`.";
        RESERVED = 1, "`PowerActionReserved`.";
        SLEEP = 2, "`PowerActionSleep`.";
        HIBERNATE = 3, "`PowerActionHibernate`.";
        SHUTDOWN = 4, "`PowerActionShutdown`.";
        SHUTDOWN_RESET = 5, "`PowerActionShutdownReset`.";
        SHUTDOWN_OFF = 6, "`PowerActionShutdownOff`.";
        WARM_EJECT = 7, "`PowerActionWarmEject`.";
        DISPLAY_OFF = 8, "`PowerActionDisplayOff`.";
    }
}

open_enum! {
    /// What `DxgkCbReadDeviceSpace` and `DxgkCbWriteDeviceSpace` reach (`DXGK_WHICHSPACE_*`).
    pub struct DeviceSpace(u32) {
        CONFIG = 0, "`DXGK_WHICHSPACE_CONFIG`: PCI configuration space.";
        ROM = 0x5269_6350, "`DXGK_WHICHSPACE_ROM`: expansion ROM.";
        MCH = 0x8000_0000, "`DXGK_WHICHSPACE_MCH`: the host bridge.";
        BRIDGE = 0x8000_0001, "`DXGK_WHICHSPACE_BRIDGE`: the bridge above the device.";
    }
}

/// `DISPLAY_ADAPTER_HW_ID`: the adapter itself where a child's number is expected.
pub const DISPLAY_ADAPTER_HW_ID: u32 = 0xFFFF_FFFF;
