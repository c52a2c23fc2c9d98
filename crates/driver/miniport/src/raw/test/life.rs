//! A driver's life, from `DriverEntry` to the unload, through the table that it registers.

use core::ffi::c_void;
use core::sync::atomic::{AtomicU32, Ordering};
use std::string::String;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::vec::Vec;

use dxgk_abi::init::DriverInitializationData;
use dxgk_abi::life::{DevicePowerState, PowerAction, StartInfo};
use dxgk_abi::query::{ArgQueryAdapterInfo, IommuCaps, QueryAdapterInfoType};
use dxgk_abi::table::Table;
use dxgk_abi::{DxgkrnlInterface, InterfaceVersion, NtStatus, Pointer};

use super::super::context::Driver;
use super::super::init::driver_entry;
use super::super::object::UnicodeString;
use super::callbacks::table;
use super::kernel::{bind, note, take_log, with};
use crate::miniport::Declared;
use crate::{
    Adapter, Miniport, PhysicalAddress, PhysicalDevice, PhysicalMemory, Placement, PowerChange, Query,
    RegisterCache, RegisterMap, Result, wide,
};

static DRIVER: Driver = Driver::new();

/// The driver is one static, so one test at a time loads it.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    bind();
    guard
}

/// A miniport that notes what it is asked.
struct Noting {
    interrupts: AtomicU32,
}

struct Parts<'a> {
    _registers: RegisterMap<'a>,
    _memory: PhysicalMemory<'a>,
}

impl Declared for Noting {
    fn driver() -> &'static Driver {
        &DRIVER
    }
}

impl Miniport for Noting {
    type Started<'a> = Parts<'a>;

    fn add_device(driver: &'static Driver, device: PhysicalDevice) -> Result<Self> {
        note("add");
        assert_eq!(device.pointer(), Pointer(0xDEF));
        assert_eq!(String::from_utf16_lossy(driver.registry_path()), "\\Registry\\Machine\\Test");
        Ok(Self { interrupts: AtomicU32::new(0) })
    }

    fn start_device<'a>(&'a self, adapter: &'a Adapter) -> Result<Parts<'a>> {
        let registers = RegisterMap::map(adapter, PhysicalAddress(0x1000), 0x1000, RegisterCache::NonCached)?;
        Ok(Parts {
            _registers: registers,
            _memory: PhysicalMemory::pages(adapter, 0x1000, Placement::ANYWHERE)?,
        })
    }

    fn query_adapter_info(&self, started: Option<&Parts<'_>>, query: Query<'_>) -> Result<()> {
        note(if started.is_some() { "query started" } else { "query" });
        match query {
            Query::IommuCaps(answer) => answer.give(&IommuCaps::IOMMU_ISOLATION_SUPPORTED),
            _ => return Err(NtStatus::NOT_SUPPORTED),
        }
        Ok(())
    }

    fn set_power_state(&self, _started: &Parts<'_>, change: PowerChange) -> Result<()> {
        assert_eq!(change.state, DevicePowerState::D0);
        note("power");
        Ok(())
    }

    fn interrupt(&self, _started: &Parts<'_>, message: u32) -> bool {
        self.interrupts.fetch_add(1, Ordering::Relaxed);
        message == 3
    }

    fn remove_device(self) -> Result<()> {
        note("remove");
        assert_eq!(self.interrupts.load(Ordering::Relaxed), 1);
        Ok(())
    }

    fn unload() {
        note("unload");
    }
}

/// Calls an entry of the registered table.
macro_rules! call {
    ($data:expr, $slot:ident, fn($($ty:ty),*) -> $return:ty, $($argument:expr),*) => {{
        // SAFETY: the slot holds this DDI, whose signature this is.
        let function = unsafe { core::mem::transmute::<u64, abi_fn!(fn($($ty),*) -> $return)>($data.$slot) };
        // SAFETY: the arguments are what the port driver would pass.
        unsafe { function($($argument),*) }
    }};
}

/// `DriverEntry`, as the loader calls it.
fn enter() -> NtStatus {
    let path = UnicodeString::new(wide!("\\Registry\\Machine\\Test"));
    let driver = core::ptr::without_provenance_mut::<c_void>(0xD0);
    // SAFETY: a driver object that nobody looks into, and a string.
    unsafe { driver_entry::<Noting>(driver, (&raw const path).cast()) }
}

