//! The system and the reference side by side, and the device that looks whether they agree.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use dxgk_abi::{Irql, NtStatus};
use dxgk_event::{Event, EventId, EventSink, ListRef, NoEvents, ObjectStep};
use dxgk_hw::{Attachment, DmaPort, LogicalAddr, MachineMemory, Pfn, RequesterId};
use dxgk_model::UnitConfig;
use dxgk_sysmm::{Addressing, CallError, Caller, Policy, Resource, ResourceKind};

use crate::random::{Random, mix};
use crate::reference::{Adapter, Frame, Logical, Mapping, Mode, Reference, SHORT, Verdict};
use crate::rig::{Bench, lock};

pub(crate) type Step = Result<(), String>;

/// How a logical adapter begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Start {
    Off,
    /// Passthrough, and isolation some time later.
    Late,
    Isolation,
    /// With this highest visible address.
    Remapping(u64),
}

pub(crate) struct Setup {
    pub(crate) name: &'static str,
    pub(crate) ram: &'static str,
    pub(crate) starts: [Start; 2],
    pub(crate) policy: Policy,
    pub(crate) unit: UnitConfig,
}

/// Objects that were made and not unmade, by what the events say.
#[derive(Default)]
pub(crate) struct Living {
    objects: Mutex<BTreeSet<u64>>,
    complaints: Mutex<Vec<String>>,
}

impl EventSink for Living {
    fn emit(&self, event: &Event) -> EventId {
        if let Event::Object(object) = event {
            let mut objects = lock(&self.objects);
            let sane = match object.step {
                ObjectStep::Created => objects.insert(object.object),
                ObjectStep::Released => objects.remove(&object.object),
            };
            if !sane {
                lock(&self.complaints).push(format!("{:?} of object {}", object.step, object.object));
            }
        }
        EventId(0)
    }

    fn list(&self, _words: &mut dyn Iterator<Item = u64>) -> ListRef {
        ListRef::default()
    }
}

/// What was done.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Totals {
    pub(crate) steps: u64,
    pub(crate) succeeded: u64,
    pub(crate) refused: u64,
    pub(crate) sweeps: u64,
    pub(crate) accesses: u64,
    pub(crate) reached: u64,
    pub(crate) switches: u64,
    /// Pages that lost their frame, and that came back on a touch.
    pub(crate) taken: u64,
    pub(crate) brought: u64,
}

/// Lead and linked adapter of the first logical adapter, the second logical adapter's, and one that has none.
pub(crate) const CHAINS: [&[RequesterId]; 2] =
    [&[RequesterId::new(0, 3, 0), RequesterId::new(0, 4, 0)], &[RequesterId::new(0, 5, 0)]];
const STRANGER: RequesterId = RequesterId::new(0, 6, 0);

pub(crate) const BAR: u64 = 0xe000_0000;
pub(crate) const BAR_BYTES: u64 = 0x10_0000;
pub(crate) const PORTS: u64 = 0xc000;
pub(crate) const HOLES: usize = 1000;
/// The word of each page that devices write.
pub(crate) const MARK: usize = 256;

pub(crate) const DENIED: CallError = CallError::Status(NtStatus::ACCESS_DENIED);
pub(crate) const KERNEL: Caller = Caller { irql: Irql::PASSIVE_LEVEL, process: 0, node: 0 };

pub(crate) struct World {
    pub(crate) setup: Setup,
    pub(crate) bench: Bench<Living>,
    pub(crate) reference: Reference,
    pub(crate) rng: Random,
    pub(crate) log: Vec<String>,
    pub(crate) totals: Totals,
    /// Every handle that was ever given out.
    pub(crate) given: Vec<u64>,
    /// The driver's own MDLs.
    pub(crate) own_mdls: Vec<u64>,
    /// More is taken than given back.
    pub(crate) hoarding: bool,
    /// Pages of the kernel around the driver.
    pub(crate) kernel: Vec<Vec<u64>>,
    ports: BTreeMap<RequesterId, Arc<dyn DmaPort>>,
    marks: Vec<u64>,
    token: u64,
    seed: u64,
    /// Table frames and free frames when the step began.
    before: (usize, u64),
}

