/* What the registry asks of the driver: MemoryApi and Demo, under the service key or its Parameters subkey. */
#include "edu.h"

#define LONGEST_PATH 256
#define LONGEST_NAME 32

static UINT16 path_text[LONGEST_PATH];
static UNICODE_STRING service_path = { .MaximumLength = sizeof path_text, .Buffer = path_text };

/* A value's head and room for the longest name. */
union value {
    KEY_VALUE_PARTIAL_INFORMATION information;
    UINT8 room[sizeof(KEY_VALUE_PARTIAL_INFORMATION) + 2 * LONGEST_NAME + 2];
};

/* The text is the caller's: AddDevice comes later. */
NTSTATUS settings_remember(const UNICODE_STRING *path)
{
    if (path->Length > sizeof path_text)
        return STATUS_BUFFER_TOO_SMALL;
    memcpy(path_text, path->Buffer, path->Length);
    service_path.Length = path->Length;
    return STATUS_SUCCESS;
}

static HANDLE open(HANDLE root, const UNICODE_STRING *name)
{
    OBJECT_ATTRIBUTES attributes = {
        .Length = sizeof attributes,
        .RootDirectory = root,
        .ObjectName = (void *)name,
        .Attributes = OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE,
    };
    HANDLE key = NULL;
    return NT_SUCCESS(ZwOpenKey(&key, KEY_READ, &attributes)) ? key : NULL;
}

static NTSTATUS query(HANDLE key, const UNICODE_STRING *name, UINT32 type, union value *value)
{
    UINT32 length = 0;
    NTSTATUS status = ZwQueryValueKey(key, name, KEY_VALUE_PARTIAL, value, sizeof *value, &length);
    if (NT_SUCCESS(status) && value->information.Type != type)
        status = STATUS_OBJECT_TYPE_MISMATCH;
    return status;
}

/* A missing value means the default; one that makes no sense is refused, so that a slip of the pen is not a clean run. */
static NTSTATUS read_api(HANDLE keys[2], struct adapter *adapter)
{
    static const UNICODE_STRING name = LITERAL(u"MemoryApi");
    union value value = { 0 };
    UINT32 api = WDDM_2_9;
    for (int index = 0; index < 2; index++) {
        if (keys[index] && NT_SUCCESS(query(keys[index], &name, REG_DWORD, &value))) {
            memcpy(&api, value.information.Data, sizeof api);
            break;
        }
    }
    if (api != NO_CALLBACKS && api != WDDM_2_4 && api != WDDM_2_9) {
        LOG("edu: MemoryApi is %u; it must be 20, 24 or 29\n", api);
        return STATUS_INVALID_PARAMETER;
    }
    adapter->api = (enum memory_api)api;
    return STATUS_SUCCESS;
}

static NTSTATUS read_demo(HANDLE keys[2], struct adapter *adapter)
{
    static const UNICODE_STRING name = LITERAL(u"Demo");
    for (int index = 0; index < 2; index++) {
        union value value = { 0 };
        char text[LONGEST_NAME + 1] = { 0 };
        if (!keys[index])
            continue;
        NTSTATUS status = query(keys[index], &name, REG_SZ, &value);
        if (status == STATUS_OBJECT_NAME_NOT_FOUND)
            continue;
        if (!NT_SUCCESS(status))
            return status;
        for (UINT32 at = 0; at < LONGEST_NAME && 2 * at < value.information.DataLength; at++)
            text[at] = (char)value.information.Data[2 * at];
        if (text[0]) {
            adapter->demo = demo_find(text);
            if (!adapter->demo) {
                LOG("edu: there is no demo %s\n", text);
                return STATUS_INVALID_PARAMETER;
            }
        }
        break;
    }
    const struct demo *demo = adapter->demo;
    if (demo && (adapter->api == NO_CALLBACKS || (demo->needed && demo->needed != adapter->api))) {
        LOG("edu: the demo %s needs another MemoryApi\n", demo->name);
        return STATUS_INVALID_PARAMETER;
    }
    adapter->demo_due = demo != NULL;
    return STATUS_SUCCESS;
}

NTSTATUS settings_read(struct adapter *adapter)
{
    static const UNICODE_STRING parameters = LITERAL(u"Parameters");
    HANDLE keys[2] = { open(NULL, &service_path), NULL };
    if (keys[0])
        keys[1] = open(keys[0], &parameters);
    NTSTATUS status = read_api(keys, adapter);
    if (NT_SUCCESS(status))
        status = read_demo(keys, adapter);
    for (int index = 1; index >= 0; index--)
        if (keys[index])
            ZwClose(keys[index]);
    return status;
}