fn registered() -> DriverInitializationData {
    with(|state| state.table).expect("a registered table")
}

#[test]
fn a_life_runs_in_order_and_the_stop_releases_everything() {
    let _alone = alone();
    assert_eq!(enter(), NtStatus::SUCCESS);
    assert_eq!(
        take_log(),
        ["ZwLoadDriver(DXGKrnl)", "open", "IofCallDriver", "ObfDereferenceObject", "register"]
    );
    let data = registered();
    assert_eq!(data.version, InterfaceVersion::WDDM3_1);

    let mut device = core::ptr::null_mut::<c_void>();
    let added = call!(data, add_device, fn(u64, *mut *mut c_void) -> NtStatus, 0xDEF, &mut device);
    assert_eq!((added, device.is_null()), (NtStatus::SUCCESS, false));

    let mut caps = 0_u32;
    let mut question = ArgQueryAdapterInfo {
        kind: QueryAdapterInfoType::IOMMU_CAPS,
        output_data: Pointer((&raw mut caps).expose_provenance() as u64),
        output_data_size: 4,
        ..ArgQueryAdapterInfo::default()
    };
    type Ask = abi_fn!(fn(*mut c_void, *const ArgQueryAdapterInfo) -> NtStatus);
    // SAFETY: the slot holds this DDI.
    let ask = unsafe { core::mem::transmute::<u64, Ask>(data.query_adapter_info) };
    // SAFETY: a live question.
    assert_eq!(unsafe { ask(device, &question) }, NtStatus::SUCCESS);
    assert_eq!(caps, 1);
    question.output_data_size = 3;
    // SAFETY: a live question.
    assert_eq!(unsafe { ask(device, &question) }, NtStatus::BUFFER_TOO_SMALL);
    assert_eq!(call!(data, interrupt_routine, fn(*mut c_void, u32) -> u8, device, 3), 0);
    assert_eq!(take_log(), ["add", "query"]);

    let (table, info) = (table(), StartInfo::default());
    let (mut sources, mut children) = (9_u32, 9_u32);
    type Start =
        abi_fn!(fn(*mut c_void, *const StartInfo, *const DxgkrnlInterface, *mut u32, *mut u32) -> NtStatus);
    // SAFETY: the slot holds this DDI.
    let start = unsafe { core::mem::transmute::<u64, Start>(data.start_device) };
    // SAFETY: what the port driver would pass.
    let started = unsafe { start(device, &info, &table, &mut sources, &mut children) };
    assert_eq!((started, sources, children), (NtStatus::SUCCESS, 0, 0));
    // SAFETY: the same once more, which is a mistake of the port driver's that must not do harm.
    let again = unsafe { start(device, &info, &table, &mut sources, &mut children) };
    assert_eq!(again, NtStatus::INVALID_DEVICE_STATE);

    assert_eq!(call!(data, interrupt_routine, fn(*mut c_void, u32) -> u8, device, 3), 1);
    let (state, action) = (DevicePowerState::D0, PowerAction::NONE);
    let power = call!(
        data,
        set_power_state,
        fn(*mut c_void, u32, DevicePowerState, PowerAction) -> NtStatus,
        device,
        u32::MAX,
        state,
        action
    );
    assert_eq!(power, NtStatus::SUCCESS);
    assert_eq!(take_log(), ["map 0x1000+0x1000", "create MDL 0x1000", "power"]);

    assert_eq!(call!(data, stop_device, fn(*mut c_void) -> NtStatus, device), NtStatus::SUCCESS);
    assert_eq!(take_log(), ["unmap", "destroy"]);
    assert_eq!(call!(data, interrupt_routine, fn(*mut c_void, u32) -> u8, device, 3), 0);
    assert_eq!(call!(data, stop_device, fn(*mut c_void) -> NtStatus, device), NtStatus::SUCCESS);
    assert_eq!(call!(data, remove_device, fn(*mut c_void) -> NtStatus, device), NtStatus::SUCCESS);
    call!(data, unload, fn() -> (),);
    assert_eq!(take_log(), ["ExFreePoolWithTag", "remove", "unload"]);
    assert!(with(|state| state.pool.is_empty()));
}

