//! The two machines: the model's and QEMU's, each with the driver of this crate and a device that does DMA.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use dxgk_event::NoEvents;
use dxgk_hw::{
    Attachment, DmaPort, FrameSource, IommuUnit, LogicalAddr, MachineMemory, PageRun, Pfn, PhysAddr,
    Registers, RequesterId,
};
use dxgk_iommu::amdvi::AmdviUnit;
use dxgk_iommu::smmu::{Event, SmmuStage2Unit, SmmuUnit};
use dxgk_iommu::vtd::{Fault, Mode, VtdFirstStageUnit, VtdUnit};
use dxgk_iopt::{SmmuStage1, SmmuStage2};
use dxgk_model::{Edu as ModelEdu, Machine};
use dxgk_qemu::{Direction, Edu, Installed, Options, Qemu, RegisterWindow};
use dxgk_shm::Ram;

use crate::family::{Family, Record, flags_of};

pub(crate) const DEVICE: RequesterId = RequesterId::new(0, 3, 0);
type Lock = parking_lot::RawMutex;

/// Frames for tables.
pub(crate) struct Frames {
    ram: Arc<Ram>,
    next: AtomicU64,
    free: Mutex<Vec<Pfn>>,
}

impl Frames {
    fn new(ram: &Arc<Ram>, first: u64) -> Arc<Self> {
        Arc::new(Self { ram: Arc::clone(ram), next: AtomicU64::new(first), free: Mutex::default() })
    }

    /// Frames taken, less a constant.
    pub(crate) fn taken(&self) -> usize {
        self.next.load(Ordering::Relaxed) as usize - self.free.lock().unwrap().len()
    }
}

impl FrameSource for Frames {
    fn take_frame(&self) -> Option<Pfn> {
        let reused = self.free.lock().unwrap().pop();
        let frame = reused.unwrap_or_else(|| Pfn::new(self.next.fetch_add(1, Ordering::Relaxed)));
        self.ram.fill(PageRun::new(frame, 1), 0).ok()?;
        Some(frame)
    }

    fn take_run(&self, frames: u64) -> Option<Pfn> {
        if frames == 1 {
            return self.take_frame();
        }
        let start = self.next.load(Ordering::Relaxed);
        let first = start.next_multiple_of(frames);
        self.free.lock().unwrap().extend((start..first).map(Pfn::new));
        self.next.store(first + frames, Ordering::Relaxed);
        self.ram.fill(PageRun::new(Pfn::new(first), frames), 0).ok()?;
        Some(Pfn::new(first))
    }

    fn give_frame(&self, frame: Pfn) {
        // Whoever still walks it finds nonsense.
        self.ram.fill(PageRun::new(frame, 1), !0).unwrap();
        self.free.lock().unwrap().push(frame);
    }
}

/// A driver of this crate, on either machine.
pub(crate) enum Driver {
    Vtd(VtdUnit<Lock>),
    VtdFirstStage(VtdFirstStageUnit<Lock>),
    Amdvi(AmdviUnit<Lock>),
    SmmuStage1(SmmuUnit<Lock>),
    SmmuStage2(SmmuStage2Unit<Lock>),
}

impl Driver {
    fn start(family: Family, registers: Arc<dyn Registers>, ram: &Arc<Ram>, frames: &Arc<Frames>) -> Self {
        let (memory, frames) = (Arc::clone(ram) as _, Arc::clone(frames) as _);
        match family {
            Family::VtdLegacy | Family::VtdSecondStage => {
                let mode = if family == Family::VtdLegacy { Mode::Legacy } else { Mode::Scalable };
                Self::Vtd(VtdUnit::start(registers, memory, frames, mode).expect("it starts"))
            }
            Family::VtdFirstStage => {
                let unit = VtdFirstStageUnit::start(registers, memory, frames);
                Self::VtdFirstStage(unit.expect("it starts"))
            }
            Family::SmmuStage1(granule) => {
                let format = SmmuStage1::new(granule);
                Self::SmmuStage1(SmmuUnit::start(registers, memory, frames, format).expect("it starts"))
            }
            Family::SmmuStage2(granule) => {
                let format = SmmuStage2::new(granule);
                Self::SmmuStage2(SmmuStage2Unit::start(registers, memory, frames, format).expect("it starts"))
            }
            Family::Amdvi(format) => {
                Self::Amdvi(AmdviUnit::start(registers, memory, frames, format, false).expect("it starts"))
            }
        }
    }

