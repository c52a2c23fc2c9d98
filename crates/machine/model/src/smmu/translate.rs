//! One request: stream table entry, context descriptor, TLB, walk, event.

use dxgk_event::FaultReason as Reason;
use dxgk_hw::{LogicalAddr, MachineMemory, RequesterId};
use dxgk_iopt::smmu::spec::{EventClass, EventCode, EventFirst, EventSecond};

use super::registers::RegisterFile;
use super::stream::{self, Bad, Context, Stream};
use super::walk::{self, Stop};
use crate::unit::{Refusal, Translated};

/// Who asks for what.
#[derive(Clone, Copy)]
struct Request {
    requester: RequesterId,
    at: LogicalAddr,
    write: bool,
}

impl Request {
    fn sid(&self) -> u32 {
        self.requester.0.into()
    }
}

impl RegisterFile {
    /// Translates a request for part of one page, filling the caches and the event queue.
    pub(super) fn translate(
        &mut self,
        memory: &dyn MachineMemory,
        requester: RequesterId,
        at: LogicalAddr,
        write: bool,
    ) -> Result<Translated, Refusal> {
        let request = Request { requester, at, write };
        if !self.control.smmuen() {
            return if self.abort_while_off {
                Err(Refusal::unrecorded(Reason::NoDevice))
            } else {
                Ok(Translated::unchanged(at, 0))
            };
        }
        let stream = self.stream_of(memory, request)?;
        let (tables, recorded) = match stream {
            Stream::Abort => return Err(Refusal::unrecorded(Reason::NoDevice)),
            Stream::Bypass => return Ok(Translated::unchanged(at, 0)),
            Stream::Stage1 { descriptor, vmid } => {
                let Context { tables, recorded } = self.context_of(memory, request, descriptor, vmid)?;
                (tables, recorded)
            }
            Stream::Stage2 { tables, recorded } => (tables, recorded),
        };
        let domain = tables.space.asid.unwrap_or(tables.space.vmid);
        let fault = |stop, reason, cached| Fault {
            stop,
            reason,
            cached,
            domain,
            recorded,
            stage_2: tables.space.asid.is_none(),
        };
        if !tables.covers(at.get()) {
            let (code, class) = (EventCode::F_TRANSLATION, EventClass::In);
            let stop = Stop { code, class, entry: 0, entry_at: 0, level: 0 };
            return Err(self.refuse(memory, request, fault(stop, Reason::BeyondWidth, false)));
        }
        if let Some(cached) = self.tlb.lookup(tables.space, at.get()) {
            if if write { cached.write } else { cached.read } {
                return Ok(Translated::through(&cached, at, domain, true));
            }
            let (entry, entry_at, level) = (cached.entry, cached.entry_at, cached.level);
            let stop = Stop { code: EventCode::F_PERMISSION, class: EventClass::In, entry, entry_at, level };
            return Err(self.refuse(memory, request, fault(stop, denied(write), true)));
        }
        match walk::walk(memory, &mut self.structures, &tables, at.get(), write) {
            Ok(translation) => {
                self.tlb.insert(tables.space, at.get(), translation);
                Ok(Translated::through(&translation, at, domain, false))
            }
            Err(stop) => {
                let reason = match stop.code {
                    EventCode::F_TRANSLATION => Reason::NotPresent,
                    EventCode::F_PERMISSION => denied(write),
                    _ => Reason::Malformed,
                };
                Err(self.refuse(memory, request, fault(stop, reason, false)))
            }
        }
    }

    fn stream_of(&mut self, memory: &dyn MachineMemory, request: Request) -> Result<Stream, Refusal> {
        if let Some(stream) = self.caches.stream(request.sid()) {
            return Ok(stream);
        }
        match stream::find(memory, &self.config, self.table, self.table_config, request.sid()) {
            Ok(stream) => {
                self.caches.insert_stream(request.sid(), stream);
                Ok(stream)
            }
            Err(bad) => Err(self.bad_configuration(memory, request, bad)),
        }
    }

    fn context_of(
        &mut self,
        memory: &dyn MachineMemory,
        request: Request,
        descriptor: u64,
        vmid: u16,
    ) -> Result<Context, Refusal> {
        if let Some(context) = self.caches.context(request.sid()) {
            return Ok(context);
        }
        match stream::context(memory, &self.config, descriptor, vmid) {
            Ok(context) => {
                self.caches.insert_context(request.sid(), context);
                Ok(context)
            }
            Err(bad) => Err(self.bad_configuration(memory, request, bad)),
        }
    }

    /// Records of configuration errors have no address but those of fetches, which are about a place in memory.
    fn bad_configuration(&mut self, memory: &dyn MachineMemory, request: Request, bad: Bad) -> Refusal {
        let address = match bad.code {
            EventCode::F_STE_FETCH | EventCode::F_CD_FETCH => bad.entry_at,
            _ => 0,
        };
        // Unknown streams are recorded where software asks for it (CR2.RECINVSID).
        let record = if bad.code == EventCode::C_BAD_STREAMID && !self.record_bad_ids {
            [0; 2]
        } else {
            let first = EventFirst::new().with_code(bad.code).with_sid(request.sid());
            self.record(memory, first, EventSecond::new(), address)
        };
        let reason = if bad.absent { Reason::NoDevice } else { Reason::Malformed };
        Refusal {
            record,
            entry: bad.entry,
            entry_at: bad.entry_at,
            by_tables: true,
            ..Refusal::unrecorded(reason)
        }
    }

    fn refuse(&mut self, memory: &dyn MachineMemory, request: Request, fault: Fault) -> Refusal {
        let Fault { stop, reason, cached, domain, recorded, stage_2 } = fault;
        let record = if recorded {
            let first = EventFirst::new().with_code(stop.code).with_sid(request.sid());
            let second =
                EventSecond::new().with_rnw(!request.write).with_s2(stage_2).with_class(stop.class as u8);
            self.record(memory, first, second, request.at.get())
        } else {
            [0; 2]
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

/// A request that is stopped, and what is known of it.
struct Fault {
    stop: Stop,
    reason: Reason,
    cached: bool,
    domain: u16,
    recorded: bool,
    stage_2: bool,
}

fn denied(write: bool) -> Reason {
    if write { Reason::NoWrite } else { Reason::NoRead }
}
