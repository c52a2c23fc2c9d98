//! The loaded driver as the port calls it: `dxgk_port::Miniport`, with arguments laid out in driver memory.

use std::sync::{Arc, Mutex, PoisonError};

use dxgk_abi::display::{ChildDescriptor, ChildStatus, ChildStatusType, DeviceDescriptor};
use dxgk_abi::life::{
    ArgBeginExclusiveAccess, ArgEndExclusiveAccess, DevicePowerState, LinkedDevice, PowerAction, StartInfo,
    SurpriseRemovalType,
};
use dxgk_abi::query::{
    ArgQueryAdapterInfo, HardwareReservedRanges, PhysicalMemoryRange, QueryAdapterInfoType,
};
use dxgk_abi::{NtStatus, Pointer};
use dxgk_event::DdiCall;
use dxgk_hw::NoRoom;
use dxgk_port::vidmm::{Fences, VideoMemory};
use dxgk_port::{
    AdapterIdentity, DdiError, DdiResult, DeviceContext, DriverFacts, Miniport, Restored, Started,
};
use zerocopy::{FromZeros, Immutable, IntoBytes};

mod allocation;
mod hot_update;
mod scratch;
mod video_memory;

use self::scratch::{SCRATCH_BYTES, Scratch};
use super::ddi::{DdiSlot, both, full_only};
use super::device_information;
use super::interface::{OfferedInterface, negotiate};
use super::state::{AdapterState, PortState, Registration};
use crate::guarded;
use crate::kernel::{DeviceKeys, DriverEntryArguments, Kernel};

/// Reserved ranges that are asked for at most; more is a driver's mistake.
const MOST_RANGES: u32 = 4096;
/// Children that are asked about at most (our choice: no adapter has as many outputs).
const MOST_CHILDREN: u32 = 64;
/// `DISPLAY_ADAPTER_HW_ID`: the adapter itself in SetPowerState.
const DISPLAY_ADAPTER_HW_ID: u64 = 0xffff_ffff;
/// A millisecond from now, as KeDelayExecutionThread takes it: negative is relative, in 100 ns.
const MILLISECOND: i64 = -10_000;
/// No adapter, in the event stream.
const NO_ADAPTER: u32 = u32::MAX;

/// A driver that was loaded, or linked, and whose DriverEntry can be called.
pub struct LoadedMiniport {
    kernel: Arc<Kernel>,
    port: Arc<PortState>,
    entry: u64,
    arguments: DriverEntryArguments,
    keys: Vec<DeviceKeys>,
    scratch: Mutex<Scratch>,
    /// Where the private data of paging buffers is, and how many bytes.
    private_data: Mutex<(u64, u64)>,
}

/// Our own memory failed us, or the driver made it unreadable.
pub(super) const OUT_OF_ROOM: DdiError = DdiError::Failed(NtStatus::INSUFFICIENT_RESOURCES);

impl core::fmt::Debug for LoadedMiniport {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("LoadedMiniport").field("entry", &self.entry).finish_non_exhaustive()
    }
}

impl LoadedMiniport {
    /// A driver whose code is in place. `keys` are the registry keys of its devices, in the machine's order.
    ///
    /// # Errors
    /// [`NoRoom`].
    pub fn new(
        kernel: Arc<Kernel>,
        port: Arc<PortState>,
        entry: u64,
        arguments: DriverEntryArguments,
        keys: Vec<DeviceKeys>,
    ) -> Result<Self, NoRoom> {
        let base = kernel.space().map_host(SCRATCH_BYTES)?.get();
        let scratch = Mutex::new(Scratch::new(base));
        kernel.set_level_lowered(Arc::clone(&port) as _);
        super::interrupts::deliver_after_traps();
        super::devices::answer_ports(&port.devices);
        Ok(Self { kernel, port, entry, arguments, keys, scratch, private_data: Mutex::default() })
    }

    /// DriverEntry. It has to succeed, and to have registered a table, before anything else is called.
    ///
    /// # Errors
    /// [`DdiError`]; INVALID_DEVICE_STATE when it succeeded without registering.
    pub fn driver_entry(&self) -> DdiResult<()> {
        let arguments = [self.arguments.driver_object, self.arguments.registry_path];
        let name = DdiCall::DRIVER_ENTRY;
        self.port.call_recorded(&self.kernel, name, self.entry, NO_ADAPTER, 0, &arguments)?;
        if self.port.registration.get().is_none() {
            return Err(DdiError::Failed(NtStatus::INVALID_DEVICE_STATE));
        }
        Ok(())
    }

