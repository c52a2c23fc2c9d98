//! System threads, and objects by handle.
//!
//! Documents: the wdm.h pages of PsCreateSystemThread, PsTerminateSystemThread, ObReferenceObjectByHandle,
//! ObfReferenceObject, ObfDereferenceObject. A thread is a fiber; it runs when the others wait.

use dxgk_abi::NtStatus;

use super::memory;
use super::objects::Target;
use super::space::lock;
use super::state::{Kernel, serving};
use super::trouble::Outcome;
use crate::{fiber, processor};

/// NtCurrentThread(): the calling thread's pseudo-handle.
const CURRENT_THREAD: u64 = u64::MAX - 1;
/// The priority that every thread has.
const NORMAL_PRIORITY: i32 = 8;

/// PsCreateSystemThread. Access, attributes, process and client id make no difference: there is one system process.
#[expect(clippy::too_many_arguments, reason = "the prototype is Windows'")]
pub(crate) fn create(
    kernel: &Kernel,
    handle: u64,
    _access: u32,
    _attributes: u64,
    _process: u64,
    _client_id: u64,
    routine: u64,
    context: u64,
) -> Outcome<u32> {
    let thread = {
        let mut structures = lock(&kernel.structures);
        lock(&kernel.objects).add_thread(&mut structures, None)?
    };
    let Some(thread) = thread else { return Ok(NtStatus::INSUFFICIENT_RESOURCES.0) };
    let opened = match fiber::spawn(routine, context, thread) {
        Ok(fiber) => {
            let mut objects = lock(&kernel.objects);
            objects.set_fiber(thread, fiber);
            objects.open(Target::Object(thread))
        }
        Err(_) => {
            // The object of a thread that never began counts as one that ended, so that it can go.
            let mut structures = lock(&kernel.structures);
            lock(&kernel.objects).discard(&mut structures, thread);
            return Ok(NtStatus::INSUFFICIENT_RESOURCES.0);
        }
    };
    memory::write(handle, &opened)?;
    Ok(NtStatus::SUCCESS.0)
}

/// PsTerminateSystemThread: ends the calling thread; does not return.
pub(crate) fn terminate(_status: u32) -> u32 {
    const NUMBER: u16 = super::exports::index_of("PsTerminateSystemThread");
    serving().check_level(NUMBER, dxgk_abi::Irql::PASSIVE_LEVEL);
    fiber::exit()
}

/// ObReferenceObjectByHandle. A null type fits every object in kernel mode.
pub(crate) fn reference_by_handle(
    kernel: &Kernel,
    handle: u64,
    _access: u32,
    kind: u64,
    _mode: u8,
    object: u64,
    information: u64,
) -> Outcome<u32> {
    let target = match handle {
        CURRENT_THREAD => Some(Target::Object(processor::current_thread())),
        _ => lock(&kernel.objects).target(handle),
    };
    let address = match target {
        None => return Ok(NtStatus::INVALID_HANDLE.0),
        // Keys have objects too, but nothing can be done with them here.
        Some(Target::Key(_)) => return Ok(NtStatus::OBJECT_TYPE_MISMATCH.0),
        Some(Target::Object(address)) => address,
    };
    let Some(found) = lock(&kernel.objects).kind(address) else { return Ok(NtStatus::INVALID_HANDLE.0) };
    if kind != 0 && kernel.data.object_type(found.type_name()) != Some(kind) {
        return Ok(NtStatus::OBJECT_TYPE_MISMATCH.0);
    }
    lock(&kernel.objects).reference(address)?;
    memory::write(object, &address)?;
    if information != 0 {
        // OBJECT_HANDLE_INFORMATION: attributes and granted access, all of them.
        memory::write(information, &[0u32, 0x1F_FFFF])?;
    }
    Ok(NtStatus::SUCCESS.0)
}

/// ObReferenceObjectByHandleWithTag: the tag is for tracing.
#[expect(clippy::too_many_arguments, reason = "the prototype is Windows'")]
pub(crate) fn reference_by_handle_with_tag(
    kernel: &Kernel,
    handle: u64,
    access: u32,
    kind: u64,
    mode: u8,
    _tag: u32,
    object: u64,
    information: u64,
) -> Outcome<u32> {
    reference_by_handle(kernel, handle, access, kind, mode, object, information)
}

