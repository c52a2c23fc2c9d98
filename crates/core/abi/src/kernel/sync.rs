//! Objects that threads wait for, timers, deferred procedure calls and locks (wdm.h).

use super::{ListEntry, SingleListEntry, SlistHeader};
use crate::word::Pointer;

layout! {
    /// The head of everything that can be waited for.
    "DISPATCHER_HEADER" [24]
    pub struct DispatcherHeader {
        0 => kind: u8, "`Type`: which object this is; one of many views of the first four bytes.";
        1 => signalling: u8, "`Signalling`.";
        2 => size: u8, "`Size`: of the object, in 4-byte words.";
        3 => reserved1: u8, "`Reserved1`.";
        4 => signal_state: i32, "`SignalState`: above 0: signaled.";
        8 => wait_list_head: ListEntry, "`WaitListHead`.";
    }
}

open_enum! {
    /// `EVENT_TYPE`: which event.
    pub struct EventType(u32) {
        NOTIFICATION = 0, "`NotificationEvent`.";
        SYNCHRONIZATION = 1, "`SynchronizationEvent`.";
    }
}

open_enum! {
    /// `TIMER_TYPE`: which timer.
    pub struct TimerType(u32) {
        NOTIFICATION = 0, "`NotificationTimer`.";
        SYNCHRONIZATION = 1, "`SynchronizationTimer`.";
    }
}

open_enum! {
    /// `WAIT_TYPE`: what a wait waits for.
    pub struct WaitType(u32) {
        ALL = 0, "`WaitAll`.";
        ANY = 1, "`WaitAny`.";
        NOTIFICATION = 2, "`WaitNotification`.";
        DEQUEUE = 3, "`WaitDequeue`.";
        DPC = 4, "`WaitDpc`.";
    }
}

open_enum! {
    /// `MODE`: `KPROCESSOR_MODE`, the mode a call came from.
    pub struct ProcessorMode(u8) {
        KERNEL = 0, "`KernelMode`.";
        USER = 1, "`UserMode`.";
        MAXIMUM = 2, "`MaximumMode`.";
    }
}

open_enum! {
    /// `KDPC_IMPORTANCE`: where a deferred procedure call queues.
    pub struct DpcImportance(u32) {
        LOW = 0, "`LowImportance`.";
        MEDIUM = 1, "`MediumImportance`.";
        HIGH = 2, "`HighImportance`.";
        MEDIUM_HIGH = 3, "`MediumHighImportance`.";
    }
}

layout! {
    /// An event.
    "KEVENT" [24]
    pub struct Kevent {
        0 => header: DispatcherHeader, "`Header`: what makes it possible to wait for it.";
    }
}

layout! {
    /// A semaphore.
    "KSEMAPHORE" [32]
    pub struct Ksemaphore {
        0 => header: DispatcherHeader, "`Header`: what makes it possible to wait for it.";
        24 => limit: i32, "`Limit`: the largest count.";
        28 => _pad0: [u8; 4], "Padding.";
    }
}

layout! {
    /// A mutex.
    "KMUTANT" [56]
    pub struct Kmutant {
        0 => header: DispatcherHeader, "`Header`: what makes it possible to wait for it.";
        24 => mutant_list_entry: ListEntry, "`MutantListEntry`: link in the owner's list.";
        40 => owner_thread: Pointer, "`OwnerThread`: the thread that owns it.";
        48 => mutant_flags: u8, "`MutantFlags`: bit 0: abandoned.";
        49 => apc_disable: u8, "`ApcDisable`: whether it holds back APCs.";
        50 => _pad0: [u8; 6], "Padding.";
    }
}

layout! {
    /// A timer.
    "KTIMER" [64]
    pub struct Ktimer {
        0 => header: DispatcherHeader, "`Header`: what makes it possible to wait for it.";
        24 => due_time: u64, "`DueTime`: when, 100 ns.";
        32 => timer_list_entry: ListEntry, "`TimerListEntry`: link.";
        48 => dpc: Pointer, "`Dpc`: deferred procedure call, or null.";
        56 => processor: u16, "`Processor`.";
        58 => timer_type: u16, "`TimerType`.";
        60 => period: u32, "`Period`: milliseconds; 0: once.";
    }
}

layout! {
    /// A deferred procedure call.
    "KDPC" [64]
    pub struct Kdpc {
        0 => kind: u8, "`Type`: which kind this is.";
        1 => importance: u8, "`Importance`: where it queues.";
        2 => number: u16, "`Number`: processor.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => dpc_list_entry: SingleListEntry, "`DpcListEntry`: link.";
        16 => processor_history: u64, "`ProcessorHistory`.";
        24 => deferred_routine: Pointer, "`DeferredRoutine`: the routine.";
        32 => deferred_context: Pointer, "`DeferredContext`: its context.";
        40 => system_argument1: Pointer, "`SystemArgument1`: handed to it.";
        48 => system_argument2: Pointer, "`SystemArgument2`: handed to it.";
        56 => dpc_data: Pointer, "`DpcData`: queue it is in, or null.";
    }
}

layout! {
    /// A thread's wait for one object.
    "KWAIT_BLOCK" [48]
    pub struct KwaitBlock {
        0 => wait_list_entry: ListEntry, "`WaitListEntry`.";
        16 => wait_type: u8, "`WaitType`.";
        17 => block_state: u8, "`BlockState`.";
        18 => wait_key: u16, "`WaitKey`.";
        20 => spare_long: i32, "`SpareLong`.";
        24 => thread: Pointer, "`Thread`.";
        32 => object: Pointer, "`Object`.";
        40 => spare_ptr: Pointer, "`SparePtr`.";
    }
}

