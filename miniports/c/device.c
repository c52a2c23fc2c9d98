/* The edu device: registers and DMA (QEMU, docs/specs/edu.rst). */
#include "edu.h"

/* Identification 0xRRrr00ed, revision 1.0. */
#define IDENTIFICATION 0x00
#define EDU_1_0 0x010000EDu
/* Reads as the inverse of what was written. */
#define LIVENESS 0x04
#define DMA_SOURCE 0x80
#define DMA_DESTINATION 0x88
#define DMA_COUNT 0x90
#define DMA_COMMAND 0x98
/* Start (reads as 1 while the transfer runs), and the direction device to RAM. */
#define START 1ull
#define TO_RAM 2ull
/* Where the device sees its own buffer. */
#define BUFFER 0x40000ull
#define LAST_REGISTER (DMA_COMMAND + 8)

/* What a register reads as when no device is there any more. */
#define GONE (~0ull)
/* How long a transfer may take: polls, and microseconds between two of them. */
#define POLLS 20000
#define PAUSE 50

/* The empty statement keeps the compiler from making an arithmetic instruction of the move. */
UINT32 peek(const volatile void *place)
{
    UINT32 value = *(const volatile UINT32 *)place;
    __asm__ volatile("" : "+r"(value));
    return value;
}

static UINT64 read64(struct adapter *adapter, UINT32 offset)
{
    UINT64 value = *(volatile UINT64 *)(adapter->registers + offset);
    __asm__ volatile("" : "+r"(value));
    return value;
}

static void write32(struct adapter *adapter, UINT32 offset, UINT32 value)
{
    *(volatile UINT32 *)(adapter->registers + offset) = value;
}

static void write64(struct adapter *adapter, UINT32 offset, UINT64 value)
{
    *(volatile UINT64 *)(adapter->registers + offset) = value;
}

UINT32 device_identification(struct adapter *adapter)
{
    return peek(adapter->registers + IDENTIFICATION);
}

/* The first memory range of the first bus: BAR 0. */
static NTSTATUS find_registers(const CM_RESOURCE_LIST *list, UINT64 *start, UINT32 *length)
{
    if (!list || list->Count == 0)
        return STATUS_DEVICE_CONFIGURATION_ERROR;
    const CM_PARTIAL_RESOURCE_LIST *resources = &list->List[0].PartialResourceList;
    for (UINT32 index = 0; index < resources->Count; index++) {
        const CM_PARTIAL_RESOURCE_DESCRIPTOR *resource = &resources->PartialDescriptors[index];
        if (resource->Type == CmResourceTypeMemory) {
            *start = resource->Start;
            *length = resource->Length;
            return STATUS_SUCCESS;
        }
    }
    return STATUS_DEVICE_CONFIGURATION_ERROR;
}

static NTSTATUS check(struct adapter *adapter)
{
    static const UINT32 probes[] = { 0x5A5A00FF, 0x00000001 };
    UINT32 identification = device_identification(adapter);
    if (identification != EDU_1_0) {
        LOG("edu: identification 0x%x, expected 0x%x\n", identification, EDU_1_0);
        return STATUS_NO_SUCH_DEVICE;
    }
    for (size_t index = 0; index < sizeof probes / sizeof probes[0]; index++) {
        write32(adapter, LIVENESS, probes[index]);
        UINT32 answer = peek(adapter->registers + LIVENESS);
        if (answer != ~probes[index]) {
            LOG("edu: liveness of 0x%x is 0x%x\n", probes[index], answer);
            return STATUS_DEVICE_NOT_CONNECTED;
        }
    }
    return STATUS_SUCCESS;
}

/* Maps BAR 0 and checks that it is edu and alive. */
/* Where the registers are, as the port driver says it. */
NTSTATUS device_registers(struct adapter *adapter, UINT64 *start, UINT32 *length)
{
    DXGK_DEVICE_INFO information = { 0 };
    if (!adapter->dxgk.DxgkCbGetDeviceInformation)
        return STATUS_NOT_SUPPORTED;
    NTSTATUS status = adapter->dxgk.DxgkCbGetDeviceInformation(adapter->dxgk.DeviceHandle, &information);
    return NT_SUCCESS(status) ? find_registers(information.TranslatedResourceList, start, length) : status;
}

NTSTATUS device_open(struct adapter *adapter)
{
    DXGKRNL_INTERFACE *dxgk = &adapter->dxgk;
    DXGK_DEVICE_INFO information = { 0 };
    UINT64 start;
    UINT32 length;
    void *mapped = NULL;
    if (!dxgk->DxgkCbGetDeviceInformation || !dxgk->DxgkCbMapMemory || !dxgk->DxgkCbUnmapMemory)
        return STATUS_NOT_SUPPORTED;
    NTSTATUS status = dxgk->DxgkCbGetDeviceInformation(dxgk->DeviceHandle, &information);
    if (!NT_SUCCESS(status))
        return status;
    status = find_registers(information.TranslatedResourceList, &start, &length);
    if (!NT_SUCCESS(status))
        return status;
    if (length < LAST_REGISTER)
        return STATUS_DEVICE_CONFIGURATION_ERROR;
    status = dxgk->DxgkCbMapMemory(dxgk->DeviceHandle, start, length, 0, 0, MmNonCached, &mapped);
    if (!NT_SUCCESS(status))
        return status;
    adapter->registers = mapped;
    adapter->registers_length = length;
    status = check(adapter);
    if (!NT_SUCCESS(status))
        device_close(adapter);
    return status;
}

void device_close(struct adapter *adapter)
{
    adapter->dxgk.DxgkCbUnmapMemory(adapter->dxgk.DeviceHandle, (void *)adapter->registers);
    adapter->registers = NULL;
}

/* One transfer, waited for. */
static NTSTATUS transfer(struct adapter *adapter, UINT64 from, UINT64 to, UINT64 bytes, UINT64 command)
{
    write64(adapter, DMA_SOURCE, from);
    write64(adapter, DMA_DESTINATION, to);
    write64(adapter, DMA_COUNT, bytes);
    write64(adapter, DMA_COMMAND, command);
    for (int poll = 0; poll < POLLS; poll++) {
        UINT64 now = read64(adapter, DMA_COMMAND);
        if (now == GONE)
            return STATUS_DEVICE_NOT_CONNECTED;
        if (!(now & START))
            return STATUS_SUCCESS;
        KeStallExecutionProcessor(PAUSE);
    }
    LOG("edu: a transfer did not end\n");
    return STATUS_IO_TIMEOUT;
}

NTSTATUS device_read_ram(struct adapter *adapter, UINT64 from, UINT32 bytes)
{
    return transfer(adapter, from, BUFFER, bytes, START);
}

NTSTATUS device_write_ram(struct adapter *adapter, UINT64 to, UINT32 bytes)
{
    return transfer(adapter, BUFFER, to, bytes, START | TO_RAM);
}