    /// Lets milliseconds of virtual time pass: the driver's threads, timers and DPCs and the devices go on.
    ///
    /// # Errors
    /// [`DdiError::Stopped`]; [`DdiError::Absent`] when nothing can wait here.
    pub fn wait(&self, milliseconds: u32) -> DdiResult<()> {
        let export = self.kernel.resolve("ntoskrnl.exe", "KeDelayExecutionThread").ok_or(DdiError::Absent)?;
        (0..milliseconds).try_for_each(|_| {
            self.with_scratch(|scratch| {
                let interval = scratch.put(&MILLISECOND).ok_or(OUT_OF_ROOM)?;
                self.port.wait_in(&self.kernel, export.address, &[0, 0, interval])
            })
        })
    }

    /// Runs `act` with the scratch memory empty.
    fn with_scratch<R>(&self, act: impl FnOnce(&mut Scratch) -> R) -> R {
        let mut scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        scratch.clear();
        act(&mut scratch)
    }

    fn number(&self, device: DeviceContext) -> u32 {
        self.port
            .adapters()
            .values()
            .find(|adapter| adapter.context == device.0)
            .map_or(NO_ADAPTER, |adapter| adapter.number)
    }

    /// Interrupts are connected before StartDevice and disconnected after StopDevice.
    fn connect_interrupts(&self, device: DeviceContext, on: bool) {
        for adapter in self.port.adapters().values_mut().filter(|adapter| adapter.context == device.0) {
            adapter.interrupts_on = on;
            adapter.dpc_queued &= on;
        }
    }

    fn call(&self, slot: DdiSlot, device: DeviceContext, argument: u64, arguments: &[u64]) -> DdiResult<()> {
        let number = self.number(device);
        self.port.call_ddi(&self.kernel, slot, number, argument, arguments).map(|_| ())
    }

    /// A DDI of a context and a pointer to a structure.
    fn call_with<T: IntoBytes + Immutable>(
        &self,
        slot: DdiSlot,
        device: DeviceContext,
        value: &T,
    ) -> DdiResult<()> {
        self.with_scratch(|scratch| {
            let at = scratch.put(value).ok_or(OUT_OF_ROOM)?;
            self.call(slot, device, 0, &[device.0, at])
        })
    }

    fn query(
        &self,
        scratch: &mut Scratch,
        device: DeviceContext,
        query: QueryAdapterInfoType,
        input: &[u8],
        output: (u64, u32),
    ) -> DdiResult<()> {
        let input_at = if input.is_empty() { 0 } else { scratch.put_bytes(input).ok_or(OUT_OF_ROOM)? };
        let args = ArgQueryAdapterInfo {
            kind: query,
            input_data: Pointer(input_at),
            input_data_size: input.len() as u32,
            output_data: Pointer(output.0),
            output_data_size: output.1,
            ..ArgQueryAdapterInfo::default()
        };
        let at = scratch.put(&args).ok_or(OUT_OF_ROOM)?;
        self.call(both!(query_adapter_info), device, query.0.into(), &[device.0, at])
    }

    fn add_state(&self, adapter: &AdapterIdentity) -> Result<(u64, AdapterState), NoRoom> {
        let functions = self.port.devices.functions();
        let (function, keys) = functions
            .iter()
            .zip(&self.keys)
            .find(|(function, _)| function.requester() == adapter.requester)
            .ok_or(NoRoom)?;
        let device_object = self.kernel.add_physical_device(keys.clone()).ok_or(NoRoom)?;
        let state = AdapterState {
            number: adapter.number,
            function: Arc::clone(function),
            device_object,
            context: 0,
            resources: device_information::lay_out_resources(&self.kernel, function.as_ref())?,
            registry_path: guarded::read_struct(self.arguments.registry_path).map_err(|_| NoRoom)?,
            interrupts_on: false,
            dpc_queued: false,
            fences: Fences::default(),
        };
        Ok((device_object, state))
    }
}

impl Miniport for LoadedMiniport {
    fn facts(&self) -> DriverFacts {
        match self.port.registration.get() {
            Some(Registration::Full(table)) => DriverFacts { version: table.version.0, display_only: false },
            Some(Registration::DisplayOnly(table)) => {
                DriverFacts { version: table.version.0, display_only: true }
            }
            None => DriverFacts { version: 0, display_only: false },
        }
    }

