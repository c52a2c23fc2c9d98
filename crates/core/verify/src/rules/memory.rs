//! MDLs, and what the processor touches.

use super::Rule;

pub(crate) static CPU_001: Rule = Rule {
    id: "CPU-001",
    broken_when: "the driver touches a CPU view after its unmap, or outside it",
    documentation: &[
        "DXGKCB_MAPPHYSICALMEMORY",
        "DXGKCB_UNMAPPHYSICALMEMORY",
        "Bug Check 0x50: PAGE_FAULT_IN_NONPAGED_AREA",
    ],
    windows: "0x50",
    explanation: "DxgkCbMapPhysicalMemory returns the base of the view, its size, and where the wanted part begins in it. \
                  From base to base + size it may be touched, until DxgkCbUnmapPhysicalMemory. In Windows the addresses \
                  may belong to somebody else right after the unmap; here they stay empty, so that the access faults.",
    mend: "Unmap the view when its last user is gone, clear the pointer there, and check offsets against the Size that \
           was returned",
};

pub(crate) static MDL_001: Rule = Rule {
    id: "MDL-001",
    broken_when: "an MDL's header or page array changes between DxgkCbMapMdlToIoMmu and DxgkCbUnmapMdlFromIoMmu",
    documentation: &["DXGKCB_MAPMDLTOIOMMU", "DXGKCB_UNMAPMDLFROMIOMMU"],
    windows: "undefined, the security of the pages is compromised",
    explanation: "In Windows the unmap reads the MDL again: what was mapped and is not in it any more stays reachable for \
                  the device, and what was put into it is taken away from its owner. Here the unmap goes by what was \
                  mapped, and the difference is reported.",
    mend: "Leave the MDL alone while it is mapped; use an MDL of its own for each mapping",
};

pub(crate) static MDL_002: Rule = Rule {
    id: "MDL-002",
    broken_when: "an MDL, or its pages, are freed, unlocked or used again before DxgkCbUnmapMdlFromIoMmu",
    documentation: &["DXGKCB_MAPMDLTOIOMMU, remarks", "DXGKCB_UNMAPMDLFROMIOMMU"],
    windows: "undefined, the security of the pages is compromised",
    explanation: "As long as the MDL is mapped the device reaches its pages, whoever owns them by then. The order is: \
                  device idle, DxgkCbUnmapMdlFromIoMmu, MmUnlockPages, IoFreeMdl, free the memory.",
    mend: "Unmap first, then unlock, then free the MDL, then the memory",
};

pub(crate) static MDL_003: Rule = Rule {
    id: "MDL-003",
    broken_when: "DxgkCbMapMdlToIoMmu is given an MDL that is neither locked nor of nonpaged pool",
    documentation: &["DXGKCB_MAPMDLTOIOMMU (\"populated with valid pages\")", "MmProbeAndLockPages"],
    windows: "undefined",
    explanation: "IoAllocateMdl makes the header only. The page array holds page numbers after \
                  MmBuildMdlForNonPagedPool, MmProbeAndLockPages or IoBuildPartialMdl; before that it holds whatever \
                  was there, and the device would be let into it.",
    mend: "Call MmBuildMdlForNonPagedPool (nonpaged pool) or MmProbeAndLockPages (anything else) before the map",
};

pub(crate) static MDL_004: Rule = Rule {
    id: "MDL-004",
    broken_when: "ByteCount, ByteOffset and Size of an MDL that is mapped do not fit its page array, or its flags contradict \
                  each other",
    documentation: &["wdm MDL", "IoSizeOfMdl", "MmInitializeMdl", "DXGKCB_MAPMDLTOIOMMU"],
    windows: "undefined",
    explanation: "The page array behind the header has one page number for every page that ByteOffset and ByteCount touch. \
                  A header that says more makes the map read numbers that nobody wrote, and lets the device into the \
                  pages that they name. Such MDLs come from buffers that were filled by hand or grown after the fact.",
    mend: "Let IoAllocateMdl or MmInitializeMdl fill the header for exactly the buffer, and change no field of it afterwards",
};

pub(crate) static MDL_005: Rule = Rule {
    id: "MDL-005",
    broken_when: "more than 4 GiB less a page is asked for as pages of one MDL",
    documentation: &[
        "DXGKCB_ALLOCATEPAGESFORMDL",
        "MmAllocatePagesForMdlEx",
        "DXGKARGCB_CREATE_PHYSICAL_MEMORY_OBJECT",
    ],
    windows: "failure",
    explanation: "The ByteCount of an MDL has 32 bits, so one call gives at most 4 GiB less a page. A physical memory object \
                  of the MDL type refers to the same routine; here a larger one works (our choice), and is a warning.",
    mend: "Ask for the memory in parts of less than 4 GiB",
};

pub(crate) static REG_001: Rule = Rule {
    id: "REG-001",
    broken_when: "the driver touches a register outside what DxgkCbMapMemory mapped, or after DxgkCbUnmapMemory",
    documentation: &["DXGKCB_MAP_MEMORY", "DXGKCB_UNMAP_MEMORY"],
    windows: "-",
    explanation: "A register map covers the Length that was asked for, from the address that was returned. Beyond it, in \
                  Windows, lies the rest of the page, another device, or nothing.",
    mend: "Map the whole range that is used, check register offsets against its length, and unmap it last in StopDevice",
};
