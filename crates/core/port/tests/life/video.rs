//! The video memory of the scripted driver: an aperture and a memory segment, a page table, and a device that is done at once.

use std::collections::BTreeMap;
use std::sync::Mutex;

use dxgk_abi::allocation::{AllocationFlags, AllocationInfo, SharedPrimarySurfaceData};
use dxgk_abi::device::{ContextInfo, CreateContextFlags, CreateDeviceFlags};
use dxgk_abi::paging::{ArgBuildPagingBuffer, PagingLocation, PagingParameters};
use dxgk_abi::segment::{QuerySegmentOut4, SegmentDescriptor4, SegmentFlags};
use dxgk_abi::submit::{ArgSubmitCommand, SubmitCommandFlags};
use dxgk_abi::{Handle, NtStatus, Pointer};
use dxgk_hw::{MachineMemory, PAGE_SIZE, Pfn, ViewOwner};
use dxgk_port::vidmm::{
    Allocation, FenceOutcome, SegmentAnswer, SegmentQuery, StandardAllocation, VideoMemory,
};
use dxgk_port::{DdiError, DdiResult, DeviceContext};
use dxgk_sysmm::Platform;
use zerocopy::IntoBytes;

use crate::miniport::{Driver, number};

pub(crate) const APERTURE: u32 = 1;
pub(crate) const MEMORY: u32 = 2;
/// Where each segment begins for the device.
pub(crate) const BASE: u64 = 0x1_0000_0000;
/// Bytes of commands that an operation takes.
const COMMAND: u64 = 64;
const PRIVATE: Pointer = Pointer(0x6000_0000_0000);
const RESOURCE: Handle = Handle(0xd4);

pub(crate) struct Video {
    /// The segment that the allocation prefers, and the only one it may lie in; 0: none.
    pub(crate) allocation_in: u32,
    pub(crate) allocation_flags: AllocationFlags,
    pub(crate) allocation_bytes: u64,
    pub(crate) paging_buffer_in: u32,
    /// Aperture maps too are commands in the buffer.
    pub(crate) writes_always: bool,
    /// Of every operation, the first so many calls say that the buffer is too small.
    pub(crate) passes: u32,
    /// How each fence ends.
    pub(crate) fence: FenceOutcome,
    /// The device loses what is moved into its memory.
    pub(crate) forgets: bool,
    /// The page table of the aperture: page of the segment to page that the device uses.
    pub(crate) table: Mutex<BTreeMap<u64, u64>>,
    /// The first word of each page of the memory segment.
    pub(crate) memory: Mutex<BTreeMap<u64, [u8; 8]>>,
    /// Passes of the operation under way.
    pub(crate) pass: Mutex<u32>,
    /// Processor and device see the aperture's pages alike.
    pub(crate) coherent: bool,
    /// Every operation that was asked for.
    pub(crate) seen: Mutex<Vec<Seen>>,
    /// The views that there were when the allocation was closed.
    pub(crate) views_at_close: Mutex<Vec<u64>>,
}

/// An operation, and how things stood when it was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) operation: PagingParameters,
    /// What lay at the address for the processor, if there was one.
    pub(crate) view: Option<(Vec<u64>, ViewOwner)>,
    /// Live mappings of the memory manager: those for an MDL, and address descriptor lists.
    pub(crate) mapped: u64,
    /// The frames of the MDL that a transfer reads from.
    pub(crate) source: Vec<u64>,
}

impl Default for Video {
    fn default() -> Self {
        Self {
            allocation_in: MEMORY,
            allocation_flags: AllocationFlags(0),
            allocation_bytes: 3 * PAGE_SIZE - 1,
            paging_buffer_in: APERTURE,
            writes_always: false,
            passes: 0,
            fence: FenceOutcome::Completed,
            forgets: false,
            table: Mutex::default(),
            memory: Mutex::default(),
            pass: Mutex::default(),
            coherent: true,
            seen: Mutex::default(),
            views_at_close: Mutex::default(),
        }
    }
}

