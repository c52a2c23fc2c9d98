//! Carrying a run's traffic between the socket and the link.
//!
//! Two threads. One takes accesses off the link and sends them as commands. The other reads the socket: it answers
//! accesses, has the machine make transfers, and passes interrupts on, each only after everything that the server sent
//! before it, as a bus does. An access that the server refuses reads as all ones, as on a bus; a server that breaks the
//! protocol, ends or keeps silent ends the device.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dxgk_shm::link::{Access, DeviceEnd, Place, Transfer};
use zerocopy::IntoBytes;

use crate::connection::{Connection, Interrupt, broken, check_reply, expect, refuse};
use crate::error::Error;
use crate::socket::{Arrival, Message, Receiver, Sender, wait_for};
use crate::wire::{self, LARGEST_DATA, command, flag};

/// How long the threads sleep before they look whether the run is over, or the server's time.
const LOOK_AFTER: Duration = Duration::from_millis(50);

/// The threads of a run. Dropping it ends them and the connection.
pub struct Proxy {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    link: DeviceEnd,
    sender: Mutex<Sender>,
    interrupt: Option<Interrupt>,
    /// Bytes of each BAR, and of configuration space.
    bars: Vec<(u8, u64)>,
    config_bytes: u64,
    limit: Duration,
    pending: Mutex<Option<Pending>>,
    failure: Mutex<Option<Error>>,
    stopping: AtomicBool,
}

/// An access that the server has to answer.
#[derive(Clone, Copy)]
struct Pending {
    id: u16,
    access: Access,
    since: Instant,
}

/// The thread that reads the socket.
struct Reading {
    shared: Arc<Shared>,
    main: Receiver,
    twin: Option<(Sender, Receiver)>,
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Proxy {
    /// Starts carrying for one run.
    ///
    /// # Errors
    /// The host has no threads or memory.
    pub fn start(connection: Connection, link: DeviceEnd) -> io::Result<Self> {
        let bars = connection.facts().bars.clone();
        let Connection { sender, receiver, twin, interrupt, limit, config_bytes, .. } = connection;
        let shared = Arc::new(Shared {
            link,
            sender: Mutex::new(sender),
            interrupt,
            bars,
            config_bytes,
            limit,
            pending: Mutex::new(None),
            failure: Mutex::new(None),
            stopping: AtomicBool::new(false),
        });
        let reading = Reading { shared: Arc::clone(&shared), main: receiver, twin };
        let asking = Arc::clone(&shared);
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let mut proxy = Self { shared, threads: Vec::new() };
        proxy.threads.push(thread("vfio-user reads").spawn(move || reading.run())?);
        proxy.threads.push(thread("vfio-user asks").spawn(move || asking.run())?);
        Ok(proxy)
    }

    /// The link's file, for the machine's process.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.shared.link.fd()
    }

    /// The link.
    #[must_use]
    pub fn link(&self) -> &DeviceEnd {
        &self.shared.link
    }

