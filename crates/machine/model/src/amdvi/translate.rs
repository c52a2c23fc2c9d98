//! One request: device table, IOTLB, walk, event.

use dxgk_event::FaultReason as Reason;
use dxgk_hw::{LogicalAddr, MachineMemory, RequesterId};
use dxgk_iopt::amdvi::spec::{EventCode, EventFlags};

use super::device_table::{self, Device, Target};
use super::registers::RegisterFile;
use super::walk::{self, Stop, Tables};
use crate::unit::{Refusal, Translated, Translation};

/// Where interrupt messages go (manual 2.1.2): never translated, and no memory.
const INTERRUPT_RANGE: std::ops::Range<u64> = 0xfee0_0000..0xfef0_0000;

/// Who asks for what.
#[derive(Clone, Copy)]
struct Request {
    requester: RequesterId,
    at: LogicalAddr,
    write: bool,
}

/// Why a request is stopped, and what is known of it.
struct Stopped {
    stop: Stop,
    reason: Reason,
    domain: u16,
    quiet: bool,
    cached: bool,
}

/// An entry's end of a walk in the words of an event.
fn reason_of(stop: &Stop, write: bool) -> Reason {
    match stop.code {
        EventCode::IO_PAGE_FAULT if !stop.flags.pr() => Reason::NotPresent,
        EventCode::IO_PAGE_FAULT if stop.flags.pe() => denied(write),
        _ => Reason::Malformed,
    }
}

fn denied(write: bool) -> Reason {
    if write { Reason::NoWrite } else { Reason::NoRead }
}

impl RegisterFile {
    /// Translates a request for part of one page, filling the caches and the event log.
    pub(super) fn translate(
        &mut self,
        memory: &dyn MachineMemory,
        requester: RequesterId,
        at: LogicalAddr,
        write: bool,
    ) -> Result<Translated, Refusal> {
        let request = Request { requester, at, write };
        if !self.control.iommu_en() {
            return Ok(Translated::unchanged(at, 0));
        }
        if INTERRUPT_RANGE.contains(&at.get()) {
            return Err(self.interrupt(memory, request));
        }
        let device = self.device_of(memory, request)?;
        let by_entry = |flags| Stop {
            code: EventCode::IO_PAGE_FAULT,
            flags,
            entry: device.entry,
            entry_at: device.entry_at,
            level: 0,
        };
        let of_device = |stop, reason| Stopped {
            stop,
            reason,
            domain: device.domain,
            quiet: device.quiet,
            cached: false,
        };
        match device.target {
            Target::Unchecked => Ok(Translated::unchanged(at, 0)),
            Target::Direct if if write { device.write } else { device.read } => {
                Ok(Translated::unchanged(at, device.domain))
            }
            Target::Direct => {
                let reason = if device.read || device.write { denied(write) } else { Reason::NoDevice };
                let flags = EventFlags::new().with_pr(true).with_pe(true);
                Err(self.refuse(memory, request, of_device(by_entry(flags), reason)))
            }
            // The manual says that the walk is terminated, not how that is logged: as what is not present, our choice.
            Target::Nowhere => {
                Err(self.refuse(memory, request, of_device(by_entry(EventFlags::new()), Reason::NoDevice)))
            }
            Target::Tables { levels, .. } if !walk::covers(levels, at.get()) => {
                Err(self.refuse(memory, request, of_device(by_entry(EventFlags::new()), Reason::BeyondWidth)))
            }
            Target::Tables { root, levels } => {
                // Not part of what is cached of a domain: devices of one domain may differ in it.
                if !(if write { device.write } else { device.read }) {
                    let flags = EventFlags::new().with_pr(true).with_pe(true);
                    return Err(self.refuse(memory, request, of_device(by_entry(flags), denied(write))));
                }
                let tables = Tables { domain: device.domain, root, levels };
                self.through_tables(memory, request, device.quiet, tables)
            }
        }
    }

