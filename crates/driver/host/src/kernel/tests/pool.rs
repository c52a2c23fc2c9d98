use dxgk_event::{Event, MisuseKind, ObjectKind, ObjectStep};

use super::*;
use crate::kernel::pool::{FREED, SMALL_LIMIT, UNINITIALIZED};

const TAG: u64 = 0x3174_7354;
const NON_PAGED: u64 = 0x40;

fn pool_objects(bench: &Bench) -> Vec<dxgk_event::Object> {
    let objects = bench.events().into_iter().filter_map(|event| match event {
        Event::Object(object) if object.kind == ObjectKind::Pool => Some(object),
        _ => None,
    });
    objects.collect()
}

#[test]
fn blocks_are_zeroed_aligned_and_within_a_page_as_windows_promises() {
    let bench = Bench::new();
    let mut seen: Vec<(u64, u64)> = Vec::new();
    for bytes in [1, 15, 16, 17, 96, 100, 480, 1000, SMALL_LIMIT, SMALL_LIMIT + 1, 4095, 4096, 4097, 65536] {
        let va = bench.call("ExAllocatePool2", &[NON_PAGED, bytes, TAG]);
        assert_ne!(va, 0, "{bytes}");
        assert_eq!(va % 16, 0);
        if bytes >= PAGE_SIZE {
            assert_eq!(va % PAGE_SIZE, 0, "{bytes}");
        } else {
            assert_eq!(va / PAGE_SIZE, (va + bytes - 1) / PAGE_SIZE, "{bytes} crosses a page");
        }
        assert_eq!(memory::first_other(va, bytes, 0), Ok(None), "{bytes} is zeroed");
        assert!(seen.iter().all(|(other, length)| va + bytes <= *other || other + length <= va));
        memory::fill(va, bytes, 0x5a).unwrap();
        seen.push((va, bytes));
    }
    for (va, bytes) in &seen {
        assert_eq!(memory::first_other(*va, *bytes, 0x5a), Ok(None), "nobody else wrote here");
        bench.call("ExFreePoolWithTag", &[*va, TAG]);
    }
    let objects = pool_objects(&bench);
    let made = objects.iter().filter(|object| object.step == ObjectStep::Created).count();
    assert_eq!((made, objects.len() - made), (seen.len(), seen.len()));
}

#[test]
fn cache_aligned_blocks_are_and_uninitialized_ones_are_filled() {
    let bench = Bench::new();
    let va = bench.call("ExAllocatePool2", &[NON_PAGED | 0x8 | 0x2, 100, TAG]);
    assert_eq!(va % 64, 0);
    assert_eq!(memory::first_other(va, 100, UNINITIALIZED), Ok(None));
    let old = bench.call("ExAllocatePoolWithTag", &[0x200, 24, TAG]);
    assert_eq!(memory::first_other(old, 24, UNINITIALIZED), Ok(None));
}

#[test]
fn wrong_flags_fail_and_optional_ones_do_not() {
    let bench = Bench::new();
    for flags in [0, 0x40 | 0x100, 0x40 | 0x80, 0x40 | 0x400, 0x40 | 0x10] {
        assert_eq!(bench.call("ExAllocatePool2", &[flags, 8, TAG]), 0, "{flags:#x}");
    }
    assert_ne!(bench.call("ExAllocatePool2", &[0x100 | 1 << 32, 8, TAG]), 0);
}

#[test]
fn memory_runs_out_with_null_and_comes_back() {
    let bench = Bench::new();
    let before = bench.pages.left();
    assert_eq!(bench.call("ExAllocatePool2", &[NON_PAGED, FRAMES * PAGE_SIZE, TAG]), 0);
    assert_eq!(bench.pages.left(), before, "a failed allocation keeps nothing");
    assert_eq!(bench.call("ExAllocatePool2", &[NON_PAGED, u64::MAX, TAG]), 0);
    let va = bench.call("ExAllocatePool2", &[NON_PAGED, 100 * PAGE_SIZE, TAG]);
    assert_eq!(bench.pages.left(), before - 100);
    bench.call("ExFreePoolWithTag", &[va, TAG]);
    bench.kernel().check_freed_pool();
    assert_eq!(bench.pages.left(), before);
}

