/* DriverEntry and the DDIs. */
#include "edu.h"

#define TAG 0x43756445u /* EduC */

/* DXGK_DRIVERCAPS and DXGK_PHYSICALADAPTERCAPS in their first versions. */
#define FIRST_DRIVER_CAPS 336
#define FIRST_PHYSICAL_ADAPTER_CAPS 16

/* Called by the system, by that name. */
DriverEntry_FN DriverEntry;

static NTSTATUS add_device(DEVICE_OBJECT *device, void **context)
{
    (void)device;
    struct adapter *adapter = ExAllocatePool2(POOL_FLAG_NON_PAGED, sizeof *adapter, TAG);
    if (!adapter)
        return STATUS_NO_MEMORY;
    NTSTATUS status = settings_read(adapter);
    if (!NT_SUCCESS(status)) {
        ExFreePoolWithTag(adapter, TAG);
        return status;
    }
    linking_added();
    *context = adapter;
    return status;
}

/* As many callbacks as were offered; the others stay null. */
static void copy_callbacks(struct adapter *adapter, const DXGKRNL_INTERFACE *offered)
{
    size_t bytes = offered->Size < sizeof adapter->dxgk ? offered->Size : sizeof adapter->dxgk;
    memset(&adapter->dxgk, 0, sizeof adapter->dxgk);
    memcpy(&adapter->dxgk, offered, bytes / 8 * 8);
    adapter->dxgk.Size = (UINT32)bytes;
    adapter->dxgk_end = (const UINT8 *)offered + offered->Size;
}

static NTSTATUS start_device(
    void *context, DXGK_START_INFO *information, DXGKRNL_INTERFACE *offered, UINT32 *sources, UINT32 *children)
{
    struct adapter *adapter = context;
    (void)information;
    if (adapter->started)
        return STATUS_INVALID_DEVICE_STATE;
    copy_callbacks(adapter, offered);
    linking_started(adapter);
    NTSTATUS status = device_open(adapter);
    if (!NT_SUCCESS(status))
        return status;
    status = buffer_allocate(adapter);
    if (NT_SUCCESS(status))
        status = work_round(adapter);
    if (!NT_SUCCESS(status)) {
        buffer_free(adapter);
        device_close(adapter);
        return status;
    }
    LOG("edu: started, interface version 0x%x offered, MemoryApi %u\n", adapter->dxgk.Version, (UINT32)adapter->api);
    adapter->started = 1;
    adapter->worked = 0;
    adapter->saved = IS_NOTHING;
    *sources = 0;
    *children = 0;
    return status;
}

/* One round after the start: the demo first, when it is due. */
static NTSTATUS work(struct adapter *adapter)
{
    adapter->worked = 1;
    NTSTATUS status = demo_show(adapter, AT_WORK);
    return NT_SUCCESS(status) ? work_round(adapter) : status;
}

/* An adapter in isolation is attached to its domain only after the start, so one round has to come then. */
static NTSTATUS stop_device(void *context)
{
    struct adapter *adapter = context;
    if (!adapter->started)
        return STATUS_SUCCESS;
    NTSTATUS status = adapter->worked ? STATUS_SUCCESS : work(adapter);
    adapter->started = 0;
    buffer_free(adapter);
    device_close(adapter);
    return status;
}

static NTSTATUS remove_device(void *context)
{
    NTSTATUS status = stop_device(context);
    linking_removed(context);
    ExFreePoolWithTag(context, TAG);
    return status;
}

/* Transfers are waited for, so none is in flight when the power goes. */
static NTSTATUS set_power_state(void *context, UINT32 uid, DEVICE_POWER_STATE state, POWER_ACTION action)
{
    struct adapter *adapter = context;
    (void)action;
    if (!adapter->started || uid != ADAPTER_UID)
        return STATUS_SUCCESS;
    if (state != PowerDeviceD0)
        return save_memory(adapter);
    NTSTATUS status = restore_memory(adapter);
    return NT_SUCCESS(status) ? work(adapter) : status;
}

static NTSTATUS begin_exclusive_access(HANDLE context, DXGKARG_BEGINEXCLUSIVEACCESS *argument)
{
    struct adapter *adapter = context;
    (void)argument;
    return adapter->started ? demo_show(adapter, IN_EXCLUSIVE_ACCESS) : STATUS_SUCCESS;
}

static NTSTATUS end_exclusive_access(HANDLE context, DXGKARG_ENDEXCLUSIVEACCESS *argument)
{
    (void)context;
    (void)argument;
    return STATUS_SUCCESS;
}

