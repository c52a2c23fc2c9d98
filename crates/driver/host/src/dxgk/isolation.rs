//! The callbacks of "IOMMU-based GPU isolation" that are not about MDLs. Contracts: `dxgk-sysmm`, `callbacks`.

use std::mem::offset_of;

use dxgk_abi::callback::{ArgCbAllocateContiguousMemory, ArgCbFreeContiguousMemory};
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
