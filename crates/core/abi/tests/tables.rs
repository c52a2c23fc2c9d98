//! The tables of functions against the measured sizes of every version, and against the prototypes.

use std::fs;
use std::path::Path;

use dxgk_abi::InterfaceVersion;
use dxgk_abi::init::{DriverInitializationData, KmddodInitializationData};
use dxgk_abi::interface::DxgkrnlInterface;
use dxgk_abi::table::Table;
use dxgk_abi::version::{
    driver_caps_size, driver_initialization_data_size, interface_size, kmddod_initialization_data_size,
    start_info_size,
};

/// Bytes up to the end of the last slot that a version has.
fn end_of_slots<T: Table>(version: InterfaceVersion) -> Option<usize> {
    T::SLOTS.iter().filter(|slot| slot.since <= version).map(|slot| slot.offset + 8).max()
}

fn versions() -> impl Iterator<Item = InterfaceVersion> {
    InterfaceVersion::NAMED.iter().map(|(version, _)| *version)
}

#[test]
fn the_interface_of_each_version_ends_with_its_last_slot() {
    for version in versions() {
        assert_eq!(end_of_slots::<DxgkrnlInterface>(version), interface_size(version), "{version}");
    }
}

#[test]
fn the_full_table_of_each_version_ends_with_its_last_slot() {
    for version in versions() {
        assert_eq!(
            end_of_slots::<DriverInitializationData>(version),
            driver_initialization_data_size(version),
            "{version}"
        );
    }
}

#[test]
fn the_display_only_table_of_each_version_ends_with_its_last_slot() {
    for version in versions() {
        assert_eq!(
            end_of_slots::<KmddodInitializationData>(version),
            kmddod_initialization_data_size(version),
            "{version}"
        );
    }
}

#[test]
fn the_newest_structures_have_the_newest_sizes() {
    let newest = InterfaceVersion::LATEST;
    assert_eq!(interface_size(newest), Some(size_of::<DxgkrnlInterface>()));
    assert_eq!(driver_initialization_data_size(newest), Some(size_of::<DriverInitializationData>()));
    assert_eq!(kmddod_initialization_data_size(newest), Some(size_of::<KmddodInitializationData>()));
    assert_eq!(driver_caps_size(newest), Some(size_of::<dxgk_abi::caps::DriverCaps>()));
    assert_eq!(start_info_size(newest), Some(size_of::<dxgk_abi::life::StartInfo>()));
}

#[test]
fn a_slot_is_written_and_read_by_its_offset() {
    let mut table = DxgkrnlInterface::default();
    for slot in DxgkrnlInterface::SLOTS {
        assert_eq!(table.slot(slot.offset), Some(0));
        assert!(table.set_slot(slot.offset, 0x1000 + slot.offset as u64));
    }
    assert_eq!(table.map_mdl_to_iommu, 0x1000 + 0x1B0);
    assert_eq!(table.allocate_adl, 0x1000 + 0x210);
    assert_eq!(table.slot(8), None);
    assert!(!table.set_slot(12, 1));
}

#[test]
fn a_slot_is_found_by_its_windows_name() {
    let slot = DxgkrnlInterface::find("DxgkCbCreatePhysicalMemoryObject").expect("known");
    assert_eq!((slot.offset, slot.since), (0x1F0, InterfaceVersion::WDDM2_9));
    assert!(DxgkrnlInterface::find("DxgkCbNoSuch").is_none());
}

fn prototypes() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/prototype");
    let mut text = String::new();
    for entry in fs::read_dir(folder).expect("prototypes") {
        text += &fs::read_to_string(entry.expect("entry").path()).expect("source");
    }
    text
}

#[test]
fn every_callback_and_display_only_entry_point_has_a_prototype() {
    let text = prototypes();
    for slot in DxgkrnlInterface::SLOTS.iter().chain(KmddodInitializationData::SLOTS) {
        assert!(text.contains(&format!("pub type {} =", slot.name)), "{}", slot.name);
    }
}

#[test]
fn entry_points_of_the_full_table_without_prototype_are_those_whose_structures_are_unknown() {
    let text = prototypes();
    let without: Vec<&str> = DriverInitializationData::SLOTS
        .iter()
        .map(|slot| slot.name)
        .filter(|name| !text.contains(&format!("pub type {name} =")))
        .collect();
    for needed in
        ["BuildPagingBuffer", "SubmitCommand", "BeginExclusiveAccess", "EndExclusiveAccess", "Patch"]
    {
        assert!(!without.iter().any(|name| name.ends_with(needed)), "{needed}");
    }
    assert!(without.len() < 60, "{} without: {without:?}", without.len());
}
