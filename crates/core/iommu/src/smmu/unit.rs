//! The unit: start-up, stream table and invalidation, events.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use core::ops::Range;
use core::sync::atomic::Ordering;

use dxgk_hw::{FrameSource, MachineMemory, Pfn, Registers, RequesterId, UnitError};
use dxgk_iopt::smmu::spec::{CdFirst, Control0, Idr0, Idr5, OUTPUT_BITS, SteThird};
use dxgk_iopt::{Format, Pending, SmmuStage1, SmmuStage2};
use lock_api::{Mutex, RawMutex};

use super::commands::{self, Command, CommandQueue, RUNNING};
use super::event::{Event, EventSummary};
use super::registers::Unit;
use super::stream::{self, StreamTable};
use crate::driven::{Driven, Hardware, Target, take_frames, unit_handle};

/// log2 of the records in the event queue: one page.
const LOG2_EVENTS: u8 = 7;
const EVENTS: u32 = 1 << LOG2_EVENTS;
/// SMMU_EVENTQ_PROD.OVFLG.
const OVERFLOW: u32 = 1 << 31;
/// Bits that an address needs at least for a page of tables to be of use: fewer, and a unit is refused.
const LEAST_OUTPUT: u32 = 32;

/// A format that a unit's domains may have.
pub(crate) trait Tables: Format {
    /// Why the unit cannot walk it.
    fn lacking(&self, unit: Idr0) -> Option<&'static str>;

    /// Which bits of a granule field say the format's granule.
    fn granule_field(&self) -> u8 {
        match self.granule_pages() {
            4 => 0b10,
            16 => 0b01,
            _ => 0b00,
        }
    }

    /// Invalidates all of a domain.
    fn all(domain: u16) -> Command;

    /// Invalidates a page of a domain.
    fn page(domain: u16, page: u64, leaf: bool) -> Command;

    /// A stream's entry; `descriptor` is a frame for what it needs besides.
    fn entry(
        &self,
        memory: &dyn MachineMemory,
        descriptor: Pfn,
        root: Pfn,
        domain: u16,
        output: u8,
    ) -> Result<stream::Entry, UnitError>;
}

impl Tables for SmmuStage1 {
    fn lacking(&self, unit: Idr0) -> Option<&'static str> {
        (!unit.s1p()).then_some("stage 1")
    }

    fn all(domain: u16) -> Command {
        commands::asid(domain)
    }

    fn page(domain: u16, page: u64, leaf: bool) -> Command {
        commands::page_of_asid(domain, page, leaf)
    }

    fn entry(
        &self,
        memory: &dyn MachineMemory,
        descriptor: Pfn,
        root: Pfn,
        domain: u16,
        output: u8,
    ) -> Result<stream::Entry, UnitError> {
        let tsz = self.table_base().map_or(16, |base| base.tsz);
        let first = CdFirst::new()
            .with_v(true)
            .with_t0sz(tsz as u8)
            .with_tg0(self.granule_field())
            // Walks are inner shareable and write-back.
            .with_walk(0b11_01_01)
            .with_epd1(true)
            .with_ips(output)
            .with_aa64(true)
            .with_r(true)
            .with_a(true)
            .with_aset(true)
            .with_asid(domain);
        stream::describe(memory, descriptor, root, first)?;
        Ok(stream::stage_1(descriptor))
    }
}

impl Tables for SmmuStage2 {
    fn lacking(&self, unit: Idr0) -> Option<&'static str> {
        (!unit.s2p()).then_some("stage 2")
    }

    fn all(domain: u16) -> Command {
        commands::vmid(domain)
    }

    fn page(domain: u16, page: u64, leaf: bool) -> Command {
        commands::page_of_vmid(domain, page, leaf)
    }

    fn entry(
        &self,
        _memory: &dyn MachineMemory,
        _descriptor: Pfn,
        root: Pfn,
        domain: u16,
        output: u8,
    ) -> Result<stream::Entry, UnitError> {
        let base = self.table_base();
        let third = SteThird::new()
            .with_s2vmid(domain)
            .with_s2t0sz(base.map_or(20, |base| base.tsz) as u8)
            .with_s2sl0(base.and_then(|base| base.sl0).unwrap_or(0) as u8)
            .with_s2walk(0b11_01_01)
            .with_s2tg(self.granule_field())
            .with_s2ps(output)
            .with_s2aa64(true)
            .with_s2r(true);
        Ok(stream::stage_2(root, third))
    }
}

/// The unit's tables and queues.
pub(crate) struct Smmu<M: RawMutex, F> {
    pub(crate) unit: Unit,
    format: F,
    /// Most bits of a domain number.
    number_bits: u32,
    /// Output size, as it is encoded.
    output: u8,
    memory: Arc<dyn MachineMemory>,
    frames: Arc<dyn FrameSource>,
    queue: Mutex<M, CommandQueue>,
    events: Mutex<M, Pfn>,
    devices: Mutex<M, Devices>,
}

