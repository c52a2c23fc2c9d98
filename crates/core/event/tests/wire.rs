//! Records survive the wire, and nothing else gets through.

use dxgk_event::{
    BadRecord, BugCheck, Event, ListRef, Log, Misuse, MisuseKind, Record, Stamp, StopCause, Text, digest,
};
use proptest::prelude::*;
use zerocopy::{FromBytes, IntoBytes};

#[test]
fn a_record_comes_back_as_it_was_sent() {
    let event = Event::BugCheck(BugCheck {
        parameters: [5, 1, 2, 3],
        registers: ListRef { first: 4, count: 18, digest: 99 },
        address: 0x7000,
        code: 0x1e4,
        cause: StopCause::Port,
        reserved: [0; 3],
    });
    let stamp = Stamp { boundary: 7, rip: 0x6000_0000_1234, thread: 1, ..Stamp::default() };
    let record = Record::new(stamp, 2, &event);
    let copy = Record::read_from_bytes(record.as_bytes()).expect("same size");
    assert_eq!(copy.decode(), Ok(event));
    assert_eq!((copy.stamp, copy.irql), (stamp, 2));
}

#[test]
fn an_enum_value_outside_its_range_is_refused() {
    let event = Event::Log(Log { text: Text::new("line"), more: 0 });
    let mut bytes = Record::new(Stamp::default(), 0, &event).as_bytes().to_vec();
    if let Some(tag) = bytes.get_mut(40) {
        *tag = 14; // a fault: its reason is an enum
    }
    if let Some(payload) = bytes.get_mut(48..) {
        payload.fill(0xff);
    }
    let forged = Record::read_from_bytes(&bytes).expect("same size");
    assert_eq!(forged.decode(), Err(BadRecord::BadPayload(14)));
}

#[test]
fn every_kind_of_misuse_survives_and_the_next_number_does_not() {
    let kinds = [
        MisuseKind::InterfaceOverRead,
        MisuseKind::ViewAfterUnmap,
        MisuseKind::OutsideView,
        MisuseKind::LevelTooHigh,
    ];
    for (number, kind) in kinds.into_iter().enumerate() {
        let event =
            Event::Misuse(Misuse { va: 0x8001, object: 0, offset: 2, kind, write: 0, reserved: [0; 6] });
        let record = Record::new(Stamp::default(), 2, &event);
        assert_eq!(record.decode(), Ok(event));
        assert_eq!(record.as_bytes().get(48 + 24), Some(&(number as u8)));
    }
    let mut bytes = Record::new(
        Stamp::default(),
        2,
        &Event::Misuse(Misuse {
            va: 0,
            object: 0,
            offset: 0,
            kind: MisuseKind::LevelTooHigh,
            write: 0,
            reserved: [0; 6],
        }),
    )
    .as_bytes()
    .to_vec();
    if let Some(kind) = bytes.get_mut(48 + 24) {
        *kind = 4;
    }
    let forged = Record::read_from_bytes(&bytes).expect("same size");
    assert_eq!(forged.decode(), Err(BadRecord::BadPayload(17)));
}

#[test]
fn text_is_cut_at_a_character_and_ends_at_bytes_that_are_no_text() {
    assert_eq!(Text::<5>::new("abc\u{e9}\u{e9}").as_str(), "abc\u{e9}");
    assert_eq!(Text::<8>::new("abc").as_str(), "abc");
}

#[test]
fn digests_tell_lists_apart() {
    assert_ne!(digest(&[1, 2]), digest(&[2, 1]));
    assert_ne!(digest(&[]), digest(&[0]));
}

proptest! {
    #[test]
    fn any_bytes_decode_or_are_refused_but_never_panic(bytes in prop::collection::vec(any::<u8>(), Record::BYTES)) {
        let record = Record::read_from_bytes(&bytes).expect("same size");
        if let Ok(event) = record.decode() {
            let again = Record::new(record.stamp, record.irql, &event);
            prop_assert_eq!(again.decode(), Ok(event));
        }
    }
}
