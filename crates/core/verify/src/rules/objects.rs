//! Physical memory objects, address descriptor lists and processes.

use super::Rule;

pub(crate) static ADL_001: Rule = Rule {
    id: "ADL-001",
    broken_when: "the port takes a page away of which an address descriptor list is alive: a check of our own",
    documentation: &[
        "Bug Check 0x1E4: VIDEO_DXGKRNL_SYSMM_FATAL_ERROR, parameter 1 = 4",
        "DXGKCB_ALLOCATEADL",
    ],
    windows: "0x1E4/4",
    explanation: "The memory of an ADL is locked for the ADL's life. A section's page that loses its frame while a device is \
                  told of that frame would let the device into whatever the frame is used for next. It cannot be brought \
                  about by a driver; if it is found, this project is wrong.",
    mend: "Report it to the project, with the run's event log; the driver has nothing to mend",
};

pub(crate) static ADL_002: Rule = Rule {
    id: "ADL-002",
    broken_when: "a physical memory object is destroyed, or its adapter memory object closed, while an address descriptor \
                  list of it is alive",
    documentation: &[
        "Bug Check 0x1E4: VIDEO_DXGKRNL_SYSMM_FATAL_ERROR, parameter 1 = 5",
        "DXGKCB_DESTROYPHYSICALMEMORYOBJECT",
    ],
    windows: "0x1E4/5",
    explanation: "An ADL locks the pages that it lists, and the device reaches them as long as it lives. Destroying the object \
                  would leave locked pages to nobody, so Windows stops the machine. Here, unless the run is as strict as \
                  Windows, the object goes once its last ADL has.",
    mend: "Let the device finish, call DxgkCbFreeAdl for every ADL of the object, then close and destroy it",
};

pub(crate) static ADL_003: Rule = Rule {
    id: "ADL-003",
    broken_when: "an address descriptor list is alive when the device has been removed",
    documentation: &["Bug Check 0x1E4: VIDEO_DXGKRNL_SYSMM_FATAL_ERROR, parameter 1 = 7", "DXGKCB_FREEADL"],
    windows: "0x1E4/7",
    explanation: "The pages of an ADL stay locked, and mapped for a device that is gone. Objects that own the ADL and are left \
                  with it are listed in the finding.",
    mend: "Call DxgkCbFreeAdl for every ADL in StopDevice, then close and destroy the objects that they belong to",
};

pub(crate) static ADL_004: Rule = Rule {
    id: "ADL-004",
    broken_when: "the union in DXGK_ADL is read as the wrong member: the device is given the address of the page array, or the \
                  base page number is followed as a pointer",
    documentation: &["DXGK_ADL", "DXGK_ADL_FLAGS", "IOMMU DMA remapping"],
    windows: "undefined",
    explanation: "With Flags.Contiguous set the last word of DXGK_ADL is BasePageNumber, the first of PageCount page numbers that \
                  follow each other; with it clear, Pages points to an array of PageCount page numbers. Which form a list has \
                  may differ from call to call and from machine to machine, also without RequireContiguous.",
    mend: "Look at Flags.Contiguous of every list before its last word is read, and handle both forms",
};

pub(crate) static ADL_005: Rule = Rule {
    id: "ADL-005",
    broken_when: "DxgkCbAllocateAdl is asked for RequireContiguous of an object that is neither CONTIGUOUS_MEMORY nor IO_SPACE, or \
                  with reserved flags",
    documentation: &["DXGKARGCB_ALLOCATE_ADL", "DXGKCB_ALLOCATEADL"],
    windows: "failure",
    explanation: "Only memory of one piece can be promised to be one piece in every address mode. PreferContiguous may be asked of \
                  every object and is a wish. The other bits of Flags have to be zero.",
    mend: "Ask for PreferContiguous and handle both forms of the list, or create the object as CONTIGUOUS_MEMORY; zero the \
           structure before it is filled in",
};

