//! The callbacks of DXGKRNL_INTERFACE that are there, as the driver calls them. Contracts: `dxgk-sysmm`, `callbacks`.

use std::mem::offset_of;

use dxgk_abi::callback::{
    ArgCbAllocateAdl, ArgCbAllocatePagesForMdl, ArgCbClosePhysicalMemoryObject,
    ArgCbCreatePhysicalMemoryObject, ArgCbDestroyPhysicalMemoryObject, ArgCbFreeAdl, ArgCbFreePagesFromMdl,
    ArgCbMapMdlToIoMmu, ArgCbMapPhysicalMemory, ArgCbOpenPhysicalMemoryObject, ArgCbUnmapMdlFromIoMmu,
    ArgCbUnmapPhysicalMemory,
};
use dxgk_abi::display::DdiFormat;
use dxgk_abi::interrupt::ArgCbNotifyInterruptData;
use dxgk_abi::life::{DeviceSpace, DisplayInformation};
use dxgk_abi::{DxgkrnlInterface, Handle, NtStatus, Pointer};
use dxgk_hw::{CpuVa, Width};
use dxgk_sysmm::callbacks::MapMemoryArgs;
use dxgk_sysmm::{CallError, Caller};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::device_information;
use super::handle_data;
use super::interrupts::DEVICE_LEVEL;
use super::isolation;
use super::mdl_state;
use super::state::{Call, PortState, Words, serve};
use crate::call::call_driver;
use crate::{guarded, processor, thunk};

/// Bytes of a PCI function's extended configuration space.
const CONFIG_BYTES: u32 = 4096;
const INVALID: CallError = CallError::Status(NtStatus::INVALID_PARAMETER);

macro_rules! slot {
    ($field:ident) => {
        offset_of!(DxgkrnlInterface, $field)
    };
}

/// Copies an argument structure in. The driver's pointer is an allegation: one that cannot be read is refused, where
/// Windows would fault.
pub(super) fn copy_in<T: FromBytes + IntoBytes>(at: u64) -> Result<T, CallError> {
    guarded::read_struct(at).map_err(|_| INVALID)
}

/// Copies an argument structure in, and makes sure that it can be written back before anything is done.
pub(super) fn copy_in_out<T: FromBytes + IntoBytes + Immutable>(at: u64) -> Result<T, CallError> {
    let value: T = copy_in(at)?;
    guarded::write_struct(at, &value).map_err(|_| INVALID)?;
    Ok(value)
}

pub(super) fn copy_out<T: IntoBytes + Immutable>(at: u64, value: &T) -> Result<(), CallError> {
    guarded::write_struct(at, value).map_err(|_| INVALID)
}

/// Serves a callback whose argument structure was copied in by `args`.
pub(super) fn with<A>(
    slot: usize,
    adapter: Handle,
    args: Result<A, CallError>,
    words: impl FnOnce(&A) -> Words,
    body: impl FnOnce(&PortState, &Caller, A) -> Result<Words, CallError>,
) -> u32 {
    let shown = args.as_ref().map(words).unwrap_or_default();
    let call = Call { slot, adapter, words: &shown, unimplemented: false };
    serve(&call, |port, caller| body(port, caller, args?))
}

fn get_device_information(device: u64, info: u64) -> u32 {
    let call = Call {
        slot: slot!(get_device_information),
        adapter: Handle(device),
        words: &[],
        unimplemented: false,
    };
    serve(&call, |port, caller| {
        let mut filled = copy_in_out(info)?;
        let memory = port.sysmm.get_device_information(caller, Handle(device))?;
        let adapter = port.adapter(Handle(device)).ok_or(INVALID)?;
        device_information::fill(&adapter, &memory, &mut filled);
        copy_out(info, &filled)?;
        Ok(vec![filled.system_memory_size, filled.highest_physical_address])
    })
}

