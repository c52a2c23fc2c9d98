/*
 * Linked adapters: which devices make a chain, and whose handle its lead has. The driver has no bridge to look at: the devices
 * that were added since the last chain are the next one, in that order.
 */
#include "edu.h"

#define CHAINS 32

static UINT32 added;
static UINT32 chain;
static UINT32 links;
/* Devices of the chain that are still to be linked. */
static UINT32 left;
/* The handles of the leads, by chain, from their start on. */
static HANDLE leads[CHAINS];

void linking_added(void)
{
    added++;
}

void linking_removed(const struct adapter *adapter)
{
    if (!adapter->chain)
        added--;
}

NTSTATUS link_device(DEVICE_OBJECT *device, void *context, LINKED_DEVICE *linked)
{
    struct adapter *adapter = context;
    (void)device;
    BOOLEAN lead = left == 0;
    if (lead) {
        links = left = added;
        added = 0;
        chain++;
    }
    if (!left || chain >= CHAINS)
        return STATUS_INVALID_DEVICE_STATE;
    left--;
    adapter->chain = chain;
    adapter->follows = !lead;
    linked->ChainUid = chain;
    linked->NumberOfLinksInChain = links;
    linked->LeadLink = lead;
    return STATUS_SUCCESS;
}

/* The lead starts first, and leaves its handle for the callbacks that want the lead's. */
void linking_started(struct adapter *adapter)
{
    adapter->lead = adapter->dxgk.DeviceHandle;
    if (adapter->follows)
        adapter->lead = leads[adapter->chain];
    else if (adapter->chain)
        leads[adapter->chain] = adapter->lead;
}

void linking_unload(void)
{
    added = chain = links = left = 0;
}