#[test]
fn a_freed_large_block_is_unreadable_at_once() {
    let bench = Bench::new();
    let va = bench.call("ExAllocatePool2", &[NON_PAGED, 8192, TAG]);
    memory::fill(va, 8192, 1).unwrap();
    bench.call("ExFreePoolWithTag", &[va, TAG]);
    assert!(memory::read_bytes(va, &mut [0]).is_err());
    assert_eq!(bench.status("MmIsAddressValid", &[va]) & 0xff, 0);
}

#[test]
fn the_page_behind_a_large_block_is_unreadable() {
    let bench = Bench::new();
    let va = bench.call("ExAllocatePool2", &[NON_PAGED, 8192, TAG]);
    let more = bench.call("ExAllocatePool2", &[NON_PAGED, 8192, TAG]);
    assert!(memory::read_bytes(va + 8192, &mut [0]).is_err());
    assert_ne!(va + 8192, more);
}

#[test]
fn a_write_beyond_a_block_is_found_at_its_free() {
    for (bytes, offset) in [(24u64, 24i64), (24, -1), (100, 140), (5000, 5000), (8191, 8191)] {
        let bench = Bench::new();
        let va = bench.call("ExAllocatePool2", &[NON_PAGED, bytes, TAG]);
        let at = va.wrapping_add_signed(offset);
        memory::write(at, &0u8).unwrap();
        let (code, parameters) = bench.stops("ExFreePoolWithTag", &[va, TAG]);
        assert_eq!((code, parameters), (BugCheck::BAD_POOL_HEADER, [0x20, va, at, 0]), "{bytes} {offset}");
    }
}

#[test]
fn a_block_freed_twice_stops_with_c2_7() {
    let bench = Bench::new();
    let va = bench.call("ExAllocatePool2", &[NON_PAGED, 40, TAG]);
    bench.call("ExFreePool", &[va]);
    assert_eq!(memory::first_other(va, 40, FREED), Ok(None));
    assert_eq!(bench.stops("ExFreePool", &[va]), (BugCheck::BAD_POOL_CALLER, [7, 0, 0, va]));
}

#[test]
fn a_pointer_into_a_block_and_a_wrong_tag_stop_with_c2() {
    let bench = Bench::new();
    let va = bench.call("ExAllocatePool2", &[NON_PAGED, 40, TAG]);
    assert_eq!(bench.stops("ExFreePool", &[va + 16]), (BugCheck::BAD_POOL_CALLER, [0x46, va + 16, 0, 0]));
    drop(bench);
    let bench = Bench::new();
    let va = bench.call("ExAllocatePool2", &[NON_PAGED, 40, TAG]);
    let stopped = bench.stops("ExFreePoolWithTag", &[va, 0x1234_5678]);
    assert_eq!(stopped, (BugCheck::BAD_POOL_CALLER, [0xa, va, TAG, 0x1234_5678]));
}

#[test]
fn a_write_after_the_free_comes_to_light_with_its_block() {
    let bench = Bench::new();
    let va = bench.call("ExAllocatePool2", &[NON_PAGED, 40, TAG]);
    let object = pool_objects(&bench)[0].object;
    bench.call("ExFreePool", &[va]);
    memory::write(va + 8, &7u8).unwrap();
    bench.kernel().check_freed_pool();
    let misuse = bench.events().into_iter().find_map(|event| match event {
        Event::Misuse(misuse) => Some(misuse),
        _ => None,
    });
    let misuse = misuse.expect("a misuse");
    assert_eq!((misuse.va, misuse.object, misuse.offset), (va + 8, object, 8));
    assert_eq!(misuse.kind, MisuseKind::ViewAfterUnmap);
}

#[test]
fn the_slot_of_a_freed_block_is_not_used_again_soon() {
    let bench = Bench::new();
    let first = bench.call("ExAllocatePool2", &[NON_PAGED, 40, TAG]);
    bench.call("ExFreePool", &[first]);
    for _ in 0..200 {
        let va = bench.call("ExAllocatePool2", &[NON_PAGED, 40, TAG]);
        assert_ne!(va, first);
        bench.call("ExFreePool", &[va]);
    }
}