    pub(crate) fn unit(&self) -> &dyn IommuUnit {
        match self {
            Self::Vtd(unit) => unit,
            Self::VtdFirstStage(unit) => unit,
            Self::Amdvi(unit) => unit,
            Self::SmmuStage1(unit) => unit,
            Self::SmmuStage2(unit) => unit,
        }
    }

    fn take_records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        let of_vtd = |fault: Fault| {
            assert_eq!(fault.requester, DEVICE);
            let (code, page, write) = (fault.reason.0, fault.page.get(), fault.write);
            Record { code, flags: 0, page, write }
        };
        match self {
            Self::Vtd(unit) => {
                assert!(
                    !unit.take_faults(&mut |fault| records.push(of_vtd(fault))).overflow,
                    "one fault at a time"
                );
            }
            Self::VtdFirstStage(unit) => {
                assert!(
                    !unit.take_faults(&mut |fault| records.push(of_vtd(fault))).overflow,
                    "one fault at a time"
                );
            }
            Self::SmmuStage1(unit) => {
                let summary = unit.take_events(&mut |event| records.push(of_smmu(event)));
                assert!(!summary.overflow, "one event at a time");
            }
            Self::SmmuStage2(unit) => {
                let summary = unit.take_events(&mut |event| records.push(of_smmu(event)));
                assert!(!summary.overflow, "one event at a time");
            }
            Self::Amdvi(unit) => {
                let summary = unit.take_events(&mut |event| {
                    assert_eq!(event.requester, DEVICE);
                    let (code, flags) = (event.code.0, event.flags);
                    let (page, write) = (event.address >> 12, flags.rw());
                    records.push(Record { code, flags: flags.into_bits(), page, write });
                });
                assert!(!summary.overflow, "one event at a time");
            }
        }
        records
    }
}

fn of_smmu(event: Event) -> Record {
    assert_eq!(event.requester, DEVICE);
    let (code, page) = (event.code.0, event.address.page().get());
    Record { code, flags: flags_of(event.details), page, write: !event.details.rnw() }
}

enum Hardware {
    Model { machine: Machine, port: Arc<dyn DmaPort>, buffer: Vec<u8> },
    Qemu { qemu: Arc<Qemu>, edu: Edu, window: Arc<RegisterWindow> },
}

/// A machine, its unit driven, its device ready.
pub(crate) struct Side {
    family: Family,
    pub(crate) ram: Arc<Ram>,
    pub(crate) frames: Arc<Frames>,
    pub(crate) driver: Option<Driver>,
    /// Nothing is invalidated, as if that had been forgotten.
    pub(crate) forgets: bool,
    hardware: Hardware,
}

fn ram(family: Family) -> (Arc<Ram>, Arc<Frames>) {
    let (layout, first, _) = family.ram();
    let ram = Arc::new(Ram::create(&layout.parse().unwrap()).unwrap());
    let frames = Frames::new(&ram, first);
    (ram, frames)
}

impl Side {
    pub(crate) fn model(family: Family) -> Self {
        let (ram, frames) = ram(family);
        let machine = Machine::builder(ram.clone(), Arc::new(NoEvents))
            .unit(family.model())
            .device(DEVICE, "edu", Box::new(ModelEdu::default()))
            .build()
            .unwrap();
        let port = machine.port(DEVICE);
        let hardware = Hardware::Model { machine, port, buffer: vec![0; 4096] };
        Self { family, ram, frames, driver: None, forgets: false, hardware }.started()
    }

