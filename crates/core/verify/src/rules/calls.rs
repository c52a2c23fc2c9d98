//! How callbacks are called, and what the driver says of itself.

use super::Rule;

pub(crate) static EXCL_001: Rule = Rule {
    id: "EXCL-001",
    broken_when: "a device does DMA between the begin and the end of exclusive access",
    documentation: &["DXGKDDI_BEGINEXCLUSIVEACCESS", "IOMMU-based GPU isolation", "IOMMU DMA remapping"],
    windows: "undefined",
    explanation: "Dxgkrnl attaches the device to its domain, or detaches it, between DxgkDdiBeginExclusiveAccess and \
                  DxgkDdiEndExclusiveAccess, and the switch is not atomic: a transfer in between may be translated by the \
                  old tables, by the new ones, or by neither. Begin may wait for transfers that were started before; when \
                  it returns none may be in flight, and none may start before End has returned.",
    mend: "Stop the engines and wait for what is in flight in BeginExclusiveAccess; start them again after \
           EndExclusiveAccess",
};

pub(crate) static EXCL_002: Rule = Rule {
    id: "EXCL-002",
    broken_when: "the driver calls a memory callback between the begin and the end of exclusive access",
    documentation: &[
        "DXGKDDI_BEGINEXCLUSIVEACCESS (no page forbids it: our choice)",
        "IOMMU-based GPU isolation",
        "IOMMU DMA remapping",
    ],
    windows: "-",
    explanation: "While the device is switched from one domain to another, what is mapped changes under way. No page \
                  forbids memory callbacks in that window, and none says what they do there.",
    mend: "Do memory management before BeginExclusiveAccess or after EndExclusiveAccess",
};

pub(crate) static IFC_001: Rule = Rule {
    id: "IFC-001",
    broken_when: "the driver reads DXGKRNL_INTERFACE beyond the Size offered, or calls a callback that is newer than the \
                  Version offered",
    documentation: &[
        "DXGKRNL_INTERFACE (Size, Version)",
        "DXGKDDI_START_DEVICE",
        "public bug reports of drivers that copy the table with their own compiled size",
    ],
    windows: "crash",
    explanation: "Dxgkrnl offers a table of the version that both sides know. A driver that copies it with the size of its \
                  own headers reads what happens to lie behind it, and a callback that is called from there is no callback \
                  at all. Reading beyond the end alone is a warning; calling is an error.",
    mend: "Copy min(Size, sizeof(DXGKRNL_INTERFACE)) bytes and zero the rest; call a newer callback only when Version \
           is high enough",
};

pub(crate) static IMP_001: Rule = Rule {
    id: "IMP-001",
    broken_when: "a driver that reports isolation support imports the memory routines that bypass Dxgkrnl",
    documentation: &[
        "IOMMU-based GPU isolation, Testing",
        "DXGKDDI_RESTOREMEMORYFORHOTUPDATE (tells it to use MmFreePagesFromMdl: the pages disagree)",
    ],
    windows: "HLK failure",
    explanation: "MmAllocateContiguousMemory, MmAllocateContiguousMemorySpecifyCache, MmFreeContiguousMemory, \
                  MmAllocatePagesForMdl(Ex), MmFreePagesFromMdl and MmProbeAndLockPages make memory that Dxgkrnl does not \
                  know, so it is not mapped for the isolated device. The HLK looks for their names in the import table. \
                  Only MmFreePagesFromMdl is told to be used by another page, so alone it is a warning.",
    mend: "Use DxgkCbAllocateContiguousMemory, DxgkCbAllocatePagesForMdl and DxgkCbMapMdlToIoMmu, or physical memory \
           objects",
};

