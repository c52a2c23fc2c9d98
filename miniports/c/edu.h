/*
 * The sample miniport in C, for QEMU's edu device. It does what the Rust one beside it does, step by step; what the types
 * of that one forbid is done by hand here.
 */
#ifndef EDU_H
#define EDU_H

#include "kernel.h"

#define PAGE 4096u
/* Bytes of scattered pages, and of a run. */
#define SCATTERED (64u * 1024)
#define RUN (16u * 1024)
/* Bytes in one transfer: half of the device's buffer, as some of its versions refuse one that ends at the buffer's end. */
#define PIECE 2048u
/* Bytes that are saved over a power transition. */
#define SAVED (4u * PAGE)

/* The highest address that the device puts on the bus: an I/O page table of four levels has 48 bits. */
#define HIGHEST_VISIBLE_ADDRESS ((1ull << 48) - 1)
/* The adapter itself where a child's number is expected. */
#define ADAPTER_UID 0xFFFFFFFFu

#define LOG(...) DbgPrintEx(DPFLTR_IHVVIDEO_ID, DPFLTR_ERROR_LEVEL, __VA_ARGS__)

/* The MemoryApi of the registry. */
enum memory_api { NO_CALLBACKS = 20, WDDM_2_4 = 24, WDDM_2_9 = 29 };

struct adapter;

enum occasion { AT_WORK, IN_EXCLUSIVE_ACCESS, IN_CAPABILITIES, IN_RESERVED_RANGES };

/* What became of the device's memory. */
enum saved { IS_NOTHING, IS_SAFE, IS_LOST };

/* A mistake to look at. */
struct demo {
    const char *name;
    /* The MemoryApi that it needs; 0: 24 and 29 alike. */
    enum memory_api needed;
    enum occasion occasion;
    NTSTATUS (*run)(struct adapter *adapter);
};

/* Protections of a section (winnt.h). */
#define SECTION_READ_ONLY 0x02u
#define SECTION_READ_WRITE 0x04u

/* A view of a part of an object, as it was mapped; the wanted part begins at `start` in it. */
struct view {
    UINT8 *base;
    UINT64 start;
    UINT64 bytes;
};

/* A physical memory object, with the processor's view and the device's list of it. */
struct object {
    HANDLE object;
    HANDLE adapter_object;
    UINT64 bytes;
    /* The view as it was mapped; the wanted part begins at `start` in it. */
    UINT8 *view;
    UINT64 start;
    UINT64 view_bytes;
    DXGK_ADL *adl;
};

/* The driver's own buffer, seen by the device: a page, taken at the start, when there is memory. */
struct buffer {
    UINT8 *memory;
    /* Of WDDM 2.9. */
    struct object object;
    /* Contiguous memory of WDDM 2.4. */
    HANDLE handle;
};

/* One device, from AddDevice to RemoveDevice. */
struct adapter {
    enum memory_api api;
    const struct demo *demo;
    /* Whether the demo is still to come. */
    BOOLEAN demo_due;
    /* Between start and stop. */
    BOOLEAN started;
    /* Whether a round ran after the start. */
    BOOLEAN worked;
    /* Its chain, 0 for none, and whether it follows that chain's lead. */
    UINT32 chain;
    BOOLEAN follows;
    /* The handle of the lead: its own when it is not linked. */
    HANDLE lead;
    /* The callbacks, as many as were offered, and the end of the table that was offered. */
    DXGKRNL_INTERFACE dxgk;
    const UINT8 *dxgk_end;
    /* BAR 0. */
    volatile UINT8 *registers;
    UINT32 registers_length;
    struct buffer buffer;
    /* The lead of its chain: it was asked about save areas, so there is one. */
    BOOLEAN keeps;
    enum saved saved;
};

/* A block of nonpaged pool, mapped for the device. */
struct block {
    UINT8 *memory;
    MDL *mdl;
    HANDLE mapping;
};

/* save.c */
NTSTATUS buffer_allocate(struct adapter *adapter);
void buffer_free(struct adapter *adapter);
NTSTATUS save_memory(struct adapter *adapter);
NTSTATUS restore_memory(struct adapter *adapter);

/* displib.c */
DxgkInitialize_FN DxgkInitialize;

/* settings.c */
NTSTATUS settings_remember(const UNICODE_STRING *path);
NTSTATUS settings_read(struct adapter *adapter);

/* linking.c */
void linking_added(void);
void linking_removed(const struct adapter *adapter);
void linking_started(struct adapter *adapter);
void linking_unload(void);
DxgkDdiLinkDevice_FN link_device;

/* device.c */
NTSTATUS device_registers(struct adapter *adapter, UINT64 *start, UINT32 *length);
NTSTATUS device_open(struct adapter *adapter);
void device_close(struct adapter *adapter);
UINT32 device_identification(struct adapter *adapter);
NTSTATUS device_read_ram(struct adapter *adapter, UINT64 from, UINT32 bytes);
NTSTATUS device_write_ram(struct adapter *adapter, UINT64 to, UINT32 bytes);
/* One plain move, whatever lies there. */
UINT32 peek(const volatile void *place);

/* memory.c */
NTSTATUS object_create(struct adapter *adapter, UINT64 bytes, BOOLEAN contiguous, struct object *object);
NTSTATUS object_create_section(struct adapter *adapter, UINT64 bytes, UINT32 protection, struct object *object);
NTSTATUS object_create_registers(struct adapter *adapter, UINT64 start, UINT64 bytes, struct object *object);
NTSTATUS object_create_unopened(struct adapter *adapter, UINT64 bytes, struct object *object);
NTSTATUS object_open(struct adapter *adapter, struct object *object);
NTSTATUS object_map(struct adapter *adapter, struct object *object);
NTSTATUS object_view(struct adapter *adapter, HANDLE object, UINT32 mode, UINT64 offset, UINT64 bytes, struct view *view);
void object_unview(struct adapter *adapter, HANDLE object, const struct view *view);
NTSTATUS object_list(struct adapter *adapter, struct object *object, UINT32 prefer_contiguous);
void object_unmap(struct adapter *adapter, struct object *object);
void object_unlist(struct adapter *adapter, struct object *object);
NTSTATUS object_close(struct adapter *adapter, HANDLE adapter_object);
void object_destroy(struct adapter *adapter, struct object *object);
UINT64 adl_address(const void *adl, UINT64 offset);
NTSTATUS pages_allocate(struct adapter *adapter, UINT64 bytes, HANDLE *handle, MDL **mdl);
NTSTATUS pages_free(struct adapter *adapter, HANDLE handle);
NTSTATUS block_allocate(UINT32 bytes, struct block *block);
NTSTATUS block_describe(struct block *block, UINT32 bytes);
NTSTATUS block_map(struct adapter *adapter, struct block *block);
void block_unmap(struct adapter *adapter, struct block *block);
void block_free(struct adapter *adapter, struct block *block);
UINT64 mdl_address(const void *mdl, UINT64 offset);
UINT64 *mdl_pages(MDL *mdl);

/* work.c */
NTSTATUS work_round(struct adapter *adapter);
UINT32 pattern_word(UINT32 seed, UINT32 index);

/* demo.c */
const struct demo *demo_find(const char *name);
NTSTATUS demo_show(struct adapter *adapter, enum occasion occasion);

#endif
