//! The callbacks about memory.

use crate::callback::{
    ArgCbAllocateAdl, ArgCbAllocateContiguousMemory, ArgCbAllocatePagesForMdl,
    ArgCbClosePhysicalMemoryObject, ArgCbCreatePhysicalMemoryObject, ArgCbDestroyPhysicalMemoryObject,
    ArgCbFreeAdl, ArgCbFreeContiguousMemory, ArgCbFreePagesFromMdl, ArgCbMapFrameBufferPointer,
    ArgCbMapMdlToIoMmu, ArgCbMapPhysicalMemory, ArgCbOpenPhysicalMemoryObject, ArgCbPinFrameBufferForSave,
    ArgCbPinFrameBufferForSave2, ArgCbQueryFeatureSupport, ArgCbSaveMemoryForHotUpdate,
    ArgCbUnmapFrameBufferPointer, ArgCbUnmapMdlFromIoMmu, ArgCbUnmapPhysicalMemory,
    ArgCbUnpinFrameBufferForSave,
};
use crate::kernel::CachingType;
use crate::life::DeviceInfo;
use crate::status::NtStatus;
use crate::word::{Boolean, Handle, Pointer};

/// `DxgkCbGetDeviceInformation` at 0x18 of `DXGKRNL_INTERFACE`. The headers say `PASSIVE_LEVEL`.
pub type DxgkCbGetDeviceInformation =
    driver_fn!(fn(device_handle: Handle, dxgk_device_info: *mut DeviceInfo) -> NtStatus);

/// `DxgkCbMapMemory` at 0x28 of `DXGKRNL_INTERFACE`. The headers say `PASSIVE_LEVEL`.
pub type DxgkCbMapMemory = driver_fn!(
    fn(
        handle: Handle,
        translated_address: u64,
        length: u32,
        in_io_space: Boolean,
        map_to_user_mode: Boolean,
        memory_caching_type: CachingType,
        virtual_address: *mut Pointer,
    ) -> NtStatus
);

/// `DxgkCbUnmapMemory` at 0x50 of `DXGKRNL_INTERFACE`. The headers say `PASSIVE_LEVEL`.
pub type DxgkCbUnmapMemory = driver_fn!(fn(handle: Handle, virtual_address: Pointer) -> NtStatus);

/// `DxgkCbExcludeAdapterAccess` at 0xb0 of `DXGKRNL_INTERFACE`. The headers say `PASSIVE_LEVEL`.
pub type DxgkCbExcludeAdapterAccess = driver_fn!(
    fn(handle: Handle, attributes: u32, protected_callback: Pointer, context: Pointer) -> NtStatus
);

/// `DxgkCbAllocateContiguousMemory` at 0x170 of `DXGKRNL_INTERFACE`, since WDDM 2.4. The headers say
/// `PASSIVE_LEVEL`.
pub type DxgkCbAllocateContiguousMemory =
    driver_fn!(fn(adapter: Handle, arguments: *mut ArgCbAllocateContiguousMemory) -> NtStatus);

/// `DxgkCbFreeContiguousMemory` at 0x178 of `DXGKRNL_INTERFACE`, since WDDM 2.4. The headers say `PASSIVE_LEVEL`.
pub type DxgkCbFreeContiguousMemory =
    driver_fn!(fn(adapter: Handle, arguments: *const ArgCbFreeContiguousMemory) -> NtStatus);

/// `DxgkCbAllocatePagesForMdl` at 0x180 of `DXGKRNL_INTERFACE`, since WDDM 2.4. The headers say `PASSIVE_LEVEL`.
pub type DxgkCbAllocatePagesForMdl =
    driver_fn!(fn(adapter: Handle, arguments: *mut ArgCbAllocatePagesForMdl) -> NtStatus);

/// `DxgkCbFreePagesFromMdl` at 0x188 of `DXGKRNL_INTERFACE`, since WDDM 2.4. The headers say `PASSIVE_LEVEL`.
pub type DxgkCbFreePagesFromMdl =
    driver_fn!(fn(adapter: Handle, arguments: *const ArgCbFreePagesFromMdl) -> NtStatus);

/// `DxgkCbPinFrameBufferForSave` at 0x190 of `DXGKRNL_INTERFACE`, since WDDM 2.4. The headers say `PASSIVE_LEVEL`.
pub type DxgkCbPinFrameBufferForSave =
    driver_fn!(fn(adapter: Handle, arguments: *mut ArgCbPinFrameBufferForSave) -> NtStatus);

/// `DxgkCbUnpinFrameBufferForSave` at 0x198 of `DXGKRNL_INTERFACE`, since WDDM 2.4. The headers say `PASSIVE_LEVEL`.
pub type DxgkCbUnpinFrameBufferForSave =
    driver_fn!(fn(adapter: Handle, arguments: *const ArgCbUnpinFrameBufferForSave) -> NtStatus);

/// `DxgkCbMapFrameBufferPointer` at 0x1a0 of `DXGKRNL_INTERFACE`, since WDDM 2.4. The headers say `PASSIVE_LEVEL`.
pub type DxgkCbMapFrameBufferPointer =
    driver_fn!(fn(adapter: Handle, arguments: *mut ArgCbMapFrameBufferPointer) -> NtStatus);

