/*
 * Mistakes to look at, one for each rule that can be shown with this device: those of the Rust sample, under the same names.
 * The correct twin of each is one line away, in a comment at the line that is wrong.
 */
#include "edu.h"

/* No RAM of any machine this runs on, no place where logical addresses are given out; within the device's reach. */
#define NOWHERE 0x0DEAD0000000ull
/* What a field holds that nobody initialised. */
#define UNINITIALISED ((HANDLE)0xCDCDCDCDCDCDCDCDull)

#define APC_LEVEL 1
#define DISPATCH_LEVEL 2

/* A page of the kind that the MemoryApi has, with an address for the device. */
struct page {
    struct object object;
    struct block block;
    UINT64 address;
};

static NTSTATUS page_make(struct adapter *adapter, struct page *page)
{
    NTSTATUS status;
    if (adapter->api == WDDM_2_9) {
        status = object_create(adapter, PAGE, 0, &page->object);
        if (!NT_SUCCESS(status))
            return status;
        status = object_list(adapter, &page->object, 0);
        if (NT_SUCCESS(status))
            page->address = adl_address(page->object.adl, 0);
        else
            object_destroy(adapter, &page->object);
        return status;
    }
    status = block_allocate(PAGE, &page->block);
    if (!NT_SUCCESS(status))
        return status;
    status = block_describe(&page->block, PAGE);
    if (NT_SUCCESS(status))
        status = block_map(adapter, &page->block);
    if (NT_SUCCESS(status))
        page->address = mdl_address(page->block.mdl, 0);
    else
        block_free(adapter, &page->block);
    return status;
}

static void page_unmap(struct adapter *adapter, struct page *page)
{
    if (adapter->api == WDDM_2_9)
        object_unlist(adapter, &page->object);
    else
        block_unmap(adapter, &page->block);
}

/* When it is unmapped already. */
static void page_free_unmapped(struct adapter *adapter, struct page *page)
{
    page->object.adl = NULL;
    page->block.mapping = NULL;
    if (adapter->api == WDDM_2_9)
        object_destroy(adapter, &page->object);
    else
        block_free(adapter, &page->block);
}

/* DMA-001: the device is told to read from an address that nothing was ever mapped at. */
static NTSTATUS never_mapped(struct adapter *adapter)
{
    if (adapter->api == WDDM_2_4) {
        HANDLE handle;
        MDL *mdl;
        NTSTATUS status = pages_allocate(adapter, PAGE, &handle, &mdl);
        if (!NT_SUCCESS(status))
            return status;
        /* Correct: mdl_address(mdl, 0) */
        status = device_read_ram(adapter, NOWHERE, PAGE / 2);
        pages_free(adapter, handle);
        return status;
    }
    struct page page;
    NTSTATUS status = page_make(adapter, &page);
    if (!NT_SUCCESS(status))
        return status;
    /* Correct: page.address */
    status = device_read_ram(adapter, NOWHERE, PAGE / 2);
    page_unmap(adapter, &page);
    page_free_unmapped(adapter, &page);
    return status;
}

/* DMA-002: the device reads a page after it was unmapped. */
static NTSTATUS use_after_unmap(struct adapter *adapter)
{
    struct page page;
    NTSTATUS status = page_make(adapter, &page);
    if (!NT_SUCCESS(status))
        return status;
    /* Correct: this line after the next. */
    page_unmap(adapter, &page);
    status = device_read_ram(adapter, page.address, PAGE / 2);
    page_free_unmapped(adapter, &page);
    return status;
}

/* DMA-004: the device is given a physical address where it needs a logical one. */
static NTSTATUS physical_address(struct adapter *adapter)
{
    struct object object;
    NTSTATUS status = object_create(adapter, PAGE, 0, &object);
    if (!NT_SUCCESS(status))
        return status;
    status = object_map(adapter, &object);
    if (NT_SUCCESS(status))
        status = object_list(adapter, &object, 0);
    if (NT_SUCCESS(status)) {
        UINT64 physical = MmGetPhysicalAddress(object.view + object.start);
        /* Correct: adl_address(object.adl, 0) */
        status = device_read_ram(adapter, physical, PAGE / 2);
    }
    object_destroy(adapter, &object);
    return status;
}

