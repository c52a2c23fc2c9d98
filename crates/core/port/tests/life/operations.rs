//! What stands in the paging operations, member by member.

use dxgk_abi::allocation::AllocationFlags;
use dxgk_abi::paging::{
    MapApertureFlags, MapApertureSegment, MapApertureSegment2, PagingParameters, UnmapApertureSegment,
};
use dxgk_abi::{Handle, Pointer};
use dxgk_hw::ViewOwner;
use dxgk_port::mode::Asked;

use crate::platform::RAM_BYTES;
use crate::rig::{FULL, Rig};
use crate::video::{APERTURE, Seen, Video};

/// The handle that the driver gave its allocation.
const ALLOCATION: Handle = Handle(0xd3);
const PAGE: u64 = 4096;
/// Pages of the allocation.
const PAGES: u64 = 3;

const PHYSICALLY: AllocationFlags = AllocationFlags::ACCESSED_PHYSICALLY;

fn shown(flags: AllocationFlags) -> Video {
    Video { allocation_in: APERTURE, allocation_flags: flags, ..Video::default() }
}

/// A round, and its operations.
fn round(asked: Asked, video: Video) -> (Rig, Vec<Seen>) {
    let mut rig = Rig::new(FULL, asked);
    rig.driver.video = Some(video);
    let mut logical = rig.added(1);
    assert_eq!(rig.port().start(&mut logical), Ok(()));
    rig.journal.take();
    rig.port().page(&logical).expect("a round");
    let video = rig.driver.video.as_ref().expect("video");
    let seen = video.seen.lock().expect("unpoisoned").clone();
    (rig, seen)
}

fn maps(seen: &[Seen]) -> Vec<MapApertureSegment> {
    let map = |seen: &Seen| match seen.operation {
        PagingParameters::MapApertureSegment(map) => Some(map),
        _ => None,
    };
    seen.iter().filter_map(map).collect()
}

fn maps2(seen: &[Seen]) -> Vec<MapApertureSegment2> {
    let map = |seen: &Seen| match seen.operation {
        PagingParameters::MapApertureSegment2(map) => Some(map),
        _ => None,
    };
    seen.iter().filter_map(map).collect()
}

fn unmaps(seen: &[Seen]) -> Vec<UnmapApertureSegment> {
    let unmap = |seen: &Seen| match seen.operation {
        PagingParameters::UnmapApertureSegment(unmap) => Some(unmap),
        _ => None,
    };
    seen.iter().filter_map(unmap).collect()
}

/// Shows S-BPA-01, S-BPA-02, S-BPA-03, S-BPA-04, S-BPA-05, S-BPD-01, S-BPO-01, S-MAF-01.
#[test]
fn operation_5_maps_an_mdl_at_an_offset_for_the_primary_or_for_a_dma_buffer() {
    for asked in [Asked::Off, Asked::Isolation] {
        let (_, seen) = round(asked, shown(AllocationFlags(0)));
        let [buffer, allocation] = maps(&seen)[..] else { panic!("{seen:?}") };
        for map in [buffer, allocation] {
            assert_eq!((map.segment_id, map.device), (APERTURE, Handle::NULL), "a primary has no device");
            assert_eq!((map.flags, map.mdl_offset), (MapApertureFlags(0), 0));
            assert_ne!(map.mdl, Pointer::NULL);
        }
        assert_eq!((buffer.allocation, allocation.allocation), (Handle::NULL, ALLOCATION));
        assert_eq!((buffer.offset_in_pages, buffer.number_of_pages), (0, 1));
        assert_eq!((allocation.offset_in_pages, allocation.number_of_pages), (1, PAGES), "behind the buffer");
        assert_ne!(buffer.mdl, allocation.mdl);
        assert_eq!(maps2(&seen), [], "{asked:?}");
    }
}

