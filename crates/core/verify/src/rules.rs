//! The catalogue: one entry a rule, with its documentation and what Windows does.

/// A rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its stable id.
    pub id: &'static str,
    /// What breaks it.
    pub broken_when: &'static str,
    /// Where it is documented.
    pub documentation: &'static [&'static str],
    /// What Windows does.
    pub windows: &'static str,
    /// More about it, for `dxgk explain`.
    pub explanation: &'static str,
    /// How it is mended, in general; a finding's `fix` says it for the case at hand.
    pub mend: &'static str,
}

pub(crate) static DMA_001: Rule = Rule {
    id: "DMA-001",
    broken_when: "a device accesses an address that was never mapped for it",
    documentation: &[
        "Bug Check 0xE6: DRIVER_VERIFIER_DMA_VIOLATION, parameter 1 = 0x26",
        "IOMMU-based GPU isolation",
        "IOMMU DMA remapping",
    ],
    windows: "0xE6/0x26",
    explanation: "The IOMMU refused the access: nothing that this driver allocated or mapped was ever reachable at that \
                  address. Usual causes: a wrong offset or length, an uninitialised descriptor, an address from \
                  another device, a register written in the wrong order. Memory becomes reachable through \
                  DxgkCbAllocateAdl (2.9 set), or DxgkCbAllocatePagesForMdl, DxgkCbAllocateContiguousMemory and \
                  DxgkCbMapMdlToIoMmu (2.4 set), and only from then on.",
    mend: "Check the address, offset and length that the device is given against the ADL or MDL they come from; map the \
           memory before the device is told of it",
};

pub(crate) static DMA_002: Rule = Rule {
    id: "DMA-002",
    broken_when: "a device accesses an address after it was unmapped",
    documentation: &[
        "DXGKCB_FREEADL",
        "DXGKCB_UNMAPMDLFROMIOMMU",
        "Bug Check 0xE6: DRIVER_VERIFIER_DMA_VIOLATION, parameter 1 = 0x26",
    ],
    windows: "0xE6/0x26",
    explanation: "The memory was mapped for this device earlier in the run and is not any more. The device still had the \
                  address, or a transfer was still in flight. Before FreeAdl, UnmapMdlFromIoMmu or FreePagesFromMdl the \
                  device must be idle for that memory: wait for its fence, or stop the engine and read back a register.",
    mend: "Let the device finish with the memory (wait for its fence, or stop the engine) before the call that unmaps \
           it, and forget the address there",
};

pub(crate) static DMA_004: Rule = Rule {
    id: "DMA-004",
    broken_when: "under DMA remapping the device was given the physical address of memory that this driver owns",
    documentation: &["IOMMU DMA remapping", "DXGK_ADL", "DXGKCB_ALLOCATEADL"],
    windows: "0xE6/0x26",
    explanation: "With DMA remapping a device does not see physical addresses. What MmGetPhysicalAddress returns, and what \
                  stands in the page array of an MDL, are physical addresses; giving them to the device makes it access \
                  a logical address that happens to have the same number. The device's addresses stand in the ADL that \
                  DxgkCbAllocateAdl returns.",
    mend: "Give the device the page numbers that stand in the ADL; do not call MmGetPhysicalAddress or read an MDL's \
           page array for it",
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

/// Every rule that this version decides, by id.
pub static RULES: &[&Rule] = &[&DMA_001, &DMA_002, &DMA_004, &FREE_001, &LEAK_001];
