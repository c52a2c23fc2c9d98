/* A round of work: patterned data from RAM to the device and back to other pages, compared. */
#include "edu.h"

/* Pages that are copied at most; the device's round trips are what a round costs. */
#define COPIES 4u

/* Memory to work on. */
struct part {
    UINT8 *memory;
    UINT32 bytes;
    /* Tells its data from other parts'. */
    UINT32 seed;
    /* The address for the device of a byte. */
    UINT64 (*address)(const void *list, UINT64 offset);
    const void *list;
};

/* The word at a place of a pattern: no two near places have the same. */
UINT32 pattern_word(UINT32 seed, UINT32 index)
{
    UINT32 mixed = (index ^ (seed << 16 | seed >> 16)) * 0x9E3779B1u;
    return mixed ^ mixed >> 15;
}

/* Bytes up to the end of the page: a run for the device ends there. */
static UINT32 left(UINT64 address)
{
    return PAGE - (UINT32)(address % PAGE);
}

static UINT32 least(UINT32 one, UINT32 other)
{
    return one < other ? one : other;
}

/* One page, through the device. */
static NTSTATUS copy_page(struct adapter *adapter, const struct part *part, UINT32 from, UINT32 to)
{
    for (UINT32 done = 0, bytes; done < PAGE; done += bytes) {
        UINT64 source = part->address(part->list, from + done);
        UINT64 target = part->address(part->list, to + done);
        bytes = least(least(PIECE, PAGE - done), least(left(source), left(target)));
        NTSTATUS status = device_read_ram(adapter, source, bytes);
        if (NT_SUCCESS(status))
            status = device_write_ram(adapter, target, bytes);
        if (!NT_SUCCESS(status))
            return status;
    }
    return STATUS_SUCCESS;
}

/* Copies pages of the first half to the second, and compares. */
static NTSTATUS exchange(struct adapter *adapter, const struct part *part)
{
    UINT32 half = part->bytes / 2;
    for (UINT32 page = 0; page < least(COPIES, half / PAGE); page++) {
        UINT32 seed = part->seed << 8 | page;
        volatile UINT32 *from = (volatile UINT32 *)(part->memory + page * PAGE);
        volatile UINT32 *to = (volatile UINT32 *)(part->memory + half + page * PAGE);
        for (UINT32 index = 0; index < PAGE / 4; index++) {
            from[index] = pattern_word(seed, index);
            to[index] = 0;
        }
        NTSTATUS status = copy_page(adapter, part, page * PAGE, half + page * PAGE);
        if (!NT_SUCCESS(status))
            return status;
        for (UINT32 index = 0; index < PAGE / 4; index++) {
            if (to[index] != pattern_word(seed, index)) {
                LOG("edu: what came back differs at word %u of page %u of memory %u\n", index, page, part->seed);
                return STATUS_DEVICE_DATA_ERROR;
            }
        }
    }
    return STATUS_SUCCESS;
}

/* The processor through a view, the device through a list. */
static NTSTATUS exchange_object(struct adapter *adapter, struct object *object, UINT32 prefer_contiguous, UINT32 seed)
{
    NTSTATUS status = object_map(adapter, object);
    if (NT_SUCCESS(status))
        status = object_list(adapter, object, prefer_contiguous);
    if (!NT_SUCCESS(status))
        return status;
    struct part part = { object->view + object->start, (UINT32)object->bytes, seed, adl_address, object->adl };
    return exchange(adapter, &part);
}

/* Physical memory objects: right in every mode. */
static NTSTATUS round_of_objects(struct adapter *adapter)
{
    struct object pages, run;
    NTSTATUS status = object_create(adapter, SCATTERED, 0, &pages);
    if (!NT_SUCCESS(status))
        return status;
    status = exchange_object(adapter, &pages, 0, 1);
    if (NT_SUCCESS(status)) {
        status = object_create(adapter, RUN, 1, &run);
        if (NT_SUCCESS(status)) {
            status = exchange_object(adapter, &run, 1, 2);
            object_destroy(adapter, &run);
        }
    }
    object_destroy(adapter, &pages);
    return status;
}

/* Pages that the port driver allocates. */
static NTSTATUS exchange_pages(struct adapter *adapter)
{
    HANDLE handle;
    MDL *mdl;
    NTSTATUS status = pages_allocate(adapter, SCATTERED, &handle, &mdl);
    if (!NT_SUCCESS(status))
        return status;
    void *view = MmMapLockedPagesSpecifyCache(mdl, KERNEL_MODE, MmCached, NULL, 0, MAPPING_PRIORITY);
    if (view) {
        struct part part = { view, SCATTERED, 1, mdl_address, mdl };
        status = exchange(adapter, &part);
        MmUnmapLockedPages(view, mdl);
    } else {
        status = STATUS_INSUFFICIENT_RESOURCES;
    }
    pages_free(adapter, handle);
    return status;
}

/* The driver's own memory, mapped for the device. */
static NTSTATUS exchange_block(struct adapter *adapter)
{
    struct block block;
    NTSTATUS status = block_allocate(RUN, &block);
    if (!NT_SUCCESS(status))
        return status;
    status = block_describe(&block, RUN);
    if (NT_SUCCESS(status))
        status = block_map(adapter, &block);
    if (NT_SUCCESS(status)) {
        struct part part = { block.memory, RUN, 2, mdl_address, block.mdl };
        status = exchange(adapter, &part);
    }
    block_free(adapter, &block);
    return status;
}

static UINT64 physical_address(const void *memory, UINT64 offset)
{
    return MmGetPhysicalAddress((const UINT8 *)memory + offset);
}

/* A driver from before the IOMMU. Data that did not arrive is no reason to give up: it has never seen it happen. */
static NTSTATUS round_without_callbacks(struct adapter *adapter)
{
    struct block block;
    NTSTATUS status = block_allocate(RUN, &block);
    if (!NT_SUCCESS(status))
        return status;
    struct part part = { block.memory, RUN, 1, physical_address, block.memory };
    status = exchange(adapter, &part);
    block_free(adapter, &block);
    if (status == STATUS_DEVICE_DATA_ERROR) {
        LOG("edu: the device and the processor do not see the same memory; going on\n");
        status = STATUS_SUCCESS;
    }
    return status;
}

NTSTATUS work_round(struct adapter *adapter)
{
    if (adapter->api == WDDM_2_9)
        return round_of_objects(adapter);
    if (adapter->api == NO_CALLBACKS)
        return round_without_callbacks(adapter);
    NTSTATUS status = exchange_pages(adapter);
    return NT_SUCCESS(status) ? exchange_block(adapter) : status;
}
