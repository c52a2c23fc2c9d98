//! Servers that lie, stop or say nothing. Each is named for what it did, and the machine goes on without its device.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use dxgk_hw::Width;
use dxgk_vfio_user::wire::{self, Header, command, flag};
use zerocopy::{FromBytes, IntoBytes};

use crate::support::{LIMIT, Machine, Socket};

/// What a server does with a command instead of answering it well.
type Trick = fn(&mut UnixStream, Header);

fn send(stream: &mut UnixStream, header: Header, body: &[u8]) {
    let size = (Header::BYTES + body.len()) as u32;
    // A client that has left already is a test of its own.
    let _ = stream.write_all(&[Header { size, ..header }.as_bytes(), body].concat());
}

fn reply(header: Header) -> Header {
    Header { flags: flag::REPLY, error: 0, ..header }
}

/// Answers as a device with one BAR of 4 KiB and an INTx, but plays the trick at the `turn`-th command of its number.
fn liar(at: u16, turn: u32, trick: Trick) -> impl FnOnce(UnixListener) + Send {
    move |listener| {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut left = turn;
        let mut header = [0; Header::BYTES];
        while stream.read_exact(&mut header).is_ok() {
            let header = Header::read_from_bytes(&header).expect("a header");
            let mut body = vec![0; header.size as usize - Header::BYTES];
            if stream.read_exact(&mut body).is_err() {
                return;
            }
            if header.command == at && left == 0 {
                return trick(&mut stream, header);
            }
            left -= u32::from(header.command == at);
            let answer = match header.command {
                command::VERSION => vec![0, 0, 1, 0],
                command::GET_INFO => {
                    wire::DeviceInfo { argsz: 16, flags: 2, regions: 9, irqs: 1 }.as_bytes().to_vec()
                }
                command::GET_REGION_INFO => {
                    let asked = wire::RegionInfo::read_from_bytes(&body).expect("a body");
                    let size = [4096, 0, 0, 0, 0, 0, 0, 256, 0][asked.index as usize];
                    wire::RegionInfo { size, ..asked }.as_bytes().to_vec()
                }
                command::GET_IRQ_INFO => {
                    wire::IrqInfo { argsz: 16, flags: 1, index: 0, count: 1 }.as_bytes().to_vec()
                }
                command::REGION_READ => {
                    let count = u32::from_ne_bytes(body[12..16].try_into().expect("four bytes"));
                    [body.as_slice(), &vec![0x11; count as usize]].concat()
                }
                command::REGION_WRITE => body[..16].to_vec(),
                _ => vec![],
            };
            send(&mut stream, reply(header), &answer);
        }
    }
}

/// What is said of a server that plays its trick before the run.
fn before_the_run(at: u16, turn: u32, trick: Trick) -> String {
    let socket = Socket::served(liar(at, turn, trick));
    match socket.connect(Duration::from_millis(500)) {
        Ok(_) => panic!("the server of command {at} was taken"),
        Err(error) => error.to_string(),
    }
}

fn hang(stream: &mut UnixStream, _: Header) {
    // Until the client has had enough.
    let _ = stream.read(&mut [0; 64]);
}

