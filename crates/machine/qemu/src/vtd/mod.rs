//! QEMU's Intel VT-d unit in legacy mode: bring-up, context entries, invalidation.
//!
//! One root table and one context table are used, so all devices are on one bus. A device is switched from one page
//! table to another by rewriting its context entry and invalidating what the unit remembers; both ways of
//! invalidating, by register and by queue, are there.

mod fault;
mod spec;

use std::sync::Arc;
use std::time::{Duration, Instant};

use dxgk_hw::{LogicalPage, PAGE_SIZE, PhysAddr, RequesterId};

use crate::error::QemuError;
use crate::machine::Qemu;

pub use fault::{FaultLog, FaultRecord};

/// Host time that the unit may take for a command. QEMU's takes none.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which pages of guest RAM the unit's own structures use. All addresses are multiples of 4096.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// One page for the root table.
    pub root_table: PhysAddr,
    /// One page for the context table of the one bus.
    pub context_table: PhysAddr,
    /// Two pages, the invalidation queue and the word that its wait descriptors write; without them, invalidation is
    /// done by register.
    pub queue: Option<PhysAddr>,
}

/// What a device's context entry says (VT-d section 9.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContextEntry {
    /// Not present: every request is blocked.
    Absent,
    /// Requests pass untranslated.
    PassThrough {
        /// Domain id, the IOTLB's tag.
        domain: u16,
    },
    /// Requests are translated by a second-stage table.
    SecondStage {
        /// Domain id, the IOTLB's tag.
        domain: u16,
        /// Physical address of the root page.
        root: PhysAddr,
        /// Levels of the table: 3 (39-bit) or 4 (48-bit), as far as the unit walks them.
        levels: u8,
    },
}

/// What an IOTLB invalidation covers (VT-d section 6.5.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invalidation {
    /// Everything.
    Global,
    /// One domain.
    Domain(u16),
    /// `1 << order` pages of one domain, from `first` on, which is a multiple of as much.
    Pages {
        /// Domain id.
        domain: u16,
        /// First page.
        first: LogicalPage,
        /// Logarithm of the number of pages, at most what the unit's Maximum Address Mask Value says.
        order: u8,
    },
}

/// The VT-d unit, translating.
#[derive(Debug)]
pub struct Vtd {
    qemu: Arc<Qemu>,
    capability: u64,
    extended_capability: u64,
    placement: Placement,
    queue_tail: u64,
    waits: u32,
}

impl Vtd {
    /// The `-device` argument for the unit: second-stage tables of up to `address_bits` (39 or 48) of address.
    /// It has to come before the devices behind it.
    #[must_use]
    pub fn argument(address_bits: u8) -> String {
        format!("intel-iommu,intremap=off,aw-bits={address_bits},caching-mode=off")
    }

    /// Writes empty tables at `placement` and turns translation on: from here every request is blocked until
    /// [`Vtd::set_context`] says otherwise.
    ///
    /// # Errors
    /// [`QemuError::WrongDevice`] if the machine has no VT-d unit, [`QemuError::NotRam`] or
    /// [`QemuError::Unsupported`] for a bad placement, [`QemuError::Stuck`] if the unit does not obey.
    pub fn bring_up(qemu: Arc<Qemu>, placement: Placement) -> Result<Self, QemuError> {
        let version = qemu.readl(spec::register(spec::VERSION))?;
        if version == 0 || version == u32::MAX {
            return Err(QemuError::WrongDevice {
                qemu: qemu.installed().to_string(),
                address: spec::register(0).to_string(),
                found: format!("version {version:#x}"),
                wanted: "a VT-d unit",
            });
        }
        let pages = [
            Some(placement.root_table),
            Some(placement.context_table),
            placement.queue,
            placement.queue.and_then(|queue| queue.checked_add(PAGE_SIZE)),
        ];
        for page in pages.into_iter().flatten() {
            page_address("page of the VT-d unit", page)?;
            qemu.ram().write(page, &[0; PAGE_SIZE as usize])?;
        }
        let mut unit = Self {
            capability: qemu.readq(spec::register(spec::CAPABILITY))?,
            extended_capability: qemu.readq(spec::register(spec::EXTENDED_CAPABILITY))?,
            qemu,
            placement,
            queue_tail: 0,
            waits: 0,
        };
        unit.write(spec::ROOT_TABLE_ADDRESS, placement.root_table.get())?;
        unit.command(spec::ROOT_TABLE_POINTER, "taking the root table pointer")?;
        if let Some(queue) = placement.queue {
            unit.write(spec::QUEUE_TAIL, 0)?;
            unit.write(spec::QUEUE_ADDRESS, queue.get())?;
            unit.command(spec::QUEUED_INVALIDATION, "turning queued invalidation on")?;
        }
        unit.invalidate_contexts()?;
        unit.invalidate(Invalidation::Global)?;
        unit.command(spec::TRANSLATION, "turning translation on")?;
        Ok(unit)
    }