    pub(crate) fn qemu(family: Family, installed: &Installed) -> Self {
        let (ram, frames) = ram(family);
        let options = Options::with_unit(family.qemu(), Arc::clone(&ram)).device(Edu::argument(3));
        let qemu = Arc::new(Qemu::start(installed, &options).unwrap());
        let edu = Edu::attach(Arc::clone(&qemu), DEVICE, qemu.board().bar_window()).unwrap();
        let window = Arc::new(RegisterWindow::new(Arc::clone(&qemu), family.qemu().registers()));
        let hardware = Hardware::Qemu { qemu, edu, window };
        Self { family, ram, frames, driver: None, forgets: false, hardware }.started()
    }

    fn started(mut self) -> Self {
        self.start_driver();
        self
    }

    fn start_driver(&mut self) {
        let registers: Arc<dyn Registers> = match &self.hardware {
            Hardware::Model { machine, .. } => Arc::clone(machine.unit()),
            Hardware::Qemu { window, .. } => Arc::clone(window) as _,
        };
        let driver = Driver::start(self.family, registers, &self.ram, &self.frames);
        // Once, so that the tables that the unit keeps for the device are there.
        let domain = Attachment::Domain(driver.unit().create_domain().expect("there is room"));
        for what in [Attachment::PassThrough, domain, Attachment::Blocked] {
            driver.unit().attach(DEVICE, what).expect("it answers");
        }
        self.driver = Some(driver);
    }

    /// Leaves the unit as it stands, with all that it has cached, and takes it over anew.
    pub(crate) fn take_over(&mut self) {
        std::mem::forget(self.driver.take());
        self.start_driver();
    }

    pub(crate) fn driver(&self) -> &Driver {
        self.driver.as_ref().expect("it was started")
    }

    pub(crate) fn unit(&self) -> &dyn IommuUnit {
        self.driver().unit()
    }

    pub(crate) fn is_qemu(&self) -> bool {
        matches!(self.hardware, Hardware::Qemu { .. })
    }

    pub(crate) fn name(&self) -> String {
        match &self.hardware {
            Hardware::Model { .. } => "the model".to_owned(),
            Hardware::Qemu { qemu, .. } => qemu.installed().to_string(),
        }
    }

    /// Copies between the device's buffer, from `inside` on, and `at`.
    pub(crate) fn dma(&mut self, direction: Direction, inside: u64, at: u64, bytes: u64) {
        let at = LogicalAddr::new(at);
        match &mut self.hardware {
            Hardware::Qemu { edu, .. } => edu.dma(direction, inside, at, bytes).unwrap(),
            Hardware::Model { port, buffer, .. } => {
                let part = &mut buffer[inside as usize..(inside + bytes) as usize];
                // The device does not tell whether it was refused.
                let _ = match direction {
                    Direction::FromRam => {
                        let mut read = vec![0; part.len()];
                        port.read(at, &mut read, 0).map(|()| part.copy_from_slice(&read))
                    }
                    Direction::ToRam => port.write(at, part, 0),
                };
            }
        }
    }

    /// What was recorded since the last look.
    pub(crate) fn records(&self) -> Vec<Record> {
        let records = self.driver().take_records();
        if let Hardware::Qemu { window, .. } = &self.hardware
            && let Some(error) = window.failure()
        {
            panic!("{error}");
        }
        records
    }

    pub(crate) fn write(&self, frame: u64, offset: u64, bytes: &[u8]) {
        self.ram.write(PhysAddr::new((frame << 12) + offset), bytes).expect("RAM");
    }

    pub(crate) fn read<const N: usize>(&self, frame: u64, offset: u64) -> [u8; N] {
        let mut bytes = [0; N];
        self.ram.read(PhysAddr::new((frame << 12) + offset), &mut bytes).expect("RAM");
        bytes
    }
}
