//! Connecting: the version, what the device is, the memory announced, the interrupt set up.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, eventfd};
use serde::Deserialize;
use serde_json::json;
use zerocopy::IntoBytes;

use crate::error::Error;
use crate::socket::{Arrival, Message, Receiver, Sender, halves, wait_for};
use crate::wire::{self, Body, command, flag};

/// Windows of addresses that are announced as memory, and the size of each: libvfio-user takes 16 windows of 8 TiB. All
/// addresses below 128 TiB, so that a wrong one comes to the IOMMU, which names the mistake; the server would hide it.
const WINDOWS: u64 = 16;
const WINDOW_BYTES: u64 = 8 << 40;
/// Regions of a PCI device that are BARs.
const BARS: u32 = 6;
/// Kinds of interrupts in the order of our preference: INTx, MSI, MSI-X (`VFIO_PCI_*_IRQ_INDEX`).
const IRQ_KINDS: std::ops::Range<u32> = 0..3;
/// The command register, and what firmware leaves in it: ports, memory, bus master.
const COMMAND_REGISTER: u64 = 4;
const ALL_ON: u16 = 7;

/// What the server's device is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    /// The first 256 bytes of configuration space.
    pub config: Vec<u8>,
    /// BARs that there are: number, and bytes as the server says them.
    pub bars: Vec<(u8, u64)>,
}

/// How the device interrupts.
pub(crate) struct Interrupt {
    pub(crate) signal: OwnedFd,
    pub(crate) kind: u32,
    /// The server sends no further one before it is told that the last was served.
    pub(crate) masks_itself: bool,
}

/// A server that we have come to terms with.
pub struct Connection {
    pub(crate) sender: Sender,
    pub(crate) receiver: Receiver,
    /// A socket of its own for what the server asks of us, if it wanted one.
    pub(crate) twin: Option<(Sender, Receiver)>,
    pub(crate) interrupt: Option<Interrupt>,
    pub(crate) limit: Duration,
    /// Bytes of configuration space.
    pub(crate) config_bytes: u64,
    facts: Facts,
}

/// The server's half of the terms.
#[derive(Default, Deserialize)]
struct Terms {
    #[serde(default)]
    capabilities: Capabilities,
}

#[derive(Default, Deserialize)]
struct Capabilities {
    max_dma_maps: Option<u64>,
    #[serde(default)]
    twin_socket: TwinSocket,
}

#[derive(Default, Deserialize)]
struct TwinSocket {
    #[serde(default)]
    supported: bool,
    fd_index: Option<usize>,
}

impl Connection {
    /// Connects to the socket at `path`. The server has `limit` for each answer, now and later.
    ///
    /// # Errors
    /// [`Error`]: nobody there, or nobody that can be worked with.
    pub fn open(path: &Path, limit: Duration) -> Result<Self, Error> {
        let stream = UnixStream::connect(path).map_err(Error::Connect)?;
        let (sender, receiver) = halves(stream, limit).map_err(Error::Connect)?;
        let facts = Facts { config: Vec::new(), bars: Vec::new() };
        let (twin, interrupt) = (None, None);
        let mut this = Self { sender, receiver, twin, interrupt, limit, facts, config_bytes: 0 };
        let windows = this.agree()?;
        let irqs = this.learn_device()?;
        for window in 0..windows {
            this.announce(window * WINDOW_BYTES)?;
        }
        this.set_interrupt_up(irqs)?;
        this.switch_on()?;
        Ok(this)
    }

    /// What the device is.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Agrees on the version; how many windows of memory the server takes.
    fn agree(&mut self) -> Result<u64, Error> {
        let ours = wire::Version { major: wire::MAJOR, minor: wire::MINOR };
        let terms = json!({ "capabilities": {
            "max_msg_fds": 8,
            "max_data_xfer_size": wire::LARGEST_DATA,
            "twin_socket": { "supported": true },
        }});
        let terms = terms.to_string();
        let what = "the version that was proposed";
        let reply = self.ask(command::VERSION, &[ours.as_bytes(), terms.as_bytes(), &[0]], None, what)?;
        let (version, terms) = expect::<wire::Version>(&reply, what)?;
        if version.major != wire::MAJOR || version.minor > wire::MINOR {
            return Err(Error::Version { major: version.major, minor: version.minor });
        }
        let terms = terms.split(|byte| *byte == 0).next().unwrap_or_default();
        let terms: Terms = match terms {
            [] => Terms::default(),
            text => serde_json::from_slice(text).map_err(|error| {
                Error::Nonsense(format!("its capabilities are not what they should be: {error}"))
            })?,
        };
        let Capabilities { max_dma_maps, twin_socket } = terms.capabilities;
        if twin_socket.supported {
            let index = twin_socket.fd_index.unwrap_or(usize::MAX);
            let file = reply
                .files
                .into_iter()
                .nth(index)
                .ok_or_else(|| Error::Nonsense("it offers a second socket and sends none".to_owned()))?;
            self.twin = Some(halves(UnixStream::from(file), self.limit).map_err(Error::Broken)?);
        }
        Ok(max_dma_maps.unwrap_or(WINDOWS).clamp(1, WINDOWS))
    }

