//! What a miniport imports from the kernel: one list, two ways to bind it.
//!
//! * In a `.sys` the list becomes the file's import table (`raw-dylib`): the kernel's loader binds it, and no
//!   import library is needed to link.
//! * Linked into a host process there is no loader, so every import is a slot. The host stores the address of its
//!   own routine there, by name, before it calls `DriverEntry`, exactly as it fills the import address table of a
//!   file. The routines have the Windows x64 calling convention whatever the host's is.

/// One import of a linked miniport: a name and the slot that its address goes into.
#[cfg(not(windows))]
#[derive(Debug)]
pub struct Import {
    /// The kernel's export, as it is spelled there.
    pub name: &'static str,
    /// Where the address of the host's routine goes: a function with the Windows x64 calling convention and the
    /// export's documented signature. Zero: not bound yet; a call then stops the process with the import's name.
    pub slot: &'static core::sync::atomic::AtomicUsize,
}

/// A call through a slot that the host left empty. That is the host's mistake, before any driver code ran.
#[cfg(not(windows))]
#[cold]
fn unbound(name: &str) -> ! {
    panic!("the import {name} was called before the host bound it");
}

/// Declares the imports. Variadic functions are declared with the arguments they are called with, which the Windows
/// x64 convention allows as long as none of them is a floating-point number.
macro_rules! kernel_imports {
    ($($(#[$meta:meta])* fn $name:ident($($argument:ident: $ty:ty),* $(,)?) $(-> $return:ty)?;)*) => {
        #[cfg(windows)]
        #[link(name = "ntoskrnl.exe", kind = "raw-dylib", modifiers = "+verbatim")]
        unsafe extern "system" {
            $($(#[$meta])* pub(crate) fn $name($($argument: $ty),*) $(-> $return)?;)*
        }

        #[cfg(not(windows))]
        mod slot {
            $(pub(super) static $name: core::sync::atomic::AtomicUsize =
                core::sync::atomic::AtomicUsize::new(0);)*
        }

        /// Every import of a linked miniport, in the order of declaration.
        #[cfg(not(windows))]
        pub static IMPORTS: &[Import] = &[$(Import { name: stringify!($name), slot: &slot::$name },)*];

        $(
            $(#[$meta])*
            #[cfg(not(windows))]
            pub(crate) unsafe fn $name($($argument: $ty),*) $(-> $return)? {
                let address = slot::$name.load(core::sync::atomic::Ordering::Acquire);
                if address == 0 {
                    unbound(stringify!($name));
                }
                // SAFETY: the slot is not zero, so the host stored there the address of a routine with this
                // export's signature and calling convention; that is what `Import::slot` asks of it.
                let function = unsafe {
                    core::mem::transmute::<usize, abi_fn!(fn($($ty),*) $(-> $return)?)>(address)
                };
                // SAFETY: the caller keeps the export's contract; this function's own is the same.
                unsafe { function($($argument),*) }
            }
        )*
    };
}

use core::ffi::c_void;

use dxgk_abi::mdl::Mdl;

use super::object::{Event, IoStatusBlock, ObjectAttributes, UnicodeString, VersionInformation};

kernel_imports! {
    fn DbgPrintEx(component: u32, level: u32, format: *const u8, text: *const u8) -> u32;

    fn ExAllocatePool2(flags: u64, bytes: usize, tag: u32) -> *mut c_void;
    fn ExFreePoolWithTag(block: *mut c_void, tag: u32);

    fn MmGetPhysicalAddress(address: *const c_void) -> u64;
    fn IoAllocateMdl(
        address: *mut c_void, length: u32, secondary: u8, charge_quota: u8, irp: *mut c_void,
    ) -> *mut Mdl;
    fn IoFreeMdl(mdl: *mut Mdl);
    fn MmBuildMdlForNonPagedPool(mdl: *mut Mdl);
    fn MmMapLockedPagesSpecifyCache(
        mdl: *mut Mdl, mode: u8, cache: u32, address: *mut c_void, bug_check: u32, priority: u32,
    ) -> *mut c_void;
    fn MmUnmapLockedPages(address: *mut c_void, mdl: *mut Mdl);

    fn KeStallExecutionProcessor(microseconds: u32);
    fn KfRaiseIrql(level: u8) -> u8;
    fn KeLowerIrql(level: u8);
    fn KeInitializeEvent(event: *mut Event, kind: u32, state: u8);
    fn KeWaitForSingleObject(
        object: *mut c_void, reason: u32, mode: u8, alertable: u8, timeout: *const i64,
    ) -> u32;
    fn KeDelayExecutionThread(mode: u8, alertable: u8, interval: *const i64) -> u32;

    fn ZwOpenKey(handle: *mut u64, access: u32, attributes: *const ObjectAttributes) -> u32;
    fn ZwQueryValueKey(
        key: u64, name: *const UnicodeString, class: u32, information: *mut c_void, length: u32,
        result_length: *mut u32,
    ) -> u32;
    fn ZwClose(handle: u64) -> u32;
    fn ZwLoadDriver(service: *const UnicodeString) -> u32;
    fn ZwUnloadDriver(service: *const UnicodeString) -> u32;

    fn RtlGetVersion(information: *mut VersionInformation) -> u32;
    fn IoGetDeviceObjectPointer(
        name: *const UnicodeString, access: u32, file: *mut *mut c_void, device: *mut *mut c_void,
    ) -> u32;
    fn IoBuildDeviceIoControlRequest(
        code: u32, device: *mut c_void, input: *mut c_void, input_length: u32, output: *mut c_void,
        output_length: u32, internal: u8, event: *mut Event, status: *mut IoStatusBlock,
    ) -> *mut c_void;
    fn IofCallDriver(device: *mut c_void, irp: *mut c_void) -> u32;
    fn ObfDereferenceObject(object: *mut c_void) -> isize;
}
