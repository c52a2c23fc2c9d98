//! What is told of an MDL survives the wire.

use dxgk_event::{BadRecord, Event, MdlMoment, MdlState, Record, Stamp};
use zerocopy::{FromBytes, IntoBytes};

const STATE: MdlState = MdlState {
    mdl: 0x1111_2222_3333_4444,
    handle: 5,
    pages_digest: u64::MAX,
    next: 0,
    start_va: 0x8000_0000_0000_1000,
    byte_count: 0x4000,
    byte_offset: 0x10,
    size: 48 + 4 * 8,
    flags: 0x4,
    moment: MdlMoment::Map,
    readable: 1,
    reserved: [0; 2],
};

#[test]
fn an_mdl_state_survives_the_wire_and_a_third_moment_does_not() {
    for moment in [MdlMoment::Map, MdlMoment::Unmap] {
        let event = Event::MdlState(MdlState { moment, ..STATE });
        assert_eq!(Record::new(Stamp::default(), 0, &event).decode(), Ok(event));
    }
    let mut bytes = Record::new(Stamp::default(), 0, &Event::MdlState(STATE)).as_bytes().to_vec();
    let at = 48 + core::mem::offset_of!(MdlState, moment);
    assert_eq!(bytes.get(at), Some(&0));
    if let Some(moment) = bytes.get_mut(at) {
        *moment = 2;
    }
    let forged = Record::read_from_bytes(&bytes).expect("same size");
    assert_eq!(forged.decode(), Err(BadRecord::BadPayload(20)));
}
