//! The list of exports: one line each.
#![expect(non_snake_case, reason = "the names are Windows'")]
#![expect(clippy::too_many_arguments, reason = "the prototypes are Windows'")]

use dxgk_abi::Irql;

use super::table::{FunctionExport, serve};
use super::{
    crt, device, device_property, dpc, exceptions, fast_mutex, file, firmware, io, level, lists, lookaside,
    mdl, mm, mutex, page_list, pool_calls, print, registry_calls as registry, registry_query, rtl, stops,
    strings, sync, thread, time, timer, tracing, work,
};
use crate::thunk::VaList;

/// The number of an export, found when this is compiled.
pub(super) const fn index_of(name: &str) -> u16 {
    let (mut index, wanted) = (0, name.as_bytes());
    while index < NAMES.len() {
        let found = NAMES[index].as_bytes();
        let mut at = 0;
        while at < wanted.len() && at < found.len() && wanted[at] == found[at] {
            at += 1;
        }
        if at == wanted.len() && at == found.len() {
            return index as u16;
        }
        index += 1;
    }
    panic!("no export of that name")
}

macro_rules! exports {
    (
        leaf { $($leaf:ident = $routine:path, $leaf_level:ident;)* }
        variadic { $($vname:ident($($varg:ident: $vty:ty),+, ...) -> $vret:ty = $vtarget:path, $vlevel:ident;)* }
        never_return { $($nname:ident($($narg:ident: $nty:ty),*) -> $nret:ty = $ntarget:path, $nlevel:ident;)* }
        recorded { $($rname:ident($($rarg:ident: $rty:ty),*) $(-> $rret:ty)? = $rtarget:path, $rlevel:ident;)* }
        plain { $($name:ident($($arg:ident: $ty:ty),*) $(-> $ret:ty)? = $target:path, $level:ident;)* }
    ) => {
        mod bodies {
            use super::*;
            $(pub(super) fn $vname($($varg: $vty),+, list: VaList) -> $vret {
                const INDEX: u16 = index_of(stringify!($vname));
                serve(INDEX, false, &[$($varg as u64),*], |kernel| $vtarget(kernel, $($varg),+, list))
            })*
            $(pub(super) fn $rname($($rarg: $rty),*) $(-> $rret)? {
                const INDEX: u16 = index_of(stringify!($rname));
                serve(INDEX, true, &[$($rarg as u64),*], |kernel| $rtarget(kernel, $($rarg),*))
            })*
            $(pub(super) fn $name($($arg: $ty),*) $(-> $ret)? {
                const INDEX: u16 = index_of(stringify!($name));
                serve(INDEX, false, &[$($arg as u64),*], |kernel| $target(kernel, $($arg),*))
            })*
        }

        mod doors {
            use super::*;
            // One at a time: the macro takes a list apart by recursion.
            $(crate::thunk! { pub(super) fn $vname($($varg: $vty),+, ...) -> $vret => bodies::$vname; })*
            $(crate::thunk! { pub(super) fn $nname($($narg: $nty),*) -> $nret => $ntarget; })*
            $(crate::thunk! { pub(super) fn $rname($($rarg: $rty),*) $(-> $rret)? => bodies::$rname; })*
            $(crate::thunk! { pub(super) fn $name($($arg: $ty),*) $(-> $ret)? => bodies::$name; })*
        }

        const NAMES: &[&str] = &[
            $(stringify!($leaf),)* $(stringify!($vname),)* $(stringify!($nname),)* $(stringify!($rname),)*
            $(stringify!($name),)*
        ];

        /// Every function that drivers can import.
        pub const FUNCTIONS: &[FunctionExport] = &[
            $(exports!(@row $leaf, $leaf_level, false, $routine),)*
            $(exports!(@row $vname, $vlevel, false, doors::$vname),)*
            $(exports!(@row $nname, $nlevel, false, doors::$nname),)*
            $(exports!(@row $rname, $rlevel, true, doors::$rname),)*
            $(exports!(@row $name, $level, false, doors::$name),)*
        ];
    };
    (@row $name:ident, $level:ident, $recorded:literal, $address:path) => {
        FunctionExport {
            name: stringify!($name),
            max_irql: Irql::$level,
            recorded: $recorded,
            address: || $address as *const () as u64,
        }
    };
}