/* LEAK-001: memory is still there when the device stops. */
static NTSTATUS leak(struct adapter *adapter)
{
    if (adapter->api == WDDM_2_9) {
        struct object object;
        /* One that is open on an adapter would be OBJ-002. Correct: object_destroy(adapter, &object) afterwards. */
        return object_create_unopened(adapter, PAGE, &object);
    }
    HANDLE handle;
    MDL *mdl;
    /* Correct: pages_free(adapter, handle) afterwards. */
    return pages_allocate(adapter, PAGE, &handle, &mdl);
}

/* FREE-001: something is freed, and freed again. */
static NTSTATUS double_free(struct adapter *adapter)
{
    struct page page;
    NTSTATUS status = page_make(adapter, &page);
    if (!NT_SUCCESS(status))
        return status;
    page_unmap(adapter, &page);
    /* Correct: without this line. */
    page_unmap(adapter, &page);
    page_free_unmapped(adapter, &page);
    return status;
}

/* IFC-001: the table of callbacks is read beyond the size that was offered. */
static NTSTATUS interface_over_read(struct adapter *adapter)
{
    /* Correct: adapter->dxgk.Size */
    UINT32 behind = peek(adapter->dxgk_end);
    LOG("edu: a table of %u bytes, and 0x%x\n", adapter->dxgk.Size, behind);
    return STATUS_SUCCESS;
}

/* One memory callback at a level; what it makes is given back at PASSIVE_LEVEL. */
static NTSTATUS at_level(struct adapter *adapter, UINT8 level)
{
    NTSTATUS status;
    UINT8 before;
    if (adapter->api == WDDM_2_9) {
        struct object object;
        status = object_create(adapter, PAGE, 0, &object);
        if (!NT_SUCCESS(status))
            return status;
        before = KfRaiseIrql(level);
        status = object_map(adapter, &object);
        KeLowerIrql(before);
        object_destroy(adapter, &object);
        return status;
    }
    HANDLE handle;
    MDL *mdl;
    before = KfRaiseIrql(level);
    status = pages_allocate(adapter, PAGE, &handle, &mdl);
    KeLowerIrql(before);
    if (NT_SUCCESS(status))
        pages_free(adapter, handle);
    return status;
}

/* IRQL-001. Correct: 0, PASSIVE_LEVEL. */
static NTSTATUS dispatch_level(struct adapter *adapter)
{
    return at_level(adapter, DISPATCH_LEVEL);
}

/* IRQL-002. Correct: 0, PASSIVE_LEVEL. */
static NTSTATUS apc_level(struct adapter *adapter)
{
    return at_level(adapter, APC_LEVEL);
}

/* HND-001: a handle that nobody gave out. */
static NTSTATUS unknown_handle(struct adapter *adapter)
{
    NTSTATUS status;
    if (adapter->api == WDDM_2_9) {
        struct object object;
        status = object_create(adapter, PAGE, 0, &object);
        if (!NT_SUCCESS(status))
            return status;
        /* Correct: without this line. */
        status = object_close(adapter, UNINITIALISED);
        object_destroy(adapter, &object);
        return status;
    }
    HANDLE handle;
    MDL *mdl;
    status = pages_allocate(adapter, PAGE, &handle, &mdl);
    if (!NT_SUCCESS(status))
        return status;
    /* Correct: without this line. */
    pages_free(adapter, UNINITIALISED);
    pages_free(adapter, handle);
    return status;
}

