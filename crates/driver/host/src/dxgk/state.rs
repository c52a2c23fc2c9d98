//! What the callbacks share: the memory manager, the devices, the adapters, and what the driver registered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use dxgk_abi::init::{DriverInitializationData, KmddodInitializationData};
use dxgk_abi::kernel::UnicodeString;
use dxgk_abi::{BugCheck, Handle, InterfaceVersion, Irql, NtStatus};
use dxgk_event::{Callback, Event, EventSink, Phase};
use dxgk_hw::PciFunction;
use dxgk_port::vidmm::{AllocationHandles, Fences};
use dxgk_sysmm::{CallError, Caller, SysMm};

use super::devices::Devices;
use super::interrupts::Interrupts;
use crate::kernel;
use crate::platform::HostPlatform;
use crate::sink::HostSink;
use crate::{processor, stop};

/// The frame buffer that firmware left on the screen (`DXGK_DISPLAY_INFORMATION`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PostDisplay {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Bytes from one line to the next.
    pub pitch: u32,
    /// Physical address of the first byte.
    pub physical: u64,
}

/// What does not change during a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Newest interface version that is offered.
    pub offered: InterfaceVersion,
    /// Stop where Windows would bug check, instead of recording and going on.
    pub stop_like_windows: bool,
    /// What the firmware left.
    pub post_display: Option<PostDisplay>,
}

/// An adapter that the driver knows.
#[derive(Clone)]
pub(crate) struct AdapterState {
    pub(crate) number: u32,
    pub(crate) function: Arc<dyn PciFunction>,
    /// Its physical device object, in driver memory.
    pub(crate) device_object: u64,
    /// What AddDevice returned.
    pub(crate) context: u64,
    /// Its CM_RESOURCE_LIST, in driver memory.
    pub(crate) resources: u64,
    /// Path of its driver's key.
    pub(crate) registry_path: UnicodeString,
    /// From the call of StartDevice until StopDevice has returned.
    pub(crate) interrupts_on: bool,
    /// DxgkCbQueueDpc was called, and the routine has not run since.
    pub(crate) dpc_queued: bool,
    /// What it has notified.
    pub(crate) fences: Fences,
}

/// What the driver passed to DxgkInitialize or DxgkInitializeDisplayOnlyDriver.
#[derive(Clone)]
pub(crate) enum Registration {
    /// The full table.
    Full(Box<DriverInitializationData>),
    /// The display-only table.
    DisplayOnly(Box<KmddodInitializationData>),
}

/// The port's state, found by callbacks through the kernel of their processor.
pub struct PortState {
    pub(crate) sysmm: Arc<SysMm<HostPlatform>>,
    pub(crate) sink: Arc<HostSink>,
    pub(crate) devices: Arc<Devices>,
    pub(crate) settings: Settings,
    pub(crate) registration: OnceLock<Registration>,
    pub(crate) interrupts: Interrupts,
    adapters: Mutex<BTreeMap<u64, AdapterState>>,
    /// The MDLs that are mapped for a device, by handle of the mapping.
    mapped_mdls: Mutex<BTreeMap<u64, u64>>,
    allocations: Mutex<AllocationHandles>,
}

impl core::fmt::Debug for PortState {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("PortState").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl PortState {
    /// A port without adapters.
    #[must_use]
    pub fn new(
        sysmm: Arc<SysMm<HostPlatform>>,
        sink: Arc<HostSink>,
        devices: Arc<Devices>,
        settings: Settings,
    ) -> Self {
        Self {
            sysmm,
            sink,
            devices,
            settings,
            registration: OnceLock::new(),
            interrupts: Interrupts::default(),
            adapters: Mutex::new(BTreeMap::new()),
            mapped_mdls: Mutex::new(BTreeMap::new()),
            allocations: Mutex::default(),
        }
    }