#[test]
fn the_event_of_a_block_names_its_frames() {
    let bench = Bench::with(true, Registry::default());
    let va = bench.call("ExAllocatePool2", &[NON_PAGED, 3 * PAGE_SIZE + 1, TAG]);
    let object = pool_objects(&bench)[0];
    assert_eq!((object.va, object.bytes), (va, 3 * PAGE_SIZE + 1));
    let runs = bench.list(object.pages);
    let frames: Vec<u64> = runs.chunks(2).flat_map(|run| run[0]..run[0] + run[1]).collect();
    assert_eq!(frames.len(), 4);
    for (page, frame) in frames.iter().enumerate() {
        let physical = bench.call("MmGetPhysicalAddress", &[va + page as u64 * PAGE_SIZE + 5]);
        assert_eq!(physical, frame * PAGE_SIZE + 5);
    }
}

#[test]
fn a_run_that_goes_on_records_each_misuse_and_frees_what_it_can() {
    let bench = Bench::new();
    bench.kernel().set_going_on(true);
    let va = bench.call("ExAllocatePool2", &[NON_PAGED, 40, TAG]);
    memory::write(va + 40, &0u8).unwrap();
    for _ in 0..2 {
        bench.call("ExFreePoolWithTag", &[va, TAG]);
    }
    bench.call("MmUnmapIoSpace", &[0x7000_0000_0000, 4096]);
    bench.call("IoFreeMdl", &[va]);
    let released = pool_objects(&bench).iter().filter(|object| object.step == ObjectStep::Released).count();
    assert_eq!(released, 1);
    let refused: Vec<(&str, u64, u64)> = bench
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Callback(call) if call.status != 0 => {
                Some((crate::kernel::table::name_of_slot(call.slot)?, call.words[0], call.words[1]))
            }
            _ => None,
        })
        .collect();
    let pool = "ExFreePoolWithTag";
    let expected =
        [(pool, 0x19, 0x20), (pool, 0xC2, 7), ("MmUnmapIoSpace", 0x1A, 0), ("IoFreeMdl", 0xC2, 0x46)];
    assert_eq!(refused, expected);
}

#[test]
fn random_allocations_never_overlap_keep_their_bytes_and_balance() {
    for seed in 1..=8u64 {
        let bench = Bench::with(seed % 2 == 0, Registry::default());
        let before = bench.pages.left();
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut next = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        let mut live: Vec<(u64, u64, u8)> = Vec::new();
        for step in 0..600u64 {
            if live.len() < 40 && next(3) != 0 {
                let bytes = if next(4) == 0 { next(5 * PAGE_SIZE) } else { next(600) } + 1;
                let va = bench.call("ExAllocatePool2", &[NON_PAGED | (next(2) * 8), bytes, TAG]);
                assert!(live.iter().all(|(other, length, _)| va + bytes <= *other || other + length <= va));
                assert_eq!(memory::first_other(va, bytes, 0), Ok(None));
                memory::fill(va, bytes, step as u8).unwrap();
                live.push((va, bytes, step as u8));
            } else if !live.is_empty() {
                let (va, bytes, byte) = live.swap_remove(next(live.len() as u64) as usize);
                assert_eq!(memory::first_other(va, bytes, byte), Ok(None), "seed {seed} step {step}");
                bench.call("ExFreePoolWithTag", &[va, TAG]);
            }
        }
        for (va, bytes, byte) in live {
            assert_eq!(memory::first_other(va, bytes, byte), Ok(None));
            bench.call("ExFreePoolWithTag", &[va, TAG]);
        }
        bench.kernel().check_freed_pool();
        assert!(!bench.events().iter().any(|event| matches!(event, Event::Misuse(_))));
        // Pages of small blocks stay with the pool; as many as its sizes can need at once.
        let kept = before - bench.pages.left();
        assert!(kept <= 60, "seed {seed} keeps {kept} pages");
    }
}

#[test]
fn the_quarantine_is_bounded_and_lets_the_oldest_go_first() {
    let bench = Bench::new();
    let oldest = bench.call("ExAllocatePool2", &[NON_PAGED, 40, TAG]);
    let before = bench.pages.left();
    bench.call("ExFreePool", &[oldest]);
    memory::write(oldest, &7u8).unwrap();
    for _ in 0..4 {
        assert!(!bench.events().iter().any(|event| matches!(event, Event::Misuse(_))), "it still waits");
        let va = bench.call("ExAllocatePool2", &[NON_PAGED, 1 << 20, TAG]);
        bench.call("ExFreePool", &[va]);
    }
    assert!(bench.events().iter().any(|event| matches!(event, Event::Misuse(_))), "it has left");
    assert_eq!(bench.pages.left(), before - 4 * 256, "the others still wait");
}