struct Devices {
    table: StreamTable,
    /// A frame for each stream's context descriptor.
    descriptors: BTreeMap<u16, Pfn>,
    /// The domain whose translations a stream may have left in the TLB.
    domains: BTreeMap<u16, u16>,
    /// Requesters whose cleared entry may still be cached: an invalidation that failed.
    stale: BTreeSet<u16>,
}

type Stage1<M> = Smmu<M, SmmuStage1>;
type Stage2<M> = Smmu<M, SmmuStage2>;

unit_handle! {
    /// An SMMUv3, driven with stage 1 tables. They cannot say that a page may only be written.
    SmmuUnit, Stage1
}

unit_handle! {
    /// An SMMUv3, driven with stage 2 tables.
    SmmuStage2Unit, Stage2
}

macro_rules! handle_functions {
    ($handle:ident, $format:ty) => {
        impl<M: RawMutex + Send + Sync + 'static> $handle<M> {
            /// Takes a unit over, whatever state it is in, and switches translation on with every stream blocked.
            ///
            /// # Errors
            /// [`UnitError::Unsupported`] when the unit lacks something, [`UnitError::NoResources`] without frames
            /// for a stream table and two more, [`UnitError::Hung`] when it does not acknowledge.
            pub fn start(
                registers: Arc<dyn Registers>,
                memory: Arc<dyn MachineMemory>,
                frames: Arc<dyn FrameSource>,
                format: $format,
            ) -> Result<Self, UnitError> {
                let hardware = Smmu::start(registers, &memory, &frames, format)?;
                Ok(Self { shared: Driven::new(hardware, memory, frames) })
            }

            /// Takes what is in the event queue, oldest first, and hands each event to `visit`.
            pub fn take_events(&self, visit: &mut dyn FnMut(Event)) -> EventSummary {
                self.shared.hardware.take_events(visit)
            }
        }
    };
}

handle_functions!(SmmuUnit, SmmuStage1);
handle_functions!(SmmuStage2Unit, SmmuStage2);

impl<M: RawMutex, F: Tables> Smmu<M, F> {
    fn start(
        registers: Arc<dyn Registers>,
        memory: &Arc<dyn MachineMemory>,
        frames: &Arc<dyn FrameSource>,
        format: F,
    ) -> Result<Self, UnitError> {
        let unit = Unit::new(registers);
        if unit.is_absent() {
            return Err(UnitError::Unsupported("any register"));
        }
        let (idr0, idr1, idr5) = (unit.idr0(), unit.idr1(), unit.idr5());
        if let Some(what) = format.lacking(idr0) {
            return Err(UnitError::Unsupported(what));
        }
        check(idr0, idr5, format.granule_pages())?;
        if idr1.queues_preset() || idr1.tables_preset() || idr1.sidsize() < 16 {
            return Err(UnitError::Unsupported("tables and queues of our own for all requesters"));
        }
        // Descriptors hold 48 bits; more would need another layout.
        let output = idr5.oas().min(5);
        // On an error the frames stay taken: the unit may have been told of them.
        let table = StreamTable::new(&**frames, idr0.st_level() == 1)?;
        let [ring, log] = take_frames(&**frames)?;
        let mut queue = CommandQueue::new(ring);
        unit.switch(Control0::new())?;
        unit.set_attributes();
        unit.set_stream_table(table.base(), table.config());
        unit.set_event_queue(log, LOG2_EVENTS);
        queue.restart(&unit, Control0::new().with_cmdqen(true).with_eventqen(true))?;
        queue.submit(&unit, memory, &[commands::every_stream(), commands::every_translation()])?;
        unit.switch(RUNNING)?;
        let wide = if F::all(0) == commands::asid(0) { idr0.asid16() } else { idr0.vmid16() };
        let devices =
            Devices { table, descriptors: BTreeMap::new(), domains: BTreeMap::new(), stale: BTreeSet::new() };
        Ok(Self {
            unit,
            format,
            number_bits: if wide { 16 } else { 8 },
            output,
            memory: Arc::clone(memory),
            frames: Arc::clone(frames),
            queue: Mutex::new(queue),
            events: Mutex::new(log),
            devices: Mutex::new(devices),
        })
    }

    fn submit(&self, commands: &[Command]) -> Result<(), UnitError> {
        self.queue.lock().submit(&self.unit, &self.memory, commands)
    }

