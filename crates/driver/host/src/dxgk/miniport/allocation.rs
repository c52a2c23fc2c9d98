//! The DDIs of allocations, marshalled.

use dxgk_abi::allocation::{
    AllocationInfo, ArgCloseAllocation, ArgCreateAllocation, ArgDestroyAllocation,
    ArgGetStandardAllocationDriverData, ArgOpenAllocation, CreateAllocationFlags, DestroyAllocationFlags,
    OpenAllocationFlags, OpenAllocationInfo, SharedPrimarySurfaceData, StandardAllocationType,
};
use dxgk_abi::{Handle, NtStatus, Pointer};
use dxgk_port::vidmm::{Allocation, StandardAllocation};
use dxgk_port::{DdiError, DdiResult, DeviceContext};

use super::super::ddi::full_only;
use super::scratch::Scratch;
use super::{LoadedMiniport, OUT_OF_ROOM};
use crate::guarded;

/// Bytes of private data at most, of an allocation and of a resource (our choice).
const MOST_PRIVATE: u32 = 16 << 10;

/// Puts private data down: null for none.
fn put_data(scratch: &mut Scratch, data: &[u8]) -> DdiResult<Pointer> {
    if data.is_empty() { Ok(Pointer::NULL) } else { scratch.put_bytes(data).map(Pointer).ok_or(OUT_OF_ROOM) }
}

fn get_data(at: Pointer, bytes: u32) -> DdiResult<Vec<u8>> {
    let mut data = vec![0; bytes as usize];
    guarded::read(at.0, &mut data).map_err(|_| OUT_OF_ROOM)?;
    Ok(data)
}

impl LoadedMiniport {
    pub(super) fn describe_standard_allocation(
        &self,
        adapter: DeviceContext,
        surface: &SharedPrimarySurfaceData,
    ) -> DdiResult<StandardAllocation> {
        self.with_scratch(|scratch| {
            let mut args = ArgGetStandardAllocationDriverData {
                kind: StandardAllocationType::SHARED_PRIMARY_SURFACE,
                surface_data: Pointer(scratch.put(surface).ok_or(OUT_OF_ROOM)?),
                ..ArgGetStandardAllocationDriverData::default()
            };
            let at = scratch.put(&args).ok_or(OUT_OF_ROOM)?;
            let slot = full_only!(get_standard_allocation_driver_data);
            self.call(slot, adapter, args.kind.0.into(), &[adapter.0, at])?;
            let sizes: ArgGetStandardAllocationDriverData =
                guarded::read_struct(at).map_err(|_| OUT_OF_ROOM)?;
            let (own, whole) =
                (sizes.allocation_private_driver_data_size, sizes.resource_private_driver_data_size);
            if own > MOST_PRIVATE || whole > MOST_PRIVATE {
                return Err(DdiError::Failed(NtStatus::INVALID_PARAMETER));
            }
            args.allocation_private_driver_data_size = own;
            args.resource_private_driver_data_size = whole;
            args.allocation_private_driver_data = put_data(scratch, &vec![0; own as usize])?;
            args.resource_private_driver_data = put_data(scratch, &vec![0; whole as usize])?;
            guarded::write_struct(at, &args).map_err(|_| OUT_OF_ROOM)?;
            self.call(slot, adapter, args.kind.0.into(), &[adapter.0, at])?;
            Ok(StandardAllocation {
                allocation: get_data(args.allocation_private_driver_data, own)?,
                resource: get_data(args.resource_private_driver_data, whole)?,
            })
        })
    }