    pub(crate) fn adapters(&self) -> MutexGuard<'_, BTreeMap<u64, AdapterState>> {
        self.adapters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn mapped_mdls(&self) -> MutexGuard<'_, BTreeMap<u64, u64>> {
        self.mapped_mdls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The handles of allocations and resources.
    pub(super) fn allocations(&self) -> MutexGuard<'_, AllocationHandles> {
        self.allocations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Parameters of DRIVER_VERIFIER_DMA_VIOLATION for the last access that an IOMMU refused (page "Bug Check 0xE6",
    /// parameter 1 = 0x26): the device object of the device, the address, and, for the hardware's type of the fault, the
    /// upper word of the unit's record as it stands (our choice).
    fn dma_violation(&self) -> [u64; 4] {
        const ILLEGAL_DMA: u64 = 0x26;
        let Some(fault) = self.sink.last_fault() else { return [ILLEGAL_DMA, 0, 0, 0] };
        let adapters = self.adapters();
        let culprit = adapters.values().find(|adapter| adapter.function.requester().0 == fault.requester);
        let [_, kind] = fault.record;
        [ILLEGAL_DMA, culprit.map_or(0, |adapter| adapter.device_object), fault.address, kind]
    }

    /// The adapter that a driver's handle names.
    pub(crate) fn adapter(&self, handle: Handle) -> Option<AdapterState> {
        self.adapters().get(&handle.0).cloned()
    }
}

/// A callback under way, and how it is recorded.
pub(crate) struct Call<'a> {
    /// Offset of its slot.
    pub(crate) slot: usize,
    /// The adapter's handle, or null for callbacks that name none.
    pub(crate) adapter: Handle,
    /// Arguments that matter.
    pub(crate) words: &'a [u64],
    /// The slot has no implementation.
    pub(crate) unimplemented: bool,
}

/// Results that matter, up to six words.
pub(crate) type Words = Vec<u64>;

fn six(words: &[u64]) -> [u64; 6] {
    let mut six = [0; 6];
    six.iter_mut().zip(words).for_each(|(to, from)| *to = *from);
    six
}

/// Serves a callback: time passes, the entry is recorded, the body runs, the return is recorded. The status that the
/// driver sees.
pub(crate) fn serve(
    call: &Call<'_>,
    body: impl FnOnce(&PortState, &Caller) -> Result<Words, CallError>,
) -> u32 {
    let Some((kernel, port)) =
        kernel::current().and_then(|kernel| Some((kernel, kernel.port::<PortState>()?)))
    else {
        return NtStatus::DEVICE_NOT_READY.0;
    };
    port.devices.advance();
    port.deliver();
    let adapter = port.adapter(call.adapter).map_or(u32::MAX, |adapter| adapter.number);
    let entered_at = processor::boundary();
    let record = |phase, entry, words: &[u64], status: NtStatus| {
        port.sink.emit(&Event::Callback(Callback {
            entry,
            words: six(words),
            slot: call.slot as u16,
            phase,
            unimplemented: call.unimplemented.into(),
            status: status.0,
            adapter,
            duration: processor::boundary().wrapping_sub(entered_at) as u32,
        }))
    };
    let entry = record(Phase::Entered, 0, call.words, NtStatus::SUCCESS);
    if port.settings.stop_like_windows && port.sink.stop_wanted() {
        // The rules, read from the stream by somebody else, found what Driver Verifier stops for.
        stop::bug_check(BugCheck::DRIVER_VERIFIER_DMA_VIOLATION, port.dma_violation());
    }
    let caller = Caller::new(Irql(processor::irql()), processor::process());
    let result = body(port, &caller);
    let (status, words) = match &result {
        Ok(words) => (NtStatus::SUCCESS, words.as_slice()),
        Err(error) => (error.status(), [].as_slice()),
    };
    record(Phase::Returned, entry.0, words, status);
    port.deliver();
    kernel.deliver();
    if let (Err(CallError::BugCheck { code, parameters }), true) = (&result, port.settings.stop_like_windows)
    {
        stop::bug_check(*code, *parameters);
    }
    status.0
}