    fn device_of(&mut self, memory: &dyn MachineMemory, request: Request) -> Result<Device, Refusal> {
        if let Some(device) = self.devices.lookup(request.requester.0) {
            return Ok(device);
        }
        match device_table::find(memory, &self.config, self.device_table, request.requester.0) {
            Ok(device) => {
                self.devices.insert(request.requester.0, device);
                Ok(device)
            }
            Err(none) => {
                let (code, flags, entry, entry_at) = (none.code, none.flags, none.entry, none.entry_at);
                let stop = Stop { code, flags, entry, entry_at, level: 0 };
                let reason = Reason::Malformed;
                Err(self.refuse(
                    memory,
                    request,
                    Stopped { stop, reason, domain: 0, quiet: false, cached: false },
                ))
            }
        }
    }

    fn through_tables(
        &mut self,
        memory: &dyn MachineMemory,
        request: Request,
        quiet: bool,
        tables: Tables,
    ) -> Result<Translated, Refusal> {
        let (domain, address) = (tables.domain, request.at.get());
        if let Some(cached) = self.iotlb.lookup(domain, address) {
            return self.through_cache(memory, request, quiet, domain, &cached);
        }
        let structures = &mut self.structures;
        match walk::walk(memory, &self.config, structures, tables, address, request.write) {
            Ok(translation) => {
                self.iotlb.insert(domain, address, translation);
                Ok(Translated::through(&translation, request.at, domain, false))
            }
            Err(stop) => {
                if self.config.caches_absent && stop.absent() {
                    self.iotlb.insert(domain, address, stop.as_translation());
                }
                let reason = reason_of(&stop, request.write);
                Err(self.refuse(memory, request, Stopped { stop, reason, domain, quiet, cached: false }))
            }
        }
    }

    fn through_cache(
        &mut self,
        memory: &dyn MachineMemory,
        request: Request,
        quiet: bool,
        domain: u16,
        cached: &Translation,
    ) -> Result<Translated, Refusal> {
        if if request.write { cached.write } else { cached.read } {
            return Ok(Translated::through(cached, request.at, domain, true));
        }
        // Only a unit with NpCache keeps what nobody may use.
        let absent = !cached.read && !cached.write;
        let flags = EventFlags::new().with_pr(!absent).with_pe(!absent);
        let reason = if absent { Reason::NotPresent } else { denied(request.write) };
        let (entry, entry_at, level) = (cached.entry, cached.entry_at, cached.level);
        let stop = Stop { code: EventCode::IO_PAGE_FAULT, flags, entry, entry_at, level };
        Err(self.refuse(memory, request, Stopped { stop, reason, domain, quiet, cached: true }))
    }

    /// A write is a message, which no interrupt controller of ours takes; a read is no request that there is.
    fn interrupt(&mut self, memory: &dyn MachineMemory, request: Request) -> Refusal {
        let mut refusal = Refusal::unrecorded(Reason::NoMemory);
        if !request.write {
            let (code, device) = (EventCode::INVALID_DEVICE_REQUEST, request.requester.0);
            refusal.record = self.log(memory, code, EventFlags::new(), device, 0, request.at.get());
        }
        refusal
    }

    fn refuse(&mut self, memory: &dyn MachineMemory, request: Request, stopped: Stopped) -> Refusal {
        let Stopped { stop, reason, domain, quiet, cached } = stopped;
        let flags = stop.flags.with_rw(request.write);
        // Hardware errors tell where in memory, the others what was asked for.
        let address = match stop.code {
            EventCode::DEV_TAB_HARDWARE_ERROR | EventCode::PAGE_TAB_HARDWARE_ERROR => stop.entry_at,
            _ => request.at.get(),
        };
        // Only page faults can be suppressed.
        let record = if quiet && stop.code == EventCode::IO_PAGE_FAULT {
            [0; 2]
        } else {
            self.log(memory, stop.code, flags, request.requester.0, domain, address)
        };
        Refusal {
            record,
            reason,
            entry: stop.entry,
            entry_at: stop.entry_at,
            level: stop.level,
            cached,
            domain,
            by_tables: true,
        }
    }
}
