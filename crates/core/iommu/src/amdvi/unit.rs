//! The unit: start-up, device table and invalidation, events.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::ops::Range;
use core::sync::atomic::Ordering;

use dxgk_hw::{FrameSource, MachineMemory, Pfn, Registers, RequesterId, UnitError};
use dxgk_iopt::amdvi::spec::{Control, HIGHEST_LEVELS, Status};
use dxgk_iopt::{AmdV1, Format, Pending};
use lock_api::{Mutex, RawMutex};

use super::commands::{self, Command, CommandBuffer};
use super::device_table::{self, DeviceTable};
use super::event::{Event, EventSummary};
use super::registers::Unit;
use crate::driven::{Driven, Hardware, Target, take_frames, unit_handle};

/// The domain number of entries that block.
const BLOCKED: u16 = 0;
/// The domain number of entries that let everything through.
const PASS_THROUGH: u16 = 1;
/// Entries of the event log: one page.
const EVENTS: u16 = 256;

/// The unit's tables and rings.
pub(crate) struct Amdvi<M: RawMutex> {
    pub(crate) unit: Unit,
    format: AmdV1,
    caches_absent: bool,
    memory: Arc<dyn MachineMemory>,
    commands: Mutex<M, CommandBuffer>,
    events: Mutex<M, Pfn>,
    devices: Mutex<M, Devices>,
}

struct Devices {
    table: DeviceTable,
    /// Requesters whose old entry may still be cached, with its domain number: an invalidation that failed.
    stale: BTreeMap<u16, u16>,
}

unit_handle! {
    /// An AMD-Vi unit, driven.
    AmdviUnit, Amdvi
}

impl<M: RawMutex + Send + Sync + 'static> AmdviUnit<M> {
    /// Takes a unit over, whatever state it is in, and switches translation on with every requester blocked.
    /// `format` is that of its domains; `caches_absent` is the capability header's NpCache.
    ///
    /// # Errors
    /// [`UnitError::Unsupported`] when there is no unit, or the format has more levels than it has, [`UnitError::NoResources`] without 512 frames in a row and
    /// three more, [`UnitError::Hung`] when a ring does not stop or start.
    pub fn start(
        registers: Arc<dyn Registers>,
        memory: Arc<dyn MachineMemory>,
        frames: Arc<dyn FrameSource>,
        format: AmdV1,
        caches_absent: bool,
    ) -> Result<Self, UnitError> {
        let unit = Unit::new(registers);
        if unit.is_absent() {
            return Err(UnitError::Unsupported("any register"));
        }
        let levels = HIGHEST_LEVELS.get(usize::from(unit.extended_feature().hats())).copied().flatten();
        if levels.is_none_or(|levels| levels < format.root_level()) {
            return Err(UnitError::Unsupported("tables of so many levels"));
        }
        // On an error the frames stay taken: the unit may have been told of them.
        let table = DeviceTable::new(&*memory, &*frames, BLOCKED)?;
        let [ring, status, log] = take_frames(&*frames)?;
        let mut buffer = CommandBuffer::new(ring, status);
        switch_on(&unit, &memory, &table, &mut buffer, log)?;
        let hardware = Amdvi {
            unit,
            format,
            caches_absent,
            memory: Arc::clone(&memory),
            commands: Mutex::new(buffer),
            events: Mutex::new(log),
            devices: Mutex::new(Devices { table, stale: BTreeMap::new() }),
        };
        Ok(Self { shared: Driven::new(hardware, memory, frames) })
    }

    /// Takes what is in the event log, oldest first, and hands each event to `visit`. A log that was full is started
    /// again.
    pub fn take_events(&self, visit: &mut dyn FnMut(Event)) -> EventSummary {
        let hardware = &self.shared.hardware;
        let unit = &hardware.unit;
        let log = hardware.events.lock();
        let mut summary = EventSummary { read: 0, overflow: unit.status().event_overflow() };
        let (mut head, tail) = (unit.event_head() % EVENTS, unit.event_tail() % EVENTS);
        if let Some(words) = hardware.memory.live(*log) {
            while head != tail {
                let at = usize::from(head) * 2;
                let pair =
                    [at, at + 1].map(|at| words.get(at).map_or(0, |word| word.load(Ordering::Acquire)));
                visit(Event::from_words(pair));
                summary.read += 1;
                head = (head + 1) % EVENTS;
            }
            unit.set_event_head(head);
        }
        unit.clear_status(Status::new().with_event_log_int(true));
        if summary.overflow {
            unit.set_control(unit.control().with_event_log_en(false));
            unit.clear_status(Status::new().with_event_overflow(true));
            unit.set_event_log(*log);
            unit.set_control(unit.control().with_event_log_en(true));
        }
        summary
    }
}

