/* The memory callbacks, one function each: physical memory objects of WDDM 2.9, pages and MDL maps of WDDM 2.4. */
#include "edu.h"

#define TAG 0x43756445u /* EduC */

static NTSTATUS object_make(
    struct adapter *adapter, DXGKARGCB_CREATE_PHYSICAL_MEMORY_OBJECT *argument, struct object *object)
{
    memset(object, 0, sizeof *object);
    if (!adapter->dxgk.DxgkCbCreatePhysicalMemoryObject || !adapter->dxgk.DxgkCbDestroyPhysicalMemoryObject)
        return STATUS_NOT_SUPPORTED;
    NTSTATUS status = adapter->dxgk.DxgkCbCreatePhysicalMemoryObject(argument);
    if (!NT_SUCCESS(status))
        return status;
    object->object = argument->hPhysicalMemoryObject;
    object->adapter_object = argument->hAdapterMemoryObject;
    object->bytes = argument->Size;
    return status;
}

NTSTATUS object_create(struct adapter *adapter, UINT64 bytes, BOOLEAN contiguous, struct object *object)
{
    DXGKARGCB_CREATE_PHYSICAL_MEMORY_OBJECT argument = {
        .hAdapter = adapter->dxgk.DeviceHandle,
        .Size = bytes,
        .CacheType = DXGK_MEMORY_CACHING_TYPE_CACHED,
    };
    /* Anywhere in RAM: what the device reaches is the logical addresses' affair. */
    if (contiguous) {
        argument.Type = DXGK_PHYSICAL_MEMORY_TYPE_CONTIGUOUS_MEMORY;
        argument.ContiguousMemory.HighestAcceptableAddress = ~0ull;
    } else {
        argument.Type = DXGK_PHYSICAL_MEMORY_TYPE_MDL;
        argument.Mdl.HighAddress = ~0ull;
    }
    return object_make(adapter, &argument, object);
}

NTSTATUS object_create_section(struct adapter *adapter, UINT64 bytes, UINT32 protection, struct object *object)
{
    DXGKARGCB_CREATE_PHYSICAL_MEMORY_OBJECT argument = {
        .hAdapter = adapter->dxgk.DeviceHandle,
        .Size = bytes,
        .Type = DXGK_PHYSICAL_MEMORY_TYPE_SECTION,
        .CacheType = DXGK_MEMORY_CACHING_TYPE_CACHED,
        .Section.PageProtection = protection,
    };
    return object_make(adapter, &argument, object);
}

NTSTATUS object_create_registers(struct adapter *adapter, UINT64 start, UINT64 bytes, struct object *object)
{
    DXGKARGCB_CREATE_PHYSICAL_MEMORY_OBJECT argument = {
        .hAdapter = adapter->dxgk.DeviceHandle,
        .Size = bytes,
        .Type = DXGK_PHYSICAL_MEMORY_TYPE_IO_SPACE,
        .CacheType = DXGK_MEMORY_CACHING_TYPE_NON_CACHED,
        .IOSpace.BaseAddress = start,
    };
    return object_make(adapter, &argument, object);
}

/* For no adapter; `object_open` comes before the first list. */
NTSTATUS object_create_unopened(struct adapter *adapter, UINT64 bytes, struct object *object)
{
    DXGKARGCB_CREATE_PHYSICAL_MEMORY_OBJECT argument = {
        .Size = bytes,
        .Type = DXGK_PHYSICAL_MEMORY_TYPE_MDL,
        .CacheType = DXGK_MEMORY_CACHING_TYPE_CACHED,
        .Mdl.HighAddress = ~0ull,
    };
    return object_make(adapter, &argument, object);
}

NTSTATUS object_open(struct adapter *adapter, struct object *object)
{
    DXGKARGCB_OPEN_PHYSICAL_MEMORY_OBJECT argument = {
        .hPhysicalMemoryObject = object->object,
        .hAdapter = adapter->dxgk.DeviceHandle,
    };
    if (!adapter->dxgk.DxgkCbOpenPhysicalMemoryObject)
        return STATUS_NOT_SUPPORTED;
    NTSTATUS status = adapter->dxgk.DxgkCbOpenPhysicalMemoryObject(&argument);
    if (NT_SUCCESS(status))
        object->adapter_object = argument.hAdapterMemoryObject;
    return status;
}

