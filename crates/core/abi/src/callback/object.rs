//! Physical memory objects: creation, opening, closing, destruction (WDDM 2.9).

use zerocopy::{FromBytes, IntoBytes};

use super::{AllocatePagesFlags, MemoryCachingType};
use crate::word::{Handle, Pointer};

open_enum! {
    /// `DXGK_PHYSICAL_MEMORY_TYPE`, since WDDM 2.9: where a physical memory object's pages come from.
    pub struct PhysicalMemoryType(u32) {
        MDL = 0, "`DXGK_PHYSICAL_MEMORY_TYPE_MDL`: single pages.";
        CONTIGUOUS_MEMORY = 1, "`DXGK_PHYSICAL_MEMORY_TYPE_CONTIGUOUS_MEMORY`: one physical run.";
        SECTION = 2, "`DXGK_PHYSICAL_MEMORY_TYPE_SECTION`: a section object, mappable to user mode.";
        IO_SPACE = 3, "`DXGK_PHYSICAL_MEMORY_TYPE_IO_SPACE`: device memory at a given address.";
    }
}

layout! {
    /// Argument of `DxgkCbCreatePhysicalMemoryObject`, since WDDM 2.9.
    ///
    /// `per_type` is a union; read it by [`ArgCbCreatePhysicalMemoryObject::parameters`] or the method of one type.
    "DXGKARGCB_CREATE_PHYSICAL_MEMORY_OBJECT" [80]
    pub struct ArgCbCreatePhysicalMemoryObject {
        0 => adapter: Handle, "In, `hAdapter`.";
        8 => size: u64, "In, `Size`: bytes.";
        16 => context: u64, "In, `Context`: the driver's own word.";
        24 => kind: PhysicalMemoryType, "In, `Type`: which member of the union holds.";
        28 => cache_type: MemoryCachingType, "In, `CacheType`.";
        32 => per_type: [u8; 32], "In, the union of `Mdl`, `ContiguousMemory`, `Section` and `IOSpace`.";
        64 => physical_memory_object: Handle, "Out, `hPhysicalMemoryObject`.";
        72 => adapter_memory_object: Handle, "Out, `hAdapterMemoryObject`: the object as this adapter's.";
    }
}

layout! {
    /// The union's member for [`PhysicalMemoryType::MDL`].
    "DXGKARGCB_CREATE_PHYSICAL_MEMORY_OBJECT.Mdl" [32]
    pub struct MdlParameters {
        0 => low_address: u64, "`LowAddress`: lowest physical address, bytes.";
        8 => high_address: u64, "`HighAddress`: highest physical address, bytes.";
        16 => skip_bytes: u64, "`SkipBytes`: bytes to skip between ranges, or the length of a contiguous chunk.";
        24 => flags: AllocatePagesFlags, "`Flags`.";
        28 => _pad0: [u8; 4], "Padding.";
    }
}

layout! {
    /// The union's member for [`PhysicalMemoryType::CONTIGUOUS_MEMORY`].
    "DXGKARGCB_CREATE_PHYSICAL_MEMORY_OBJECT.ContiguousMemory" [24]
    pub struct ContiguousParameters {
        0 => lowest_acceptable_address: u64, "`LowestAcceptableAddress`: lowest physical address, bytes.";
        8 => highest_acceptable_address: u64, "`HighestAcceptableAddress`: highest physical address, bytes.";
        16 => boundary_address_multiple: u64, "`BoundaryAddressMultiple`: a multiple not to cross, bytes; 0: none.";
    }
}

layout! {
    /// The union's member for [`PhysicalMemoryType::SECTION`].
    "DXGKARGCB_CREATE_PHYSICAL_MEMORY_OBJECT.Section" [24]
    pub struct SectionParameters {
        0 => desired_access: u32, "`DesiredAccess`: an `ACCESS_MASK`, `SECTION_*`.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => object_attributes: Pointer, "`ObjectAttributes`: an `OBJECT_ATTRIBUTES`, or null.";
        16 => page_protection: u32, "`PageProtection`: a `PAGE_*` value.";
        20 => allocation_attributes: u32, "`AllocationAttributes`: `SEC_*` flags.";
    }
}

layout! {
    /// The union's member for [`PhysicalMemoryType::IO_SPACE`].
    "DXGKARGCB_CREATE_PHYSICAL_MEMORY_OBJECT.IOSpace" [8]
    pub struct IoSpaceParameters {
        0 => base_address: u64, "`BaseAddress`: physical address, bytes.";
    }
}