/* HND-002: an adapter that is linked to another, and not the lead, maps an MDL with its own handle. */
static NTSTATUS follower_handle(struct adapter *adapter)
{
    struct block block;
    HANDLE lead = adapter->lead;
    if (!adapter->follows)
        return STATUS_SUCCESS;
    NTSTATUS status = block_allocate(PAGE, &block);
    if (!NT_SUCCESS(status))
        return status;
    status = block_describe(&block, PAGE);
    if (NT_SUCCESS(status)) {
        /* Correct: without this line. */
        adapter->lead = adapter->dxgk.DeviceHandle;
        block_map(adapter, &block);
        adapter->lead = lead;
    }
    block_free(adapter, &block);
    return status;
}

/* HND-003: an adapter memory object is closed, and passed to the destruction all the same. */
static NTSTATUS closed_twice(struct adapter *adapter)
{
    struct object object;
    NTSTATUS status = object_create(adapter, PAGE, 0, &object);
    if (!NT_SUCCESS(status))
        return status;
    /* Correct: without the first two lines. */
    status = object_close(adapter, object.adapter_object);
    object_destroy(adapter, &object);
    object.adapter_object = NULL;
    object_destroy(adapter, &object);
    return status;
}

/* MODE-001: DMA remapping is reported, and a callback of WDDM 2.4 used. */
static NTSTATUS old_callbacks(struct adapter *adapter)
{
    HANDLE handle;
    MDL *mdl;
    /* Correct: object_create. Refused under remapping, freed at once otherwise. */
    if (NT_SUCCESS(pages_allocate(adapter, PAGE, &handle, &mdl)))
        pages_free(adapter, handle);
    return STATUS_SUCCESS;
}

/* EXCL-001: DMA in exclusive access. */
static NTSTATUS exclusive_dma(struct adapter *adapter)
{
    struct block block;
    NTSTATUS status = block_allocate(PAGE, &block);
    if (!NT_SUCCESS(status))
        return status;
    /* Correct: without this line; the device waits until DxgkDdiEndExclusiveAccess. */
    status = device_read_ram(adapter, MmGetPhysicalAddress(block.memory), PAGE / 2);
    block_free(adapter, &block);
    return status;
}

/* EXCL-002: a callback in exclusive access. */
static NTSTATUS exclusive_callback(struct adapter *adapter)
{
    DXGK_DEVICE_INFO information = { 0 };
    /* Correct: without this line; what is needed of it is asked for at the start. */
    return adapter->dxgk.DxgkCbGetDeviceInformation(adapter->dxgk.DeviceHandle, &information);
}

/* MDL-001: the page numbers of an MDL change while it is mapped. */
static NTSTATUS mdl_changed(struct adapter *adapter)
{
    struct block block;
    NTSTATUS status = block_allocate(RUN, &block);
    if (!NT_SUCCESS(status))
        return status;
    status = block_describe(&block, RUN);
    if (NT_SUCCESS(status))
        status = block_map(adapter, &block);
    if (NT_SUCCESS(status)) {
        UINT64 *pages = mdl_pages(block.mdl);
        UINT64 first = pages[0];
        /* Correct: these two lines after the unmap. */
        pages[0] = pages[1];
        pages[1] = first;
        block_unmap(adapter, &block);
        block.mapping = NULL;
    }
    block_free(adapter, &block);
    return status;
}

/* MDL-002: an MDL is freed before it is unmapped. */
static NTSTATUS mdl_freed(struct adapter *adapter)
{
    struct block block;
    NTSTATUS status = block_allocate(PAGE, &block);
    if (!NT_SUCCESS(status))
        return status;
    status = block_describe(&block, PAGE);
    if (NT_SUCCESS(status))
        status = block_map(adapter, &block);
    if (NT_SUCCESS(status)) {
        /* Correct: this line after the next. */
        IoFreeMdl(block.mdl);
        block_unmap(adapter, &block);
        block.mapping = NULL;
        block.mdl = NULL;
    }
    block_free(adapter, &block);
    return status;
}

