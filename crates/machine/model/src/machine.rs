//! Memory, unit and devices put together.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use dxgk_event::EventSink;
use dxgk_hw::{BarKind, DmaPort, MachineMemory, PciFunction, PhysAddr, Registers, RequesterId, Width};
use dxgk_shm::DEVICE_HOLE;

use crate::pci::{BarShape, Device, Parts, PciDevice, Presence};
use crate::port::RequesterPort;
use crate::unit::{Unit, UnitConfig};

/// Memory BARs are assigned upwards from here, and must end before the firmware's and the chipset's addresses.
const MEMORY_WINDOW: std::ops::Range<u64> = 0xe000_0000..0xfe00_0000;
const _: () = assert!(MEMORY_WINDOW.start >= DEVICE_HOLE.start && MEMORY_WINDOW.end < DEVICE_HOLE.end);
/// Port BARs likewise.
const PORT_WINDOW: std::ops::Range<u64> = 0xc000..0x1_0000;
/// Interrupt line of the first function; the others follow, four of them shared as on a PC.
const FIRST_LINE: u8 = 16;

/// A machine that cannot be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadMachine {
    /// Two functions with one requester id.
    #[error("two devices at {0}")]
    SameRequester(RequesterId),
    /// A BAR with an index above 5, or a size that is no power of two or too small.
    #[error("device '{device}' has an impossible BAR {bar}")]
    BadBar {
        /// Device's name.
        device: String,
        /// BAR number.
        bar: u8,
    },
    /// The BARs do not fit into the address window.
    #[error("no addresses are left for BAR {bar} of device '{device}'")]
    NoAddresses {
        /// Device's name.
        device: String,
        /// BAR number.
        bar: u8,
    },
}

/// A machine in the making.
pub struct MachineBuilder {
    memory: Arc<dyn MachineMemory>,
    events: Arc<dyn EventSink>,
    unit: UnitConfig,
    devices: Vec<(RequesterId, String, Box<dyn Device>)>,
}

/// The machine.
pub struct Machine {
    memory: Arc<dyn MachineMemory>,
    events: Arc<dyn EventSink>,
    unit: Arc<dyn Unit>,
    registers: Arc<dyn Registers>,
    /// Where the unit's registers are, and how many bytes of them.
    window: (PhysAddr, u64),
    functions: Vec<Arc<PciDevice>>,
}

impl MachineBuilder {
    /// The unit and its make. Its host address width is widened to what the RAM needs.
    #[must_use]
    pub fn unit(mut self, config: impl Into<UnitConfig>) -> Self {
        self.unit = config.into();
        self
    }

    /// Adds a device under the name that `--device` knows it by.
    #[must_use]
    pub fn device(mut self, requester: RequesterId, name: &str, device: Box<dyn Device>) -> Self {
        self.devices.push((requester, name.to_owned(), device));
        self
    }

    /// Assigns addresses and puts it together. The devices are then as a bus driver leaves them: BARs assigned,
    /// decoding and bus mastering on.
    ///
    /// # Errors
    /// [`BadMachine`].
    pub fn build(self) -> Result<Machine, BadMachine> {
        let highest = self.memory.ranges().last().map_or(0, |range| range.start.get() + (range.bytes - 1));
        let needed = u64::BITS - highest.leading_zeros();
        let window = self.unit.window();
        let (unit, registers) = self.unit.build(needed, &self.memory);
        let (memory, events) = (self.memory, self.events);
        let mut machine = Machine { memory, events, unit, registers, window, functions: Vec::new() };
        let mut windows = Windows::empty();
        for (number, (requester, name, device)) in self.devices.into_iter().enumerate() {
            if machine.functions.iter().any(|function| function.requester() == requester) {
                return Err(BadMachine::SameRequester(requester));
            }
            let bases = windows.assign(&name, &device.bars())?;
            let bus_master = Arc::new(AtomicBool::new(false));
            let presence = Arc::<Presence>::default();
            let port = machine.requester_port(requester, Arc::clone(&bus_master), Arc::clone(&presence));
            machine.functions.push(Arc::new(PciDevice::new(Parts {
                name,
                requester,
                device,
                port: Arc::new(port),
                presence,
                events: Arc::clone(&machine.events),
                bus_master,
                bases,
                interrupt_line: FIRST_LINE + (number % 4) as u8,
            })));
        }
        Ok(machine)
    }
}

/// Whether there are addresses for these BARs, in a machine that has no others.
pub(crate) fn assignable(device: &str, bars: &[BarShape]) -> Result<(), BadMachine> {
    Windows::empty().assign(device, bars).map(drop)
}

/// First free address of each window.
struct Windows {
    memory: u64,
    ports: u64,
}

impl Windows {
    fn empty() -> Self {
        Self { memory: MEMORY_WINDOW.start, ports: PORT_WINDOW.start }
    }

    fn assign(&mut self, device: &str, bars: &[BarShape]) -> Result<Vec<(u8, u32)>, BadMachine> {
        bars.iter().map(|bar| self.place(device, bar).map(|base| (bar.index, base))).collect()
    }

