//! A register file that acknowledges commands and works its queue, and can be told not to. It translates
//! nothing: it is there to see what the driver writes, and in which order.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use dxgk_hw::{MachineMemory, Pfn, PhysAddr, Registers};
use dxgk_iopt::vtd::spec::{
    Capability, DescriptorType, ExtendedCapability, FaultRecord, FaultStatus, GlobalCommand,
    InvalidationQueueAddress, QueueIndex, WaitDescriptor, offset,
};

use crate::memory::Ram;

/// How the queue behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mood {
    Works,
    Silent,
    Refuses,
}

#[derive(Debug)]
struct State {
    status: u32,
    faults: FaultStatus,
    root: u64,
    queue: InvalidationQueueAddress,
    mood: Mood,
    done: Vec<[u64; 2]>,
    commands: Vec<u32>,
    record: FaultRecord,
}

pub(crate) struct Scripted {
    pub(crate) capability: Capability,
    pub(crate) extended: ExtendedCapability,
    ram: Arc<Ram>,
    head: AtomicU64,
    state: Mutex<State>,
}

/// A unit like QEMU's: 48 bits, all leaf sizes, page-selective invalidation up to 2^18 pages, one fault record.
pub(crate) fn capability() -> Capability {
    Capability::new()
        .with_nd(6)
        .with_sagaw(0b110)
        .with_mgaw(47)
        .with_fro(0x22)
        .with_sslps(3)
        .with_psi(true)
        .with_mamv(18)
}

impl Scripted {
    pub(crate) fn new(ram: Arc<Ram>, capability: Capability) -> Self {
        let extended = ExtendedCapability::new().with_qi(true).with_pt(true);
        let state = State {
            status: 0,
            faults: FaultStatus::new(),
            root: 0,
            queue: InvalidationQueueAddress::new(),
            mood: Mood::Works,
            done: Vec::new(),
            commands: Vec::new(),
            record: FaultRecord::new(),
        };
        Self { capability, extended, ram, head: AtomicU64::new(0), state: Mutex::new(state) }
    }

    pub(crate) fn set_mood(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    /// Descriptors done since the last look, wait descriptors left out.
    pub(crate) fn take_done(&self) -> Vec<[u64; 2]> {
        std::mem::take(&mut self.state.lock().unwrap().done)
    }

    pub(crate) fn commands(&self) -> Vec<u32> {
        self.state.lock().unwrap().commands.clone()
    }

    pub(crate) fn status(&self) -> u32 {
        self.state.lock().unwrap().status
    }

    pub(crate) fn root(&self) -> Pfn {
        PhysAddr::new(self.state.lock().unwrap().root).page()
    }

    pub(crate) fn fault(&self, record: FaultRecord, overflow: bool) {
        let mut state = self.state.lock().unwrap();
        state.record = record.with_f(true);
        state.faults.set_pfo(overflow);
    }

    fn command(&self, value: u32) {
        let mut state = self.state.lock().unwrap();
        state.commands.push(value);
        let one_shot = GlobalCommand::new().with_srtp(true).into_bits();
        // Root-pointer status stays once set.
        state.status = value & !one_shot | (state.status | value) & one_shot;
        if !GlobalCommand::from_bits(value).qie() {
            self.head.store(0, Ordering::Relaxed);
        }
    }

    fn work(&self, tail: u64) {
        let mut state = self.state.lock().unwrap();
        match state.mood {
            Mood::Silent => return,
            Mood::Refuses => {
                state.faults.set_iqe(true);
                return;
            }
            Mood::Works => {}
        }
        if !GlobalCommand::from_bits(state.status).qie() {
            return;
        }
        let ring = self.ram.live(Pfn::new(state.queue.iqa())).unwrap();
        while self.head.load(Ordering::Relaxed) != tail {
            let at = (self.head.load(Ordering::Relaxed) / 8) as usize;
            let words = [ring[at].load(Ordering::Relaxed), ring[at + 1].load(Ordering::Relaxed)];
            if DescriptorType::of(words[0]) == Some(DescriptorType::Wait) {
                let wait = WaitDescriptor::from_bits(words[0]);
                let word = &self.ram.live(PhysAddr::new(words[1]).page()).unwrap()[0];
                assert!(wait.sw() && words[1] & 0xfff == 0);
                word.store(u64::from(wait.data()), Ordering::Release);
            } else {
                state.done.push(words);
            }
            self.head.store((self.head.load(Ordering::Relaxed) + 16) % 4096, Ordering::Relaxed);
        }
    }
}

impl Registers for Scripted {
    fn read32(&self, at: u64) -> u32 {
        let state = self.state.lock().unwrap();
        match at {
            offset::VER => 0x10,
            offset::GSTS => state.status,
            offset::FSTS => state.faults.with_ppf(state.record.f()).into_bits(),
            _ => u32::MAX,
        }
    }

    fn write32(&self, at: u64, value: u32) {
        match at {
            offset::GCMD => self.command(value),
            offset::FSTS => {
                let mut state = self.state.lock().unwrap();
                state.faults = FaultStatus::from_bits(state.faults.into_bits() & !(value & 0x71));
            }
            0x22c => {
                let mut state = self.state.lock().unwrap();
                let kept = state.record.f() && value >> 31 == 0;
                state.record.set_f(kept);
            }
            _ => panic!("write32 {at:#x}"),
        }
    }

    fn read64(&self, at: u64) -> u64 {
        match at {
            offset::CAP => self.capability.into_bits(),
            offset::ECAP => self.extended.into_bits(),
            0x220 => 0x1234_5000,
            0x228 => self.state.lock().unwrap().record.into_bits(),
            _ => u64::MAX,
        }
    }

    fn write64(&self, at: u64, value: u64) {
        match at {
            offset::RTADDR => self.state.lock().unwrap().root = value,
            offset::IQA => {
                self.state.lock().unwrap().queue = InvalidationQueueAddress::from_bits(value);
            }
            offset::IQT => self.work(u64::from(QueueIndex::from_bits(value).index()) * 16),
            _ => panic!("write64 {at:#x}"),
        }
    }
}