/* MDL-003: an MDL is mapped that was never filled with page numbers. */
static NTSTATUS mdl_not_locked(struct adapter *adapter)
{
    struct block block;
    NTSTATUS status = block_allocate(PAGE, &block);
    if (!NT_SUCCESS(status))
        return status;
    /* Correct: block_describe(&block, PAGE) */
    block.mdl = IoAllocateMdl(block.memory, PAGE, 0, 0, NULL);
    if (block.mdl)
        block_map(adapter, &block);
    block_free(adapter, &block);
    return STATUS_SUCCESS;
}

/* MDL-004: the header of an MDL says more than its page array holds. */
static NTSTATUS mdl_misfit(struct adapter *adapter)
{
    struct block block;
    NTSTATUS status = block_allocate(RUN, &block);
    if (!NT_SUCCESS(status))
        return status;
    status = block_describe(&block, RUN);
    if (NT_SUCCESS(status)) {
        /* Correct: RUN, which is what it was made for. Refused. */
        block.mdl->ByteCount = RUN + PAGE;
        block_map(adapter, &block);
        block.mdl->ByteCount = RUN;
    }
    block_free(adapter, &block);
    return status;
}

/* MDL-005: more pages are asked for than an MDL can name. */
static NTSTATUS mdl_too_long(struct adapter *adapter)
{
    HANDLE handle;
    MDL *mdl;
    /* Correct: in parts of less than 4 GiB. Refused, as it must be. */
    if (NT_SUCCESS(pages_allocate(adapter, 1ull << 32, &handle, &mdl)))
        pages_free(adapter, handle);
    return STATUS_SUCCESS;
}

/* SAVE-001: more of the save area is pinned than was reported. */
static NTSTATUS save_too_much(struct adapter *adapter)
{
    /* Correct: SAVED. Refused, as nothing was set aside for the rest. */
    DXGKARGCB_PINFRAMEBUFFERFORSAVE2 argument = { .CommitSize = SAVED + PAGE };
    if (!adapter->dxgk.DxgkCbPinFrameBufferForSave2)
        return STATUS_NOT_SUPPORTED;
    adapter->dxgk.DxgkCbPinFrameBufferForSave2(adapter->lead, &argument);
    return STATUS_SUCCESS;
}

/* CPU-001: a view is read after its unmap. */
static NTSTATUS view_after_unmap(struct adapter *adapter)
{
    struct object object;
    NTSTATUS status = object_create(adapter, PAGE, 0, &object);
    if (!NT_SUCCESS(status))
        return status;
    status = object_map(adapter, &object);
    if (NT_SUCCESS(status)) {
        const UINT8 *view = object.view;
        object_unmap(adapter, &object);
        object.view = NULL;
        /* Correct: this line before the unmap. */
        LOG("edu: 0x%x was there\n", peek(view));
    }
    object_destroy(adapter, &object);
    return status;
}

/* REG-001: a register behind the end of the map. */
static NTSTATUS register_beyond(struct adapter *adapter)
{
    /* Correct: device_identification(adapter) */
    LOG("edu: 0x%x was there\n", peek(adapter->registers + adapter->registers_length));
    return STATUS_SUCCESS;
}

/* An object of a page, with a list. */
static NTSTATUS object_make_all(struct adapter *adapter, struct object *object)
{
    NTSTATUS status = object_create(adapter, PAGE, 0, object);
    if (!NT_SUCCESS(status))
        return status;
    status = object_list(adapter, object, 0);
    if (!NT_SUCCESS(status))
        object_destroy(adapter, object);
    return status;
}

/* DMA-003: the device writes to memory that is mapped for reading only. */
static NTSTATUS read_only(struct adapter *adapter)
{
    struct object object;
    /* Correct: SECTION_READ_WRITE */
    NTSTATUS status = object_create_section(adapter, PAGE, SECTION_READ_ONLY, &object);
    if (!NT_SUCCESS(status))
        return status;
    status = object_list(adapter, &object, 0);
    if (NT_SUCCESS(status))
        status = device_write_ram(adapter, adl_address(object.adl, 0), PAGE / 2);
    object_destroy(adapter, &object);
    return status;
}