NTSTATUS object_view(struct adapter *adapter, HANDLE object, UINT32 mode, UINT64 offset, UINT64 bytes, struct view *view)
{
    DXGKARGCB_MAP_PHYSICAL_MEMORY argument = {
        .hPhysicalMemoryObject = object,
        .AccessMode = mode,
        .Offset = offset,
        .Size = bytes,
    };
    if (!adapter->dxgk.DxgkCbMapPhysicalMemory || !adapter->dxgk.DxgkCbUnmapPhysicalMemory)
        return STATUS_NOT_SUPPORTED;
    NTSTATUS status = adapter->dxgk.DxgkCbMapPhysicalMemory(&argument);
    if (!NT_SUCCESS(status))
        return status;
    /* The view may be larger than what was wanted; Offset now says where that begins within it. */
    view->base = argument.pMappedAddress;
    view->start = argument.Offset;
    view->bytes = argument.Size;
    return status;
}

void object_unview(struct adapter *adapter, HANDLE object, const struct view *view)
{
    DXGKARGCB_UNMAP_PHYSICAL_MEMORY argument = {
        .hPhysicalMemoryObject = object,
        .pBaseAddress = view->base,
        .Size = view->bytes,
    };
    adapter->dxgk.DxgkCbUnmapPhysicalMemory(&argument);
}

NTSTATUS object_map(struct adapter *adapter, struct object *object)
{
    struct view view;
    NTSTATUS status =
        object_view(adapter, object->object, DXGK_ACCESS_MODE_KERNEL_MODE, 0, object->bytes, &view);
    if (!NT_SUCCESS(status))
        return status;
    object->view = view.base;
    object->start = view.start;
    object->view_bytes = view.bytes;
    return status;
}

NTSTATUS object_list(struct adapter *adapter, struct object *object, UINT32 prefer_contiguous)
{
    DXGKARGCB_ALLOCATE_ADL argument = {
        .hAdapterMemoryObject = object->adapter_object,
        .Size = object->bytes,
        .Flags.PreferContiguous = prefer_contiguous & 1,
    };
    if (!adapter->dxgk.DxgkCbAllocateAdl || !adapter->dxgk.DxgkCbFreeAdl)
        return STATUS_NOT_SUPPORTED;
    NTSTATUS status = adapter->dxgk.DxgkCbAllocateAdl(&argument);
    if (NT_SUCCESS(status))
        object->adl = argument.pAdl;
    return status;
}

void object_unmap(struct adapter *adapter, struct object *object)
{
    struct view view = { object->view, object->start, object->view_bytes };
    object_unview(adapter, object->object, &view);
}

void object_unlist(struct adapter *adapter, struct object *object)
{
    DXGKARGCB_FREE_ADL argument = { .hAdapterMemoryObject = object->adapter_object, .pAdl = object->adl };
    adapter->dxgk.DxgkCbFreeAdl(&argument);
}

NTSTATUS object_close(struct adapter *adapter, HANDLE adapter_object)
{
    DXGKARGCB_CLOSE_PHYSICAL_MEMORY_OBJECT argument = { .hAdapterMemoryObject = adapter_object };
    if (!adapter->dxgk.DxgkCbClosePhysicalMemoryObject)
        return STATUS_NOT_SUPPORTED;
    adapter->dxgk.DxgkCbClosePhysicalMemoryObject(&argument);
    return STATUS_SUCCESS;
}

/* What is still there goes first. */
void object_destroy(struct adapter *adapter, struct object *object)
{
    DXGKARGCB_DESTROY_PHYSICAL_MEMORY_OBJECT argument = {
        .hPhysicalMemoryObject = object->object,
        .hAdapterMemoryObject = object->adapter_object,
    };
    if (object->adl)
        object_unlist(adapter, object);
    if (object->view)
        object_unmap(adapter, object);
    adapter->dxgk.DxgkCbDestroyPhysicalMemoryObject(&argument);
}

