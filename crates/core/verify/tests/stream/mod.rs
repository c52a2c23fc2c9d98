//! Builds event streams as the memory manager, the host and the model emit them.
#![expect(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;
use std::mem::offset_of;

use dxgk_abi::NtStatus;
use dxgk_abi::init::DriverInitializationData;
use dxgk_event::{
    Adapter, Callback, DdiCall, DmaTransfer, Doorbell, Event, EventId, Fault, FaultReason, Import, ListRef,
    Mapping, MappingStep, Mode, ModeChoice, ModeReason, ModuleLoaded, Object, ObjectKind, ObjectStep, Phase,
    Record, Stamp, Text, digest,
};
use dxgk_verify::{Finding, Lists, Verifier};

/// First address of the driver's image.
pub(crate) const BASE: u64 = 0x6000_0000_0000;
pub(crate) const REQUESTER: u16 = 0x10;
pub(crate) const ADAPTER: u32 = 0;
pub(crate) const LOGICAL: u32 = 0;
const NO_ADAPTER: u32 = u32::MAX;

/// An arena.
#[derive(Default)]
pub(crate) struct Arena(pub(crate) BTreeMap<u32, Vec<u64>>);

impl Lists for Arena {
    fn get(&self, list: ListRef) -> Option<Vec<u64>> {
        self.0.get(&list.first).filter(|words| words.len() == list.count as usize).cloned()
    }
}

/// A run under way.
pub(crate) struct Run {
    pub(crate) verifier: Verifier,
    pub(crate) arena: Arena,
    next_event: u64,
    next_object: u64,
    alive: BTreeMap<u64, Object>,
    /// Offset in the driver of the code that runs; 0: none.
    pub(crate) at: u64,
    /// Level of the driver.
    pub(crate) irql: u8,
    /// Whose handle callbacks are given.
    pub(crate) caller: u32,
    /// The current process.
    pub(crate) process: u32,
    /// Cache type and flags of the next objects.
    pub(crate) cache: u8,
    pub(crate) flags: u8,
    /// First logical page of the next contiguous ADL.
    pub(crate) logical_page: u64,
}

/// What the driver and the port said of each other before the start.
#[derive(Clone, Copy)]
pub(crate) struct Told {
    pub(crate) mode: ModeChoice,
    pub(crate) reason: ModeReason,
    pub(crate) iommu_caps: u32,
    pub(crate) refused: bool,
    pub(crate) offered: u32,
    pub(crate) driver: u32,
    pub(crate) highest_visible: u64,
}

impl Told {
    pub(crate) fn new(mode: ModeChoice) -> Self {
        let reason = ModeReason::StrongestClaimed;
        Self { mode, reason, iommu_caps: 0, refused: false, offered: 0, driver: 0, highest_visible: u64::MAX }
    }
}

/// Where an object is, and what it maps.
#[derive(Clone, Copy)]
pub(crate) struct Made {
    pub(crate) object: u64,
    pub(crate) handle: u64,
}

impl Run {
    pub(crate) fn new(mode: ModeChoice) -> Self {
        Self::told(Told::new(mode))
    }

    pub(crate) fn told(told: Told) -> Self {
        Self::importing(&[], told)
    }

    pub(crate) fn importing(imports: &[&str], told: Told) -> Self {
        let mut run = Self {
            verifier: Verifier::new(),
            arena: Arena::default(),
            next_event: 1,
            next_object: 1,
            alive: BTreeMap::new(),
            at: 0,
            irql: 0,
            caller: ADAPTER,
            process: 0,
            cache: 0,
            flags: 0,
            logical_page: u64::MAX,
        };
        for name in imports {
            run.emit(Event::Import(Import { name: Text::new(name), missing: 0, slot: 0 }));
        }
        run.emit(Event::ModuleLoaded(ModuleLoaded {
            base: BASE,
            bytes: 0x10_0000,
            name: Text::new("edu.sys"),
            linked: 0,
        }));
        run.emit(Event::Adapter(Adapter {
            handle: 0xffff_8000_0000_0000,
            adapter: ADAPTER,
            logical_adapter: LOGICAL,
            requester: REQUESTER,
            lead: 1,
            reserved: 0,
            interface_version: told.offered,
            driver_version: told.driver,
            display_only: 0,
        }));
        run.mode(told);
        run
    }