fn map_memory(device: u64, address: u64, length: u32, in_io: u8, user: u8, cache: u32, out: u64) -> u32 {
    let words = [address, length.into(), in_io.into(), user.into(), cache.into()];
    let call = Call { slot: slot!(map_memory), adapter: Handle(device), words: &words, unimplemented: false };
    serve(&call, |port, caller| {
        copy_in_out::<u64>(out)?;
        let args = MapMemoryArgs {
            translated_address: address,
            length,
            in_io_space: in_io != 0,
            map_to_user_mode: user != 0,
            cache_type: cache,
        };
        let mapped = port.sysmm.map_memory(caller, Handle(device), &args)?;
        copy_out(out, &mapped.get())?;
        Ok(vec![mapped.get()])
    })
}

fn unmap_memory(device: u64, address: u64) -> u32 {
    let call =
        Call { slot: slot!(unmap_memory), adapter: Handle(device), words: &[address], unimplemented: false };
    serve(&call, |port, caller| {
        port.sysmm.unmap_memory(caller, Handle(device), CpuVa::new(address)).map(|()| Words::new())
    })
}

fn allocate_pages_for_mdl(adapter: u64, at: u64) -> u32 {
    with(
        slot!(allocate_pages_for_mdl),
        Handle(adapter),
        copy_in_out::<ArgCbAllocatePagesForMdl>(at),
        |args| {
            let flags = args.flags.0.into();
            vec![
                args.low_address,
                args.high_address,
                args.skip_bytes,
                args.total_bytes,
                args.cache_type.0.into(),
                flags,
            ]
        },
        |port, caller, mut args| {
            let pages = port.sysmm.allocate_pages_for_mdl(caller, Handle(adapter), &args)?;
            args.memory_handle = pages.memory_handle;
            args.mdl = Pointer(pages.mdl.get());
            copy_out(at, &args)?;
            Ok(vec![args.memory_handle.0, args.mdl.0])
        },
    )
}

fn free_pages_from_mdl(adapter: u64, at: u64) -> u32 {
    with(
        slot!(free_pages_from_mdl),
        Handle(adapter),
        copy_in::<ArgCbFreePagesFromMdl>(at),
        |args| vec![args.memory_handle.0],
        |port, caller, args| {
            port.sysmm.free_pages_from_mdl(caller, Handle(adapter), &args).map(|()| Words::new())
        },
    )
}

fn map_mdl_to_iommu(adapter: u64, at: u64) -> u32 {
    with(
        slot!(map_mdl_to_iommu),
        Handle(adapter),
        copy_in_out::<ArgCbMapMdlToIoMmu>(at),
        |args| vec![args.mdl.0],
        |port, caller, mut args| {
            let seen = mdl_state::look_at(args.mdl.0);
            let mapped = port.sysmm.map_mdl_to_iommu(caller, Handle(adapter), &args);
            match &mapped {
                Ok(handle) => port.note_mdl_mapped(seen, *handle),
                Err(error) if *error == INVALID => port.note_mdl_mapped(seen, Handle::NULL),
                Err(_) => {}
            }
            args.memory_handle = mapped?;
            copy_out(at, &args)?;
            Ok(vec![args.memory_handle.0])
        },
    )
}

fn unmap_mdl_from_iommu(adapter: u64, at: u64) {
    with(
        slot!(unmap_mdl_from_iommu),
        Handle(adapter),
        copy_in::<ArgCbUnmapMdlFromIoMmu>(at),
        |args| vec![args.memory_handle.0],
        |port, caller, args| {
            port.note_mdl_before_unmap(args.memory_handle);
            port.sysmm.unmap_mdl_from_iommu(caller, Handle(adapter), &args)?;
            port.forget_mdl(args.memory_handle);
            Ok(Words::new())
        },
    );
}

fn create_physical_memory_object(at: u64) -> u32 {
    let args = copy_in_out::<ArgCbCreatePhysicalMemoryObject>(at);
    let adapter = args.as_ref().map_or(Handle(0), |args| args.adapter);
    with(
        slot!(create_physical_memory_object),
        adapter,
        args,
        |args| vec![args.adapter.0, args.size, args.kind.0.into(), args.cache_type.0.into()],
        |port, caller, mut args| {
            let created = port.sysmm.create_physical_memory_object(caller, &args)?;
            args.physical_memory_object = created.physical_memory_object;
            args.adapter_memory_object = created.adapter_memory_object;
            copy_out(at, &args)?;
            Ok(vec![args.physical_memory_object.0, args.adapter_memory_object.0])
        },
    )
}

