//! `DxgkInitialize`.
//!
//! A C miniport links it from `displib.lib`. It is no export of the kernel: it asks the port driver's device object,
//! by an internal control request, for the address of the routine that takes the table of DDIs. This is the same
//! conversation, written from what public re-implementations and the library's behaviour show; the request codes
//! are in no public header.
//!
//! One step is left out: the library puts a wrapper before `DxgkDdiStartDevice` that keeps a copy of the callbacks
//! for its own helpers. [`super::entry`] copies the whole table itself.

use core::ffi::c_void;
use core::ptr;

use dxgk_abi::NtStatus;
use dxgk_abi::init::DriverInitializationData;
use dxgk_abi::version::InterfaceVersion;

use super::import;
use super::object::{Event, IoStatusBlock, UnicodeString, VersionInformation};
use crate::status::{Result, check};
use crate::wide;

const SERVICE: &[u16] = wide!("\\Registry\\Machine\\System\\CurrentControlSet\\Services\\DXGKrnl");
const DEVICE: &[u16] = wide!("\\Device\\DxgKrnl");
/// `GENERIC_READ | GENERIC_WRITE`.
const READ_WRITE: u32 = 0xC000_0000;
/// The request for the full driver's entry point, up to version 6.1 of the system and from 6.2 on.
const INITIALIZE_BEFORE_6_2: u32 = 0x23_003F;
const INITIALIZE: u32 = 0x23_0047;
/// How often the port driver's device is looked for, and the pause between, in negative units of 100 ns.
const ATTEMPTS: u32 = 10;
const PAUSE: i64 = -100_000;

/// The routine that the port driver answers with.
type Register =
    abi_fn!(fn(*mut c_void, *const UnicodeString<'static>, *mut DriverInitializationData) -> NtStatus);

/// Registers the driver with the port driver.
///
/// # Safety
/// `driver` and `registry_path` are what `DriverEntry` was given, and the table holds the addresses of functions with
/// the DDIs' signatures that stay callable until the driver is unloaded.
pub(super) unsafe fn dxgk_initialize(
    driver: *mut c_void,
    registry_path: *const UnicodeString<'static>,
    data: &mut DriverInitializationData,
) -> Result<()> {
    if driver.is_null() || registry_path.is_null() {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    if data.version < InterfaceVersion::VISTA_SP1 {
        return Err(NtStatus::REVISION_MISMATCH);
    }
    let service = UnicodeString::new(SERVICE);
    // SAFETY: the name is borrowed over the call.
    let loaded = NtStatus(unsafe { import::ZwLoadDriver(&service) });
    if !loaded.is_success() && loaded != NtStatus::IMAGE_ALREADY_LOADED {
        return Err(loaded);
    }
    let result = port_routine().and_then(|register| {
        // SAFETY: the port driver gave this routine for this purpose; the arguments are the caller's promise.
        check(unsafe { register(driver, registry_path, data) })
    });
    if result.is_err() {
        // SAFETY: as for the load; what it answers changes nothing any more.
        let _ = unsafe { import::ZwUnloadDriver(&service) };
    }
    result
}

/// A reference to the port driver's device, given back when dropped.
struct PortDevice {
    file: *mut c_void,
    device: *mut c_void,
}

impl PortDevice {
    /// Opens it; it may not be there yet right after the load.
    fn open() -> Result<Self> {
        let name = UnicodeString::new(DEVICE);
        let mut opened = Self { file: ptr::null_mut(), device: ptr::null_mut() };
        let mut last = NtStatus::OBJECT_NAME_NOT_FOUND;
        for _ in 0..ATTEMPTS {
            // SAFETY: the name is borrowed over the call and both out pointers are live.
            last = NtStatus(unsafe {
                import::IoGetDeviceObjectPointer(&name, READ_WRITE, &mut opened.file, &mut opened.device)
            });
            if last.is_success() && !opened.file.is_null() && !opened.device.is_null() {
                return Ok(opened);
            }
            // SAFETY: kernel mode, not alertable, a live interval; called at PASSIVE_LEVEL, as `DriverEntry` is.
            let _ = unsafe { import::KeDelayExecutionThread(0, 0, &PAUSE) };
        }
        // Nothing was opened, so nothing is to be given back.
        core::mem::forget(opened);
        Err(if last.is_success() { NtStatus::NO_SUCH_DEVICE } else { last })
    }
}

impl Drop for PortDevice {
    fn drop(&mut self) {
        // SAFETY: `open` took this reference, and this value is its only owner.
        let _ = unsafe { import::ObfDereferenceObject(self.file) };
    }
}

/// The system's version decides the request's code.
fn request_code() -> Result<u32> {
    let mut version = VersionInformation {
        size: size_of::<VersionInformation>() as u32,
        major: 0,
        minor: 0,
        build: 0,
        platform: 0,
        service_pack: [0; 128],
    };
    // SAFETY: a live structure that says its own size.
    check(NtStatus(unsafe { import::RtlGetVersion(&mut version) }))?;
    Ok(if (version.major, version.minor) >= (6, 2) { INITIALIZE } else { INITIALIZE_BEFORE_6_2 })
}

/// Asks the port driver for its routine.
fn port_routine() -> Result<Register> {
    let code = request_code()?;
    let port = PortDevice::open()?;
    let mut event = Event([0; 3]);
    let mut status = IoStatusBlock { status: 0, _pad0: 0, information: 0 };
    let mut routine: Option<Register> = None;
    // SAFETY: a live event; kind 0 is a notification event, not signalled.
    unsafe { import::KeInitializeEvent(&mut event, 0, 0) };
    // SAFETY: the device is referenced; event, status and the 8-byte output live until the request is complete, which
    // is waited for below.
    let irp = unsafe {
        import::IoBuildDeviceIoControlRequest(
            code,
            port.device,
            ptr::null_mut(),
            0,
            (&raw mut routine).cast(),
            size_of::<Option<Register>>() as u32,
            1,
            &mut event,
            &mut status,
        )
    };
    if irp.is_null() {
        return Err(NtStatus::INSUFFICIENT_RESOURCES);
    }
    // SAFETY: the request was built for this device and is sent once.
    let mut answer = NtStatus(unsafe { import::IofCallDriver(port.device, irp) });
    if answer == NtStatus::PENDING {
        // SAFETY: the event is live; waits in kernel mode, without a limit.
        let _ = unsafe { import::KeWaitForSingleObject((&raw mut event).cast(), 0, 0, 0, ptr::null()) };
        // SAFETY: the request is complete, so the block is written and nobody writes it any more.
        answer = NtStatus(unsafe { (&raw const status.status).read_volatile() });
    }
    check(answer)?;
    // SAFETY: the request is complete, so the port driver wrote the routine's address, or left the null.
    unsafe { (&raw const routine).read_volatile() }.ok_or(NtStatus::UNSUCCESSFUL)
}
