//! One round of work for a full driver, each step inside the one before, so that whatever fails is undone in order.

use core::cell::Cell;

use dxgk_abi::allocation::{AllocationFlags, SharedPrimarySurfaceData};
use dxgk_abi::caps::{VidMmCapsFlags, VidSchCaps, WddmVersion};
use dxgk_abi::device::{CreateContextFlags, CreateDeviceFlags};
use dxgk_abi::display::{DdiFormat, Rational};
use dxgk_abi::paging::{
    Fill, MapApertureFlags, MapApertureSegment, MapApertureSegment2, PagingLocation, PagingParameters,
    Transfer, TransferFlags, UnmapApertureSegment,
};
use dxgk_abi::segment::SegmentFlags;
use dxgk_abi::{Handle, NtStatus, Pointer};
use dxgk_event::{EventSink, ModeChoice};
use dxgk_hw::PAGE_SIZE;
use dxgk_sysmm::{Platform, SysMm};

use super::SegmentQuery;
use super::aperture::SegmentPages;
use super::backing::{Backing, Described};
use super::ddi::{Allocation, VideoMemory};
use super::paging::{Buffer, Paging};
use super::segments::{Segment, Segments};
use crate::miniport::{DdiError, DdiResult, DeviceContext};

/// The surface that is asked for: small, so that a round costs little (our choice).
const SURFACE: SharedPrimarySurfaceData = SharedPrimarySurfaceData {
    width: 64,
    height: 64,
    format: DdiFormat::A8R8G8B8,
    refresh_rate: Rational { numerator: 60, denominator: 1 },
    vidpn_source_id: 0,
};
/// Bytes of an allocation at most (our choice).
const MOST_BYTES: u64 = 64 << 20;
/// What a page of the allocation is marked with, beside its number.
const MARK: u64 = 0x6478_676b_0000_0000;

/// What a driver said of itself in DRIVERCAPS, as far as VidMm needs it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Caps {
    pub(crate) memory: VidMmCapsFlags,
    pub(crate) paging_node: u32,
    pub(crate) scheduling: VidSchCaps,
    pub(crate) wddm: WddmVersion,
}

/// The adapter that pages.
#[derive(Clone, Copy)]
pub(crate) struct Adapter<'a> {
    pub(crate) ddis: &'a dyn VideoMemory,
    pub(crate) sink: &'a dyn EventSink,
    pub(crate) device: DeviceContext,
    pub(crate) handle: Handle,
    pub(crate) mode: ModeChoice,
    pub(crate) caps: Caps,
    pub(crate) fence: &'a Cell<u32>,
}

/// What a round did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Done {
    /// Pages that were mapped into aperture segments.
    pub aperture_pages: u64,
    /// Submissions that were completed.
    pub submissions: u32,
    /// Bytes moved into a memory segment and back; they were the same, or the round failed.
    pub moved_bytes: u64,
}

const NO_ROOM: DdiError = DdiError::Failed(NtStatus::GRAPHICS_NO_VIDEO_MEMORY);

/// The round. [`DdiError::Absent`] for a driver that answers no question about segments, and for one that was forced into
/// remapping mode without being able to map by address descriptor list.
///
/// # Errors
/// The first failure. Contents that did not come back as they went are STATUS_UNSUCCESSFUL, and told in the stream.
pub(crate) fn round<P: Platform>(adapter: &Adapter<'_>, sysmm: &SysMm<P>) -> DdiResult<Done> {
    let logical_pages = adapter.caps.memory.contains(VidMmCapsFlags::MAP_APERTURE2_SUPPORTED);
    if adapter.mode == ModeChoice::Remapping && !logical_pages {
        // Only a forced run gets here: such a driver cannot be told which pages its device must use.
        return Err(DdiError::Absent);
    }
    let segments = reported_segments(adapter.ddis, adapter.device, adapter.caps)?;
    let ddis = adapter.ddis;
    let device = ddis.create_device(adapter.device, CreateDeviceFlags::SYSTEM_DEVICE)?;
    let within = with_context(adapter, sysmm, &segments, device);
    undo(within, || ddis.destroy_device(adapter.device, device))
}

/// What the driver says of its segments. [`DdiError::Absent`] for one that answers no question about them.
///
/// # Errors
/// The driver's, or STATUS_INVALID_PARAMETER for an answer that cannot be right.
pub(crate) fn reported_segments(
    ddis: &dyn VideoMemory,
    device: DeviceContext,
    caps: Caps,
) -> DdiResult<Segments> {
    let query = SegmentQuery::of(caps.wddm);
    let answer = match ddis.query_segments(device, query) {
        Err(DdiError::Failed(NtStatus::NOT_SUPPORTED | NtStatus::NOT_IMPLEMENTED)) => {
            return Err(DdiError::Absent);
        }
        answer => answer?,
    };
    Segments::parse(query, &answer).ok_or(DdiError::Failed(NtStatus::INVALID_PARAMETER))
}