/* DMA-005: the device is given an address of the processor's. */
static NTSTATUS cpu_address(struct adapter *adapter)
{
    struct object object;
    NTSTATUS status = object_create(adapter, PAGE, 0, &object);
    if (!NT_SUCCESS(status))
        return status;
    status = object_map(adapter, &object);
    if (NT_SUCCESS(status))
        status = object_list(adapter, &object, 0);
    /* Correct: adl_address(object.adl, 0) */
    if (NT_SUCCESS(status))
        status = device_read_ram(adapter, (UINT64)object.view, PAGE / 2);
    object_destroy(adapter, &object);
    return status;
}

/* DMA-006: a transfer begins in a mapping and ends behind it. */
static NTSTATUS overrun(struct adapter *adapter)
{
    struct object object;
    /* More than was mapped before, so that what lies behind was never mapped: that would be DMA-002. */
    UINT64 bytes = 256 * 1024;
    NTSTATUS status = object_create(adapter, bytes, 0, &object);
    if (!NT_SUCCESS(status))
        return status;
    status = object_list(adapter, &object, 0);
    /* Correct: PIECE / 2 */
    if (NT_SUCCESS(status))
        status = device_read_ram(adapter, adl_address(object.adl, bytes - PIECE / 2), PIECE);
    object_destroy(adapter, &object);
    return status;
}

/* DMA-007: the device is given an address that it cannot see by its driver's own words. */
static NTSTATUS too_high(struct adapter *adapter)
{
    struct object object;
    NTSTATUS status = object_make_all(adapter, &object);
    if (!NT_SUCCESS(status))
        return status;
    /* Correct: without the addition. */
    status = device_read_ram(adapter, adl_address(object.adl, 0) + HIGHEST_VISIBLE_ADDRESS + 1, PAGE / 2);
    object_destroy(adapter, &object);
    return status;
}

/* ADL-004: the union of an address descriptor list is read as the wrong member. */
static NTSTATUS wrong_union(struct adapter *adapter)
{
    struct object object;
    NTSTATUS status = object_make_all(adapter, &object);
    if (!NT_SUCCESS(status))
        return status;
    /* Correct: adl_address(object.adl, 0) */
    status = device_read_ram(adapter, (UINT64)object.adl->Pages, PAGE / 2);
    object_destroy(adapter, &object);
    return status;
}

/* ADL-005: RequireContiguous of an object of single pages. */
static NTSTATUS list_flags(struct adapter *adapter)
{
    struct object object;
    NTSTATUS status = object_create(adapter, PAGE, 0, &object);
    if (!NT_SUCCESS(status))
        return status;
    DXGKARGCB_ALLOCATE_ADL argument = {
        .hAdapterMemoryObject = object.adapter_object,
        .Size = PAGE,
        /* Correct: .Flags.PreferContiguous = 1, which is a wish. */
        .Flags.RequireContiguous = 1,
    };
    if (NT_SUCCESS(adapter->dxgk.DxgkCbAllocateAdl(&argument)))
        object.adl = argument.pAdl;
    object_destroy(adapter, &object);
    return STATUS_SUCCESS;
}

static void destroy(struct adapter *adapter, HANDLE object, HANDLE adapter_object)
{
    DXGKARGCB_DESTROY_PHYSICAL_MEMORY_OBJECT argument = {
        .hPhysicalMemoryObject = object,
        .hAdapterMemoryObject = adapter_object,
    };
    adapter->dxgk.DxgkCbDestroyPhysicalMemoryObject(&argument);
}