    /// Learns what the device is; how many kinds of interrupts it has.
    fn learn_device(&mut self) -> Result<u32, Error> {
        let what = "what the device is";
        let ask =
            wire::DeviceInfo { argsz: size_of::<wire::DeviceInfo>() as u32, ..wire::DeviceInfo::default() };
        let info: wire::DeviceInfo = self.ask_for(command::GET_INFO, &ask, what)?;
        if info.flags & wire::DEVICE_IS_PCI == 0 {
            return Err(Error::NoDevice("is no PCI device"));
        }
        if info.flags & wire::DEVICE_RESETS != 0 {
            // A model that says so and cannot is in whatever state it is in.
            match self.ask(command::RESET, &[], None, "a reset") {
                Ok(_) | Err(Error::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        for index in (0..BARS).filter(|index| *index < info.regions) {
            let bytes = self.region_bytes(index)?;
            if bytes != 0 {
                self.facts.bars.push((index as u8, bytes));
            }
        }
        if info.regions <= wire::CONFIG_REGION {
            return Err(Error::NoDevice("has no configuration space (region 7)"));
        }
        let bytes = self.region_bytes(wire::CONFIG_REGION)?;
        if bytes < wire::CONFIG_BYTES {
            return Err(Error::NoDevice("has a configuration space of less than 256 bytes"));
        }
        self.config_bytes = bytes;
        for offset in (0..wire::CONFIG_BYTES).step_by(4) {
            let word = self.read_config(offset)?;
            self.facts.config.extend_from_slice(&word);
        }
        Ok(info.irqs)
    }

    fn region_bytes(&mut self, index: u32) -> Result<u64, Error> {
        let what = format!("what region {index} is");
        let argsz = size_of::<wire::RegionInfo>() as u32;
        let ask = wire::RegionInfo { argsz, index, ..wire::RegionInfo::default() };
        let info: wire::RegionInfo = self.ask_for(command::GET_REGION_INFO, &ask, &what)?;
        if info.index != index {
            return Err(Error::Nonsense(format!("asked {what}, it answered for region {}", info.index)));
        }
        Ok(info.size)
    }

    fn read_config(&mut self, offset: u64) -> Result<[u8; 4], Error> {
        let what = format!("a read of configuration space at {offset:#x}");
        let ask = wire::RegionAccess { offset, region: wire::CONFIG_REGION, count: 4 };
        let reply = self.ask(command::REGION_READ, &[ask.as_bytes()], None, &what)?;
        let (head, data) = expect::<wire::RegionAccess>(&reply, &what)?;
        match <[u8; 4]>::try_from(data) {
            Ok(word) if head == ask => Ok(word),
            _ => Err(Error::Nonsense(format!("its answer to {what} is not one to that"))),
        }
    }

    fn announce(&mut self, address: u64) -> Result<(), Error> {
        let map = wire::DmaMap {
            argsz: size_of::<wire::DmaMap>() as u32,
            flags: wire::READ_WRITE,
            offset: 0,
            address,
            size: WINDOW_BYTES,
        };
        let what = format!("memory at {address:#x}, without a file");
        self.ask(command::DMA_MAP, &[map.as_bytes()], None, &what).map(drop)
    }

    /// Takes the first kind of interrupt that there is; a device without any has none.
    fn set_interrupt_up(&mut self, kinds: u32) -> Result<(), Error> {
        for index in IRQ_KINDS.filter(|index| *index < kinds) {
            let what = format!("what interrupts of kind {index} are");
            let argsz = size_of::<wire::IrqInfo>() as u32;
            let ask = wire::IrqInfo { argsz, index, ..wire::IrqInfo::default() };
            let info: wire::IrqInfo = self.ask_for(command::GET_IRQ_INFO, &ask, &what)?;
            if info.count == 0 || info.flags & wire::IRQ_BY_EVENTFD == 0 {
                continue;
            }
            let signal = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
                .map_err(|error| Error::Broken(error.into()))?;
            let argsz = size_of::<wire::IrqSet>() as u32;
            let set = wire::IrqSet { argsz, flags: wire::TRIGGER_BY_EVENTFD, index, start: 0, count: 1 };
            let what = format!("an eventfd for interrupts of kind {index}");
            self.ask(command::SET_IRQS, &[set.as_bytes()], Some(&signal), &what)?;
            let masks_itself = info.flags & wire::IRQ_AUTOMASKED != 0;
            self.interrupt = Some(Interrupt { signal, kind: index, masks_itself });
            break;
        }
        Ok(())
    }

    /// What firmware does: decoding and bus mastering on. Where its BARs are is no matter of the server's.
    fn switch_on(&mut self) -> Result<(), Error> {
        let access = wire::RegionAccess { offset: COMMAND_REGISTER, region: wire::CONFIG_REGION, count: 2 };
        let what = "a write of its command register";
        let value = ALL_ON.to_le_bytes();
        self.ask(command::REGION_WRITE, &[access.as_bytes(), &value], None, what).map(drop)
    }

    fn ask_for<T: Body>(&mut self, command: u16, ask: &T, what: &str) -> Result<T, Error> {
        let reply = self.ask(command, &[ask.as_bytes()], None, what)?;
        expect(&reply, what).map(|(body, _)| body)
    }

    /// Sends a command and waits for its reply. What the server asks meanwhile is refused: nothing is there yet.
    fn ask(
        &mut self,
        command: u16,
        parts: &[&[u8]],
        file: Option<&OwnedFd>,
        what: &str,
    ) -> Result<Message, Error> {
        let id = self.sender.command(command, parts, file.map(AsFd::as_fd)).map_err(Error::Broken)?;
        let until = Instant::now() + self.limit;
        loop {
            let arrival = self.receiver.take_in().map_err(broken)?;
            while let Some(message) = self.receiver.next() {
                if message.header.is_reply() {
                    return check_reply(message, id, command, what);
                }
                refuse(&mut self.sender, &message)?;
            }
            if arrival == Arrival::End {
                return Err(Error::Closed { when: format!("when it was asked for {what}") });
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::Silent { what: what.to_owned(), seconds: self.limit.as_secs_f32() });
            }
            wait_for(&[self.receiver.fd()], left).map_err(Error::Broken)?;
        }
    }
}

/// What could not be read off the socket.
pub(crate) fn broken(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::InvalidData => Error::Nonsense(error.to_string()),
        _ => Error::Broken(error),
    }
}

/// A reply that is one to the command, or what is wrong with it.
pub(crate) fn check_reply(message: Message, id: u16, command: u16, what: &str) -> Result<Message, Error> {
    let header = message.header;
    if header.id != id || header.command != command {
        return Err(Error::Nonsense(format!(
            "waiting for its answer to {what} (command {command}, number {id}), it answered command {}, number {}",
            header.command, header.id
        )));
    }
    if header.flags & flag::ERROR != 0 {
        let why = match i32::try_from(header.error) {
            Ok(0) | Err(_) => io::Error::other("it did not say why"),
            Ok(errno) => io::Error::from_raw_os_error(errno),
        };
        return Err(Error::Refused { what: what.to_owned(), why });
    }
    Ok(message)
}

/// The body of a reply, and what follows it.
pub(crate) fn expect<'a, T: Body>(message: &'a Message, what: &str) -> Result<(T, &'a [u8]), Error> {
    wire::body(&message.body)
        .ok_or_else(|| Error::Nonsense(format!("its answer to {what} has only {} bytes", message.body.len())))
}

/// Answers a command of the server's with an error.
pub(crate) fn refuse(sender: &mut Sender, message: &Message) -> Result<(), Error> {
    let header = message.header;
    if header.flags & flag::NO_REPLY != 0 {
        return Ok(());
    }
    let flags = flag::REPLY | flag::ERROR;
    // EFAULT: a bad address.
    let header = wire::Header { flags, error: rustix::io::Errno::FAULT.raw_os_error() as u32, ..header };
    sender.send(header, &[], None).map_err(Error::Broken)
}