    /// A mode is told.
    pub(crate) fn mode(&mut self, told: Told) {
        self.emit(Event::Mode(Mode {
            highest_visible: told.highest_visible,
            highest_physical: 0xffff_ffff,
            logical_adapter: LOGICAL,
            iommu_caps: told.iommu_caps,
            domain: 1,
            mode: told.mode,
            reason: told.reason,
            refused: told.refused.into(),
            reserved: [0; 3],
        }));
    }

    /// The driver's code from now on is at this offset.
    pub(crate) fn at(&mut self, offset: u64) -> &mut Self {
        self.at = offset;
        self
    }

    pub(crate) fn emit(&mut self, event: Event) -> u64 {
        self.emit_with(event, &[])
    }

    pub(crate) fn emit_with(&mut self, event: Event, stack: &[u64]) -> u64 {
        let id = self.next_event;
        self.next_event += 1;
        let rip = if self.at == 0 { 0 } else { BASE + self.at };
        let stack = if stack.is_empty() { ListRef::default() } else { self.list(stack) };
        let record = Record::new(
            Stamp { boundary: id * 10, rip, stack, thread: 1, process: self.process },
            self.irql,
            &event,
        );
        self.verifier.feed(EventId(id), &record, &event, &self.arena);
        id
    }

    pub(crate) fn list(&mut self, words: &[u64]) -> ListRef {
        let first = self.arena.0.len() as u32;
        self.arena.0.insert(first, words.to_vec());
        ListRef { first, count: words.len() as u32, digest: digest(words) }
    }

    /// An object with physical pages (as runs), `parent` 0 for none.
    pub(crate) fn create(&mut self, kind: ObjectKind, handle: u64, parent: u64, runs: &[(u64, u64)]) -> Made {
        let pages: u64 = runs.iter().map(|(_, count)| *count).sum();
        self.create_sized(kind, handle, parent, runs, pages * 0x1000, Some(ADAPTER))
    }

    pub(crate) fn create_sized(
        &mut self,
        kind: ObjectKind,
        handle: u64,
        parent: u64,
        runs: &[(u64, u64)],
        bytes: u64,
        adapter: Option<u32>,
    ) -> Made {
        let words: Vec<u64> = runs.iter().flat_map(|(first, count)| [*first, *count]).collect();
        let object = Object {
            object: self.next_object,
            handle,
            parent,
            bytes,
            va: handle,
            logical_page: u64::MAX,
            pages: self.list(&words),
            adapter: adapter.unwrap_or(NO_ADAPTER),
            kind,
            step: ObjectStep::Created,
            cache: self.cache,
            flags: self.flags,
        };
        self.next_object += 1;
        self.alive.insert(object.object, object);
        self.emit_with(Event::Object(object), &[BASE + 0x9000]);
        Made { object: object.object, handle }
    }

    /// An ADL of the contiguous form.
    pub(crate) fn create_contiguous_adl(&mut self, adl: u64, parent: u64, runs: &[(u64, u64)]) -> Made {
        let words: Vec<u64> = runs.iter().flat_map(|(first, count)| [*first, *count]).collect();
        let object = Object {
            object: self.next_object,
            handle: adl,
            parent,
            bytes: runs.iter().map(|(_, count)| *count).sum::<u64>() * 0x1000,
            va: 0,
            logical_page: self.logical_page,
            pages: self.list(&words),
            adapter: ADAPTER,
            kind: ObjectKind::Adl,
            step: ObjectStep::Created,
            cache: 0,
            flags: 1,
        };
        self.next_object += 1;
        self.alive.insert(object.object, object);
        self.emit_with(Event::Object(object), &[BASE + 0x9000]);
        Made { object: object.object, handle: adl }
    }

