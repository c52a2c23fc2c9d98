//! One request: context, IOTLB, walk, fault.

use dxgk_event::FaultReason as Reason;
use dxgk_hw::{LogicalAddr, MachineMemory, RequesterId};
use dxgk_iopt::vtd::spec::FaultReason;

use super::context::{self, Context, NoContext, Target};
use super::registers::RegisterFile;
use super::space::Space;
use super::walk::{self, Stop};
use super::{first_stage, scalable};
use crate::unit::{Refusal, Translated, Translation};

/// Where interrupt messages go (manual 3.14): never translated, and no memory.
const INTERRUPT_RANGE: std::ops::Range<u64> = 0xfee0_0000..0xfef0_0000;

/// The manual's reason in the words of an event.
fn reason_of(stop: &Stop, write: bool) -> Reason {
    match stop.code {
        FaultReason::ROOT_NOT_PRESENT
        | FaultReason::CONTEXT_NOT_PRESENT
        | FaultReason::SM_ROOT_NOT_PRESENT
        | FaultReason::SM_CONTEXT_NOT_PRESENT
        | FaultReason::PASID_DIRECTORY_NOT_PRESENT
        | FaultReason::PASID_ENTRY_NOT_PRESENT => Reason::NoDevice,
        FaultReason::ADDRESS_BEYOND_WIDTH
        | FaultReason::SM_ADDRESS_BEYOND_WIDTH
        | FaultReason::NOT_CANONICAL => Reason::BeyondWidth,
        _ if stop.absent => Reason::NotPresent,
        FaultReason::NO_READ
        | FaultReason::NO_WRITE
        | FaultReason::SM_NO_READ
        | FaultReason::SM_NO_WRITE
        | FaultReason::NO_USER => {
            if write {
                Reason::NoWrite
            } else {
                Reason::NoRead
            }
        }
        _ => Reason::Malformed,
    }
}

