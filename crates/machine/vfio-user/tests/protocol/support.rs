//! A server in a thread, and a machine that uses it.

use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use dxgk_hw::Width;
use dxgk_shm::link::{Access, DeviceEnd, MachineEnd, Place, Transfer};
use dxgk_vfio_user::{Connection, Error, Proxy};

/// How long a server may take in tests that do not want it to be late.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// A socket in a folder of its own, and who serves it.
pub(crate) struct Socket {
    _folder: tempfile::TempDir,
    pub(crate) path: PathBuf,
    pub(crate) server: Option<JoinHandle<()>>,
}

impl Socket {
    /// Starts a thread that serves the socket.
    pub(crate) fn served(serve: impl FnOnce(UnixListener) + Send + 'static) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("device.sock");
        let listener = UnixListener::bind(&path).expect("a socket");
        Self { _folder: folder, path, server: Some(thread::spawn(move || serve(listener))) }
    }

    pub(crate) fn connect(&self, limit: Duration) -> Result<Connection, Error> {
        Connection::open(&self.path, limit)
    }
}

/// A machine of 64 KiB of memory at 0x10000, with the device.
pub(crate) struct Machine {
    pub(crate) proxy: Proxy,
    pub(crate) end: MachineEnd,
    pub(crate) memory: Vec<u8>,
    /// Interrupts that were waited for.
    known: u64,
}

pub(crate) const MEMORY_AT: u64 = 0x1_0000;

impl Machine {
    pub(crate) fn new(connection: Connection) -> Self {
        let proxy = Proxy::start(connection, DeviceEnd::create().expect("a link")).expect("threads");
        let end = proxy.link().machine_end().expect("the machine's end");
        Self { proxy, end, memory: vec![0; 1 << 16], known: 0 }
    }

    pub(crate) fn access(&mut self, access: Access) -> Option<u64> {
        let memory = &mut self.memory;
        self.end.access(access, &mut |address, transfer| carry(memory, address, transfer))
    }

    pub(crate) fn read(&mut self, offset: u64, width: Width) -> Option<u64> {
        self.access(Access::Read { place: Place::Bar(0), offset, width })
    }

    pub(crate) fn write(&mut self, offset: u64, width: Width, value: u64) -> Option<u64> {
        self.access(Access::Write { place: Place::Bar(0), offset, width, value })
    }

    /// Whether the device did something that was not waited for before.
    pub(crate) fn wait(&mut self, most: Duration) -> bool {
        let (memory, known) = (&mut self.memory, self.known);
        let acted = self.end.wait(most, known, &mut |address, transfer| carry(memory, address, transfer));
        self.known = self.end.interrupts();
        acted
    }
}

/// What lies outside of the memory does not go through.
fn carry(memory: &mut [u8], address: u64, transfer: Transfer<'_>) -> u64 {
    let first = address.checked_sub(MEMORY_AT).unwrap_or(u64::MAX) as usize;
    let length = match &transfer {
        Transfer::Read(out) => out.len(),
        Transfer::Write(bytes) => bytes.len(),
    };
    let Some(place) = first.checked_add(length).and_then(|end| memory.get_mut(first..end)) else { return 0 };
    match transfer {
        Transfer::Read(out) => out.copy_from_slice(place),
        Transfer::Write(bytes) => place.copy_from_slice(bytes),
    }
    length as u64
}