    /// Something of no adapter, at an address that is not its handle.
    pub(crate) fn create_at(&mut self, kind: ObjectKind, handle: u64, va: u64, bytes: u64) -> Made {
        let made = self.create_sized(kind, handle, 0, &[], bytes, None);
        if let Some(object) = self.alive.get_mut(&made.object) {
            object.va = va;
        }
        made
    }

    pub(crate) fn release(&mut self, made: Made) {
        let object = self.alive.remove(&made.object).expect("alive");
        self.emit(Event::Object(Object { step: ObjectStep::Released, ..object }));
    }

    pub(crate) fn mapping(
        &mut self,
        step: MappingStep,
        made: Made,
        logical: u64,
        runs: &[(u64, u64)],
        identity: bool,
    ) {
        let words: Vec<u64> = runs.iter().flat_map(|(first, count)| [*first, *count]).collect();
        let frames = if step == MappingStep::Mapped { self.list(&words) } else { ListRef::default() };
        self.emit(Event::Mapping(Mapping {
            object: made.object,
            logical_page: logical,
            pages: runs.iter().map(|(_, count)| *count).sum(),
            frames,
            domain: 1,
            logical_adapter: LOGICAL,
            step,
            access: 3,
            identity: identity.into(),
            reserved: [0; 5],
        }));
    }

    /// Maps at a logical page, without the right to write.
    pub(crate) fn map_for_reading(&mut self, made: Made, logical: u64, runs: &[(u64, u64)]) {
        let words: Vec<u64> = runs.iter().flat_map(|(first, count)| [*first, *count]).collect();
        let frames = self.list(&words);
        self.emit(Event::Mapping(Mapping {
            object: made.object,
            logical_page: logical,
            pages: runs.iter().map(|(_, count)| *count).sum(),
            frames,
            domain: 1,
            logical_adapter: LOGICAL,
            step: MappingStep::Mapped,
            access: 1,
            identity: 0,
            reserved: [0; 5],
        }));
    }

    /// A one-to-one mapping whose list found no room in the arena.
    pub(crate) fn map_without_list(&mut self, made: Made, first: u64, pages: u64) {
        self.emit(Event::Mapping(Mapping {
            object: made.object,
            logical_page: first,
            pages,
            frames: ListRef::default(),
            domain: 1,
            logical_adapter: LOGICAL,
            step: MappingStep::Mapped,
            access: 3,
            identity: 1,
            reserved: [0; 5],
        }));
    }

    /// Maps at logical page `logical`, or, for `None`, one to one.
    pub(crate) fn map(&mut self, made: Made, logical: Option<u64>, runs: &[(u64, u64)]) {
        let first = logical.unwrap_or_else(|| runs.first().expect("runs").0);
        self.mapping(MappingStep::Mapped, made, first, runs, logical.is_none());
    }

    /// Unmaps, and (unless told not to) invalidates.
    pub(crate) fn unmap(&mut self, made: Made, logical: Option<u64>, runs: &[(u64, u64)], invalidate: bool) {
        let first = logical.unwrap_or_else(|| runs.first().expect("runs").0);
        self.mapping(MappingStep::Unmapped, made, first, runs, logical.is_none());
        if invalidate {
            self.mapping(MappingStep::Invalidated, made, first, runs, logical.is_none());
        }
    }

    /// The driver starts a transfer from `offset`; the device makes it later, while other code runs.
    pub(crate) fn transfer(
        &mut self,
        offset: u64,
        address: u64,
        bytes: u64,
        done: u64,
        fault: Option<FaultReason>,
    ) {
        self.at(offset);
        let cause = self.emit(Event::Doorbell(Doorbell {
            register: 0xfe00_0098,
            address,
            bytes,
            requester: REQUESTER,
            write: 1,
            reserved: [0; 5],
        }));
        self.at(0xfff);
        self.transfer_of(cause, address, bytes, done, fault);
    }

