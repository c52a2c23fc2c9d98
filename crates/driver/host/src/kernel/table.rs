//! The export table: every name that a driver can import, with its address and the highest level at which it may be called.
//!
//! One list for ntoskrnl.exe and hal.dll alike: import libraries disagree about which of the two a routine comes from. The
//! levels are those of the wdm.h pages' Requirements; they are recorded here for rules, not enforced.
#![expect(non_snake_case, reason = "the names are Windows'")]
#![expect(clippy::too_many_arguments, reason = "the prototypes are Windows'")]

use dxgk_abi::{Irql, NtStatus};
use dxgk_event::{Callback, Event, Phase};

use super::state::{Kernel, end, serving};
use super::trouble::{Outcome, Trouble};
use super::{io, mdl, mm, pool_calls, print, registry_calls as registry, rtl, stops, sync, thread};
use crate::processor;
use crate::thunk::VaList;

/// [`Callback::slot`] of the first export; the n-th of [`FUNCTIONS`] has the n-th number from here.
pub const FIRST_SLOT: u16 = 0x8000;

/// Whether an import is called or read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExportKind {
    /// Code.
    Function,
    /// A variable; the import slot holds its address.
    Data,
}

/// What a name resolves to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Export {
    /// What the import slot must hold.
    pub address: u64,
    /// Code or data.
    pub kind: ExportKind,
    /// Highest level at which it may be called.
    pub max_irql: Irql,
}

/// A function of the table.
pub struct FunctionExport {
    /// Its name.
    pub name: &'static str,
    /// Highest level at which it may be called.
    pub max_irql: Irql,
    /// Whether every call is recorded as [`Callback`] events; the others only when they were misuse.
    pub recorded: bool,
    address: fn() -> u64,
}

impl core::fmt::Debug for FunctionExport {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name)
    }
}

/// The name of the export with this number in [`Callback::slot`].
#[must_use]
pub fn name_of_slot(slot: u16) -> Option<&'static str> {
    let index = slot.checked_sub(FIRST_SLOT)?;
    FUNCTIONS.get(usize::from(index)).map(|function| function.name)
}

impl Kernel {
    /// What `name` of `module` is. Both modules export everything.
    #[must_use]
    pub fn resolve(&self, module: &str, name: &str) -> Option<Export> {
        if !["ntoskrnl.exe", "hal.dll"].iter().any(|known| known.eq_ignore_ascii_case(module)) {
            return None;
        }
        if let Some(address) = self.data.address(name) {
            return Some(Export { address, kind: ExportKind::Data, max_irql: Irql::HIGH_LEVEL });
        }
        let function = FUNCTIONS.iter().find(|function| function.name == name)?;
        let address = (function.address)();
        Some(Export { address, kind: ExportKind::Function, max_irql: function.max_irql })
    }

    /// All names that [`resolve`](Self::resolve) knows.
    pub fn export_names(&self) -> impl Iterator<Item = &'static str> + '_ {
        FUNCTIONS.iter().map(|function| function.name).chain(self.data.names())
    }
}

/// A result as a word of a record.
trait Word {
    fn word(&self) -> u64;
}

impl Word for () {
    fn word(&self) -> u64 {
        0
    }
}

macro_rules! words {
    ($($number:ty),*) => {$(
        impl Word for $number {
            fn word(&self) -> u64 {
                *self as u64
            }
        }
    )*};
}

words!(u8, i32, u32, u64);

/// The number of an export, found when this is compiled.
const fn index_of(name: &str) -> u16 {
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

/// One call of an export, on its way into the records.
struct Call<'a> {
    kernel: &'a Kernel,
    index: u16,
    arguments: &'a [u64],
}

impl Call<'_> {
    fn event(&self, phase: Phase, entry: u64, words: &[u64], status: NtStatus, duration: u32) -> Event {
        let mut all = [0; 6];
        all.iter_mut().zip(words).for_each(|(to, from)| *to = *from);
        Event::Callback(Callback {
            entry,
            words: all,
            slot: FIRST_SLOT + self.index,
            phase,
            unimplemented: 0,
            status: status.0,
            adapter: u32::MAX,
            duration,
        })
    }

    fn entered(&self) -> u64 {
        self.kernel.events.emit(&self.event(Phase::Entered, 0, self.arguments, NtStatus::SUCCESS, 0)).0
    }

    fn returned(&self, entry: u64, words: &[u64], status: NtStatus, duration: u32) {
        self.kernel.events.emit(&self.event(Phase::Returned, entry, words, status, duration));
    }
}

/// Serves an export, recording the call when it is to be recorded anyway or was a misuse that the driver survives.
fn serve<R: Word + Default>(
    index: u16,
    recorded: bool,
    arguments: &[u64],
    body: impl FnOnce(&Kernel) -> Outcome<R>,
) -> R {
    let kernel = serving();
    let call = Call { kernel, index, arguments };
    let before = processor::boundary();
    let entry = if recorded { call.entered() } else { 0 };
    match body(kernel) {
        Ok(result) => {
            if recorded {
                let duration = (processor::boundary() - before) as u32;
                call.returned(entry, &[result.word()], NtStatus::SUCCESS, duration);
            }
            result
        }
        Err(Trouble::Misuse { code, parameters: [a, b, c, d] }) if kernel.goes_on() => {
            let entry = if recorded { entry } else { call.entered() };
            call.returned(entry, &[u64::from(code.0), a, b, c, d], NtStatus::INVALID_PARAMETER, 0);
            R::default()
        }
        Err(trouble) => end(trouble),
    }
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
            crate::thunk! {
                $(pub(super) fn $vname($($varg: $vty),+, ...) -> $vret => bodies::$vname;)*
                $(pub(super) fn $nname($($narg: $nty),*) -> $nret => $ntarget;)*
                $(pub(super) fn $rname($($rarg: $rty),*) $(-> $rret)? => bodies::$rname;)*
                $(pub(super) fn $name($($arg: $ty),*) $(-> $ret)? => bodies::$name;)*
            }
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
    }
    variadic {
        DbgPrint(format: u64, ...) -> u32 = print::dbg_print, HIGH_LEVEL;
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
        wcscmp(left: u64, right: u64) -> i32 = rtl::compare_wide, HIGH_LEVEL;
        KeQueryPerformanceCounter(frequency: u64) -> u64 = rtl::performance_counter, HIGH_LEVEL;
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
        KeGetCurrentIrql() -> u8 = sync::current_irql, HIGH_LEVEL;
        KfRaiseIrql(level: u8) -> u8 = sync::raise, HIGH_LEVEL;
        KeRaiseIrqlToDpcLevel() -> u8 = sync::raise_to_dispatch, DISPATCH_LEVEL;
        KeLowerIrql(level: u8) = sync::lower, HIGH_LEVEL;
        KeInitializeSpinLock(at: u64) = sync::initialize_spin_lock, HIGH_LEVEL;
        KeAcquireSpinLockRaiseToDpc(at: u64) -> u8 = sync::acquire_and_raise, DISPATCH_LEVEL;
        KeAcquireSpinLockAtDpcLevel(at: u64) = sync::acquire_at_dispatch, DISPATCH_LEVEL;
        KeReleaseSpinLock(at: u64, level: u8) = sync::release_and_lower, DISPATCH_LEVEL;
        KeReleaseSpinLockFromDpcLevel(at: u64) = sync::release_at_dispatch, DISPATCH_LEVEL;
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
        __C_specific_handler(record: u64, frame: u64, context: u64, dispatcher: u64) -> i32 = stops::c_specific_handler, HIGH_LEVEL;
        _purecall() = stops::pure_call, HIGH_LEVEL;
    }
}