impl World {
    pub(crate) fn new(setup: Setup, seed: u64) -> Result<Self, String> {
        let sink = Arc::new(Living::default());
        let bench = Bench::new(setup.ram, setup.policy, setup.unit, &sink, Arc::new(NoEvents));
        let reference = Reference::new(bench.stage.ram.ranges(), setup.policy.guard_pages);
        let requesters = CHAINS.iter().copied().flatten().chain([&STRANGER]);
        let ports = requesters.map(|it| (*it, bench.machine.port(*it))).collect();
        let marks = vec![0; reference.frames.len()];
        let mut world = Self {
            setup,
            bench,
            reference,
            rng: Random::new(seed),
            log: Vec::new(),
            totals: Totals::default(),
            given: Vec::new(),
            own_mdls: Vec::new(),
            hoarding: false,
            kernel: Vec::new(),
            ports,
            marks,
            token: 0,
            seed,
            before: (0, 0),
        };
        world.stamp_all();
        for chain in 0..CHAINS.len() {
            world.plug(chain)?;
        }
        Ok(world)
    }

    pub(crate) fn tables(&self) -> BTreeSet<u64> {
        lock(&self.bench.frames.taken).clone()
    }

    /// Adds a logical adapter with its chain.
    pub(crate) fn plug(&mut self, chain: usize) -> Step {
        let id = self.bench.sysmm.add_logical_adapter();
        let (requesters, start) = (CHAINS[chain], self.setup.starts[chain]);
        let fresh = Logical {
            id,
            mode: Mode::Off,
            requesters: requesters.to_vec(),
            blocked: false,
            reach: BTreeMap::new(),
            former: Vec::new(),
        };
        let logical = self.reference.logical.len();
        self.reference.logical.push(fresh);
        for (nth, _) in requesters.iter().enumerate() {
            let resources = [
                Resource { kind: ResourceKind::Memory, base: BAR, bytes: BAR_BYTES },
                Resource { kind: ResourceKind::Port, base: PORTS, bytes: 0x20 },
            ];
            let added = self.bench.sysmm.add_adapter(id, nth == 0, &resources);
            let handle = added.map_err(|error| format!("AddAdapter: {error}"))?.handle.0;
            self.fresh_handle(handle)?;
            self.reference.adapters.insert(handle, Adapter { logical, lead: nth == 0, stopped: false });
        }
        match start {
            Start::Off | Start::Late => self.attach(logical, &Attachment::PassThrough),
            Start::Isolation | Start::Remapping(_) => self.switch(logical),
        }
    }

    pub(crate) fn attach(&self, logical: usize, what: &Attachment) -> Step {
        for requester in &self.reference.logical[logical].requesters {
            let attached = self.bench.unit.attach(*requester, what.clone());
            attached.map_err(|error| format!("attach {requester} to {what:?}: {error}"))?;
        }
        Ok(())
    }

    /// Puts a logical adapter that is in passthrough into its mode. Without memory for tables it stays there.
    pub(crate) fn switch(&mut self, logical: usize) -> Step {
        let index = logical.min(1);
        let remapping = self.setup.starts.get(index).copied();
        let busy = self.reference.pages.values().any(|it| it.map.logical == logical)
            || self.reference.adls.values().any(|it| it.map.logical == logical);
        let Ok(domain) = self.bench.unit.create_domain() else {
            self.note(format!("switch {logical}: no domain"));
            return self.attach(logical, &Attachment::PassThrough);
        };
        let id = self.reference.logical[logical].id;
        let (addressing, mode) = match remapping {
            Some(Start::Remapping(limit)) if !busy => {
                let highest_visible = LogicalAddr::new(limit);
                (Addressing::Remapping { domain: Arc::clone(&domain), highest_visible }, Mode::Remapping)
            }
            _ => (Addressing::Isolation { domain: Arc::clone(&domain) }, Mode::Isolation),
        };
        let got = self.bench.sysmm.set_mode(id, addressing);
        let expected = self.limited(Ok(()), 0, false)?;
        self.agree(format!("switch {logical} to {mode:?}"), &expected, &got)?;
        if expected.is_err() {
            return self.attach(logical, &Attachment::PassThrough);
        }
        self.reference.logical[logical].mode = mode;
        let maps: Vec<Mapping> = self
            .reference
            .pages
            .values()
            .map(|it| &it.map)
            .chain(self.reference.adls.values().map(|it| &it.map))
            .filter(|map| map.logical == logical)
            .cloned()
            .collect();
        maps.iter().for_each(|map| self.reference.map(map));
        *lock(&self.bench.frames.left) = None;
        self.totals.switches += 1;
        self.attach(logical, &Attachment::Domain(domain))?;
        maps.iter().try_for_each(|map| self.probe(map))
    }

