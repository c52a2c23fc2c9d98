use super::*;
use crate::kernel::DeviceKeys;
use crate::kernel::registry::SERVICES;

const NOT_FOUND: u32 = 0xC000_0034;
const TOO_SMALL: u32 = 0xC000_0023;
const OVERFLOW: u32 = 0x8000_0005;
const INVALID_HANDLE: u32 = 0xC000_0008;

fn bench() -> Bench {
    let mut registry = Registry::default();
    let service = registry.create(&format!(r"{SERVICES}\edu"));
    registry.set_dword(service, "MemoryApi", 29);
    registry.set_text(service, "Who", "me");
    let parameters = registry.create(&format!(r"{SERVICES}\edu\Parameters"));
    registry.set_dword(parameters, "DmaRemappingCompatible", 3);
    Bench::with(false, registry)
}

fn attributes(bench: &Bench, root: u64, name: u64) -> u64 {
    bench.place(0x800, &[48u64, root, name, 0x240, 0, 0].map(u64::to_le_bytes).concat())
}

fn open(bench: &Bench, root: u64, path: &str) -> Result<u64, u32> {
    let name = bench.unicode(0x900, path);
    let attributes = attributes(bench, root, name);
    match bench.status("ZwOpenKey", &[bench.scratch, 0x20019, attributes]) {
        0 => Ok(get(bench.scratch)),
        status => Err(status),
    }
}

#[test]
fn a_value_is_queried_in_three_classes_with_the_buffer_protocol() {
    let bench = bench();
    let key = open(&bench, 0, &format!(r"{SERVICES}\EDU")).unwrap();
    let name = bench.unicode(0xa00, "memoryapi");
    let out = bench.scratch + 0x1000;
    let needed = bench.scratch + 0x10;
    let query = |class: u64, length: u64| {
        memory::fill(out, 256, 0xee).unwrap();
        let status = bench.status("ZwQueryValueKey", &[key, name, class, out, length, needed]);
        (status, get::<u32>(needed))
    };
    // Partial: 12 fixed bytes and the data.
    assert_eq!(query(2, 16), (0, 16));
    assert_eq!(get::<[u32; 5]>(out), [0, 4, 4, 29, 0xeeee_eeee]);
    assert_eq!(query(2, 14), (OVERFLOW, 16));
    assert_eq!(get::<[u8; 16]>(out)[8..], [4, 0, 0, 0, 29, 0, 0xee, 0xee]);
    assert_eq!(query(2, 11), (TOO_SMALL, 16));
    assert_eq!(get::<u8>(out), 0xee, "nothing is written then");
    assert_eq!(query(2, 0), (TOO_SMALL, 16));
    // Basic: the name as it was set.
    assert_eq!(query(0, 100), (0, 30));
    assert_eq!(get::<u32>(out + 8), 18);
    assert_eq!(memory::read_units(out + 12, 9).unwrap(), "MemoryApi".encode_utf16().collect::<Vec<_>>());
    // Full: name, then data where the offset says.
    assert_eq!(query(1, 100), (0, 44));
    let offset = get::<u32>(out + 8);
    assert_eq!(get::<u32>(out + u64::from(offset)), 29);
    assert_eq!((get::<u32>(out + 12), get::<u32>(out + 16)), (4, 18));
    assert_eq!(query(1, 19).0, TOO_SMALL);
    assert_eq!(query(9, 100).0, 0xC000_000D);
    let other = bench.unicode(0xa00, "Missing");
    assert_eq!(bench.status("ZwQueryValueKey", &[key, other, 2, out, 100, needed]), NOT_FOUND);
}

#[test]
fn keys_open_by_root_and_path_and_handles_are_checked() {
    let bench = bench();
    let key = open(&bench, 0, &format!(r"{SERVICES}\edu")).unwrap();
    let below = open(&bench, key, "parameters").unwrap();
    assert_ne!(key, below);
    assert_eq!(open(&bench, key, "nothing"), Err(NOT_FOUND));
    assert_eq!(open(&bench, 0, "relative"), Err(0xC000_0033));
    assert_eq!(open(&bench, 0x1234, "parameters"), Err(INVALID_HANDLE));
    assert_eq!(bench.status("ZwClose", &[below]), 0);
    assert_eq!(bench.status("ZwClose", &[below]), INVALID_HANDLE);
    assert_eq!(open(&bench, below, "x"), Err(INVALID_HANDLE));
}

#[test]
fn values_are_set_read_back_and_deleted_and_keys_created() {
    let bench = bench();
    let device = bench
        .kernel()
        .add_physical_device(DeviceKeys {
            hardware: r"\Registry\Machine\System\CurrentControlSet\Enum\PCI\1".into(),
            software: r"\Registry\Machine\System\CurrentControlSet\Control\Class\x\0000".into(),
        })
        .unwrap();
    assert_eq!(bench.status("IoOpenDeviceRegistryKey", &[device, 2, 2, bench.scratch]), 0);
    let key: u64 = get(bench.scratch);
    let name = bench.unicode(0xa00, "HardwareInformation.ChipType");
    let data = bench.place(0xc00, b"c\0h\0\0\0");
    assert_eq!(bench.status("ZwSetValueKey", &[key, name, 0, 1, data, 6]), 0);
    let out = bench.scratch + 0x1000;
    assert_eq!(bench.status("ZwQueryValueKey", &[key, name, 2, out, 100, bench.scratch + 8]), 0);
    assert_eq!(get::<[u8; 18]>(out), *b"\0\0\0\0\x01\0\0\0\x06\0\0\0c\0h\0\0\0");
    assert_eq!(bench.status("ZwDeleteValueKey", &[key, name]), 0);
    assert_eq!(bench.status("ZwDeleteValueKey", &[key, name]), NOT_FOUND);
    assert_eq!(bench.status("IoOpenDeviceRegistryKey", &[bench.scratch, 2, 2, bench.scratch]), 0xC000_0010);

    let sub = bench.unicode(0x900, "Sub");
    let attributes = attributes(&bench, key, sub);
    let create = || bench.status("ZwCreateKey", &[bench.scratch, 0, attributes, 0, 0, 0, bench.scratch + 8]);
    assert_eq!((create(), get::<u32>(bench.scratch + 8)), (0, 1));
    assert_eq!((create(), get::<u32>(bench.scratch + 8)), (0, 2));
    assert!(open(&bench, key, "SUB").is_ok());
}
