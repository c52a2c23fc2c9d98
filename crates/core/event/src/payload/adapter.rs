//! Adapters, their resources, and the mode that was chosen for them.

use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

wire! {
    /// An adapter was added.
    pub struct Adapter {
        /// The handle that the driver knows it by.
        pub handle: u64,
        /// Physical adapter number, from 0 over all logical adapters.
        pub adapter: u32,
        /// Logical adapter number.
        pub logical_adapter: u32,
        /// Requester id on the bus.
        pub requester: u16,
        /// 1 for the lead adapter of its chain.
        pub lead: u8,
        /// Padding.
        pub reserved: u8,
        /// Interface version offered.
        pub interface_version: u32,
        /// Interface version that the driver's initialization data names.
        pub driver_version: u32,
        /// 1 when the driver is display-only.
        pub display_only: u32,
    }
}

wire! {
    /// A translated resource of an adapter.
    pub struct ResourceRange {
        /// First byte or port.
        pub base: u64,
        /// Bytes or ports.
        pub bytes: u64,
        /// Physical adapter.
        pub adapter: u32,
        /// BAR number.
        pub bar: u8,
        /// 1 for I/O ports.
        pub is_port: u8,
        /// Padding.
        pub reserved: u16,
    }
}

wire! {
    /// The port found its own state violated: what Windows would stop for with 0x1E4.
    pub struct SelfCheck {
        /// First parameter of the bug check: 8 translations, 9 logical addresses left at the teardown; 0xA devices that could
        /// not be attached again.
        pub parameter: u64,
        /// How many: pages, or devices.
        pub count: u64,
        /// Logical adapter.
        pub logical_adapter: u32,
        /// Padding.
        pub reserved: u32,
    }
}

wire! {
    /// How the adapter's DMA is handled.
    pub enum ModeChoice {
        /// Device addresses are physical, nothing is translated.
        Passthrough = 0,
        /// Device addresses equal physical ones; only mapped pages are reachable.
        Isolation = 1,
        /// Device addresses are logical.
        Remapping = 2,
    }
}

wire! {
    /// Why a mode came about.
    pub enum ModeReason {
        /// Asked for on the command line, and possible.
        Asked = 0,
        /// The strongest mode that the driver claims.
        StrongestClaimed = 1,
        /// The device cannot see all of RAM, so it must be remapped.
        NeededByAddressLimit = 2,
        /// The driver claims no support.
        DriverClaimsNothing = 3,
        /// IOMMUFlags leaves the IOMMU off.
        SwitchedOff = 4,
        /// Forced against what the driver claims.
        Forced = 5,
        /// The driver requires isolation.
        RequiredByDriver = 6,
        /// The offered interface is older than the mode.
        InterfaceTooOld = 7,
        /// IOMMUFlags allows less than a translating mode.
        FlagsIncomplete = 8,
        /// There is no IOMMU.
        NoUnit = 9,
        /// Remapping claimed without MapAperture2, or caps that disagree: the start was refused.
        CapsDisagree = 10,
        /// The device cannot see all of RAM and remapping cannot come about: the start was refused.
        LimitNotMet = 11,
        /// Attaching failed.
        AttachFailed = 12,
        /// The driver claims remapping, and the registry opts its device out.
        OptedOut = 13,
        /// A save area that cannot be had was reported: the start was refused.
        SaveAreaRefused = 14,
        /// A reserved range that cannot be right was reported: the start was refused.
        ReservedRangeRefused = 15,
        /// A secure virtual machine was created.
        SecureVm = 16,
    }
}

wire! {
    /// The mode was chosen (or the start refused: see `refused`).
    pub struct Mode {
        /// Highest address the device can see, as decided.
        pub highest_visible: u64,
        /// Highest installed physical address.
        pub highest_physical: u64,
        /// Logical adapter.
        pub logical_adapter: u32,
        /// `DXGK_IOMMU_CAPS` as reported, 0 when the query failed.
        pub iommu_caps: u32,
        /// The domain attached, when there is one.
        pub domain: u16,
        /// The mode.
        pub mode: ModeChoice,
        /// Why.
        pub reason: ModeReason,
        /// 1 when the adapter does not start because of it.
        pub refused: u8,
        /// Padding.
        pub reserved: [u8; 3],
    }
}

wire! {
    /// What a driver claims of the machine's memory.
    pub enum ClaimKind {
        /// A save area: FRAMEBUFFERSAVESIZE.
        SaveArea = 0,
        /// A range of HARDWARERESERVEDRANGES.
        ReservedRange = 1,
        /// What a segment with PopulatedFromSystemMemory is populated from.
        Segment = 2,
    }
}

wire! {
    /// What became of a claim.
    pub enum ClaimOutcome {
        /// It was granted.
        Granted = 0,
        /// It is not of whole pages, empty, or beyond the address space.
        Malformed = 1,
        /// It meets memory of the memory manager.
        InUse = 2,
        /// There is no commit, or no table page, for it.
        NoRoom = 3,
    }
}

wire! {
    /// The driver claimed memory, in its answer to a query after the start.
    pub struct MemoryClaim {
        /// First byte of a range; 0 for a save area.
        pub base: u64,
        /// Bytes.
        pub bytes: u64,
        /// Logical adapter.
        pub logical_adapter: u32,
        /// Index of the physical adapter in its chain, of the range in the answer, or the segment's number.
        pub index: u32,
        /// What is claimed.
        pub kind: ClaimKind,
        /// What became of it.
        pub outcome: ClaimOutcome,
        /// Padding.
        pub reserved: [u8; 6],
    }
}
