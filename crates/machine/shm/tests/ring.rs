//! The event ring, between threads and against lies.

use std::os::unix::fs::FileExt;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use dxgk_event::{Event, PhysicalQuery, Record, Stamp};
use dxgk_shm::{RingError, RingReader, RingWriter, ShmError};

const NO_WAIT: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_secs(20);

fn record(number: u64) -> Record {
    let event = Event::PhysicalQuery(PhysicalQuery { va: number, physical: !number });
    Record::new(Stamp { boundary: number, ..Stamp::default() }, 2, &event)
}

/// A writer through a mapping of its own, as another process would have.
fn other_mapping(reader: &RingReader) -> RingWriter {
    RingWriter::from_fd(reader.fd().try_clone_to_owned().expect("a duplicate")).expect("a ring")
}

/// Writes the published counter at word `index` of the header, as a hostile process could.
fn forge(reader: &RingReader, index: u64, value: u64) {
    let file = std::fs::File::from(reader.fd().try_clone_to_owned().expect("a duplicate"));
    file.write_all_at(&value.to_le_bytes(), index * 8).expect("the ring's file can be written");
}

#[test]
fn records_arrive_in_order_and_whole() {
    let mut reader = RingReader::create(32).expect("ring");
    let mut writer = other_mapping(&reader);
    assert!(reader.next(NO_WAIT) == Ok(None));
    for round in 0..100 {
        assert_eq!(writer.push(&record(round)), round + 1);
        let taken = reader.next(NO_WAIT).expect("honest").expect("there is one");
        assert!(taken == record(round));
        assert_eq!(taken.decode(), record(round).decode());
        assert!(reader.next(NO_WAIT) == Ok(None));
    }
}

#[test]
fn a_full_ring_blocks_the_writer_until_the_reader_takes_one() {
    let (pushed, progress) = mpsc::channel();
    let mut reader = RingReader::create(32).expect("ring");
    let mut writer = other_mapping(&reader);
    let writing = thread::spawn(move || {
        for number in 0..33 {
            pushed.send(writer.push(&record(number))).expect("the test listens");
        }
    });
    for number in 1..=32 {
        assert_eq!(progress.recv_timeout(LONG), Ok(number));
    }
    // Long enough for a writer that does not block to get through; one that blocks passes always.
    assert_eq!(
        progress.recv_timeout(Duration::from_millis(300)),
        Err(RecvTimeoutError::Timeout),
        "it must wait"
    );
    for number in 0..33 {
        assert!(reader.next(LONG).expect("honest").expect("there is one") == record(number));
    }
    assert_eq!(progress.recv_timeout(LONG), Ok(33), "the writer goes on");
    writing.join().expect("writer");
}

#[test]
fn many_records_through_a_small_ring_lose_nothing() {
    const COUNT: u64 = 200_000;
    let mut reader = RingReader::create(64).expect("ring");
    let mut writer = reader.writer();
    let writing = thread::spawn(move || {
        (0..COUNT).for_each(|number| assert_eq!(writer.push(&record(number)), number + 1))
    });
    for number in 0..COUNT {
        let taken = reader.next(LONG).expect("honest").expect("nothing is lost");
        assert!(taken == record(number), "record {number}");
    }
    writing.join().expect("writer");
    assert!(reader.next(LONG) == Ok(None), "the writer said that it is gone");
    assert!(reader.writer_gone());
}

#[test]
fn a_writer_does_not_wait_for_a_reader_that_is_gone() {
    let reader = RingReader::create(32).expect("ring");
    let mut writer = other_mapping(&reader);
    let writing = thread::spawn(move || {
        (0..40).for_each(|number| {
            writer.push(&record(number));
        });
        writer.wait_until_read();
        assert!(writer.reader_gone());
        writer.push(&record(40))
    });
    thread::park_timeout(Duration::from_millis(50));
    drop(reader);
    assert_eq!(writing.join().expect("not blocked"), 41, "records keep their numbers");
}

#[test]
fn wait_until_read_returns_when_the_last_record_was_taken() {
    let mut reader = RingReader::create(32).expect("ring");
    let mut writer = other_mapping(&reader);
    writer.push(&record(0));
    writer.push(&record(1));
    let waiting = thread::spawn(move || {
        writer.wait_until_read();
        writer.stop_requested()
    });
    reader.request_stop();
    assert!(reader.next(LONG).expect("honest").is_some());
    thread::park_timeout(Duration::from_millis(50));
    assert!(!waiting.is_finished(), "one record is unread");
    assert!(reader.next(LONG).expect("honest").is_some());
    assert!(waiting.join().expect("returned"), "and the stop was seen");
}

#[test]
fn a_reader_waits_no_longer_than_it_was_told() {
    let mut reader = RingReader::create(32).expect("ring");
    let _writer = other_mapping(&reader);
    let started = Instant::now();
    assert!(reader.next(Duration::from_millis(30)) == Ok(None));
    assert!(started.elapsed() >= Duration::from_millis(30));
}

#[test]
fn forged_counters_end_the_stream() {
    let lies: [(u64, &[u64]); 2] = [(0, &[34, 0, 1, 1 << 63, u64::MAX]), (8, &[0, 2, 3, u64::MAX])];
    for (index, values) in lies {
        for value in values {
            let mut reader = RingReader::create(32).expect("ring");
            let mut writer = other_mapping(&reader);
            writer.push(&record(0));
            writer.push(&record(1));
            assert!(reader.next(NO_WAIT).expect("honest so far").is_some());
            forge(&reader, index, *value);
            let answer = reader.next(LONG);
            assert!(matches!(answer, Err(RingError::Forged { .. })), "word {index} = {value}");
            // Mending the counter afterwards does not bring the stream back.
            forge(&reader, index, 1);
            assert!(reader.next(NO_WAIT).is_err());
            assert!(reader.next(LONG).is_err());
        }
    }
}

#[test]
fn a_writer_whose_readers_counter_is_nonsense_does_not_hang() {
    let reader = RingReader::create(32).expect("ring");
    let mut writer = other_mapping(&reader);
    forge(&reader, 8, 1 << 40);
    (0..100).for_each(|number| assert_eq!(writer.push(&record(number)), number + 1));
    assert!(writer.reader_gone());
}

#[test]
fn sizes_and_files_that_are_no_ring_are_refused() {
    for records in [0, 1, 16, 33, 1000, 1 << 32, u64::MAX] {
        assert!(matches!(RingReader::create(records), Err(ShmError::BadSize(_))), "{records}");
    }
    let arena = dxgk_shm::ArenaReader::create(8192 * 2).expect("arena");
    let file = arena.fd().try_clone_to_owned().expect("a duplicate");
    assert!(matches!(RingWriter::from_fd(file), Err(ShmError::BadSize(_))));
}
