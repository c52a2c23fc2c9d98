//! Handles, and giving back.

use super::Rule;

pub(crate) static FREE_001: Rule = Rule {
    id: "FREE-001",
    broken_when: "something is freed or unmapped twice, or unmapped with another size or address than it was mapped with",
    documentation: &[
        "DXGKCB_UNMAPPHYSICALMEMORY",
        "DXGKCB_FREEPAGESFROMMDL",
        "DXGKCB_UNMAPMDLFROMIOMMU",
        "DXGKCB_UNMAP_MEMORY",
    ],
    windows: "undefined",
    explanation: "The handle or address was valid once and has been given back by the same kind of call, or it lies in what was \
                  mapped and is not its base, or the size is another. In Windows the call may hit whatever has taken its \
                  place. Here handles are never used again, so it is refused and reported with both places.",
    mend: "Let one place own each handle, clear it in the call that gives it back, and keep base and size of a mapping as \
           the mapping call returned them",
};

pub(crate) static HND_001: Rule = Rule {
    id: "HND-001",
    broken_when: "a callback is given a handle that is not known, of another kind, or of another adapter",
    documentation: &[
        "DXGKRNL_INTERFACE",
        "DXGKCB_FREEPAGESFROMMDL",
        "DXGKCB_ALLOCATEADL",
        "DXGKCB_CLOSEPHYSICALMEMORYOBJECT",
    ],
    windows: "undefined",
    explanation: "Handles are values that Dxgkrnl gave out. A null handle, an uninitialised one, a handle of another kind \
                  (the physical memory object's where the adapter memory object's is wanted), or one of another adapter \
                  makes Windows work on something else, or on freed memory. Here handles are never used again, so the \
                  call is refused. A handle that was valid and given back is FREE-001 or HND-003.",
    mend: "Pass the handle exactly as the call returned it; keep hPhysicalMemoryObject, hAdapterMemoryObject, \
           hMemoryHandle and the DeviceHandle apart, by a type each",
};

pub(crate) static HND_002: Rule = Rule {
    id: "HND-002",
    broken_when: "a callback for the lead adapter of a linked chain is given another adapter's handle",
    documentation: &["DXGKCB_MAPMDLTOIOMMU", "DXGKCB_UNMAPMDLFROMIOMMU", "DXGKCB_PINFRAMEBUFFERFORSAVE"],
    windows: "undefined",
    explanation: "MapMdlToIoMmu, UnmapMdlFromIoMmu and the frame-buffer callbacks work for the whole chain of linked \
                  adapters, and want the handle of its lead (the first, index 0).",
    mend: "Keep the DeviceHandle that the lead adapter's StartDevice was given, and use it for these calls",
};

pub(crate) static HND_003: Rule = Rule {
    id: "HND-003",
    broken_when: "an adapter memory object is closed by DxgkCbClosePhysicalMemoryObject and by \
                  DxgkCbDestroyPhysicalMemoryObject",
    documentation: &["DXGKCB_DESTROYPHYSICALMEMORYOBJECT", "DXGKCB_CLOSEPHYSICALMEMORYOBJECT"],
    windows: "undefined",
    explanation: "Destroy closes the adapter memory object that it is passed. A driver either closes it itself and \
                  passes null to Destroy, or leaves it open and passes it.",
    mend: "Either call Close and pass a null hAdapterMemoryObject to Destroy, or pass it to Destroy and do not call Close",
};

pub(crate) static LEAK_001: Rule = Rule {
    id: "LEAK-001",
    broken_when: "the driver leaves something of the memory callbacks behind when its device is removed, or it unloads",
    documentation: &["IOMMU-based GPU isolation", "IOMMU DMA remapping", "DXGKDDI_REMOVE_DEVICE"],
    windows: "-",
    explanation: "Pages, contiguous memory, MDL maps, register maps, CPU views, pins and physical memory objects belong to \
                  the driver until it gives them back. Windows keeps what is left until the next restart; here it is \
                  reclaimed after the report, and listed with the place of the allocation.",
    mend: "Give everything back in StopDevice, in the opposite order of its making: views and ADLs, then adapter memory \
           objects, then physical memory objects",
};
