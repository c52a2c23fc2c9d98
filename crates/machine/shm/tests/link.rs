//! The link between a machine and a device elsewhere, both ends in threads of one process.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use dxgk_hw::Width;
use dxgk_shm::link::{Access, DeviceEnd, MachineEnd, Place, TRANSFER_BYTES, Transfer};

const SOON: Duration = Duration::from_secs(10);

fn ends() -> (Arc<DeviceEnd>, MachineEnd) {
    let device = Arc::new(DeviceEnd::create().expect("a link"));
    let machine = device.machine_end().expect("its other end");
    (device, machine)
}

fn next(device: &DeviceEnd) -> Access {
    let until = Instant::now() + SOON;
    loop {
        match device.next_access(Duration::from_millis(100)) {
            Some(access) => return access,
            None => assert!(Instant::now() < until, "no access came"),
        }
    }
}

fn no_transfer(_: u64, _: Transfer<'_>) -> u64 {
    panic!("nobody asked for a transfer")
}

#[test]
fn accesses_arrive_as_they_were_made_and_get_their_answers() {
    let (device, mut machine) = ends();
    let place = Place::Bar(5);
    let accesses = [
        Access::Read { place, offset: u64::MAX, width: Width::Qword },
        Access::Write { place: Place::Config, offset: 4, width: Width::Word, value: 7 },
        Access::InterruptServed,
        Access::Read { place: Place::Bar(0), offset: 3, width: Width::Byte },
    ];
    let other = thread::spawn(move || {
        for answer in 0..4 {
            let access = next(&device);
            device.answer(answer + 10);
            assert_eq!(access, accesses[answer as usize]);
        }
        device
    });
    for (index, access) in accesses.into_iter().enumerate() {
        assert_eq!(machine.access(access, &mut no_transfer), Some(index as u64 + 10));
    }
    drop(other.join().expect("the device's thread"));
    assert!(machine.is_gone());
    assert_eq!(machine.access(accesses[0], &mut no_transfer), None);
}

#[test]
fn a_device_makes_transfers_before_it_answers() {
    let (device, mut machine) = ends();
    let other = thread::spawn(move || {
        next(&device);
        let mut bytes = vec![0; 5000];
        let read = device.transfer(0x1003, Transfer::Read(&mut bytes), || false);
        bytes.iter_mut().for_each(|byte| *byte ^= 0xff);
        let written = device.transfer(0x9000, Transfer::Write(&bytes), || false);
        let refused = device.transfer(0xbad0, Transfer::Read(&mut bytes), || false);
        device.answer(1);
        (read, written, refused, bytes)
    });
    let pattern: Vec<u8> = (0..5000u32).map(|at| at as u8).collect();
    let mut written = Vec::new();
    let mut carry = |address: u64, transfer: Transfer<'_>| match (address, transfer) {
        (0x1003, Transfer::Read(out)) => {
            out.copy_from_slice(&pattern);
            out.len() as u64
        }
        (0x9000, Transfer::Write(bytes)) => {
            written = bytes.to_vec();
            bytes.len() as u64
        }
        (_, Transfer::Read(_)) => 16,
        (address, Transfer::Write(_)) => panic!("a write to {address:#x}"),
    };
    let write = Access::Write { place: Place::Bar(0), offset: 0x98, width: Width::Dword, value: 1 };
    assert_eq!(machine.access(write, &mut carry), Some(1));
    let (read, was_written, refused, left) = other.join().expect("the device's thread");
    assert_eq!((read, was_written, refused), (Some(5000), Some(5000), Some(16)));
    assert!(left.iter().all(|byte| *byte == 0xff), "what was refused reads as ones");
    assert!(written.iter().zip(&pattern).all(|(written, read)| *written == !read));
}

#[test]
fn what_a_device_does_by_itself_ends_the_machines_wait() {
    let (device, mut machine) = ends();
    assert!(!machine.wait(Duration::from_millis(20), 0, &mut no_transfer), "nothing happened");
    let other = thread::spawn(move || {
        let whole = vec![7; TRANSFER_BYTES + 1];
        let done = device.transfer(0, Transfer::Write(&whole), || false);
        device.interrupt();
        (done, device)
    });
    let mut most = 0;
    let mut carry = |_: u64, transfer: Transfer<'_>| match transfer {
        Transfer::Write(bytes) => {
            most = bytes.len();
            most as u64
        }
        Transfer::Read(_) => 0,
    };
    assert!(machine.wait(SOON, 0, &mut carry));
    assert_eq!(most, TRANSFER_BYTES, "no transfer is longer");
    assert!(machine.wait(SOON, 0, &mut no_transfer));
    assert!(!machine.wait(Duration::from_millis(20), 1, &mut no_transfer), "it is known");
    let (done, device) = other.join().expect("the device's thread");
    assert_eq!((done, machine.interrupts()), (Some(TRANSFER_BYTES as u64), 1));
    let given_up = device.transfer(0, Transfer::Write(&[1]), || true);
    assert_eq!(given_up, None);
}
