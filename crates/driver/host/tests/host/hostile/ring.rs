//! A driver that writes the shared event ring itself: its reader calls it a forgery, or sees records, and neither waits for ever
//! nor dies.

use std::time::{Duration, Instant};

use dxgk_event::Record;
use dxgk_host::image::Image;
use dxgk_host::layout::{PAGE_SIZE, Protection, Purpose, Region, RunGuard};
use dxgk_host::{Processor, call_driver, thunk};
use dxgk_shm::{RingError, RingReader};

use super::code;
use crate::portable;

const RECORDS: u64 = 32;

fn nothing() -> u64 {
    0
}

thunk! {
    /// Does nothing.
    fn idles() -> u64 => nothing;
}

/// Reads as the parent does; the records that came, or the forgery.
fn read(reader: &mut RingReader) -> Result<usize, RingError> {
    let started = Instant::now();
    let mut records = 0;
    // A reader that cannot be led astray sees each slot once.
    for _ in 0..=RECORDS {
        match reader.next(Duration::from_millis(1))? {
            Some(_) => records += 1,
            None => break,
        }
    }
    assert!(started.elapsed() < Duration::from_secs(5), "the reader was made to wait");
    Ok(records)
}

#[test]
fn lies_in_every_word_of_the_ring_are_called_forged_or_read_as_records() {
    let guard = RunGuard::acquire();
    let mut images = Region::new(Purpose::Images, &guard);
    let mut pool = Region::new(Purpose::Pool, &guard);
    let processor = Processor::attach(&guard).expect("a processor");
    let sys = portable::driver(&code::text(), code::at("poke"), &[], &["Idle"]);
    let idle = idles as *const () as u64;
    let image = Image::load(&sys, "test.sys", &mut images, &mut |_, _| Some(idle)).expect("loads");
    let bytes = PAGE_SIZE + RECORDS * Record::BYTES as u64;
    let mut forged = 0;
    for value in [1, RECORDS, RECORDS + 1, 1 << 32, u64::MAX, 0xA5A5_A5A5_A5A5_A5A5] {
        let view = pool.reserve(bytes, 0).expect("addresses");
        for at in (0..64 * 8).chain(PAGE_SIZE..PAGE_SIZE + 256).step_by(8) {
            let mut reader = RingReader::create(RECORDS).expect("a ring");
            view.map_file(0, bytes, reader.fd(), 0, Protection::ReadWrite).expect("the ring");
            call_driver(image.entry(), &[view.address() + at, value]).returned().expect("returned");
            forged += usize::from(read(&mut reader).is_err());
        }
        // Everything at once.
        let mut reader = RingReader::create(RECORDS).expect("a ring");
        view.map_file(0, bytes, reader.fd(), 0, Protection::ReadWrite).expect("the ring");
        for at in (0..bytes).step_by(8) {
            call_driver(image.entry(), &[view.address() + at, value]).returned().expect("returned");
        }
        assert!(read(&mut reader).is_err(), "{value:#x}");
    }
    assert!(forged >= 6, "only {forged} were noticed");
    drop(processor);
}