/* ADL-002: an object is destroyed before its list is freed. */
static NTSTATUS list_alive(struct adapter *adapter)
{
    struct object object;
    NTSTATUS status = object_make_all(adapter, &object);
    if (!NT_SUCCESS(status))
        return status;
    /* Correct: this line after the next. */
    destroy(adapter, object.object, object.adapter_object);
    object_unlist(adapter, &object);
    return status;
}

/* ADL-003: a list is still there when the device is removed. */
static NTSTATUS list_left(struct adapter *adapter)
{
    struct object object;
    /* Correct: object_destroy(adapter, &object) afterwards, which frees the list first. */
    return object_make_all(adapter, &object);
}

/* OBJ-001: the type of an object was not filled in. */
static NTSTATUS object_type(struct adapter *adapter)
{
    DXGKARGCB_CREATE_PHYSICAL_MEMORY_OBJECT argument = {
        .hAdapter = adapter->dxgk.DeviceHandle,
        .Size = PAGE,
        /* Correct: DXGK_PHYSICAL_MEMORY_TYPE_MDL */
        .Type = (DXGK_PHYSICAL_MEMORY_TYPE)0xCDCDCDCD,
        .CacheType = DXGK_MEMORY_CACHING_TYPE_CACHED,
    };
    if (NT_SUCCESS(adapter->dxgk.DxgkCbCreatePhysicalMemoryObject(&argument)))
        destroy(adapter, argument.hPhysicalMemoryObject, argument.hAdapterMemoryObject);
    return STATUS_SUCCESS;
}

/* OBJ-002: an adapter memory object is not passed to the destruction of its object. */
static NTSTATUS left_open(struct adapter *adapter)
{
    struct object object;
    NTSTATUS status = object_create(adapter, PAGE, 0, &object);
    if (!NT_SUCCESS(status))
        return status;
    /* Correct: object.adapter_object instead of NULL, and without the last line. */
    destroy(adapter, object.object, NULL);
    return object_close(adapter, object.adapter_object);
}

/* OBJ-003: an object is opened a second time. */
static NTSTATUS opened_twice(struct adapter *adapter)
{
    struct object object, again;
    NTSTATUS status = object_create(adapter, PAGE, 0, &object);
    if (!NT_SUCCESS(status))
        return status;
    again = object;
    /* Correct: without this line; an object that was made for an adapter is open on it. */
    object_open(adapter, &again);
    object_destroy(adapter, &object);
    return status;
}

/* UNINIT-001: memory that was not zeroed is mapped to user mode. */
static NTSTATUS uninitialised(struct adapter *adapter)
{
    struct object object;
    struct view view;
    /* Correct: 0 instead of 1: pages that are zeroed. */
    NTSTATUS status = object_create(adapter, PAGE, 1, &object);
    if (!NT_SUCCESS(status))
        return status;
    status = object_view(adapter, object.object, DXGK_ACCESS_MODE_USER_MODE, 0, PAGE, &view);
    if (NT_SUCCESS(status))
        object_unview(adapter, object.object, &view);
    object_destroy(adapter, &object);
    return status;
}

/* CACHE-001: the device's registers are mapped uncached and write-combining at once. */
static NTSTATUS two_caches(struct adapter *adapter)
{
    UINT64 start;
    UINT32 length;
    void *mapped = NULL;
    NTSTATUS status = device_registers(adapter, &start, &length);
    if (!NT_SUCCESS(status))
        return status;
    /* Correct: MmNonCached */
    status = adapter->dxgk.DxgkCbMapMemory(adapter->dxgk.DeviceHandle, start, PAGE, 0, 0, MmWriteCombined, &mapped);
    if (NT_SUCCESS(status))
        adapter->dxgk.DxgkCbUnmapMemory(adapter->dxgk.DeviceHandle, mapped);
    return status;
}