    fn add_device(&self, adapter: &AdapterIdentity) -> DdiResult<DeviceContext> {
        let (device_object, mut state) = self.add_state(adapter).map_err(|NoRoom| OUT_OF_ROOM)?;
        let context = self.with_scratch(|scratch| {
            let out = scratch.take(8).ok_or(OUT_OF_ROOM)?;
            let arguments = [device_object, out];
            self.port.call_ddi(&self.kernel, both!(add_device), adapter.number, 0, &arguments)?;
            guarded::read_struct::<u64>(out).map_err(|_| OUT_OF_ROOM)
        })?;
        state.context = context;
        self.port.adapters().insert(adapter.handle.0, state);
        Ok(DeviceContext(context))
    }

    fn link_device(&self, device: DeviceContext) -> DdiResult<LinkedDevice> {
        let known = self.port.adapters().values().find(|it| it.context == device.0).cloned();
        let adapter = known.ok_or(DdiError::Failed(NtStatus::INVALID_PARAMETER))?;
        self.with_scratch(|scratch| {
            let at = scratch.put(&LinkedDevice::default()).ok_or(OUT_OF_ROOM)?;
            self.call(full_only!(link_device), device, 0, &[adapter.device_object, device.0, at])?;
            guarded::read_struct(at).map_err(|_| OUT_OF_ROOM)
        })
    }

    fn query_adapter_info(
        &self,
        device: DeviceContext,
        query: QueryAdapterInfoType,
        input: &[u8],
        output: &mut [u8],
    ) -> DdiResult<()> {
        self.with_scratch(|scratch| {
            let at = scratch.take(output.len()).ok_or(OUT_OF_ROOM)?;
            self.query(scratch, device, query, input, (at, output.len() as u32))?;
            guarded::read(at, output).map_err(|_| OUT_OF_ROOM)
        })
    }

    fn hardware_reserved_ranges(&self, device: DeviceContext) -> DdiResult<Vec<(u64, u64)>> {
        let query = QueryAdapterInfoType::HARDWARERESERVEDRANGES;
        let size = size_of::<HardwareReservedRanges>() as u32;
        self.with_scratch(|scratch| {
            let at = scratch.put(&HardwareReservedRanges::default()).ok_or(OUT_OF_ROOM)?;
            self.query(scratch, device, query, &[], (at, size))?;
            let count =
                guarded::read_struct::<HardwareReservedRanges>(at).map_err(|_| OUT_OF_ROOM)?.num_ranges;
            if count == 0 {
                return Ok(Vec::new());
            }
            let count = count.min(MOST_RANGES);
            let bytes = count as usize * size_of::<PhysicalMemoryRange>();
            let array = scratch.take(bytes).ok_or(OUT_OF_ROOM)?;
            let asked = HardwareReservedRanges {
                num_ranges: count,
                physical_ranges: Pointer(array),
                ..HardwareReservedRanges::default()
            };
            guarded::write_struct(at, &asked).map_err(|_| OUT_OF_ROOM)?;
            self.query(scratch, device, query, &[], (at, size))?;
            let range = |index: u32| {
                let at = array + u64::from(index) * size_of::<PhysicalMemoryRange>() as u64;
                let range = guarded::read_struct::<PhysicalMemoryRange>(at).map_err(|_| OUT_OF_ROOM)?;
                Ok((range.base_address, range.number_of_bytes))
            };
            (0..count).map(range).collect()
        })
    }

    fn start_device(&self, device: DeviceContext, adapter: &AdapterIdentity) -> DdiResult<Started> {
        let version = negotiate(self.port.settings.offered, self.facts().version);
        let interface = OfferedInterface::lay_out(&self.kernel, &self.port.sink, version, adapter.handle)
            .map_err(|NoRoom| OUT_OF_ROOM)?;
        self.with_scratch(|scratch| {
            let mut info = StartInfo::new_zeroed();
            info.required_dma_queue_entry = 1;
            info.adapter_luid.low_part = adapter.number + 1;
            let info = scratch.put(&info).ok_or(OUT_OF_ROOM)?;
            let sources = scratch.take(4).ok_or(OUT_OF_ROOM)?;
            let children = scratch.take(4).ok_or(OUT_OF_ROOM)?;
            let arguments = [device.0, info, interface.address, sources, children];
            self.connect_interrupts(device, true);
            let started = self.call(both!(start_device), device, 0, &arguments);
            if started.is_err() {
                self.connect_interrupts(device, false);
            }
            started?;
            let read = |at| guarded::read_struct::<u32>(at).map_err(|_| OUT_OF_ROOM);
            Ok(Started { sources: read(sources)?, children: read(children)? })
        })
    }

