/*
 * What the sample imports from the kernel: prototypes of documented routines, in our own words. dxgk_abi.h has the structures.
 */
#ifndef KERNEL_H
#define KERNEL_H

#include "dxgk_abi.h"

#define KERNEL_IMPORT __declspec(dllimport)

/* The data that arrived is not what was sent. */
#define STATUS_DEVICE_DATA_ERROR ((NTSTATUS)0xC000009C)

/* ExAllocatePool2: nonpaged, zeroed. */
#define POOL_FLAG_NON_PAGED 0x40ull

/* DbgPrintEx: messages of a hardware vendor's video driver, at the level that is shown by default. */
#define DPFLTR_IHVVIDEO_ID 78u
#define DPFLTR_ERROR_LEVEL 0u

/* MmMapLockedPagesSpecifyCache: normal priority, not executable. */
#define MAPPING_PRIORITY 0x40000010u

#define KEY_READ 0x20019u
#define KEY_VALUE_PARTIAL 2u
#define KERNEL_MODE 0

KERNEL_IMPORT UINT32 DbgPrintEx(UINT32 Component, UINT32 Level, const char *Format, ...);

KERNEL_IMPORT void *ExAllocatePool2(UINT64 Flags, size_t Bytes, UINT32 Tag);
KERNEL_IMPORT void ExFreePoolWithTag(void *Block, UINT32 Tag);

KERNEL_IMPORT UINT64 MmGetPhysicalAddress(const void *Address);
KERNEL_IMPORT MDL *IoAllocateMdl(void *Address, UINT32 Length, BOOLEAN Secondary, BOOLEAN ChargeQuota, void *Irp);
KERNEL_IMPORT void IoFreeMdl(MDL *Mdl);
KERNEL_IMPORT void MmBuildMdlForNonPagedPool(MDL *Mdl);
KERNEL_IMPORT void *MmMapLockedPagesSpecifyCache(
    MDL *Mdl, UINT8 Mode, MEMORY_CACHING_TYPE Cache, void *Address, UINT32 BugCheck, UINT32 Priority);
KERNEL_IMPORT void MmUnmapLockedPages(void *Address, MDL *Mdl);

KERNEL_IMPORT void KeStallExecutionProcessor(UINT32 Microseconds);
KERNEL_IMPORT UINT8 KfRaiseIrql(UINT8 Level);
KERNEL_IMPORT void KeLowerIrql(UINT8 Level);
KERNEL_IMPORT void KeInitializeEvent(KEVENT *Event, UINT32 Type, BOOLEAN State);
KERNEL_IMPORT NTSTATUS KeWaitForSingleObject(
    void *Object, UINT32 Reason, UINT8 Mode, BOOLEAN Alertable, const INT64 *Timeout);
KERNEL_IMPORT NTSTATUS KeDelayExecutionThread(UINT8 Mode, BOOLEAN Alertable, const INT64 *Interval);

KERNEL_IMPORT NTSTATUS ZwOpenKey(HANDLE *Key, UINT32 Access, const OBJECT_ATTRIBUTES *Attributes);
KERNEL_IMPORT NTSTATUS ZwQueryValueKey(
    HANDLE Key, const UNICODE_STRING *Name, UINT32 Class, void *Information, UINT32 Length, UINT32 *ResultLength);
KERNEL_IMPORT NTSTATUS ZwClose(HANDLE Handle);
KERNEL_IMPORT NTSTATUS ZwLoadDriver(const UNICODE_STRING *Service);
KERNEL_IMPORT NTSTATUS ZwUnloadDriver(const UNICODE_STRING *Service);

KERNEL_IMPORT NTSTATUS RtlGetVersion(OSVERSIONINFOEXW *Information);
KERNEL_IMPORT NTSTATUS IoGetDeviceObjectPointer(
    const UNICODE_STRING *Name, UINT32 Access, void **File, DEVICE_OBJECT **Device);
KERNEL_IMPORT void *IoBuildDeviceIoControlRequest(
    UINT32 Code, DEVICE_OBJECT *Device, void *Input, UINT32 InputLength, void *Output, UINT32 OutputLength,
    BOOLEAN Internal, KEVENT *Event, IO_STATUS_BLOCK *Status);
KERNEL_IMPORT NTSTATUS IofCallDriver(DEVICE_OBJECT *Device, void *Irp);
KERNEL_IMPORT INT64 ObfDereferenceObject(void *Object);

/* The compiler calls these two for structures. */
void *memcpy(void *to, const void *from, size_t bytes);
void *memset(void *to, int byte, size_t bytes);

/* A UNICODE_STRING of a literal. */
#define LITERAL(text) { .Length = sizeof(text) - 2, .MaximumLength = sizeof(text), .Buffer = (void *)(text) }

#endif