    /// The Capability register.
    #[must_use]
    pub fn capability(&self) -> u64 {
        self.capability
    }

    /// The Extended Capability register.
    #[must_use]
    pub fn extended_capability(&self) -> u64 {
        self.extended_capability
    }

    /// Makes `entry` the context entry of the device `requester`. The unit may go on with the old one until
    /// [`Vtd::invalidate_contexts`] and then [`Vtd::invalidate`].
    ///
    /// # Errors
    /// [`QemuError::Unsupported`] for what the unit's capabilities exclude.
    pub fn set_context(&self, requester: RequesterId, entry: ContextEntry) -> Result<(), QemuError> {
        let [low, high] = self.encode(entry)?;
        let context = entry_address(self.placement.context_table, u64::from(requester.devfn()) * 16);
        let root = entry_address(self.placement.root_table, u64::from(requester.bus()) * 16);
        let ram = self.qemu.ram();
        ram.write(entry_address(context, 8), &high.to_le_bytes())?;
        ram.write(context, &low.to_le_bytes())?;
        ram.write(root, &(self.placement.context_table.get() | spec::PRESENT).to_le_bytes())
    }

    fn encode(&self, entry: ContextEntry) -> Result<[u64; 2], QemuError> {
        let unsupported = |what, value: u64, limit: &str| {
            Err(QemuError::Unsupported { what, value, limit: limit.to_owned() })
        };
        let tag = |domain: u16| u64::from(domain) << 8;
        match entry {
            ContextEntry::Absent => Ok([0, 0]),
            ContextEntry::PassThrough { domain } => {
                if !spec::passes_through(self.extended_capability) {
                    return unsupported("pass-through", 0, "the unit's ECAP.PT is 0");
                }
                // The address width must be the widest that the unit supports (section 9.3, field AW).
                let levels = if spec::walks_levels(self.capability, 4) { 4 } else { 3 };
                Ok([spec::PASS_THROUGH | spec::PRESENT, tag(domain) | address_width(levels)])
            }
            ContextEntry::SecondStage { domain, root, levels } => {
                page_address("second-stage root", root)?;
                if !spec::walks_levels(self.capability, levels) {
                    return unsupported(
                        "second-stage levels",
                        u64::from(levels),
                        "not in the unit's CAP.SAGAW",
                    );
                }
                Ok([root.get() | spec::PRESENT, tag(domain) | address_width(levels)])
            }
        }
    }

    /// Forgets all context entries.
    ///
    /// # Errors
    /// [`QemuError::Stuck`] if the unit does not finish.
    pub fn invalidate_contexts(&mut self) -> Result<(), QemuError> {
        if self.placement.queue.is_some() {
            return self.queue([spec::CONTEXT_DESCRIPTOR | (1 << 4), 0]);
        }
        self.write(spec::CONTEXT_COMMAND, spec::INVALIDATE | (1 << 61))?;
        self.wait("context invalidation", spec::CONTEXT_COMMAND, |value| value & spec::INVALIDATE == 0)
    }

    /// Forgets translations.
    ///
    /// # Errors
    /// [`QemuError::Stuck`] if the unit does not finish.
    pub fn invalidate(&mut self, what: Invalidation) -> Result<(), QemuError> {
        let (granularity, domain, pages) = match what {
            Invalidation::Global => (1, 0, 0),
            Invalidation::Domain(domain) => (2, domain, 0),
            Invalidation::Pages { domain, first, order } => {
                (3, domain, first.address().get() | u64::from(order & 0x3f))
            }
        };
        if self.placement.queue.is_some() {
            let low = spec::IOTLB_DESCRIPTOR | (granularity << 4) | spec::DRAIN | (u64::from(domain) << 16);
            return self.queue([low, pages]);
        }
        let registers = spec::iotlb_registers(self.extended_capability);
        if granularity == 3 {
            self.write(registers, pages)?;
        }
        let command =
            spec::INVALIDATE | (granularity << 60) | (spec::DRAIN << 42) | (u64::from(domain) << 32);
        self.write(registers + 8, command)?;
        self.wait("IOTLB invalidation", registers + 8, |value| value & spec::INVALIDATE == 0)
    }

