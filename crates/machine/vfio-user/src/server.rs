//! The server's side: a device model behind a socket, one client at a time.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use zerocopy::IntoBytes;

use crate::socket::{Arrival, Message, Receiver, Sender, halves, wait_for};
use crate::wire::{self, Body, command, flag};

/// How long a client may take nothing in.
const PATIENCE: Duration = Duration::from_secs(10);
/// Regions of a PCI device: BARs, ROM, configuration space, VGA.
const REGIONS: u32 = 9;
/// Kinds of interrupts: INTx, MSI, MSI-X, errors, requests. Ours is the first.
const IRQ_KINDS: u32 = 5;

/// A device model. An error of a read or a write goes back to the client, with its errno.
pub trait Model {
    /// Bytes of a region: BARs are 0..=5, configuration space is [`wire::CONFIG_REGION`]. 0: there is none.
    fn region_bytes(&self, region: u32) -> u64;

    /// Reads a region. The access lies inside it.
    fn read(&mut self, region: u32, offset: u64, out: &mut [u8], client: &mut Client) -> io::Result<()>;

    /// Writes a region. The access lies inside it.
    fn write(&mut self, region: u32, offset: u64, bytes: &[u8], client: &mut Client) -> io::Result<()>;

    /// The last command has been answered: what the model does by itself is done here.
    fn work(&mut self, client: &mut Client);

    /// The level of the interrupt line.
    fn interrupt(&self) -> bool;
}

/// Who uses the model.
pub struct Client {
    sender: Sender,
    receiver: Receiver,
    /// Commands that came while a transfer was waited for.
    waiting: VecDeque<Message>,
    signal: Option<OwnedFd>,
    /// The client was interrupted and has not unmasked since.
    masked: bool,
}

impl Client {
    /// Reads the client's memory.
    ///
    /// # Errors
    /// The client refused, with its errno, or is gone.
    pub fn read(&mut self, address: u64, out: &mut [u8]) -> io::Result<()> {
        let head = wire::DmaAccess { address, count: out.len() as u64 };
        let reply = self.ask(command::DMA_READ, &[head.as_bytes()])?;
        let (_, data) = wire::body::<wire::DmaAccess>(&reply.body).ok_or_else(short)?;
        if data.len() != out.len() {
            return Err(short());
        }
        out.copy_from_slice(data);
        Ok(())
    }

    /// Writes the client's memory.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub fn write(&mut self, address: u64, bytes: &[u8]) -> io::Result<()> {
        let head = wire::DmaAccess { address, count: bytes.len() as u64 };
        self.ask(command::DMA_WRITE, &[head.as_bytes(), bytes]).map(drop)
    }

    fn ask(&mut self, command: u16, parts: &[&[u8]]) -> io::Result<Message> {
        let id = self.sender.command(command, parts, None)?;
        loop {
            let arrival = self.receiver.take_in()?;
            while let Some(message) = self.receiver.next() {
                match message.header {
                    header if !header.is_reply() => self.waiting.push_back(message),
                    header if header.id != id => return Err(short()),
                    header if header.flags & flag::ERROR != 0 => {
                        return Err(io::Error::from_raw_os_error(header.error.cast_signed()));
                    }
                    _ => return Ok(message),
                }
            }
            if arrival == Arrival::End {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            wait_for(&[self.receiver.fd()], PATIENCE)?;
        }
    }

    fn next(&mut self) -> io::Result<Option<Message>> {
        loop {
            if let Some(message) = self.waiting.pop_front() {
                return Ok(Some(message));
            }
            let arrival = self.receiver.take_in()?;
            if let Some(message) = self.receiver.next() {
                return Ok(Some(message));
            }
            if arrival == Arrival::End {
                return Ok(None);
            }
            wait_for(&[self.receiver.fd()], PATIENCE)?;
        }
    }

    /// Signals a line that is high, once; the client asks for more by unmasking.
    fn follow_line(&mut self, high: bool) -> io::Result<()> {
        if let Some(signal) = self.signal.as_ref().filter(|_| high && !self.masked) {
            rustix::io::write(signal, &1u64.to_ne_bytes())?;
            self.masked = true;
        }
        Ok(())
    }
}

fn short() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

fn errno(errno: rustix::io::Errno) -> io::Error {
    errno.into()
}

