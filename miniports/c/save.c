/*
 * Saving what the device would forget: the save area pinned and filled by the device; when the pin is refused, piece by piece
 * through a buffer of the driver's own; when even a piece is refused, not at all, and the device is set up anew.
 *
 * Edu's one buffer plays a window on banks of memory: before a bank is saved it is loaded with the bank's contents, and after
 * it is restored it is read out and compared.
 */
#include "edu.h"

/* Banks of a PIECE in it, and in a page. */
#define BANKS (SAVED / PIECE)
#define BANKS_IN_PAGE (PAGE / PIECE)
/* Tells saved data from others. */
#define SEED 0x5A00u
/* The two halves of the buffer: one stages banks, the other carries pieces when there is no pin. */
#define STAGE 0u
#define CARRY PIECE

enum direction { SAVE, RESTORE };

NTSTATUS buffer_allocate(struct adapter *adapter)
{
    struct buffer *buffer = &adapter->buffer;
    memset(buffer, 0, sizeof *buffer);
    if (adapter->api == NO_CALLBACKS)
        return STATUS_SUCCESS;
    if (adapter->api == WDDM_2_9) {
        NTSTATUS status = object_create(adapter, PAGE, 0, &buffer->object);
        if (!NT_SUCCESS(status))
            return status;
        status = object_map(adapter, &buffer->object);
        if (NT_SUCCESS(status))
            status = object_list(adapter, &buffer->object, 0);
        if (!NT_SUCCESS(status)) {
            object_destroy(adapter, &buffer->object);
            return status;
        }
        buffer->memory = buffer->object.view + buffer->object.start;
        return status;
    }
    DXGKARGCB_ALLOCATECONTIGUOUSMEMORY argument = {
        .NumberOfBytes = PAGE,
        .HighestAcceptableAddress = ~0ull,
        .CacheType = DXGK_MEMORY_CACHING_TYPE_CACHED,
    };
    if (!adapter->dxgk.DxgkCbAllocateContiguousMemory || !adapter->dxgk.DxgkCbFreeContiguousMemory)
        return STATUS_NOT_SUPPORTED;
    NTSTATUS status = adapter->dxgk.DxgkCbAllocateContiguousMemory(adapter->dxgk.DeviceHandle, &argument);
    if (!NT_SUCCESS(status))
        return status;
    buffer->handle = argument.hMemoryHandle;
    buffer->memory = argument.pMemory;
    return status;
}

void buffer_free(struct adapter *adapter)
{
    struct buffer *buffer = &adapter->buffer;
    if (!buffer->memory)
        return;
    if (adapter->api == WDDM_2_9) {
        object_destroy(adapter, &buffer->object);
    } else {
        DXGKARGCB_FREECONTIGUOUSMEMORY argument = { .hMemoryHandle = buffer->handle };
        adapter->dxgk.DxgkCbFreeContiguousMemory(adapter->dxgk.DeviceHandle, &argument);
    }
    buffer->memory = NULL;
}

static UINT64 buffer_address(struct adapter *adapter, UINT32 offset)
{
    if (adapter->api == WDDM_2_9)
        return adl_address(adapter->buffer.object.adl, offset);
    return MmGetPhysicalAddress(adapter->buffer.memory + offset);
}

/* One bank, from the device's memory to an address of the device's, or back. */
static NTSTATUS bank(struct adapter *adapter, enum direction direction, UINT32 number, UINT64 place)
{
    volatile UINT32 *stage = (volatile UINT32 *)(adapter->buffer.memory + STAGE);
    UINT32 seed = SEED | number;
    NTSTATUS status;
    for (UINT32 index = 0; index < PIECE / 4; index++)
        stage[index] = direction == SAVE ? pattern_word(seed, index) : 0;
    if (direction == SAVE) {
        status = device_read_ram(adapter, buffer_address(adapter, STAGE), PIECE);
        return NT_SUCCESS(status) ? device_write_ram(adapter, place, PIECE) : status;
    }
    status = device_read_ram(adapter, place, PIECE);
    if (NT_SUCCESS(status))
        status = device_write_ram(adapter, buffer_address(adapter, STAGE), PIECE);
    for (UINT32 index = 0; NT_SUCCESS(status) && index < PIECE / 4; index++) {
        if (stage[index] != pattern_word(seed, index)) {
            LOG("edu: bank %u came back changed at word %u\n", number, index);
            status = STATUS_DEVICE_DATA_ERROR;
        }
    }
    return status;
}

