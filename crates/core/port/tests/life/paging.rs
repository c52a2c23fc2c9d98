//! Video memory: who is called when, what the device may reach meanwhile, and that nothing is left, whatever fails.

use std::sync::atomic::Ordering;

use dxgk_abi::NtStatus;
use dxgk_abi::allocation::AllocationFlags;
use dxgk_event::{Event, FailureKind};
use dxgk_port::mode::Asked;
use dxgk_port::vidmm::{Done, FenceOutcome};
use dxgk_port::{DdiError, LogicalAdapter};

use crate::rig::{FAILED, FULL, OLD, Rig};
use crate::video::{APERTURE, Video};

fn rig(asked: Asked, video: Video) -> Rig {
    let mut rig = Rig::new(FULL, asked);
    rig.driver.video = Some(video);
    rig
}

/// Started, and the journal forgotten.
fn started(rig: &Rig) -> LogicalAdapter {
    let mut logical = rig.added(1);
    assert_eq!(rig.port().start(&mut logical), Ok(()));
    rig.journal.take();
    logical
}

/// What the round left behind: of the driver's address space, of the memory manager's books, of the device's page table.
#[track_caller]
fn assert_nothing_left(rig: &Rig, why: &str) {
    let totals = rig.sysmm.statistics();
    assert_eq!(rig.machine.driver.left(), [0; 3], "{why}: MDLs, ADLs, views");
    assert_eq!(
        totals.page_mappings + totals.physical_objects + totals.adapter_objects,
        0,
        "{why}: {totals:?}"
    );
    assert_eq!((totals.adls, totals.views, totals.mapped_pages), (0, 0, 0), "{why}: {totals:?}");
    assert_eq!(totals.pages.driver, 0, "{why}: {totals:?}");
}

fn error(status: NtStatus) -> Result<Done, DdiError> {
    Err(DdiError::Failed(status))
}

const BEFORE: [&str; 3] = ["segments 0", "create device", "create context"];
const ALLOCATION: [&str; 3] = ["describe allocation", "create allocation", "open allocation"];
const AFTER: [&str; 2] = ["close allocation", "destroy allocation"];
const END: [&str; 2] = ["destroy context", "destroy device"];

#[test]
fn contents_go_to_a_memory_segment_and_come_back() {
    let rig = rig(Asked::Off, Video::default());
    let logical = started(&rig);
    let done = rig.port().page(&logical);
    assert_eq!(done, Ok(Done { aperture_pages: 1, submissions: 3, moved_bytes: 3 * 4096 }));
    let work = [
        "build fill allocation",
        "submit 1 at 0x100000000",
        "fence 1",
        "build in allocation",
        "submit 2 at 0x100000000",
        "fence 2",
        "build out allocation",
        "submit 3 at 0x100000000",
        "fence 3",
    ];
    let expected =
        [BEFORE.as_slice(), &["build map buffer"], &ALLOCATION, &work, &AFTER, &["build unmap buffer"], &END];
    assert_eq!(rig.journal.take(), expected.concat());
    assert_nothing_left(&rig, "a whole round");
    // A fence that was waited for once is never submitted again.
    assert_eq!(rig.port().page(&logical), done);
    assert!(rig.journal.take().contains(&"fence 6".to_owned()));
}