    pub(crate) fn note(&mut self, line: String) {
        self.log.push(line);
    }

    /// A handle or address that was just given out is nobody else's, and never was.
    pub(crate) fn fresh_handle(&mut self, handle: u64) -> Step {
        if handle == 0 || self.given.contains(&handle) {
            return Err(format!("{handle:#x} was given out before"));
        }
        self.given.push(handle);
        Ok(())
    }

    /// Begins a step: everything that it draws follows from `word`.
    pub(crate) fn begin(&mut self, word: u64) {
        self.rng = Random::new(word);
        self.totals.steps += 1;
        let tables = self.tables();
        let free = self.reference.frames.iter().filter(|it| **it == Frame::Free).count() - tables.len();
        self.before = (tables.len(), free as u64);
        let frames = &self.bench.frames;
        *lock(&frames.left) = self.rng.one_in(25).then(|| self.rng.below(4));
        lock(&frames.dry).clear();
        frames.refusals.store(0, Ordering::Relaxed);
        self.bench.stage.desk.full.store(self.rng.one_in(40), Ordering::Relaxed);
    }

    /// What is left of a success when there was no room in the driver's address space (`builds`), or no frame for a
    /// table. The latter must be true: `pages` were taken by the call.
    pub(crate) fn limited<T>(
        &self,
        expected: Verdict<T>,
        pages: u64,
        builds: bool,
    ) -> Result<Verdict<T>, String> {
        let frames = &self.bench.frames;
        if let Some(tables) = lock(&frames.dry).first() {
            let (tables_before, free) = self.before;
            if free + tables_before as u64 != pages + *tables as u64 {
                return Err(format!("no table frame, with {free} free before and {pages} pages taken"));
            }
        }
        let full = builds && self.bench.stage.desk.full.load(Ordering::Relaxed);
        let refused = frames.refusals.load(Ordering::Relaxed) != 0;
        Ok(if expected.is_ok() && (full || refused) { Err(SHORT) } else { expected })
    }

    /// Both answer the same.
    pub(crate) fn agree<T, U: Debug>(
        &mut self,
        what: String,
        expected: &Verdict<T>,
        got: &Result<U, CallError>,
    ) -> Step {
        let expected = expected.as_ref().map(|_| ()).map_err(|error| *error);
        self.log.push(format!("{what} -> {got:x?}"));
        if expected.is_ok() {
            self.totals.succeeded += 1;
        } else {
            self.totals.refused += 1;
        }
        if got.as_ref().map(|_| ()).map_err(|error| *error) == expected {
            Ok(())
        } else {
            Err(format!("{what}: expected {expected:x?}, got {got:x?}"))
        }
    }

    fn signature(&self, frame: u64) -> u64 {
        mix(frame ^ self.seed.rotate_left(32))
    }

    pub(crate) fn word(&self, frame: u64, index: usize) -> Option<u64> {
        self.bench.stage.ram.live(Pfn::new(frame)).map(|words| words[index].load(Ordering::Relaxed))
    }

    fn store(&self, frame: u64, index: usize, value: u64) {
        if let Some(words) = self.bench.stage.ram.live(Pfn::new(frame)) {
            words[index].store(value, Ordering::Relaxed);
        }
    }

    pub(crate) fn stamp(&self, frame: u64) {
        self.store(frame, 0, self.signature(frame));
        self.store(frame, 511, self.signature(frame) ^ 1);
    }

    /// A page came back to this frame, with the words that it had at the places that are looked at.
    pub(crate) fn came_back(&mut self, frame: u64, kept: [u64; 3], state: Frame) -> Step {
        let there = [0, MARK, 511].map(|index| self.word(frame, index));
        if there != kept.map(Some) || self.reference.frame(frame) != Some(Frame::Free) {
            return Err(format!("a page came back to frame {frame:#x} as {there:x?} instead of {kept:x?}"));
        }
        self.reference.set_frame(frame, state);
        self.stamp(frame);
        self.store(frame, MARK, 0);
        let place = self.reference.index(frame).expect("RAM");
        self.marks[place] = 0;
        Ok(())
    }