fn destroy_physical_memory_object(at: u64) {
    with(
        slot!(destroy_physical_memory_object),
        Handle(0),
        copy_in::<ArgCbDestroyPhysicalMemoryObject>(at),
        |args| vec![args.physical_memory_object.0, args.adapter_memory_object.0],
        |port, caller, args| port.sysmm.destroy_physical_memory_object(caller, &args).map(|()| Words::new()),
    );
}

fn open_physical_memory_object(at: u64) -> u32 {
    let args = copy_in_out::<ArgCbOpenPhysicalMemoryObject>(at);
    let adapter = args.as_ref().map_or(Handle(0), |args| args.adapter);
    with(
        slot!(open_physical_memory_object),
        adapter,
        args,
        |args| vec![args.physical_memory_object.0, args.adapter.0],
        |port, caller, mut args| {
            args.adapter_memory_object = port.sysmm.open_physical_memory_object(caller, &args)?;
            copy_out(at, &args)?;
            Ok(vec![args.adapter_memory_object.0])
        },
    )
}

fn close_physical_memory_object(at: u64) {
    with(
        slot!(close_physical_memory_object),
        Handle(0),
        copy_in::<ArgCbClosePhysicalMemoryObject>(at),
        |args| vec![args.adapter_memory_object.0],
        |port, caller, args| port.sysmm.close_physical_memory_object(caller, &args).map(|()| Words::new()),
    );
}

fn map_physical_memory(at: u64) -> u32 {
    with(
        slot!(map_physical_memory),
        Handle(0),
        copy_in_out::<ArgCbMapPhysicalMemory>(at),
        |args| vec![args.physical_memory_object.0, args.access_mode.0.into(), args.offset, args.size],
        |port, caller, mut args| {
            let view = port.sysmm.map_physical_memory(caller, &args)?;
            args.mapped_address = Pointer(view.mapped_address.get());
            args.offset = view.offset;
            args.size = view.size;
            copy_out(at, &args)?;
            Ok(vec![args.mapped_address.0, args.offset, args.size])
        },
    )
}

fn unmap_physical_memory(at: u64) {
    with(
        slot!(unmap_physical_memory),
        Handle(0),
        copy_in::<ArgCbUnmapPhysicalMemory>(at),
        |args| vec![args.physical_memory_object.0, args.base_address.0, args.size],
        |port, caller, args| port.sysmm.unmap_physical_memory(caller, &args).map(|()| Words::new()),
    );
}

fn allocate_adl(at: u64) -> u32 {
    with(
        slot!(allocate_adl),
        Handle(0),
        copy_in_out::<ArgCbAllocateAdl>(at),
        |args| vec![args.adapter_memory_object.0, args.offset, args.size, args.flags.0.into()],
        |port, caller, mut args| {
            let allocated = port.sysmm.allocate_adl(caller, &args)?;
            args.adl = Pointer(allocated.adl.get());
            copy_out(at, &args)?;
            Ok(vec![args.adl.0])
        },
    )
}

fn free_adl(at: u64) {
    with(
        slot!(free_adl),
        Handle(0),
        copy_in::<ArgCbFreeAdl>(at),
        |args| vec![args.adapter_memory_object.0, args.adl.0],
        |port, caller, args| port.sysmm.free_adl(caller, &args).map(|()| Words::new()),
    );
}

/// DxgkCbAcquirePostDisplayOwnership. Without a frame buffer left by firmware the structure stays zero, as for a
/// display that is off (our choice).
fn acquire_post_display_ownership(device: u64, at: u64) -> u32 {
    let call = Call {
        slot: slot!(acquire_post_display_ownership),
        adapter: Handle(device),
        words: &[],
        unimplemented: false,
    };
    serve(&call, |port, _| {
        let mut information: DisplayInformation = copy_in_out(at)?;
        port.adapter(Handle(device)).ok_or(CallError::Status(NtStatus::INVALID_HANDLE))?;
        if let Some(post) = port.settings.post_display {
            information.width = post.width;
            information.height = post.height;
            information.pitch = post.pitch;
            information.color_format = DdiFormat::A8R8G8B8;
            information.physic_address = post.physical;
            information.target_id = 0;
        }
        copy_out(at, &information)?;
        Ok(vec![information.width.into(), information.height.into(), information.physic_address])
    })
}