    /// What the server did that ended the device, in words; nothing while all is well.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        lock(&self.shared.failure).as_ref().map(ToString::to_string)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.shared.link.leave();
        lock(&self.shared.sender).end();
        for thread in self.threads.drain(..) {
            // A thread that panicked has nothing more to say.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// The device is gone, and why; the first reason counts. At the end of a run it is no failure.
    fn fail(&self, error: Error) {
        if !self.stopping() {
            lock(&self.failure).get_or_insert(error);
        }
        self.stopping.store(true, Ordering::Release);
        self.link.leave();
    }

    /// Takes accesses off the link until the run is over.
    fn run(&self) {
        while !self.stopping() {
            let Some(access) = self.link.next_access(LOOK_AFTER) else { continue };
            // A machine waits for its answer before it asks again. Who does not is answered what it asked before.
            if lock(&self.pending).is_none()
                && let Err(error) = self.ask(access)
            {
                return self.fail(error);
            }
        }
    }

    /// Sends an access as a command, or answers it here.
    fn ask(&self, access: Access) -> Result<(), Error> {
        match access {
            Access::Read { place, offset, width } => {
                let Some(head) = self.region(place, offset, width.bytes()) else {
                    self.link.answer(u64::MAX);
                    return Ok(());
                };
                self.send(access, command::REGION_READ, &[head.as_bytes()])
            }
            Access::Write { place, offset, width, value } => {
                let Some(head) = self.region(place, offset, width.bytes()) else {
                    self.link.answer(0);
                    return Ok(());
                };
                let value = value.to_le_bytes();
                let data = value.get(..width.bytes() as usize).unwrap_or_default();
                self.send(access, command::REGION_WRITE, &[head.as_bytes(), data])
            }
            Access::InterruptServed => match self.interrupt.as_ref().filter(|it| it.masks_itself) {
                Some(interrupt) => {
                    let argsz = size_of::<wire::IrqSet>() as u32;
                    let (flags, index) = (wire::UNMASK, interrupt.kind);
                    let set = wire::IrqSet { argsz, flags, index, start: 0, count: 1 };
                    self.send(access, command::SET_IRQS, &[set.as_bytes()])
                }
                None => {
                    self.link.answer(0);
                    Ok(())
                }
            },
        }
    }

    /// The head of an access that lies in a region of the server's.
    fn region(&self, place: Place, offset: u64, bytes: u64) -> Option<wire::RegionAccess> {
        let (region, size) = match place {
            Place::Bar(bar) => (u32::from(bar), self.bars.iter().find(|(index, _)| *index == bar)?.1),
            Place::Config => (wire::CONFIG_REGION, self.config_bytes),
        };
        let inside = offset.checked_add(bytes).is_some_and(|end| end <= size);
        inside.then_some(wire::RegionAccess { offset, region, count: bytes as u32 })
    }

    fn send(&self, access: Access, command: u16, parts: &[&[u8]]) -> Result<(), Error> {
        // Held over the sending, so that the reply finds what it belongs to.
        let mut pending = lock(&self.pending);
        let id =
            lock(&self.sender).command(command, parts, None).map_err(|error| self.unsent(error, access))?;
        *pending = Some(Pending { id, access, since: Instant::now() });
        Ok(())
    }

    fn unsent(&self, error: io::Error, access: Access) -> Error {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => self.silent(access),
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                Error::Closed { when: format!("before {}", words(access)) }
            }
            _ => Error::Broken(error),
        }
    }

    fn silent(&self, access: Access) -> Error {
        Error::Silent { what: words(access), seconds: self.limit.as_secs_f32() }
    }
}

impl Reading {
    fn run(mut self) {
        while !self.shared.stopping() {
            if let Err(error) = self.once() {
                return self.shared.fail(error);
            }
        }
    }

    fn once(&mut self) -> Result<(), Error> {
        let mut files = vec![self.main.fd()];
        files.extend(self.twin.as_ref().map(|(_, receiver)| receiver.fd()));
        files.extend(self.shared.interrupt.as_ref().map(|interrupt| interrupt.signal.as_fd()));
        wait_for(&files, LOOK_AFTER).map_err(Error::Broken)?;
        let signalled = self.signalled();
        let arrival = self.twin_messages().and_then(|()| self.main_messages())?;
        if signalled {
            self.shared.link.interrupt();
        }
        if arrival == Arrival::End && !self.shared.stopping() {
            let pending = *lock(&self.shared.pending);
            let when = match pending {
                Some(pending) => format!("instead of answering {}", words(pending.access)),
                None if self.main.is_inside() => "in the middle of a message".to_owned(),
                None => "during the run".to_owned(),
            };
            return Err(Error::Closed { when });
        }
        let late = lock(&self.shared.pending).filter(|it| it.since.elapsed() >= self.shared.limit);
        late.map_or(Ok(()), |late| Err(self.shared.silent(late.access)))
    }

    /// Whether the server has signalled since the last look.
    fn signalled(&self) -> bool {
        let mut count = [0u8; 8];
        let signal = self.shared.interrupt.as_ref().map(|interrupt| &interrupt.signal);
        signal.is_some_and(|signal| rustix::io::read(signal, &mut count).is_ok())
    }

    fn main_messages(&mut self) -> Result<Arrival, Error> {
        let arrival = self.main.take_in().map_err(broken)?;
        while let Some(message) = self.main.next() {
            if message.header.is_reply() {
                // What was sent or signalled before the reply comes before it.
                let signalled = self.signalled();
                self.twin_messages()?;
                if signalled {
                    self.shared.link.interrupt();
                }
                self.reply(message)?;
            } else {
                let shared = Arc::clone(&self.shared);
                let reply = transfer(&shared, &message)?;
                reply.send(&mut lock(&shared.sender))?;
            }
        }
        Ok(arrival)
    }

