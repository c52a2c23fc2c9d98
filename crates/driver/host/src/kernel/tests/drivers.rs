//! A real display-only miniport, found in the folder that `DXGK_DRIVERS` names; nothing of it is part of this project.

use std::sync::Mutex;

use super::*;
use crate::image::Image;
use crate::kernel::{DeviceKeys, DriverImage, PortEntries};
use crate::layout::{Purpose, Region};
use crate::public_driver::driver;

/// Entries of KMDDOD_INITIALIZATION_DATA at version 0x10004, 8 bytes each.
const ENTRIES: usize = 42;

static TABLE: Mutex<[u64; ENTRIES]> = Mutex::new([0; ENTRIES]);

fn initialize_display_only(_driver: u64, _path: u64, table: u64) -> u32 {
    // The table is on the driver's stack: it is copied now or never.
    *lock(&TABLE) = get(table);
    0
}

/// DxgkCbGetDeviceInformation: this driver looks at nothing but the status.
fn device_information(_device: u64, _information: u64) -> u32 {
    0
}

/// DxgkCbAcquirePostDisplayOwnership: 1024 x 768, pitch 4096, X8R8G8B8, at the test device's memory.
fn post_display(_device: u64, information: u64) -> u32 {
    memory::write(information, &[1024u32, 768, 4096, 22]).unwrap();
    memory::write(information + 16, &0xE000_0000u64).unwrap();
    0
}

crate::thunk! {
    fn device_information_door(device: u64, information: u64) -> u32 => device_information;
    fn post_display_door(device: u64, information: u64) -> u32 => post_display;
    fn initialize_door(driver: u64, path: u64, table: u64) -> u32 => initialize_display_only;
}

#[test]
fn kmdod_enters_starts_writes_its_registry_values_and_goes() {
    for name in ["KMDOD.sys", "KMDOD_debug.sys", "KMDOD_checked.sys"] {
        let Some(file) = driver(name) else { continue };
        let bench = Bench::new();
        bench.kernel().set_port_entries(PortEntries {
            initialize_display_only: initialize_door as *const () as u64,
            ..PortEntries::default()
        });
        *lock(&TABLE) = [0; ENTRIES];
        let mut images = Region::new(Purpose::Images, &bench.run);
        let mut resolve =
            |module: &str, import: &str| bench.kernel().resolve(module, import).map(|export| export.address);
        let image =
            Image::load(&file, name, &mut images, &mut resolve).unwrap_or_else(|error| panic!("{error}"));
        let described = DriverImage { base: image.base(), bytes: image.bytes() as u32, entry: image.entry() };
        let given = bench.kernel().add_driver("kmdod", described).unwrap();
        let entered = call_driver(image.entry(), &[given.driver_object, given.registry_path]);
        assert!(matches!(entered, CallOutcome::Returned(0)), "{name}: {entered}");
        let table = *lock(&TABLE);
        assert_eq!(table[0] as u32, 0x10004, "{name}: the version of its table");
        assert!(table[1..].iter().all(|entry| *entry == 0 || image.contains(*entry)));
        let (add_device, remove_device, unload) = (table[1], table[4], table[14]);

        let keys =
            DeviceKeys { hardware: r"\Registry\Hardware".into(), software: r"\Registry\Software".into() };
        let device = bench.kernel().add_physical_device(keys).unwrap();
        let added = call_driver(add_device, &[device, bench.scratch]);
        assert!(matches!(added, CallOutcome::Returned(status) if status as u32 == 0), "{name}: {added}");
        let context: u64 = get(bench.scratch);
        let block =
            lock(&bench.kernel().pool).block_at(context).map(|(va, block)| (va, block.bytes, block.tag));
        assert_eq!(block, Some((context, 1008, u32::from_le_bytes(*b"SBDD"))), "{name}");

        start_and_stop(&bench, name, context, table[2], table[3]);
        let removed = call_driver(remove_device, &[context]);
        assert!(matches!(removed, CallOutcome::Returned(status) if status as u32 == 0), "{name}: {removed}");
        assert!(lock(&bench.kernel().pool).block_at(context).is_none());
        let unloaded = call_driver(unload, &[]);
        assert!(matches!(unloaded, CallOutcome::Returned(_)), "{name}: {unloaded}");
    }
}

fn start_and_stop(bench: &Bench, name: &str, context: u64, start_device: u64, stop_device: u64) {
    let (start_info, interface, counts) =
        (bench.scratch + 0x100, bench.scratch + 0x200, bench.scratch + 0x40);
    memory::write(interface, &[576u32, 0x10004]).unwrap();
    memory::write(interface + 8, &0xadau64).unwrap();
    memory::write(interface + 0x18, &(device_information_door as *const () as u64)).unwrap();
    memory::write(interface + 0xD8, &(post_display_door as *const () as u64)).unwrap();
    let started = call_driver(start_device, &[context, start_info, interface, counts, counts + 4]);
    assert!(matches!(started, CallOutcome::Returned(status) if status as u32 == 0), "{name}: {started}");
    assert_eq!(get::<[u32; 2]>(counts), [1, 1], "{name}: one source, one child");
    let registry = lock(&bench.kernel().registry);
    let key = registry.open(Registry::ROOT, r"\Registry\Software").unwrap();
    let written: Vec<(&str, u32, usize)> =
        registry.values(key).map(|value| (value.name.as_str(), value.kind, value.data.len())).collect();
    let expected = [
        ("HardwareInformation.AdapterString", 1, 74),
        ("HardwareInformation.BiosString", 1, 80),
        ("HardwareInformation.ChipType", 1, 54),
        ("HardwareInformation.DacType", 1, 90),
        ("HardwareInformation.MemorySize", 4, 4),
    ];
    assert_eq!(written, expected, "{name}");
    drop(registry);
    let stopped = call_driver(stop_device, &[context]);
    assert!(matches!(stopped, CallOutcome::Returned(status) if status as u32 == 0), "{name}: {stopped}");
}
