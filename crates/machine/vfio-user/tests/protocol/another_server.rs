//! The server of another implementation of the protocol (rust-vmm's), as a witness that ours is the protocol.

use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use dxgk_hw::Width;
use dxgk_shm::link::{Access, Place};
use vfio_user::{DmaMapFlags, DmaUnmapFlags, IrqInfo, Server, ServerBackend, ServerRegion};

use crate::support::{LIMIT, Machine};

/// What the server was told.
#[derive(Default)]
struct Told {
    windows: Vec<(u64, u64, bool)>,
    irqs: Vec<(u32, u32)>,
}

/// 4 KiB of registers that keep what is written; a write at 0x800 interrupts. Configuration space likewise.
struct Registers {
    regions: [Vec<u8>; 2],
    signal: Option<File>,
    told: Arc<Mutex<Told>>,
}

impl Registers {
    fn part(&mut self, region: u32, offset: u64, length: usize) -> &mut [u8] {
        &mut self.regions[usize::from(region == 7)][offset as usize..][..length]
    }
}

impl ServerBackend for Registers {
    fn region_read(&mut self, region: u32, offset: u64, data: &mut [u8]) -> io::Result<()> {
        data.copy_from_slice(self.part(region, offset, data.len()));
        Ok(())
    }

    fn region_write(&mut self, region: u32, offset: u64, data: &[u8]) -> io::Result<()> {
        self.part(region, offset, data.len()).copy_from_slice(data);
        if let (0x800, Some(signal)) = (offset, &mut self.signal) {
            signal.write_all(&1u64.to_ne_bytes())?;
        }
        Ok(())
    }

    fn dma_map(
        &mut self,
        _: DmaMapFlags,
        _: u64,
        address: u64,
        size: u64,
        file: Option<File>,
    ) -> io::Result<()> {
        self.told.lock().expect("a lock").windows.push((address, size, file.is_some()));
        Ok(())
    }

    fn dma_unmap(&mut self, _: DmaUnmapFlags, _: u64, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn reset(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn set_irqs(&mut self, index: u32, flags: u32, _: u32, _: u32, mut files: Vec<File>) -> io::Result<()> {
        self.told.lock().expect("a lock").irqs.push((index, flags));
        self.signal = files.pop().or(self.signal.take());
        Ok(())
    }
}

#[test]
fn another_implementations_server_serves_us() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("other.sock");
    let region = |index: u32| {
        let mut region =
            ServerRegion { region_info: Default::default(), sparse_areas: vec![], mmap_fd: None };
        region.region_info.argsz = 32;
        region.region_info.index = index;
        region.region_info.flags = 3;
        region.region_info.size = [4096, 0, 0, 0, 0, 0, 0, 256, 0][index as usize];
        region
    };
    let irqs = vec![IrqInfo { index: 0, flags: 1, count: 1 }];
    let server = Server::new(&path, true, irqs, (0..9).map(region).collect()).expect("a server");
    let told = Arc::new(Mutex::new(Told::default()));
    let mut config = vec![0; 256];
    config[..4].copy_from_slice(&[0x34, 0x12, 0xe8, 0x11]);
    let mut registers = Registers { regions: [vec![0; 4096], config], signal: None, told: Arc::clone(&told) };
    let thread = std::thread::spawn(move || server.run(&mut registers).map_err(|error| error.to_string()));

    let connection = dxgk_vfio_user::Connection::open(&path, LIMIT).expect("an understanding");
    assert_eq!(connection.facts().bars, [(0, 4096)]);
    assert_eq!(connection.facts().config[..4], [0x34, 0x12, 0xe8, 0x11]);
    let mut machine = Machine::new(connection);
    for (offset, width, value) in
        [(0, Width::Qword, 0x0102_0304_0506_0708), (0x21, Width::Byte, 9), (0x30, Width::Word, 0xabcd)]
    {
        machine.write(offset, width, value);
        assert_eq!(machine.read(offset, width), Some(value));
    }
    let command = Access::Read { place: Place::Config, offset: 4, width: Width::Word };
    assert_eq!(machine.access(command), Some(7));
    assert_eq!(machine.end.interrupts(), 0);
    machine.write(0x800, Width::Dword, 1);
    assert!(machine.wait(LIMIT), "the interrupt comes");
    assert_eq!(machine.access(Access::InterruptServed), Some(0));
    assert_eq!(machine.proxy.failure(), None);
    drop(machine);
    thread.join().expect("the server's thread").expect("the server saw its client leave");

    let told = told.lock().expect("a lock");
    assert_eq!(told.windows.len(), 16);
    assert!(
        told.windows.iter().all(|(address, size, file)| address % size == 0 && *size == 8 << 40 && !file)
    );
    assert_eq!(told.irqs, [(0, 0b10_0100)], "an eventfd that is triggered; nothing to unmask");
}
