use dxgk_abi::kernel::{IoStackLocation, Irp, UnicodeString};

use super::*;
use crate::kernel::{DriverImage, PortEntries};

const ENTRIES: PortEntries =
    PortEntries { initialize: 0x1111, initialize_display_only: 0x2222, uninitialize: 0x3333 };

/// The library's steps, as public descriptions have them; the status of the request and what was answered.
fn ask(bench: &Bench, code: u64, output: u64, internal: u64) -> (u32, u64) {
    let service = bench.unicode(0x100, r"\Registry\Machine\System\CurrentControlSet\Services\DXGKrnl");
    let loaded = bench.status("ZwLoadDriver", &[service]);
    assert!(loaded == 0 || loaded == 0xC000_010E, "{loaded:#x}");
    let name = bench.unicode(0x300, r"\Device\DxgKrnl");
    let (file_at, device_at) = (bench.scratch, bench.scratch + 8);
    assert_eq!(bench.status("IoGetDeviceObjectPointer", &[name, 0xC000_0000, file_at, device_at]), 0);
    let (file, device) = (get::<u64>(file_at), get::<u64>(device_at));
    let (event, status, answer) = (bench.scratch + 0x20, bench.scratch + 0x40, bench.scratch + 0x50);
    memory::write(answer, &0u64).unwrap();
    bench.call("KeInitializeEvent", &[event, 0, 0]);
    let request = bench.call(
        "IoBuildDeviceIoControlRequest",
        &[code, device, 0, 0, answer, output, internal, event, status],
    );
    assert_ne!(request, 0);
    let packet: Irp = get(request);
    let location: IoStackLocation = get(packet.current_stack_location.0 - 72);
    assert_eq!(u64::from(location.io_control_code), code);
    let returned = bench.status("IofCallDriver", &[device, request]);
    assert_eq!(get::<u32>(status), returned, "the status block agrees");
    assert_eq!(get::<i32>(event + 4), 1, "the event is set");
    assert_eq!(bench.status("KeWaitForSingleObject", &[event, 0, 0, 0, 0]), 0);
    assert_eq!(bench.call("ObfDereferenceObject", &[file]), 0);
    (returned, get(answer))
}

#[test]
fn displib_is_told_the_entry_point_for_each_code() {
    let bench = Bench::new();
    bench.kernel().set_port_entries(ENTRIES);
    assert_eq!(ask(&bench, 0x23_003F, 8, 1), (0, 0x1111));
    assert_eq!(ask(&bench, 0x23_0047, 8, 1), (0, 0x1111));
    assert_eq!(ask(&bench, 0x23_0043, 8, 1), (0, 0x2222));
    assert_eq!(ask(&bench, 0x23_004B, 8, 1), (0, 0x3333));
    assert_eq!(ask(&bench, 0x23_0050, 8, 1), (0xC000_0010, 0));
    assert_eq!(ask(&bench, 0x23_0047, 4, 1), (0xC000_0023, 0));
    assert_eq!(ask(&bench, 0x23_0047, 8, 0), (0xC000_0010, 0), "only as an internal request");
}

#[test]
fn other_services_and_devices_are_not_there() {
    let bench = Bench::new();
    let service = bench.unicode(0x100, r"\Registry\Machine\System\CurrentControlSet\Services\Other");
    assert_eq!(bench.status("ZwLoadDriver", &[service]), 0xC000_0034);
    let name = bench.unicode(0x300, r"\Device\Other");
    let arguments = [name, 0, bench.scratch, bench.scratch + 8];
    assert_eq!(bench.status("IoGetDeviceObjectPointer", &arguments), 0xC000_0034);
}

#[test]
fn an_object_dereferenced_too_often_stops_with_18() {
    let bench = Bench::new();
    let name = bench.unicode(0x300, r"\device\DXGKRNL");
    bench.status("IoGetDeviceObjectPointer", &[name, 0, bench.scratch, bench.scratch + 8]);
    let file: u64 = get(bench.scratch);
    assert_eq!(bench.call("ObfReferenceObject", &[file]), 2);
    assert_eq!(bench.call("ObfDereferenceObject", &[file]), 1);
    assert_eq!(bench.call("ObfDereferenceObject", &[file]), 0);
    assert_eq!(bench.stops("ObfDereferenceObject", &[file]).0, BugCheck(0x18));
}

