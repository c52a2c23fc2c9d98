//! The kernel's half: pool, MDLs, registry and the port driver's device, one state for each test's thread.

use core::ffi::c_void;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::string::String;
use std::sync::atomic::Ordering;
use std::vec::Vec;
use std::{format, thread_local};

use dxgk_abi::init::DriverInitializationData;
use dxgk_abi::mdl::{Mdl, MdlFlags};
use dxgk_abi::{NtStatus, Pointer};

use super::super::import::IMPORTS;
use super::super::object::{Event, IoStatusBlock, ObjectAttributes, UnicodeString, VersionInformation};

/// A value of the registry: type and data.
pub(super) type Value = (u32, Vec<u8>);

/// Books of one test.
#[derive(Default)]
pub(super) struct State {
    /// Calls, in order.
    pub(super) log: Vec<String>,
    /// Lines that the driver printed.
    pub(super) printed: Vec<String>,
    /// Live pool blocks, as their words.
    pub(super) pool: BTreeMap<u64, Vec<u64>>,
    /// Live MDLs, header and page array, as their words.
    pub(super) mdls: BTreeMap<u64, Vec<u64>>,
    /// Keys by full path, and their values.
    pub(super) registry: BTreeMap<String, BTreeMap<String, Value>>,
    /// Open keys.
    pub(super) keys: BTreeMap<u64, String>,
    /// What the port driver answers to the table.
    pub(super) registration: NtStatus,
    /// How often the port driver's device is not there yet.
    pub(super) absent: u32,
    /// What the driver registered.
    pub(super) table: Option<DriverInitializationData>,
    /// The next handle or address to give out.
    next: u64,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

/// Looks at the books.
pub(super) fn with<R>(look: impl FnOnce(&mut State) -> R) -> R {
    STATE.with_borrow_mut(look)
}

/// Notes a call.
pub(super) fn note(line: impl Into<String>) {
    with(|state| state.log.push(line.into()));
}

/// The calls since the last time.
pub(super) fn take_log() -> Vec<String> {
    with(|state| std::mem::take(&mut state.log))
}

/// A fresh handle.
pub(super) fn handle() -> u64 {
    with(|state| {
        state.next += 0x10;
        0x1000 + state.next
    })
}

/// What the page frame of an address is here: its address below 2^40, a page number that nothing else has.
pub(super) fn frame(address: u64) -> u64 {
    (address & 0xFF_FFFF_FFFF) >> 12
}

/// The text of a string of the driver's.
fn text(string: &UnicodeString<'_>) -> String {
    // SAFETY: strings of this crate borrow their text.
    String::from_utf16_lossy(unsafe { string.text() }.unwrap_or_default())
}

/// A zero-terminated text.
fn c_text(text: *const u8) -> String {
    // SAFETY: the driver's lines end with a zero byte.
    unsafe { core::ffi::CStr::from_ptr(text.cast()) }.to_string_lossy().into_owned()
}

abi_entries! {
    fn dbg_print_ex(_component: u32, _level: u32, format: *const u8, line: *const u8) -> u32 {
        assert_eq!(c_text(format), "%s\n");
        with(|state| state.printed.push(c_text(line)));
        0
    }

    fn ex_allocate_pool2(flags: u64, bytes: usize, tag: u32) -> *mut c_void {
        assert_eq!((flags, tag), (0x40, u32::from_le_bytes(*b"Dxgk")));
        let mut block = std::vec![0_u64; bytes.div_ceil(8).max(2)];
        let address = block.as_mut_ptr();
        with(|state| state.pool.insert(address.expose_provenance() as u64, block));
        address.cast()
    }

    fn ex_free_pool_with_tag(block: u64, _tag: u32) {
        note("ExFreePoolWithTag");
        assert!(with(|state| state.pool.remove(&block)).is_some(), "freed what was not allocated");
    }

    fn mm_get_physical_address(address: u64) -> u64 {
        frame(address) << 12 | address & 0xFFF
    }

    fn io_allocate_mdl(address: u64, length: u32, _secondary: u8, _charge: u8, _irp: u64) -> u64 {
        let pages = (address % 4096 + u64::from(length)).div_ceil(4096);
        mdl(address, length, (0..pages).map(|_| 0), MdlFlags(0))
    }

    fn io_free_mdl(mdl: u64) {
        note("IoFreeMdl");
        assert!(with(|state| state.mdls.remove(&mdl)).is_some(), "freed what was not allocated");
    }

    fn mm_build_mdl_for_non_paged_pool(mdl: &mut Mdl) {
        let start = mdl.start_va.0;
        with(|state| {
            let words = state.mdls.get_mut(&(core::ptr::from_mut(mdl).addr() as u64)).expect("a live MDL");
            for (page, word) in words.iter_mut().skip(6).enumerate() {
                *word = frame(start + page as u64 * 4096);
            }
        });
        mdl.mdl_flags = MdlFlags::SOURCE_IS_NONPAGED_POOL;
    }

    fn ke_stall_execution_processor(microseconds: u32) {
        note(format!("KeStallExecutionProcessor({microseconds})"));
    }

    fn kf_raise_irql(level: u8) -> u8 {
        note(format!("KfRaiseIrql({level})"));
        0
    }

    fn ke_lower_irql(level: u8) {
        note(format!("KeLowerIrql({level})"));
    }

    fn ke_initialize_event(_event: &mut Event, _kind: u32, _state: u8) {}

    fn ke_delay_execution_thread(_mode: u8, _alertable: u8, _interval: &i64) -> NtStatus {
        note("KeDelayExecutionThread");
        NtStatus::SUCCESS
    }

    fn zw_open_key(handle_out: &mut u64, _access: u32, attributes: &ObjectAttributes<'_>) -> NtStatus {
        let (root, name) = attributes.parts();
        let root = with(|state| state.keys.get(&root).cloned());
        let path = match root {
            Some(root) => format!("{root}\\{}", text(name)),
            None => text(name),
        };
        if !with(|state| state.registry.contains_key(&path)) {
            return NtStatus::OBJECT_NAME_NOT_FOUND;
        }
        *handle_out = handle();
        with(|state| state.keys.insert(*handle_out, path));
        NtStatus::SUCCESS
    }

    fn zw_query_value_key(
        key: u64, name: &UnicodeString<'_>, class: u32, out: *mut u8, length: u32, written: &mut u32,
    ) -> NtStatus {
        assert_eq!(class, 2);
        let value = with(|state| state.registry.get(&state.keys[&key]).and_then(|key| key.get(&text(name)).cloned()));
        let Some((kind, data)) = value else {
            return NtStatus::OBJECT_NAME_NOT_FOUND;
        };
        let words = [0, kind, data.len() as u32].map(u32::to_le_bytes).concat();
        let bytes = [words, data].concat();
        *written = bytes.len() as u32;
        if bytes.len() > length as usize {
            return NtStatus::BUFFER_OVERFLOW;
        }
        // SAFETY: the driver's buffer has `length` bytes, and the value is not longer.
        unsafe { out.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        NtStatus::SUCCESS
    }

    fn zw_close(handle: u64) -> NtStatus {
        assert!(with(|state| state.keys.remove(&handle)).is_some(), "closed what was not open");
        NtStatus::SUCCESS
    }

    fn zw_load_driver(service: &UnicodeString<'_>) -> NtStatus {
        note(format!("ZwLoadDriver({})", text(service).rsplit('\\').next().unwrap_or_default()));
        NtStatus::IMAGE_ALREADY_LOADED
    }

    fn zw_unload_driver(_service: &UnicodeString<'_>) -> NtStatus {
        note("ZwUnloadDriver");
        NtStatus::SUCCESS
    }

    fn rtl_get_version(version: &mut VersionInformation) -> NtStatus {
        assert_eq!(version.size, 276);
        (version.major, version.minor, version.build) = (10, 0, 22621);
        NtStatus::SUCCESS
    }

    fn io_get_device_object_pointer(
        name: &UnicodeString<'_>, access: u32, file: &mut u64, device: &mut u64,
    ) -> NtStatus {
        assert_eq!((text(name).as_str(), access), ("\\Device\\DxgKrnl", 0xC000_0000));
        if with(|state| state.absent.checked_sub(1).inspect(|left| state.absent = *left)).is_some() {
            return NtStatus::OBJECT_NAME_NOT_FOUND;
        }
        (*file, *device) = (handle(), handle());
        note("open");
        NtStatus::SUCCESS
    }

    fn io_build_device_io_control_request(
        code: u32, _device: u64, input: u64, input_length: u32, output: &mut u64, output_length: u32,
        internal: u8, _event: &mut Event, _status: &mut IoStatusBlock,
    ) -> u64 {
        assert_eq!((code, input, input_length, output_length, internal), (0x23_0047, 0, 0, 8, 1));
        *output = (register as *const ()).expose_provenance() as u64;
        handle()
    }

    fn iof_call_driver(_device: u64, _irp: u64) -> NtStatus {
        note("IofCallDriver");
        NtStatus::SUCCESS
    }

    fn obf_dereference_object(_object: u64) -> isize {
        note("ObfDereferenceObject");
        0
    }

    fn register(_driver: u64, _path: u64, data: &DriverInitializationData) -> NtStatus {
        note("register");
        with(|state| {
            state.table = Some(*data);
            state.registration
        })
    }
}

/// A live MDL of a buffer with the given page frames.
pub(super) fn mdl(address: u64, length: u32, frames: impl Iterator<Item = u64>, flags: MdlFlags) -> u64 {
    let mut words = std::vec![0_u64; 6];
    words.extend(frames);
    let header = Mdl {
        size: (words.len() * 8) as u16,
        mdl_flags: flags,
        start_va: Pointer(address & !0xFFF),
        byte_count: length,
        byte_offset: (address & 0xFFF) as u32,
        ..Mdl::default()
    };
    let place = words.as_mut_ptr();
    // SAFETY: the vector is longer than a header and aligned to words, as a header is.
    unsafe { place.cast::<Mdl>().write(header) };
    let address = place.expose_provenance() as u64;
    with(|state| state.mdls.insert(address, words));
    address
}

/// Binds the driver's imports, by name, as a host's loader does.
pub(super) fn bind() {
    macro_rules! routines {
        ($($name:literal: $function:ident,)*) => {
            [$(($name, ($function as *const ()).expose_provenance()),)*]
        };
    }
    let routines = routines! {
        "DbgPrintEx": dbg_print_ex, "ExAllocatePool2": ex_allocate_pool2,
        "ExFreePoolWithTag": ex_free_pool_with_tag, "MmGetPhysicalAddress": mm_get_physical_address,
        "IoAllocateMdl": io_allocate_mdl, "IoFreeMdl": io_free_mdl,
        "MmBuildMdlForNonPagedPool": mm_build_mdl_for_non_paged_pool,
        "KeStallExecutionProcessor": ke_stall_execution_processor, "KeInitializeEvent": ke_initialize_event,
        "KfRaiseIrql": kf_raise_irql, "KeLowerIrql": ke_lower_irql,
        "KeDelayExecutionThread": ke_delay_execution_thread, "ZwOpenKey": zw_open_key,
        "ZwQueryValueKey": zw_query_value_key, "ZwClose": zw_close, "ZwLoadDriver": zw_load_driver,
        "ZwUnloadDriver": zw_unload_driver, "RtlGetVersion": rtl_get_version,
        "IoGetDeviceObjectPointer": io_get_device_object_pointer,
        "IoBuildDeviceIoControlRequest": io_build_device_io_control_request, "IofCallDriver": iof_call_driver,
        "ObfDereferenceObject": obf_dereference_object,
    };
    for (name, address) in routines {
        let import = IMPORTS.iter().find(|import| import.name == name).expect("a name of the list");
        import.slot.store(address, Ordering::Release);
    }
    with(|state| *state = State::default());
}
