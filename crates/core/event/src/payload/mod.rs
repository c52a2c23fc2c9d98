//! The payloads, one structure an event (at most 80 bytes each).
//!
//! Numbers only: names of callbacks and DDIs are looked up by slot offset in `dxgk-abi`'s tables, so that a record
//! cannot carry a text that a report would then believe.

use zerocopy::{IntoBytes, TryFromBytes};

use crate::record::{BadRecord, Record};

macro_rules! wire {
    ($(#[$doc:meta])* pub struct $name:ident { $($body:tt)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
        #[repr(C)]
        pub struct $name { $($body)* }
    };
    ($(#[$doc:meta])* pub enum $name:ident { $($body:tt)* }) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, TryFromBytes, IntoBytes, Immutable, KnownLayout,
        )]
        #[repr(u8)]
        pub enum $name { $($body)* }
    };
}

mod adapter;
mod device;
mod driver;
mod memory;
mod text;

pub use adapter::{
    Adapter, ClaimKind, ClaimOutcome, MemoryClaim, Mode, ModeChoice, ModeReason, ResourceRange, SelfCheck,
};
pub use device::{DmaTransfer, Doorbell, Fault, FaultReason, RegisterAccess};
pub use driver::{
    BugCheck, Callback, DdiCall, Failure, FailureKind, Import, Log, Misuse, MisuseKind, ModuleLoaded, Phase,
    PhysicalQuery, ScenarioStep, StopCause, Tally, Who,
};
pub use memory::{Mapping, MappingStep, MdlMoment, MdlState, Object, ObjectKind, ObjectStep};
pub use text::Text;

macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident($payload:ty) = $tag:literal,)*) => {
        /// An event.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Event {
            $($(#[$doc])* $variant($payload),)*
        }

        impl Event {
            pub(crate) fn encode(&self, out: &mut [u8; Record::PAYLOAD]) -> u16 {
                match self {
                    $(Self::$variant(payload) => {
                        out.iter_mut().zip(payload.as_bytes()).for_each(|(to, from)| *to = *from);
                        $tag
                    })*
                }
            }

            pub(crate) fn decode(tag: u16, bytes: &[u8; Record::PAYLOAD]) -> Result<Self, BadRecord> {
                match tag {
                    $($tag => <$payload>::try_read_from_prefix(bytes)
                        .map(|(payload, _)| Self::$variant(payload))
                        .map_err(|_| BadRecord::BadPayload(tag)),)*
                    _ => Err(BadRecord::UnknownTag(tag)),
                }
            }
        }

        $(const _: () = assert!(size_of::<$payload>() <= Record::PAYLOAD);)*
    };
}

events! {
    /// A module was loaded.
    ModuleLoaded(ModuleLoaded) = 1,
    /// An import was bound, or is missing.
    Import(Import) = 2,
    /// An adapter was added.
    Adapter(Adapter) = 3,
    /// An adapter has this resource.
    Resource(ResourceRange) = 4,
    /// The mode was chosen.
    Mode(Mode) = 5,
    /// Dxgkrnl called the driver.
    Ddi(DdiCall) = 6,
    /// The driver called Dxgkrnl.
    Callback(Callback) = 7,
    /// An object was made or unmade.
    Object(Object) = 8,
    /// A mapping changed.
    Mapping(Mapping) = 9,
    /// MmGetPhysicalAddress.
    PhysicalQuery(PhysicalQuery) = 10,
    /// A register or port was touched.
    Register(RegisterAccess) = 11,
    /// A device was told to start DMA.
    Doorbell(Doorbell) = 12,
    /// A device's transfer.
    Dma(DmaTransfer) = 13,
    /// The IOMMU refused.
    Fault(Fault) = 14,
    /// The driver printed.
    Log(Log) = 15,
    /// The machine stopped.
    BugCheck(BugCheck) = 16,
    /// A guard page was hit.
    Misuse(Misuse) = 17,
    /// The scenario's next step.
    Step(ScenarioStep) = 18,
    /// The run failed.
    Failure(Failure) = 19,
    /// An MDL as it was mapped or unmapped.
    MdlState(MdlState) = 20,
    /// The run's traps, at its end.
    Tally(Tally) = 21,
    /// The driver claimed memory.
    MemoryClaim(MemoryClaim) = 22,
    /// The port found its own state violated.
    SelfCheck(SelfCheck) = 30,
}