/// Shows S-ISO-25, S-ISO-27, S-APM-08, S-BPD-06.
#[test]
fn isolation_maps_pages_for_the_device_as_long_as_an_aperture_shows_them() {
    let video = Video { allocation_in: APERTURE, writes_always: true, ..Video::default() };
    let rig = rig(Asked::Isolation, video);
    let logical = started(&rig);
    assert_eq!(rig.port().page(&logical), Ok(Done { aperture_pages: 4, submissions: 4, moved_bytes: 0 }));
    let lines = rig.journal.take();
    let at =
        |line: &str| lines.iter().position(|it| it == line).unwrap_or_else(|| panic!("{line}: {lines:?}"));
    // How many pages the device may reach at each line.
    let mut reach = 0i64;
    let reached: Vec<i64> = lines
        .iter()
        .map(|line| {
            let pages = |prefix| line.strip_prefix(prefix).and_then(|pages| pages.parse::<i64>().ok());
            reach += pages("map ").unwrap_or(0) - pages("unmap ").unwrap_or(0);
            reach
        })
        .collect();
    // The dummy page and the paging buffer; the three pages of the allocation between its map and its unmap too.
    assert_eq!(reached[at("build map buffer")], 2);
    assert_eq!(reached[at("build map allocation")], 5);
    assert_eq!(reached[at("build unmap allocation")], 5);
    assert_eq!(reached[at("fence 3")], 5, "until the device has done it");
    assert_eq!(reached[at("build unmap buffer")], 2);
    assert_eq!(reached.last(), Some(&0));
    assert_nothing_left(&rig, "isolation");
}

/// Shows S-BPO-02.
#[test]
fn the_page_table_holds_the_pages_of_the_mdl_and_nothing_after_the_round() {
    let rig =
        rig(Asked::Off, Video { allocation_in: APERTURE, fence: FenceOutcome::TimedOut, ..Video::default() });
    let logical = started(&rig);
    assert_eq!(rig.port().page(&logical).map(|done| done.aperture_pages), Ok(4), "no command, no fence");
    let table = &rig.driver.video.as_ref().expect("video").table;
    assert!(table.lock().expect("unpoisoned").is_empty());
}

/// Shows S-RMP-26, S-RMP-27, S-RMP-38, S-RMP-39, S-RMP-41, S-BPO-03, S-AIF-04.
#[test]
fn remapping_maps_by_address_descriptor_list_and_fills_only() {
    for (flags, line) in [
        (AllocationFlags::ACCESSED_PHYSICALLY, true),
        (AllocationFlags::ACCESSED_PHYSICALLY | AllocationFlags::MAP_APERTURE_CPU_VISIBLE, true),
        // Moved to the implicit system memory segment: no map operation.
        (AllocationFlags(0), false),
    ] {
        let rig = rig(
            Asked::Remapping,
            Video { allocation_in: APERTURE, allocation_flags: flags, ..Video::default() },
        );
        let logical = started(&rig);
        let done = rig.port().page(&logical).expect("done");
        let lines = rig.journal.take();
        assert!(lines.contains(&"build map2 buffer".to_owned()), "{lines:?}");
        assert_eq!(lines.contains(&"build map2 allocation".to_owned()), line, "{lines:?}");
        assert_eq!(done.aperture_pages, if line { 4 } else { 1 });
        assert!(!lines.iter().any(|line| line.starts_with("build map ")), "no MDL in this mode: {lines:?}");
        assert_nothing_left(&rig, "remapping");
    }
    let rig = rig(Asked::Remapping, Video::default());
    let logical = started(&rig);
    assert_eq!(rig.port().page(&logical), Ok(Done { aperture_pages: 1, submissions: 1, moved_bytes: 0 }));
    let lines = rig.journal.take();
    assert!(
        !lines.iter().any(|line| line.starts_with("build in") || line.starts_with("build out")),
        "{lines:?}"
    );
}

#[test]
fn a_paging_buffer_in_system_memory_is_not_mapped() {
    let rig = rig(Asked::Off, Video { paging_buffer_in: 0, ..Video::default() });
    let logical = started(&rig);
    assert_eq!(rig.port().page(&logical).map(|done| done.aperture_pages), Ok(0));
    assert!(rig.journal.take().contains(&"submit 1 in RAM".to_owned()));
}

