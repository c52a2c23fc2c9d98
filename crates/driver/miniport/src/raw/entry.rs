//! The functions that the port driver calls: from the table's conventions to [`Miniport`](crate::Miniport).

use core::ffi::c_void;

use dxgk_abi::NtStatus;
use dxgk_abi::interface::DxgkrnlInterface;
use dxgk_abi::life::{DevicePowerState, LinkedDevice, PowerAction, StartInfo};
use dxgk_abi::query::ArgQueryAdapterInfo;

use super::context::Context;
use super::kernel;
use super::table::Callbacks;
use crate::adapter::Adapter;
use crate::miniport::{Declared, PhysicalDevice, PowerChange};
use crate::query::Query;
use crate::status::{Result, status_of};

/// The context that the port driver passes back, or nothing for a null pointer.
///
/// # Safety
/// `context` is null or what [`add_device`] of the same driver returned, and the device is not removed.
unsafe fn context<M: Declared>(context: *mut c_void) -> Result<&'static Context<M>> {
    let context = context.cast_const().cast::<Context<M>>();
    // SAFETY: null becomes nothing; otherwise the caller vouches for a context, which is only ever shared.
    unsafe { context.as_ref() }.ok_or(NtStatus::INVALID_PARAMETER)
}

/// A slice of what a pointer and a length say; empty when there is nothing.
///
/// # Safety
/// When not null, `length` bytes at `data` are readable until the current DDI returns, and nobody writes them.
unsafe fn input<'d>(data: u64, length: u32) -> &'d [u8] {
    let data = core::ptr::with_exposed_provenance::<u8>(data as usize);
    if data.is_null() {
        return &[];
    }
    // SAFETY: the caller's contract.
    unsafe { core::slice::from_raw_parts(data, length as usize) }
}

/// The same for bytes that the driver fills in.
///
/// # Safety
/// When not null, `length` bytes at `data` are the driver's alone until the current DDI returns.
unsafe fn output<'d>(data: u64, length: u32) -> &'d mut [u8] {
    let data = core::ptr::with_exposed_provenance_mut::<u8>(data as usize);
    if data.is_null() {
        return &mut [];
    }
    // SAFETY: the caller's contract.
    unsafe { core::slice::from_raw_parts_mut(data, length as usize) }
}

