//! The callbacks of "IOMMU-based GPU isolation" that are not about MDLs, and the one of a hot update. Contracts: `dxgk-sysmm`, `callbacks`.

use std::mem::offset_of;

use dxgk_abi::callback::{
    ArgCbAllocateContiguousMemory, ArgCbFreeContiguousMemory, ArgCbMapFrameBufferPointer,
    ArgCbPinFrameBufferForSave, ArgCbPinFrameBufferForSave2, ArgCbSaveMemoryForHotUpdate,
    ArgCbUnmapFrameBufferPointer, ArgCbUnpinFrameBufferForSave,
};
use dxgk_abi::{DxgkrnlInterface, Handle, Pointer};

use super::callbacks::{copy_in, copy_in_out, copy_out, with};
use super::state::Words;

pub(super) fn allocate_contiguous_memory(adapter: u64, at: u64) -> u32 {
    with(
        offset_of!(DxgkrnlInterface, allocate_contiguous_memory),
        Handle(adapter),
        copy_in_out::<ArgCbAllocateContiguousMemory>(at),
        |args| {
            vec![
                args.number_of_bytes,
                args.lowest_acceptable_address,
                args.highest_acceptable_address,
                args.boundary_address_multiple,
                args.cache_type.0.into(),
            ]
        },
        |port, caller, mut args| {
            let made = port.sysmm.allocate_contiguous_memory(caller, Handle(adapter), &args)?;
            args.memory_handle = made.memory_handle;
            args.memory = Pointer(made.memory.get());
            copy_out(at, &args)?;
            Ok(vec![args.memory_handle.0, args.memory.0])
        },
    )
}

pub(super) fn free_contiguous_memory(adapter: u64, at: u64) -> u32 {
    with(
        offset_of!(DxgkrnlInterface, free_contiguous_memory),
        Handle(adapter),
        copy_in::<ArgCbFreeContiguousMemory>(at),
        |args| vec![args.memory_handle.0],
        |port, caller, args| {
            port.sysmm.free_contiguous_memory(caller, Handle(adapter), &args).map(|()| Words::new())
        },
    )
}

pub(super) fn pin_frame_buffer_for_save(adapter: u64, at: u64) -> u32 {
    with(
        offset_of!(DxgkrnlInterface, pin_frame_buffer_for_save),
        Handle(adapter),
        copy_in_out::<ArgCbPinFrameBufferForSave>(at),
        |args| vec![args.physical_adapter_index.into(), args.commit_size],
        |port, caller, mut args| {
            let mdl = port.sysmm.pin_frame_buffer_for_save(caller, Handle(adapter), &args)?;
            args.mdl = Pointer(mdl.get());
            copy_out(at, &args)?;
            Ok(vec![args.mdl.0])
        },
    )
}

pub(super) fn pin_frame_buffer_for_save2(adapter: u64, at: u64) -> u32 {
    with(
        offset_of!(DxgkrnlInterface, pin_frame_buffer_for_save2),
        Handle(adapter),
        copy_in_out::<ArgCbPinFrameBufferForSave2>(at),
        |args| vec![args.physical_adapter_index.into(), args.commit_size, args.flags.0.into()],
        |port, caller, mut args| {
            let adl = port.sysmm.pin_frame_buffer_for_save2(caller, Handle(adapter), &args)?;
            args.adl = Pointer(adl.get());
            copy_out(at, &args)?;
            Ok(vec![args.adl.0])
        },
    )
}

pub(super) fn unpin_frame_buffer_for_save(adapter: u64, at: u64) -> u32 {
    with(
        offset_of!(DxgkrnlInterface, unpin_frame_buffer_for_save),
        Handle(adapter),
        copy_in::<ArgCbUnpinFrameBufferForSave>(at),
        |args| vec![args.physical_adapter_index.into()],
        |port, caller, args| {
            port.sysmm.unpin_frame_buffer_for_save(caller, Handle(adapter), &args).map(|()| Words::new())
        },
    )
}

pub(super) fn map_frame_buffer_pointer(adapter: u64, at: u64) -> u32 {
    with(
        offset_of!(DxgkrnlInterface, map_frame_buffer_pointer),
        Handle(adapter),
        copy_in_out::<ArgCbMapFrameBufferPointer>(at),
        |args| vec![args.physical_adapter_index.into(), args.size, args.offset],
        |port, caller, mut args| {
            let mapped = port.sysmm.map_frame_buffer_pointer(caller, Handle(adapter), &args)?;
            args.offset = mapped.offset;
            args.base_address = Pointer(mapped.base_address.get());
            copy_out(at, &args)?;
            Ok(vec![args.base_address.0, args.offset])
        },
    )
}

pub(super) fn unmap_frame_buffer_pointer(adapter: u64, at: u64) -> u32 {
    with(
        offset_of!(DxgkrnlInterface, unmap_frame_buffer_pointer),
        Handle(adapter),
        copy_in::<ArgCbUnmapFrameBufferPointer>(at),
        |args| vec![args.physical_adapter_index.into(), args.base_address.0],
        |port, caller, args| {
            port.sysmm.unmap_frame_buffer_pointer(caller, Handle(adapter), &args).map(|()| Words::new())
        },
    )
}

pub(super) fn save_memory_for_hot_update(adapter: u64, at: u64) -> u32 {
    with(
        offset_of!(DxgkrnlInterface, save_memory_for_hot_update),
        Handle(adapter),
        copy_in::<ArgCbSaveMemoryForHotUpdate>(at),
        |args| {
            let ranges = args.num_data_memory_ranges.into();
            let (size, metadata) = (args.data_size.into(), args.meta_data_size.into());
            vec![args.data_memory_ranges.0, ranges, args.data_mdl.0, args.data.0, size, metadata]
        },
        |port, caller, args| {
            port.sysmm.save_memory_for_hot_update(caller, Handle(adapter), &args).map(|()| Words::new())
        },
    )
}
