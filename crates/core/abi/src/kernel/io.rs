//! Drivers, devices, requests and files (wdm.h).

use super::{Kevent, ListEntry, UnicodeString};
use crate::status::NtStatus;
use crate::word::{Boolean, Pointer};

layout! {
    /// What `DriverEntry` is given.
    "DRIVER_OBJECT" [336]
    pub struct DriverObject {
        0 => kind: i16, "`Type`: which kind this is.";
        2 => size: i16, "`Size`: bytes.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => device_object: Pointer, "`DeviceObject`: the first device of the driver, or the device concerned.";
        16 => flags: u32, "`Flags`: see the type.";
        20 => _pad1: [u8; 4], "Padding.";
        24 => driver_start: Pointer, "`DriverStart`: where the image is loaded.";
        32 => driver_size: u32, "`DriverSize`: bytes of the image.";
        36 => _pad2: [u8; 4], "Padding.";
        40 => driver_section: Pointer, "`DriverSection`: the loader's record.";
        48 => driver_extension: Pointer, "`DriverExtension`: the `DRIVER_EXTENSION`.";
        56 => driver_name: UnicodeString, "`DriverName`: name of the driver object.";
        72 => hardware_database: Pointer, "`HardwareDatabase`: registry path of the hardware.";
        80 => fast_io_dispatch: Pointer, "`FastIoDispatch`: table, or null.";
        88 => driver_init: Pointer, "`DriverInit`: `DriverEntry`.";
        96 => driver_start_io: Pointer, "`DriverStartIo`: entry point or null.";
        104 => driver_unload: Pointer, "`DriverUnload`: entry point.";
        112 => major_function: [Pointer; 28], "`MajorFunction`: one entry point for each major function.";
    }
}

layout! {
    /// The part of a driver object that PnP uses.
    "DRIVER_EXTENSION" [40]
    pub struct DriverExtension {
        0 => driver_object: Pointer, "`DriverObject`: the driver.";
        8 => add_device: Pointer, "`AddDevice`: entry point.";
        16 => count: u32, "`Count`: calls.";
        20 => _pad0: [u8; 4], "Padding.";
        24 => service_key_name: UnicodeString, "`ServiceKeyName`: name of the service.";
    }
}

layout! {
    /// A device.
    "DEVICE_OBJECT" [336]
    pub struct DeviceObject {
        0 => kind: i16, "`Type`: which kind this is.";
        2 => size: u16, "`Size`: bytes.";
        4 => reference_count: i32, "`ReferenceCount`: references.";
        8 => driver_object: Pointer, "`DriverObject`: the driver.";
        16 => next_device: Pointer, "`NextDevice`: the driver's next device.";
        24 => attached_device: Pointer, "`AttachedDevice`: the device above.";
        32 => current_irp: Pointer, "`CurrentIrp`: request in work.";
        40 => _gap0: [u8; 8], "Members and padding that nothing here uses.";
        48 => flags: u32, "`Flags`: see the type.";
        52 => characteristics: u32, "`Characteristics`: `FILE_*` characteristics.";
        56 => _gap1: [u8; 8], "Members and padding that nothing here uses.";
        64 => device_extension: Pointer, "`DeviceExtension`: the driver's own data.";
        72 => device_type: u32, "`DeviceType`: `FILE_DEVICE_*`.";
        76 => stack_size: i8, "`StackSize`: stack locations a request needs.";
        77 => _gap2: [u8; 259], "Members and padding that nothing here uses.";
    }
}

layout! {
    /// An I/O request packet.
    "IRP" [208]
    pub struct Irp {
        0 => kind: i16, "`Type`: which kind this is.";
        2 => size: u16, "`Size`: bytes.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => mdl_address: Pointer, "`MdlAddress`: the buffer's MDL.";
        16 => flags: u32, "`Flags`: see the type.";
        20 => _pad1: [u8; 4], "Padding.";
        24 => associated_irp: Pointer, "`AssociatedIrp`: a union of pointers: the system buffer.";
        32 => _gap2: [u8; 16], "Members and padding that nothing here uses.";
        48 => io_status: IoStatusBlock, "`IoStatus`: how it ended.";
        64 => requestor_mode: u8, "`RequestorMode`: 0 kernel, 1 user.";
        65 => _gap3: [u8; 1], "Members and padding that nothing here uses.";
        66 => stack_count: i8, "`StackCount`: stack locations.";
        67 => current_location: i8, "`CurrentLocation`: number of the current one.";
        68 => cancel: Boolean, "`Cancel`: whether it is to be cancelled.";
        69 => _gap4: [u8; 3], "Members and padding that nothing here uses.";
        72 => user_iosb: Pointer, "`UserIosb`: the caller's status block.";
        80 => user_event: Pointer, "`UserEvent`: the caller's event.";
        88 => _gap5: [u8; 24], "Members and padding that nothing here uses.";
        112 => user_buffer: Pointer, "`UserBuffer`: the caller's buffer.";
        120 => _gap6: [u8; 64], "Members and padding that nothing here uses.";
        184 => current_stack_location: Pointer, "`Tail.Overlay.CurrentStackLocation`: the current stack location.";
        192 => _gap7: [u8; 16], "Members and padding that nothing here uses.";
    }
}