    fn take_events(&self, visit: &mut dyn FnMut(Event)) -> EventSummary {
        let log = self.events.lock();
        let (producer, mut consumer) = (self.unit.event_producer(), self.unit.event_consumer());
        let overflow = (producer ^ consumer) & OVERFLOW != 0;
        let mut summary = EventSummary { read: 0, overflow };
        if let Some(words) = self.memory.live(*log) {
            while (producer ^ consumer) % (2 * EVENTS) != 0 {
                let at = (consumer % EVENTS) as usize * 4;
                let record = [at, at + 1, at + 2]
                    .map(|at| words.get(at).map_or(0, |word| word.load(Ordering::Acquire)));
                visit(Event::from_words(record));
                summary.read += 1;
                consumer = (consumer + 1) % (2 * EVENTS);
            }
        }
        // With the flag as it was seen, an overflow is acknowledged.
        self.unit.set_event_consumer((consumer % (2 * EVENTS)) | (producer & OVERFLOW));
        summary
    }
}

fn check(idr0: Idr0, idr5: Idr5, granule_pages: u64) -> Result<(), UnitError> {
    let lacks = |what| Err(UnitError::Unsupported(what));
    let granule = match granule_pages {
        4 => idr5.gran16k(),
        16 => idr5.gran64k(),
        _ => idr5.gran4k(),
    };
    if idr0.ttf() & 0b10 == 0 {
        return lacks("AArch64 tables");
    }
    if !granule {
        return lacks("the granule");
    }
    if !idr0.cohacc() {
        return lacks("coherent walks");
    }
    if OUTPUT_BITS.get(usize::from(idr5.oas())).is_none_or(|bits| *bits < LEAST_OUTPUT) {
        return lacks("a known output size");
    }
    Ok(())
}

impl<M: RawMutex + Send + Sync + 'static, F: Tables> Hardware for Smmu<M, F> {
    type Format = F;

    fn name(&self) -> &'static str {
        "smmuv3"
    }

    fn format(&self) -> F {
        self.format
    }

    fn domain_numbers(&self) -> Range<u32> {
        1..1 << self.number_bits
    }

    fn passes_through(&self) -> bool {
        true
    }

    fn caches_absent(&self) -> bool {
        // TLBs never hold what faults (3.17).
        false
    }

    fn block(&self, requester: RequesterId) -> Result<(), UnitError> {
        let mut devices = self.devices.lock();
        if devices.table.is_valid(&*self.memory, requester)? {
            devices.stale.insert(requester.0);
            devices.table.clear(&*self.memory, requester)?;
        }
        if devices.stale.contains(&requester.0) {
            let mut all = [commands::stream(requester), commands::context(requester), [0; 2]];
            let mut used = if F::all(0) == commands::asid(0) { 2 } else { 1 };
            if let (Some(domain), Some(slot)) = (devices.domains.get(&requester.0), all.get_mut(used)) {
                *slot = F::all(*domain);
                used += 1;
            }
            self.submit(all.get(..used).unwrap_or(&[]))?;
            devices.stale.remove(&requester.0);
            devices.domains.remove(&requester.0);
        }
        Ok(())
    }

    fn let_in(&self, requester: RequesterId, target: Target) -> Result<(), UnitError> {
        let mut devices = self.devices.lock();
        let entry = match target {
            Target::PassThrough => stream::passing(),
            Target::Tables { root, domain } => {
                let descriptor = match devices.descriptors.get(&requester.0) {
                    Some(frame) => *frame,
                    None => {
                        let frame = self.frames.take_frame().ok_or(UnitError::NoResources)?;
                        devices.descriptors.insert(requester.0, frame);
                        frame
                    }
                };
                devices.domains.insert(requester.0, domain);
                self.format.entry(&*self.memory, descriptor, root, domain, self.output)?
            }
        };
        devices.table.set(&*self.memory, &*self.frames, requester, entry)?;
        // An entry that is not valid may be cached as such (3.21).
        self.submit(&[commands::stream(requester)])
    }

    fn invalidate(&self, domain: u16, range: &Pending) -> Result<(), UnitError> {
        // A command an address: a leaf goes with any address in it, so what is needed is one for each page of the
        // granule, and beyond a few of them all of the domain.
        const FEW: u64 = 32;
        let step = self.format.granule_pages();
        let first = range.first.get() & !(step - 1);
        let count = (range.first.get() + range.pages).saturating_sub(first).div_ceil(step);
        if count > FEW {
            return self.submit(&[F::all(domain)]);
        }
        let mut all = [[0; 2]; FEW as usize];
        for (slot, nth) in all.iter_mut().zip(0..count) {
            *slot = F::page(domain, first + nth * step, !range.tables);
        }
        self.submit(all.get(..count as usize).unwrap_or(&[]))
    }

    fn invalidate_domain(&self, domain: u16) -> Result<(), UnitError> {
        self.submit(&[F::all(domain)])
    }
}
