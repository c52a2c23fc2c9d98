//! The driver's data behind the port's handles.

use crate::word::Handle;

open_enum! {
    /// `DXGK_HANDLE_TYPE`: what a handle names.
    pub struct HandleType(u32) {
        ALLOCATION = 1, "`DXGK_HANDLE_ALLOCATION`.";
        RESOURCE = 2, "`DXGK_HANDLE_RESOURCE`.";
    }
}

flags! {
    /// `DXGKCB_GETHANDLEDATAFLAGS`: of [`ArgCbGetHandleData`].
    pub struct GetHandleDataFlags(u32) {
        DEVICE_SPECIFIC = 0x1, "`DeviceSpecific`.";
    }
}

layout! {
    /// Argument of `DxgkCbGetHandleData`.
    "DXGKARGCB_GETHANDLEDATA" [12]
    pub struct ArgCbGetHandleData {
        0 => object: u32, "`hObject`: the handle.";
        4 => kind: HandleType, "`Type`: which kind this is.";
        8 => flags: GetHandleDataFlags, "`Flags`: see the type.";
    }
}

layout! {
    /// Argument of `DxgkCbReleaseHandleData`: sixteen bytes, so it travels as a pointer.
    "DXGKARGCB_RELEASEHANDLEDATA" [16]
    pub struct ArgCbReleaseHandleData {
        0 => release_handle: Handle, "`ReleaseHandle`: what `DxgkCbAcquireHandleData` gave.";
        8 => kind: HandleType, "`Type`: which kind this is.";
        12 => _pad0: [u8; 4], "Padding.";
    }
}

layout! {
    /// Argument of `DxgkCbEnumHandleChildren`.
    "DXGKARGCB_ENUMHANDLECHILDREN" [8]
    pub struct ArgCbEnumHandleChildren {
        0 => object: u32, "`hObject`: the handle.";
        4 => index: u32, "`Index`: which child, from 0.";
    }
}
