//! Children of an adapter: connectors, and the monitors on them.

use super::{MonitorOrientationAwareness, VideoOutputTechnology};
use crate::word::{Boolean, Guid, Pointer};

open_enum! {
    /// `DXGK_CHILD_DEVICE_TYPE`: kind of child.
    pub struct ChildDeviceType(u32) {
        UNINITIALIZED = 0, "`TypeUninitialized`.";
        VIDEO_OUTPUT = 1, "`TypeVideoOutput`.";
        OTHER = 2, "`TypeOther`.";
        INTEGRATED_DISPLAY = 3, "`TypeIntegratedDisplay`.";
    }
}

open_enum! {
    /// `DXGK_CHILD_STATUS_TYPE`: what is told of a child.
    pub struct ChildStatusType(u32) {
        UNINITIALIZED = 0, "`StatusUninitialized`.";
        CONNECTION = 1, "`StatusConnection`.";
        ROTATION = 2, "`StatusRotation`.";
        MIRACAST_CONNECTION = 3, "`StatusMiracastConnection` (since WDDM 1.3).";
    }
}

open_enum! {
    /// `DXGK_CHILD_DEVICE_HPD_AWARENESS`: how a child notices a monitor (hot plug detection).
    pub struct HpdAwareness(u32) {
        UNINITIALIZED = 0, "`HpdAwarenessUninitialized`.";
        ALWAYS_CONNECTED = 1, "`HpdAwarenessAlwaysConnected`.";
        NONE = 2, "`HpdAwarenessNone`.";
        POLLED = 3, "`HpdAwarenessPolled`.";
        INTERRUPTIBLE = 4, "`HpdAwarenessInterruptible`.";
    }
}

layout! {
    /// What a child can do; the union's members are read by methods.
    "DXGK_CHILD_CAPABILITIES" [16]
    pub struct ChildCapabilities {
        0 => kind: [u32; 3], "`Type`: a union of `VideoOutput`, `Other` and `IntegratedDisplayChild`.";
        12 => hpd_awareness: HpdAwareness, "`HpdAwareness`.";
    }
}

impl ChildCapabilities {
    /// `Type.VideoOutput.InterfaceTechnology`, and `Type.IntegratedDisplayChild.InterfaceTechnology`.
    pub const fn interface_technology(&self) -> VideoOutputTechnology {
        VideoOutputTechnology(self.kind[0])
    }

    /// `Type.VideoOutput.MonitorOrientationAwareness`.
    pub const fn monitor_orientation_awareness(&self) -> MonitorOrientationAwareness {
        MonitorOrientationAwareness(self.kind[1])
    }

    /// `Type.VideoOutput.SupportsSdtvModes`.
    pub const fn supports_sdtv_modes(&self) -> Boolean {
        Boolean(self.kind[2].to_le_bytes()[0])
    }

    /// `Type.IntegratedDisplayChild.DescriptorLength`: bytes.
    pub const fn descriptor_length(&self) -> u16 {
        let [low, high, ..] = self.kind[1].to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    /// The capabilities of a video output.
    pub const fn video_output(
        technology: VideoOutputTechnology,
        awareness: MonitorOrientationAwareness,
        supports_sdtv_modes: Boolean,
        hpd_awareness: HpdAwareness,
    ) -> Self {
        Self { kind: [technology.0, awareness.0, supports_sdtv_modes.0 as u32], hpd_awareness }
    }
}

layout! {
    /// One entry that `DxgkDdiQueryChildRelations` fills in; an entry of zeros ends the list.
    "DXGK_CHILD_DESCRIPTOR" [28]
    pub struct ChildDescriptor {
        0 => child_device_type: ChildDeviceType, "`ChildDeviceType`: kind of child.";
        4 => child_capabilities: ChildCapabilities, "`ChildCapabilities`: abilities.";
        20 => acpi_uid: u32, "`AcpiUid`: ACPI identifier.";
        24 => child_uid: u32, "`ChildUid`: the driver's number of the child.";
    }
}

layout! {
    /// What is told of a child: 12 bytes long before WDDM 1.3.
    "DXGK_CHILD_STATUS" [16]
    pub struct ChildStatus {
        0 => kind: ChildStatusType, "`Type`: which member of the union holds.";
        4 => child_uid: u32, "`ChildUid`: the driver's number of the child.";
        8 => state: u8, "The union's first byte: `HotPlug.Connected`, `Rotation.Angle` or `Miracast.Connected`.";
        9 => _pad0: [u8; 3], "Padding.";
        12 => miracast_monitor_type: VideoOutputTechnology, "`Miracast.MiracastMonitorType`, since WDDM 1.3.";
    }
}

impl ChildStatus {
    /// `HotPlug.Connected`: whether a monitor is there, when `kind` is about connection.
    pub const fn connected(&self) -> Option<Boolean> {
        match self.kind {
            ChildStatusType::CONNECTION | ChildStatusType::MIRACAST_CONNECTION => Some(Boolean(self.state)),
            _ => None,
        }
    }
}

layout! {
    /// Argument of `DxgkDdiQueryDeviceDescriptor`: a part of a monitor's descriptor.
    "DXGK_DEVICE_DESCRIPTOR" [16]
    pub struct DeviceDescriptor {
        0 => descriptor_offset: u32, "`DescriptorOffset`: bytes into the descriptor (EDID).";
        4 => descriptor_length: u32, "`DescriptorLength`: bytes wanted.";
        8 => descriptor_buffer: Pointer, "`DescriptorBuffer`: where they go.";
    }
}

layout! {
    /// Argument of `DxgkDdiGetChildContainerId`, since WDDM 1.2.
    "DXGK_CHILD_CONTAINER_ID" [32]
    pub struct ChildContainerId {
        0 => container_id: Guid, "`ContainerId`: identifies the physical thing.";
        16 => port_id: u64, "`EldInfo.PortId`.";
        24 => manufacturer_name: u16, "`EldInfo.ManufacturerName`.";
        26 => product_code: u16, "`EldInfo.ProductCode`.";
        28 => _pad0: [u8; 4], "Padding.";
    }
}
