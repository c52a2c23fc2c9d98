//! The miniport.

use core::sync::atomic::{AtomicBool, Ordering};

use dxgk_miniport::abi::life::{DISPLAY_ADAPTER_HW_ID, DevicePowerState};
use dxgk_miniport::{Adapter, Driver, Link, Miniport, PhysicalDevice, PowerChange, Query, Result, log};

use crate::answers;
use crate::demo::Occasion;
use crate::device::Device;
use crate::legacy;
use crate::linking::Linking;
use crate::save::{Buffer, Saved};
use crate::settings::Settings;
use crate::work::Work;

/// One edu device.
#[derive(Debug)]
pub struct Edu {
    settings: Settings,
    linking: Linking,
    /// Whether the demo is still to come.
    demo_due: AtomicBool,
    /// The lead of its chain: it was asked about save areas, so there is one.
    keeps: AtomicBool,
}

/// What the driver has between start and stop.
#[derive(Debug)]
pub struct Started<'a> {
    adapter: &'a Adapter,
    device: Device<'a>,
    /// Whether a round ran after the start.
    worked: AtomicBool,
    /// For saving; nothing in the oldest personality.
    buffer: Option<Buffer<'a>>,
    saved: Saved,
}

impl Edu {
    /// One round after the start: the demo first, when it is due.
    fn work(&self, started: &Started<'_>) -> Result<()> {
        started.worked.store(true, Ordering::Relaxed);
        let Some(api) = self.settings.api else { return legacy::round(&started.device) };
        let work = Work { adapter: started.adapter, device: &started.device, api, twin: self.settings.twin };
        self.demo(Occasion::Work, &work)?;
        work.round()
    }

    /// What the device would forget, saved before the power goes and restored when it is back.
    fn keep(&self, started: &Started<'_>, going: bool) -> Result<()> {
        let (Some(api), Some(buffer)) = (self.settings.api, &started.buffer) else { return Ok(()) };
        if !self.keeps.load(Ordering::Relaxed) {
            return Ok(());
        }
        let work = Work { adapter: started.adapter, device: &started.device, api, twin: false };
        if going { started.saved.save(&work, buffer) } else { started.saved.restore(&work, buffer) }
    }

    /// The demo, when it is due and this is its occasion.
    fn demo(&self, occasion: Occasion, work: &Work<'_>) -> Result<()> {
        if let Some(demo) = self.settings.demo.filter(|demo| demo.occasion() == occasion)
            && self.demo_due.swap(false, Ordering::Relaxed)
        {
            log!("edu: demo {}", demo.name);
            demo.show(work)?;
        }
        Ok(())
    }
}

impl Miniport for Edu {
    type Started<'a> = Started<'a>;

    const LINKS: bool = true;

    fn add_device(driver: &'static Driver, _device: PhysicalDevice) -> Result<Self> {
        let settings = Settings::read(driver)?;
        Ok(Self {
            settings,
            linking: Linking::added(),
            demo_due: AtomicBool::new(settings.demo.is_some()),
            keeps: AtomicBool::new(false),
        })
    }

    fn link_device(&self) -> Result<Link> {
        self.linking.link()
    }

    fn remove_device(self) -> Result<()> {
        self.linking.removed();
        Ok(())
    }

    fn unload() {
        Linking::unload();
    }

    fn start_device<'a>(&'a self, adapter: &'a Adapter) -> Result<Started<'a>> {
        self.linking.start(adapter);
        let device = Device::open(adapter)?;
        let mut buffer = None;
        match self.settings.api {
            Some(api) => {
                buffer = Some(Buffer::allocate(adapter, api)?);
                Work { adapter, device: &device, api, twin: false }.round()?;
                log!("edu: started, {} offered, memory callbacks {api:?}", adapter.version());
            }
            None => {
                legacy::round(&device)?;
                log!("edu: started, {} offered, no memory callbacks", adapter.version());
            }
        }
        Ok(Started { adapter, device, worked: AtomicBool::new(false), buffer, saved: Saved::default() })
    }

    fn stop_device<'a>(&'a self, started: Started<'a>) -> Result<()> {
        if started.worked.load(Ordering::Relaxed) { Ok(()) } else { self.work(&started) }
    }

    fn query_adapter_info(&self, _started: Option<&Started<'_>>, query: Query<'_>) -> Result<()> {
        if matches!(query, Query::FrameBufferSaveSize(..)) {
            self.keeps.store(true, Ordering::Relaxed);
        }
        answers::answer(self.settings.api, self.settings.demo.filter(|_| !self.settings.twin), query)
    }

    /// Transfers are waited for, so none is in flight when the power goes.
    fn set_power_state(&self, started: &Started<'_>, change: PowerChange) -> Result<()> {
        if change.device_uid != DISPLAY_ADAPTER_HW_ID {
            return Ok(());
        }
        let back = change.state == DevicePowerState::D0;
        self.keep(started, !back)?;
        if back { self.work(started) } else { Ok(()) }
    }

    /// No DMA is in flight: transfers are waited for.
    fn begin_exclusive_access(&self, started: &Started<'_>) -> Result<()> {
        let Some(api) = self.settings.api else { return Ok(()) };
        let work = Work { adapter: started.adapter, device: &started.device, api, twin: self.settings.twin };
        self.demo(Occasion::ExclusiveAccess, &work)
    }
}