/// After `within`, whatever came of it, `undoing`: except that after a stop no driver code runs.
fn undo<T>(within: DdiResult<T>, undoing: impl FnOnce() -> DdiResult<()>) -> DdiResult<T> {
    if matches!(within, Err(DdiError::Stopped)) {
        return within;
    }
    match (within, undoing()) {
        (_, Err(DdiError::Stopped)) => Err(DdiError::Stopped),
        (Ok(_), Err(error)) => Err(error),
        (within, _) => within,
    }
}

/// The node that pages: node 0 unless the driver named another.
fn paging_node(caps: &Caps) -> u32 {
    if caps.memory.contains(VidMmCapsFlags::DEDICATED_PAGING_ENGINE) { caps.paging_node } else { 0 }
}

fn with_context<P: Platform>(
    adapter: &Adapter<'_>,
    sysmm: &SysMm<P>,
    segments: &Segments,
    device: Handle,
) -> DdiResult<Done> {
    let ddis = adapter.ddis;
    let node = paging_node(&adapter.caps);
    // "A driver that supports contexts sets MultiEngineAware"; the others know devices only.
    if !adapter.caps.scheduling.contains(VidSchCaps::MULTI_ENGINE_AWARE) {
        return with_buffer(adapter, sysmm, segments, device, Handle::NULL);
    }
    let (context, _) =
        ddis.create_context(adapter.device, device, node, CreateContextFlags::SYSTEM_CONTEXT)?;
    let within = with_buffer(adapter, sysmm, segments, device, context);
    undo(within, || ddis.destroy_context(adapter.device, context))
}

/// What a round has while it works.
struct Work<'a, 'b, P: Platform> {
    adapter: &'a Adapter<'b>,
    sysmm: &'a SysMm<P>,
    device: Handle,
    paging: Paging<'a>,
    buffer: Buffer,
    dummy: &'a Backing,
    done: Cell<Done>,
}

/// The dummy page and the paging buffer, the latter mapped where the driver wants it.
fn with_buffer<P: Platform>(
    adapter: &Adapter<'_>,
    sysmm: &SysMm<P>,
    segments: &Segments,
    device: Handle,
    context: Handle,
) -> DdiResult<Done> {
    let mode = adapter.mode;
    let aperture = segments.get(segments.paging_buffer_segment);
    if aperture.is_some_and(|segment| !segment.is_aperture()) {
        // A paging buffer in video memory would need a view of it; no driver is known that asks for one.
        return Err(DdiError::Failed(NtStatus::NOT_SUPPORTED));
    }
    let dummy = Backing::allocate(sysmm, adapter.handle, mode, PAGE_SIZE, true)?;
    let store = Backing::allocate(sysmm, adapter.handle, mode, segments.paging_buffer_bytes.into(), true);
    let result = store.and_then(|store| {
        let before = adapter.fence.get();
        let mut work = Work {
            adapter,
            sysmm,
            device,
            paging: Paging {
                ddis: adapter.ddis,
                sink: adapter.sink,
                adapter: adapter.device,
                system_context: context,
                node: paging_node(&adapter.caps),
                fence: adapter.fence,
            },
            buffer: Buffer {
                view: store.view(),
                bytes: segments.paging_buffer_bytes,
                private_bytes: segments.paging_buffer_private_bytes,
                segment: 0,
                address: store.device_address(),
            },
            dummy: &dummy,
            done: Cell::new(Done::default()),
        };
        let result = match aperture {
            None => work.with_allocation(segments, None),
            Some(segment) => work.with_mapped_buffer(segments, *segment, &store),
        };
        store.release(sysmm, adapter.handle);
        result.map(|()| Done { submissions: adapter.fence.get().wrapping_sub(before), ..work.done.get() })
    });
    dummy.release(sysmm, adapter.handle);
    result
}

/// An aperture's pages, of which the paging buffer may use some already.
type Used = Option<(u32, SegmentPages)>;

impl<P: Platform> Work<'_, '_, P> {
    fn with_mapped_buffer(
        &mut self,
        segments: &Segments,
        segment: Segment,
        store: &Backing,
    ) -> DdiResult<()> {
        let mut pages = SegmentPages::new(segment.pages());
        let first = pages.take(store.pages, 1).ok_or(NO_ROOM)?;
        self.map(&segment, first, store, Handle::NULL, Pointer::NULL, false)?;
        let (segment_before, address_before) = (self.buffer.segment, self.buffer.address);
        self.buffer.segment = segment.id;
        self.buffer.address = segment.base.wrapping_add(first.wrapping_mul(PAGE_SIZE));
        let within = self.with_allocation(segments, Some((segment.id, pages)));
        (self.buffer.segment, self.buffer.address) = (segment_before, address_before);
        undo(within, || self.unmap(&segment, first, store.pages, Handle::NULL))
    }