/// ObfReferenceObject.
pub(crate) fn reference(kernel: &Kernel, object: u64) -> Outcome<u64> {
    lock(&kernel.objects).reference(object)
}

/// ObfDereferenceObject.
pub(crate) fn dereference(kernel: &Kernel, object: u64) -> Outcome<u64> {
    let mut structures = lock(&kernel.structures);
    lock(&kernel.objects).dereference(&mut structures, object)
}

/// ObfReferenceObjectWithTag.
pub(crate) fn reference_with_tag(kernel: &Kernel, object: u64, _tag: u32) -> Outcome<u64> {
    reference(kernel, object)
}

/// ObfDereferenceObjectWithTag.
pub(crate) fn dereference_with_tag(kernel: &Kernel, object: u64, _tag: u32) -> Outcome<u64> {
    dereference(kernel, object)
}

/// KeSetPriorityThread: the priority before; threads take turns whatever their priority is.
pub(crate) fn set_priority(_kernel: &Kernel, _thread: u64, _priority: i32) -> Outcome<i32> {
    Ok(NORMAL_PRIORITY)
}

/// KeGetCurrentThread, PsGetCurrentThread.
pub(crate) fn current(_kernel: &Kernel) -> Outcome<u64> {
    Ok(processor::current_thread())
}

/// PsGetCurrentThreadId: threads are numbered in the order of their start, in multiples of 4 as Windows does.
pub(crate) fn current_id(_kernel: &Kernel) -> Outcome<u64> {
    Ok(8 + 4 * u64::from(fiber::current().0))
}

/// PsGetCurrentProcessId: everything runs in the system process, whose number is 4.
pub(crate) fn process_id(_kernel: &Kernel) -> Outcome<u64> {
    Ok(4)
}

/// PsGetCurrentProcess, IoGetCurrentProcess: the system process; an opaque object.
pub(crate) fn process(kernel: &Kernel) -> Outcome<u64> {
    Ok(kernel.data.system_process())
}

/// KeSetSystemAffinityThreadEx: the affinity before; there is one processor, number 0.
pub(crate) fn affinity(_kernel: &Kernel, _affinity: u64) -> Outcome<u64> {
    Ok(1)
}

/// KeSetSystemAffinityThread, KeRevertToUserAffinityThreadEx.
pub(crate) fn set_affinity(_kernel: &Kernel, _affinity: u64) -> Outcome<()> {
    Ok(())
}

/// KeRevertToUserAffinityThread.
pub(crate) fn revert_affinity(_kernel: &Kernel) -> Outcome<()> {
    Ok(())
}

/// KeQueryPriorityThread.
pub(crate) fn priority(_kernel: &Kernel, _thread: u64) -> Outcome<i32> {
    Ok(NORMAL_PRIORITY)
}

/// KeSetBasePriorityThread: the increment before.
pub(crate) fn set_base_priority(_kernel: &Kernel, _thread: u64, _increment: i32) -> Outcome<i32> {
    Ok(0)
}

/// ObReferenceObjectByPointerWithTag.
pub(crate) fn reference_by_pointer_with_tag(
    kernel: &Kernel,
    object: u64,
    access: u32,
    kind: u64,
    mode: u8,
    _tag: u32,
) -> Outcome<u32> {
    super::device::reference_by_pointer(kernel, object, access, kind, mode)
}

/// ObDereferenceObjectDeferDelete: deleting an object here takes no lower level, so it is not deferred.
pub(crate) fn dereference_later(kernel: &Kernel, object: u64) -> Outcome<()> {
    dereference(kernel, object).map(drop)
}

/// ObDereferenceObjectDeferDeleteWithTag.
pub(crate) fn dereference_later_with_tag(kernel: &Kernel, object: u64, _tag: u32) -> Outcome<()> {
    dereference_later(kernel, object)
}

/// ExGetPreviousMode: drivers are called by the kernel.
pub(crate) fn previous_mode(_kernel: &Kernel) -> Outcome<u8> {
    Ok(0)
}
