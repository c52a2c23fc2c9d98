//! Lists, texts, page lists, properties, what is not there, and that no name of a public driver is missing.

use dxgk_abi::Mdl;

use super::*;

/// Every name that the public drivers import, of ntoskrnl.exe and hal.dll.
const PUBLIC_DRIVERS: &str = "ExFreePoolWithTag IoBuildDeviceIoControlRequest IoGetDeviceObjectPointer IofCallDriver \
    KeInitializeEvent KeSetEvent KeWaitForSingleObject MmMapLockedPagesSpecifyCache ObReferenceObjectByHandle \
    ObfDereferenceObject PsCreateSystemThread RtlGetVersion RtlInitUnicodeString ZwClose ZwLoadDriver ZwUnloadDriver \
    __C_specific_handler memcmp memcpy memset ExAllocatePool2 IoAllocateMdl IoFreeMdl IoOpenDeviceRegistryKey \
    MmMapIoSpaceEx MmUnmapIoSpace MmProbeAndLockPages MmUnlockPages MmUserProbeAddress RtlAnsiStringToUnicodeString \
    RtlFreeUnicodeString RtlInitAnsiString ZwSetValueKey DbgPrintEx DbgPrompt ExAllocatePoolWithTag \
    ExInterlockedInsertTailList ExInterlockedRemoveHeadList IoBuildSynchronousFsdRequest IoFileObjectType \
    IoGetDeviceProperty IoGetRelatedDeviceObject KdDebuggerEnabled KdDebuggerNotPresent KdRefreshDebuggerNotPresent \
    KeAcquireSpinLockRaiseToDpc KeReleaseSpinLock KeInitializeSpinLock KeBugCheckEx KeInitializeDpc KeInsertQueueDpc \
    KeInvalidateAllCaches KeQueryTimeIncrement KeWaitForMultipleObjects MmAllocateContiguousMemorySpecifyCache \
    MmFreeContiguousMemory MmGetPhysicalAddress MmUnmapLockedPages ObReferenceObjectByHandleWithTag \
    ObfDereferenceObjectWithTag PsThreadType ZwCreateFile ZwOpenKey ZwQueryValueKey _purecall _vsnwprintf wcscmp \
    IoCreateNotificationEvent KeAcquireSpinLockAtDpcLevel KeReleaseSpinLockFromDpcLevel KeBugCheck KeClearEvent \
    KeDelayExecutionThread KeFlushQueuedDpcs KeGetCurrentIrql KeSetPriorityThread KeStallExecutionProcessor \
    MmAllocateContiguousMemory MmIsAddressValid MmMapIoSpace ObfReferenceObject PsTerminateSystemThread \
    RtlIntegerToUnicodeString vDbgPrintEx RtlAssert KeInitializeTimer KeSetTimerEx KeCancelTimer KeInitializeMutex \
    KeReleaseMutex MmGetSystemRoutineAddress memmove x86BiosCall x86BiosAllocateBuffer x86BiosFreeBuffer \
    x86BiosReadMemory x86BiosWriteMemory MmBuildMdlForNonPagedPool KfRaiseIrql KeLowerIrql IoBuildPartialMdl \
    RtlQueryRegistryValues ExGetFirmwareEnvironmentVariable";

#[test]
fn every_name_that_public_drivers_import_is_there() {
    let missing: Vec<&str> = PUBLIC_DRIVERS
        .split_whitespace()
        .filter(|name| !super::super::is_exported("ntoskrnl.exe", name))
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
    assert!(!super::super::is_exported("ntoskrnl.exe", "NoSuchRoutine"));
    let bench = Bench::new();
    for name in bench.kernel().export_names() {
        assert!(super::super::is_exported("HAL.dll", name), "{name}");
    }
}

