//! What was cached stays usable until an invalidation covers it, and exactly then is gone.

use dxgk_event::FaultReason;
use dxgk_hw::{LogicalAddr, MachineMemory, PhysAddr, RequesterId};
use dxgk_model::VtdConfig;

use crate::rig::{DEVICE, PS, R, RW, Rig, contexts, iotlb};

const AT: u64 = 0x12_3450_0000;

/// A rig in which `count` pages from [`AT`] were mapped, used and unmapped without an invalidation. Page n reads n.
fn stale(did: u16, count: u64) -> (Rig, u64) {
    let rig = Rig::new();
    let root = rig.attach(did);
    for page in 0..count {
        let frame = 0x1000 + page;
        rig.ram.write(PhysAddr::new(frame << 12), &page.to_le_bytes()).expect("RAM");
        rig.map(root, AT + (page << 12), frame, RW);
        assert_eq!(rig.load(AT + (page << 12)), Ok(page));
    }
    for page in 0..count {
        rig.map(root, AT + (page << 12), 0, 0);
    }
    (rig, root)
}

/// Which of the pages the device still reaches.
fn reachable(rig: &Rig, count: u64) -> Vec<u64> {
    (0..count).filter(|page| rig.load(AT + (page << 12)).is_ok()).collect()
}

#[test]
fn an_unmapped_page_stays_reachable_until_it_is_invalidated() {
    let (rig, _) = stale(3, 1);
    for _ in 0..10 {
        assert_eq!(rig.load(AT), Ok(0));
        assert_eq!(rig.store(AT, 0), Ok(()), "and writable");
    }
    rig.invalidate(&[iotlb(3, 3, AT, 0)]);
    assert!(rig.load(AT).is_err());
}

#[test]
fn a_changed_entry_keeps_its_old_frame_until_it_is_invalidated() {
    let rig = Rig::new();
    let root = rig.attach(3);
    rig.ram.write(PhysAddr::new(0x90_0000), &1u64.to_le_bytes()).expect("RAM");
    rig.ram.write(PhysAddr::new(0x91_0000), &2u64.to_le_bytes()).expect("RAM");
    rig.map(root, AT, 0x900, RW);
    assert_eq!(rig.load(AT), Ok(1));
    rig.map(root, AT, 0x910, RW);
    assert_eq!(rig.load(AT), Ok(1));
    rig.invalidate(&[iotlb(2, 3, 0, 0)]);
    assert_eq!(rig.load(AT), Ok(2));
}

#[test]
fn a_page_selective_invalidation_drops_exactly_its_aligned_range() {
    for mask in 0..=4u64 {
        for page in [0u64, 1, 5, 8, 15] {
            let (rig, _) = stale(3, 16);
            rig.invalidate(&[iotlb(3, 3, AT + (page << 12), mask)]);
            let first = page >> mask << mask;
            let expected: Vec<u64> = (0..16).filter(|p| !(first..first + (1 << mask)).contains(p)).collect();
            assert_eq!(reachable(&rig, 16), expected, "page {page}, mask {mask}");
        }
    }
}

#[test]
fn invalidations_of_another_domain_drop_nothing() {
    let (rig, _) = stale(3, 4);
    rig.invalidate(&[iotlb(3, 4, AT, 10), iotlb(2, 4, 0, 0), iotlb(2, 0, 0, 0)]);
    assert_eq!(reachable(&rig, 4), [0, 1, 2, 3]);
    rig.invalidate(&[iotlb(2, 3, 0, 0)]);
    assert_eq!(reachable(&rig, 4), [0u64; 0]);
}

#[test]
fn a_global_invalidation_drops_everything() {
    let (rig, _) = stale(3, 4);
    rig.invalidate(&[iotlb(1, 9, 0, 0)]);
    assert_eq!(reachable(&rig, 4), [0u64; 0]);
}

#[test]
fn a_wait_alone_and_a_context_invalidation_drop_no_translations() {
    let (rig, _) = stale(3, 4);
    rig.invalidate(&[]);
    rig.invalidate(&[contexts(1, 0, 0, 0)]);
    assert_eq!(reachable(&rig, 4), [0, 1, 2, 3]);
}