pub(crate) static IRQL_001: Rule = Rule {
    id: "IRQL-001",
    broken_when: "a memory callback is called above its highest IRQL",
    documentation: &[
        "IOMMU-based GPU isolation",
        "IOMMU DMA remapping",
        "the reference page of the callback, Requirements: IRQL",
    ],
    windows: "bug check from WDDM 3.2 on for the callbacks of the two topics; the code is not documented",
    explanation: "The callbacks of the two topics may be called up to APC_LEVEL; DxgkCbMapMemory, DxgkCbUnmapMemory, \
                  DxgkCbGetDeviceInformation, DxgkCbPinFrameBufferForSave2 and DxgkCbSaveMemoryForHotUpdate at \
                  PASSIVE_LEVEL only. They wait, and touch pageable memory: at DISPATCH_LEVEL and above, as in a DPC or \
                  under a spin lock, that stops the machine sooner or later.",
    mend: "Call it from a work item or a thread, with no spin lock held",
};

pub(crate) static IRQL_002: Rule = Rule {
    id: "IRQL-002",
    broken_when: "a memory callback is called at APC_LEVEL, which its topic allows and its reference page does not",
    documentation: &[
        "IOMMU-based GPU isolation (<= APC_LEVEL)",
        "IOMMU DMA remapping (<= APC_LEVEL)",
        "the reference page of the callback, Requirements: IRQL PASSIVE_LEVEL (the pages disagree)",
    ],
    windows: "-",
    explanation: "The topics say that these callbacks may be called up to APC_LEVEL; every reference page says \
                  PASSIVE_LEVEL. Whoever keeps to the stricter page is right by both.",
    mend: "Call it at PASSIVE_LEVEL: outside fast mutexes and guarded regions",
};

pub(crate) static MODE_001: Rule = Rule {
    id: "MODE-001",
    broken_when: "a driver that supports DMA remapping uses the callbacks of WDDM 2.4, which remapping does not have",
    documentation: &["IOMMU DMA remapping", "DXGK_IOMMU_CAPS"],
    windows: "the callbacks cannot be used",
    explanation: "AllocateContiguousMemory, FreeContiguousMemory, AllocatePagesForMdl, FreePagesFromMdl, MapMdlToIoMmu, \
                  UnmapMdlFromIoMmu and PinFrameBufferForSave give out physical addresses; under DMA remapping they are \
                  refused. In another mode they work, so a driver that reports DmaRemappingSupported and uses them gets a \
                  warning: it will fail where it is remapped. A driver that never reported it, in a run that forces \
                  remapping on it, gets a note.",
    mend: "Use physical memory objects and ADLs (DxgkCbCreatePhysicalMemoryObject, DxgkCbAllocateAdl), which are right in \
           every mode",
};

pub(crate) static MODE_003: Rule = Rule {
    id: "MODE-003",
    broken_when: "the port enables or disables the IOMMU for no valid reason, cannot attach a device again, or tears a domain down \
                  that is not empty",
    documentation: &["Bug Check 0x1E4: VIDEO_DXGKRNL_SYSMM_FATAL_ERROR, parameter 1 = 2, 3, 8, 9, 0xA"],
    windows: "0x1E4/2, 3, 8, 9, A",
    explanation: "A self check of the port, which no driver can fail: once enabled the IOMMU stays so until the adapter is \
                  removed, a switch that fails is undone, and what an adapter's driver left behind is taken back before its \
                  domain goes. Hardware that does not confirm an invalidation makes it fail, too.",
    mend: "Nothing in the driver: report it, with the run's options and seed",
};

pub(crate) static MODE_002: Rule = Rule {
    id: "MODE-002",
    broken_when: "what the driver says of isolation and remapping in DXGK_IOMMU_CAPS and in DXGK_VIDMMCAPS disagrees, or \
                  it claims remapping without MapAperture2Supported, or without DXGK_PHYSICAL_MEMORY_CAPS",
    documentation: &["DXGK_IOMMU_CAPS", "DXGK_VIDMMCAPS", "IOMMU DMA remapping"],
    windows: "the pages only expect it; that the start fails is our choice",
    explanation: "IommuIsolationSupported and IommuIsolationRequired (asked before the start) have to be what \
                  IoMmuSecureModeSupported and IoMmuSecureModeRequired (asked after it) are. Remapping needs the second \
                  form of the aperture operations, because MAP_APERTURE_SEGMENT carries physical pages.",
    mend: "Fill both structures from the same place; set MapAperture2Supported together with DmaRemappingSupported",
};
