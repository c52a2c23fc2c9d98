//! Entry points of memory: allocations, paging, exclusive access.

use crate::life::{
    ArgBeginExclusiveAccess, ArgEndExclusiveAccess, ArgRestoreMemoryForHotUpdate, ArgSaveMemoryForHotUpdate,
};
use crate::paging::ArgBuildPagingBuffer;
use crate::status::NtStatus;
use crate::word::{Handle, Pointer};

/// `DxgkDdiCreateAllocation`: 0x98 of the full table, at `PASSIVE_LEVEL`.
pub type DxgkDdiCreateAllocation = driver_fn!(fn(adapter: Handle, create_allocation: Pointer) -> NtStatus);

/// `DxgkDdiDestroyAllocation`: 0xa0 of the full table, at `PASSIVE_LEVEL`.
pub type DxgkDdiDestroyAllocation = driver_fn!(fn(adapter: Handle, destroy_allocation: Pointer) -> NtStatus);

/// `DxgkDdiDescribeAllocation`: 0xa8 of the full table, at `PASSIVE_LEVEL`.
pub type DxgkDdiDescribeAllocation =
    driver_fn!(fn(adapter: Handle, describe_allocation: Pointer) -> NtStatus);

/// `DxgkDdiGetStandardAllocationDriverData`: 0xb0 of the full table, at `PASSIVE_LEVEL`.
pub type DxgkDdiGetStandardAllocationDriverData =
    driver_fn!(fn(adapter: Handle, get_standard_allocation_driver_data: Pointer) -> NtStatus);

/// `DxgkDdiOpenAllocation`: 0x198 of the full table, at `PASSIVE_LEVEL`.
pub type DxgkDdiOpenAllocation = driver_fn!(fn(device: Handle, open_allocation: Pointer) -> NtStatus);

/// `DxgkDdiCloseAllocation`: 0x1a0 of the full table, at `PASSIVE_LEVEL`.
pub type DxgkDdiCloseAllocation = driver_fn!(fn(device: Handle, close_allocation: Pointer) -> NtStatus);

/// `DxgkDdiAcquireSwizzlingRange`: 0xb8 of the full table, at `PASSIVE_LEVEL`.
pub type DxgkDdiAcquireSwizzlingRange =
    driver_fn!(fn(adapter: Handle, acquire_swizzling_range: Pointer) -> NtStatus);

/// `DxgkDdiReleaseSwizzlingRange`: 0xc0 of the full table, at `PASSIVE_LEVEL`.
pub type DxgkDdiReleaseSwizzlingRange =
    driver_fn!(fn(adapter: Handle, release_swizzling_range: Pointer) -> NtStatus);

/// `DxgkDdiBuildPagingBuffer`: 0xe0 of the full table, at `PASSIVE_LEVEL`.
pub type DxgkDdiBuildPagingBuffer =
    driver_fn!(fn(adapter: Handle, build_paging_buffer: *mut ArgBuildPagingBuffer) -> NtStatus);

/// `DxgkDdiGetRootPageTableSize`: 0x2e0 of the full table, at `PASSIVE_LEVEL`, since WDDM 2.0.
pub type DxgkDdiGetRootPageTableSize = driver_fn!(fn(adapter: Handle, args: Pointer) -> u64);

/// `DxgkDdiSetRootPageTable`: 0x2d8 of the full table, at `PASSIVE_LEVEL`, since WDDM 2.0.
pub type DxgkDdiSetRootPageTable = driver_fn!(fn(adapter: Handle, set_page_table: Pointer));

/// `DxgkDdiMapCpuHostAperture`: 0x2e8 of the full table, at `PASSIVE_LEVEL`, since WDDM 2.0.
pub type DxgkDdiMapCpuHostAperture = driver_fn!(fn(adapter: Handle, args: Pointer) -> NtStatus);

/// `DxgkDdiUnmapCpuHostAperture`: 0x2f0 of the full table, at `PASSIVE_LEVEL`, since WDDM 2.0.
pub type DxgkDdiUnmapCpuHostAperture = driver_fn!(fn(adapter: Handle, args: Pointer) -> NtStatus);

/// `DxgkDdiValidateUpdateAllocationProperty`: 0x358 of the full table, at `PASSIVE_LEVEL`, since WDDM 2.1.
pub type DxgkDdiValidateUpdateAllocationProperty =
    driver_fn!(fn(adapter: Handle, validate_update_alloc_property: Pointer) -> NtStatus);

/// `DxgkDdiSetAllocationBackingStore`: 0x4f0 of the full table, at `PASSIVE_LEVEL`, since WDDM 3.0.
pub type DxgkDdiSetAllocationBackingStore = driver_fn!(fn(adapter: Handle, args: Pointer) -> NtStatus);

/// `DxgkDdiBeginExclusiveAccess`: 0x458 of the full table, at `PASSIVE_LEVEL`, since WDDM 2.4.
pub type DxgkDdiBeginExclusiveAccess =
    driver_fn!(fn(adapter: Handle, begin_exclusive_access: *mut ArgBeginExclusiveAccess) -> NtStatus);

/// `DxgkDdiEndExclusiveAccess`: 0x460 of the full table, at `PASSIVE_LEVEL`, since WDDM 2.4.
pub type DxgkDdiEndExclusiveAccess =
    driver_fn!(fn(adapter: Handle, end_exclusive_access: *mut ArgEndExclusiveAccess) -> NtStatus);

/// `DxgkDdiSaveMemoryForHotUpdate`: 0x4a8 of the full table, at `PASSIVE_LEVEL`, since WDDM 2.6.
pub type DxgkDdiSaveMemoryForHotUpdate =
    driver_fn!(fn(context: Handle, args: *const ArgSaveMemoryForHotUpdate) -> NtStatus);

/// `DxgkDdiRestoreMemoryForHotUpdate`: 0x4b0 of the full table, at `PASSIVE_LEVEL`, since WDDM 2.6.
pub type DxgkDdiRestoreMemoryForHotUpdate =
    driver_fn!(fn(context: Handle, args: *const ArgRestoreMemoryForHotUpdate) -> NtStatus);

/// `DxgkDdiCreateProcess`: 0x300 of the full table, at `PASSIVE_LEVEL`, since WDDM 2.0.
pub type DxgkDdiCreateProcess = driver_fn!(fn(adapter: Handle, args: Pointer) -> NtStatus);

/// `DxgkDdiDestroyProcess`: 0x308 of the full table, at `PASSIVE_LEVEL`, since WDDM 2.0.
pub type DxgkDdiDestroyProcess = driver_fn!(fn(adapter: Handle, kmd_process: Handle) -> NtStatus);