#[test]
fn a_device_that_is_removed_without_a_stop_still_releases_everything_once() {
    let _alone = alone();
    assert_eq!(enter(), NtStatus::SUCCESS);
    let data = registered();
    let mut device = core::ptr::null_mut::<c_void>();
    call!(data, add_device, fn(u64, *mut *mut c_void) -> NtStatus, 0xDEF, &mut device);
    let table = table();
    let started = call!(
        data,
        start_device,
        fn(*mut c_void, u64, *const DxgkrnlInterface, u64, u64) -> NtStatus,
        device,
        0,
        &table,
        0,
        0
    );
    assert_eq!(started, NtStatus::SUCCESS);
    assert_eq!(call!(data, interrupt_routine, fn(*mut c_void, u32) -> u8, device, 0), 0);
    take_log();
    assert_eq!(call!(data, remove_device, fn(*mut c_void) -> NtStatus, device), NtStatus::SUCCESS);
    assert_eq!(take_log(), ["unmap", "destroy", "ExFreePoolWithTag", "remove"]);
}

#[test]
fn a_start_that_fails_half_way_undoes_its_first_half() {
    let _alone = alone();
    assert_eq!(enter(), NtStatus::SUCCESS);
    let data = registered();
    let mut device = core::ptr::null_mut::<c_void>();
    call!(data, add_device, fn(u64, *mut *mut c_void) -> NtStatus, 0xDEF, &mut device);
    take_log();
    // A port driver of WDDM 2.4: there are no physical memory objects.
    let mut table = table();
    table.size = 456;
    let started = call!(
        data,
        start_device,
        fn(*mut c_void, u64, *const DxgkrnlInterface, u64, u64) -> NtStatus,
        device,
        0,
        &table,
        0,
        0
    );
    assert_eq!(started, NtStatus::NOT_SUPPORTED);
    assert_eq!(take_log(), ["map 0x1000+0x1000", "unmap"]);
}

#[test]
fn a_port_driver_that_comes_late_is_waited_for() {
    let _alone = alone();
    with(|state| state.absent = 3);
    assert_eq!(enter(), NtStatus::SUCCESS);
    let waits = take_log().iter().filter(|line| *line == "KeDelayExecutionThread").count();
    assert_eq!(waits, 3);
}

#[test]
fn a_refused_registration_unloads_the_port_driver() {
    let _alone = alone();
    with(|state| state.registration = NtStatus::GRAPHICS_DRIVER_MISMATCH);
    assert_eq!(enter(), NtStatus::GRAPHICS_DRIVER_MISMATCH);
    assert_eq!(take_log().last().map(String::as_str), Some("ZwUnloadDriver"));
}

#[test]
fn null_arguments_are_refused() {
    let _alone = alone();
    // SAFETY: nulls are looked at, not through.
    let status = unsafe { driver_entry::<Noting>(core::ptr::null_mut(), core::ptr::null()) };
    assert_eq!(status, NtStatus::INVALID_PARAMETER);
    assert!(take_log().is_empty());
}

#[test]
fn every_ddi_that_the_first_windows_with_this_model_had_is_there() {
    let _alone = alone();
    assert_eq!(enter(), NtStatus::SUCCESS);
    let data = registered();
    let swizzling_capture_and_overlays = [
        "AcquireSwizzlingRange",
        "ReleaseSwizzlingRange",
        "StopCapture",
        "CreateOverlay",
        "UpdateOverlay",
        "FlipOverlay",
        "DestroyOverlay",
        "LinkDevice",
        "SetDisplayPrivateDriverFormat",
        "RecommendVidPnTopology",
    ];
    let empty: Vec<&str> = DriverInitializationData::SLOTS
        .iter()
        .filter(|slot| slot.since == InterfaceVersion::VISTA && data.slot(slot.offset) == Some(0))
        .map(|slot| slot.name.trim_start_matches("DxgkDdi"))
        .filter(|name| !swizzling_capture_and_overlays.contains(name) && !name.starts_with("Reserved"))
        .collect();
    assert_eq!(empty, Vec::<&str>::new());
}
