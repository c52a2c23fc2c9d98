//! One request: context, IOTLB, walk, fault.

use dxgk_event::FaultReason as Reason;
use dxgk_hw::{LogicalAddr, MachineMemory, RequesterId};
use dxgk_iopt::vtd::spec::FaultReason;

use super::context::{self, Context, Target};
use super::registers::RegisterFile;
use super::walk::{self, Stop};
use crate::unit::{Refusal, Translated};

/// Where interrupt messages go (manual 3.14): never translated, and no memory.
const INTERRUPT_RANGE: std::ops::Range<u64> = 0xfee0_0000..0xfef0_0000;

/// The manual's reason in the words of an event.
fn reason_of(stop: &Stop) -> Reason {
    match stop.code {
        FaultReason::ROOT_NOT_PRESENT | FaultReason::CONTEXT_NOT_PRESENT => Reason::NoDevice,
        FaultReason::NO_READ | FaultReason::NO_WRITE if stop.absent => Reason::NotPresent,
        FaultReason::NO_READ => Reason::NoRead,
        FaultReason::NO_WRITE => Reason::NoWrite,
        FaultReason::ADDRESS_BEYOND_WIDTH => Reason::BeyondWidth,
        _ => Reason::Malformed,
    }
}

/// Who asks for what.
#[derive(Clone, Copy)]
struct Request {
    requester: RequesterId,
    at: LogicalAddr,
    write: bool,
}

impl RegisterFile {
    /// Translates a request for part of one page, filling the caches and the fault log.
    pub(super) fn translate(
        &mut self,
        memory: &dyn MachineMemory,
        requester: RequesterId,
        at: LogicalAddr,
        write: bool,
    ) -> Result<Translated, Refusal> {
        let request = Request { requester, at, write };
        if INTERRUPT_RANGE.contains(&at.get()) {
            return Err(Refusal::unrecorded(Reason::NoMemory));
        }
        if !self.translating() {
            return Ok(Translated::unchanged(at, 0));
        }
        let context = self.context_of(memory, request)?;
        let Target::Tables { root, levels, width } = context.target else {
            return Ok(Translated::unchanged(at, context.domain));
        };
        if at.get() >> width.min(self.config.guest_width()) != 0 {
            let code = FaultReason::ADDRESS_BEYOND_WIDTH;
            let stop = Stop { code, absent: false, entry: 0, entry_at: 0, level: 0 };
            return Err(self.refuse(request, &stop, context.domain, context.quiet, false));
        }
        self.through_tables(memory, request, context, root, levels)
    }

    fn context_of(&mut self, memory: &dyn MachineMemory, request: Request) -> Result<Context, Refusal> {
        let cached = self.contexts.lookup(request.requester.0);
        let found = cached.unwrap_or_else(|| {
            let found = context::find(memory, &self.config, self.root, request.requester);
            let keep = found.is_ok() || self.config.caching_mode;
            if keep {
                self.contexts.insert(request.requester.0, found);
            }
            found
        });
        found.map_err(|none| self.refuse(request, &none.stop, none.domain, none.quiet, cached.is_some()))
    }

    fn through_tables(
        &mut self,
        memory: &dyn MachineMemory,
        request: Request,
        context: Context,
        root: u64,
        levels: u8,
    ) -> Result<Translated, Refusal> {
        let address = request.at.get();
        let hit = self.iotlb.lookup(context.domain, address);
        let translation = match hit {
            Some(translation) => {
                let allowed = if request.write { translation.write } else { translation.read };
                if !allowed {
                    let code = if request.write { FaultReason::NO_WRITE } else { FaultReason::NO_READ };
                    let (entry, entry_at, level) =
                        (translation.entry, translation.entry_at, translation.level);
                    // Only caching mode keeps what nobody may use.
                    let absent = !translation.read && !translation.write;
                    let stop = Stop { code, absent, entry, entry_at, level };
                    return Err(self.refuse(request, &stop, context.domain, context.quiet, true));
                }
                translation
            }
            None => {
                let tables = walk::Tables { domain: context.domain, root, levels };
                let structures = &mut self.structures;
                let walked = walk::walk(memory, &self.config, structures, tables, address, request.write);
                let translation = walked.map_err(|stop| {
                    if self.config.caching_mode && stop.absent {
                        self.iotlb.insert(context.domain, address, stop.as_translation());
                    }
                    self.refuse(request, &stop, context.domain, context.quiet, false)
                })?;
                self.iotlb.insert(context.domain, address, translation);
                translation
            }
        };
        Ok(Translated::through(&translation, request.at, context.domain, hit.is_some()))
    }

    fn refuse(&mut self, request: Request, stop: &Stop, domain: u16, quiet: bool, cached: bool) -> Refusal {
        let record = if quiet {
            [0; 2]
        } else {
            self.faults.record(request.requester, request.at, request.write, stop.code)
        };
        Refusal {
            record,
            reason: reason_of(stop),
            entry: stop.entry,
            entry_at: stop.entry_at,
            level: stop.level,
            cached,
            domain,
            by_tables: true,
        }
    }
}