#[test]
fn invalidating_any_part_of_a_large_page_drops_it() {
    for (level, shift) in [(2u32, 21u32), (3, 30)] {
        let rig = Rig::new();
        let root = rig.attach(3);
        let at = 0x40_0000_0000u64;
        rig.put(root, 4, level, at, 0x4000_0000 | PS | RW);
        assert!(rig.load(at + 0x8000).is_ok());
        rig.put(root, 4, level, at, 0);
        assert!(rig.load(at + (1 << shift) - 8).is_ok(), "stale over its whole size");
        rig.invalidate(&[iotlb(3, 3, at + (1 << shift), 0), iotlb(3, 3, at - 0x1000, 0)]);
        assert!(rig.load(at).is_ok(), "the neighbours are not it");
        rig.invalidate(&[iotlb(3, 3, at + (1 << shift) - 0x1000, 0)]);
        assert!(rig.load(at).is_err());
    }
}

#[test]
fn a_full_set_replaces_its_oldest_entry_first() {
    let rig = Rig::with(VtdConfig { iotlb_sets: 1, iotlb_ways: 2, ..VtdConfig::default() });
    let root = rig.attach(3);
    for page in 0..3 {
        rig.map(root, AT + (page << 12), 0x1000 + page, RW);
        assert!(rig.load(AT + (page << 12)).is_ok());
    }
    for page in 0..3 {
        rig.map(root, AT + (page << 12), 0, 0);
    }
    assert_eq!(reachable(&rig, 3), [1, 2]);
}

#[test]
fn refused_requests_are_not_cached() {
    let rig = Rig::new();
    let root = rig.attach(3);
    rig.map(root, AT, 0, 0);
    assert!(rig.load(AT).is_err());
    rig.map(root, AT, 0x900, RW);
    assert!(rig.load(AT).is_ok(), "making an entry present needs no invalidation");
}

#[test]
fn a_cached_permission_refuses_and_says_that_it_was_cached() {
    let rig = Rig::new();
    let root = rig.attach(3);
    let table = rig.map(root, AT, 0x900, R);
    assert!(rig.load(AT).is_ok());
    rig.map(root, AT, 0x900, RW);
    assert!(rig.store(AT, 1).is_err());
    let fault = rig.events.faults()[0];
    assert_eq!(
        (fault.reason, fault.cached, fault.entry, fault.level),
        (FaultReason::NoWrite, 1, 0x90_0000 | R, 1)
    );
    assert_eq!(fault.entry_at, table << 12 | (AT >> 12 & 0x1ff) << 3);
    rig.invalidate(&[iotlb(3, 3, AT, 0)]);
    assert!(rig.store(AT, 1).is_ok());
}

/// A device moved from domain 3 to blocked, nothing invalidated: still in its old domain.
/// Shows S-ISO-39, S-RMP-18, S-BEX-03.
#[test]
fn a_changed_context_entry_is_seen_only_after_an_invalidation_that_covers_it() {
    let source = DEVICE.0;
    let covering = [
        contexts(1, 0, 0, 0),
        contexts(2, 3, 0, 0),
        contexts(3, 3, source, 0),
        contexts(3, 3, source | 4, 1),
        contexts(3, 3, source | 6, 2),
        contexts(3, 3, source | 7, 3),
    ];
    let missing = [
        contexts(2, 4, 0, 0),
        contexts(3, 4, source, 0),
        contexts(3, 3, source ^ 8, 3),
        contexts(3, 3, source | 1, 1),
        contexts(3, 3, source | 2, 1),
        contexts(3, 3, source | 1, 2),
    ];
    for cover in covering {
        let rig = Rig::new();
        let root = rig.attach(3);
        rig.map(root, AT, 0x900, RW);
        rig.map(root, AT + 0x1000, 0x901, RW);
        assert!(rig.load(AT).is_ok());
        rig.context(0, 0);
        for miss in missing {
            rig.invalidate(&[miss]);
            assert!(rig.load(AT + 0x1000).is_ok(), "{miss:x?} does not cover it");
        }
        rig.invalidate(&[cover]);
        assert!(rig.load(AT).is_err(), "{cover:x?} covers it");
        assert_eq!(rig.events.faults()[0].reason, FaultReason::NoDevice);
    }
}