/// What scalable mode calls what the second-stage walk and the IOTLB found (manual 7.1.3).
fn in_scalable_mode(stop: &Stop, first_stage: bool) -> FaultReason {
    match stop.code {
        FaultReason::NO_READ | FaultReason::NO_WRITE if stop.absent && first_stage => {
            FaultReason::FS_ENTRY_NOT_PRESENT
        }
        FaultReason::NO_READ | FaultReason::NO_WRITE if stop.absent => FaultReason::SS_ENTRY_NOT_PRESENT,
        FaultReason::NO_READ => FaultReason::SM_NO_READ,
        FaultReason::NO_WRITE => FaultReason::SM_NO_WRITE,
        FaultReason::PAGING_ENTRY_ACCESS => FaultReason::SS_ENTRY_ACCESS,
        FaultReason::PAGING_ENTRY_RESERVED => FaultReason::SS_ENTRY_RESERVED,
        FaultReason::ADDRESS_BEYOND_WIDTH => FaultReason::SM_ADDRESS_BEYOND_WIDTH,
        other => other,
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
        let beyond = |code| Stop { code, absent: false, entry: 0, entry_at: 0, level: 0 };
        let (space, stop) = match context.target {
            Target::Pass => return Ok(Translated::unchanged(at, context.domain)),
            Target::Tables { width, .. } => {
                let space = Space { domain: context.domain, pasid: None };
                let fits = at.get() >> width.min(self.config.guest_width()) == 0;
                (space, (!fits).then(|| beyond(FaultReason::ADDRESS_BEYOND_WIDTH)))
            }
            Target::FirstStage { pasid, .. } => {
                let space = Space { domain: context.domain, pasid: Some(pasid) };
                let fits = first_stage::canonical(at.get());
                (space, (!fits).then(|| beyond(FaultReason::NOT_CANONICAL)))
            }
        };
        match stop {
            Some(stop) => Err(self.refuse_in(space, request, stop, context, false)),
            None => self.through_tables(memory, request, context, space),
        }
    }

    fn context_of(&mut self, memory: &dyn MachineMemory, request: Request) -> Result<Context, Refusal> {
        let refuse = |unit: &mut Self, none: NoContext, cached| {
            unit.refuse(request, &none.stop, none.domain, none.quiet, cached)
        };
        if self.is_scalable() {
            return self
                .scalable_context(memory, request.requester)
                .map_err(|(none, hit)| refuse(self, none, hit));
        }
        let cached = self.contexts.lookup(request.requester.0);
        let found = cached.unwrap_or_else(|| {
            let found = context::find(memory, &self.config, self.root, request.requester);
            if found.is_ok() || self.config.caching_mode {
                self.contexts.insert(request.requester.0, found);
            }
            found
        });
        found.map_err(|none| refuse(self, none, cached.is_some()))
    }

    /// Through the two caches of scalable mode. An error says whether it came out of one.
    fn scalable_context(
        &mut self,
        memory: &dyn MachineMemory,
        requester: RequesterId,
    ) -> Result<Context, (NoContext, bool)> {
        let cached = self.pasids.source(requester.0);
        let source = cached.unwrap_or_else(|| {
            let found = scalable::source(memory, &self.config, self.root.rta(), requester);
            if found.is_ok() || self.config.caching_mode {
                self.pasids.insert_source(requester.0, found);
            }
            found
        });
        let source = source.map_err(|none| (none, cached.is_some()))?;
        let cached = self.pasids.context(requester.0, source.pasid);
        let found = cached.unwrap_or_else(|| {
            let found = scalable::find(memory, &self.config, source);
            if found.is_ok() || self.config.caching_mode {
                self.pasids.insert_context(requester.0, source.pasid, found);
            }
            found
        });
        found.map_err(|none| (none, cached.is_some()))
    }

    fn walk(
        &mut self,
        memory: &dyn MachineMemory,
        context: Context,
        space: Space,
        address: u64,
        write: bool,
    ) -> Result<Translation, Stop> {
        let structures = &mut self.structures;
        match context.target {
            Target::FirstStage { root, .. } => {
                first_stage::walk(memory, &self.config, structures, (space, root), address, write)
            }
            Target::Tables { root, levels, .. } => {
                let tables = walk::Tables { space, root, levels };
                walk::walk(memory, &self.config, structures, tables, address, write)
            }
            // Nothing is walked then.
            Target::Pass => {
                Err(Stop { code: FaultReason(0), absent: false, entry: 0, entry_at: 0, level: 0 })
            }
        }
    }

    fn through_tables(
        &mut self,
        memory: &dyn MachineMemory,
        request: Request,
        context: Context,
        space: Space,
    ) -> Result<Translated, Refusal> {
        let (address, write) = (request.at.get(), request.write);
        // A write through what is not marked dirty yet walks again, to mark it.
        let hit = self.iotlb.lookup(space, address).filter(|it| it.dirty || !write || !it.write);
        let translation = match hit {
            Some(translation) => {
                let allowed = if write { translation.write } else { translation.read };
                if !allowed {
                    let code = if write { FaultReason::NO_WRITE } else { FaultReason::NO_READ };
                    let (entry, entry_at, level) =
                        (translation.entry, translation.entry_at, translation.level);
                    // Only caching mode keeps what nobody may use.
                    let absent = !translation.read && !translation.write;
                    let stop = Stop { code, absent, entry, entry_at, level };
                    return Err(self.refuse_in(space, request, stop, context, true));
                }
                translation
            }
            None => {
                let walked = self.walk(memory, context, space, address, write);
                let translation = walked.map_err(|stop| {
                    if self.config.caching_mode && stop.absent {
                        self.iotlb.insert(space, address, stop.as_translation());
                    }
                    self.refuse_in(space, request, stop, context, false)
                })?;
                self.iotlb.insert(space, address, translation);
                translation
            }
        };
        Ok(Translated::through(&translation, request.at, context.domain, hit.is_some()))
    }

    /// Refuses with the reason that the mode in force has for it.
    fn refuse_in(
        &mut self,
        space: Space,
        request: Request,
        stop: Stop,
        context: Context,
        cached: bool,
    ) -> Refusal {
        let first_stage = space.pasid.is_some();
        let code = if self.is_scalable() { in_scalable_mode(&stop, first_stage) } else { stop.code };
        self.refuse(request, &Stop { code, ..stop }, context.domain, context.quiet, cached)
    }

    fn refuse(&mut self, request: Request, stop: &Stop, domain: u16, quiet: bool, cached: bool) -> Refusal {
        let record = if quiet {
            [0; 2]
        } else {
            self.faults.record(request.requester, request.at, request.write, stop.code)
        };
        Refusal {
            record,
            reason: reason_of(stop, request.write),
            entry: stop.entry,
            entry_at: stop.entry_at,
            level: stop.level,
            cached,
            domain,
            by_tables: true,
        }
    }
}