impl Video {
    /// Does at once what the operation says. Whether it was a command.
    fn act(&self, driver: &Driver, operation: &PagingParameters) -> bool {
        let mut table = self.table.lock().expect("unpoisoned");
        match operation {
            PagingParameters::MapApertureSegment(map) => {
                let pages = driver.sysmm.platform().driver.pages(map.mdl.0);
                let pages = &pages[map.mdl_offset as usize..][..map.number_of_pages as usize];
                table.extend((map.offset_in_pages..).zip(pages.iter().copied()));
                self.writes_always
            }
            PagingParameters::MapApertureSegment2(map) => {
                let first = map.adl.base_page_number().expect("contiguous");
                assert_eq!(u64::from(map.adl.page_count), map.number_of_pages);
                table.extend((map.offset_in_pages..).zip(first..first + map.number_of_pages));
                self.writes_always
            }
            PagingParameters::UnmapApertureSegment(unmap) => {
                for page in unmap.offset_in_pages..unmap.offset_in_pages + unmap.number_of_pages {
                    assert!(table.remove(&page).is_some(), "mapped before");
                }
                assert_ne!(unmap.dummy_page, 0);
                self.writes_always
            }
            PagingParameters::Fill(fill) => {
                assert_eq!(fill.destination.segment_id, MEMORY);
                assert_eq!(fill.fill_size % PAGE_SIZE, 0);
                true
            }
            PagingParameters::Transfer(transfer) => {
                let mut memory = self.memory.lock().expect("unpoisoned");
                let ram = driver.sysmm.platform().memory();
                let pages = transfer.transfer_size / PAGE_SIZE;
                let (from, to) = (transfer.source, transfer.destination);
                let frames = |location: PagingLocation| {
                    driver.sysmm.platform().driver.pages(location.segment_address_or_mdl)
                };
                for page in 0..pages {
                    if to.segment_id == MEMORY {
                        let mut word = [0; 8];
                        let frame = Pfn::new(frames(from)[page as usize]);
                        ram.read(frame.address(), &mut word).expect("RAM");
                        let kept = if self.forgets { [0; 8] } else { word };
                        memory.insert(to.segment_address_or_mdl + page * PAGE_SIZE, kept);
                    } else {
                        let word = memory[&(from.segment_address_or_mdl + page * PAGE_SIZE)];
                        ram.write(Pfn::new(frames(to)[page as usize]).address(), &word).expect("RAM");
                    }
                }
                true
            }
        }
    }
}

impl Driver {
    fn video(&self) -> &Video {
        self.video.as_ref().expect("video memory")
    }

    fn note(&self, operation: PagingParameters) {
        let view = match operation {
            PagingParameters::MapApertureSegment2(map) => {
                let views = self.sysmm.platform().driver.views.lock().expect("unpoisoned");
                views.get(&map.cpu_visible_address.0).cloned()
            }
            _ => None,
        };
        let totals = self.sysmm.statistics();
        let mapped = totals.page_mappings + totals.adls;
        let source = match operation {
            PagingParameters::Transfer(transfer) if transfer.source.segment_id == 0 => {
                self.sysmm.platform().driver.pages(transfer.source.segment_address_or_mdl)
            }
            _ => Vec::new(),
        };
        self.video().seen.lock().expect("unpoisoned").push(Seen { operation, view, mapped, source });
    }
}

fn descriptor(flags: SegmentFlags, number: u64) -> SegmentDescriptor4 {
    SegmentDescriptor4 { flags, base_address: BASE * number, size: 64 * PAGE_SIZE, ..Default::default() }
}

impl VideoMemory for Driver {
    fn query_segments(&self, adapter: DeviceContext, query: SegmentQuery) -> DdiResult<SegmentAnswer> {
        assert_eq!(query, SegmentQuery::Fourth);
        self.called(format!("segments {}", number(adapter)))?;
        let coherent = if self.video().coherent { SegmentFlags::CACHE_COHERENT } else { SegmentFlags(0) };
        let descriptors =
            [descriptor(SegmentFlags::APERTURE.union(coherent), 1), descriptor(SegmentFlags(0), 2)];
        let header = QuerySegmentOut4 {
            segment: 2,
            paging_buffer_segment_id: self.video().paging_buffer_in,
            paging_buffer_size: 4096,
            paging_buffer_private_data_size: 128,
            ..QuerySegmentOut4::default()
        };
        Ok(SegmentAnswer { header, descriptors: descriptors.as_bytes().to_vec() })
    }

    fn create_device(&self, _adapter: DeviceContext, flags: CreateDeviceFlags) -> DdiResult<Handle> {
        assert_eq!(flags, CreateDeviceFlags::SYSTEM_DEVICE);
        self.called("create device".to_owned())?;
        Ok(Handle(0xd1))
    }

    fn destroy_device(&self, _adapter: DeviceContext, device: Handle) -> DdiResult<()> {
        assert_eq!(device, Handle(0xd1));
        self.called("destroy device".to_owned())
    }

    fn create_context(
        &self,
        _adapter: DeviceContext,
        device: Handle,
        node: u32,
        flags: CreateContextFlags,
    ) -> DdiResult<(Handle, ContextInfo)> {
        assert_eq!((device, node, flags), (Handle(0xd1), 0, CreateContextFlags::SYSTEM_CONTEXT));
        self.called("create context".to_owned())?;
        Ok((Handle(0xd2), ContextInfo::default()))
    }

    fn destroy_context(&self, _adapter: DeviceContext, context: Handle) -> DdiResult<()> {
        assert_eq!(context, Handle(0xd2));
        self.called("destroy context".to_owned())
    }