#[test]
fn driver_entry_is_given_a_driver_object_and_the_path_of_its_key() {
    let bench = Bench::new();
    let image = DriverImage { base: 0x6000_0000_0000, bytes: 0x9000, entry: 0x6000_0000_1000 };
    let given = bench.kernel().add_driver("edu", image).unwrap();
    let object: dxgk_abi::kernel::DriverObject = get(given.driver_object);
    assert_eq!(
        (object.driver_start.0, object.driver_size, object.driver_init.0),
        (image.base, 0x9000, image.entry)
    );
    let path: UnicodeString = get(given.registry_path);
    assert_eq!(path.maximum_length, path.length + 2);
    let text = memory::unicode_text(given.registry_path).unwrap();
    assert_eq!(text, r"\Registry\Machine\System\CurrentControlSet\Services\edu");
    assert!(lock(&bench.kernel().registry).open(Registry::ROOT, &text).is_some());
}

#[test]
fn the_version_is_windows_11_and_fills_only_what_the_caller_has() {
    let bench = Bench::new();
    memory::fill(bench.scratch, 300, 0xee).unwrap();
    memory::write(bench.scratch, &276u32).unwrap();
    assert_eq!(bench.status("RtlGetVersion", &[bench.scratch]), 0);
    assert_eq!(get::<[u32; 5]>(bench.scratch), [276, 10, 0, 22621, 2]);
    assert_eq!(get::<u8>(bench.scratch + 275), 0);
    assert_eq!(get::<u8>(bench.scratch + 276), 0xee);
    memory::write(bench.scratch, &284u32).unwrap();
    bench.status("RtlGetVersion", &[bench.scratch]);
    assert_eq!(get::<u8>(bench.scratch + 282), 1, "a workstation");
}

#[test]
fn strings_are_counted_converted_and_freed() {
    let bench = Bench::new();
    let text = bench.place(0x100, b"Basic\0");
    let (ansi, unicode) = (bench.scratch, bench.scratch + 0x20);
    bench.call("RtlInitAnsiString", &[ansi, text]);
    assert_eq!((get::<[u16; 2]>(ansi), get::<u64>(ansi + 8)), ([5, 6], text));
    assert_eq!(bench.status("RtlAnsiStringToUnicodeString", &[unicode, ansi, 1]), 0);
    assert_eq!(get::<[u16; 2]>(unicode), [10, 12]);
    assert_eq!(memory::unicode_text(unicode).unwrap(), "Basic");
    bench.call("RtlFreeUnicodeString", &[unicode]);
    assert_eq!(get::<[u64; 2]>(unicode), [0, 0]);
    // Without allocation: the buffer has to hold the terminator too.
    let small = UnicodeString {
        maximum_length: 11,
        buffer: dxgk_abi::Pointer(bench.scratch + 0x200),
        ..Default::default()
    };
    memory::write(unicode, &small).unwrap();
    assert_eq!(bench.status("RtlAnsiStringToUnicodeString", &[unicode, ansi, 0]), 0x8000_0005);
    let wide = bench.unicode(0x300, "abc") + 16;
    bench.call("RtlInitUnicodeString", &[unicode, wide]);
    assert_eq!((get::<[u16; 2]>(unicode), get::<u64>(unicode + 8)), ([6, 8], wide));
    bench.call("RtlInitUnicodeString", &[unicode, 0]);
    assert_eq!(get::<[u64; 2]>(unicode), [0, 0]);
    let other = bench.unicode(0x400, "abd") + 16;
    let order = |a, b| bench.status("wcscmp", &[a, b]) as i32;
    assert!(order(wide, other) < 0 && order(other, wide) > 0 && order(wide, wide) == 0);
}