layout! {
    /// A place in a queued spin lock's queue.
    "KLOCK_QUEUE_HANDLE" [24]
    pub struct KlockQueueHandle {
        0 => lock_queue: [u64; 2], "`LockQueue`: `Next` and `Lock`.";
        16 => old_irql: u8, "`OldIrql`: the level to go back to.";
        17 => _pad0: [u8; 7], "Padding.";
    }
}

layout! {
    /// A fast mutex.
    "FAST_MUTEX" [56]
    pub struct FastMutex {
        0 => count: i32, "`Count`: calls.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => owner: Pointer, "`Owner`: the owner.";
        16 => contention: u32, "`Contention`: how often it was waited for.";
        20 => _pad1: [u8; 4], "Padding.";
        24 => event: Kevent, "`Event`: what waiters wait for.";
        48 => old_irql: u32, "`OldIrql`: the level to go back to.";
        52 => _pad2: [u8; 4], "Padding.";
    }
}

layout! {
    /// One owner of a resource.
    "ERESOURCE.OwnerEntry" [16]
    pub struct OwnerEntry {
        0 => owner_thread: u64, "`OwnerThread`.";
        8 => table_size: u32, "`TableSize`, or three flags and `OwnerCount`.";
        12 => _pad0: [u8; 4], "Padding.";
    }
}

layout! {
    /// A reader-writer lock.
    "ERESOURCE" [104]
    pub struct Eresource {
        0 => system_resources_list: ListEntry, "`SystemResourcesList`.";
        16 => owner_table: Pointer, "`OwnerTable`.";
        24 => active_count: i16, "`ActiveCount`.";
        26 => flag: u16, "`Flag`.";
        28 => _pad0: [u8; 4], "Padding.";
        32 => shared_waiters: Pointer, "`SharedWaiters`.";
        40 => exclusive_waiters: Pointer, "`ExclusiveWaiters`.";
        48 => owner_entry: OwnerEntry, "`OwnerEntry`.";
        64 => active_entries: u32, "`ActiveEntries`.";
        68 => contention_count: u32, "`ContentionCount`.";
        72 => number_of_shared_waiters: u32, "`NumberOfSharedWaiters`.";
        76 => number_of_exclusive_waiters: u32, "`NumberOfExclusiveWaiters`.";
        80 => reserved2: Pointer, "`Reserved2`: reserved.";
        88 => address: Pointer, "`Address`: or `CreatorBackTraceIndex`.";
        96 => spin_lock: u64, "`SpinLock`.";
    }
}

layout! {
    /// A piece of work for a system thread.
    "WORK_QUEUE_ITEM" [32]
    pub struct WorkQueueItem {
        0 => list: ListEntry, "`List`.";
        16 => worker_routine: Pointer, "`WorkerRoutine`: the routine.";
        24 => parameter: Pointer, "`Parameter`: handed to it.";
    }
}

layout! {
    /// A lookaside list: freed blocks kept for the next allocation; also `NPAGED_LOOKASIDE_LIST`.
    "GENERAL_LOOKASIDE" [128]
    pub struct GeneralLookaside {
        0 => list_head: SlistHeader, "`ListHead`: the free blocks.";
        16 => depth: u16, "`Depth`: blocks the list should keep.";
        18 => maximum_depth: u16, "`MaximumDepth`: blocks at most.";
        20 => total_allocates: u32, "`TotalAllocates`: count.";
        24 => allocate_misses: u32, "`AllocateMisses`: count.";
        28 => total_frees: u32, "`TotalFrees`: count.";
        32 => free_misses: u32, "`FreeMisses`: count.";
        36 => kind: u32, "`Type`: which kind this is.";
        40 => tag: u32, "`Tag`: pool tag.";
        44 => size: u32, "`Size`: bytes.";
        48 => allocate: Pointer, "`Allocate`: routine.";
        56 => free: Pointer, "`Free`: routine.";
        64 => list_entry: ListEntry, "`ListEntry`: link.";
        80 => last_total_allocates: u32, "`LastTotalAllocates`: count.";
        84 => last_allocate_misses: u32, "`LastAllocateMisses`: count.";
        88 => future: [u32; 2], "`Future`: reserved.";
        96 => _gap0: [u8; 32], "Members and padding that nothing here uses.";
    }
}

layout! {
    /// The same without alignment to a cache line; also `LOOKASIDE_LIST_EX`.
    "GENERAL_LOOKASIDE_POOL" [96]
    pub struct GeneralLookasidePool {
        0 => list_head: SlistHeader, "`ListHead`: the free blocks.";
        16 => depth: u16, "`Depth`: blocks the list should keep.";
        18 => maximum_depth: u16, "`MaximumDepth`: blocks at most.";
        20 => total_allocates: u32, "`TotalAllocates`: count.";
        24 => allocate_misses: u32, "`AllocateMisses`: count.";
        28 => total_frees: u32, "`TotalFrees`: count.";
        32 => free_misses: u32, "`FreeMisses`: count.";
        36 => kind: u32, "`Type`: which kind this is.";
        40 => tag: u32, "`Tag`: pool tag.";
        44 => size: u32, "`Size`: bytes.";
        48 => allocate: Pointer, "`Allocate`: routine.";
        56 => free: Pointer, "`Free`: routine.";
        64 => list_entry: ListEntry, "`ListEntry`: link.";
        80 => last_total_allocates: u32, "`LastTotalAllocates`: count.";
        84 => last_allocate_misses: u32, "`LastAllocateMisses`: count.";
        88 => future: [u32; 2], "`Future`: reserved.";
    }
}