/// Shows S-BPA-06, S-BPA-07, S-BPO-02.
#[test]
fn operation_6_takes_the_same_range_back_and_names_a_page_to_be_there_instead() {
    for asked in [Asked::Off, Asked::Isolation] {
        let (_, seen) = round(asked, shown(AllocationFlags(0)));
        let mapped: Vec<_> =
            maps(&seen).iter().map(|it| (it.allocation, it.offset_in_pages, it.number_of_pages)).collect();
        let unmaps = unmaps(&seen);
        let unmapped: Vec<_> =
            unmaps.iter().map(|it| (it.allocation, it.offset_in_pages, it.number_of_pages)).collect();
        assert_eq!(unmapped.iter().rev().copied().collect::<Vec<_>>(), mapped, "{asked:?}");
        for unmap in &unmaps {
            assert_eq!((unmap.segment_id, unmap.dummy_page % PAGE), (APERTURE, 0));
            assert!((PAGE..RAM_BYTES).contains(&unmap.dummy_page), "{:#x}", unmap.dummy_page);
        }
    }
}

/// Shows S-BPA-08, S-BPA-09, S-BPA-10, S-BPA-11, S-BPO-03, S-MAF-01, S-RMP-30.
#[test]
fn operation_17_says_of_a_list_what_operation_5_says_of_an_mdl() {
    let (_, with_list) = round(Asked::Remapping, shown(PHYSICALLY));
    let (_, with_mdl) = round(Asked::Off, shown(PHYSICALLY));
    assert_eq!(maps(&with_list), []);
    let two = maps2(&with_list);
    let one = maps(&with_mdl);
    assert_eq!((one.len(), two.len()), (2, 2));
    for (five, seventeen) in one.iter().zip(&two) {
        assert_eq!(
            (five.device, five.allocation, five.segment_id, five.offset_in_pages, five.number_of_pages),
            (
                seventeen.device,
                seventeen.allocation,
                seventeen.segment_id,
                seventeen.offset_in_pages,
                seventeen.number_of_pages
            )
        );
        assert_eq!((seventeen.flags, seventeen.adl_offset), (MapApertureFlags(0), 0));
        assert!(seventeen.adl.is_contiguous());
        assert_eq!(u64::from(seventeen.adl.page_count), seventeen.number_of_pages);
    }
    assert_eq!((two[0].allocation, two[1].allocation), (Handle::NULL, ALLOCATION));
}

/// Shows S-BPD-03.
#[test]
fn cached_memory_is_kept_coherent_only_by_an_aperture_that_can() {
    let cached = AllocationFlags::CACHED;
    for (flags, coherent, expected) in [
        (cached, true, MapApertureFlags::CACHE_COHERENT),
        (cached, false, MapApertureFlags(0)),
        (AllocationFlags(0), true, MapApertureFlags(0)),
        (AllocationFlags(0), false, MapApertureFlags(0)),
    ] {
        for asked in [Asked::Off, Asked::Remapping] {
            let (_, seen) = round(asked, Video { coherent, ..shown(flags | PHYSICALLY) });
            let told = match asked {
                Asked::Off => maps(&seen)[1].flags,
                _ => maps2(&seen)[1].flags,
            };
            assert_eq!(told, expected, "{asked:?} {flags:?} {coherent}");
        }
    }
}

/// Shows S-AIF-01, S-BPA-12, S-BPA-14, S-RMP-33, S-RMP-36, S-RMP-40.
#[test]
fn the_processor_sees_an_allocation_in_the_aperture_only_when_everything_asks_for_it() {
    let seen_by = AllocationFlags::MAP_APERTURE_CPU_VISIBLE;
    for (flags, visible) in [(PHYSICALLY, false), (PHYSICALLY | seen_by, true)] {
        let (_, seen) = round(Asked::Remapping, shown(flags));
        let two = maps2(&seen);
        assert_eq!(two[0].cpu_visible_address, Pointer::NULL, "the DMA buffer");
        assert_eq!(two[1].cpu_visible_address != Pointer::NULL, visible, "{flags:?}");
        let views = seen.iter().filter_map(|seen| seen.view.as_ref());
        for (frames, owner) in views.clone() {
            assert_eq!((frames.len() as u64, *owner), (PAGES, ViewOwner::Kernel));
        }
        assert_eq!(views.count(), usize::from(visible));
    }
    // Without AccessedPhysically it is not mapped at all, so there is no address either.
    assert_eq!(maps2(&round(Asked::Remapping, shown(seen_by)).1).len(), 1);
}

