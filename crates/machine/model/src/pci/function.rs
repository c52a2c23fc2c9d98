//! A device behind its configuration space.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dxgk_event::EventSink;
use dxgk_hw::{Bar, BarKind, DmaPort, PciFunction, RequesterId, Width};

use super::config::{BEHIND_HEADER, ConfigSpace};
use super::device::{Bus, Device, Outside};
use super::presence::Presence;

/// One function: configuration space, address decoding, bus-master switch and interrupt line around a [`Device`].
pub struct PciDevice {
    name: String,
    requester: RequesterId,
    port: Arc<dyn DmaPort>,
    events: Arc<dyn EventSink>,
    bus_master: Arc<AtomicBool>,
    presence: Arc<Presence>,
    inside: Mutex<Inside>,
}

struct Inside {
    device: Box<dyn Device>,
    config: ConfigSpace,
    bars: Vec<Bar>,
    now: u64,
}

/// What a function is made of.
pub(crate) struct Parts {
    pub name: String,
    pub requester: RequesterId,
    pub device: Box<dyn Device>,
    pub port: Arc<dyn DmaPort>,
    pub events: Arc<dyn EventSink>,
    pub bus_master: Arc<AtomicBool>,
    pub presence: Arc<Presence>,
    /// Base of each BAR, by index.
    pub bases: Vec<(u8, u32)>,
    pub interrupt_line: u8,
}

impl PciDevice {
    pub(crate) fn new(parts: Parts) -> Self {
        let device = &parts.device;
        let mut config = ConfigSpace::new(&device.identity(), &device.bars(), &device.capabilities());
        config.assign(&parts.bases, parts.interrupt_line);
        parts.bus_master.store(config.bus_master(), Ordering::Release);
        let bars = config.bars();
        Self {
            name: parts.name,
            requester: parts.requester,
            port: parts.port,
            events: parts.events,
            bus_master: parts.bus_master,
            presence: parts.presence,
            inside: Mutex::new(Inside { device: parts.device, config, bars, now: 0 }),
        }
    }

    /// Takes the device out of its slot: at once, or in the middle of its next transfer. From then on its registers read as
    /// all ones, what is written to it is lost, and it neither transfers nor interrupts.
    pub fn pull_out(&self, in_transfer: bool) {
        if in_transfer { self.presence.leave_in_transfer() } else { self.presence.leave() }
    }

    /// Whether it was taken out.
    #[must_use]
    pub fn is_pulled_out(&self) -> bool {
        self.presence.is_gone()
    }

    /// Works on the device, with what it can reach.
    fn with<T>(&self, inside: &mut Inside, work: impl FnOnce(&mut dyn Device, &Bus<'_>) -> T) -> T {
        let bus = Bus {
            port: self.port.as_ref(),
            events: self.events.as_ref(),
            requester: self.requester,
            bars: &inside.bars,
        };
        work(inside.device.as_mut(), &bus)
    }

    /// Works on a device whose inside is in another process; nothing for any other.
    fn outside<T>(&self, work: impl FnOnce(&mut dyn Outside, &Bus<'_>) -> T) -> Option<T> {
        self.with(&mut self.lock(), |device, bus| device.outside().map(|outside| work(outside, bus)))
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The BAR and the offset in it that `address` is at, when the function decodes it.
    pub(crate) fn decode(&self, port: bool, address: u64) -> Option<(u8, u64)> {
        let inside = self.lock();
        inside.bars.iter().find_map(|bar| {
            let within = address.checked_sub(bar.base.get()).filter(|within| *within < bar.size)?;
            let right_kind = (bar.kind == BarKind::Io) == port && inside.config.decodes(bar.kind);
            right_kind.then_some((bar.index, within))
        })
    }
}

impl Inside {
    /// Whether an access lies in a BAR that is decoded now.
    fn answers(&self, bar: u8, offset: u64, width: Width) -> bool {
        let inside = |one: &Bar| offset.checked_add(width.bytes()).is_some_and(|end| end <= one.size);
        self.bars.iter().any(|one| one.index == bar && self.config.decodes(one.kind) && inside(one))
    }
}

impl PciFunction for PciDevice {
    fn requester(&self) -> RequesterId {
        self.requester
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn config_read(&self, offset: u16, width: Width) -> u64 {
        if self.presence.is_gone() {
            return width.mask();
        }
        if offset >= BEHIND_HEADER
            && ConfigSpace::answers(offset, width)
            && let Some(value) = self.outside(|device, bus| device.config_read(offset, width, bus))
        {
            return value & width.mask();
        }
        let inside = self.lock();
        inside.config.read(offset, width, inside.device.interrupt())
    }

    fn config_write(&self, offset: u16, width: Width, value: u64) {
        if self.presence.is_gone() {
            return;
        }
        let mut inside = self.lock();
        inside.config.write(offset, width, value);
        inside.bars = inside.config.bars();
        self.bus_master.store(inside.config.bus_master(), Ordering::Release);
        drop(inside);
        let passed_on = offset >= BEHIND_HEADER || ConfigSpace::is_command(offset);
        if passed_on && ConfigSpace::answers(offset, width) {
            self.outside(|device, bus| device.config_written(offset, width, value & width.mask(), bus));
        }
    }

    fn bars(&self) -> Vec<Bar> {
        self.lock().bars.clone()
    }

    fn read(&self, bar: u8, offset: u64, width: Width) -> u64 {
        let mut inside = self.lock();
        if self.presence.is_gone() || !inside.answers(bar, offset, width) {
            return width.mask();
        }
        self.with(&mut inside, |device, bus| device.read(bar, offset, width, bus)) & width.mask()
    }

    fn write(&self, bar: u8, offset: u64, width: Width, value: u64) {
        let mut inside = self.lock();
        if !self.presence.is_gone() && inside.answers(bar, offset, width) {
            let value = value & width.mask();
            self.with(&mut inside, |device, bus| device.write(bar, offset, width, value, bus));
        }
    }

    fn interrupt_pending(&self) -> bool {
        let inside = self.lock();
        !self.presence.is_gone() && inside.config.interrupt_enabled() && inside.device.interrupt()
    }

    fn advance(&self, now: u64) {
        let mut inside = self.lock();
        inside.now = now.max(inside.now);
        let now = inside.now;
        if self.presence.is_gone() {
            return;
        }
        self.with(&mut inside, |device, bus| device.advance(now, bus));
    }

    fn interrupt_taken(&self) -> u64 {
        self.outside(|device, _| device.interrupt_taken()).unwrap_or(0)
    }

    fn interrupt_served(&self, taken: u64) {
        self.outside(|device, bus| device.interrupt_served(taken, bus));
    }

    fn wait(&self, most: Duration) -> bool {
        self.outside(|device, bus| device.wait(most, bus)).unwrap_or(false)
    }
}
