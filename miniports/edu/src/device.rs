//! The edu device: registers and DMA (QEMU, `docs/specs/edu.rst`).

use dxgk_miniport::abi::NtStatus;
use dxgk_miniport::{Adapter, DeviceAddress, RegisterCache, RegisterMap, Result, log, misuse, stall};

/// Identification: `0xRRrr00ed`, revision 1.0.
const IDENTIFICATION: usize = 0x00;
const EDU_1_0: u32 = 0x0100_00ED;
/// Liveness: reads as the inverse of what was written.
const LIVENESS: usize = 0x04;
/// DMA: source, destination (64 bits), count of bytes, command.
const DMA_SOURCE: usize = 0x80;
const DMA_DESTINATION: usize = 0x88;
const DMA_COUNT: usize = 0x90;
const DMA_COMMAND: usize = 0x98;
/// Command bits: start (reads as 1 while the transfer runs), and the direction device to RAM.
const START: u64 = 1;
const TO_RAM: u64 = 2;
/// What a register reads as when no device is there any more.
const GONE: u64 = u64::MAX;
/// Where the device sees its own buffer.
const BUFFER: u64 = 0x4_0000;
/// Bytes in one transfer. The buffer is twice as long, but some versions of the device refuse a transfer that ends
/// exactly at its end, so only its first half is used.
pub(crate) const PIECE: u64 = 2048;

/// How long a transfer may take: polls, and microseconds between two of them. One second together.
const POLLS: u32 = 20_000;
const PAUSE: u32 = 50;

/// The device, with its registers mapped.
#[derive(Debug)]
pub(crate) struct Device<'a> {
    registers: RegisterMap<'a>,
}

impl<'a> Device<'a> {
    /// Maps BAR 0 and checks that it is edu and alive.
    pub(crate) fn open(adapter: &'a Adapter) -> Result<Self> {
        let information = adapter.information()?;
        let (start, length) =
            information.resources().memory().next().ok_or(NtStatus::DEVICE_CONFIGURATION_ERROR)?;
        let registers = RegisterMap::map(adapter, start, length, RegisterCache::NonCached)?;
        let device = Self { registers };
        let identification = device.identification()?;
        if identification != EDU_1_0 {
            log!("edu: identification {identification:#010x}, expected {EDU_1_0:#010x}");
            return Err(NtStatus::NO_SUCH_DEVICE);
        }
        for probe in [0x5A5A_00FF_u32, 0x0000_0001] {
            device.registers.write(LIVENESS, probe)?;
            let answer = device.registers.read::<u32>(LIVENESS)?;
            if answer != !probe {
                log!("edu: liveness of {probe:#010x} is {answer:#010x}");
                return Err(NtStatus::DEVICE_NOT_CONNECTED);
            }
        }
        Ok(device)
    }

    /// The identification register.
    pub(crate) fn identification(&self) -> Result<u32> {
        self.registers.read(IDENTIFICATION)
    }

    /// What is behind the last register: a mistake.
    pub(crate) fn beyond_the_registers(&self) -> u32 {
        misuse::read_register_beyond(&self.registers)
    }

    /// Lets the device read RAM into its buffer; at most [`PIECE`] bytes.
    pub(crate) fn read_ram(&self, from: DeviceAddress<'_>, bytes: u64) -> Result<()> {
        self.transfer(from.bits(), BUFFER, bytes, START)
    }

    /// Lets the device write its buffer to RAM; at most [`PIECE`] bytes.
    pub(crate) fn write_ram(&self, to: DeviceAddress<'_>, bytes: u64) -> Result<()> {
        self.transfer(BUFFER, to.bits(), bytes, START | TO_RAM)
    }

    /// One transfer, waited for.
    fn transfer(&self, source: u64, destination: u64, bytes: u64, command: u64) -> Result<()> {
        self.registers.write(DMA_SOURCE, source)?;
        self.registers.write(DMA_DESTINATION, destination)?;
        self.registers.write(DMA_COUNT, bytes)?;
        self.registers.write(DMA_COMMAND, command)?;
        for _ in 0..POLLS {
            match self.registers.read::<u64>(DMA_COMMAND)? {
                GONE => return Err(NtStatus::DEVICE_NOT_CONNECTED),
                command if command & START == 0 => return Ok(()),
                _ => {}
            }
            stall(PAUSE);
        }
        log!("edu: a transfer did not end");
        Err(NtStatus::IO_TIMEOUT)
    }
}
