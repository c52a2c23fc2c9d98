//! VidMm, as far as a driver without applications meets it: segments, one allocation with its backing store, and paging.
//!
//! Sources: the pages "DxgkDdiBuildPagingBuffer", "DXGKARG_BUILDPAGINGBUFFER", "DXGK_QUERYSEGMENTOUT4" and
//! "DXGK_ALLOCATIONINFO" of d3dkmddi.h; the topic "IOMMU DMA remapping" for aperture maps by address descriptor list.
//!
//! [`Port::page`](crate::Port::page) takes a started adapter through one round of work: the segments, a device, a context for paging, a
//! standard allocation, opened; the paging buffer, mapped where the driver wants it; the allocation's contents there and
//! back; and everything undone again. What was made is unmade in the opposite order, whichever call fails; after a stop of the
//! machine no driver code runs any more, and only our own memory is given back.

mod aperture;
mod backing;
mod ddi;
mod fences;
mod handles;
mod paging;
mod round;
mod segments;

pub use ddi::{Allocation, FenceOutcome, SegmentAnswer, SegmentQuery, StandardAllocation, VideoMemory};
pub use fences::Fences;
pub use handles::{AllocationHandles, DriverData};
pub use round::Done;
pub(crate) use round::{Adapter, Caps, reported_segments, round};
pub use segments::{Segment, Segments};
