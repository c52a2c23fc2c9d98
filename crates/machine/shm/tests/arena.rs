//! The list arena.

use std::os::unix::fs::FileExt;

use dxgk_event::{ListRef, digest};
use dxgk_shm::{ARENA_BYTES, ArenaError, ArenaReader, ArenaWriter, MAX_LIST_WORDS};

fn pair(bytes: u64) -> (ArenaReader, ArenaWriter) {
    let reader = ArenaReader::create(bytes).expect("arena");
    let writer = ArenaWriter::from_fd(reader.fd().try_clone_to_owned().expect("a duplicate")).expect("arena");
    (reader, writer)
}

#[test]
fn lists_read_back_as_written_through_every_mapping() {
    let (reader, mut writer) = pair(ARENA_BYTES);
    let second = ArenaReader::from_fd(reader.fd().try_clone_to_owned().expect("a duplicate")).expect("arena");
    let lists: Vec<Vec<u64>> =
        (0..50u64).map(|n| (0..n * 3).map(|i| i.wrapping_mul(n) ^ u64::MAX).collect()).collect();
    let written: Vec<ListRef> =
        lists.iter().map(|list| writer.append(&mut list.iter().copied()).expect("room")).collect();
    for (list, place) in lists.iter().zip(written) {
        assert_eq!(reader.get(place).as_ref(), Ok(list));
        assert_eq!(second.get(place).as_ref(), Ok(list));
        if !list.is_empty() {
            assert_eq!(place.digest, digest(list));
        }
    }
}

#[test]
fn a_list_that_does_not_fit_takes_no_room() {
    let (reader, mut writer) = pair(4096);
    let first = writer.append(&mut (0..500)).expect("room");
    assert_eq!(writer.append(&mut (0..13)), None);
    let last = writer.append(&mut (0..12)).expect("exactly the room that is left");
    assert_eq!(writer.append(&mut [1].into_iter()), None);
    assert_eq!(writer.append(&mut std::iter::empty()), Some(ListRef::default()));
    assert_eq!(reader.get(first).map(|list| list.len()), Ok(500));
    assert_eq!(reader.get(last), Ok((0..12).collect()));
}

#[test]
fn forged_references_are_refused_without_reading_outside() {
    let (reader, mut writer) = pair(1 << 20);
    let good = writer.append(&mut [1, 2, 3].into_iter()).expect("room");
    let outside = ListRef { first: u32::MAX, ..good };
    assert_eq!(reader.get(outside), Err(ArenaError::Outside(outside)));
    let over_the_end = ListRef { first: (1 << 17) - 2, ..good };
    assert_eq!(reader.get(over_the_end), Err(ArenaError::Outside(over_the_end)));
    let huge = ListRef { count: u32::MAX, ..good };
    assert_eq!(reader.get(huge), Err(ArenaError::TooLong(huge)));
    let longest = ListRef { count: MAX_LIST_WORDS, ..good };
    assert_eq!(reader.get(longest), Err(ArenaError::Outside(longest)));
    let shorter = ListRef { count: 2, ..good };
    assert_eq!(reader.get(shorter), Err(ArenaError::Tampered(shorter)));
}

#[test]
fn a_list_changed_afterwards_is_noticed() {
    let (reader, mut writer) = pair(1 << 20);
    let list = writer.append(&mut [1, 2, 3].into_iter()).expect("room");
    let file = std::fs::File::from(reader.fd().try_clone_to_owned().expect("a duplicate"));
    file.write_all_at(&[9], 8).expect("write");
    assert_eq!(reader.get(list), Err(ArenaError::Tampered(list)));
}

#[test]
fn a_list_is_never_longer_than_the_longest() {
    let (_reader, mut writer) = pair(ARENA_BYTES);
    assert_eq!(writer.append(&mut (0..=u64::from(MAX_LIST_WORDS))), None);
    assert!(writer.append(&mut (0..10)).is_some_and(|list| list.first == 0));
}