    /// Gives the device `requester` another context entry and makes the unit forget the old one and everything that
    /// it translated.
    ///
    /// # Errors
    /// As [`Vtd::set_context`] and [`Vtd::invalidate`].
    pub fn switch(&mut self, requester: RequesterId, entry: ContextEntry) -> Result<(), QemuError> {
        self.set_context(requester, entry)?;
        self.invalidate_contexts()?;
        self.invalidate(Invalidation::Global)
    }

    /// Puts a descriptor and a wait descriptor into the queue, and waits for the status word.
    fn queue(&mut self, descriptor: [u64; 2]) -> Result<(), QemuError> {
        let Some(queue) = self.placement.queue else { return Ok(()) };
        let status = entry_address(queue, PAGE_SIZE);
        self.waits = self.waits.wrapping_add(1).max(1);
        let wait = [spec::WAIT_DESCRIPTOR | (u64::from(self.waits) << 32), status.get()];
        for words in [descriptor, wait] {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&words[0].to_le_bytes());
            bytes[8..].copy_from_slice(&words[1].to_le_bytes());
            self.qemu.ram().write(entry_address(queue, self.queue_tail * 16), &bytes)?;
            self.queue_tail = (self.queue_tail + 1) % spec::QUEUE_ENTRIES;
        }
        self.write(spec::QUEUE_TAIL, self.queue_tail << 4)?;
        let start = Instant::now();
        loop {
            let mut done = [0; 4];
            self.qemu.ram().read(status, &mut done)?;
            if u32::from_le_bytes(done) == self.waits {
                return Ok(());
            }
            let faults = self.qemu.readl(spec::register(spec::FAULT_STATUS))?;
            if faults & spec::QUEUE_ERRORS != 0 || start.elapsed() > PATIENCE {
                let head = self.qemu.readq(spec::register(spec::QUEUE_HEAD))?;
                return Err(self.stuck(
                    "the invalidation queue's wait",
                    start,
                    (u64::from(faults) << 32) | head,
                ));
            }
        }
    }

    fn write(&self, register: u64, value: u64) -> Result<(), QemuError> {
        self.qemu.writeq(spec::register(register), value)
    }

    fn command(&self, bit: u32, what: &'static str) -> Result<(), QemuError> {
        let status = self.qemu.readl(spec::register(spec::GLOBAL_STATUS))?;
        self.qemu.writel(spec::register(spec::GLOBAL_COMMAND), (status & spec::STATUS_KEPT) | bit)?;
        self.wait(what, spec::GLOBAL_STATUS, |value| value & u64::from(bit) != 0)
    }

    fn wait(&self, what: &'static str, register: u64, done: impl Fn(u64) -> bool) -> Result<(), QemuError> {
        let start = Instant::now();
        loop {
            let value = if register == spec::GLOBAL_STATUS {
                u64::from(self.qemu.readl(spec::register(register))?)
            } else {
                self.qemu.readq(spec::register(register))?
            };
            if done(value) {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                return Err(self.stuck(what, start, value));
            }
        }
    }

    fn stuck(&self, what: &'static str, start: Instant, value: u64) -> QemuError {
        let waited_ms = start.elapsed().as_millis() as u64;
        QemuError::Stuck { qemu: self.qemu.installed().to_string(), what, waited_ms, value }
    }
}

/// Context entry, field AW: 1 for 3 levels, 2 for 4.
fn address_width(levels: u8) -> u64 {
    u64::from(levels.saturating_sub(2))
}

/// A word within a page of RAM whose address [`page_address`] has checked.
const fn entry_address(page: PhysAddr, offset: u64) -> PhysAddr {
    PhysAddr::new(page.get() + offset)
}

fn page_address(what: &'static str, page: PhysAddr) -> Result<(), QemuError> {
    let value = page.get();
    if value.is_multiple_of(PAGE_SIZE) && value >> 52 == 0 {
        return Ok(());
    }
    Err(QemuError::Unsupported { what, value, limit: "a multiple of 4096 below 2^52".to_owned() })
}