/// # Safety
/// `out` is null or a live pointer.
unsafe fn add<M: Declared>(device: u64, out: *mut *mut c_void) -> Result<()> {
    const { assert!(align_of::<Context<M>>() <= 16, "pool blocks are aligned to 16 bytes") };
    if out.is_null() {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    let made = Context::new(M::add_device(M::driver(), PhysicalDevice(device))?);
    let block = kernel::allocate(size_of::<Context<M>>())?;
    let place = core::ptr::with_exposed_provenance_mut::<Context<M>>(block.address() as usize);
    // SAFETY: a fresh block of that size, aligned to 16 bytes.
    unsafe { place.write(made) };
    // SAFETY: not null, so live.
    unsafe { out.write(place.cast()) };
    Ok(())
}

/// # Safety
/// As for [`context`], and this is the device's last call.
unsafe fn remove<M: Declared>(device: *mut c_void) -> Result<()> {
    // SAFETY: the caller's contract.
    let it = unsafe { context::<M>(device) }?;
    // SAFETY: removal overlaps with nothing; a device that was not stopped is stopped here.
    let stopped = unsafe { it.stop() };
    // SAFETY: the block holds a context that nobody refers to any more, and it is not read again.
    let context = unsafe { device.cast::<Context<M>>().read() };
    // SAFETY: the block came from `kernel::allocate` in `add`, and its contents were moved out.
    unsafe { kernel::free_block(device) };
    let removed = context.into_miniport().remove_device();
    stopped.and(removed)
}

abi_entries! {
    /// `DxgkDdiAddDevice`.
    pub(super) fn add_device[M: Declared](device: u64, out: *mut *mut c_void) -> NtStatus {
        // SAFETY: the port driver's out pointer.
        status_of(unsafe { add::<M>(device, out) })
    }

    /// `DxgkDdiLinkDevice`.
    pub(super) fn link_device[M: Declared](
        _physical: u64, device: *mut c_void, out: *mut LinkedDevice,
    ) -> NtStatus {
        // SAFETY: what `add_device` returned.
        let linked = unsafe { context::<M>(device) }.and_then(|context| context.miniport.link_device());
        let link = match linked {
            Ok(link) if !out.is_null() => link,
            Ok(_) => return NtStatus::INVALID_PARAMETER,
            Err(status) => return status,
        };
        let answer = LinkedDevice {
            chain_uid: link.chain,
            number_of_links_in_chain: link.links,
            lead_link: link.lead.into(),
            ..LinkedDevice::default()
        };
        // SAFETY: not null, so the port driver's live structure.
        unsafe { out.write(answer) };
        NtStatus::SUCCESS
    }

    /// `DxgkDdiStartDevice`.
    pub(super) fn start_device[M: Declared](
        device: *mut c_void, information: *const StartInfo, table: *const DxgkrnlInterface,
        sources: *mut u32, children: *mut u32,
    ) -> NtStatus {
        // SAFETY: what `add_device` returned.
        let context = match unsafe { context::<M>(device) } {
            Ok(context) => context,
            Err(status) => return status,
        };
        // SAFETY: the port driver's table, in the call that hands it over.
        let callbacks = match unsafe { Callbacks::copy(table) } {
            Ok(callbacks) => callbacks,
            Err(status) => return status,
        };
        // SAFETY: null, or the port driver's structure, whose first 20 bytes are there in every version.
        let guid = unsafe { information.as_ref() }.map(|information| information.adapter_guid);
        // SAFETY: start, stop and removal of one device do not overlap.
        let started = unsafe { context.start(Adapter::new(callbacks, guid.unwrap_or_default())) };
        if started.is_ok() {
            for (out, count) in [(sources, M::SOURCES), (children, M::CHILDREN)] {
                if !out.is_null() {
                    // SAFETY: not null, so the port driver's live number.
                    unsafe { out.write(count) };
                }
            }
        }
        status_of(started)
    }

    /// `DxgkDdiStopDevice`.
    pub(super) fn stop_device[M: Declared](device: *mut c_void) -> NtStatus {
        // SAFETY: what `add_device` returned.
        let context = unsafe { context::<M>(device) };
        // SAFETY: start, stop and removal of one device do not overlap.
        status_of(context.and_then(|context| unsafe { context.stop() }))
    }

    /// `DxgkDdiRemoveDevice`.
    pub(super) fn remove_device[M: Declared](device: *mut c_void) -> NtStatus {
        // SAFETY: what `add_device` returned, for the last time.
        status_of(unsafe { remove::<M>(device) })
    }

    /// `DxgkDdiUnload`.
    pub(super) fn unload[M: Declared]() {
        M::unload();
    }

    /// `DxgkDdiQueryAdapterInfo`.
    pub(super) fn query_adapter_info[M: Declared](
        device: *mut c_void, question: *const ArgQueryAdapterInfo,
    ) -> NtStatus {
        // SAFETY: what `add_device` returned.
        let context = match unsafe { context::<M>(device) } {
            Ok(context) => context,
            Err(status) => return status,
        };
        // SAFETY: null, or the port driver's structure for the length of the call. Its last members are newer than
        // WDDM 2.4 and are not looked at.
        let Some(question) = (unsafe { question.as_ref() }) else {
            return NtStatus::INVALID_PARAMETER;
        };
        // SAFETY: the port driver's input for the length of the call.
        let input = unsafe { input(question.input_data.0, question.input_data_size) };
        // SAFETY: the port driver's output for the length of the call; it does not overlap the input.
        let output = unsafe { output(question.output_data.0, question.output_data_size) };
        let query = match Query::new(question.kind, input, output) {
            Ok(query) => query,
            Err(status) => return status,
        };
        status_of(context.with_started(|miniport, started| miniport.query_adapter_info(started, query)))
    }

    /// `DxgkDdiSetPowerState`.
    pub(super) fn set_power_state[M: Declared](
        device: *mut c_void, device_uid: u32, state: DevicePowerState, action: PowerAction,
    ) -> NtStatus {
        let change = PowerChange { device_uid, state, action };
        // SAFETY: what `add_device` returned.
        status_of(unsafe { context::<M>(device) }.and_then(|context| {
            context.with_started(|miniport, started| match started {
                Some(started) => miniport.set_power_state(started, change),
                None => Ok(()),
            })
        }))
    }

    /// `DxgkDdiBeginExclusiveAccess`.
    pub(super) fn begin_exclusive_access[M: Declared](device: *mut c_void, _argument: *mut c_void) -> NtStatus {
        // SAFETY: what `add_device` returned.
        status_of(unsafe { context::<M>(device) }.and_then(|context| {
            context.with_started(|miniport, started| match started {
                Some(started) => miniport.begin_exclusive_access(started),
                None => Ok(()),
            })
        }))
    }

    /// `DxgkDdiEndExclusiveAccess`.
    pub(super) fn end_exclusive_access[M: Declared](device: *mut c_void, _argument: *mut c_void) -> NtStatus {
        // SAFETY: what `add_device` returned.
        status_of(unsafe { context::<M>(device) }.and_then(|context| {
            context.with_started(|miniport, started| match started {
                Some(started) => miniport.end_exclusive_access(started),
                None => Ok(()),
            })
        }))
    }

    /// `DxgkDdiInterruptRoutine`; whether the interrupt was this device's.
    pub(super) fn interrupt_routine[M: Declared](device: *mut c_void, message: u32) -> u8 {
        // SAFETY: what `add_device` returned.
        let ours = unsafe { context::<M>(device) }.is_ok_and(|context| {
            context.with_started(|miniport, started| {
                started.is_some_and(|started| miniport.interrupt(started, message))
            })
        });
        u8::from(ours)
    }

    /// `DxgkDdiDpcRoutine`.
    pub(super) fn dpc_routine[M: Declared](device: *mut c_void) {
        // SAFETY: what `add_device` returned.
        if let Ok(context) = unsafe { context::<M>(device) } {
            context.with_started(|miniport, started| {
                if let Some(started) = started {
                    miniport.dpc(started);
                }
            });
        }
    }

    /// `DxgkDdiQueryChildRelations`: the array stays as it is, which says "no child" for every entry.
    pub(super) fn query_child_relations[M: Declared](
        _device: *mut c_void, _relations: *mut c_void, _size: u32,
    ) -> NtStatus {
        if M::CHILDREN == 0 { NtStatus::SUCCESS } else { NtStatus::NOT_SUPPORTED }
    }

    /// A DDI that is never asked of such a driver. It looks at no argument, so it stands for any signature: the
    /// caller removes the arguments in this calling convention.
    pub(super) fn not_supported() -> NtStatus {
        NtStatus::NOT_SUPPORTED
    }

    /// `DxgkDdiResetDevice`: nothing on such a device needs a reset for the machine to go down.
    pub(super) fn reset_device(_device: *mut c_void) {}

    /// `DxgkDdiControlEtwLogging`: there are no events to switch.
    pub(super) fn control_etw_logging(_enable: u8, _flags: u32, _level: u8) {}
}
