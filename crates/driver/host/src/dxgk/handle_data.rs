//! The callbacks that give a driver what it keeps behind the port's handles. Contracts: `dxgk_port::vidmm`, `handles`.

use std::mem::offset_of;

use dxgk_abi::callback::{
    ArgCbEnumHandleChildren, ArgCbGetHandleData, ArgCbReleaseHandleData, GetHandleDataFlags,
};
use dxgk_abi::{DxgkrnlInterface, Handle, NtStatus};
use dxgk_sysmm::CallError;

use super::callbacks::{copy_in, copy_out};
use super::state::{Call, PortState, serve};

const NO_SUCH: CallError = CallError::Status(NtStatus::INVALID_HANDLE);

/// Serves a callback that returns data and no status: 0 where there is none.
fn answer(slot: usize, words: &[u64], body: impl FnOnce(&PortState) -> Result<u64, CallError>) -> u64 {
    let call = Call { slot, adapter: Handle(0), words, unimplemented: false };
    let mut given = 0;
    serve(&call, |port, _| {
        given = body(port)?;
        Ok(vec![given])
    });
    given
}

fn found(number: u64) -> Result<u64, CallError> {
    if number == 0 { Err(NO_SUCH) } else { Ok(number) }
}

fn words_of(args: &Result<ArgCbGetHandleData, CallError>) -> Vec<u64> {
    args.as_ref()
        .map(|args| vec![args.object.into(), args.kind.0.into(), args.flags.0.into()])
        .unwrap_or_default()
}

/// DxgkCbGetHandleData.
pub(super) fn get(at: u64) -> u64 {
    let args = copy_in::<ArgCbGetHandleData>(at);
    answer(offset_of!(DxgkrnlInterface, get_handle_data), &words_of(&args), |port| {
        let args = args?;
        let specific = args.flags.contains(GetHandleDataFlags::DEVICE_SPECIFIC);
        found(port.allocations().data(args.object, args.kind, specific).0)
    })
}

/// DxgkCbAcquireHandleData: the data stays valid until the release.
pub(super) fn acquire(at: u64, release: u64) -> u64 {
    let args = copy_in::<ArgCbGetHandleData>(at);
    answer(offset_of!(DxgkrnlInterface, acquire_handle_data), &words_of(&args), |port| {
        let args = args?;
        // Writable, or nothing is acquired.
        copy_out(release, &Handle::NULL)?;
        let specific = args.flags.contains(GetHandleDataFlags::DEVICE_SPECIFIC);
        let (data, handle) = port.allocations().acquire(args.object, args.kind, specific).ok_or(NO_SUCH)?;
        copy_out(release, &handle)?;
        Ok(data.0)
    })
}

/// DxgkCbReleaseHandleData. Its argument has sixteen bytes, so that it travels as a pointer.
pub(super) fn release(at: u64) {
    let args = copy_in::<ArgCbReleaseHandleData>(at);
    let words = args.as_ref().map(|args| vec![args.release_handle.0, args.kind.0.into()]).unwrap_or_default();
    answer(offset_of!(DxgkrnlInterface, release_handle_data), &words, |port| {
        let args = args?;
        let released = port.allocations().release(args.release_handle, args.kind);
        if released { Ok(0) } else { Err(NO_SUCH) }
    });
}

/// DxgkCbGetHandleParent: the resource of an allocation.
pub(super) fn parent(allocation: u32) -> u32 {
    let slot = offset_of!(DxgkrnlInterface, get_handle_parent);
    answer(slot, &[allocation.into()], |port| found(port.allocations().parent(allocation).into())) as u32
}

/// DxgkCbEnumHandleChildren: the allocations of a resource; 0 after the last, which is no failure.
pub(super) fn child(at: u64) -> u32 {
    let args = copy_in::<ArgCbEnumHandleChildren>(at);
    let words = args.as_ref().map(|args| vec![args.object.into(), args.index.into()]).unwrap_or_default();
    answer(offset_of!(DxgkrnlInterface, enum_handle_children), &words, |port| {
        let args = args?;
        Ok(port.allocations().child(args.object, args.index).into())
    }) as u32
}