    fn enumerate_children(&self, device: DeviceContext, children: u32) -> DdiResult<()> {
        let children = children.min(MOST_CHILDREN);
        if children == 0 {
            return Ok(());
        }
        self.with_scratch(|scratch| {
            // The array has one entry more, zeroed, which ends it ("DxgkDdiQueryChildRelations").
            let entry = size_of::<ChildDescriptor>();
            let bytes = entry * (children as usize + 1);
            let array = scratch.take(bytes).ok_or(OUT_OF_ROOM)?;
            self.call(both!(query_child_relations), device, 0, &[device.0, array, bytes as u64])?;
            for index in 0..children {
                let child: ChildDescriptor =
                    guarded::read_struct(array + u64::from(index) * entry as u64).map_err(|_| OUT_OF_ROOM)?;
                let mut status = ChildStatus::new_zeroed();
                status.kind = ChildStatusType::CONNECTION;
                status.child_uid = child.child_uid;
                let status = scratch.put(&status).ok_or(OUT_OF_ROOM)?;
                // What the driver answers about a child decides nothing here yet.
                match self.call(both!(query_child_status), device, 0, &[device.0, status, 1]) {
                    Err(DdiError::Stopped) => return Err(DdiError::Stopped),
                    _ => self.describe_child(scratch, device, child.child_uid)?,
                }
            }
            Ok(())
        })
    }

    fn begin_exclusive_access(&self, device: DeviceContext) -> DdiResult<()> {
        self.call_with(full_only!(begin_exclusive_access), device, &ArgBeginExclusiveAccess::default())
    }

    fn end_exclusive_access(&self, device: DeviceContext) -> DdiResult<()> {
        self.call_with(full_only!(end_exclusive_access), device, &ArgEndExclusiveAccess::default())
    }

    fn video_memory(&self) -> Option<&dyn VideoMemory> {
        self.has_video_memory().then_some(self as _)
    }

    fn work(&self, _device: DeviceContext) -> DdiResult<()> {
        // VidPNs are not offered yet; without them a driver without segments can be given nothing.
        Err(DdiError::Absent)
    }

    fn set_power_state(&self, device: DeviceContext, state: DevicePowerState) -> DdiResult<()> {
        let arguments = [device.0, DISPLAY_ADAPTER_HW_ID, state.0.into(), PowerAction::SLEEP.0.into()];
        self.call(both!(set_power_state), device, state.0.into(), &arguments)
    }

    fn hot_update_context(&self, device: DeviceContext) -> DdiResult<u64> {
        self.query_hot_update(device)
    }

    fn save_memory_for_hot_update(&self, device: DeviceContext, context: u64) -> DdiResult<()> {
        self.save_for_hot_update(device, context)
    }

    fn restore_memory_for_hot_update(
        &self,
        device: DeviceContext,
        context: u64,
        block: Option<Restored<'_>>,
    ) -> DdiResult<()> {
        self.restore_after_hot_update(device, context, block)
    }

    fn notify_surprise_removal(&self, device: DeviceContext) -> DdiResult<()> {
        let removal = SurpriseRemovalType::PNP_NOTIFY.0.into();
        self.call(both!(notify_surprise_removal), device, 0, &[device.0, removal])
    }

    fn stop_device(&self, device: DeviceContext) -> DdiResult<()> {
        let outcome = self.call(both!(stop_device), device, 0, &[device.0]);
        self.connect_interrupts(device, false);
        outcome
    }

    fn remove_device(&self, device: DeviceContext) -> DdiResult<()> {
        let outcome = self.call(both!(remove_device), device, 0, &[device.0]);
        self.port.adapters().retain(|_, adapter| adapter.context != device.0);
        outcome
    }

    fn unload(&self) -> DdiResult<()> {
        self.port.call_void_ddi(&self.kernel, both!(unload), NO_ADAPTER, &[])
    }
}

impl LoadedMiniport {
    /// DxgkDdiQueryDeviceDescriptor: the first EDID block of a child. Refusing is allowed: there may be no monitor.
    fn describe_child(&self, scratch: &mut Scratch, device: DeviceContext, child: u32) -> DdiResult<()> {
        let buffer = scratch.take(128).ok_or(OUT_OF_ROOM)?;
        let descriptor = DeviceDescriptor {
            descriptor_offset: 0,
            descriptor_length: 128,
            descriptor_buffer: Pointer(buffer),
        };
        let at = scratch.put(&descriptor).ok_or(OUT_OF_ROOM)?;
        match self.call(both!(query_device_descriptor), device, child.into(), &[device.0, child.into(), at]) {
            Err(DdiError::Stopped) => Err(DdiError::Stopped),
            _ => Ok(()),
        }
    }
}
