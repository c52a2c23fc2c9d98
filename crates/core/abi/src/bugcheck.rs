//! Bug-check codes ("Bug check code reference"), those that drivers, the memory manager or its tests can meet.

use core::fmt;

open_enum! {
    /// The code with which Windows stops the machine.
    pub struct BugCheck(u32) {
        IRQL_NOT_LESS_OR_EQUAL = 0xA, "Bad address or pageable memory touched at a raised level by the kernel.";
        BAD_POOL_HEADER = 0x19, "Pool header damaged.";
        MEMORY_MANAGEMENT = 0x1A, "Severe error of the kernel's memory manager.";
        KMODE_EXCEPTION_NOT_HANDLED = 0x1E, "Exception in kernel mode that nobody handled.";
        SYSTEM_SERVICE_EXCEPTION = 0x3B, "Exception while executing a system service.";
        PFN_LIST_CORRUPT = 0x4E, "Page frame list damaged.";
        PAGE_FAULT_IN_NONPAGED_AREA = 0x50, "Invalid system memory referenced.";
        PROCESS_HAS_LOCKED_PAGES = 0x76, "A process ended with pages still locked by a driver.";
        SYSTEM_THREAD_EXCEPTION_NOT_HANDLED = 0x7E, "Exception in a system thread that nobody handled.";
        UNEXPECTED_KERNEL_MODE_TRAP = 0x7F, "Trap that the kernel does not allow or could not catch.";
        DRIVER_POWER_STATE_FAILURE = 0x9F, "Driver in an inconsistent or invalid power state.";
        ATTEMPTED_SWITCH_FROM_DPC = 0xB8, "A wait, attach or yield from a deferred procedure call.";
        ATTEMPTED_WRITE_TO_READONLY_MEMORY = 0xBE, "Driver wrote to read-only memory.";
        BAD_POOL_CALLER = 0xC2, "Bad pool request.";
        DRIVER_VERIFIER_DETECTED_VIOLATION = 0xC4, "Driver Verifier found a violation.";
        TIMER_OR_DPC_INVALID = 0xC7, "Timer or deferred procedure call where none may be.";
        IRQL_UNEXPECTED_VALUE = 0xC8, "The level is not what it should be here.";
        DRIVER_LEFT_LOCKED_PAGES_IN_PROCESS = 0xCB, "Locked pages not released after an I/O.";
        DRIVER_IRQL_NOT_LESS_OR_EQUAL = 0xD1, "Bad address or pageable memory touched at a raised level by a driver.";
        DRIVER_PAGE_FAULT_BEYOND_END_OF_ALLOCATION = 0xD6, "Driver touched memory beyond its pool allocation.";
        DRIVER_UNMAPPING_INVALID_VIEW = 0xD7, "Driver unmapped an address that is not mapped.";
        MANUALLY_INITIATED_CRASH = 0xE2, "Somebody asked for it.";
        DRIVER_VERIFIER_DMA_VIOLATION = 0xE6, "Driver broke the DMA rules (parameter 1 is the violation; 0x26: a device was caught at an unmapped address).";
        THREAD_STUCK_IN_DEVICE_DRIVER = 0xEA, "Thread does not leave a device driver.";
        DRIVER_OVERRAN_STACK_BUFFER = 0xF7, "Driver overran a buffer on the stack.";
        ATTEMPTED_EXECUTE_OF_NOEXECUTE_MEMORY = 0xFC, "Execution of memory that is not executable.";
        VIDEO_MEMORY_MANAGEMENT_INTERNAL = 0x10E, "The video memory manager met a condition it cannot recover from.";
        VIDEO_DXGKRNL_FATAL_ERROR = 0x113, "The graphics kernel found a violation.";
        VIDEO_TDR_FAILURE = 0x116, "Display driver could not be reset after a timeout.";
        VIDEO_SCHEDULER_INTERNAL_ERROR = 0x119, "The video scheduler found a fatal violation.";
        INVALID_MDL_RANGE = 0x12E, "A memory descriptor list describes memory it must not.";
        DPC_WATCHDOG_VIOLATION = 0x133, "Too long at `DISPATCH_LEVEL` or above.";
        KERNEL_SECURITY_CHECK_FAILURE = 0x139, "The kernel found a critical structure damaged (fast fail).";
        ILLEGAL_IOMMU_PAGE_FAULT = 0x158, "The IOMMU reported a page fault that nothing allows.";
        VIDEO_DXGKRNL_SYSMM_FATAL_ERROR = 0x1E4, "The graphics kernel's system memory manager found a violation; see [`SysMmFatalError`].";
    }
}

impl fmt::Display for BugCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} (0x{:X})", self.0),
            None => write!(f, "0x{:X}", self.0),
        }
    }
}

open_enum! {
    /// Parameter 1 of [`BugCheck::VIDEO_DXGKRNL_SYSMM_FATAL_ERROR`] (page "Bug Check 0x1E4"); 2 to 4 are reserved.
    pub struct SysMmFatalError(u64) {
        INVALID_PHYSICAL_OBJECT_TYPE = 0x1, "A physical object has an invalid type.";
        IOMMU_ENABLED_FOR_INVALID_REASON = 0x2, "The IOMMU was turned on for an invalid reason.";
        IOMMU_DISABLED_FOR_INVALID_REASON = 0x3, "The IOMMU was turned off for an invalid reason.";
        ADL_OVER_UNLOCKED_MEMORY = 0x4, "An address descriptor list is made over memory that is not locked.";
        UNLOCKED_WITH_LIVE_ADLS = 0x5, "Memory is unlocked though address descriptor lists of it exist.";
        ADAPTER_OBJECTS_LEAKED = 0x6, "Adapter memory objects leaked.";
        ADL_LEAKED = 0x7, "An address descriptor list leaked.";
        LOGICAL_BLOCK_POOL_LEAKED = 0x8, "A pool of logical address blocks leaked.";
        LOGICAL_BLOCK_POOL_ALLOCATOR_LEAKED = 0x9, "A pool's allocator leaked.";
        DOMAIN_REATTACH_FAILED = 0xA, "Attaching the device to the domain again failed.";
    }
}