    fn place(&mut self, device: &str, bar: &BarShape) -> Result<u32, BadMachine> {
        let (next, end, smallest) = match bar.kind {
            BarKind::Memory { .. } => (&mut self.memory, MEMORY_WINDOW.end, 16),
            BarKind::Io => (&mut self.ports, PORT_WINDOW.end, 4),
        };
        let name = || device.to_owned();
        if bar.index > 5 || !bar.size.is_power_of_two() || bar.size < smallest {
            return Err(BadMachine::BadBar { device: name(), bar: bar.index });
        }
        let no_room = || BadMachine::NoAddresses { device: name(), bar: bar.index };
        let base = next.checked_next_multiple_of(bar.size).ok_or_else(no_room)?;
        let after = base.checked_add(bar.size).filter(|after| *after <= end).ok_or_else(no_room)?;
        *next = after;
        u32::try_from(base).map_err(|_| no_room())
    }
}

impl Machine {
    /// Starts a machine with this RAM; what happens in it goes to `events`.
    #[must_use]
    pub fn builder(memory: Arc<dyn MachineMemory>, events: Arc<dyn EventSink>) -> MachineBuilder {
        MachineBuilder { memory, events, unit: UnitConfig::default(), devices: Vec::new() }
    }

    /// The RAM.
    #[must_use]
    pub fn memory(&self) -> &Arc<dyn MachineMemory> {
        &self.memory
    }

    /// The IOMMU's registers.
    #[must_use]
    pub fn unit(&self) -> &Arc<dyn Registers> {
        &self.registers
    }

    /// Where the IOMMU's registers begin.
    #[must_use]
    pub fn unit_base(&self) -> PhysAddr {
        self.window.0
    }

    fn unit_offset(&self, at: PhysAddr) -> Option<u64> {
        let (base, bytes) = self.window;
        at.get().checked_sub(base.get()).filter(|within| *within < bytes)
    }

    /// The functions, in the order in which they were added.
    #[must_use]
    pub fn functions(&self) -> &[Arc<PciDevice>] {
        &self.functions
    }

    /// A way to memory as `requester`, whether or not there is a device with this id: for probing what a device
    /// there could reach. It is always bus master.
    #[must_use]
    pub fn port(&self, requester: RequesterId) -> Arc<dyn DmaPort> {
        Arc::new(self.requester_port(requester, Arc::new(AtomicBool::new(true)), Arc::default()))
    }

    fn requester_port(
        &self,
        requester: RequesterId,
        bus_master: Arc<AtomicBool>,
        presence: Arc<Presence>,
    ) -> RequesterPort {
        let (unit, memory, events) = (&self.unit, &self.memory, &self.events);
        let (unit, memory, events) = (Arc::clone(unit), Arc::clone(memory), Arc::clone(events));
        RequesterPort::new(unit, memory, events, requester, bus_master, presence)
    }

    /// Lets all devices' time run up to `now`.
    pub fn advance(&self, now: u64) {
        self.functions.iter().for_each(|function| function.advance(now));
    }

    /// Reads device registers by physical address. What nobody decodes reads as all ones.
    #[must_use]
    pub fn read_register(&self, at: PhysAddr, width: Width) -> u64 {
        if let Some(within) = self.unit_offset(at) {
            return match width {
                Width::Dword if within.is_multiple_of(4) => u64::from(self.registers.read32(within)),
                Width::Qword if within.is_multiple_of(8) => self.registers.read64(within),
                _ => width.mask(),
            };
        }
        self.decode(false, at.get())
            .map_or(width.mask(), |(function, bar, offset)| function.read(bar, offset, width))
    }

    /// Writes device registers by physical address. What nobody decodes is dropped.
    pub fn write_register(&self, at: PhysAddr, width: Width, value: u64) {
        if let Some(within) = self.unit_offset(at) {
            match width {
                Width::Dword if within.is_multiple_of(4) => self.registers.write32(within, value as u32),
                Width::Qword if within.is_multiple_of(8) => self.registers.write64(within, value),
                _ => {}
            }
        } else if let Some((function, bar, offset)) = self.decode(false, at.get()) {
            function.write(bar, offset, width, value);
        }
    }

    /// Reads an I/O port.
    #[must_use]
    pub fn read_port(&self, port: u16, width: Width) -> u64 {
        self.decode(true, port.into())
            .map_or(width.mask(), |(function, bar, offset)| function.read(bar, offset, width))
    }

    /// Writes an I/O port.
    pub fn write_port(&self, port: u16, width: Width, value: u64) {
        if let Some((function, bar, offset)) = self.decode(true, port.into()) {
            function.write(bar, offset, width, value);
        }
    }

    fn decode(&self, port: bool, address: u64) -> Option<(&PciDevice, u8, u64)> {
        self.functions.iter().find_map(|function| {
            let (bar, offset) = function.decode(port, address)?;
            Some((function.as_ref(), bar, offset))
        })
    }
}
