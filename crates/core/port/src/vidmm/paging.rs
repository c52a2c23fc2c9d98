//! Paging operations: built by the driver into the paging buffer, submitted, waited for.
//!
//! Page "DxgkDdiBuildPagingBuffer": the driver writes commands at `pDmaBuffer` and moves it on; one that has no room left
//! returns STATUS_GRAPHICS_INSUFFICIENT_DMA_BUFFER, and is asked again, with its own `MultipassOffset`, once what it wrote was
//! submitted. An operation for which it wrote nothing (it may edit its page table itself) is not submitted (our choice).

use core::cell::Cell;

use dxgk_abi::paging::{ArgBuildPagingBuffer, PagingParameters};
use dxgk_abi::submit::{ArgSubmitCommand, SubmitCommandFlags};
use dxgk_abi::{Handle, NtStatus, Pointer};
use dxgk_event::{Event, EventSink, Failure, FailureKind, Text};

use super::ddi::{FenceOutcome, VideoMemory};
use crate::miniport::{DdiError, DdiResult, DeviceContext};

/// Times that a driver may say that the buffer is too small for one operation.
const MOST_PASSES: u32 = 64;

/// The paging buffer as the driver sees it.
#[derive(Clone, Copy)]
pub(super) struct Buffer {
    pub(super) view: Pointer,
    pub(super) bytes: u32,
    pub(super) private_bytes: u32,
    /// The segment that it lies in; 0: system memory.
    pub(super) segment: u32,
    /// Where the device finds it.
    pub(super) address: u64,
}

/// Who pages.
pub(super) struct Paging<'a> {
    pub(super) ddis: &'a dyn VideoMemory,
    pub(super) sink: &'a dyn EventSink,
    pub(super) adapter: DeviceContext,
    pub(super) system_context: Handle,
    pub(super) node: u32,
    /// The last fence.
    pub(super) fence: &'a Cell<u32>,
}

impl Paging<'_> {
    /// One operation, until it is done.
    ///
    /// # Errors
    /// What a DDI said; STATUS_INVALID_PARAMETER for a driver that moved `pDmaBuffer` out of the buffer;
    /// STATUS_GRAPHICS_INSUFFICIENT_DMA_BUFFER for one that never has room enough; STATUS_IO_TIMEOUT for a fence that does not
    /// come; STATUS_GRAPHICS_GPU_EXCEPTION_ON_DEVICE for DMA_FAULTED.
    pub(super) fn run(&self, buffer: &Buffer, operation: PagingParameters) -> DdiResult<()> {
        let too_small = DdiError::Failed(NtStatus::GRAPHICS_INSUFFICIENT_DMA_BUFFER);
        let mut multipass_offset = 0;
        for _ in 0..MOST_PASSES {
            let private = self.ddis.private_data(buffer.private_bytes)?;
            let mut args = ArgBuildPagingBuffer {
                dma_buffer: buffer.view,
                dma_size: buffer.bytes,
                dma_buffer_private_data: private,
                dma_buffer_private_data_size: buffer.private_bytes,
                multipass_offset,
                system_context: self.system_context,
                ..ArgBuildPagingBuffer::default()
            };
            args.set_operation(operation);
            let built = self.ddis.build_paging_buffer(self.adapter, &mut args);
            let again = built == Err(too_small);
            if !again {
                built?;
            }
            let written = moved(buffer.view, args.dma_buffer, buffer.bytes)?;
            let private_written = moved(private, args.dma_buffer_private_data, buffer.private_bytes)?;
            if written != 0 {
                self.submit(buffer, private, written, private_written)?;
            }
            if !again {
                return Ok(());
            }
            if written == 0 && args.multipass_offset == multipass_offset {
                break;
            }
            multipass_offset = args.multipass_offset;
        }
        Err(too_small)
    }

    fn submit(&self, buffer: &Buffer, private: Pointer, written: u32, private_written: u32) -> DdiResult<()> {
        let fence = self.fence.get().wrapping_add(1);
        self.fence.set(fence);
        let args = ArgSubmitCommand {
            dma_buffer_segment_id: buffer.segment,
            dma_buffer_physical_address: buffer.address,
            dma_buffer_size: buffer.bytes,
            dma_buffer_submission_end_offset: written,
            dma_buffer_private_data: private,
            dma_buffer_private_data_size: buffer.private_bytes,
            dma_buffer_private_data_submission_end_offset: private_written,
            submission_fence_id: fence,
            flags: SubmitCommandFlags::PAGING,
            node_ordinal: self.node,
            ..ArgSubmitCommand::default()
        };
        self.ddis.submit_command(self.adapter, &args)?;
        match self.ddis.wait_for_fence(self.adapter, self.node, fence)? {
            FenceOutcome::Completed => Ok(()),
            FenceOutcome::Faulted => {
                self.fail("paging work ended with DMA_FAULTED, fence ", fence);
                Err(DdiError::Failed(NtStatus::GRAPHICS_GPU_EXCEPTION_ON_DEVICE))
            }
            FenceOutcome::TimedOut => {
                self.fail("paging work is not completed after 2 s (interrupt and DPC), fence ", fence);
                Err(DdiError::Failed(NtStatus::IO_TIMEOUT))
            }
        }
    }

    /// Tells in words what no status says. Where a fence does not come Windows would reset the adapter.
    pub(super) fn fail(&self, text: &str, number: u32) {
        let text = alloc::format!("{text}{number}");
        self.sink.emit(&Event::Failure(Failure { kind: FailureKind::Hang, more: 0, text: Text::new(&text) }));
    }
}

/// How far the driver moved a pointer on.
fn moved(from: Pointer, to: Pointer, most: u32) -> DdiResult<u32> {
    let moved = to.0.checked_sub(from.0).and_then(|moved| u32::try_from(moved).ok());
    moved.filter(|moved| *moved <= most).ok_or(DdiError::Failed(NtStatus::INVALID_PARAMETER))
}