exports! {
    leaf {
        memcpy = crate::leaf::memmove, HIGH_LEVEL;
        memmove = crate::leaf::memmove, HIGH_LEVEL;
        RtlMoveMemory = crate::leaf::memmove, HIGH_LEVEL;
        memset = crate::leaf::memset, HIGH_LEVEL;
        memcmp = crate::leaf::memcmp, HIGH_LEVEL;
        RtlCopyMemory = crate::leaf::memmove, HIGH_LEVEL;
        RtlCaptureContext = crate::seh::capture_context, HIGH_LEVEL;
        __chkstk = probe_stack, HIGH_LEVEL;
    }
    variadic {
        DbgPrint(format: u64, ...) -> u32 = print::dbg_print, HIGH_LEVEL;
        _snprintf(out: u64, count: u64, format: u64, ...) -> i32 = crt::s_print, HIGH_LEVEL;
        _snwprintf(out: u64, count: u64, format: u64, ...) -> i32 = crt::s_print_wide, HIGH_LEVEL;
        sprintf(out: u64, format: u64, ...) -> i32 = crt::s_print_unbounded, HIGH_LEVEL;
        swprintf(out: u64, format: u64, ...) -> i32 = crt::s_print_wide_unbounded, HIGH_LEVEL;
        DbgPrintEx(component: u32, level: u32, format: u64, ...) -> u32 = print::dbg_print_ex, HIGH_LEVEL;
    }
    never_return {
        PsTerminateSystemThread(status: u32) -> u32 = thread::terminate, PASSIVE_LEVEL;
    }
    recorded {
        IoAllocateMdl(va: u64, length: u32, secondary: u8, charge: u8, irp: u64) -> u64 = mdl::allocate, DISPATCH_LEVEL;
        IoFreeMdl(mdl: u64) = mdl::free, DISPATCH_LEVEL;
        IoBuildPartialMdl(source: u64, target: u64, va: u64, length: u32) = mdl::build_partial, DISPATCH_LEVEL;
        MmBuildMdlForNonPagedPool(mdl: u64) = mdl::build_for_nonpaged_pool, DISPATCH_LEVEL;
        MmProbeAndLockPages(mdl: u64, mode: u8, operation: u32) = mdl::probe_and_lock, DISPATCH_LEVEL;
        MmUnlockPages(mdl: u64) = mdl::unlock, DISPATCH_LEVEL;
        MmMapLockedPagesSpecifyCache(mdl: u64, mode: u8, cache: u32, requested: u64, fatal: u32, priority: u32) -> u64 = mdl::map, DISPATCH_LEVEL;
        MmUnmapLockedPages(va: u64, mdl: u64) = mdl::unmap, DISPATCH_LEVEL;
        MmMapIoSpace(physical: u64, bytes: u64, cache: u32) -> u64 = mm::map_io_space, DISPATCH_LEVEL;
        MmMapIoSpaceEx(physical: u64, bytes: u64, protect: u32) -> u64 = mm::map_io_space_ex, DISPATCH_LEVEL;
        MmUnmapIoSpace(va: u64, bytes: u64) = mm::unmap_io_space, DISPATCH_LEVEL;
        MmAllocateContiguousMemory(bytes: u64, highest: u64) -> u64 = mm::allocate_contiguous, DISPATCH_LEVEL;
        MmAllocateContiguousMemorySpecifyCache(bytes: u64, lowest: u64, highest: u64, boundary: u64, cache: u32) -> u64 = mm::allocate_contiguous_cached, DISPATCH_LEVEL;
        MmFreeContiguousMemory(va: u64) = mm::free_contiguous, DISPATCH_LEVEL;
        MmFreeContiguousMemorySpecifyCache(va: u64, bytes: u64, cache: u32) = mm::free_contiguous_cached, DISPATCH_LEVEL;
        MmAllocateContiguousNodeMemory(bytes: u64, lowest: u64, highest: u64, boundary: u64, protect: u32, node: u32) -> u64 = mm::allocate_contiguous_node, DISPATCH_LEVEL;
        MmAllocateContiguousMemorySpecifyCacheNode(bytes: u64, lowest: u64, highest: u64, boundary: u64, cache: u32, node: u32) -> u64 = mm::allocate_contiguous_cached_node, DISPATCH_LEVEL;
        MmAllocateNonCachedMemory(bytes: u64) -> u64 = mm::allocate_noncached, APC_LEVEL;
        MmFreeNonCachedMemory(va: u64, bytes: u64) = mm::free_noncached, APC_LEVEL;
        MmAllocatePagesForMdl(lowest: u64, highest: u64, skip: u64, bytes: u64) -> u64 = page_list::allocate, DISPATCH_LEVEL;
        MmAllocatePagesForMdlEx(lowest: u64, highest: u64, skip: u64, bytes: u64, cache: u32, flags: u32) -> u64 = page_list::allocate_ex, DISPATCH_LEVEL;
        MmFreePagesFromMdl(mdl: u64) = page_list::free, DISPATCH_LEVEL;
        MmMapLockedPages(mdl: u64, mode: u8) -> u64 = mdl::map_simple, DISPATCH_LEVEL;
    }
    plain {
        ExAllocatePool2(flags: u64, bytes: u64, tag: u32) -> u64 = pool_calls::allocate2, DISPATCH_LEVEL;
        ExAllocatePoolWithTag(pool: u32, bytes: u64, tag: u32) -> u64 = pool_calls::allocate_with_tag, DISPATCH_LEVEL;
        ExAllocatePool(pool: u32, bytes: u64) -> u64 = pool_calls::allocate_untagged, DISPATCH_LEVEL;
        ExFreePoolWithTag(va: u64, tag: u32) = pool_calls::free_with_tag, DISPATCH_LEVEL;
        ExFreePool(va: u64) = pool_calls::free, DISPATCH_LEVEL;
        MmGetPhysicalAddress(va: u64) -> u64 = mm::physical_address, HIGH_LEVEL;
        MmIsAddressValid(va: u64) -> u8 = mm::is_address_valid, DISPATCH_LEVEL;
        MmGetSystemRoutineAddress(name: u64) -> u64 = rtl::routine_address, PASSIVE_LEVEL;
        RtlInitUnicodeString(destination: u64, source: u64) = rtl::init_unicode, DISPATCH_LEVEL;
        RtlInitAnsiString(destination: u64, source: u64) = rtl::init_ansi, DISPATCH_LEVEL;
        RtlAnsiStringToUnicodeString(destination: u64, source: u64, allocate: u8) -> u32 = rtl::ansi_to_unicode, PASSIVE_LEVEL;
        RtlFreeUnicodeString(string: u64) = rtl::free_unicode, PASSIVE_LEVEL;
        RtlGetVersion(out: u64) -> u32 = rtl::get_version, PASSIVE_LEVEL;
        wcscmp(left: u64, right: u64) -> i32 = crt::compare_wide, HIGH_LEVEL;
        KeQueryPerformanceCounter(frequency: u64) -> u64 = time::performance_counter, HIGH_LEVEL;
        vDbgPrintEx(component: u32, level: u32, format: u64, list: u64) -> u32 = print::v_dbg_print_ex, HIGH_LEVEL;
        vDbgPrintExWithPrefix(prefix: u64, component: u32, level: u32, format: u64, list: u64) -> u32 = print::v_dbg_print_ex_with_prefix, HIGH_LEVEL;
        RtlAssert(condition: u64, file: u64, line: u32, message: u64) = stops::assertion, HIGH_LEVEL;
        KeInitializeEvent(event: u64, kind: u32, state: u8) = sync::initialize_event, HIGH_LEVEL;
        KeSetEvent(event: u64, increment: i32, wait: u8) -> i32 = sync::set_event, DISPATCH_LEVEL;
        KeResetEvent(event: u64) -> i32 = sync::reset_event, DISPATCH_LEVEL;
        KeClearEvent(event: u64) = sync::clear_event, DISPATCH_LEVEL;
        KeReadStateEvent(event: u64) -> i32 = sync::read_state, DISPATCH_LEVEL;
        KeWaitForSingleObject(object: u64, reason: u32, mode: u8, alertable: u8, timeout: u64) -> u32 = sync::wait_for_single, DISPATCH_LEVEL;
        KeDelayExecutionThread(mode: u8, alertable: u8, interval: u64) -> u32 = sync::delay, APC_LEVEL;
        KeStallExecutionProcessor(microseconds: u32) = sync::stall, HIGH_LEVEL;
        KeGetCurrentIrql() -> u8 = level::current_irql, HIGH_LEVEL;
        KfRaiseIrql(level: u8) -> u8 = level::raise, HIGH_LEVEL;
        KeRaiseIrqlToDpcLevel() -> u8 = level::raise_to_dispatch, DISPATCH_LEVEL;
        KeLowerIrql(level: u8) = level::lower, HIGH_LEVEL;
        KeInitializeSpinLock(at: u64) = level::initialize_spin_lock, HIGH_LEVEL;
        KeAcquireSpinLockRaiseToDpc(at: u64) -> u8 = level::acquire_and_raise, DISPATCH_LEVEL;
        KeAcquireSpinLockAtDpcLevel(at: u64) = level::acquire_at_dispatch, DISPATCH_LEVEL;
        KeReleaseSpinLock(at: u64, level: u8) = level::release_and_lower, DISPATCH_LEVEL;
        KeReleaseSpinLockFromDpcLevel(at: u64) = level::release_at_dispatch, DISPATCH_LEVEL;
        PsCreateSystemThread(handle: u64, access: u32, attributes: u64, process: u64, client: u64, routine: u64, context: u64) -> u32 = thread::create, PASSIVE_LEVEL;
        PsGetCurrentThread() -> u64 = thread::current, DISPATCH_LEVEL;
        KeGetCurrentThread() -> u64 = thread::current, DISPATCH_LEVEL;
        KeSetPriorityThread(thread: u64, priority: i32) -> i32 = thread::set_priority, PASSIVE_LEVEL;
        ObReferenceObjectByHandle(handle: u64, access: u32, kind: u64, mode: u8, object: u64, information: u64) -> u32 = thread::reference_by_handle, PASSIVE_LEVEL;
        ObReferenceObjectByHandleWithTag(handle: u64, access: u32, kind: u64, mode: u8, tag: u32, object: u64, information: u64) -> u32 = thread::reference_by_handle_with_tag, PASSIVE_LEVEL;
        ObfReferenceObject(object: u64) -> u64 = thread::reference, DISPATCH_LEVEL;
        ObfDereferenceObject(object: u64) -> u64 = thread::dereference, DISPATCH_LEVEL;
        ObfReferenceObjectWithTag(object: u64, tag: u32) -> u64 = thread::reference_with_tag, DISPATCH_LEVEL;
        ObfDereferenceObjectWithTag(object: u64, tag: u32) -> u64 = thread::dereference_with_tag, DISPATCH_LEVEL;
        ZwOpenKey(handle: u64, access: u32, attributes: u64) -> u32 = registry::open_key, PASSIVE_LEVEL;
        ZwCreateKey(handle: u64, access: u32, attributes: u64, title: u32, class: u64, options: u32, disposition: u64) -> u32 = registry::create_key, PASSIVE_LEVEL;
        ZwQueryValueKey(handle: u64, name: u64, class: u32, out: u64, length: u32, needed: u64) -> u32 = registry::query_value, PASSIVE_LEVEL;
        ZwSetValueKey(handle: u64, name: u64, title: u32, kind: u32, data: u64, bytes: u32) -> u32 = registry::set_value, PASSIVE_LEVEL;
        ZwDeleteValueKey(handle: u64, name: u64) -> u32 = registry::delete_value, PASSIVE_LEVEL;
        ZwClose(handle: u64) -> u32 = registry::close, PASSIVE_LEVEL;
        IoOpenDeviceRegistryKey(device: u64, kind: u32, access: u32, handle: u64) -> u32 = registry::open_device_key, PASSIVE_LEVEL;
        ZwLoadDriver(service: u64) -> u32 = io::load_driver, PASSIVE_LEVEL;
        ZwUnloadDriver(service: u64) -> u32 = io::unload_driver, PASSIVE_LEVEL;
        IoGetDeviceObjectPointer(name: u64, access: u32, file: u64, device: u64) -> u32 = io::device_object_pointer, PASSIVE_LEVEL;
        IoBuildDeviceIoControlRequest(code: u32, device: u64, input: u64, input_length: u32, output: u64, output_length: u32, internal: u8, event: u64, status: u64) -> u64 = io::build_control_request, PASSIVE_LEVEL;
        IofCallDriver(device: u64, request: u64) -> u32 = io::call_driver, DISPATCH_LEVEL;
        KeBugCheck(code: u32) = stops::bug_check_plain, HIGH_LEVEL;
        KeBugCheckEx(code: u32, a: u64, b: u64, c: u64, d: u64) = stops::bug_check_ex, HIGH_LEVEL;
        ExRaiseStatus(status: u32) = stops::raise_status, APC_LEVEL;
        __C_specific_handler(record: u64, frame: u64, context: u64, dispatcher: u64) -> i32 = exceptions::c_specific_handler, HIGH_LEVEL;
        RtlUnwindEx(frame: u64, ip: u64, record: u64, value: u64, context: u64, history: u64) = exceptions::unwind_ex, HIGH_LEVEL;
        RtlUnwind(frame: u64, ip: u64, record: u64, value: u64) = exceptions::unwind, HIGH_LEVEL;
        RtlVirtualUnwind(kinds: u32, base: u64, control: u64, function: u64, context: u64, data: u64, frame: u64, pointers: u64) -> u64 = exceptions::virtual_unwind, HIGH_LEVEL;
        RtlLookupFunctionEntry(address: u64, base: u64, history: u64) -> u64 = exceptions::lookup_function_entry, HIGH_LEVEL;
        RtlRestoreContext(context: u64, record: u64) = exceptions::restore_context, HIGH_LEVEL;
        RtlRaiseException(record: u64) = exceptions::raise_exception, HIGH_LEVEL;
        RtlRaiseStatus(status: u32) = stops::raise_status, HIGH_LEVEL;
        ExRaiseAccessViolation() = exceptions::raise_access_violation, APC_LEVEL;
        ExRaiseDatatypeMisalignment() = exceptions::raise_misalignment, APC_LEVEL;
        ProbeForRead(address: u64, bytes: u64, alignment: u32) = exceptions::probe_for_read, APC_LEVEL;
        ProbeForWrite(address: u64, bytes: u64, alignment: u32) = exceptions::probe_for_write, APC_LEVEL;
        _purecall() = stops::pure_call, HIGH_LEVEL;
        DbgBreakPoint() = stops::break_point, HIGH_LEVEL;
        DbgBreakPointWithStatus(status: u32) = stops::break_point_with, HIGH_LEVEL;
        DbgPrompt(prompt: u64, response: u64, length: u32) -> u32 = print::prompt, HIGH_LEVEL;
        KdRefreshDebuggerNotPresent() -> u8 = print::debugger_not_present, HIGH_LEVEL;
        KePulseEvent(event: u64, increment: i32, wait: u8) -> i32 = sync::pulse_event, DISPATCH_LEVEL;
        KeWaitForMultipleObjects(count: u32, objects: u64, kind: u32, reason: u32, mode: u8, alertable: u8, timeout: u64, blocks: u64) -> u32 = sync::wait_for_multiple, DISPATCH_LEVEL;
        KeInitializeMutex(at: u64, level: u32) = mutex::initialize, HIGH_LEVEL;
        KeReleaseMutex(at: u64, wait: u8) -> i32 = mutex::release, DISPATCH_LEVEL;
        KeReadStateMutex(at: u64) -> i32 = sync::read_state, DISPATCH_LEVEL;
        KeInitializeSemaphore(at: u64, count: i32, limit: i32) = mutex::initialize_semaphore, HIGH_LEVEL;
        KeReleaseSemaphore(at: u64, increment: i32, adjustment: i32, wait: u8) -> i32 = mutex::release_semaphore, DISPATCH_LEVEL;
        KeReadStateSemaphore(at: u64) -> i32 = sync::read_state, HIGH_LEVEL;
        KeInitializeGuardedMutex(at: u64) = fast_mutex::initialize, DISPATCH_LEVEL;
        KeAcquireGuardedMutex(at: u64) = fast_mutex::acquire_unsafe, APC_LEVEL;
        KeReleaseGuardedMutex(at: u64) = fast_mutex::release_unsafe, APC_LEVEL;
        KeTryToAcquireGuardedMutex(at: u64) -> u8 = fast_mutex::try_acquire_guarded, APC_LEVEL;
        ExAcquireFastMutex(at: u64) = fast_mutex::acquire, APC_LEVEL;
        ExTryToAcquireFastMutex(at: u64) -> u8 = fast_mutex::try_acquire, APC_LEVEL;
        ExReleaseFastMutex(at: u64) = fast_mutex::release, APC_LEVEL;
        ExAcquireFastMutexUnsafe(at: u64) = fast_mutex::acquire_unsafe, APC_LEVEL;
        ExReleaseFastMutexUnsafe(at: u64) = fast_mutex::release_unsafe, APC_LEVEL;
        KeEnterCriticalRegion() = level::region, APC_LEVEL;
        KeLeaveCriticalRegion() = level::region, DISPATCH_LEVEL;
        KeEnterGuardedRegion() = level::region, APC_LEVEL;
        KeLeaveGuardedRegion() = level::region, APC_LEVEL;
        KeAreApcsDisabled() -> u8 = level::are_apcs_disabled, DISPATCH_LEVEL;
        KeAreAllApcsDisabled() -> u8 = level::are_apcs_disabled, DISPATCH_LEVEL;
        KeTryToAcquireSpinLockAtDpcLevel(at: u64) -> u8 = level::try_acquire_at_dispatch, HIGH_LEVEL;
        KeTestSpinLock(at: u64) -> u8 = level::test_spin_lock, HIGH_LEVEL;
        KeAcquireInStackQueuedSpinLock(at: u64, handle: u64) = level::acquire_queued, DISPATCH_LEVEL;
        KeReleaseInStackQueuedSpinLock(handle: u64) = level::release_queued, DISPATCH_LEVEL;
        KeAcquireInStackQueuedSpinLockAtDpcLevel(at: u64, handle: u64) = level::acquire_queued_at_dispatch, HIGH_LEVEL;
        KeReleaseInStackQueuedSpinLockFromDpcLevel(handle: u64) = level::release_queued_at_dispatch, HIGH_LEVEL;
        KeInitializeDpc(at: u64, routine: u64, context: u64) = dpc::initialize, HIGH_LEVEL;
        KeInitializeThreadedDpc(at: u64, routine: u64, context: u64) = dpc::initialize_threaded, HIGH_LEVEL;
        KeInsertQueueDpc(at: u64, first: u64, second: u64) -> u8 = dpc::insert, HIGH_LEVEL;
        KeRemoveQueueDpc(at: u64) -> u8 = dpc::remove, HIGH_LEVEL;
        KeFlushQueuedDpcs() = dpc::flush, PASSIVE_LEVEL;
        KeSetImportanceDpc(at: u64, importance: u32) = dpc::set_importance, HIGH_LEVEL;
        KeSetTargetProcessorDpc(at: u64, number: i8) = dpc::set_target, HIGH_LEVEL;
        KeInitializeTimer(at: u64) = timer::initialize, DISPATCH_LEVEL;
        KeInitializeTimerEx(at: u64, kind: u32) = timer::initialize_as, DISPATCH_LEVEL;
        KeSetTimer(at: u64, due: i64, dpc: u64) -> u8 = timer::set, DISPATCH_LEVEL;
        KeSetTimerEx(at: u64, due: i64, period: u32, dpc: u64) -> u8 = timer::set_periodic, DISPATCH_LEVEL;
        KeSetCoalescableTimer(at: u64, due: i64, period: u32, tolerable: u32, dpc: u64) -> u8 = timer::set_coalescable, DISPATCH_LEVEL;
        KeCancelTimer(at: u64) -> u8 = timer::cancel, DISPATCH_LEVEL;
        KeReadStateTimer(at: u64) -> u8 = timer::read_state, DISPATCH_LEVEL;
        KeQueryTimeIncrement() -> u32 = time::increment, HIGH_LEVEL;
        KeQueryInterruptTime() -> u64 = time::interrupt_time, HIGH_LEVEL;
        KeQueryUnbiasedInterruptTime() -> u64 = time::interrupt_time, HIGH_LEVEL;
        KeQueryInterruptTimePrecise(counter: u64) -> u64 = time::interrupt_time_precise, HIGH_LEVEL;
        KeQuerySystemTime(out: u64) = time::system_time, HIGH_LEVEL;
        KeQuerySystemTimePrecise(out: u64) = time::system_time, HIGH_LEVEL;
        KeQueryTickCount(out: u64) = time::tick_count, HIGH_LEVEL;
        ExSystemTimeToLocalTime(from: u64, to: u64) = time::same_time, HIGH_LEVEL;
        ExLocalTimeToSystemTime(from: u64, to: u64) = time::same_time, HIGH_LEVEL;
        RtlTimeToTimeFields(time: u64, out: u64) = time::to_fields, HIGH_LEVEL;
        KeInvalidateAllCaches() -> u8 = firmware::invalidate_caches, DISPATCH_LEVEL;
        KeQueryActiveProcessorCount(affinity: u64) -> u32 = firmware::processors, HIGH_LEVEL;
        KeQueryActiveProcessorCountEx(group: u64) -> u32 = firmware::processors, HIGH_LEVEL;
        KeQueryMaximumProcessorCount(unused: u64) -> u32 = firmware::processors, HIGH_LEVEL;
        KeQueryMaximumProcessorCountEx(group: u64) -> u32 = firmware::processors, HIGH_LEVEL;
        KeGetCurrentProcessorNumberEx(out: u64) -> u32 = firmware::processor_number, HIGH_LEVEL;
        ExIsProcessorFeaturePresent(feature: u32) -> u8 = firmware::has_feature, HIGH_LEVEL;
        x86BiosCall(interrupt: u32, registers: u64) -> u8 = firmware::call, PASSIVE_LEVEL;
        x86BiosAllocateBuffer(size: u64, segment: u64, offset: u64) -> u32 = firmware::allocate, PASSIVE_LEVEL;
        x86BiosFreeBuffer(segment: u16, offset: u16) -> u32 = firmware::free, PASSIVE_LEVEL;
        x86BiosReadMemory(segment: u16, offset: u16, buffer: u64, size: u32) -> u32 = firmware::access, PASSIVE_LEVEL;
        x86BiosWriteMemory(segment: u16, offset: u16, buffer: u64, size: u32) -> u32 = firmware::access, PASSIVE_LEVEL;
        PsGetCurrentThreadId() -> u64 = thread::current_id, DISPATCH_LEVEL;
        PsGetCurrentProcess() -> u64 = thread::process, DISPATCH_LEVEL;
        IoGetCurrentProcess() -> u64 = thread::process, DISPATCH_LEVEL;
        PsGetCurrentProcessId() -> u64 = thread::process_id, DISPATCH_LEVEL;
        ExGetPreviousMode() -> u8 = thread::previous_mode, DISPATCH_LEVEL;
        KeSetSystemAffinityThread(affinity: u64) = thread::set_affinity, DISPATCH_LEVEL;
        KeSetSystemAffinityThreadEx(affinity: u64) -> u64 = thread::affinity, DISPATCH_LEVEL;
        KeRevertToUserAffinityThread() = thread::revert_affinity, DISPATCH_LEVEL;
        KeRevertToUserAffinityThreadEx(affinity: u64) = thread::set_affinity, DISPATCH_LEVEL;
        KeQueryPriorityThread(thread: u64) -> i32 = thread::priority, DISPATCH_LEVEL;
        KeSetBasePriorityThread(thread: u64, increment: i32) -> i32 = thread::set_base_priority, DISPATCH_LEVEL;
        ObReferenceObjectByPointer(object: u64, access: u32, kind: u64, mode: u8) -> u32 = device::reference_by_pointer, DISPATCH_LEVEL;
        ObReferenceObjectByPointerWithTag(object: u64, access: u32, kind: u64, mode: u8, tag: u32) -> u32 = thread::reference_by_pointer_with_tag, DISPATCH_LEVEL;
        ObDereferenceObjectDeferDelete(object: u64) = thread::dereference_later, HIGH_LEVEL;
        ObDereferenceObjectDeferDeleteWithTag(object: u64, tag: u32) = thread::dereference_later_with_tag, HIGH_LEVEL;
        ExInterlockedInsertTailList(head: u64, entry: u64, lock: u64) -> u64 = lists::insert_tail, HIGH_LEVEL;
        ExInterlockedInsertHeadList(head: u64, entry: u64, lock: u64) -> u64 = lists::insert_head, HIGH_LEVEL;
        ExInterlockedRemoveHeadList(head: u64, lock: u64) -> u64 = lists::remove_head, HIGH_LEVEL;
        ExInterlockedPushEntryList(head: u64, entry: u64, lock: u64) -> u64 = lists::push, HIGH_LEVEL;
        ExInterlockedPopEntryList(head: u64, lock: u64) -> u64 = lists::pop, HIGH_LEVEL;
        InitializeSListHead(head: u64) = lists::initialize_slist, HIGH_LEVEL;
        ExpInterlockedPushEntrySList(head: u64, entry: u64) -> u64 = lists::push_slist, DISPATCH_LEVEL;
        ExpInterlockedPopEntrySList(head: u64) -> u64 = lists::pop_slist, DISPATCH_LEVEL;
        ExpInterlockedFlushSList(head: u64) -> u64 = lists::flush_slist, DISPATCH_LEVEL;
        ExInterlockedFlushSList(head: u64) -> u64 = lists::flush_slist, DISPATCH_LEVEL;
        ExQueryDepthSList(head: u64) -> u32 = lists::depth_of_slist, HIGH_LEVEL;
        ExInitializeNPagedLookasideList(at: u64, allocate: u64, free: u64, flags: u32, bytes: u64, tag: u32, depth: u16) = lookaside::initialize_nonpaged, DISPATCH_LEVEL;
        ExInitializePagedLookasideList(at: u64, allocate: u64, free: u64, flags: u32, bytes: u64, tag: u32, depth: u16) = lookaside::initialize_paged, APC_LEVEL;
        ExInitializeLookasideListEx(at: u64, allocate: u64, free: u64, kind: u32, flags: u32, bytes: u64, tag: u32, depth: u16) -> u32 = lookaside::initialize_ex, DISPATCH_LEVEL;
        ExDeleteNPagedLookasideList(at: u64) = lookaside::empty, DISPATCH_LEVEL;
        ExDeletePagedLookasideList(at: u64) = lookaside::empty, APC_LEVEL;
        ExDeleteLookasideListEx(at: u64) = lookaside::empty, DISPATCH_LEVEL;
        ExFlushLookasideListEx(at: u64) = lookaside::empty, DISPATCH_LEVEL;
        ExAllocateFromNPagedLookasideList(at: u64) -> u64 = lookaside::allocate, DISPATCH_LEVEL;
        ExAllocateFromPagedLookasideList(at: u64) -> u64 = lookaside::allocate, APC_LEVEL;
        ExAllocateFromLookasideListEx(at: u64) -> u64 = lookaside::allocate, DISPATCH_LEVEL;
        ExFreeToNPagedLookasideList(at: u64, entry: u64) = lookaside::free_to, DISPATCH_LEVEL;
        ExFreeToPagedLookasideList(at: u64, entry: u64) = lookaside::free_to, APC_LEVEL;
        ExFreeToLookasideListEx(at: u64, entry: u64) = lookaside::free_to, DISPATCH_LEVEL;
        ExAllocatePool3(flags: u64, bytes: u64, tag: u32, parameters: u64, count: u32) -> u64 = pool_calls::allocate3, DISPATCH_LEVEL;
        ExAllocatePoolWithQuotaTag(pool: u32, bytes: u64, tag: u32) -> u64 = pool_calls::allocate_with_quota, DISPATCH_LEVEL;
        ExAllocatePoolWithTagPriority(pool: u32, bytes: u64, tag: u32, priority: u32) -> u64 = pool_calls::allocate_with_priority, DISPATCH_LEVEL;
        ExFreePool2(va: u64, tag: u32, parameters: u64, count: u32) = pool_calls::free2, DISPATCH_LEVEL;
        MmSizeOfMdl(va: u64, bytes: u64) -> u64 = mdl::size, HIGH_LEVEL;
        MmProtectMdlSystemAddress(mdl: u64, protect: u32) -> u32 = mdl::protect, DISPATCH_LEVEL;
        MmLockPagableDataSection(va: u64) -> u64 = mm::lock_section, PASSIVE_LEVEL;
        MmLockPagableSectionByHandle(handle: u64) = mm::section, PASSIVE_LEVEL;
        MmUnlockPagableImageSection(handle: u64) = mm::section, PASSIVE_LEVEL;
        MmResetDriverPaging(va: u64) = mm::section, PASSIVE_LEVEL;
        MmPageEntireDriver(va: u64) -> u64 = mm::lock_section, PASSIVE_LEVEL;
        IoAllocateWorkItem(device: u64) -> u64 = work::allocate, DISPATCH_LEVEL;
        IoFreeWorkItem(item: u64) = work::free, DISPATCH_LEVEL;
        IoSizeofWorkItem() -> u32 = work::size, DISPATCH_LEVEL;
        IoInitializeWorkItem(device: u64, item: u64) = work::initialize, DISPATCH_LEVEL;
        IoUninitializeWorkItem(item: u64) = work::uninitialize, DISPATCH_LEVEL;
        IoQueueWorkItem(item: u64, routine: u64, queue: u32, context: u64) = work::queue, DISPATCH_LEVEL;
        IoQueueWorkItemEx(item: u64, routine: u64, queue: u32, context: u64) = work::queue_ex, DISPATCH_LEVEL;
        ExQueueWorkItem(item: u64, queue: u32) = work::queue_executive, DISPATCH_LEVEL;
        IoGetDeviceProperty(device: u64, property: u32, length: u32, out: u64, needed: u64) -> u32 = device_property::get, PASSIVE_LEVEL;
        IoBuildSynchronousFsdRequest(major: u32, device: u64, buffer: u64, length: u32, offset: u64, event: u64, status: u64) -> u64 = io::build_transfer_request, PASSIVE_LEVEL;
        IoGetRelatedDeviceObject(file: u64) -> u64 = device::of_file, DISPATCH_LEVEL;
        IoGetAttachedDeviceReference(device: u64) -> u64 = device::attached_reference, DISPATCH_LEVEL;
        IoCreateDevice(driver: u64, extension: u32, name: u64, kind: u32, characteristics: u32, exclusive: u8, out: u64) -> u32 = device::create, APC_LEVEL;
        IoDeleteDevice(device: u64) = device::delete, APC_LEVEL;
        IoCreateSymbolicLink(name: u64, target: u64) -> u32 = device::create_link, PASSIVE_LEVEL;
        IoDeleteSymbolicLink(name: u64) -> u32 = device::delete_link, PASSIVE_LEVEL;
        IoCreateNotificationEvent(name: u64, handle: u64) -> u64 = device::notification_event, PASSIVE_LEVEL;
        IoCreateSynchronizationEvent(name: u64, handle: u64) -> u64 = device::synchronization_event, PASSIVE_LEVEL;
        IoWMIRegistrationControl(device: u64, action: u32) -> u32 = tracing::register_wmi, PASSIVE_LEVEL;
        EtwRegister(provider: u64, callback: u64, context: u64, out: u64) -> u32 = tracing::register, APC_LEVEL;
        EtwUnregister(handle: u64) -> u32 = tracing::unregister, PASSIVE_LEVEL;
        EtwWrite(handle: u64) -> u32 = tracing::write, HIGH_LEVEL;
        EtwWriteEx(handle: u64) -> u32 = tracing::write, HIGH_LEVEL;
        EtwWriteTransfer(handle: u64) -> u32 = tracing::write, HIGH_LEVEL;
        EtwSetInformation(handle: u64) -> u32 = tracing::write, PASSIVE_LEVEL;
        EtwEventEnabled(handle: u64) -> u8 = tracing::is_enabled, HIGH_LEVEL;
        EtwProviderEnabled(handle: u64) -> u8 = tracing::is_enabled, HIGH_LEVEL;
        ZwCreateFile(handle: u64, access: u32, attributes: u64, block: u64) -> u32 = file::open, PASSIVE_LEVEL;
        ZwOpenFile(handle: u64, access: u32, attributes: u64, block: u64) -> u32 = file::open, PASSIVE_LEVEL;
        ZwReadFile(handle: u64, event: u64, routine: u64, context: u64, block: u64) -> u32 = file::transfer, PASSIVE_LEVEL;
        ZwWriteFile(handle: u64, event: u64, routine: u64, context: u64, block: u64) -> u32 = file::transfer, PASSIVE_LEVEL;
        ZwQueryInformationFile(handle: u64, block: u64) -> u32 = file::information, PASSIVE_LEVEL;
        ZwSetInformationFile(handle: u64, block: u64) -> u32 = file::information, PASSIVE_LEVEL;
        RtlQueryRegistryValues(relative: u32, path: u64, table: u64, context: u64, environment: u64) -> u32 = registry_query::query, PASSIVE_LEVEL;
        RtlQueryRegistryValuesEx(relative: u32, path: u64, table: u64, context: u64, environment: u64) -> u32 = registry_query::query, PASSIVE_LEVEL;
        ExGetFirmwareEnvironmentVariable(name: u64, vendor: u64, value: u64, length: u64, attributes: u64) -> u32 = firmware::variable, PASSIVE_LEVEL;
        ExSetFirmwareEnvironmentVariable(name: u64, vendor: u64, value: u64, length: u64, attributes: u64) -> u32 = firmware::variable, PASSIVE_LEVEL;
        RtlInitString(destination: u64, source: u64) = rtl::init_ansi, DISPATCH_LEVEL;
        RtlFreeAnsiString(string: u64) = rtl::free_unicode, PASSIVE_LEVEL;
        RtlCopyUnicodeString(destination: u64, source: u64) = strings::copy, DISPATCH_LEVEL;
        RtlCompareUnicodeString(left: u64, right: u64, fold: u8) -> i32 = strings::compare, PASSIVE_LEVEL;
        RtlEqualUnicodeString(left: u64, right: u64, fold: u8) -> u8 = strings::equal, PASSIVE_LEVEL;
        RtlPrefixUnicodeString(left: u64, right: u64, fold: u8) -> u8 = strings::is_prefix, PASSIVE_LEVEL;
        RtlUpcaseUnicodeChar(unit: u16) -> u32 = strings::upcase_character, PASSIVE_LEVEL;
        RtlAppendUnicodeStringToString(destination: u64, source: u64) -> u32 = strings::append_string, DISPATCH_LEVEL;
        RtlAppendUnicodeToString(destination: u64, source: u64) -> u32 = strings::append_text, DISPATCH_LEVEL;
        RtlIntegerToUnicodeString(value: u32, base: u32, destination: u64) -> u32 = strings::from_integer, PASSIVE_LEVEL;
        RtlUnicodeStringToInteger(source: u64, base: u32, out: u64) -> u32 = strings::to_integer, PASSIVE_LEVEL;
        RtlUnicodeStringToAnsiString(destination: u64, source: u64, allocate: u8) -> u32 = strings::to_ansi, PASSIVE_LEVEL;
        RtlCompareString(left: u64, right: u64, fold: u8) -> i32 = strings::compare_ansi, PASSIVE_LEVEL;
        RtlEqualString(left: u64, right: u64, fold: u8) -> u8 = strings::equal_ansi, PASSIVE_LEVEL;
        RtlZeroMemory(at: u64, bytes: u64) = rtl::zero, HIGH_LEVEL;
        RtlFillMemory(at: u64, bytes: u64, byte: u8) = rtl::fill, HIGH_LEVEL;
        RtlCompareMemory(left: u64, right: u64, bytes: u64) -> u64 = rtl::compare_memory, HIGH_LEVEL;
        _vsnprintf(out: u64, count: u64, format: u64, list: u64) -> i32 = crt::v_print, HIGH_LEVEL;
        _vsnwprintf(out: u64, count: u64, format: u64, list: u64) -> i32 = crt::v_print_wide, HIGH_LEVEL;
        strlen(at: u64) -> u64 = crt::length, HIGH_LEVEL;
        strnlen(at: u64, most: u64) -> u64 = crt::length_within, HIGH_LEVEL;
        strcmp(left: u64, right: u64) -> i32 = crt::compare, HIGH_LEVEL;
        strncmp(left: u64, right: u64, most: u64) -> i32 = crt::compare_within, HIGH_LEVEL;
        _stricmp(left: u64, right: u64) -> i32 = crt::compare_folded, HIGH_LEVEL;
        _strnicmp(left: u64, right: u64, most: u64) -> i32 = crt::compare_folded_within, HIGH_LEVEL;
        strcpy(to: u64, from: u64) -> u64 = crt::copy, HIGH_LEVEL;
        strncpy(to: u64, from: u64, count: u64) -> u64 = crt::copy_within, HIGH_LEVEL;
        strcat(to: u64, from: u64) -> u64 = crt::append, HIGH_LEVEL;
        strchr(at: u64, wanted: i32) -> u64 = crt::find, HIGH_LEVEL;
        strrchr(at: u64, wanted: i32) -> u64 = crt::find_last, HIGH_LEVEL;
        strstr(at: u64, wanted: u64) -> u64 = crt::find_text, HIGH_LEVEL;
        tolower(character: i32) -> i32 = crt::to_lower, HIGH_LEVEL;
        toupper(character: i32) -> i32 = crt::to_upper, HIGH_LEVEL;
        wcslen(at: u64) -> u64 = crt::wide_length, HIGH_LEVEL;
        wcsnlen(at: u64, most: u64) -> u64 = crt::wide_length_within, HIGH_LEVEL;
        wcsncmp(left: u64, right: u64, most: u64) -> i32 = crt::compare_wide_within, HIGH_LEVEL;
        _wcsicmp(left: u64, right: u64) -> i32 = crt::compare_wide_folded, HIGH_LEVEL;
        _wcsnicmp(left: u64, right: u64, most: u64) -> i32 = crt::compare_wide_folded_within, HIGH_LEVEL;
        wcscpy(to: u64, from: u64) -> u64 = crt::copy_wide, HIGH_LEVEL;
        wcsncpy(to: u64, from: u64, count: u64) -> u64 = crt::copy_wide_within, HIGH_LEVEL;
        wcscat(to: u64, from: u64) -> u64 = crt::append_wide, HIGH_LEVEL;
        wcschr(at: u64, wanted: u16) -> u64 = crt::find_wide, HIGH_LEVEL;
        wcsrchr(at: u64, wanted: u16) -> u64 = crt::find_last_wide, HIGH_LEVEL;
        wcsstr(at: u64, wanted: u64) -> u64 = crt::find_wide_text, HIGH_LEVEL;
        memchr(at: u64, wanted: i32, count: u64) -> u64 = crt::find_byte, HIGH_LEVEL;
    }
}

/// `__chkstk`: compiled code calls it before it takes a large frame, with the size in rax, and expects every register back.
/// Driver stacks are there as a whole, so there is nothing to touch.
#[unsafe(naked)]
extern "win64" fn probe_stack() {
    core::arch::naked_asm!("ret")
}