#[test]
fn a_buffer_that_is_too_small_is_submitted_and_given_again() {
    let rig = rig(Asked::Off, Video { paging_buffer_in: 0, passes: 2, ..Video::default() });
    let logical = started(&rig);
    assert_eq!(
        rig.port().page(&logical).map(|done| done.submissions),
        Ok(9),
        "three passes of three operations"
    );
    assert_nothing_left(&rig, "passes");
    let rig = self::rig(Asked::Off, Video { paging_buffer_in: 0, passes: u32::MAX, ..Video::default() });
    let logical = started(&rig);
    assert_eq!(rig.port().page(&logical), error(NtStatus::GRAPHICS_INSUFFICIENT_DMA_BUFFER), "not for ever");
    assert_nothing_left(&rig, "endless passes");
}

/// The lines of a whole round that are calls of the driver.
fn calls(asked: Asked, video: fn() -> Video) -> Vec<String> {
    let rig = rig(asked, video());
    let logical = started(&rig);
    assert!(rig.port().page(&logical).is_ok());
    let hardware = |line: &String| ["map ", "unmap "].iter().any(|prefix| line.starts_with(prefix));
    rig.journal.take().into_iter().filter(|line| !hardware(line)).collect()
}

const KINDS: [fn() -> Video; 2] = [Video::default, || Video {
    allocation_in: APERTURE,
    allocation_flags: AllocationFlags::ACCESSED_PHYSICALLY,
    writes_always: true,
    ..Video::default()
}];

#[test]
fn whatever_ddi_fails_nothing_is_left_and_what_was_made_is_unmade() {
    for asked in [Asked::Off, Asked::Isolation, Asked::Remapping] {
        for video in KINDS {
            for failing in calls(asked, video) {
                let rig = rig(asked, video()).driver_call(&failing, FAILED);
                let logical = started(&rig);
                assert_eq!(rig.port().page(&logical), Err(FAILED), "{asked:?} {failing}");
                assert_nothing_left(&rig, &failing);
                let lines = rig.journal.take();
                let made = |line: &str| lines.iter().filter(|it| *it == line && **it != failing).count();
                let called = |line: &str| lines.iter().filter(|it| *it == line).count();
                for what in ["device", "context", "allocation"] {
                    let (create, destroy) = (format!("create {what}"), format!("destroy {what}"));
                    assert_eq!(made(&create), called(&destroy), "{asked:?} {failing}: {lines:?}");
                }
                assert_eq!(made("open allocation"), called("close allocation"), "{failing}: {lines:?}");
                // The adapter's life goes on.
                assert_eq!(rig.port().work(&logical), Ok(()), "{failing}");
            }
        }
    }
}

#[test]
fn after_a_stop_no_driver_code_runs_and_our_memory_comes_back() {
    for asked in [Asked::Off, Asked::Isolation, Asked::Remapping] {
        for video in KINDS {
            for failing in calls(asked, video) {
                let rig = rig(asked, video());
                // The start asks some of the questions of a round, too.
                let logical = started(&rig);
                rig.driver.outcomes.lock().expect("unpoisoned").push((failing.clone(), DdiError::Stopped));
                assert_eq!(rig.port().page(&logical), Err(DdiError::Stopped), "{failing}");
                let lines = rig.journal.take();
                let driver = |line: &&String| !line.starts_with("map ") && !line.starts_with("unmap ");
                assert_eq!(lines.iter().rfind(driver), Some(&failing), "{lines:?}");
                assert_nothing_left(&rig, &failing);
            }
        }
    }
}

#[test]
fn memory_that_cannot_be_had_ends_the_round() {
    for asked in [Asked::Off, Asked::Isolation, Asked::Remapping] {
        let rig = rig(asked, Video::default());
        let logical = started(&rig);
        rig.machine.driver.full.store(true, Ordering::Relaxed);
        assert_eq!(rig.port().page(&logical), error(NtStatus::INSUFFICIENT_RESOURCES), "{asked:?}");
        rig.machine.driver.full.store(false, Ordering::Relaxed);
        assert_nothing_left(&rig, "no room for views");
    }
    let rig = rig(Asked::Isolation, Video::default()).hardware_fails("map");
    let logical = started(&rig);
    assert!(rig.port().page(&logical).is_err());
    assert_nothing_left(&rig, "no table page");
}

