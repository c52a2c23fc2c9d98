//! What the public miniports import, all of it, by the highest level that the wdm.h page of each allows.

use dxgk_abi::Irql;
use dxgk_event::{Event, MisuseKind};

use super::*;
use crate::kernel::ExportKind;
use crate::processor;

/// "PASSIVE_LEVEL".
const PASSIVE: &[&str] = &[
    "IoBuildDeviceIoControlRequest",
    "IoBuildSynchronousFsdRequest",
    "IoCreateNotificationEvent",
    "IoGetDeviceObjectPointer",
    "IoGetDeviceProperty",
    "IoOpenDeviceRegistryKey",
    "KeFlushQueuedDpcs",
    "KeSetPriorityThread",
    "MmGetSystemRoutineAddress",
    "ObReferenceObjectByHandle",
    "ObReferenceObjectByHandleWithTag",
    "PsCreateSystemThread",
    "PsTerminateSystemThread",
    "RtlAnsiStringToUnicodeString",
    "RtlFreeUnicodeString",
    "RtlGetVersion",
    "RtlIntegerToUnicodeString",
    "ZwClose",
    "ZwCreateFile",
    "ZwLoadDriver",
    "ZwOpenKey",
    "ZwQueryValueKey",
    "ZwSetValueKey",
    "ZwUnloadDriver",
    "x86BiosAllocateBuffer",
    "x86BiosCall",
    "x86BiosFreeBuffer",
    "x86BiosReadMemory",
    "x86BiosWriteMemory",
];

/// "<= APC_LEVEL".
const APC: &[&str] = &["KeDelayExecutionThread"];

/// "<= DISPATCH_LEVEL", for some only with certain arguments (a wait that does not wait, memory that is resident).
const DISPATCH: &[&str] = &[
    "ExAllocatePool2",
    "ExAllocatePoolWithTag",
    "ExFreePoolWithTag",
    "IoAllocateMdl",
    "IoFreeMdl",
    "IoGetRelatedDeviceObject",
    "IofCallDriver",
    "KeAcquireSpinLockAtDpcLevel",
    "KeAcquireSpinLockRaiseToDpc",
    "KeCancelTimer",
    "KeClearEvent",
    "KeInitializeTimer",
    "KeInvalidateAllCaches",
    "KeReleaseMutex",
    "KeReleaseSpinLock",
    "KeReleaseSpinLockFromDpcLevel",
    "KeSetEvent",
    "KeSetTimerEx",
    "KeWaitForMultipleObjects",
    "KeWaitForSingleObject",
    "MmAllocateContiguousMemory",
    "MmAllocateContiguousMemorySpecifyCache",
    "MmFreeContiguousMemory",
    "MmIsAddressValid",
    "MmMapIoSpace",
    "MmMapIoSpaceEx",
    "MmMapLockedPagesSpecifyCache",
    "MmProbeAndLockPages",
    "MmUnlockPages",
    "MmUnmapIoSpace",
    "MmUnmapLockedPages",
    "ObfDereferenceObject",
    "ObfDereferenceObjectWithTag",
    "ObfReferenceObject",
    "RtlInitAnsiString",
    "RtlInitUnicodeString",
];

/// "Any level"; printing up to the level of devices, above which no driver runs; the C library, about whose levels no page speaks.
const ANY: &[&str] = &[
    "DbgPrintEx",
    "DbgPrompt",
    "ExInterlockedInsertTailList",
    "ExInterlockedRemoveHeadList",
    "KdRefreshDebuggerNotPresent",
    "KeBugCheck",
    "KeBugCheckEx",
    "KeGetCurrentIrql",
    "KeInitializeDpc",
    "KeInitializeEvent",
    "KeInitializeMutex",
    "KeInitializeSpinLock",
    "KeInsertQueueDpc",
    "KeQueryTimeIncrement",
    "KeStallExecutionProcessor",
    "MmGetPhysicalAddress",
    "RtlAssert",
    "__C_specific_handler",
    "_purecall",
    "_vsnwprintf",
    "memcmp",
    "memcpy",
    "memmove",
    "memset",
    "vDbgPrintEx",
    "wcscmp",
];

/// Variables.
const DATA: &[&str] =
    &["IoFileObjectType", "KdDebuggerEnabled", "KdDebuggerNotPresent", "MmUserProbeAddress", "PsThreadType"];

fn by_level() -> [(&'static [&'static str], Irql); 4] {
    [
        (PASSIVE, Irql::PASSIVE_LEVEL),
        (APC, Irql::APC_LEVEL),
        (DISPATCH, Irql::DISPATCH_LEVEL),
        (ANY, Irql::HIGH_LEVEL),
    ]
}

#[test]
fn all_97_names_are_there_with_their_documented_levels() {
    let bench = Bench::new();
    let mut names = 0;
    for (list, level) in by_level() {
        for name in list {
            let export = bench.kernel().resolve("ntoskrnl.exe", name).unwrap_or_else(|| panic!("no {name}"));
            assert_eq!((export.kind, export.max_irql), (ExportKind::Function, level), "{name}");
            assert_eq!(bench.kernel().resolve("hal.dll", name), Some(export), "{name}");
            names += 1;
        }
    }
    for name in DATA {
        let export = bench.kernel().resolve("ntoskrnl.exe", name).unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(export.kind, ExportKind::Data, "{name}");
        names += 1;
    }
    assert_eq!(names, 97);
}

/// Each in a kernel of its own, because some stop the machine when they are called for nothing.
#[test]
fn a_call_above_its_level_is_an_event_whatever_the_function() {
    let limited = || by_level().into_iter().filter(|(_, level)| *level < Irql::HIGH_LEVEL);
    for (name, level) in limited().flat_map(|(list, level)| list.iter().map(move |name| (*name, level))) {
        let bench = Bench::new();
        let _before = bench.events();
        processor::set_irql(level.0 + 1);
        let _ = call_driver(bench.address(name), &[0; 10]);
        processor::set_irql(0);
        let told = bench.events().into_iter().any(|event| {
            matches!(event, Event::Misuse(misuse) if misuse.kind == MisuseKind::LevelTooHigh
                && crate::kernel::table::name_of_slot(misuse.va as u16) == Some(name)
                && misuse.offset == u64::from(level.0))
        });
        assert!(told, "{name}");
    }
}