#[test]
fn domains_do_not_share_translations() {
    // One set, so that nothing but the tag tells them apart.
    let rig = Rig::with(VtdConfig { iotlb_sets: 1, ..VtdConfig::default() });
    let first = rig.attach(3);
    rig.map(first, AT, 0x900, RW);
    assert!(rig.load(AT).is_ok());
    // Another function in another domain, with nothing mapped.
    let other = RequesterId::new(0, 3, 1);
    let second = rig.frame();
    rig.set(rig.context_table(), usize::from(other.devfn()) * 2 + 1, 4 << 8 | 2);
    rig.set(rig.context_table(), usize::from(other.devfn()) * 2, second << 12 | 1);
    assert!(rig.machine.port(other).read(LogicalAddr::new(AT), &mut [0; 4], 0).is_err());
    // A third in the same domain as the first shares what is cached, as hardware does.
    let third = RequesterId::new(0, 3, 2);
    rig.map(first, AT, 0, 0);
    rig.set(rig.context_table(), usize::from(third.devfn()) * 2 + 1, 3 << 8 | 2);
    rig.set(rig.context_table(), usize::from(third.devfn()) * 2, first << 12 | 1);
    assert!(rig.machine.port(third).read(LogicalAddr::new(AT), &mut [0; 4], 0).is_ok());
}

/// A device that writes all the time, on another thread: once the invalidation has completed, not one more of its
/// writes may land, though it is told of nothing.
#[test]
fn after_a_completed_invalidation_no_write_lands_any_more() {
    for round in 0..200u64 {
        let rig = Rig::new();
        let root = rig.attach(3);
        rig.map(root, AT, 0x900, RW);
        let landed = || {
            let mut word = [0; 8];
            rig.ram.read(PhysAddr::new(0x90_0000), &mut word).expect("RAM");
            u64::from_le_bytes(word)
        };
        std::thread::scope(|scope| {
            let device = scope.spawn(|| {
                let mut value = 1;
                while rig.store(AT, value).is_ok() {
                    value += 1;
                }
            });
            while landed() < round % 20 + 1 {
                std::thread::yield_now();
            }
            rig.map(root, AT, 0, 0);
            rig.invalidate(&[iotlb(3, 3, AT, 0)]);
            let last = landed();
            device.join().expect("the device is refused in the end");
            assert_eq!(landed(), last);
        });
    }
}

#[test]
fn a_table_taken_out_of_the_tree_is_walked_until_an_invalidation_without_the_leaf_hint() {
    let rig = Rig::new();
    let root = rig.attach(5);
    let (old, new) = (rig.frame(), rig.frame());
    let table = rig.map(root, 0x1000, old, RW);
    rig.set(table, 2, old << 12 | RW);
    rig.load(0x1000).expect("mapped");
    // Another leaf table takes its place; 0x2000 has never been translated.
    rig.put(root, 4, 2, 0, 0);
    rig.put(root, 4, 1, 0x2000, new << 12 | RW);
    for frame in [old, new] {
        rig.set(frame, 0, frame);
    }
    assert_eq!(rig.load(0x2000), Ok(old), "the old table, from the paging-structure cache");
    let leaves_only = 1 << 6;
    rig.invalidate(&[iotlb(3, 5, 0x2000, leaves_only)]);
    assert_eq!(rig.load(0x2000), Ok(old), "the hint says that no upper level has changed");
    rig.invalidate(&[iotlb(3, 6, 0x2000, 0)]);
    rig.invalidate(&[iotlb(3, 5, 1 << 21, 0)]);
    assert_eq!(rig.load(0x2000), Ok(old), "another domain, another table");
    rig.invalidate(&[iotlb(3, 5, 0x2000, 0)]);
    assert_eq!(rig.load(0x2000), Ok(new));
}

#[test]
fn in_caching_mode_what_was_absent_stays_absent_until_it_is_invalidated() {
    let rig = Rig::with(VtdConfig { caching_mode: true, ..VtdConfig::default() });
    assert_eq!(rig.read64(0x08) >> 7 & 1, 1, "CAP_REG.CM");
    assert!(rig.load(0x1000).is_err());
    let root = rig.attach(5);
    rig.map(root, 0x1000, rig.frame(), RW);
    assert!(rig.load(0x1000).is_err(), "the absent context entry is cached");
    rig.invalidate(&[contexts(3, 0, DEVICE.0, 0)]);
    rig.load(0x1000).expect("mapped");
    assert!(rig.load(0x3000).is_err());
    rig.map(root, 0x3000, rig.frame(), RW);
    assert!(rig.load(0x3000).is_err(), "the absent page is cached");
    assert!(rig.events.faults().last().is_some_and(|fault| fault.cached == 1));
    rig.invalidate(&[iotlb(3, 5, 0x3000, 0)]);
    rig.load(0x3000).expect("mapped");
}