/* After the start: what was said before it once more, where DXGK_VIDMMCAPS has it. */
static void driver_caps(const struct adapter *adapter, DXGK_DRIVERCAPS *caps)
{
    memset(caps, 0, sizeof *caps);
    caps->HighestAcceptableAddress = ~0ull;
    caps->WDDMVersion = adapter->api == NO_CALLBACKS ? DXGKDDI_WDDMv2 : DXGKDDI_WDDMv3_1;
    caps->SupportNonVGA = 1;
    caps->GpuEngineTopology.NbAsymetricProcessingNodes = 1;
    caps->MemoryManagementCaps.IoMmuSecureModeSupported = adapter->api != NO_CALLBACKS;
    caps->MemoryManagementCaps.MapAperture2Supported = adapter->api == WDDM_2_9;
    if (adapter->demo && adapter->demo->occasion == IN_CAPABILITIES) {
        /* Correct: without this line. */
        caps->MemoryManagementCaps.IoMmuSecureModeSupported = 0;
    }
}

/* Members are only ever appended, so room for an older form takes the front. */
static NTSTATUS give(const DXGKARG_QUERYADAPTERINFO *question, UINT32 least, const void *answer, UINT32 bytes)
{
    if (!question->pOutputData || question->OutputDataSize < least)
        return STATUS_BUFFER_TOO_SMALL;
    memcpy(question->pOutputData, answer, question->OutputDataSize < bytes ? question->OutputDataSize : bytes);
    return STATUS_SUCCESS;
}

/* Questions that came with the IOMMU; a driver from before does not know them. */
static NTSTATUS answer_of_2_4(struct adapter *adapter, const DXGKARG_QUERYADAPTERINFO *question)
{
    switch (question->Type) {
    case DXGKQAITYPE_PHYSICAL_MEMORY_CAPS: {
        DXGK_PHYSICAL_MEMORY_CAPS answer = { .HighestVisibleAddress = HIGHEST_VISIBLE_ADDRESS };
        return give(question, sizeof answer, &answer, sizeof answer);
    }
    case DXGKQAITYPE_IOMMU_CAPS: {
        DXGK_IOMMU_CAPS answer = { .Value = 0 };
        answer.IommuIsolationSupported = 1;
        answer.DmaRemappingSupported = adapter->api == WDDM_2_9;
        return give(question, sizeof answer, &answer, sizeof answer);
    }
    case DXGKQAITYPE_FRAMEBUFFERSAVESIZE: {
        UINT32 index = 0;
        if (question->pInputData && question->InputDataSize >= sizeof index)
            memcpy(&index, question->pInputData, sizeof index);
        /* The lead alone, which is the one that is asked, keeps something over a power transition. */
        DXGK_FRAMEBUFFERSAVEAREA answer = { .MaximumSize = index == 0 ? SAVED : 0 };
        adapter->keeps = 1;
        return give(question, sizeof answer, &answer, sizeof answer);
    }
    case DXGKQAITYPE_HARDWARERESERVEDRANGES: {
        DXGK_HARDWARERESERVEDRANGES answer;
        if (!question->pOutputData || question->OutputDataSize < sizeof answer)
            return STATUS_BUFFER_TOO_SMALL;
        /* The array is the port driver's; there is none in the first of the two calls. */
        memcpy(&answer, question->pOutputData, sizeof answer);
        UINT32 room = answer.NumRanges;
        /* Correct: 0 */
        answer.NumRanges = adapter->demo && adapter->demo->occasion == IN_RESERVED_RANGES;
        if (answer.NumRanges && answer.pPhysicalRanges && room) {
            DXGK_PHYSICAL_MEMORY_RANGE range = { .BaseAddress = 0x1000000, .NumberOfBytes = PAGE };
            memcpy(answer.pPhysicalRanges, &range, sizeof range);
        }
        return give(question, sizeof answer, &answer, sizeof answer);
    }
    default:
        return STATUS_NOT_SUPPORTED;
    }
}

static NTSTATUS query_adapter_info(HANDLE context, const DXGKARG_QUERYADAPTERINFO *question)
{
    struct adapter *adapter = context;
    if (question->Type == DXGKQAITYPE_DRIVERCAPS) {
        DXGK_DRIVERCAPS answer;
        driver_caps(adapter, &answer);
        return give(question, FIRST_DRIVER_CAPS, &answer, sizeof answer);
    }
    if (question->Type == DXGKQAITYPE_PHYSICALADAPTERCAPS) {
        DXGK_PHYSICALADAPTERCAPS answer = { .NumExecutionNodes = 1 };
        return give(question, FIRST_PHYSICAL_ADAPTER_CAPS, &answer, sizeof answer);
    }
    return adapter->api == NO_CALLBACKS ? STATUS_NOT_SUPPORTED : answer_of_2_4(adapter, question);
}

static BOOLEAN interrupt_routine(void *context, UINT32 message)
{
    (void)context;
    (void)message;
    return 0;
}

static void dpc_routine(void *context)
{
    (void)context;
}

static void reset_device(void *context)
{
    (void)context;
}

static void unload(void)
{
    linking_unload();
}