pub(crate) static OBJ_001: Rule = Rule {
    id: "OBJ-001",
    broken_when: "a physical memory object of a type that does not exist is asked for",
    documentation: &[
        "Bug Check 0x1E4: VIDEO_DXGKRNL_SYSMM_FATAL_ERROR, parameter 1 = 1",
        "DXGK_PHYSICAL_MEMORY_TYPE",
    ],
    windows: "0x1E4/1",
    explanation: "DXGK_PHYSICAL_MEMORY_TYPE has the values 0 (MDL) to 3 (IO_SPACE). Another one usually comes from a structure that \
                  was not filled in, or was filled in by a compiler that lays it out otherwise.",
    mend: "Zero the structure, then set Type to one of the four values of DXGK_PHYSICAL_MEMORY_TYPE",
};

pub(crate) static OBJ_002: Rule = Rule {
    id: "OBJ-002",
    broken_when: "an adapter memory object is open when its physical memory object is destroyed without being given it, or when \
                  the device has been removed",
    documentation: &[
        "Bug Check 0x1E4: VIDEO_DXGKRNL_SYSMM_FATAL_ERROR, parameter 1 = 6",
        "DXGKARGCB_DESTROY_PHYSICAL_MEMORY_OBJECT",
    ],
    windows: "0x1E4/6",
    explanation: "An object that was created with an adapter is open on it from the start. It is closed once: by \
                  DxgkCbClosePhysicalMemoryObject, or by handing hAdapterMemoryObject to DxgkCbDestroyPhysicalMemoryObject.",
    mend: "Hand hAdapterMemoryObject to DxgkCbDestroyPhysicalMemoryObject, or close it before with \
           DxgkCbClosePhysicalMemoryObject",
};

pub(crate) static OBJ_003: Rule = Rule {
    id: "OBJ-003",
    broken_when: "a physical memory object is opened that is open already",
    documentation: &["DXGKARGCB_OPEN_PHYSICAL_MEMORY_OBJECT", "DXGKCB_OPENPHYSICALMEMORYOBJECT"],
    windows: "failure",
    explanation: "An object is open on one logical adapter at most, and counts for all adapters that are linked to it. Creation \
                  with an adapter opens it; only an object that was created without one is opened later, once.",
    mend: "Use the hAdapterMemoryObject that the creation returned; call DxgkCbOpenPhysicalMemoryObject only for objects that \
           were created with a null hAdapter",
};

pub(crate) static PROC_001: Rule = Rule {
    id: "PROC-001",
    broken_when: "a user-mode view is unmapped in another process than it was mapped in",
    documentation: &["DXGK_ACCESS_MODE", "DXGKCB_UNMAP_MEMORY"],
    windows: "undefined",
    explanation: "A user-mode view is a range of the address space of the process that was current at the map. In another process \
                  the same address is something else, or nothing; in Windows the unmap would hit that.",
    mend: "Unmap user-mode views in the context of the process that mapped them: on its own call, or attached to it \
           (KeStackAttachProcess); at the latest when it ends",
};

pub(crate) static UNINIT_001: Rule = Rule {
    id: "UNINIT-001",
    broken_when: "memory that was allocated without being zeroed is mapped to user mode before the driver has written all of it",
    documentation: &[
        "MmAllocatePagesForMdlEx, remarks on MM_DONT_ZERO_ALLOCATION",
        "MmAllocateContiguousMemorySpecifyCache",
    ],
    windows: "-",
    explanation: "Pages that are not zeroed hold what their last owner left there, which may be another process's secrets. In \
                  verifying runs they are filled with a pattern, and the pattern was still there when a process was let \
                  see the pages. It is looked for once, at the map.",
    mend: "Let the allocation zero the pages, or overwrite all of them before the first user-mode view",
};

pub(crate) static CACHE_001: Rule = Rule {
    id: "CACHE-001",
    broken_when: "one page is mapped for the processor with two cache types at once",
    documentation: &["DXGKCB_MAP_MEMORY", "MmMapIoSpace", "MEMORY_CACHING_TYPE"],
    windows: "-",
    explanation: "What a processor reads through a cached mapping may be older than what was written through an uncached or \
                  write-combining one, and a written-back line may overwrite it; some processors stop at it. All mappings of a \
                  page that exist at the same time need one cache type: registers usually MmNonCached, frame buffers \
                  MmWriteCombined, memory the type that it was allocated with.",
    mend: "Map the page with one cache type, or unmap the first mapping before the second is made",
};