#[test]
fn servers_that_cannot_be_worked_with_are_refused_before_the_run() {
    let cases: [(u16, u32, Trick, &str); 12] = [
        (command::VERSION, 0, |_, _| {}, "closed the connection when it was asked for the version"),
        (command::VERSION, 0, hang, "did not answer the version that was proposed within 0.5 seconds"),
        (command::VERSION, 0, |s, h| send(s, reply(h), &[1, 0, 0, 0]), "version 1.0"),
        (command::VERSION, 0, |s, h| send(s, reply(h), &[0, 0, 9, 0]), "version 0.9"),
        (
            command::VERSION,
            0,
            |s, h| send(s, reply(h), b"\0\0\x01\0{\"capabilities\":7}\0"),
            "its capabilities",
        ),
        (
            command::VERSION,
            0,
            |s, h| {
                send(s, reply(h), b"\0\0\x01\0{\"capabilities\":{\"twin_socket\":{\"supported\":true}}}\0")
            },
            "second socket",
        ),
        (command::VERSION, 0, |s, h| send(s, reply(h), &[0]), "has only 1 bytes"),
        (command::VERSION, 0, |s, _| drop(s.write_all(&[0xff; 64])), "a message of 4294967295 bytes"),
        (command::GET_INFO, 0, |s, h| send(s, reply(h), &[0; 16]), "is no PCI device"),
        (
            command::GET_REGION_INFO,
            6,
            |s, h| send(s, Header { id: h.id.wrapping_add(1), ..reply(h) }, &[0; 32]),
            "waiting for its answer to what region 7 is",
        ),
        (
            command::DMA_MAP,
            3,
            |s, h| send(s, Header { flags: flag::REPLY | flag::ERROR, error: 28, ..h }, &[]),
            "refused memory at 0x180000000000",
        ),
        (command::REGION_READ, 9, |s, h| send(s, reply(h), &[0; 19]), "configuration space at 0x24"),
    ];
    for (at, turn, trick, said) in cases {
        let told = before_the_run(at, turn, trick);
        assert!(told.contains(said), "{told:?} does not say {said:?}");
    }
}

/// What is said of a server that plays its trick at a register read during the run. The machine reads all ones.
fn during_the_run(trick: Trick) -> String {
    // After the 64 reads of configuration space.
    let socket = Socket::served(liar(command::REGION_READ, 65, trick));
    let mut machine = Machine::new(socket.connect(Duration::from_millis(500)).expect("still honest"));
    assert_eq!(machine.read(0, Width::Dword), Some(0x1111_1111));
    assert_eq!(machine.read(8, Width::Dword), None, "the device is gone");
    let told = machine.proxy.failure().expect("a failure");
    assert_eq!(machine.read(8, Width::Dword), None);
    assert_eq!(machine.proxy.failure(), Some(told.clone()), "the first reason stands");
    told
}

/// A command of the server's own.
fn ask(stream: &mut UnixStream, command: u16, body: &[u8]) {
    send(stream, Header { id: 7, command, ..Header::default() }, body);
    hang(stream, Header::default());
}

#[test]
fn servers_that_go_wrong_in_the_middle_end_their_device_and_nothing_else() {
    let cases: [(Trick, &str); 10] = [
        (|_, _| {}, "closed the connection instead of answering a read of 4 bytes at BAR 0 + 0x8"),
        (hang, "did not answer a read of 4 bytes at BAR 0 + 0x8 within 0.5 seconds"),
        (|s, h| send(s, Header { command: 3, ..reply(h) }, &[0; 20]), "it answered command 3"),
        (
            |s, h| send(s, reply(h), &[0; 20]),
            "its answer to a read of 4 bytes at BAR 0 + 0x8 is 4 bytes for offset 0x0",
        ),
        (
            |s, h| send(s, reply(h), &[8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 1]),
            "is 1 bytes for offset 0x8",
        ),
        (|s, _| ask(s, command::DMA_READ, &[0; 8]), "its command 11 has no body"),
        (|s, _| ask(s, command::DMA_READ, &[0xff; 16]), "a transfer of 0xffffffffffffffff bytes"),
        (|s, _| ask(s, command::DMA_WRITE, &[4; 20]), "bytes, more than 0x100000"),
        (|s, _| ask(s, command::RESET, &[0; 16]), "command 13, which is not for servers to send"),
        (|s, _| drop(s.write_all(&[0; 16])), "a message of 0 bytes"),
    ];
    for (trick, said) in cases {
        let told = during_the_run(trick);
        assert!(told.contains(said), "{told:?} does not say {said:?}");
    }
}

#[test]
fn a_server_that_ends_while_nothing_is_asked_is_noticed() {
    let socket = Socket::served(liar(command::REGION_WRITE, 0, |s, h| {
        send(s, reply(h), &[4, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 2, 0, 0, 0]);
    }));
    let mut machine = Machine::new(socket.connect(LIMIT).expect("honest until it is switched on"));
    let until = Instant::now() + LIMIT;
    while machine.proxy.failure().is_none() {
        assert!(Instant::now() < until, "nobody noticed");
        machine.wait(Duration::from_millis(20));
    }
    assert!(machine.proxy.failure().expect("a failure").contains("closed the connection during the run"));
}