/// `DxgkCbUnmapFrameBufferPointer` at 0x1a8 of `DXGKRNL_INTERFACE`, since WDDM 2.4. The headers say `PASSIVE_LEVEL`.
pub type DxgkCbUnmapFrameBufferPointer =
    driver_fn!(fn(adapter: Handle, arguments: *const ArgCbUnmapFrameBufferPointer) -> NtStatus);

/// `DxgkCbMapMdlToIoMmu` at 0x1b0 of `DXGKRNL_INTERFACE`, since WDDM 2.4. The headers say `PASSIVE_LEVEL`.
pub type DxgkCbMapMdlToIoMmu =
    driver_fn!(fn(adapter: Handle, arguments: *mut ArgCbMapMdlToIoMmu) -> NtStatus);

/// `DxgkCbUnmapMdlFromIoMmu` at 0x1b8 of `DXGKRNL_INTERFACE`, since WDDM 2.4. The headers say `PASSIVE_LEVEL`.
pub type DxgkCbUnmapMdlFromIoMmu = driver_fn!(fn(adapter: Handle, arguments: *const ArgCbUnmapMdlFromIoMmu));

/// `DxgkCbSaveMemoryForHotUpdate` at 0x1d8 of `DXGKRNL_INTERFACE`, since WDDM 2.6. The headers say `PASSIVE_LEVEL`.
pub type DxgkCbSaveMemoryForHotUpdate =
    driver_fn!(fn(adapter: Handle, arguments: *const ArgCbSaveMemoryForHotUpdate) -> NtStatus);

/// `DxgkCbQueryFeatureSupport` at 0x1e8 of `DXGKRNL_INTERFACE`, since WDDM 2.9. The headers say `PASSIVE_LEVEL`.
pub type DxgkCbQueryFeatureSupport = driver_fn!(fn(arguments: *mut ArgCbQueryFeatureSupport) -> NtStatus);

/// `DxgkCbCreatePhysicalMemoryObject` at 0x1f0 of `DXGKRNL_INTERFACE`, since WDDM 2.9. The headers say
/// `PASSIVE_LEVEL`.
pub type DxgkCbCreatePhysicalMemoryObject =
    driver_fn!(fn(arguments: *mut ArgCbCreatePhysicalMemoryObject) -> NtStatus);

/// `DxgkCbDestroyPhysicalMemoryObject` at 0x1f8 of `DXGKRNL_INTERFACE`, since WDDM 2.9. The headers say
/// `PASSIVE_LEVEL`.
pub type DxgkCbDestroyPhysicalMemoryObject =
    driver_fn!(fn(arguments: *const ArgCbDestroyPhysicalMemoryObject));

/// `DxgkCbMapPhysicalMemory` at 0x200 of `DXGKRNL_INTERFACE`, since WDDM 2.9. The headers say `PASSIVE_LEVEL`.
pub type DxgkCbMapPhysicalMemory = driver_fn!(fn(arguments: *mut ArgCbMapPhysicalMemory) -> NtStatus);

/// `DxgkCbUnmapPhysicalMemory` at 0x208 of `DXGKRNL_INTERFACE`, since WDDM 2.9. The headers say `PASSIVE_LEVEL`.
pub type DxgkCbUnmapPhysicalMemory = driver_fn!(fn(arguments: *const ArgCbUnmapPhysicalMemory));

/// `DxgkCbAllocateAdl` at 0x210 of `DXGKRNL_INTERFACE`, since WDDM 2.9. The headers say `PASSIVE_LEVEL`.
pub type DxgkCbAllocateAdl = driver_fn!(fn(arguments: *mut ArgCbAllocateAdl) -> NtStatus);

/// `DxgkCbFreeAdl` at 0x218 of `DXGKRNL_INTERFACE`, since WDDM 2.9. The headers say `PASSIVE_LEVEL`.
pub type DxgkCbFreeAdl = driver_fn!(fn(arguments: *const ArgCbFreeAdl));

/// `DxgkCbOpenPhysicalMemoryObject` at 0x220 of `DXGKRNL_INTERFACE`, since WDDM 2.9. The headers say
/// `PASSIVE_LEVEL`.
pub type DxgkCbOpenPhysicalMemoryObject =
    driver_fn!(fn(arguments: *mut ArgCbOpenPhysicalMemoryObject) -> NtStatus);

/// `DxgkCbClosePhysicalMemoryObject` at 0x228 of `DXGKRNL_INTERFACE`, since WDDM 2.9. The headers say
/// `PASSIVE_LEVEL`.
pub type DxgkCbClosePhysicalMemoryObject = driver_fn!(fn(arguments: *const ArgCbClosePhysicalMemoryObject));

/// `DxgkCbPinFrameBufferForSave2` at 0x230 of `DXGKRNL_INTERFACE`, since WDDM 2.9. The headers say `PASSIVE_LEVEL`.
pub type DxgkCbPinFrameBufferForSave2 =
    driver_fn!(fn(adapter: Handle, arguments: *mut ArgCbPinFrameBufferForSave2) -> NtStatus);