/// DxgkCbReadDeviceSpace and DxgkCbWriteDeviceSpace for DXGK_WHICHSPACE_CONFIG; other spaces are not there.
fn device_space(
    slot: usize,
    device: u64,
    space: u32,
    buffer: u64,
    offset: u32,
    length: u32,
    done: u64,
) -> u32 {
    let words = [space.into(), offset.into(), length.into()];
    let call = Call { slot, adapter: Handle(device), words: &words, unimplemented: false };
    serve(&call, |port, _| {
        let adapter = port.adapter(Handle(device)).ok_or(CallError::Status(NtStatus::INVALID_HANDLE))?;
        let end = offset.checked_add(length).filter(|end| *end <= CONFIG_BYTES).ok_or(INVALID)?;
        if DeviceSpace(space) != DeviceSpace::CONFIG {
            return Err(NtStatus::NOT_SUPPORTED.into());
        }
        for (at, to) in (offset..end).zip(buffer..) {
            if slot == slot!(read_device_space) {
                copy_out(to, &(adapter.function.config_read(at as u16, Width::Byte) as u8))?;
            } else {
                adapter.function.config_write(at as u16, Width::Byte, copy_in::<u8>(to)?.into());
            }
        }
        copy_out(done, &length)?;
        Ok(vec![length.into()])
    })
}

fn read_device_space(device: u64, space: u32, buffer: u64, offset: u32, length: u32, done: u64) -> u32 {
    device_space(slot!(read_device_space), device, space, buffer, offset, length, done)
}

fn write_device_space(device: u64, space: u32, buffer: u64, offset: u32, length: u32, done: u64) -> u32 {
    device_space(slot!(write_device_space), device, space, buffer, offset, length, done)
}

/// DxgkCbSynchronizeExecution: the routine runs at the level of the adapter's interrupt.
fn synchronize_execution(device: u64, routine: u64, context: u64, message: u32, returned: u64) -> u32 {
    let words = [routine, context, message.into()];
    let call = Call {
        slot: slot!(synchronize_execution),
        adapter: Handle(device),
        words: &words,
        unimplemented: false,
    };
    serve(&call, |port, _| {
        port.adapter(Handle(device)).ok_or(CallError::Status(NtStatus::INVALID_HANDLE))?;
        copy_in_out::<u8>(returned)?;
        let before = processor::set_irql(DEVICE_LEVEL);
        let outcome = call_driver(routine, &[context]);
        processor::set_irql(before);
        let value = outcome.returned().map_err(|_| CallError::Status(NtStatus::UNSUCCESSFUL))? as u8;
        copy_out(returned, &value)?;
        Ok(vec![value.into()])
    })
}

fn queue_dpc(device: u64) -> u8 {
    let call = Call { slot: slot!(queue_dpc), adapter: Handle(device), words: &[], unimplemented: false };
    let mut queued = false;
    serve(&call, |port, _| {
        queued = port.queue_dpc(Handle(device));
        Ok(vec![queued.into()])
    });
    queued.into()
}

/// DxgkCbNotifyInterrupt: what the driver says of its interrupt is recorded; the port acts on it in DxgkCbNotifyDpc.
fn notify_interrupt(adapter: u64, at: u64) {
    with(
        slot!(notify_interrupt),
        Handle(adapter),
        copy_in::<ArgCbNotifyInterruptData>(at),
        |args| vec![args.interrupt_type.0.into()],
        |port, _, args| {
            if let Some(adapter) = port.adapters().get_mut(&adapter) {
                adapter.fences.note_interrupt(&args);
            }
            Ok(Words::new())
        },
    );
}

