//! What a driver claims of the machine's memory.

use super::Rule;

pub(crate) static RSV_001: Rule = Rule {
    id: "RSV-001",
    broken_when: "a range that the driver reports as its hardware's meets memory of the memory manager",
    documentation: &[
        "IOMMU-based GPU isolation, reserved memory",
        "DXGK_HARDWARERESERVEDRANGES",
        "DXGK_SEGMENTFLAGS (PopulatedFromSystemMemory)",
    ],
    windows: "detected; what follows is not documented, that the start fails is our choice",
    explanation: "Ranges that DXGKQAITYPE_HARDWARERESERVEDRANGES reports are mapped 1:1 for the device, so that what the \
                  firmware set aside for it stays reachable. A range of ordinary memory would open everybody's pages to \
                  the device. Such memory is never the system's to hand out: firmware takes it out of the memory map.",
    mend: "Report exactly the ranges that the firmware or a base-of-stolen-memory register names, and nothing that the \
           system gave the driver",
};

pub(crate) static SAVE_001: Rule = Rule {
    id: "SAVE-001",
    broken_when: "the save area's size is no multiple of a page, or more of it is pinned than the driver reported",
    documentation: &[
        "DXGK_FRAMEBUFFERSAVEAREA",
        "DXGKARGCB_PINFRAMEBUFFERFORSAVE",
        "DXGKARGCB_PINFRAMEBUFFERFORSAVE2",
    ],
    windows: "not documented; that it fails is our choice",
    explanation: "Dxgkrnl charges for the size that DXGKQAITYPE_FRAMEBUFFERSAVESIZE reports when the adapter starts, so that \
                  there is room when power goes. CommitSize may be less, in whole pages, but not more: for that nothing \
                  was set aside.",
    mend: "Report the most that will ever be saved, rounded up to pages, and pin at most that",
};