    fn twin_messages(&mut self) -> Result<(), Error> {
        let Some((sender, receiver)) = &mut self.twin else { return Ok(()) };
        let arrival = receiver.take_in().map_err(broken)?;
        while let Some(message) = receiver.next() {
            if message.header.is_reply() {
                return Err(Error::Nonsense("it replied on the socket for its own commands".to_owned()));
            }
            transfer(&self.shared, &message)?.send(sender)?;
        }
        match arrival {
            Arrival::AllTaken => Ok(()),
            Arrival::End => Err(Error::Closed { when: "for its own commands".to_owned() }),
        }
    }

    /// The reply to the access that is pending.
    fn reply(&mut self, message: Message) -> Result<(), Error> {
        let Some(Pending { id, access, .. }) = *lock(&self.shared.pending) else {
            let header = message.header;
            return Err(Error::Nonsense(format!(
                "it answered command {}, number {}, which nobody sent",
                header.command, header.id
            )));
        };
        let what = words(access);
        let command = match access {
            Access::Read { .. } => command::REGION_READ,
            Access::Write { .. } => command::REGION_WRITE,
            Access::InterruptServed => command::SET_IRQS,
        };
        let value = match (check_reply(message, id, command, &what), access) {
            (Ok(message), Access::Read { place, offset, width }) => {
                let (head, data) = expect::<wire::RegionAccess>(&message, &what)?;
                let asked = self.shared.region(place, offset, width.bytes());
                if Some(head) != asked || data.len() as u64 != width.bytes() {
                    let text = format!(
                        "its answer to {what} is {} bytes for offset {:#x} of region {}",
                        data.len(),
                        head.offset,
                        head.region
                    );
                    return Err(Error::Nonsense(text));
                }
                data.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
            }
            (Ok(_), _) => 0,
            (Err(Error::Refused { .. }), _) => u64::MAX,
            (Err(error), _) => return Err(error),
        };
        *lock(&self.shared.pending) = None;
        self.shared.link.answer(value);
        Ok(())
    }
}

/// What is sent back for a command of the server's.
enum Back<'a> {
    Nothing,
    Refusal(&'a Message),
    Done(&'a Message, wire::DmaAccess, Vec<u8>),
}

impl Back<'_> {
    fn send(self, sender: &mut Sender) -> Result<(), Error> {
        match self {
            Self::Nothing => Ok(()),
            Self::Refusal(message) => refuse(sender, message),
            Self::Done(message, head, data) => {
                let header = wire::Header { flags: flag::REPLY, error: 0, ..message.header };
                sender.send(header, &[head.as_bytes(), &data], None).map_err(Error::Broken)
            }
        }
    }
}

/// Has the machine make the transfer that the server asks for.
fn transfer<'a>(shared: &Shared, message: &'a Message) -> Result<Back<'a>, Error> {
    let header = message.header;
    let Some((head, data)) = wire::body::<wire::DmaAccess>(&message.body) else {
        return Err(Error::Nonsense(format!("its command {} has no body", header.command)));
    };
    let too_long =
        || Error::Nonsense(format!("a transfer of {:#x} bytes, more than {LARGEST_DATA:#x}", head.count));
    let count =
        usize::try_from(head.count).ok().filter(|count| *count <= LARGEST_DATA).ok_or_else(too_long)?;
    let mut read = Vec::new();
    let transfer = match header.command {
        command::DMA_READ if data.is_empty() => {
            read.resize(count, 0);
            Transfer::Read(&mut read)
        }
        command::DMA_WRITE if data.len() == count => Transfer::Write(data),
        command::DMA_READ | command::DMA_WRITE => {
            return Err(Error::Nonsense(format!("a transfer of {count} bytes that brings {}", data.len())));
        }
        other => return Err(Error::Nonsense(format!("command {other}, which is not for servers to send"))),
    };
    let Some(done) = shared.link.transfer(head.address, transfer, || shared.stopping()) else {
        return Ok(Back::Nothing);
    };
    if done < head.count {
        return Ok(Back::Refusal(message));
    }
    if header.flags & flag::NO_REPLY != 0 {
        return Ok(Back::Nothing);
    }
    Ok(Back::Done(message, head, read))
}

/// An access in a sentence.
fn words(access: Access) -> String {
    let at = |place: Place, offset: u64| match place {
        Place::Bar(bar) => format!("BAR {bar} + {offset:#x}"),
        Place::Config => format!("configuration space + {offset:#x}"),
    };
    match access {
        Access::Read { place, offset, width } => {
            format!("a read of {} bytes at {}", width.bytes(), at(place, offset))
        }
        Access::Write { place, offset, width, value } => {
            format!("a write of {value:#x} ({} bytes) at {}", width.bytes(), at(place, offset))
        }
        Access::InterruptServed => "the unmasking of its interrupt".to_owned(),
    }
}