    fn standard_allocation(
        &self,
        _adapter: DeviceContext,
        _surface: &SharedPrimarySurfaceData,
    ) -> DdiResult<StandardAllocation> {
        self.called("describe allocation".to_owned())?;
        Ok(StandardAllocation { allocation: vec![1; 12], resource: vec![2; 4] })
    }

    fn create_allocation(&self, _adapter: DeviceContext, data: &StandardAllocation) -> DdiResult<Allocation> {
        assert_eq!((data.allocation.len(), data.resource.len()), (12, 4));
        self.called("create allocation".to_owned())?;
        let video = self.video();
        let set = 1u32.checked_shl(video.allocation_in.wrapping_sub(1)).unwrap_or(0);
        let info = AllocationInfo {
            size: video.allocation_bytes,
            preferred_segment: video.allocation_in,
            supported_read_segment_set: set,
            supported_write_segment_set: set,
            allocation: Handle(0xd3),
            flags: video.allocation_flags,
            ..AllocationInfo::default()
        };
        Ok(Allocation { object: 0x4000_0040, info, resource: RESOURCE })
    }

    fn destroy_allocation(&self, _adapter: DeviceContext, allocation: &Allocation) -> DdiResult<()> {
        assert_eq!((allocation.info.allocation, allocation.resource), (Handle(0xd3), RESOURCE));
        self.called("destroy allocation".to_owned())
    }

    fn open_allocation(
        &self,
        _adapter: DeviceContext,
        device: Handle,
        allocation: &Allocation,
        _data: &StandardAllocation,
    ) -> DdiResult<Handle> {
        assert_eq!((device, allocation.object), (Handle(0xd1), 0x4000_0040));
        self.called("open allocation".to_owned())?;
        Ok(Handle(0xd5))
    }

    fn close_allocation(
        &self,
        _adapter: DeviceContext,
        device: Handle,
        _allocation: &Allocation,
        opened: Handle,
    ) -> DdiResult<()> {
        assert_eq!((device, opened), (Handle(0xd1), Handle(0xd5)));
        let views = self.sysmm.platform().driver.views.lock().expect("unpoisoned");
        *self.video().views_at_close.lock().expect("unpoisoned") = views.keys().copied().collect();
        drop(views);
        self.called("close allocation".to_owned())
    }

    fn private_data(&self, bytes: u32) -> DdiResult<Pointer> {
        assert_eq!(bytes, 128);
        Ok(PRIVATE)
    }

    fn build_paging_buffer(&self, _adapter: DeviceContext, args: &mut ArgBuildPagingBuffer) -> DdiResult<()> {
        assert_eq!((args.system_context, args.dma_buffer_private_data), (Handle(0xd2), PRIVATE));
        let operation = args.parameters().expect("a known operation");
        let (name, of) = match operation {
            PagingParameters::MapApertureSegment(map) => ("map", map.allocation),
            PagingParameters::MapApertureSegment2(map) => ("map2", map.allocation),
            PagingParameters::UnmapApertureSegment(unmap) => ("unmap", unmap.allocation),
            PagingParameters::Fill(fill) => ("fill", fill.allocation),
            PagingParameters::Transfer(transfer) if transfer.source.segment_id == 0 => {
                ("in", transfer.allocation)
            }
            PagingParameters::Transfer(transfer) => ("out", transfer.allocation),
        };
        let of = if of.is_null() { "buffer" } else { "allocation" };
        self.note(operation);
        self.called(format!("build {name} {of}"))?;
        let mut pass = self.video().pass.lock().expect("unpoisoned");
        if *pass < self.video().passes {
            *pass += 1;
            args.multipass_offset += 1;
            args.dma_buffer.0 += COMMAND;
            return Err(DdiError::Failed(NtStatus::GRAPHICS_INSUFFICIENT_DMA_BUFFER));
        }
        *pass = 0;
        drop(pass);
        if self.video().act(self, &operation) {
            args.dma_buffer.0 += COMMAND;
            args.dma_buffer_private_data.0 += 8;
        }
        Ok(())
    }

    fn submit_command(&self, _adapter: DeviceContext, args: &ArgSubmitCommand) -> DdiResult<()> {
        assert_eq!(args.flags, SubmitCommandFlags::PAGING);
        assert_eq!(u64::from(args.dma_buffer_submission_end_offset), COMMAND);
        let mapped = args.dma_buffer_segment_id != 0;
        let place =
            if mapped { format!("at {:#x}", args.dma_buffer_physical_address) } else { "in RAM".to_owned() };
        self.called(format!("submit {} {place}", args.submission_fence_id))
    }

    fn wait_for_fence(&self, _adapter: DeviceContext, node: u32, fence: u32) -> DdiResult<FenceOutcome> {
        assert_eq!(node, 0);
        self.called(format!("fence {fence}"))?;
        Ok(self.video().fence)
    }
}