#[test]
fn interlocked_lists_keep_their_order_and_corruption_stops() {
    let bench = Bench::new();
    let (head, lock_at) = (bench.scratch, bench.scratch + 0x100);
    memory::write(head, &[head, head]).unwrap();
    let entries = [head + 0x20, head + 0x40, head + 0x60];
    assert_eq!(bench.call("ExInterlockedInsertTailList", &[head, entries[1], lock_at]), 0);
    assert_eq!(bench.call("ExInterlockedInsertTailList", &[head, entries[2], lock_at]), entries[1]);
    assert_eq!(bench.call("ExInterlockedInsertHeadList", &[head, entries[0], lock_at]), entries[1]);
    for entry in entries {
        assert_eq!(bench.call("ExInterlockedRemoveHeadList", &[head, lock_at]), entry);
    }
    assert_eq!(bench.call("ExInterlockedRemoveHeadList", &[head, lock_at]), 0);
    bench.call("ExInterlockedInsertTailList", &[head, entries[0], lock_at]);
    memory::write(entries[0] + 8, &0x1234u64).unwrap();
    let stopped = bench.stops("ExInterlockedRemoveHeadList", &[head, lock_at]);
    assert_eq!(stopped, (BugCheck::KERNEL_SECURITY_CHECK_FAILURE, [3, entries[0], 0, 0]));
}

#[test]
fn singly_linked_lists_are_stacks_with_a_depth_and_lookaside_lists_give_pool_blocks() {
    let bench = Bench::new();
    let head = bench.scratch;
    bench.call("InitializeSListHead", &[head]);
    for entry in [head + 0x20, head + 0x40] {
        bench.call("ExpInterlockedPushEntrySList", &[head, entry]);
    }
    assert_eq!(bench.status("ExQueryDepthSList", &[head]), 2);
    assert_eq!(bench.call("ExpInterlockedPopEntrySList", &[head]), head + 0x40);
    assert_eq!(bench.call("ExpInterlockedFlushSList", &[head]), head + 0x20);
    assert_eq!(bench.call("ExpInterlockedPopEntrySList", &[head]), 0);
    let list = bench.scratch + 0x100;
    bench.call("ExInitializeNPagedLookasideList", &[list, 0, 0, 0x200, 72, 0x3174_7354, 0]);
    let [allocate, free] = get::<[u64; 2]>(list + 48);
    assert_eq!((allocate, free), (bench.address("ExAllocatePoolWithTag"), bench.address("ExFreePool")));
    let va = bench.call("ExAllocateFromNPagedLookasideList", &[list]);
    memory::fill(va, 72, 1).unwrap();
    bench.call("ExFreeToNPagedLookasideList", &[list, va]);
    assert_eq!(memory::first_other(va, 72, crate::kernel::pool::FREED), Ok(None), "back to the pool at once");
}

#[test]
fn texts_are_formatted_compared_and_converted() {
    let bench = Bench::new();
    let wide = |offset: u64, text: &str| bench.unicode(offset, text) + 16;
    let format = wide(0x100, "%s-%S-%d");
    let narrow = bench.place(0x200, b"narrow\0");
    let list = [wide(0x240, "wide"), narrow, 5].map(u64::to_le_bytes).concat();
    let list = bench.place(0x2c0, &list);
    let out = bench.scratch + 0x400;
    assert_eq!(bench.status("_vsnwprintf", &[out, 64, format, list]), 13);
    let text = memory::read_wide_text(out, 64).unwrap();
    assert_eq!(String::from_utf16_lossy(&text), "wide-narrow-5");
    assert_eq!(bench.status("_vsnwprintf", &[out, 4, format, list]) as i32, -1);
    let string = bench.place(0x500, &[0u16.to_le_bytes(), 16u16.to_le_bytes(), [0; 2], [0; 2]].concat());
    memory::write(string + 8, &(string + 16)).unwrap();
    assert_eq!(bench.status("RtlIntegerToUnicodeString", &[0xBEEF, 16, string]), 0);
    assert_eq!(memory::unicode_text(string).unwrap(), "BEEF");
    assert_eq!(bench.status("RtlIntegerToUnicodeString", &[0x1234_5678, 2, string]), 0x8000_0005);
    let (left, right) = (bench.unicode(0x600, "Name"), bench.unicode(0x680, "nAME"));
    assert_eq!(bench.call("RtlEqualUnicodeString", &[left, right, 1]) & 0xff, 1);
    assert_eq!(bench.call("RtlEqualUnicodeString", &[left, right, 0]) & 0xff, 0);
    assert!((bench.status("RtlCompareUnicodeString", &[left, right, 0]) as i32) < 0);
}