fn switch_on(
    unit: &Unit,
    memory: &Arc<dyn MachineMemory>,
    table: &DeviceTable,
    buffer: &mut CommandBuffer,
    log: Pfn,
) -> Result<(), UnitError> {
    unit.set_control(Control::new());
    unit.wait(|status| !status.cmd_buf_run() && !status.event_log_run())?;
    unit.set_device_table(table.base(), device_table::PAGES);
    unit.set_event_log(log);
    unit.set_control(Control::new().with_iommu_en(true).with_event_log_en(true).with_coherent(true));
    buffer.restart(unit)?;
    // Whatever was cached before: one entry, and one domain, at a time, as INVALIDATE_IOMMU_ALL is an option.
    if unit.extended_feature().ia_sup() {
        return buffer.submit(unit, memory, &[commands::everything()]);
    }
    for block in 0..=u16::MAX / STEP {
        let numbers = (0..STEP).map(|nth| block * STEP + nth);
        let mut all = [[0; 2]; 2 * STEP as usize];
        for (pair, number) in all.chunks_exact_mut(2).zip(numbers) {
            if let [device, domain] = pair {
                (*device, *domain) = (commands::device(RequesterId(number)), commands::domain(number));
            }
        }
        buffer.submit(unit, memory, &all)?;
    }
    Ok(())
}

/// Numbers that one submission of a whole invalidation covers.
const STEP: u16 = 32;

impl<M: RawMutex> Amdvi<M> {
    fn submit(&self, commands: &[Command]) -> Result<(), UnitError> {
        self.commands.lock().submit(&self.unit, &self.memory, commands)
    }
}

impl<M: RawMutex + Send + Sync + 'static> Hardware for Amdvi<M> {
    type Format = AmdV1;

    fn name(&self) -> &'static str {
        "amdvi"
    }

    fn format(&self) -> AmdV1 {
        self.format
    }

    fn domain_numbers(&self) -> Range<u32> {
        u32::from(PASS_THROUGH) + 1..1 << 16
    }

    fn passes_through(&self) -> bool {
        true
    }

    fn caches_absent(&self) -> bool {
        self.caches_absent
    }

    fn block(&self, requester: RequesterId) -> Result<(), UnitError> {
        let mut devices = self.devices.lock();
        let old = devices.table.domain(&*self.memory, requester)?;
        if old != BLOCKED {
            devices.stale.insert(requester.0, old);
            devices.table.set(&*self.memory, requester, device_table::blocking(BLOCKED))?;
        }
        if let Some(&old) = devices.stale.get(&requester.0) {
            self.submit(&[commands::device(requester), commands::domain(old)])?;
            devices.stale.remove(&requester.0);
        }
        Ok(())
    }

    fn let_in(&self, requester: RequesterId, target: Target) -> Result<(), UnitError> {
        let entry = match target {
            Target::PassThrough => device_table::passing(PASS_THROUGH),
            Target::Tables { root, domain } => {
                device_table::translating(root, self.format.root_level(), domain)
            }
        };
        let devices = self.devices.lock();
        devices.table.set(&*self.memory, requester, entry)?;
        // The unit caches entries that block like any other.
        self.submit(&[commands::device(requester)])
    }

    fn invalidate(&self, domain: u16, range: &Pending) -> Result<(), UnitError> {
        let mut all = [[0; 2]; commands::MOST_SELECTIVE];
        let Pending { first, pages, tables, .. } = *range;
        let used = commands::range(domain, first, pages, tables, &mut all);
        self.submit(all.get(..used).unwrap_or(&[]))
    }

    fn invalidate_domain(&self, domain: u16) -> Result<(), UnitError> {
        self.submit(&[commands::domain(domain)])
    }
}