    fn stamp_all(&self) {
        let tables = self.tables();
        self.reference.ram().filter(|frame| !tables.contains(frame)).for_each(|frame| self.stamp(frame));
    }

    /// Looks at pages that were just given out, and stamps them.
    pub(crate) fn take_over(&mut self, pages: &[u64], zeroed: bool, state: Frame) -> Step {
        let pattern = if zeroed { Some(0) } else { self.setup.policy.poison };
        for page in pages {
            let wrong = |index: &usize| pattern.is_some_and(|it| self.word(*page, *index) != Some(it));
            if let Some(index) = [0, 1, MARK, 511].iter().find(|index| wrong(index)) {
                let found = self.word(*page, *index);
                return Err(format!("page {page:#x} holds {found:x?}, not {pattern:x?}"));
            }
            self.reference.set_frame(*page, state);
            self.stamp(*page);
        }
        Ok(())
    }

    /// One requester reads and writes one page, as the logical adapter's device, or as nobody's.
    fn access(&mut self, requester: RequesterId, logical: Option<usize>, page: u64) -> Step {
        let reached = logical.and_then(|logical| self.reference.reached(logical, page));
        let index = if page & 1 == 0 { 0 } else { 511 };
        let at = |index: usize| LogicalAddr::new((page << 12) + 8 * index as u64);
        let port = Arc::clone(&self.ports[&requester]);
        let mut bytes = [0; 8];
        self.totals.accesses += 2;
        let wrong = |what: &str| Err(format!("{requester} at logical page {page:#x}: {what}"));
        match (port.read(at(index), &mut bytes, 0), reached) {
            (Ok(()), None) => return wrong("read, though nothing is mapped there"),
            (Err(error), Some(frame)) => return wrong(&format!("{error:?} instead of frame {frame:#x}")),
            (Err(error), None) if error.done != 0 || error.at != at(index) => {
                return wrong(&format!("refused as {error:?}"));
            }
            (Err(_), None) => {
                return match port.write(at(MARK), &[0xee; 8], 0) {
                    Ok(()) => wrong("written, though nothing is mapped there"),
                    Err(_) => Ok(()),
                };
            }
            (Ok(()), Some(frame)) => {
                let table = lock(&self.bench.frames.taken).contains(&frame);
                let is = u64::from_le_bytes(bytes);
                let signature = self.signature(frame) ^ u64::from(index != 0);
                if self.word(frame, index) != Some(is) || (!table && is != signature) {
                    return wrong(&format!("read {is:#x}, which is not what frame {frame:#x} holds"));
                }
                if table {
                    return Ok(());
                }
                if logical.is_some_and(|logical| !self.reference.writable(logical, page)) {
                    let before = self.word(frame, MARK);
                    let refused = port.write(at(MARK), &[0xee; 8], 0).is_err();
                    let untouched = self.word(frame, MARK) == before;
                    return if refused && untouched {
                        Ok(())
                    } else {
                        wrong("written, though it may only be read")
                    };
                }
                self.token += 1;
                if port.write(at(MARK), &self.token.to_le_bytes(), 0).is_err() {
                    return wrong("cannot be written");
                }
                if self.word(frame, MARK) != Some(self.token) {
                    return wrong(&format!("the write did not arrive in frame {frame:#x}"));
                }
                self.totals.reached += 1;
                let place = self.reference.index(frame).expect("RAM");
                self.marks[place] = self.token;
            }
        }
        Ok(())
    }

    /// Every device tries the pages of a mapping, live or gone.
    pub(crate) fn probe(&mut self, map: &Mapping) -> Step {
        for (nth, page) in map.device.iter().enumerate() {
            for logical in 0..self.reference.logical.len() {
                let requesters = &self.reference.logical[logical].requesters;
                if let Some(requester) = requesters.get(nth % requesters.len().max(1)).copied() {
                    self.access(requester, Some(logical), *page)?;
                }
            }
        }
        Ok(())
    }

    fn complaints(&self) -> Step {
        let sink = lock(&self.bench.stage.sink.complaints).pop();
        let desk = lock(&self.bench.stage.desk.complaints).pop();
        sink.or(desk).map_or(Ok(()), Err)
    }

