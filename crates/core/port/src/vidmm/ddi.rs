//! The DDIs of video memory and submission, as VidMm calls them.

use alloc::vec::Vec;

use dxgk_abi::allocation::{AllocationInfo, SharedPrimarySurfaceData};
use dxgk_abi::device::{ContextInfo, CreateContextFlags, CreateDeviceFlags};
use dxgk_abi::paging::ArgBuildPagingBuffer;
use dxgk_abi::query::QueryAdapterInfoType;
use dxgk_abi::segment::QuerySegmentOut4;
use dxgk_abi::submit::ArgSubmitCommand;
use dxgk_abi::{Handle, Pointer};

use crate::miniport::{DdiResult, DeviceContext};

/// Which of the questions about segments a driver is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SegmentQuery {
    /// `QUERYSEGMENT`.
    First,
    /// `QUERYSEGMENT3`, since WDDM 1.2.
    Third,
    /// `QUERYSEGMENT4`, since WDDM 2.0.
    Fourth,
}

impl SegmentQuery {
    /// The number of the question.
    #[must_use]
    pub fn kind(self) -> QueryAdapterInfoType {
        match self {
            Self::First => QueryAdapterInfoType::QUERYSEGMENT,
            Self::Third => QueryAdapterInfoType::QUERYSEGMENT3,
            Self::Fourth => QueryAdapterInfoType::QUERYSEGMENT4,
        }
    }
}

/// What a driver answered about its segments, not looked at yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SegmentAnswer {
    /// The answer of the second call; those of the older questions have the same front.
    pub header: QuerySegmentOut4,
    /// The descriptors, one behind the other without gaps.
    pub descriptors: Vec<u8>,
}

/// The driver's private data for a standard allocation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StandardAllocation {
    /// Of the allocation.
    pub allocation: Vec<u8>,
    /// Of the resource that it is in.
    pub resource: Vec<u8>,
}

/// An allocation that the driver knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Allocation {
    /// The port's handle (`D3DKMT_HANDLE`).
    pub object: u32,
    /// What the driver said of it.
    pub info: AllocationInfo,
    /// The driver's handle of the resource that it is in.
    pub resource: Handle,
}

/// How a wait for a fence ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FenceOutcome {
    /// DMA_COMPLETED was notified, and the driver's DPC called DxgkCbNotifyDpc.
    Completed,
    /// DMA_FAULTED was notified.
    Faulted,
    /// Neither, in the time that Windows gives (two seconds of virtual time).
    TimedOut,
}

/// A full driver that can be given video memory work.
///
/// One method a DDI; `adapter` is there in all of them, so that the event stream can name it. As in [`crate::Miniport`], the implementation marshals arguments and reads results as untrusted; the errors of every
/// method are [`crate::DdiError`].
pub trait VideoMemory {
    /// `DxgkDdiQueryAdapterInfo` with one of the questions about segments, both of its calls.
    ///
    /// # Errors
    /// As everywhere here.
    fn query_segments(&self, adapter: DeviceContext, query: SegmentQuery) -> DdiResult<SegmentAnswer>;

    /// `DxgkDdiCreateDevice`: the driver's handle.
    ///
    /// # Errors
    /// As everywhere here.
    fn create_device(&self, adapter: DeviceContext, flags: CreateDeviceFlags) -> DdiResult<Handle>;

    /// `DxgkDdiDestroyDevice`.
    ///
    /// # Errors
    /// As everywhere here.
    fn destroy_device(&self, adapter: DeviceContext, device: Handle) -> DdiResult<()>;

    /// `DxgkDdiCreateContext` on engine 0 of `node`: the driver's handle, and what the context needs.
    ///
    /// # Errors
    /// As everywhere here.
    fn create_context(
        &self,
        adapter: DeviceContext,
        device: Handle,
        node: u32,
        flags: CreateContextFlags,
    ) -> DdiResult<(Handle, ContextInfo)>;

    /// `DxgkDdiDestroyContext`.
    ///
    /// # Errors
    /// As everywhere here.
    fn destroy_context(&self, adapter: DeviceContext, context: Handle) -> DdiResult<()>;

    /// `DxgkDdiGetStandardAllocationDriverData` for a shared primary, both of its calls.
    ///
    /// # Errors
    /// As everywhere here.
    fn standard_allocation(
        &self,
        adapter: DeviceContext,
        surface: &SharedPrimarySurfaceData,
    ) -> DdiResult<StandardAllocation>;

    /// `DxgkDdiCreateAllocation` for one allocation in a resource. The port's handle answers callbacks from now on.
    ///
    /// # Errors
    /// As everywhere here.
    fn create_allocation(&self, adapter: DeviceContext, data: &StandardAllocation) -> DdiResult<Allocation>;

    /// `DxgkDdiDestroyAllocation`, the resource with it. The port's handle is no more.
    ///
    /// # Errors
    /// As everywhere here.
    fn destroy_allocation(&self, adapter: DeviceContext, allocation: &Allocation) -> DdiResult<()>;

    /// `DxgkDdiOpenAllocation` by the creator: the driver's handle of the allocation in this device.
    ///
    /// # Errors
    /// As everywhere here.
    fn open_allocation(
        &self,
        adapter: DeviceContext,
        device: Handle,
        allocation: &Allocation,
        data: &StandardAllocation,
    ) -> DdiResult<Handle>;

    /// `DxgkDdiCloseAllocation`.
    ///
    /// # Errors
    /// As everywhere here.
    fn close_allocation(
        &self,
        adapter: DeviceContext,
        device: Handle,
        allocation: &Allocation,
        opened: Handle,
    ) -> DdiResult<()>;

    /// Zeroed kernel memory for the private data of a paging buffer, the same for every buffer: valid until the next call.
    ///
    /// # Errors
    /// STATUS_INSUFFICIENT_RESOURCES.
    fn private_data(&self, bytes: u32) -> DdiResult<Pointer>;

    /// `DxgkDdiBuildPagingBuffer`. What the driver wrote into the argument is copied back whatever it returns.
    ///
    /// # Errors
    /// As everywhere here.
    fn build_paging_buffer(&self, adapter: DeviceContext, args: &mut ArgBuildPagingBuffer) -> DdiResult<()>;

    /// `DxgkDdiSubmitCommand`, at DISPATCH_LEVEL.
    ///
    /// # Errors
    /// As everywhere here.
    fn submit_command(&self, adapter: DeviceContext, args: &ArgSubmitCommand) -> DdiResult<()>;

    /// Lets the driver and its device go on until `fence` is done on `node`, or the time is over.
    ///
    /// # Errors
    /// [`crate::DdiError::Stopped`].
    fn wait_for_fence(&self, adapter: DeviceContext, node: u32, fence: u32) -> DdiResult<FenceOutcome>;
}