fn notify_dpc(adapter: u64) {
    let call = Call { slot: slot!(notify_dpc), adapter: Handle(adapter), words: &[], unimplemented: false };
    serve(&call, |port, _| {
        if let Some(adapter) = port.adapters().get_mut(&adapter) {
            adapter.fences.note_dpc();
        }
        Ok(Words::new())
    });
}

/// What every slot without an implementation does: it is counted by name, and refused. `SLOT` is its offset.
fn not_supported(slot: usize) -> u32 {
    let call = Call { slot, adapter: Handle(0), words: &[], unimplemented: true };
    serve(&call, |_, _| Err(NtStatus::NOT_SUPPORTED.into()))
}

extern "win64" fn refuse<const SLOT: usize>() -> u32 {
    thunk::enter(|| not_supported(SLOT))
}

/// The entry point of a slot without an implementation.
#[unsafe(naked)]
pub(super) extern "win64" fn unsupported<const SLOT: usize>() -> u32 {
    crate::thunk_capture!("jmp {body}", body = sym refuse::<SLOT>)
}

thunk! {
    fn cb_get_device_information(device: u64, info: u64) -> u32 => get_device_information;
    fn cb_map_memory(device: u64, address: u64, length: u32, in_io: u8, user: u8, cache: u32, out: u64) -> u32 => map_memory;
    fn cb_unmap_memory(device: u64, address: u64) -> u32 => unmap_memory;
    fn cb_allocate_pages_for_mdl(adapter: u64, args: u64) -> u32 => allocate_pages_for_mdl;
    fn cb_free_pages_from_mdl(adapter: u64, args: u64) -> u32 => free_pages_from_mdl;
    fn cb_allocate_contiguous_memory(adapter: u64, args: u64) -> u32 => isolation::allocate_contiguous_memory;
    fn cb_free_contiguous_memory(adapter: u64, args: u64) -> u32 => isolation::free_contiguous_memory;
    fn cb_save_memory_for_hot_update(adapter: u64, args: u64) -> u32 => isolation::save_memory_for_hot_update;
    fn cb_pin_frame_buffer_for_save(adapter: u64, args: u64) -> u32 => isolation::pin_frame_buffer_for_save;
    fn cb_pin_frame_buffer_for_save2(adapter: u64, args: u64) -> u32 => isolation::pin_frame_buffer_for_save2;
    fn cb_unpin_frame_buffer_for_save(adapter: u64, args: u64) -> u32 => isolation::unpin_frame_buffer_for_save;
    fn cb_map_frame_buffer_pointer(adapter: u64, args: u64) -> u32 => isolation::map_frame_buffer_pointer;
    fn cb_unmap_frame_buffer_pointer(adapter: u64, args: u64) -> u32 => isolation::unmap_frame_buffer_pointer;
    fn cb_map_mdl_to_iommu(adapter: u64, args: u64) -> u32 => map_mdl_to_iommu;
    fn cb_unmap_mdl_from_iommu(adapter: u64, args: u64) => unmap_mdl_from_iommu;
    fn cb_create_physical_memory_object(args: u64) -> u32 => create_physical_memory_object;
    fn cb_destroy_physical_memory_object(args: u64) => destroy_physical_memory_object;
    fn cb_open_physical_memory_object(args: u64) -> u32 => open_physical_memory_object;
    fn cb_close_physical_memory_object(args: u64) => close_physical_memory_object;
    fn cb_map_physical_memory(args: u64) -> u32 => map_physical_memory;
    fn cb_unmap_physical_memory(args: u64) => unmap_physical_memory;
    fn cb_allocate_adl(args: u64) -> u32 => allocate_adl;
    fn cb_free_adl(args: u64) => free_adl;
    fn cb_read_device_space(device: u64, space: u32, buffer: u64, offset: u32, length: u32, done: u64) -> u32 => read_device_space;
    fn cb_write_device_space(device: u64, space: u32, buffer: u64, offset: u32, length: u32, done: u64) -> u32 => write_device_space;
    fn cb_synchronize_execution(device: u64, routine: u64, context: u64, message: u32, returned: u64) -> u32 => synchronize_execution;
    fn cb_queue_dpc(device: u64) -> u8 => queue_dpc;
    fn cb_notify_interrupt(adapter: u64, data: u64) => notify_interrupt;
    fn cb_notify_dpc(adapter: u64) => notify_dpc;
    fn cb_get_handle_data(args: u64) -> u64 => handle_data::get;
    fn cb_get_handle_parent(allocation: u32) -> u32 => handle_data::parent;
    fn cb_enum_handle_children(args: u64) -> u32 => handle_data::child;
    fn cb_acquire_handle_data(args: u64, release: u64) -> u64 => handle_data::acquire;
    fn cb_release_handle_data(args: u64) => handle_data::release;
    fn cb_acquire_post_display_ownership(device: u64, info: u64) -> u32 => acquire_post_display_ownership;
}