    fn with_allocation(&self, segments: &Segments, used: Used) -> DdiResult<()> {
        let (ddis, adapter) = (self.adapter.ddis, self.adapter.device);
        let data = ddis.standard_allocation(adapter, &SURFACE)?;
        let allocation = ddis.create_allocation(adapter, &data)?;
        let within = self.check(&allocation).and_then(|()| {
            let opened = ddis.open_allocation(adapter, self.device, &allocation, &data)?;
            let within = self.with_backing(segments, used, &allocation);
            undo(within, || ddis.close_allocation(adapter, self.device, &allocation, opened))
        });
        undo(within, || ddis.destroy_allocation(adapter, &allocation))
    }

    /// What the port refuses: an allocation without a size, or a larger one than is given here; "MapApertureCpuVisible without
    /// MapAperture2Supported makes allocation creation fail".
    fn check(&self, allocation: &Allocation) -> DdiResult<()> {
        let info = &allocation.info;
        let op17 = self.adapter.caps.memory.contains(VidMmCapsFlags::MAP_APERTURE2_SUPPORTED);
        let wrong = info.flags.contains(AllocationFlags::MAP_APERTURE_CPU_VISIBLE) && !op17;
        if info.size == 0 || wrong {
            return Err(DdiError::Failed(NtStatus::INVALID_PARAMETER));
        }
        if info.size > MOST_BYTES {
            return Err(NO_ROOM);
        }
        Ok(())
    }

    fn with_backing(&self, segments: &Segments, used: Used, allocation: &Allocation) -> DdiResult<()> {
        let Adapter { handle, mode, .. } = *self.adapter;
        let store = Backing::allocate(self.sysmm, handle, mode, allocation.info.size, false)?;
        let result = self.place(segments, used, allocation, &store);
        store.release(self.sysmm, handle);
        result
    }

    /// Puts the allocation into the segment that the driver prefers, and takes it out again.
    fn place(
        &self,
        segments: &Segments,
        used: Used,
        allocation: &Allocation,
        store: &Backing,
    ) -> DdiResult<()> {
        let info = &allocation.info;
        let allowed = info.supported_read_segment_set & info.supported_write_segment_set;
        let Some(segment) = choose(segments, info.preferred_segment, allowed) else {
            // No segment at all: the allocation stays in system memory.
            return Ok(());
        };
        let mut pages = match used {
            Some((id, pages)) if id == segment.id => pages,
            _ => SegmentPages::new(segment.pages()),
        };
        let align = u64::from(info.alignment).div_ceil(PAGE_SIZE);
        let first = pages.take(store.pages, align).ok_or(NO_ROOM)?;
        if segment.is_aperture() {
            self.show(&segment, first, allocation, store)
        } else {
            self.move_through(&segment, first, allocation, store)
        }
    }

    /// Maps the backing store into an aperture, and unmaps it.
    fn show(&self, segment: &Segment, first: u64, allocation: &Allocation, store: &Backing) -> DdiResult<()> {
        let flags = allocation.info.flags;
        let physically = flags.contains(AllocationFlags::ACCESSED_PHYSICALLY);
        if self.adapter.mode == ModeChoice::Remapping && !physically {
            // "An aperture allocation without AccessedPhysically moves to the implicit system memory segment."
            return Ok(());
        }
        let seen = flags.contains(AllocationFlags::MAP_APERTURE_CPU_VISIBLE) && physically;
        let view = if seen { store.view() } else { Pointer::NULL };
        let handle = allocation.info.allocation;
        let cached = flags.contains(AllocationFlags::CACHED);
        self.map(segment, first, store, handle, view, cached)?;
        self.unmap(segment, first, store.pages, handle)
    }

    /// `hDevice` stays null: a paging buffer has no owner, and a primary is mapped without one
    /// (DXGKARG_BUILDPAGINGBUFFER).
    fn map(
        &self,
        segment: &Segment,
        first: u64,
        store: &Backing,
        allocation: Handle,
        view: Pointer,
        cached: bool,
    ) -> DdiResult<()> {
        // "Set only for cacheable memory in a cache-coherent aperture."
        let coherent = cached && segment.flags.contains(SegmentFlags::CACHE_COHERENT);
        let flags = if coherent { MapApertureFlags::CACHE_COHERENT } else { MapApertureFlags(0) };
        let operation = match store.described() {
            Described::Mdl(mdl) => PagingParameters::MapApertureSegment(MapApertureSegment {
                allocation,
                segment_id: segment.id,
                offset_in_pages: first,
                number_of_pages: store.pages,
                mdl,
                flags,
                ..MapApertureSegment::default()
            }),
            Described::Adl(adl) => PagingParameters::MapApertureSegment2(MapApertureSegment2 {
                allocation,
                segment_id: segment.id,
                offset_in_pages: first,
                number_of_pages: store.pages,
                adl,
                flags,
                cpu_visible_address: view,
                ..MapApertureSegment2::default()
            }),
        };
        self.paging.run(&self.buffer, operation)?;
        self.count(|done| done.aperture_pages += store.pages);
        Ok(())
    }

