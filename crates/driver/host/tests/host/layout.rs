//! Address regions: fixed places, no early reuse, unreadable after release.

use dxgk_host::guarded;
use dxgk_host::layout::{
    HIGHEST_USER_ADDRESS, LayoutError, PAGE_SIZE, Protection, Purpose, Region, RunGuard, USER_PROBE_ADDRESS,
};

#[test]
fn regions_tell_user_from_kernel_addresses() {
    assert!(Purpose::UserViews.bounds().1 < USER_PROBE_ADDRESS);
    for purpose in [Purpose::Views, Purpose::Pool, Purpose::Images, Purpose::Stacks, Purpose::Registers] {
        assert!(purpose.bounds().0 > HIGHEST_USER_ADDRESS, "{purpose:?}");
    }
}

#[test]
fn two_runs_get_the_same_addresses() {
    let run = || {
        let guard = RunGuard::acquire();
        let mut region = Region::new(Purpose::Views, &guard);
        [3, 1, 0x20_0000].map(|bytes| region.reserve(bytes, 0x1_0000).expect("addresses").address())
    };
    let first = run();
    assert_eq!(first[0], Purpose::Views.bounds().0);
    assert!(first.iter().all(|address| address.is_multiple_of(0x1_0000)));
    assert_eq!(first, run());
}

#[test]
fn released_addresses_stay_unreadable_and_are_not_given_again() {
    let guard = RunGuard::acquire();
    let mut region = Region::new(Purpose::Views, &guard);
    let first = region.reserve(2 * PAGE_SIZE, 0).expect("addresses");
    assert!(guarded::write(first.address(), &[1]).is_err(), "reserved addresses are readable");
    first.commit(0, PAGE_SIZE, Protection::ReadWrite).expect("a page");
    assert_eq!(guarded::write(first.address(), &[1]), Ok(()));
    assert!(guarded::write(first.address() + PAGE_SIZE, &[1]).is_err());
    region.release(first).expect("released");
    assert!(guarded::read(first.address(), &mut [0]).is_err());
    assert!(region.release(first).is_err(), "released twice");
    let second = region.reserve(2 * PAGE_SIZE, 0).expect("addresses");
    assert!(second.address() > first.address() + first.bytes(), "no gap, or used again");
}

#[test]
fn parts_outside_of_a_reservation_are_refused() {
    let guard = RunGuard::acquire();
    let mut region = Region::new(Purpose::Pool, &guard);
    let range = region.reserve(2 * PAGE_SIZE, 0).expect("addresses");
    for (offset, bytes) in [
        (0, 3 * PAGE_SIZE),
        (PAGE_SIZE, 2 * PAGE_SIZE),
        (1, PAGE_SIZE),
        (0, 1),
        (0, 0),
        (u64::MAX - 4095, PAGE_SIZE),
    ] {
        let result = range.commit(offset, bytes, Protection::Read);
        assert!(matches!(result, Err(LayoutError::Outside { .. })), "{offset:#x} {bytes:#x}");
    }
    for bytes in [0, u64::MAX, 1 << 50] {
        assert!(region.reserve(bytes, 0).is_err(), "{bytes:#x}");
    }
    assert!(region.reserve(PAGE_SIZE, 3 * PAGE_SIZE).is_err());
}
