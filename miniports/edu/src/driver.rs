//! The miniport.

use core::sync::atomic::{AtomicBool, Ordering};

use dxgk_miniport::abi::life::{DISPLAY_ADAPTER_HW_ID, DevicePowerState};
use dxgk_miniport::{Adapter, Driver, Link, Miniport, PhysicalDevice, PowerChange, Query, Result, log};

use crate::answers;
use crate::demo::Occasion;
use crate::device::Device;
use crate::legacy;
use crate::linking::Linking;
use crate::settings::Settings;
use crate::work::Work;

/// One edu device.
#[derive(Debug)]
pub struct Edu {
    settings: Settings,
    linking: Linking,
    /// Whether the demo is still to come.
    demo_due: AtomicBool,
}

/// What the driver has between start and stop.
#[derive(Debug)]
pub struct Started<'a> {
    adapter: &'a Adapter,
    device: Device<'a>,
    /// Whether a round ran after the start.
    worked: AtomicBool,
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
        Ok(Self { settings, linking: Linking::added(), demo_due: AtomicBool::new(settings.demo.is_some()) })
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
        match self.settings.api {
            Some(api) => {
                Work { adapter, device: &device, api, twin: false }.round()?;
                log!("edu: started, {} offered, memory callbacks {api:?}", adapter.version());
            }
            None => {
                legacy::round(&device)?;
                log!("edu: started, {} offered, no memory callbacks", adapter.version());
            }
        }
        Ok(Started { adapter, device, worked: AtomicBool::new(false) })
    }

    fn stop_device<'a>(&'a self, started: Started<'a>) -> Result<()> {
        if started.worked.load(Ordering::Relaxed) { Ok(()) } else { self.work(&started) }
    }

    fn query_adapter_info(&self, _started: Option<&Started<'_>>, query: Query<'_>) -> Result<()> {
        answers::answer(self.settings.api, self.settings.demo.filter(|_| !self.settings.twin), query)
    }

    /// Transfers are waited for, so none is in flight when the power goes; whatever the device forgot, the next round
    /// writes anew.
    fn set_power_state(&self, started: &Started<'_>, change: PowerChange) -> Result<()> {
        if change.device_uid == DISPLAY_ADAPTER_HW_ID && change.state == DevicePowerState::D0 {
            self.work(started)
        } else {
            Ok(())
        }
    }

    /// No DMA is in flight: transfers are waited for.
    fn begin_exclusive_access(&self, started: &Started<'_>) -> Result<()> {
        let Some(api) = self.settings.api else { return Ok(()) };
        let work = Work { adapter: started.adapter, device: &started.device, api, twin: self.settings.twin };
        self.demo(Occasion::ExclusiveAccess, &work)
    }
}