/// Shows S-MPE-23.
#[test]
fn page_lists_are_zeroed_locked_within_limits_and_given_back() {
    let bench = Bench::with(true, Registry::default());
    let before = bench.pages.left();
    let mdl = bench.call("MmAllocatePagesForMdlEx", &[0, 0x3F_FFFF, 0, 5 * PAGE_SIZE, 1, 0]);
    let header: Mdl = get(mdl);
    assert_eq!((header.byte_count, header.mdl_flags.0 & 2), (5 * PAGE_SIZE as u32, 2));
    assert_eq!(bench.pages.left(), before - 5);
    let va = bench.call("MmMapLockedPagesSpecifyCache", &[mdl, 0, 1, 0, 0, 0]);
    assert_eq!(memory::first_other(va, 5 * PAGE_SIZE, 0), Ok(None));
    bench.call("MmUnmapLockedPages", &[va, mdl]);
    bench.call("MmFreePagesFromMdl", &[mdl]);
    assert_eq!(bench.pages.left(), before);
    bench.call("ExFreePool", &[mdl]);
    assert_eq!(bench.stops("MmFreePagesFromMdl", &[mdl]).0, BugCheck::MEMORY_MANAGEMENT);
}

#[test]
fn special_pool_faults_behind_the_end_and_after_the_free() {
    let bench = Bench::with_pool(false, Registry::default(), PoolKind::Special);
    for bytes in [16u64, 100, 1008, 4096, 8192] {
        let va = bench.call("ExAllocatePool2", &[0x40, bytes, 0x3174_7354]);
        assert_eq!(va % 16, 0);
        let end = va + bytes.next_multiple_of(16);
        assert!(memory::read_bytes(end - 1, &mut [0]).is_ok());
        assert!(memory::write_bytes(end, &[0]).is_err(), "{bytes} bytes end at a page that is not there");
        bench.call("ExFreePool", &[va]);
        assert!(memory::read_bytes(va, &mut [0]).is_err(), "{bytes} bytes are gone");
    }
    let va = bench.call("ExAllocatePool2", &[0x40, 24, 0x3174_7354]);
    memory::write(va - 1, &0u8).unwrap();
    assert_eq!(bench.stops("ExFreePool", &[va]).0, BugCheck::BAD_POOL_HEADER);
}

#[test]
fn files_and_firmware_are_not_there_and_named_events_are() {
    let bench = Bench::new();
    assert_eq!(bench.status("ZwCreateFile", &[bench.scratch, 0, 0, bench.scratch + 0x10]), 0xC000_0034);
    assert_eq!(get::<u32>(bench.scratch + 0x10), 0xC000_0034);
    assert_eq!(bench.status("x86BiosAllocateBuffer", &[0, 0, 0]), 0xC000_00BB);
    let name = bench.unicode(0x100, r"\BaseNamedObjects\Ready");
    let first = bench.call("IoCreateNotificationEvent", &[name, bench.scratch]);
    let second = bench.call("IoCreateNotificationEvent", &[name, bench.scratch + 8]);
    assert_eq!(first, second);
    assert_eq!(get::<i32>(first + 4), 1, "made signaled");
    for handle in [get::<u64>(bench.scratch), get(bench.scratch + 8)] {
        assert_eq!(bench.status("ZwClose", &[handle]), 0);
    }
}
