//! Values read from bytes that others wrote: resources, registry, lines.

use std::collections::BTreeMap;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use dxgk_abi::NtStatus;

use super::super::context::Driver;
use super::kernel::{Value, bind, with};
use crate::{PhysicalAddress, RegistryKey, Resource, ResourceList, wide};

/// Two buses: port, interrupt message and memory on the first, large memory on the second. Nothing after the first
/// word is aligned to 8 bytes, as in the packed original.
pub(super) const TWO_BUSES: [u8; 4 + 16 + 3 * 20 + 16 + 20] = {
    let mut bytes = [0; 116];
    bytes[0] = 2;
    bytes[4] = 5;
    bytes[12] = 1;
    bytes[14] = 1;
    bytes[16] = 3;
    // Port 0xC000, 32 of them.
    bytes[20] = 1;
    bytes[25] = 0xC0;
    bytes[32] = 32;
    // Interrupt by message, level 6, vector 0x51.
    bytes[40] = 2;
    bytes[42] = 2;
    bytes[44] = 6;
    bytes[48] = 0x51;
    // Memory 0x1_FE00_0000, 1 MiB.
    bytes[60] = 3;
    bytes[67] = 0xFE;
    bytes[68] = 1;
    bytes[74] = 0x10;
    // The second bus: memory 0x40_0000_0000, 0x200 units of 4 GiB.
    bytes[92] = 1;
    bytes[96] = 7;
    bytes[99] = 8;
    bytes[104] = 0x40;
    bytes[109] = 2;
    bytes
};

#[test]
fn a_packed_list_of_two_buses_gives_every_resource_in_order() {
    let found: Vec<Resource> = ResourceList::new(&TWO_BUSES).iter().collect();
    assert_eq!(
        found,
        [
            Resource::Port { start: 0xC000, length: 32 },
            Resource::Interrupt { level: 6, vector: 0x51, message: true },
            Resource::Memory { start: PhysicalAddress(0x1_FE00_0000), length: 0x10_0000 },
            Resource::Memory { start: PhysicalAddress(0x40_0000_0000), length: 0x200 << 32 },
        ]
    );
}

#[test]
fn a_list_cut_off_anywhere_gives_whole_resources_and_then_ends() {
    let whole: Vec<Resource> = ResourceList::new(&TWO_BUSES).iter().collect();
    for length in 0..TWO_BUSES.len() {
        let mut resources = ResourceList::new(&TWO_BUSES[..length]).iter();
        let found: Vec<Resource> = resources.by_ref().collect();
        assert!(found.len() < whole.len() && whole.starts_with(&found), "{length} bytes");
        assert_eq!(resources.next(), None);
    }
}

#[test]
fn counts_that_promise_too_much_end_with_the_bytes() {
    let mut bytes = TWO_BUSES;
    bytes[0..4].copy_from_slice(&u32::MAX.to_le_bytes());
    bytes[92..96].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(ResourceList::new(&bytes).iter().count(), 4);
    let mut bytes = TWO_BUSES;
    bytes[16] = 0;
    bytes[0] = 1;
    assert_eq!(ResourceList::new(&bytes).iter().count(), 0);
}

#[test]
fn device_information_brings_the_whole_list() {
    bind();
    let table = super::callbacks::table();
    // SAFETY: a whole table.
    let callbacks = unsafe { super::super::table::Callbacks::copy(&table) }.expect("a table");
    let (info, resources) = callbacks.get_device_information().expect("information");
    assert_eq!(resources, TWO_BUSES);
    assert_eq!(info.highest_physical_address, 0xFFFF_FFFF);
}

/// A registry with one service key; a driver of that key.
fn registry(values: &[(&str, Value)], parameters: &[(&str, Value)]) -> Driver {
    bind();
    let key = |values: &[(&str, Value)]| -> BTreeMap<String, Value> {
        values.iter().map(|(name, value)| (name.to_string(), value.clone())).collect()
    };
    with(|state| {
        state.registry.insert("\\Service".into(), key(values));
        state.registry.insert("\\Service\\Parameters".into(), key(parameters));
    });
    let driver = Driver::new();
    // SAFETY: a driver of this test alone.
    unsafe { driver.remember(wide!("\\Service")) }.expect("a short path");
    driver
}

fn string(text: &str) -> Value {
    (1, text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect())
}

#[test]
fn registry_values_are_read_by_their_type() {
    let dword = (4, 29_u32.to_le_bytes().to_vec());
    let driver =
        registry(&[("MemoryApi", dword), ("Demo", string("leak"))], &[("Odd", (4, std::vec![1, 2]))]);
    let key = RegistryKey::service(&driver).expect("the key");
    assert_eq!(key.dword(wide!("MemoryApi")), Ok(29));
    assert_eq!(key.dword(wide!("Demo")), Err(NtStatus::OBJECT_TYPE_MISMATCH));
    assert_eq!(key.dword(wide!("Nothing")), Err(NtStatus::OBJECT_NAME_NOT_FOUND));
    let mut text = [0; 8];
    assert_eq!(key.string(wide!("Demo"), &mut text), Ok("leak"));
    assert_eq!(key.string(wide!("Demo"), &mut [0; 3]), Err(NtStatus::BUFFER_OVERFLOW));
    let parameters = key.subkey(wide!("Parameters")).expect("the subkey");
    assert_eq!(parameters.dword(wide!("Odd")), Err(NtStatus::OBJECT_TYPE_MISMATCH));
    assert!(key.subkey(wide!("Missing")).is_err());
    drop((parameters, key));
    assert!(with(|state| state.keys.is_empty()), "every key is closed");
}

#[test]
fn a_string_without_its_zero_and_beyond_ascii_is_still_text() {
    let data = "pfütze".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let driver = registry(&[("Demo", (1, data)), ("Cut", (1, std::vec![b'a', 0, b'b']))], &[]);
    let key = RegistryKey::service(&driver).expect("the key");
    let mut text = [0; 8];
    assert_eq!(key.string(wide!("Demo"), &mut text), Ok("pf?tze"));
    assert_eq!(key.string(wide!("Cut"), &mut text), Ok("a"));
}

#[test]
fn lines_are_cut_at_their_limit_and_hold_no_zero() {
    bind();
    crate::log!("a{}b", '\0');
    crate::log!("{}", "x".repeat(1000));
    let printed = with(|state| state.printed.clone());
    assert_eq!(printed, ["ab".into(), "x".repeat(255)]);
    assert_eq!(format!("{}", PhysicalAddress(0x1000)), "0x1000");
}