    pub(crate) fn transfer_of(
        &mut self,
        cause: u64,
        address: u64,
        bytes: u64,
        done: u64,
        fault: Option<FaultReason>,
    ) {
        let fault = fault.map_or(0, |reason| {
            self.emit(Event::Fault(Fault {
                record: [0; 2],
                address: address.wrapping_add(done),
                entry: 0,
                entry_at: 0,
                requester: REQUESTER,
                write: 1,
                reason,
                level: 1,
                cached: 0,
                domain: 1,
            }))
        });
        self.emit(Event::Dma(DmaTransfer {
            cause,
            address,
            bytes,
            done,
            fault,
            requester: REQUESTER,
            write: 1,
            translated: 1,
            reserved: [0; 4],
        }));
    }

    /// A transfer that is refused at its first byte.
    pub(crate) fn refused(&mut self, offset: u64, address: u64) {
        self.transfer(offset, address, 0x100, 0, Some(FaultReason::NotPresent));
    }

    /// A callback from `offset`; `during` is what happens in it.
    pub(crate) fn call(
        &mut self,
        slot: usize,
        offset: u64,
        words: &[u64],
        status: NtStatus,
        during: impl FnOnce(&mut Self),
    ) {
        let mut six = [0; 6];
        six.iter_mut().zip(words).for_each(|(to, from)| *to = *from);
        let mut callback = Callback {
            entry: 0,
            words: six,
            slot: slot as u16,
            phase: Phase::Entered,
            unimplemented: 0,
            status: 0,
            adapter: self.caller,
            duration: 0,
        };
        self.at(offset);
        let entry = self.emit_with(Event::Callback(callback), &[BASE + 0x9100]);
        during(self);
        callback = Callback {
            entry,
            words: [0; 6],
            phase: Phase::Returned,
            status: status.0,
            duration: 1,
            ..callback
        };
        self.emit_with(Event::Callback(callback), &[BASE + 0x9100]);
    }

    fn ddi(&mut self, slot: usize, adapter: u32) {
        self.ddi_phase(slot, adapter, Phase::Entered, NtStatus::SUCCESS);
        self.ddi_phase(slot, adapter, Phase::Returned, NtStatus::SUCCESS);
    }

    pub(crate) fn ddi_phase(&mut self, slot: usize, adapter: u32, phase: Phase, status: NtStatus) {
        self.at(0);
        self.emit(Event::Ddi(DdiCall {
            ddi: slot as u16,
            phase,
            reserved: 0,
            status: status.0,
            adapter,
            reserved2: 0,
            argument: 0,
        }));
    }

    pub(crate) fn remove_device(&mut self) {
        self.ddi(offset_of!(DriverInitializationData, remove_device), ADAPTER);
    }

    /// The port takes back what is left.
    pub(crate) fn reclaim(&mut self, adapter: Option<u32>) {
        let wanted = adapter.unwrap_or(NO_ADAPTER);
        let left: Vec<u64> = self
            .alive
            .values()
            .rev()
            .filter(|object| object.adapter == wanted)
            .map(|object| object.object)
            .collect();
        left.into_iter().for_each(|object| self.release(Made { object, handle: 0 }));
    }

    pub(crate) fn unload(&mut self) {
        self.ddi(offset_of!(DriverInitializationData, unload), NO_ADAPTER);
    }

    /// The findings, as rule and offset of the place.
    pub(crate) fn found(&self) -> Vec<(&'static str, u64)> {
        self.verifier.findings().iter().map(|it| (it.rule.id, it.place.offset)).collect()
    }

    /// The only finding.
    pub(crate) fn only(&self) -> &Finding {
        match self.verifier.findings() {
            [one] => one,
            all => panic!("{} findings: {all:#?}", all.len()),
        }
    }
}

/// Offsets of the places in a finding's history.
pub(crate) fn places(finding: &Finding) -> Vec<u64> {
    finding.history.iter().map(|entry| entry.place.offset).collect()
}