/* The save area, pinned: its MDL or ADL. */
static NTSTATUS pin(struct adapter *adapter, const void **list)
{
    if (!adapter->dxgk.DxgkCbUnpinFrameBufferForSave)
        return STATUS_NOT_SUPPORTED;
    if (adapter->api == WDDM_2_9) {
        DXGKARGCB_PINFRAMEBUFFERFORSAVE2 argument = { .CommitSize = SAVED, .Flags.PreferContiguous = 1 };
        if (!adapter->dxgk.DxgkCbPinFrameBufferForSave2)
            return STATUS_NOT_SUPPORTED;
        NTSTATUS status = adapter->dxgk.DxgkCbPinFrameBufferForSave2(adapter->lead, &argument);
        *list = argument.pAdl;
        return status;
    }
    DXGKARGCB_PINFRAMEBUFFERFORSAVE argument = { .CommitSize = SAVED };
    if (!adapter->dxgk.DxgkCbPinFrameBufferForSave)
        return STATUS_NOT_SUPPORTED;
    NTSTATUS status = adapter->dxgk.DxgkCbPinFrameBufferForSave(adapter->lead, &argument);
    *list = argument.pMdl;
    return status;
}

static void unpin(struct adapter *adapter)
{
    DXGKARGCB_UNPINFRAMEBUFFERFORSAVE argument = { .PhysicalAdapterIndex = 0 };
    adapter->dxgk.DxgkCbUnpinFrameBufferForSave(adapter->lead, &argument);
}

/* Two banks, through the processor's view of a page of the area. */
static NTSTATUS piece(struct adapter *adapter, enum direction direction, UINT32 page, UINT8 *there)
{
    UINT8 *carry = adapter->buffer.memory + CARRY;
    NTSTATUS status = STATUS_SUCCESS;
    for (UINT32 nth = 0; NT_SUCCESS(status) && nth < BANKS_IN_PAGE; nth++) {
        if (direction == RESTORE)
            memcpy(carry, there + nth * PIECE, PIECE);
        status = bank(adapter, direction, page * BANKS_IN_PAGE + nth, buffer_address(adapter, CARRY));
        if (direction == SAVE)
            memcpy(there + nth * PIECE, carry, PIECE);
    }
    return status;
}

/* A page at a time: mapped, copied, unmapped before the next. */
static NTSTATUS in_pieces(struct adapter *adapter, enum direction direction, BOOLEAN *kept)
{
    NTSTATUS status = STATUS_SUCCESS;
    *kept = 0;
    if (!adapter->dxgk.DxgkCbMapFrameBufferPointer || !adapter->dxgk.DxgkCbUnmapFrameBufferPointer)
        return status;
    for (UINT32 page = 0; NT_SUCCESS(status) && page < SAVED / PAGE; page++) {
        DXGKARGCB_MAPFRAMEBUFFERPOINTER map = { .Size = PAGE, .Offset = page * PAGE };
        NTSTATUS mapped = adapter->dxgk.DxgkCbMapFrameBufferPointer(adapter->lead, &map);
        if (!NT_SUCCESS(mapped)) {
            LOG("edu: not even a page of the save area can be mapped (0x%x)\n", mapped);
            return status;
        }
        /* Offset now says where the wanted part begins. */
        status = piece(adapter, direction, page, (UINT8 *)map.pBaseAddress + map.Offset);
        DXGKARGCB_UNMAPFRAMEBUFFERPOINTER unmap = { .pBaseAddress = map.pBaseAddress };
        adapter->dxgk.DxgkCbUnmapFrameBufferPointer(adapter->lead, &unmap);
    }
    *kept = NT_SUCCESS(status);
    return status;
}

/* All banks, in whichever way can be had. */
static NTSTATUS transfer(struct adapter *adapter, enum direction direction, BOOLEAN *kept)
{
    const void *list;
    NTSTATUS status = pin(adapter, &list);
    *kept = 0;
    if (!NT_SUCCESS(status)) {
        LOG("edu: the save area cannot be pinned (0x%x); going on in pieces\n", status);
        return in_pieces(adapter, direction, kept);
    }
    status = STATUS_SUCCESS;
    for (UINT32 number = 0; NT_SUCCESS(status) && number < BANKS; number++) {
        UINT64 offset = number * PIECE;
        UINT64 place = adapter->api == WDDM_2_9 ? adl_address(list, offset) : mdl_address(list, offset);
        status = bank(adapter, direction, number, place);
    }
    unpin(adapter);
    *kept = NT_SUCCESS(status);
    return status;
}

NTSTATUS save_memory(struct adapter *adapter)
{
    BOOLEAN kept;
    NTSTATUS status;
    if (!adapter->keeps || !adapter->buffer.memory)
        return STATUS_SUCCESS;
    status = transfer(adapter, SAVE, &kept);
    adapter->saved = kept ? IS_SAFE : IS_LOST;
    return status;
}

NTSTATUS restore_memory(struct adapter *adapter)
{
    BOOLEAN kept = 0;
    NTSTATUS status = STATUS_SUCCESS;
    enum saved saved = adapter->saved;
    adapter->saved = IS_NOTHING;
    if (saved == IS_NOTHING)
        return status;
    if (saved == IS_SAFE)
        status = transfer(adapter, RESTORE, &kept);
    /* The next round writes the device anew. */
    if (NT_SUCCESS(status) && !kept)
        LOG("edu: the device's memory is lost; it is set up anew\n");
    return status;
}