/* The address for the device of a byte of the list. */
UINT64 adl_address(const void *list, UINT64 offset)
{
    const DXGK_ADL *adl = list;
    UINT64 page = offset / PAGE;
    UINT64 number = adl->Flags.Contiguous ? adl->BasePageNumber + page : adl->Pages[page];
    return number * PAGE + offset % PAGE;
}

NTSTATUS pages_allocate(struct adapter *adapter, UINT64 bytes, HANDLE *handle, MDL **mdl)
{
    DXGKARGCB_ALLOCATEPAGESFORMDL argument = {
        .HighAddress = ~0ull,
        .TotalBytes = bytes,
        .CacheType = DXGK_MEMORY_CACHING_TYPE_CACHED,
    };
    if (!adapter->dxgk.DxgkCbAllocatePagesForMdl || !adapter->dxgk.DxgkCbFreePagesFromMdl)
        return STATUS_NOT_SUPPORTED;
    NTSTATUS status = adapter->dxgk.DxgkCbAllocatePagesForMdl(adapter->dxgk.DeviceHandle, &argument);
    *handle = argument.hMemoryHandle;
    *mdl = argument.pMdl;
    return status;
}

NTSTATUS pages_free(struct adapter *adapter, HANDLE handle)
{
    DXGKARGCB_FREEPAGESFROMMDL argument = { .hMemoryHandle = handle };
    return adapter->dxgk.DxgkCbFreePagesFromMdl(adapter->dxgk.DeviceHandle, &argument);
}

NTSTATUS block_allocate(UINT32 bytes, struct block *block)
{
    memset(block, 0, sizeof *block);
    block->memory = ExAllocatePool2(POOL_FLAG_NON_PAGED, bytes, TAG);
    return block->memory ? STATUS_SUCCESS : STATUS_NO_MEMORY;
}

/* An MDL of the block, with its page numbers. */
NTSTATUS block_describe(struct block *block, UINT32 bytes)
{
    block->mdl = IoAllocateMdl(block->memory, bytes, 0, 0, NULL);
    if (!block->mdl)
        return STATUS_INSUFFICIENT_RESOURCES;
    MmBuildMdlForNonPagedPool(block->mdl);
    return STATUS_SUCCESS;
}

NTSTATUS block_map(struct adapter *adapter, struct block *block)
{
    DXGKARGCB_MAPMDLTOIOMMU argument = { .pMdl = block->mdl };
    if (!adapter->dxgk.DxgkCbMapMdlToIoMmu || !adapter->dxgk.DxgkCbUnmapMdlFromIoMmu)
        return STATUS_NOT_SUPPORTED;
    NTSTATUS status = adapter->dxgk.DxgkCbMapMdlToIoMmu(adapter->lead, &argument);
    if (NT_SUCCESS(status))
        block->mapping = argument.hMemoryHandle;
    return status;
}

void block_unmap(struct adapter *adapter, struct block *block)
{
    DXGKARGCB_UNMAPMDLFROMIOMMU argument = { .hMemoryHandle = block->mapping };
    adapter->dxgk.DxgkCbUnmapMdlFromIoMmu(adapter->lead, &argument);
}

void block_free(struct adapter *adapter, struct block *block)
{
    if (block->mapping)
        block_unmap(adapter, block);
    if (block->mdl)
        IoFreeMdl(block->mdl);
    ExFreePoolWithTag(block->memory, TAG);
}

/* The page numbers lie behind the header. */
UINT64 *mdl_pages(MDL *mdl)
{
    return (UINT64 *)(mdl + 1);
}

/* A byte's physical address, which is the device's too in isolation. */
UINT64 mdl_address(const void *list, UINT64 offset)
{
    const MDL *mdl = list;
    UINT64 at = mdl->ByteOffset + offset;
    return ((const UINT64 *)(mdl + 1))[at / PAGE] * PAGE + at % PAGE;
}
