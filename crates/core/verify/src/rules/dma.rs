//! What devices reach.

use super::Rule;

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

pub(crate) static DMA_003: Rule = Rule {
    id: "DMA-003",
    broken_when: "a device writes where it may only read",
    documentation: &[
        "Bug Check 0xE6: DRIVER_VERIFIER_DMA_VIOLATION, parameter 1 = 0x26",
        "IOMMU-based GPU isolation",
        "IOMMU DMA remapping",
    ],
    windows: "0xE6/0x26",
    explanation: "The memory is mapped for the device, without the right to write: a physical memory object of the section \
                  type with a read-only protection is mapped so (our choice). Usual causes: source and destination of a \
                  copy exchanged, or the wrong protection at the object's creation.",
    mend: "Let the device write to memory that was made writable, or create the object with the protection that its \
           use needs",
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

pub(crate) static DMA_005: Rule = Rule {
    id: "DMA-005",
    broken_when: "the device was given an address of the processor's",
    documentation: &["DXGKCB_ALLOCATEADL", "IOMMU DMA remapping"],
    windows: "0xE6/0x26",
    explanation: "The address lies in a view, a pool block or another range of the driver's virtual addresses. Those mean nothing to \
                  a device, in any mode: what the processor's page tables say of them the device does not know.",
    mend: "Give the device the page numbers that stand in the ADL of the memory (DxgkCbAllocateAdl), not a pointer to it",
};

pub(crate) static DMA_006: Rule = Rule {
    id: "DMA-006",
    broken_when: "one transfer runs over the end of what is mapped, into a hole or into another object's mapping",
    documentation: &[
        "DXGK_ADL",
        "Bug Check 0xE6: DRIVER_VERIFIER_DMA_VIOLATION (compare its subcodes for transfers beyond a map)",
    ],
    windows: "undefined",
    explanation: "The transfer began inside a mapping and went on where that mapping does not reach. Usual causes: a length in the \
                  wrong unit, an offset that was added to the address and not taken off the length, or pages taken for \
                  contiguous: neighbours in a page array need not be neighbours in memory. Where another object happens to be \
                  mapped behind it, the device reads or destroys that one without any fault.",
    mend: "Keep each transfer inside one run of the list: check offset plus length, and split it where page numbers do not follow \
           each other",
};

pub(crate) static DMA_007: Rule = Rule {
    id: "DMA-007",
    broken_when: "the device accesses an address above the highest that it says it can see",
    documentation: &["DXGK_PHYSICAL_MEMORY_CAPS", "IOMMU DMA remapping"],
    windows: "-",
    explanation: "HighestVisibleAddress in DXGK_PHYSICAL_MEMORY_CAPS is the driver's own statement, and no address above it is ever \
                  given out for the device. An access there means that the statement is wrong, or the address is: upper bits \
                  from somewhere else, a sign extension, a shift too many.",
    mend: "Check how the address is put together from page number and offset, and that HighestVisibleAddress is what the device \
           can really put on the bus",
};