layout! {
    /// A driver's part of a request.
    "IO_STACK_LOCATION" [72]
    pub struct IoStackLocation {
        0 => major_function: MajorFunction, "`MajorFunction`: what is asked.";
        1 => minor_function: u8, "`MinorFunction`: what exactly.";
        2 => flags: u8, "`Flags`: see the type.";
        3 => control: u8, "`Control`: which completion routine calls are wanted.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => output_buffer_length: u32, "`Parameters.DeviceIoControl.OutputBufferLength`.";
        12 => _pad1: [u8; 4], "Padding.";
        16 => input_buffer_length: u32, "`Parameters.DeviceIoControl.InputBufferLength`.";
        20 => _pad2: [u8; 4], "Padding.";
        24 => io_control_code: u32, "`Parameters.DeviceIoControl.IoControlCode`.";
        28 => _pad3: [u8; 4], "Padding.";
        32 => type3_input_buffer: Pointer, "`Parameters.DeviceIoControl.Type3InputBuffer`.";
        40 => device_object: Pointer, "`DeviceObject`: the first device of the driver, or the device concerned.";
        48 => file_object: Pointer, "`FileObject`: the file.";
        56 => completion_routine: Pointer, "`CompletionRoutine`: called at the end.";
        64 => context: Pointer, "`Context`: handed to the routine.";
    }
}

open_enum! {
    /// The major function of a request (`IRP_MJ_*`).
    pub struct MajorFunction(u8) {
        CREATE = 0x0, "`IRP_MJ_CREATE`.";
        CLOSE = 0x2, "`IRP_MJ_CLOSE`.";
        READ = 0x3, "`IRP_MJ_READ`.";
        WRITE = 0x4, "`IRP_MJ_WRITE`.";
        DEVICE_CONTROL = 0xE, "`IRP_MJ_DEVICE_CONTROL`.";
        INTERNAL_DEVICE_CONTROL = 0xF, "`IRP_MJ_INTERNAL_DEVICE_CONTROL`.";
        SHUTDOWN = 0x10, "`IRP_MJ_SHUTDOWN`.";
        CLEANUP = 0x12, "`IRP_MJ_CLEANUP`.";
        POWER = 0x16, "`IRP_MJ_POWER`.";
        SYSTEM_CONTROL = 0x17, "`IRP_MJ_SYSTEM_CONTROL`.";
        PNP = 0x1B, "`IRP_MJ_PNP`: the last.";
    }
}

layout! {
    /// How a request ended.
    "IO_STATUS_BLOCK" [16]
    pub struct IoStatusBlock {
        0 => status_or_pointer: u64, "`Pointer`: or `Status` in the low half; see [`IoStatusBlock::status`].";
        8 => information: u64, "`Information`: bytes moved, as a rule.";
    }
}

impl IoStatusBlock {
    /// `Status`: the low half of the first word.
    pub const fn status(&self) -> NtStatus {
        NtStatus(self.status_or_pointer as u32)
    }
}

layout! {
    /// An open file.
    "FILE_OBJECT" [216]
    pub struct FileObject {
        0 => kind: i16, "`Type`: which kind this is.";
        2 => size: i16, "`Size`: bytes.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => device_object: Pointer, "`DeviceObject`: the first device of the driver, or the device concerned.";
        16 => vpb: Pointer, "`Vpb`.";
        24 => fs_context: Pointer, "`FsContext`.";
        32 => fs_context2: Pointer, "`FsContext2`.";
        40 => section_object_pointer: Pointer, "`SectionObjectPointer`.";
        48 => private_cache_map: Pointer, "`PrivateCacheMap`.";
        56 => final_status: NtStatus, "`FinalStatus`.";
        60 => _pad1: [u8; 4], "Padding.";
        64 => related_file_object: Pointer, "`RelatedFileObject`.";
        72 => lock_operation: Boolean, "`LockOperation`.";
        73 => delete_pending: Boolean, "`DeletePending`.";
        74 => read_access: Boolean, "`ReadAccess`.";
        75 => write_access: Boolean, "`WriteAccess`.";
        76 => delete_access: Boolean, "`DeleteAccess`.";
        77 => shared_read: Boolean, "`SharedRead`.";
        78 => shared_write: Boolean, "`SharedWrite`.";
        79 => shared_delete: Boolean, "`SharedDelete`.";
        80 => flags: u32, "`Flags`: see the type.";
        84 => _pad2: [u8; 4], "Padding.";
        88 => file_name: UnicodeString, "`FileName`.";
        104 => current_byte_offset: i64, "`CurrentByteOffset`.";
        112 => waiters: u32, "`Waiters`.";
        116 => busy: u32, "`Busy`.";
        120 => last_lock: Pointer, "`LastLock`.";
        128 => lock: Kevent, "`Lock`.";
        152 => event: Kevent, "`Event`: what waiters wait for.";
        176 => completion_context: Pointer, "`CompletionContext`.";
        184 => irp_list_lock: u64, "`IrpListLock`.";
        192 => irp_list: ListEntry, "`IrpList`.";
        208 => file_object_extension: Pointer, "`FileObjectExtension`.";
    }
}

layout! {
    /// One run of a scatter/gather list.
    "SCATTER_GATHER_ELEMENT" [24]
    pub struct ScatterGatherElement {
        0 => address: u64, "`Address`: logical address, bytes.";
        8 => length: u32, "`Length`: bytes.";
        12 => _pad0: [u8; 4], "Padding.";
        16 => reserved: u64, "`Reserved`: reserved.";
    }
}

layout! {
    /// The head of a scatter/gather list; elements follow.
    "SCATTER_GATHER_LIST" [16]
    pub struct ScatterGatherList {
        0 => number_of_elements: u32, "`NumberOfElements`: elements that follow.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => reserved: u64, "`Reserved`: reserved.";
    }
}

layout! {
    /// A bus-master's DMA adapter.
    "DMA_ADAPTER" [16]
    pub struct DmaAdapter {
        0 => version: u16, "`Version`: version.";
        2 => size: u16, "`Size`: bytes.";
        4 => _pad0: [u8; 4], "Padding.";
        8 => dma_operations: Pointer, "`DmaOperations`: the table of functions.";
    }
}
