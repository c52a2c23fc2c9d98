//! Streams that no writer of ours makes, and long ones.

mod stream;

use dxgk_event::{
    Event, EventId, FaultReason, ListRef, Mapping, MappingStep, ModeChoice, Object, ObjectKind, ObjectStep,
    Record,
};
use dxgk_verify::{Lists, Verifier};
use proptest::prelude::*;
use stream::{ADAPTER, Run};
use zerocopy::FromBytes;

/// Gives any list at all, of up to `limit` words.
struct AnyLists {
    words: Vec<u64>,
}

impl Lists for AnyLists {
    fn get(&self, list: ListRef) -> Option<Vec<u64>> {
        let first = list.first as usize % self.words.len().max(1);
        let words = self.words.get(first..)?;
        Some(words.iter().copied().take(list.count as usize).collect())
    }
}

/// Few numbers, so that events meet each other; and the ends of the range, where arithmetic wraps.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0..6u64,
        2 => (0..6u64).prop_map(|page| page << 12),
        1 => Just(u64::MAX),
        1 => (0..0x3000u64).prop_map(|back| u64::MAX - back),
        1 => Just(1 << 52),
        1 => (0..3u64).prop_map(|back| (1 << 52) - back),
        1 => any::<u64>(),
    ]
}

/// A payload of words from [`number`] under any tag, decoded as the reader does.
fn record() -> impl Strategy<Value = Vec<u8>> {
    let tag =
        prop_oneof![Just(6u16), Just(7), Just(8), Just(8), Just(9), Just(9), Just(13), Just(13), 1..21u16];
    (tag, prop::collection::vec(number(), 16), prop::collection::vec(0..4u8, 80), any::<bool>(), 0..70usize)
        .prop_map(|(tag, words, small, zeroed, from)| {
            let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            bytes[40..42].copy_from_slice(&tag.to_le_bytes());
            bytes[42..48].fill(0);
            // Enumerations stand behind the words.
            let tail = 48 + from.clamp(40, 70);
            bytes[tail..128].copy_from_slice(&small[..128 - tail]);
            if zeroed {
                bytes[110..128].fill(1);
            }
            bytes
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_stream_stops_the_verifier(
        records in prop::collection::vec(record(), 1..400),
        words in prop::collection::vec(number(), 1..64),
    ) {
        let lists = AnyLists { words };
        let mut verifier = Verifier::new();
        let mut events = 0;
        for bytes in &records {
            let record = Record::read_from_bytes(bytes).expect("128 bytes");
            if let Ok(event) = record.decode() {
                events += 1;
                verifier.feed(EventId(events), &record, &event, &lists);
            }
        }
        // A call may break three rules at its entry.
        prop_assert!(verifier.findings().len() <= 3 * records.len());
    }

    #[test]
    fn no_sequence_of_sane_events_with_odd_arguments_stops_the_verifier(
        steps in prop::collection::vec((0..8u8, 1..6u64, number(), number(), any::<bool>()), 1..300),
        mode in prop_oneof![Just(ModeChoice::Isolation), Just(ModeChoice::Remapping)],
    ) {
        let mut run = Run::new(mode);
        let mut transfers = 0;
        for (what, object, a, b, flag) in steps {
            match what {
                0 | 1 => {
                    let pages = run.list(&[a, b, b, a]);
                    let kind = if flag { ObjectKind::PhysicalMemory } else { ObjectKind::KernelView };
                    let step = if what == 0 { ObjectStep::Created } else { ObjectStep::Released };
                    run.emit(Event::Object(forged(object, a % 7, kind, step, pages, a, b)));
                }
                2..5 => {
                    let frames = run.list(&[a, b, b, 3]);
                    let step =
                        [MappingStep::Mapped, MappingStep::Unmapped, MappingStep::Invalidated][usize::from(what) - 2];
                    run.emit(Event::Mapping(mapping(object, a, b, frames, step, flag)));
                }
                5 => run.remove_device(),
                _ => {
                    transfers += 1;
                    let fault = flag.then_some(FaultReason::NotPresent);
                    run.transfer(object, a, b, if flag { a } else { b }, fault);
                }
            }
        }
        let dma = run.verifier.findings().iter().filter(|it| it.rule.id.starts_with("DMA")).map(|it| it.count).sum::<u64>();
        prop_assert!(dma <= transfers, "one transfer is one finding at most");
    }
}

fn forged(
    object: u64,
    parent: u64,
    kind: ObjectKind,
    step: ObjectStep,
    pages: ListRef,
    va: u64,
    bytes: u64,
) -> Object {
    Object {
        object,
        handle: va,
        parent,
        bytes,
        va,
        logical_page: 0,
        pages,
        adapter: ADAPTER,
        kind,
        step,
        cache: 0,
        flags: 0,
    }
}

fn mapping(
    object: u64,
    first: u64,
    pages: u64,
    frames: ListRef,
    step: MappingStep,
    identity: bool,
) -> Mapping {
    Mapping {
        object,
        logical_page: first,
        pages,
        frames,
        domain: 1,
        logical_adapter: 0,
        step,
        access: 3,
        identity: identity.into(),
        reserved: [0; 5],
    }
}

#[test]
fn a_circle_of_parents_ends() {
    let mut run = Run::new(ModeChoice::Isolation);
    for (object, parent) in [(1, 2), (2, 3), (3, 1), (4, 4), (5, 1)] {
        let none = ListRef::default();
        run.emit(Event::Object(forged(
            object,
            parent,
            ObjectKind::Adl,
            ObjectStep::Created,
            none,
            object,
            1,
        )));
    }
    run.remove_device();
    run.unload();
    assert!(run.found().len() <= 5);
}

#[test]
fn a_list_read_again_and_again_is_read_for_so_long_only() {
    struct Huge;
    impl Lists for Huge {
        fn get(&self, list: ListRef) -> Option<Vec<u64>> {
            // Single pages, none beside another.
            Some((0..u64::from(list.count)).map(|word| if word % 2 == 0 { word * 2 } else { 1 }).collect())
        }
    }
    let mut run = Run::new(ModeChoice::Isolation);
    let list = ListRef { first: 0, count: 1 << 24, digest: 0 };
    for number in 0..1000 {
        let event = Event::Mapping(mapping(number, number, 1 << 23, list, MappingStep::Mapped, true));
        let record = Record::new(dxgk_event::Stamp::default(), 0, &event);
        run.verifier.feed(EventId(100 + number), &record, &event, &Huge);
    }
    run.refused(0x40, 0x1_0000_0000_0000);
    assert_eq!(run.found(), [("DMA-001", 0x40)]);
    assert!(run.only().message.contains("as far as is known"), "{}", run.only().message);
}

#[test]
fn findings_are_bounded_and_those_beyond_are_counted() {
    let mut run = Run::new(ModeChoice::Remapping);
    for offset in 1..6000 {
        run.refused(offset, 0x7777_7000);
    }
    assert_eq!(run.verifier.findings().len() as u64 + run.verifier.findings_beyond(), 5999);
    assert!(run.verifier.findings_beyond() > 0);
}

#[test]
fn a_long_run_with_many_objects_and_transfers_is_no_problem() {
    let mut run = Run::new(ModeChoice::Remapping);
    let many = 100_000;
    let mut adls = Vec::new();
    for index in 0..many {
        let frames = [(0x10_0000 + index * 4, 2)];
        let adl = run.at(0x10).create(ObjectKind::Adl, 0x5000_0000_0000 + index * 64, 0, &frames);
        run.map(adl, Some(0x1000_0000 + index * 4), &frames);
        adls.push((adl, index));
    }
    for turn in 0..1_000_000 {
        let index = turn * 7 % many;
        run.transfer_of(0, (0x1000_0000 + index * 4) << 12, 0x2000, 0x2000, None);
    }
    for (adl, index) in adls {
        run.unmap(adl, Some(0x1000_0000 + index * 4), &[(0x10_0000 + index * 4, 2)], true);
        run.release(adl);
    }
    assert_eq!(run.found(), []);
    for turn in 0..100_000 {
        let index = turn * 7 % many;
        run.refused(0x40, (0x1000_0000 + index * 4) << 12);
    }
    assert!(run.verifier.findings().iter().all(|finding| finding.rule.id == "DMA-002"));
    run.remove_device();
}
