//! An edu-like device behind a socket, used by a machine: registers, transfers, interrupts, configuration space.

use std::time::{Duration, Instant};

use dxgk_hw::Width;
use dxgk_shm::link::{Access, Place};
use dxgk_vfio_user::{Error, Facts, server};

use crate::model::{Edu, Work};
use crate::support::{LIMIT, MEMORY_AT, Machine, Socket};

fn edu(work: Work) -> (Socket, Facts, Machine) {
    let socket = Socket::served(move |listener| {
        server::serve(&listener, &mut Edu::new(work)).expect("a client that keeps to the protocol");
    });
    let connection = socket.connect(LIMIT).expect("a server");
    let facts = connection.facts().clone();
    (socket, facts, Machine::new(connection))
}

fn ended(mut socket: Socket, machine: Machine) {
    assert_eq!(machine.proxy.failure(), None);
    drop(machine);
    socket.server.take().expect("a server").join().expect("the server saw its client leave");
}

#[test]
fn the_server_tells_what_its_device_is() {
    let (socket, facts, machine) = edu(Work::AtOnce);
    assert_eq!(facts.bars, [(0, 1 << 20)]);
    assert_eq!(facts.config.len(), 256);
    assert_eq!(facts.config[..4], [0x34, 0x12, 0xe8, 0x11]);
    ended(socket, machine);
}

#[test]
fn registers_are_read_and_written_and_what_is_refused_reads_as_ones() {
    let (socket, _, mut machine) = edu(Work::AtOnce);
    assert_eq!(machine.read(0, Width::Dword), Some(0x0100_00ed));
    assert_eq!(machine.write(4, Width::Dword, 0x5a5a), Some(0));
    assert_eq!(machine.read(4, Width::Dword), Some(0xffff_a5a5));
    assert_eq!(machine.read(0x40, Width::Dword), Some(u64::MAX), "the server answers with an error");
    assert_eq!(machine.read(1 << 20, Width::Byte), Some(u64::MAX), "beyond the BAR");
    assert_eq!(machine.read(u64::MAX, Width::Qword), Some(u64::MAX));
    let none = Access::Read { place: Place::Bar(1), offset: 0, width: Width::Dword };
    assert_eq!(machine.access(none), Some(u64::MAX), "no such BAR");
    let config = |offset, width| Access::Read { place: Place::Config, offset, width };
    assert_eq!(machine.access(config(4, Width::Word)), Some(7), "switched on as by firmware");
    assert_eq!(machine.access(config(0x40, Width::Dword)), Some(0xed08_0009));
    let keep = Access::Write { place: Place::Config, offset: 0x44, width: Width::Dword, value: 0xaabb_ccdd };
    machine.access(keep);
    assert_eq!(machine.access(config(0x44, Width::Dword)), Some(0xaa03_0201));
    ended(socket, machine);
}

#[test]
fn transfers_go_through_the_machine_and_the_interrupt_comes_after_them() {
    for work in [Work::AtOnce, Work::Afterwards] {
        let (socket, _, mut machine) = edu(work);
        machine.memory[..8].copy_from_slice(b"doorbell");
        for (source, destination, command) in [(MEMORY_AT, 0x4_0000, 5), (0x4_0000, MEMORY_AT + 0x800, 7)] {
            let served = machine.end.interrupts();
            for (offset, value) in [(0x80, source), (0x88, destination), (0x90, 8), (0x98, command)] {
                assert_eq!(machine.write(offset, Width::Qword, value), Some(0));
            }
            let until = Instant::now() + LIMIT;
            while machine.end.interrupts() == served {
                assert!(Instant::now() < until, "no interrupt came");
                machine.wait(Duration::from_millis(100));
            }
            assert_eq!(machine.read(0x98, Width::Qword).map(|command| command & 1), Some(0));
            assert_eq!(machine.write(0x64, Width::Dword, 0x100), Some(0));
            assert_eq!(machine.access(Access::InterruptServed), Some(0));
            assert_eq!(machine.end.interrupts(), served + 1, "one signal each");
        }
        assert_eq!(&machine.memory[0x800..0x808], b"doorbell");
        ended(socket, machine);
    }
}

#[test]
fn an_interrupt_that_is_not_acknowledged_comes_again_when_it_was_served() {
    let (socket, _, mut machine) = edu(Work::AtOnce);
    machine.write(0x60, Width::Dword, 1);
    assert!(machine.wait(LIMIT));
    assert!(!machine.wait(Duration::from_millis(50)), "it masks itself");
    machine.access(Access::InterruptServed);
    assert!(machine.wait(LIMIT));
    ended(socket, machine);
}

#[test]
fn a_transfer_that_the_machine_refuses_is_refused_to_the_server_which_lives_on() {
    let (socket, _, mut machine) = edu(Work::AtOnce);
    let registers = [(0x80, 0x4_0000), (0x88, 0xdead_0000), (0x90, 64), (0x98, 3)];
    for (offset, value) in registers {
        machine.write(offset, Width::Qword, value);
    }
    assert_eq!(machine.read(0x98, Width::Qword), Some(2), "the device is done with it");
    assert_eq!(machine.read(0, Width::Dword), Some(0x0100_00ed));
    ended(socket, machine);
}

#[test]
fn nobody_at_the_socket_is_said_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let opened = dxgk_vfio_user::Connection::open(&folder.path().join("none.sock"), LIMIT);
    let Err(error @ Error::Connect(_)) = opened else { panic!("connected to nobody") };
    assert!(error.to_string().contains("No such file"), "{error}");
}
