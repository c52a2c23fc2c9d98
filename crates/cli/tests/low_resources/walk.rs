//! One way through an act, on which one internal allocation fails.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use dxgk_abi::{Handle, Irql, NtStatus};
use dxgk_event::{Event, EventId, EventSink, ListRef, NoEvents, ObjectStep};
use dxgk_hw::{Attachment, LogicalAddr, PAGE_SIZE, RequesterId};
use dxgk_model::VtdConfig;
use dxgk_sysmm::{
    Addressing, Allocation, CallError, Caller, LogicalAdapterId, Policy, Resource, ResourceKind, Statistics,
};

use crate::rig::{Bench, lock};

pub(crate) const CALLER: Caller = Caller { irql: Irql::PASSIVE_LEVEL, process: 3, node: 0 };
pub(crate) const MIB: u64 = 1 << 20;
pub(crate) const BAR: u64 = 0xe000_0000;
const RAM: &str = "8M@0:node0,8M@4G:node1";
const DEVICE: RequesterId = RequesterId::new(0, 3, 0);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    Passthrough,
    Isolation,
    Remapping,
}

impl Mode {
    pub(crate) const ALL: [Self; 3] = [Self::Passthrough, Self::Isolation, Self::Remapping];
}

/// Objects that were made and not unmade.
#[derive(Default)]
pub(crate) struct Living(Mutex<BTreeSet<u64>>);

impl EventSink for Living {
    fn emit(&self, event: &Event) -> EventId {
        if let Event::Object(object) = event {
            match object.step {
                ObjectStep::Created => lock(&self.0).insert(object.object),
                ObjectStep::Released => lock(&self.0).remove(&object.object),
            };
        }
        EventId(0)
    }

    fn list(&self, _words: &mut dyn Iterator<Item = u64>) -> ListRef {
        ListRef::default()
    }
}

/// All that a failed call has to leave as it was.
#[derive(PartialEq, Eq, Debug)]
struct Picture {
    totals: Statistics,
    tables: BTreeSet<u64>,
    living: BTreeSet<u64>,
    mdls: usize,
    adls: usize,
    views: usize,
    /// Pages that the device can read, of RAM and of the addresses above it, which logical ones are taken from.
    reached: usize,
}

pub(crate) struct Walk {
    pub(crate) bench: Bench<Living>,
    pub(crate) mode: Mode,
    pub(crate) lead: Handle,
    pub(crate) logical: LogicalAdapterId,
    name: &'static str,
    nth: u64,
    struck: Option<Allocation>,
    start: Picture,
}

/// The status that a shortage has (`dxgk_sysmm::callbacks`).
fn status(kind: Allocation) -> NtStatus {
    match kind {
        Allocation::Pages | Allocation::Commit => NtStatus::NO_MEMORY,
        Allocation::TablePage | Allocation::Handle | Allocation::LogicalRange | Allocation::View => {
            NtStatus::INSUFFICIENT_RESOURCES
        }
    }
}

impl Walk {
    pub(crate) fn new(name: &'static str, mode: Mode, nth: u64) -> Self {
        let sink = Arc::new(Living::default());
        let bench = Bench::new(RAM, Policy::default(), VtdConfig::default(), &sink, Arc::new(NoEvents));
        let logical = bench.sysmm.add_logical_adapter();
        let resources = [
            Resource { kind: ResourceKind::Memory, base: BAR, bytes: MIB },
            Resource { kind: ResourceKind::Port, base: 0xc000, bytes: 0x20 },
        ];
        let lead = bench.sysmm.add_adapter(logical, true, &resources).expect("room").handle;
        bench.unit.attach(DEVICE, Attachment::PassThrough).expect("attached");
        let start = picture(&bench);
        let walk = Self { bench, mode, lead, logical, name, nth, struck: None, start };
        if mode != Mode::Passthrough {
            let domain = walk.bench.unit.create_domain().expect("a domain");
            let addressing = match mode {
                Mode::Remapping => Addressing::Remapping {
                    domain: Arc::clone(&domain),
                    highest_visible: LogicalAddr::new((1 << 40) - 1),
                },
                _ => Addressing::Isolation { domain: Arc::clone(&domain) },
            };
            walk.bench.sysmm.set_mode(logical, addressing).expect("the mode is possible");
            walk.attach(Attachment::Domain(domain));
        }
        let start = picture(&walk.bench);
        Self { start, ..walk }
    }

    pub(crate) fn attach(&self, what: Attachment) {
        self.bench.unit.attach(DEVICE, what).expect("attached");
    }

    /// The call under test: made once with the failure armed, and, when that came about, once more.
    pub(crate) fn call<T: Debug>(&mut self, call: impl Fn(&Bench<Living>) -> Result<T, CallError>) -> T {
        let before = picture(&self.bench);
        let low = self.bench.sysmm.low_resources();
        low.fail_nth(None, self.nth);
        let first = call(&self.bench);
        let struck = low.struck();
        low.fail_nth(None, 0);
        self.struck = struck;
        let (name, mode, nth) = (self.name, self.mode, self.nth);
        match (struck, first) {
            (None, made) => made.unwrap_or_else(|error| panic!("{name}, {mode:?}: {error}")),
            (Some(kind), Ok(made)) => panic!("{name}, {mode:?}, {nth}: {made:x?} although {kind:?} failed"),
            (Some(kind), Err(error)) => {
                let at = format!("{name}, {mode:?}, {nth}. allocation ({kind:?})");
                assert_eq!(error, CallError::Status(status(kind)), "{at}");
                assert_eq!(picture(&self.bench), before, "{at}");
                call(&self.bench).unwrap_or_else(|error| panic!("{at}: the next call: {error}"))
            }
        }
    }

    /// The act undid all that it did. What failed, if anything.
    pub(crate) fn finish(self) -> Option<Allocation> {
        assert_eq!(picture(&self.bench), self.start, "{}, {:?}, {}", self.name, self.mode, self.nth);
        assert_eq!(*lock(&self.bench.stage.desk.complaints), Vec::<String>::new());
        self.struck
    }
}

fn picture(bench: &Bench<Living>) -> Picture {
    let desk = &bench.stage.desk;
    let port = bench.machine.port(DEVICE);
    let below = (0..8 * MIB).step_by(PAGE_SIZE as usize);
    let above = (4096 * MIB..(4096 + 24) * MIB).step_by(PAGE_SIZE as usize);
    let readable = |at: &u64| port.read(LogicalAddr::new(*at), &mut [0; 8], 0).is_ok();
    Picture {
        reached: below.chain(above).filter(readable).count(),
        totals: bench.sysmm.statistics(),
        tables: lock(&bench.frames.taken).clone(),
        living: lock(&bench.stage.sink.0).clone(),
        mdls: lock(&desk.mdls).len(),
        adls: lock(&desk.adls).len(),
        views: lock(&desk.views).len(),
    }
}