static const struct demo demos[] = {
    { "never-mapped", 0, AT_WORK, never_mapped },
    { "use-after-unmap", 0, AT_WORK, use_after_unmap },
    { "physical-address", WDDM_2_9, AT_WORK, physical_address },
    { "leak", 0, AT_WORK, leak },
    { "double-free", 0, AT_WORK, double_free },
    { "interface-over-read", 0, AT_WORK, interface_over_read },
    { "dispatch-level", 0, AT_WORK, dispatch_level },
    { "apc-level", 0, AT_WORK, apc_level },
    { "unknown-handle", 0, AT_WORK, unknown_handle },
    { "follower-handle", WDDM_2_4, AT_WORK, follower_handle },
    { "closed-twice", WDDM_2_9, AT_WORK, closed_twice },
    { "old-callbacks", WDDM_2_9, AT_WORK, old_callbacks },
    /* MODE-002: edu.c says another thing of isolation after the start than before it. */
    { "caps-disagree", 0, IN_CAPABILITIES, NULL },
    { "exclusive-dma", 0, IN_EXCLUSIVE_ACCESS, exclusive_dma },
    { "exclusive-callback", 0, IN_EXCLUSIVE_ACCESS, exclusive_callback },
    { "mdl-changed", WDDM_2_4, AT_WORK, mdl_changed },
    { "mdl-freed", WDDM_2_4, AT_WORK, mdl_freed },
    { "mdl-not-locked", WDDM_2_4, AT_WORK, mdl_not_locked },
    { "mdl-misfit", WDDM_2_4, AT_WORK, mdl_misfit },
    { "mdl-too-long", WDDM_2_4, AT_WORK, mdl_too_long },
    /* RSV-001: edu.c reports memory of the system's as its hardware's. */
    { "reserved-range", 0, IN_RESERVED_RANGES, NULL },
    { "save-too-much", 0, AT_WORK, save_too_much },
    { "view-after-unmap", WDDM_2_9, AT_WORK, view_after_unmap },
    { "register-beyond", 0, AT_WORK, register_beyond },
    { "read-only", WDDM_2_9, AT_WORK, read_only },
    { "cpu-address", WDDM_2_9, AT_WORK, cpu_address },
    { "overrun", WDDM_2_9, AT_WORK, overrun },
    { "too-high", WDDM_2_9, AT_WORK, too_high },
    { "wrong-union", WDDM_2_9, AT_WORK, wrong_union },
    { "list-flags", WDDM_2_9, AT_WORK, list_flags },
    { "list-alive", WDDM_2_9, AT_WORK, list_alive },
    { "list-left", WDDM_2_9, AT_WORK, list_left },
    { "object-type", WDDM_2_9, AT_WORK, object_type },
    { "left-open", WDDM_2_9, AT_WORK, left_open },
    { "opened-twice", WDDM_2_9, AT_WORK, opened_twice },
    { "uninitialised", WDDM_2_9, AT_WORK, uninitialised },
    { "two-caches", 0, AT_WORK, two_caches },
};

static char lower(char letter)
{
    return letter >= 'A' && letter <= 'Z' ? (char)(letter + 'a' - 'A') : letter;
}

/* Case does not matter. */
static BOOLEAN is_same(const char *one, const char *other)
{
    while (*one && lower(*one) == lower(*other)) {
        one++;
        other++;
    }
    return lower(*one) == lower(*other);
}

const struct demo *demo_find(const char *name)
{
    for (size_t index = 0; index < sizeof demos / sizeof demos[0]; index++)
        if (is_same(demos[index].name, name))
            return &demos[index];
    return NULL;
}

/* The demo, when it is due and this is its occasion. */
NTSTATUS demo_show(struct adapter *adapter, enum occasion occasion)
{
    const struct demo *demo = adapter->demo;
    if (!demo || !adapter->demo_due || demo->occasion != occasion)
        return STATUS_SUCCESS;
    adapter->demo_due = 0;
    LOG("edu: demo %s\n", demo->name);
    return demo->run ? demo->run(adapter) : STATUS_SUCCESS;
}