#[test]
fn fences_that_fail_and_contents_that_are_lost_are_told() {
    let cases = [
        (Video { fence: FenceOutcome::TimedOut, ..Video::default() }, NtStatus::IO_TIMEOUT, "not completed"),
        (
            Video { fence: FenceOutcome::Faulted, ..Video::default() },
            NtStatus::GRAPHICS_GPU_EXCEPTION_ON_DEVICE,
            "DMA_FAULTED",
        ),
        (
            Video { forgets: true, ..Video::default() },
            NtStatus::UNSUCCESSFUL,
            "did not come back from segment 2",
        ),
    ];
    for (video, status, words) in cases {
        let rig = rig(Asked::Off, video);
        let logical = started(&rig);
        assert_eq!(rig.port().page(&logical), error(status));
        assert_nothing_left(&rig, words);
        let events = rig.machine.events.0.lock().expect("unpoisoned");
        let told: Vec<&str> = events
            .iter()
            .filter_map(|event| match event {
                Event::Failure(failure) if failure.kind == FailureKind::Hang => Some(failure.text.as_str()),
                _ => None,
            })
            .collect();
        assert!(told.len() == 1 && told[0].contains(words), "{told:?}");
    }
}

/// Shows S-RMP-37, S-AIF-02.
#[test]
fn an_allocation_that_cannot_be_right_is_refused_and_destroyed() {
    let seen = AllocationFlags::MAP_APERTURE_CPU_VISIBLE;
    let cases = [
        (Video { allocation_bytes: 0, ..Video::default() }, NtStatus::INVALID_PARAMETER),
        (Video { allocation_bytes: u64::MAX, ..Video::default() }, NtStatus::GRAPHICS_NO_VIDEO_MEMORY),
        // Larger than its segment.
        (Video { allocation_bytes: 65 * 4096, ..Video::default() }, NtStatus::GRAPHICS_NO_VIDEO_MEMORY),
        (Video { allocation_flags: seen, ..Video::default() }, NtStatus::INVALID_PARAMETER),
    ];
    for (video, status) in cases {
        let mut rig = Rig::new(OLD, Asked::Off);
        rig.driver.video = Some(video);
        let logical = started(&rig);
        assert_eq!(rig.port().page(&logical), error(status));
        assert!(rig.journal.take().contains(&"destroy allocation".to_owned()));
        assert_nothing_left(&rig, "refused");
    }
}

#[test]
fn an_allocation_that_lies_in_no_segment_stays_in_system_memory() {
    let rig = rig(Asked::Off, Video { allocation_in: 0, ..Video::default() });
    let logical = started(&rig);
    assert_eq!(rig.port().page(&logical), Ok(Done { aperture_pages: 1, ..Done::default() }));
}

/// Shows S-RMP-32.
#[test]
fn a_driver_forced_into_remapping_that_cannot_map_by_list_is_given_nothing() {
    let mut rig = Rig::new(OLD, Asked::Remapping).forced();
    rig.driver.video = Some(Video::default());
    let logical = started(&rig);
    assert_eq!(rig.port().page(&logical), Err(DdiError::Absent));
    assert_eq!(rig.journal.take(), Vec::<String>::new());
}

#[test]
fn a_driver_without_segments_has_whatever_other_work_there_is() {
    let absent = DdiError::Failed(NtStatus::NOT_SUPPORTED);
    let rig = rig(Asked::Off, Video::default()).driver_call("segments 0", absent);
    let logical = started(&rig);
    assert_eq!(rig.port().work(&logical), Ok(()));
    assert_eq!(rig.journal.take(), ["segments 0", "work 0"]);
}