    /// Ends a step.
    pub(crate) fn end(&mut self) -> Step {
        *lock(&self.bench.frames.left) = None;
        self.bench.stage.desk.full.store(false, Ordering::Relaxed);
        self.complaints()
    }

    /// Totals balance, as the reference has them.
    pub(crate) fn balance(&self) -> Step {
        self.complaints()?;
        let tables = self.tables();
        if let Some(table) = tables.iter().find(|it| self.reference.frame(**it) != Some(Frame::Free)) {
            return Err(format!("table frame {table:#x} is {:?}", self.reference.frame(*table)));
        }
        let (expected, got) = (self.reference.totals(&tables), self.bench.sysmm.statistics());
        if expected != got {
            return Err(format!("totals: expected {expected:#?}, got {got:#?}"));
        }
        let objects = expected.page_mappings
            + expected.physical_objects
            + expected.adapter_objects
            + expected.adls
            + expected.views
            + expected.register_maps;
        let living = lock(&self.bench.stage.sink.objects).len() as u64;
        if living != objects {
            return Err(format!("{living} objects live by the events, {objects} by the reference"));
        }
        Ok(())
    }

    /// The device tries every frame of RAM, every logical page of its domain and [`HOLES`] others.
    pub(crate) fn sweep(&mut self, word: u64) -> Step {
        self.balance()?;
        let mut rng = Random::new(word);
        let tables = self.tables();
        for frame in self.reference.ram() {
            let kept = self.reference.frame(frame) != Some(Frame::Free);
            let intact = self.word(frame, 0) == Some(self.signature(frame));
            if kept && !intact {
                return Err(format!("frame {frame:#x} was overwritten while it belonged to somebody"));
            }
            if !tables.contains(&frame) {
                self.stamp(frame);
                self.store(frame, MARK, 0);
            }
        }
        self.marks.fill(0);
        for logical in 0..self.reference.logical.len() {
            self.sweep_of(logical, &mut rng)?;
        }
        for page in self.holes(None, &mut rng) {
            self.access(STRANGER, None, page)?;
        }
        for (place, frame) in self.reference.ram().enumerate() {
            if !tables.contains(&frame) && self.word(frame, MARK) != Some(self.marks[place]) {
                return Err(format!("a write ended in frame {frame:#x}, where nobody aimed"));
            }
        }
        self.totals.sweeps += 1;
        Ok(())
    }

    fn sweep_of(&mut self, logical: usize, rng: &mut Random) -> Step {
        let requesters = self.reference.logical[logical].requesters.clone();
        if requesters.is_empty() {
            return Ok(());
        }
        let mapped: Vec<u64> = self.reference.logical[logical].reach.keys().copied().collect();
        let holes = self.holes(Some(logical), rng);
        let all = self.reference.ram().chain(mapped).chain(holes).enumerate();
        let offset = rng.below(2) as usize;
        for (nth, page) in all {
            self.access(requesters[(nth + offset) % requesters.len()], Some(logical), page)?;
        }
        Ok(())
    }

    /// Logical pages at which nothing is mapped: former ones, neighbours of mapped ones, and any.
    fn holes(&self, logical: Option<usize>, rng: &mut Random) -> Vec<u64> {
        let (mapped, former): (Vec<u64>, &[u64]) = match logical {
            Some(logical) => {
                let logical = &self.reference.logical[logical];
                (logical.reach.keys().copied().collect(), &logical.former)
            }
            None => (Vec::new(), &[]),
        };
        let mut holes = Vec::new();
        while holes.len() < HOLES {
            let near = |at: Option<&u64>, by: u64| at.map_or(0, |at| at.wrapping_add(by).wrapping_sub(1));
            let page = match rng.below(8) {
                0 | 1 => near(rng.pick(former), 1),
                2 => near(rng.pick(&mapped), rng.below(3)),
                3 => rng.below(0x2000),
                4 => rng.below(1 << 21),
                5 => rng.below(1 << 36),
                6 => rng.below(1 << 52),
                _ => rng.of(&[0, 0xf_edff, 0xf_ee00, 0xf_eeff, 0xf_ef00, 0xf_fed9, BAR >> 12]),
            };
            let hole = logical.is_none_or(|logical| self.reference.reached(logical, page).is_none());
            if hole && page < 1 << 52 {
                holes.push(page);
            }
        }
        holes
    }
}
