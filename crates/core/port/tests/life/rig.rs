//! Puts a driver, a memory manager and a unit together under a port.

use std::sync::{Arc, Mutex};

use dxgk_abi::NtStatus;
use dxgk_abi::caps::VidMmCapsFlags;
use dxgk_abi::life::DevicePowerState;
use dxgk_abi::query::IommuCaps;
use dxgk_hw::{Bar, BarKind, IommuUnit, PhysAddr, RequesterId};
use dxgk_port::mode::{Asked, IommuFlags, Request};
use dxgk_port::{AdapterSpec, DdiError, Halt, LogicalAdapter, Port};
use dxgk_sysmm::{PageDatabase, Policy, SysMm};

use crate::miniport::{Driver, Says};
use crate::platform::{Machine, RAM_BYTES};
use crate::unit::{Failing, Unit};

/// What happened, one line each, driver and hardware in one order.
#[derive(Clone, Default)]
pub(crate) struct Journal(Arc<Mutex<Vec<String>>>);

impl Journal {
    pub(crate) fn note(&self, line: String) {
        self.0.lock().expect("unpoisoned").push(line);
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().expect("unpoisoned").clone()
    }

    /// The lines since the last call.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().expect("unpoisoned"))
    }
}

pub(crate) const FULL: Says = Says {
    iommu: Some(IommuCaps::DMA_REMAPPING_SUPPORTED.union(IommuCaps::IOMMU_ISOLATION_SUPPORTED)),
    highest_visible: Some((1 << 48) - 1),
    started: VidMmCapsFlags::IOMMU_SECURE_MODE_SUPPORTED.union(VidMmCapsFlags::MAP_APERTURE2_SUPPORTED),
    display_only: false,
    save_areas: &[],
    reserved: &[],
};
/// A driver of WDDM 2.4 to 2.8 with isolation.
pub(crate) const OLD: Says = Says {
    iommu: None,
    highest_visible: None,
    started: VidMmCapsFlags::IOMMU_SECURE_MODE_SUPPORTED,
    display_only: false,
    save_areas: &[],
    reserved: &[],
};
pub(crate) const FAILED: DdiError = DdiError::Failed(NtStatus::UNSUCCESSFUL);

/// A run to be: what is not said is a full driver, one device, and whatever mode it likes.
pub(crate) struct Rig {
    pub(crate) journal: Journal,
    pub(crate) machine: Arc<Machine>,
    pub(crate) sysmm: Arc<SysMm<Machine>>,
    pub(crate) driver: Driver,
    pub(crate) failing: Failing,
    pub(crate) request: Request,
    pub(crate) has_unit: bool,
}

impl Rig {
    pub(crate) fn new(says: Says, asked: Asked) -> Self {
        let journal = Journal::default();
        let machine = Arc::new(Machine::default());
        let policy = Policy { poison: None, ..Policy::default() };
        let pages = PageDatabase::new(Arc::clone(&machine), &policy);
        let sysmm = Arc::new(SysMm::new(Arc::clone(&machine), pages, policy));
        let driver = Driver {
            journal: journal.clone(),
            says,
            outcomes: Mutex::default(),
            sysmm: Arc::clone(&sysmm),
            handles: Mutex::default(),
            pages_at_start: 0,
            links: None,
            lead: 0,
            restored: Mutex::default(),
            video: None,
        };
        let request = Request { asked, ..Request::default() };
        Self { journal, machine, sysmm, driver, failing: Failing::default(), request, has_unit: true }
    }

    pub(crate) fn flags(mut self, bits: u32) -> Self {
        self.request.flags = IommuFlags::from_bits_truncate(bits);
        self
    }

    pub(crate) fn forced(mut self) -> Self {
        self.request.forced = true;
        self
    }

    /// Each StartDevice allocates this many pages with the callbacks of 2.4.
    pub(crate) fn allocating(mut self, pages: u64) -> Self {
        self.driver.pages_at_start = pages;
        self
    }

    /// The call with this line in the journal ends like this.
    pub(crate) fn driver_call(self, line: &str, outcome: DdiError) -> Self {
        self.driver.outcomes.lock().expect("unpoisoned").push((line.to_owned(), outcome));
        self
    }

    /// The hardware's act with this line in the journal fails.
    pub(crate) fn hardware_fails(self, line: &str) -> Self {
        self.failing.add(line);
        self
    }

    pub(crate) fn port(&self) -> Port<'_, Driver, Machine> {
        let unit = Unit { journal: self.journal.clone(), failing: self.failing.clone() };
        Port {
            miniport: &self.driver,
            sysmm: &self.sysmm,
            unit: self.has_unit.then(|| Arc::new(unit) as Arc<dyn IommuUnit>),
            sink: &self.machine.events,
            request: self.request,
            limit: None,
            highest_physical: RAM_BYTES - 1,
        }
    }

    /// Adds a chain of `count` devices and forgets that in the journal.
    pub(crate) fn added(&self, count: u8) -> LogicalAdapter {
        let logical = self.port().add(&chain(count)).expect("added");
        self.journal.take();
        logical
    }

    /// The whole life, as the command lives it.
    pub(crate) fn live(&self, count: u8) -> Result<(), Halt> {
        let port = self.port();
        let mut logical = port.add(&chain(count))?;
        let lived = start_to_stop(&port, &mut logical);
        if lived != Err(Halt::Stopped) {
            port.remove(&mut logical)?;
            port.unload()?;
        }
        lived
    }

    /// Every page is back where it came from.
    pub(crate) fn assert_balanced(&self) {
        let totals = self.sysmm.statistics();
        assert_eq!(totals.pages.free + totals.pages.reserved, totals.pages.total, "{totals:?}");
        assert_eq!(totals.mapped_pages, 0, "{totals:?}");
    }
}

fn start_to_stop(port: &Port<'_, Driver, Machine>, logical: &mut LogicalAdapter) -> Result<(), Halt> {
    port.start(logical)?;
    port.work(logical)?;
    port.set_power(logical, DevicePowerState::D3)?;
    port.set_power(logical, DevicePowerState::D0)?;
    port.stop(logical)
}

pub(crate) fn chain(count: u8) -> Vec<AdapterSpec> {
    let bar = |device: u8| Bar {
        index: 0,
        kind: BarKind::Memory { prefetchable: false },
        base: PhysAddr::new(0xfe00_0000 + u64::from(device) * 0x10_0000),
        size: 0x10_0000,
    };
    (0..count)
        .map(|device| AdapterSpec { requester: RequesterId(device.into()), bars: vec![bar(device)] })
        .collect()
}
