/*
 * DxgkInitialize.
 *
 * It is no export of the kernel. A driver links it, and it asks the port driver's device, by an internal control request, for
 * the address of the routine that takes the table of DDIs. Written from what public re-implementations show; the codes
 * are in no public header.
 */
#include "edu.h"

static const UNICODE_STRING service =
    LITERAL(u"\\Registry\\Machine\\System\\CurrentControlSet\\Services\\DXGKrnl");
static const UNICODE_STRING device_name = LITERAL(u"\\Device\\DxgKrnl");

#define READ_WRITE 0xC0000000u
/* The request for a full driver's entry point: up to version 6.1 of the system, and from 6.2 on. */
#define INITIALIZE_BEFORE_6_2 0x23003Fu
#define INITIALIZE 0x230047u
/* The device may not be there yet right after the load. */
#define ATTEMPTS 10
#define PAUSE_100NS (-100000ll)

static NTSTATUS open_port(void **file, DEVICE_OBJECT **device)
{
    NTSTATUS status = STATUS_OBJECT_NAME_NOT_FOUND;
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        const INT64 pause = PAUSE_100NS;
        status = IoGetDeviceObjectPointer(&device_name, READ_WRITE, file, device);
        if (NT_SUCCESS(status))
            return *file && *device ? status : STATUS_NO_SUCH_DEVICE;
        KeDelayExecutionThread(KERNEL_MODE, 0, &pause);
    }
    return status;
}

static NTSTATUS ask_port(DEVICE_OBJECT *device, DxgkInitialize_FN **routine)
{
    OSVERSIONINFOEXW version = { .dwOSVersionInfoSize = sizeof version };
    NTSTATUS status = RtlGetVersion(&version);
    if (!NT_SUCCESS(status))
        return status;
    BOOLEAN is_new = version.dwMajorVersion > 6 || (version.dwMajorVersion == 6 && version.dwMinorVersion >= 2);
    KEVENT event;
    IO_STATUS_BLOCK result = { 0 };
    KeInitializeEvent(&event, 0, 0);
    void *irp = IoBuildDeviceIoControlRequest(
        is_new ? INITIALIZE : INITIALIZE_BEFORE_6_2, device, NULL, 0, routine, sizeof *routine, 1, &event, &result);
    if (!irp)
        return STATUS_INSUFFICIENT_RESOURCES;
    status = IofCallDriver(device, irp);
    if (status == STATUS_PENDING) {
        KeWaitForSingleObject(&event, 0, KERNEL_MODE, 0, NULL);
        /* The status is the first word of the block. */
        status = (NTSTATUS)*(volatile UINT32 *)&result;
    }
    if (NT_SUCCESS(status) && !*routine)
        status = STATUS_UNSUCCESSFUL;
    return status;
}

NTSTATUS DxgkInitialize(DRIVER_OBJECT *driver, UNICODE_STRING *path, DRIVER_INITIALIZATION_DATA *data)
{
    if (!driver || !path || !data)
        return STATUS_INVALID_PARAMETER;
    if (data->Version < DXGKDDI_INTERFACE_VERSION_VISTA_SP1)
        return STATUS_REVISION_MISMATCH;
    NTSTATUS status = ZwLoadDriver(&service);
    if (!NT_SUCCESS(status) && status != STATUS_IMAGE_ALREADY_LOADED)
        return status;
    void *file = NULL;
    DEVICE_OBJECT *device = NULL;
    status = open_port(&file, &device);
    if (NT_SUCCESS(status)) {
        DxgkInitialize_FN *routine = NULL;
        status = ask_port(device, &routine);
        ObfDereferenceObject(file);
        if (NT_SUCCESS(status))
            status = routine(driver, path, data);
    }
    if (!NT_SUCCESS(status))
        ZwUnloadDriver(&service);
    return status;
}
