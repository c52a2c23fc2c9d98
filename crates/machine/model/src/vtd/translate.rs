//! One request: context, IOTLB, walk, fault.

use dxgk_event::FaultReason as Reason;
use dxgk_hw::{LogicalAddr, MachineMemory, PhysAddr, RequesterId};
use dxgk_iopt::vtd::spec::FaultReason;

use super::context::{self, Context, Target};
use super::registers::RegisterFile;
use super::walk::{self, Stop};

/// Where interrupt messages go (manual 3.14): never translated, and no memory.
const INTERRUPT_RANGE: std::ops::Range<u64> = 0xfee0_0000..0xfef0_0000;

/// A request that was let through.
#[derive(Clone, Copy, Debug)]
pub(super) struct Translated {
    pub at: PhysAddr,
    /// Whether tables said so, or the request passed unchanged.
    pub by_tables: bool,
    domain: u16,
    entry: u64,
    entry_at: u64,
    level: u8,
    cached: bool,
}

/// A request that was not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Refusal {
    /// The unit's record; zeros when it made none (reporting disabled, no free record, no fault of the unit's).
    pub record: [u64; 2],
    pub reason: Reason,
    pub entry: u64,
    pub entry_at: u64,
    pub level: u8,
    pub cached: bool,
    pub domain: u16,
    pub by_tables: bool,
}

impl Refusal {
    /// A request that never met an entry and that no unit recorded.
    pub(crate) const fn unrecorded(reason: Reason) -> Self {
        Self {
            record: [0; 2],
            reason,
            entry: 0,
            entry_at: 0,
            level: 0,
            cached: false,
            domain: 0,
            by_tables: false,
        }
    }
}

impl Translated {
    fn unchanged(at: LogicalAddr, domain: u16) -> Self {
        // The one place where an address is on both sides: nothing translates it.
        let at = PhysAddr::new(at.get());
        Self { at, by_tables: false, domain, entry: 0, entry_at: 0, level: 0, cached: false }
    }

    /// The request led to something that is not memory. The unit has done its part and records nothing.
    pub(super) fn no_memory(&self) -> Refusal {
        Refusal {
            record: [0; 2],
            reason: Reason::NoMemory,
            entry: self.entry,
            entry_at: self.entry_at,
            level: self.level,
            cached: self.cached,
            domain: self.domain,
            by_tables: self.by_tables,
        }
    }
}

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
        if let Some(context) = self.contexts.lookup(request.requester.0) {
            return Ok(context);
        }
        match context::find(memory, &self.config, self.root, request.requester) {
            Ok(context) => {
                self.contexts.insert(request.requester.0, context);
                Ok(context)
            }
            Err(none) => Err(self.refuse(request, &none.stop, none.domain, none.quiet, false)),
        }
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
                    let stop = Stop { code, absent: false, entry, entry_at, level };
                    return Err(self.refuse(request, &stop, context.domain, context.quiet, true));
                }
                translation
            }
            None => {
                let walked = walk::walk(memory, &self.config, root, levels, address, request.write);
                let translation = walked
                    .map_err(|stop| self.refuse(request, &stop, context.domain, context.quiet, false))?;
                self.iotlb.insert(context.domain, address, translation);
                translation
            }
        };
        let within = address & ((1 << translation.shift) - 1);
        Ok(Translated {
            at: PhysAddr::new(translation.base | within),
            by_tables: true,
            domain: context.domain,
            entry: translation.entry,
            entry_at: translation.entry_at,
            level: translation.level,
            cached: hit.is_some(),
        })
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