/// The slots that have an implementation, with the addresses of their entry points.
pub(super) fn implemented() -> Vec<(usize, u64)> {
    vec![
        (slot!(get_device_information), cb_get_device_information as *const () as u64),
        (slot!(map_memory), cb_map_memory as *const () as u64),
        (slot!(unmap_memory), cb_unmap_memory as *const () as u64),
        (slot!(allocate_pages_for_mdl), cb_allocate_pages_for_mdl as *const () as u64),
        (slot!(free_pages_from_mdl), cb_free_pages_from_mdl as *const () as u64),
        (slot!(allocate_contiguous_memory), cb_allocate_contiguous_memory as *const () as u64),
        (slot!(free_contiguous_memory), cb_free_contiguous_memory as *const () as u64),
        (slot!(save_memory_for_hot_update), cb_save_memory_for_hot_update as *const () as u64),
        (slot!(pin_frame_buffer_for_save), cb_pin_frame_buffer_for_save as *const () as u64),
        (slot!(pin_frame_buffer_for_save2), cb_pin_frame_buffer_for_save2 as *const () as u64),
        (slot!(unpin_frame_buffer_for_save), cb_unpin_frame_buffer_for_save as *const () as u64),
        (slot!(map_frame_buffer_pointer), cb_map_frame_buffer_pointer as *const () as u64),
        (slot!(unmap_frame_buffer_pointer), cb_unmap_frame_buffer_pointer as *const () as u64),
        (slot!(map_mdl_to_iommu), cb_map_mdl_to_iommu as *const () as u64),
        (slot!(unmap_mdl_from_iommu), cb_unmap_mdl_from_iommu as *const () as u64),
        (slot!(create_physical_memory_object), cb_create_physical_memory_object as *const () as u64),
        (slot!(destroy_physical_memory_object), cb_destroy_physical_memory_object as *const () as u64),
        (slot!(open_physical_memory_object), cb_open_physical_memory_object as *const () as u64),
        (slot!(close_physical_memory_object), cb_close_physical_memory_object as *const () as u64),
        (slot!(map_physical_memory), cb_map_physical_memory as *const () as u64),
        (slot!(unmap_physical_memory), cb_unmap_physical_memory as *const () as u64),
        (slot!(allocate_adl), cb_allocate_adl as *const () as u64),
        (slot!(free_adl), cb_free_adl as *const () as u64),
        (slot!(read_device_space), cb_read_device_space as *const () as u64),
        (slot!(write_device_space), cb_write_device_space as *const () as u64),
        (slot!(synchronize_execution), cb_synchronize_execution as *const () as u64),
        (slot!(queue_dpc), cb_queue_dpc as *const () as u64),
        (slot!(notify_interrupt), cb_notify_interrupt as *const () as u64),
        (slot!(notify_dpc), cb_notify_dpc as *const () as u64),
        (slot!(get_handle_data), cb_get_handle_data as *const () as u64),
        (slot!(get_handle_parent), cb_get_handle_parent as *const () as u64),
        (slot!(enum_handle_children), cb_enum_handle_children as *const () as u64),
        (slot!(acquire_handle_data), cb_acquire_handle_data as *const () as u64),
        (slot!(release_handle_data), cb_release_handle_data as *const () as u64),
        (slot!(acquire_post_display_ownership), cb_acquire_post_display_ownership as *const () as u64),
    ]
}