    fn unmap(&self, segment: &Segment, first: u64, pages: u64, allocation: Handle) -> DdiResult<()> {
        let operation = PagingParameters::UnmapApertureSegment(UnmapApertureSegment {
            allocation,
            segment_id: segment.id,
            offset_in_pages: first,
            number_of_pages: pages,
            dummy_page: self.dummy.device_address(),
            ..UnmapApertureSegment::default()
        });
        self.paging.run(&self.buffer, operation)
    }

    /// Fills the allocation's place in a memory segment, moves its contents in and out again, and compares.
    ///
    /// In remapping mode only the fill: an MDL holds physical pages, and the device must not be told those (our choice).
    fn move_through(
        &self,
        segment: &Segment,
        first: u64,
        allocation: &Allocation,
        store: &Backing,
    ) -> DdiResult<()> {
        let handle = allocation.info.allocation;
        let address = segment.base.wrapping_add(first.wrapping_mul(PAGE_SIZE));
        let there = PagingLocation {
            segment_id: segment.id,
            segment_address_or_mdl: address,
            ..PagingLocation::default()
        };
        let fill = Fill {
            allocation: handle,
            fill_size: store.bytes(),
            fill_pattern: 0,
            destination: there,
            ..Fill::default()
        };
        self.paging.run(&self.buffer, PagingParameters::Fill(fill))?;
        let Described::Mdl(mdl) = store.described() else { return Ok(()) };
        let here = PagingLocation { segment_address_or_mdl: mdl.0, ..PagingLocation::default() };
        let transfer = |source, destination| {
            PagingParameters::Transfer(Transfer {
                allocation: handle,
                transfer_size: store.bytes(),
                source,
                destination,
                flags: TransferFlags::TRANSFER_START | TransferFlags::TRANSFER_END,
                ..Transfer::default()
            })
        };
        store.mark(self.sysmm, |page| MARK | page);
        self.paging.run(&self.buffer, transfer(here, there))?;
        store.mark(self.sysmm, |_| 0);
        self.paging.run(&self.buffer, transfer(there, here))?;
        if !store.is_marked(self.sysmm, |page| MARK | page) {
            self.paging.fail("the contents of an allocation did not come back from segment ", segment.id);
            return Err(DdiError::Failed(NtStatus::UNSUCCESSFUL));
        }
        self.count(|done| done.moved_bytes += store.bytes());
        Ok(())
    }

    fn count(&self, change: impl FnOnce(&mut Done)) {
        let mut done = self.done.get();
        change(&mut done);
        self.done.set(done);
    }
}

/// The first of the preferred segments that is allowed, else the first that is.
fn choose(segments: &Segments, preferred: u32, allowed: u32) -> Option<Segment> {
    // "DXGK_SEGMENTPREFERENCE": five times five bits for the segment and one for the direction.
    let wanted = (0..5).map(|place| preferred >> (place * 6) & 0x1f);
    let usable = |id: &u32| *id != 0 && allowed & 1u32.checked_shl(id - 1).unwrap_or(0) != 0;
    wanted.chain(1..=32).filter(usable).find_map(|id| segments.get(id).copied())
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn the_preferred_segment_is_taken_where_it_is_allowed() {
        let segment = |id| Segment { id, flags: SegmentFlags(0), base: 0, bytes: PAGE_SIZE, physical: 0 };
        let segments = Segments {
            list: vec![segment(1), segment(2), segment(3)],
            paging_buffer_segment: 0,
            paging_buffer_bytes: 4096,
            paging_buffer_private_bytes: 0,
        };
        let id = |preferred, allowed| choose(&segments, preferred, allowed).map(|it| it.id);
        assert_eq!(id(2, 0b111), Some(2));
        assert_eq!(id(2, 0b101), Some(1));
        assert_eq!(id(2 | 3 << 6, 0b101), Some(3));
        assert_eq!(id(0, 0b100), Some(3));
        assert_eq!(id(1, 0), None);
        assert_eq!(id(0, 0b1000), None, "no such segment");
    }
}