/// Serves the next client that connects, until it leaves.
///
/// # Errors
/// The connection broke.
pub fn serve(listener: &UnixListener, model: &mut dyn Model) -> io::Result<()> {
    let (stream, _) = listener.accept()?;
    let (sender, receiver) = halves(stream, PATIENCE)?;
    let mut client = Client { sender, receiver, waiting: VecDeque::new(), signal: None, masked: false };
    while let Some(message) = client.next()? {
        let header = message.header;
        let answer = answer(message, model, &mut client);
        if header.flags & flag::NO_REPLY == 0 {
            let (error, body) = match &answer {
                Ok(body) => (None, body.as_slice()),
                Err(error) => (Some(error), [].as_slice()),
            };
            let errno = error.map_or(0, |error| error.raw_os_error().unwrap_or(0).cast_unsigned());
            let flags = flag::REPLY | error.map_or(0, |_| flag::ERROR);
            client.sender.send(wire::Header { flags, error: errno, ..header }, &[body], None)?;
        }
        client.follow_line(model.interrupt())?;
        model.work(&mut client);
        client.follow_line(model.interrupt())?;
    }
    Ok(())
}

fn take<T: Body>(message: &Message) -> io::Result<(T, &[u8])> {
    wire::body(&message.body).ok_or_else(|| errno(rustix::io::Errno::INVAL))
}

/// Carries a command out; the body of its reply.
fn answer(mut message: Message, model: &mut dyn Model, client: &mut Client) -> io::Result<Vec<u8>> {
    match message.header.command {
        command::VERSION => {
            let (_, _) = take::<wire::Version>(&message)?;
            let ours = wire::Version { major: wire::MAJOR, minor: wire::MINOR };
            Ok([ours.as_bytes(), b"{\"capabilities\":{}}\0"].concat())
        }
        command::DMA_MAP | command::RESET => Ok(Vec::new()),
        command::GET_INFO => {
            let argsz = size_of::<wire::DeviceInfo>() as u32;
            let flags = wire::DEVICE_IS_PCI;
            Ok(wire::DeviceInfo { argsz, flags, regions: REGIONS, irqs: IRQ_KINDS }.as_bytes().to_vec())
        }
        command::GET_REGION_INFO => {
            let (asked, _) = take::<wire::RegionInfo>(&message)?;
            let size = model.region_bytes(asked.index);
            let argsz = size_of::<wire::RegionInfo>() as u32;
            Ok(wire::RegionInfo { argsz, flags: 3, size, ..asked }.as_bytes().to_vec())
        }
        command::GET_IRQ_INFO => {
            let (asked, _) = take::<wire::IrqInfo>(&message)?;
            let flags = wire::IRQ_BY_EVENTFD | wire::IRQ_MASKABLE | wire::IRQ_AUTOMASKED;
            let (flags, count) = if asked.index == 0 { (flags, 1) } else { (0, 0) };
            Ok(wire::IrqInfo { flags, count, ..asked }.as_bytes().to_vec())
        }
        command::SET_IRQS => {
            let (set, _) = take::<wire::IrqSet>(&message)?;
            match set.flags {
                wire::TRIGGER_BY_EVENTFD => client.signal = message.files.pop(),
                wire::UNMASK => client.masked = false,
                _ => return Err(errno(rustix::io::Errno::INVAL)),
            }
            Ok(Vec::new())
        }
        command::REGION_READ => {
            let (head, _) = take::<wire::RegionAccess>(&message)?;
            let mut data = vec![0; inside(&head, model)?];
            model.read(head.region, head.offset, &mut data, client)?;
            Ok([head.as_bytes(), &data].concat())
        }
        command::REGION_WRITE => {
            let (head, data) = take::<wire::RegionAccess>(&message)?;
            if inside(&head, model)? != data.len() {
                return Err(errno(rustix::io::Errno::INVAL));
            }
            model.write(head.region, head.offset, data, client)?;
            Ok(head.as_bytes().to_vec())
        }
        _ => Err(errno(rustix::io::Errno::OPNOTSUPP)),
    }
}

/// Bytes of an access that lies in its region.
fn inside(head: &wire::RegionAccess, model: &dyn Model) -> io::Result<usize> {
    let end = head.offset.checked_add(head.count.into());
    let inside = end.is_some_and(|end| end <= model.region_bytes(head.region));
    let count = usize::try_from(head.count).ok().filter(|count| inside && *count <= wire::LARGEST_DATA);
    count.ok_or_else(|| errno(rustix::io::Errno::INVAL))
}
