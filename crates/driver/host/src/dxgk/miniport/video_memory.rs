//! The DDIs of segments, devices, contexts, paging and submission, marshalled; and waiting for a fence.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use dxgk_abi::allocation::SharedPrimarySurfaceData;
use dxgk_abi::device::{
    ArgCreateContext, ArgCreateDevice, ContextInfo, CreateContextFlags, CreateDeviceFlags,
};
use dxgk_abi::paging::ArgBuildPagingBuffer;
use dxgk_abi::segment::{QuerySegmentIn, QuerySegmentIn4, QuerySegmentOut, QuerySegmentOut4};
use dxgk_abi::submit::ArgSubmitCommand;
use dxgk_abi::{Handle, Irql, NtStatus, Pointer};
use dxgk_hw::PAGE_SIZE;
use dxgk_port::vidmm::{
    Allocation, FenceOutcome, SegmentAnswer, SegmentQuery, StandardAllocation, VideoMemory,
};
use dxgk_port::{DdiError, DdiResult, DeviceContext};
use zerocopy::{FromBytes, IntoBytes};

use super::super::ddi::full_only;
use super::super::state::Registration;
use super::{LoadedMiniport, OUT_OF_ROOM};
use crate::{guarded, processor};

/// The port's handles that a driver is given for its device and context; there is one of each at a time.
const DEVICE: Handle = Handle(0x4000_0000);
const CONTEXT: Handle = Handle(0x4000_0020);
/// Segments at most: those that a set of 32 bits can name.
const MOST_SEGMENTS: u32 = 32;
/// Bytes of private data of a paging buffer at most (our choice).
const MOST_PRIVATE: u32 = 1 << 20;
/// How long work may take: `TdrDelay` of Windows, two seconds, looked at every millisecond of virtual time.
const LOOKS: u32 = 2000;

const INVALID: DdiError = DdiError::Failed(NtStatus::INVALID_PARAMETER);

impl LoadedMiniport {
    /// Whether the table has every DDI that a round of work needs. One routine in two of its slots is a placeholder: Windows
    /// wants an entry in each, whether the driver can be given such work or not.
    pub(super) fn has_video_memory(&self) -> bool {
        if !matches!(self.port.registration.get(), Some(Registration::Full(_))) {
            return false;
        }
        let slots = [
            full_only!(create_device),
            full_only!(destroy_device),
            full_only!(create_allocation),
            full_only!(destroy_allocation),
            full_only!(get_standard_allocation_driver_data),
            full_only!(open_allocation),
            full_only!(close_allocation),
            full_only!(build_paging_buffer),
            full_only!(submit_command),
        ];
        let routines: BTreeSet<u64> = slots.iter().filter_map(|slot| self.port.ddi_address(*slot)).collect();
        routines.len() == slots.len()
    }

    /// How the fence ended, as far as the driver has told.
    fn fence_outcome(&self, adapter: DeviceContext, node: u32, fence: u32) -> Option<FenceOutcome> {
        let adapters = self.port.adapters();
        let adapter = adapters.values().find(|it| it.context == adapter.0)?;
        adapter.fences.outcome(node, fence)
    }
}

impl VideoMemory for LoadedMiniport {
    fn query_segments(&self, adapter: DeviceContext, query: SegmentQuery) -> DdiResult<SegmentAnswer> {
        let fourth = query == SegmentQuery::Fourth;
        let first = QuerySegmentIn::default();
        let (input, bytes) = if fourth {
            (QuerySegmentIn4::default().as_bytes().to_vec(), size_of::<QuerySegmentOut4>())
        } else {
            (first.as_bytes().to_vec(), size_of::<QuerySegmentOut>())
        };
        let stride = query.descriptor_bytes();
        self.with_scratch(|scratch| {
            let mut asked = QuerySegmentOut4 {
                segment_descriptor_stride: if fourth { stride as u64 } else { 0 },
                ..QuerySegmentOut4::default()
            };
            let at = scratch.put(&asked).ok_or(OUT_OF_ROOM)?;
            let output = (at, bytes as u32);
            // The older answers are the front of the newest.
            let read = || {
                let mut header = [0u8; size_of::<QuerySegmentOut4>()];
                let front = header.get_mut(..bytes).ok_or(OUT_OF_ROOM)?;
                guarded::read(at, front).map_err(|_| OUT_OF_ROOM)?;
                QuerySegmentOut4::read_from_bytes(&header).map_err(|_| OUT_OF_ROOM)
            };
            self.query(scratch, adapter, query.kind(), &input, output)?;
            let count = read()?.segment;
            if count > MOST_SEGMENTS {
                return Err(INVALID);
            }
            let mut descriptors = vec![0; count as usize * stride];
            if count == 0 {
                return Ok(SegmentAnswer { header: read()?, descriptors });
            }
            let array = scratch.take(descriptors.len()).ok_or(OUT_OF_ROOM)?;
            asked.segment = count;
            asked.segment_descriptor = Pointer(array);
            let written = asked.as_bytes().get(..bytes).ok_or(OUT_OF_ROOM)?;
            guarded::write(at, written).map_err(|_| OUT_OF_ROOM)?;
            self.query(scratch, adapter, query.kind(), &input, output)?;
            guarded::read(array, &mut descriptors).map_err(|_| OUT_OF_ROOM)?;
            Ok(SegmentAnswer { header: read()?, descriptors })
        })
    }

