//! Registry values, and the operating system's version (wdm.h).

use crate::word::Pointer;

open_enum! {
    /// The type of a registry value (`REG_*`).
    pub struct RegistryType(u32) {
        NONE = 0, "`REG_NONE`.";
        SZ = 1, "`REG_SZ`: a UTF-16 string.";
        EXPAND_SZ = 2, "`REG_EXPAND_SZ`: a string with environment variables.";
        BINARY = 3, "`REG_BINARY`: bytes.";
        DWORD = 4, "`REG_DWORD`: a 32-bit number.";
        DWORD_BIG_ENDIAN = 5, "`REG_DWORD_BIG_ENDIAN`.";
        LINK = 6, "`REG_LINK`: a symbolic link.";
        MULTI_SZ = 7, "`REG_MULTI_SZ`: strings, an empty one last.";
        RESOURCE_LIST = 8, "`REG_RESOURCE_LIST`.";
        QWORD = 11, "`REG_QWORD`: a 64-bit number.";
    }
}

open_enum! {
    /// `KEY_VALUE_INFORMATION_CLASS`: what is asked of a value.
    pub struct KeyValueInformationClass(u32) {
        BASIC_INFORMATION = 0, "`KeyValueBasicInformation`.";
        FULL_INFORMATION = 1, "`KeyValueFullInformation`.";
        PARTIAL_INFORMATION = 2, "`KeyValuePartialInformation`.";
        FULL_INFORMATION_ALIGN64 = 3, "`KeyValueFullInformationAlign64`.";
        PARTIAL_INFORMATION_ALIGN64 = 4, "`KeyValuePartialInformationAlign64`.";
        LAYER_INFORMATION = 5, "`KeyValueLayerInformation`.";
        MAX_KEY_VALUE_INFO_CLASS = 6, "`MaxKeyValueInfoClass`.";
    }
}

layout! {
    /// A value's name, which starts at offset 12.
    "KEY_VALUE_BASIC_INFORMATION" [16]
    pub struct KeyValueBasicInformation {
        0 => title_index: u32, "`TitleIndex`: always 0.";
        4 => kind: RegistryType, "`Type`: which kind this is.";
        8 => name_length: u32, "`NameLength`: bytes.";
        12 => name: [u16; 2], "`Name`: the first character, and padding.";
    }
}

layout! {
    /// A value's data, which starts at offset 12.
    "KEY_VALUE_PARTIAL_INFORMATION" [16]
    pub struct KeyValuePartialInformation {
        0 => title_index: u32, "`TitleIndex`: always 0.";
        4 => kind: RegistryType, "`Type`: which kind this is.";
        8 => data_length: u32, "`DataLength`: bytes.";
        12 => data: [u8; 4], "`Data`: the first byte, and padding.";
    }
}

layout! {
    /// A value's name, which starts at offset 20, and data.
    "KEY_VALUE_FULL_INFORMATION" [24]
    pub struct KeyValueFullInformation {
        0 => title_index: u32, "`TitleIndex`: always 0.";
        4 => kind: RegistryType, "`Type`: which kind this is.";
        8 => data_offset: u32, "`DataOffset`: bytes from the structure's start.";
        12 => data_length: u32, "`DataLength`: bytes.";
        16 => name_length: u32, "`NameLength`: bytes.";
        20 => name: [u16; 2], "`Name`: the first character, and padding.";
    }
}

layout! {
    /// One question of `RtlQueryRegistryValues`.
    "RTL_QUERY_REGISTRY_TABLE" [56]
    pub struct RtlQueryRegistryTable {
        0 => query_routine: Pointer, "`QueryRoutine`: called with the value.";
        8 => flags: u32, "`Flags`: see the type.";
        12 => _pad0: [u8; 4], "Padding.";
        16 => name: Pointer, "`Name`: the name.";
        24 => entry_context: Pointer, "`EntryContext`: handed to it, or where the value goes.";
        32 => default_type: u32, "`DefaultType`: type if there is none.";
        36 => _pad1: [u8; 4], "Padding.";
        40 => default_data: Pointer, "`DefaultData`: value if there is none.";
        48 => default_length: u32, "`DefaultLength`: bytes.";
        52 => _pad2: [u8; 4], "Padding.";
    }
}

layout! {
    /// What `RtlGetVersion` tells.
    "OSVERSIONINFOEXW" [284]
    pub struct OsVersionInfoExW {
        0 => os_version_info_size: u32, "`dwOSVersionInfoSize`: bytes, from the caller.";
        4 => major_version: u32, "`dwMajorVersion`: major version.";
        8 => minor_version: u32, "`dwMinorVersion`: minor version.";
        12 => build_number: u32, "`dwBuildNumber`: build.";
        16 => platform_id: u32, "`dwPlatformId`: 2: NT.";
        20 => csd_version: [u16; 128], "`szCSDVersion`: service pack, a terminated UTF-16 string.";
        276 => service_pack_major: u16, "`wServicePackMajor`: number.";
        278 => service_pack_minor: u16, "`wServicePackMinor`: number.";
        280 => suite_mask: u16, "`wSuiteMask`: product suites.";
        282 => product_type: u8, "`wProductType`: 1 workstation, 2 domain controller, 3 server.";
        283 => reserved: u8, "`wReserved`: reserved.";
    }
}

open_enum! {
    /// `DEVICE_REGISTRY_PROPERTY`: what `IoGetDeviceProperty` is asked.
    pub struct DeviceRegistryProperty(u32) {
        DEVICE_DESCRIPTION = 0, "`DevicePropertyDeviceDescription`.";
        HARDWARE_ID = 1, "`DevicePropertyHardwareID`.";
        COMPATIBLE_I_DS = 2, "`DevicePropertyCompatibleIDs`.";
        BOOT_CONFIGURATION = 3, "`DevicePropertyBootConfiguration`.";
        BOOT_CONFIGURATION_TRANSLATED = 4, "`DevicePropertyBootConfigurationTranslated`.";
        CLASS_NAME = 5, "`DevicePropertyClassName`.";
        CLASS_GUID = 6, "`DevicePropertyClassGuid`.";
        DRIVER_KEY_NAME = 7, "`DevicePropertyDriverKeyName`.";
        MANUFACTURER = 8, "`DevicePropertyManufacturer`.";
        FRIENDLY_NAME = 9, "`DevicePropertyFriendlyName`.";
        LOCATION_INFORMATION = 10, "`DevicePropertyLocationInformation`.";
        PHYSICAL_DEVICE_OBJECT_NAME = 11, "`DevicePropertyPhysicalDeviceObjectName`.";
        BUS_TYPE_GUID = 12, "`DevicePropertyBusTypeGuid`.";
        LEGACY_BUS_TYPE = 13, "`DevicePropertyLegacyBusType`.";
        BUS_NUMBER = 14, "`DevicePropertyBusNumber`.";
        ENUMERATOR_NAME = 15, "`DevicePropertyEnumeratorName`.";
        ADDRESS = 16, "`DevicePropertyAddress`.";
        UI_NUMBER = 17, "`DevicePropertyUINumber`.";
        INSTALL_STATE = 18, "`DevicePropertyInstallState`.";
        REMOVAL_POLICY = 19, "`DevicePropertyRemovalPolicy`.";
        RESOURCE_REQUIREMENTS = 20, "`DevicePropertyResourceRequirements`.";
        ALLOCATED_RESOURCES = 21, "`DevicePropertyAllocatedResources`.";
        CONTAINER_ID = 22, "`DevicePropertyContainerID`.";
    }
}
