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

/* What the kernel writes the process sees. */
static NTSTATUS show_process(struct adapter *adapter, const struct object *object)
{
    struct view kernel, user;
    UINT32 seed = 4 << 8;
    NTSTATUS status =
        object_view(adapter, object->object, DXGK_ACCESS_MODE_KERNEL_MODE, PAGE, PAGE, &kernel);
    if (!NT_SUCCESS(status))
        return status;
    status = object_view(adapter, object->object, DXGK_ACCESS_MODE_USER_MODE, PAGE, PAGE, &user);
    if (NT_SUCCESS(status)) {
        volatile UINT32 *to = (volatile UINT32 *)(kernel.base + kernel.start);
        volatile UINT32 *from = (volatile UINT32 *)(user.base + user.start);
        for (UINT32 index = 0; index < PAGE / 4; index++)
            to[index] = pattern_word(seed, index);
        for (UINT32 index = 0; index < PAGE / 4 && NT_SUCCESS(status); index++)
            if (from[index] != pattern_word(seed, index))
                status = STATUS_DEVICE_DATA_ERROR;
        object_unview(adapter, object->object, &user);
    }
    object_unview(adapter, object->object, &kernel);
    return status;
}

/* Pageable memory: its pages are locked only while a list of it is alive. */
static NTSTATUS exchange_section(struct adapter *adapter)
{
    struct object section;
    NTSTATUS status = object_create_section(adapter, RUN, SECTION_READ_WRITE, &section);
    if (!NT_SUCCESS(status))
        return status;
    status = exchange_object(adapter, &section, 0, 3);
    if (NT_SUCCESS(status))
        status = show_process(adapter, &section);
    object_destroy(adapter, &section);
    return status;
}

/* An object that was made before it was known which adapter would use it. */
static NTSTATUS exchange_opened_later(struct adapter *adapter)
{
    struct object object;
    NTSTATUS status = object_create_unopened(adapter, 2 * PAGE, &object);
    if (!NT_SUCCESS(status))
        return status;
    status = object_open(adapter, &object);
    if (NT_SUCCESS(status)) {
        status = exchange_object(adapter, &object, 0, 5);
        if (object.adl)
            object_unlist(adapter, &object);
        object.adl = NULL;
        object_close(adapter, object.adapter_object);
        object.adapter_object = NULL;
    }
    object_destroy(adapter, &object);
    return status;
}

/* The device's registers as an object: the processor reads one through a view; another device could be let at them. */
static NTSTATUS look_at_registers(struct adapter *adapter)
{
    struct object registers;
    UINT64 start;
    UINT32 length;
    NTSTATUS status = device_registers(adapter, &start, &length);
    if (!NT_SUCCESS(status))
        return status;
    status = object_create_registers(adapter, start, PAGE, &registers);
    if (!NT_SUCCESS(status))
        return status;
    status = object_map(adapter, &registers);
    if (NT_SUCCESS(status)) {
        DXGKARGCB_ALLOCATE_ADL argument = {
            .hAdapterMemoryObject = registers.adapter_object,
            .Size = PAGE,
            .Flags.RequireContiguous = 1,
        };
        status = adapter->dxgk.DxgkCbAllocateAdl(&argument);
        if (NT_SUCCESS(status)) {
            registers.adl = argument.pAdl;
            UINT32 seen = peek(registers.view + registers.start);
            if (!registers.adl->Flags.Contiguous || seen != device_identification(adapter))
                status = STATUS_DEVICE_DATA_ERROR;
        }
    }
    object_destroy(adapter, &registers);
    return status;
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
    if (NT_SUCCESS(status))
        status = exchange_section(adapter);
    if (NT_SUCCESS(status))
        status = exchange_opened_later(adapter);
    return NT_SUCCESS(status) ? look_at_registers(adapter) : status;
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