    fn create_device(&self, adapter: DeviceContext, flags: CreateDeviceFlags) -> DdiResult<Handle> {
        self.with_scratch(|scratch| {
            let args = ArgCreateDevice {
                device: DEVICE,
                flags_or_info: flags.0.into(),
                ..ArgCreateDevice::default()
            };
            let at = scratch.put(&args).ok_or(OUT_OF_ROOM)?;
            self.call(full_only!(create_device), adapter, 0, &[adapter.0, at])?;
            guarded::read_struct::<ArgCreateDevice>(at).map(|args| args.device).map_err(|_| OUT_OF_ROOM)
        })
    }

    fn destroy_device(&self, adapter: DeviceContext, device: Handle) -> DdiResult<()> {
        self.call(full_only!(destroy_device), adapter, 0, &[device.0])
    }

    fn create_context(
        &self,
        adapter: DeviceContext,
        device: Handle,
        node: u32,
        flags: CreateContextFlags,
    ) -> DdiResult<(Handle, ContextInfo)> {
        self.with_scratch(|scratch| {
            let args = ArgCreateContext {
                context: CONTEXT,
                node_ordinal: node,
                engine_affinity: 1,
                flags,
                ..ArgCreateContext::default()
            };
            let at = scratch.put(&args).ok_or(OUT_OF_ROOM)?;
            self.call(full_only!(create_context), adapter, 0, &[device.0, at])?;
            let args: ArgCreateContext = guarded::read_struct(at).map_err(|_| OUT_OF_ROOM)?;
            Ok((args.context, args.context_info))
        })
    }

    fn destroy_context(&self, adapter: DeviceContext, context: Handle) -> DdiResult<()> {
        self.call(full_only!(destroy_context), adapter, 0, &[context.0])
    }

    fn standard_allocation(
        &self,
        adapter: DeviceContext,
        surface: &SharedPrimarySurfaceData,
    ) -> DdiResult<StandardAllocation> {
        self.describe_standard_allocation(adapter, surface)
    }

    fn create_allocation(&self, adapter: DeviceContext, data: &StandardAllocation) -> DdiResult<Allocation> {
        self.create_one_allocation(adapter, data)
    }

    fn destroy_allocation(&self, adapter: DeviceContext, allocation: &Allocation) -> DdiResult<()> {
        self.destroy_one_allocation(adapter, allocation)
    }

    fn open_allocation(
        &self,
        adapter: DeviceContext,
        device: Handle,
        allocation: &Allocation,
        data: &StandardAllocation,
    ) -> DdiResult<Handle> {
        self.open_one_allocation(adapter, device, allocation, data)
    }

    fn close_allocation(
        &self,
        adapter: DeviceContext,
        device: Handle,
        allocation: &Allocation,
        opened: Handle,
    ) -> DdiResult<()> {
        self.close_one_allocation(adapter, device, allocation, opened)
    }

    fn private_data(&self, bytes: u32) -> DdiResult<Pointer> {
        if bytes == 0 {
            return Ok(Pointer::NULL);
        }
        if bytes > MOST_PRIVATE {
            return Err(INVALID);
        }
        let mut place = self.private_data.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = u64::from(bytes).next_multiple_of(PAGE_SIZE);
        if place.1 < wanted {
            let at = self.kernel.space().map_host(wanted).map_err(|_| OUT_OF_ROOM)?;
            *place = (at.get(), wanted);
        }
        guarded::write(place.0, &vec![0; bytes as usize]).map_err(|_| OUT_OF_ROOM)?;
        Ok(Pointer(place.0))
    }

    fn build_paging_buffer(&self, adapter: DeviceContext, args: &mut ArgBuildPagingBuffer) -> DdiResult<()> {
        self.with_scratch(|scratch| {
            let at = scratch.put(args).ok_or(OUT_OF_ROOM)?;
            let operation = args.operation.0.into();
            let built = self.call(full_only!(build_paging_buffer), adapter, operation, &[adapter.0, at]);
            *args = guarded::read_struct(at).map_err(|_| OUT_OF_ROOM)?;
            built
        })
    }

    fn submit_command(&self, adapter: DeviceContext, args: &ArgSubmitCommand) -> DdiResult<()> {
        let submitted = self.with_scratch(|scratch| {
            let at = scratch.put(args).ok_or(OUT_OF_ROOM)?;
            let fence = args.submission_fence_id.into();
            let before = processor::set_irql(Irql::DISPATCH_LEVEL.0);
            let submitted = self.call(full_only!(submit_command), adapter, fence, &[adapter.0, at]);
            processor::set_irql(before);
            submitted
        });
        // What DISPATCH_LEVEL held back.
        self.port.deliver();
        submitted
    }

    fn wait_for_fence(&self, adapter: DeviceContext, node: u32, fence: u32) -> DdiResult<FenceOutcome> {
        for _ in 0..LOOKS {
            if let Some(outcome) = self.fence_outcome(adapter, node, fence) {
                return Ok(outcome);
            }
            self.wait(1)?;
        }
        Ok(self.fence_outcome(adapter, node, fence).unwrap_or(FenceOutcome::TimedOut))
    }
}