/// The union of [`ArgCbCreatePhysicalMemoryObject`], read as its type says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PhysicalMemoryParameters {
    /// Single pages.
    Mdl(MdlParameters),
    /// One physical run.
    Contiguous(ContiguousParameters),
    /// A section object.
    Section(SectionParameters),
    /// Device memory.
    IoSpace(IoSpaceParameters),
}

/// Reads the front of the union's area; every member fits, so nothing is ever missing.
fn front<T: FromBytes + Default>(area: &[u8; 32]) -> T {
    T::read_from_prefix(area).map(|(value, _)| value).unwrap_or_default()
}

impl ArgCbCreatePhysicalMemoryObject {
    /// The union's member that `kind` selects, or nothing when `kind` is no known type.
    pub fn parameters(&self) -> Option<PhysicalMemoryParameters> {
        match self.kind {
            PhysicalMemoryType::MDL => Some(PhysicalMemoryParameters::Mdl(self.mdl())),
            PhysicalMemoryType::CONTIGUOUS_MEMORY => {
                Some(PhysicalMemoryParameters::Contiguous(self.contiguous_memory()))
            }
            PhysicalMemoryType::SECTION => Some(PhysicalMemoryParameters::Section(self.section())),
            PhysicalMemoryType::IO_SPACE => Some(PhysicalMemoryParameters::IoSpace(self.io_space())),
            _ => None,
        }
    }

    /// Sets `kind` and the union together; the rest of the union's area becomes zero.
    pub fn set_parameters(&mut self, parameters: PhysicalMemoryParameters) {
        let (kind, bytes) = match &parameters {
            PhysicalMemoryParameters::Mdl(it) => (PhysicalMemoryType::MDL, it.as_bytes()),
            PhysicalMemoryParameters::Contiguous(it) => {
                (PhysicalMemoryType::CONTIGUOUS_MEMORY, it.as_bytes())
            }
            PhysicalMemoryParameters::Section(it) => (PhysicalMemoryType::SECTION, it.as_bytes()),
            PhysicalMemoryParameters::IoSpace(it) => (PhysicalMemoryType::IO_SPACE, it.as_bytes()),
        };
        self.kind = kind;
        self.per_type = [0; 32];
        for (to, from) in self.per_type.iter_mut().zip(bytes) {
            *to = *from;
        }
    }

    /// The union as `Mdl`, whatever `kind` says.
    pub fn mdl(&self) -> MdlParameters {
        front(&self.per_type)
    }

    /// The union as `ContiguousMemory`, whatever `kind` says.
    pub fn contiguous_memory(&self) -> ContiguousParameters {
        front(&self.per_type)
    }

    /// The union as `Section`, whatever `kind` says.
    pub fn section(&self) -> SectionParameters {
        front(&self.per_type)
    }

    /// The union as `IOSpace`, whatever `kind` says.
    pub fn io_space(&self) -> IoSpaceParameters {
        front(&self.per_type)
    }
}

layout! {
    /// Argument of `DxgkCbDestroyPhysicalMemoryObject`, since WDDM 2.9.
    "DXGKARGCB_DESTROY_PHYSICAL_MEMORY_OBJECT" [16]
    pub struct ArgCbDestroyPhysicalMemoryObject {
        0 => physical_memory_object: Handle, "In, `hPhysicalMemoryObject`.";
        8 => adapter_memory_object: Handle, "In, `hAdapterMemoryObject`: closed with it; may be null.";
    }
}

layout! {
    /// Argument of `DxgkCbOpenPhysicalMemoryObject`, since WDDM 2.9.
    "DXGKARGCB_OPEN_PHYSICAL_MEMORY_OBJECT" [24]
    pub struct ArgCbOpenPhysicalMemoryObject {
        0 => physical_memory_object: Handle, "In, `hPhysicalMemoryObject`.";
        8 => adapter: Handle, "In, `hAdapter`: the adapter that will use it.";
        16 => adapter_memory_object: Handle, "Out, `hAdapterMemoryObject`.";
    }
}

layout! {
    /// Argument of `DxgkCbClosePhysicalMemoryObject`, since WDDM 2.9.
    "DXGKARGCB_CLOSE_PHYSICAL_MEMORY_OBJECT" [8]
    pub struct ArgCbClosePhysicalMemoryObject {
        0 => adapter_memory_object: Handle, "In, `hAdapterMemoryObject`.";
    }
}