    pub(super) fn create_one_allocation(
        &self,
        adapter: DeviceContext,
        data: &StandardAllocation,
    ) -> DdiResult<Allocation> {
        self.with_scratch(|scratch| {
            let info = AllocationInfo {
                private_driver_data: put_data(scratch, &data.allocation)?,
                private_driver_data_size: data.allocation.len() as u32,
                ..AllocationInfo::default()
            };
            let info_at = scratch.put(&info).ok_or(OUT_OF_ROOM)?;
            let args = ArgCreateAllocation {
                private_driver_data: put_data(scratch, &data.resource)?,
                private_driver_data_size: data.resource.len() as u32,
                num_allocations: 1,
                allocation_info: Pointer(info_at),
                resource: Handle::NULL,
                flags: CreateAllocationFlags::RESOURCE,
                ..ArgCreateAllocation::default()
            };
            let at = scratch.put(&args).ok_or(OUT_OF_ROOM)?;
            self.call(full_only!(create_allocation), adapter, 0, &[adapter.0, at])?;
            let info: AllocationInfo = guarded::read_struct(info_at).map_err(|_| OUT_OF_ROOM)?;
            let args: ArgCreateAllocation = guarded::read_struct(at).map_err(|_| OUT_OF_ROOM)?;
            let object = self.port.allocations().add(info.allocation, args.resource);
            Ok(Allocation { object, info, resource: args.resource })
        })
    }

    pub(super) fn destroy_one_allocation(
        &self,
        adapter: DeviceContext,
        allocation: &Allocation,
    ) -> DdiResult<()> {
        self.with_scratch(|scratch| {
            let list = scratch.put(&allocation.info.allocation).ok_or(OUT_OF_ROOM)?;
            let args = ArgDestroyAllocation {
                num_allocations: 1,
                allocation_list: Pointer(list),
                resource: allocation.resource,
                flags: DestroyAllocationFlags::DESTROY_RESOURCE,
                ..ArgDestroyAllocation::default()
            };
            let at = scratch.put(&args).ok_or(OUT_OF_ROOM)?;
            let destroyed = self.call(full_only!(destroy_allocation), adapter, 0, &[adapter.0, at]);
            self.port.allocations().remove(allocation.object);
            destroyed
        })
    }

    pub(super) fn open_one_allocation(
        &self,
        adapter: DeviceContext,
        device: Handle,
        allocation: &Allocation,
        data: &StandardAllocation,
    ) -> DdiResult<Handle> {
        self.with_scratch(|scratch| {
            let info = OpenAllocationInfo {
                allocation: allocation.object,
                private_driver_data: put_data(scratch, &data.allocation)?,
                private_driver_data_size: data.allocation.len() as u32,
                ..OpenAllocationInfo::default()
            };
            let info_at = scratch.put(&info).ok_or(OUT_OF_ROOM)?;
            let args = ArgOpenAllocation {
                num_allocations: 1,
                open_allocation: Pointer(info_at),
                private_driver_data: put_data(scratch, &data.resource)?,
                private_driver_size: data.resource.len() as u32,
                flags: OpenAllocationFlags::CREATE,
                ..ArgOpenAllocation::default()
            };
            let at = scratch.put(&args).ok_or(OUT_OF_ROOM)?;
            self.call(full_only!(open_allocation), adapter, 0, &[device.0, at])?;
            let info: OpenAllocationInfo = guarded::read_struct(info_at).map_err(|_| OUT_OF_ROOM)?;
            let opened = info.device_specific_allocation;
            self.port.allocations().set_device_specific(allocation.object, opened);
            Ok(opened)
        })
    }

    pub(super) fn close_one_allocation(
        &self,
        adapter: DeviceContext,
        device: Handle,
        allocation: &Allocation,
        opened: Handle,
    ) -> DdiResult<()> {
        self.with_scratch(|scratch| {
            let list = scratch.put(&opened).ok_or(OUT_OF_ROOM)?;
            let args = ArgCloseAllocation {
                num_allocations: 1,
                open_handle_list: Pointer(list),
                ..ArgCloseAllocation::default()
            };
            let at = scratch.put(&args).ok_or(OUT_OF_ROOM)?;
            let closed = self.call(full_only!(close_allocation), adapter, 0, &[device.0, at]);
            self.port.allocations().set_device_specific(allocation.object, Handle::NULL);
            closed
        })
    }
}