/// Shows S-RMP-35.
#[test]
fn the_processors_address_goes_right_after_the_unmap() {
    let video = shown(PHYSICALLY | AllocationFlags::MAP_APERTURE_CPU_VISIBLE);
    let (rig, seen) = round(Asked::Remapping, video);
    let address = maps2(&seen)[1].cpu_visible_address.0;
    let video = rig.driver.video.as_ref().expect("video");
    let at_close = video.views_at_close.lock().expect("unpoisoned");
    assert!(!at_close.contains(&address), "{address:#x} is still there: {at_close:#x?}");
    assert_eq!(at_close.len(), 2, "those of the dummy page and of the paging buffer");
}

/// Shows S-ISO-37.
#[test]
fn what_vidmm_maps_is_in_the_memory_managers_record() {
    for asked in [Asked::Isolation, Asked::Remapping] {
        let (rig, seen) = round(asked, shown(PHYSICALLY));
        // The dummy page and the paging buffer; the allocation between its map and its unmap too.
        let mapped: Vec<u64> = seen.iter().map(|seen| seen.mapped).collect();
        assert_eq!(mapped, [2, 3, 3, 2], "{asked:?}");
        let totals = rig.sysmm.statistics();
        assert_eq!(totals.page_mappings + totals.adls, 0, "{asked:?}");
    }
}

/// Shows S-ISO-26.
#[test]
fn a_backing_store_is_mapped_from_before_a_transfer_until_the_device_is_done() {
    let mut rig = Rig::new(FULL, Asked::Isolation);
    rig.driver.video = Some(Video::default());
    let mut logical = rig.added(1);
    assert_eq!(rig.port().start(&mut logical), Ok(()));
    rig.journal.take();
    assert!(rig.port().page(&logical).is_ok_and(|done| done.moved_bytes != 0));
    let mut reach = 0i64;
    let mut reached = Vec::new();
    for line in rig.journal.take() {
        let pages = |prefix| line.strip_prefix(prefix).and_then(|pages| pages.parse::<i64>().ok());
        reach += pages("map ").unwrap_or(0) - pages("unmap ").unwrap_or(0);
        if line.starts_with("build in") || line.starts_with("build out") || line.starts_with("fence") {
            reached.push((line, reach));
        }
    }
    // The dummy page, the paging buffer, and the store.
    let whole = 2 + PAGES as i64;
    assert_eq!(reached.len(), 5, "{reached:?}");
    assert!(reached.iter().all(|(_, pages)| *pages == whole), "{reached:?}");
}

/// Shows S-ISO-56.
#[test]
fn an_allocation_in_system_memory_needs_nothing_from_the_driver() {
    for asked in [Asked::Isolation, Asked::Remapping] {
        let (_, seen) = round(asked, Video { allocation_in: 0, ..Video::default() });
        let of_allocation = seen.iter().filter(|seen| match seen.operation {
            PagingParameters::MapApertureSegment(map) => !map.allocation.is_null(),
            PagingParameters::MapApertureSegment2(map) => !map.allocation.is_null(),
            PagingParameters::UnmapApertureSegment(unmap) => !unmap.allocation.is_null(),
            _ => true,
        });
        assert_eq!(of_allocation.count(), 0, "{asked:?}");
    }
}

/// Shows S-AIF-05.
#[test]
fn an_allocation_is_one_range_of_a_memory_segment_and_lies_scattered_in_system_memory() {
    let bytes = 40 * PAGE;
    let video = Video { allocation_flags: PHYSICALLY, allocation_bytes: bytes, ..Video::default() };
    let (_, seen) = round(Asked::Off, video);
    let transfers = seen.iter().filter_map(|seen| match seen.operation {
        PagingParameters::Transfer(transfer) => Some((transfer, &seen.source)),
        _ => None,
    });
    let [(inwards, frames), (outwards, _)] = transfers.collect::<Vec<_>>()[..] else { panic!("{seen:?}") };
    // One address and one length are all that is said of the segment.
    assert_eq!((inwards.transfer_size, inwards.destination), (bytes, outwards.source));
    assert!(frames.windows(2).any(|pair| pair[1] != pair[0] + 1), "{frames:?}");
}