static void control_etw_logging(BOOLEAN enable, UINT32 flags, UINT8 level)
{
    (void)enable;
    (void)flags;
    (void)level;
}

/* The array stays as it is, which says "no child" for every entry. */
static NTSTATUS query_child_relations(void *context, DXGK_CHILD_DESCRIPTOR *relations, UINT32 bytes)
{
    (void)context;
    (void)relations;
    (void)bytes;
    return STATUS_SUCCESS;
}

/* It looks at no argument, so it stands for any signature: the caller removes the arguments in this convention. */
static NTSTATUS not_supported(void)
{
    return STATUS_NOT_SUPPORTED;
}

#define REFUSE(data, ddi) ((data)->ddi = (void *)not_supported)

/* DDIs that a full driver must have and that one without segments, sources and children is never asked for. */
static void refuse(DRIVER_INITIALIZATION_DATA *data)
{
    REFUSE(data, DxgkDdiDispatchIoRequest);
    REFUSE(data, DxgkDdiQueryChildStatus);
    REFUSE(data, DxgkDdiQueryDeviceDescriptor);
    REFUSE(data, DxgkDdiNotifyAcpiEvent);
    REFUSE(data, DxgkDdiQueryInterface);
    REFUSE(data, DxgkDdiCreateDevice);
    REFUSE(data, DxgkDdiDestroyDevice);
    REFUSE(data, DxgkDdiCreateAllocation);
    REFUSE(data, DxgkDdiDestroyAllocation);
    REFUSE(data, DxgkDdiDescribeAllocation);
    REFUSE(data, DxgkDdiGetStandardAllocationDriverData);
    REFUSE(data, DxgkDdiOpenAllocation);
    REFUSE(data, DxgkDdiCloseAllocation);
    REFUSE(data, DxgkDdiCreateContext);
    REFUSE(data, DxgkDdiDestroyContext);
    REFUSE(data, DxgkDdiRender);
    REFUSE(data, DxgkDdiPresent);
    REFUSE(data, DxgkDdiPatch);
    REFUSE(data, DxgkDdiSubmitCommand);
    REFUSE(data, DxgkDdiPreemptCommand);
    REFUSE(data, DxgkDdiBuildPagingBuffer);
    REFUSE(data, DxgkDdiQueryCurrentFence);
    REFUSE(data, DxgkDdiResetFromTimeout);
    REFUSE(data, DxgkDdiRestartFromTimeout);
    REFUSE(data, DxgkDdiEscape);
    REFUSE(data, DxgkDdiCollectDbgInfo);
    REFUSE(data, DxgkDdiControlInterrupt);
    REFUSE(data, DxgkDdiGetScanLine);
    REFUSE(data, DxgkDdiSetPalette);
    REFUSE(data, DxgkDdiSetPointerPosition);
    REFUSE(data, DxgkDdiSetPointerShape);
    REFUSE(data, DxgkDdiIsSupportedVidPn);
    REFUSE(data, DxgkDdiRecommendFunctionalVidPn);
    REFUSE(data, DxgkDdiEnumVidPnCofuncModality);
    REFUSE(data, DxgkDdiSetVidPnSourceAddress);
    REFUSE(data, DxgkDdiSetVidPnSourceVisibility);
    REFUSE(data, DxgkDdiCommitVidPn);
    REFUSE(data, DxgkDdiUpdateActiveVidPnPresentPath);
    REFUSE(data, DxgkDdiRecommendMonitorModes);
}

NTSTATUS DriverEntry(DRIVER_OBJECT *driver, UNICODE_STRING *path)
{
    static DRIVER_INITIALIZATION_DATA data = {
        .Version = DXGKDDI_INTERFACE_VERSION_WDDM3_1,
        .DxgkDdiAddDevice = add_device,
        .DxgkDdiLinkDevice = link_device,
        .DxgkDdiStartDevice = start_device,
        .DxgkDdiStopDevice = stop_device,
        .DxgkDdiRemoveDevice = remove_device,
        .DxgkDdiInterruptRoutine = interrupt_routine,
        .DxgkDdiDpcRoutine = dpc_routine,
        .DxgkDdiQueryChildRelations = query_child_relations,
        .DxgkDdiSetPowerState = set_power_state,
        .DxgkDdiResetDevice = reset_device,
        .DxgkDdiUnload = unload,
        .DxgkDdiControlEtwLogging = control_etw_logging,
        .DxgkDdiQueryAdapterInfo = query_adapter_info,
        .DxgkDdiBeginExclusiveAccess = begin_exclusive_access,
        .DxgkDdiEndExclusiveAccess = end_exclusive_access,
    };
    if (!driver || !path)
        return STATUS_INVALID_PARAMETER;
    NTSTATUS status = settings_remember(path);
    if (!NT_SUCCESS(status))
        return status;
    refuse(&data);
    return DxgkInitialize(driver, path, &data);
}
