//! The kernel objects that the imports of this crate touch (wdm.h; offsets as the interface's public facts have them).

use core::ffi::c_void;
use core::marker::PhantomData;

/// `UNICODE_STRING`, 16 bytes.
#[repr(C)]
pub(crate) struct UnicodeString<'s> {
    /// Bytes in use.
    length: u16,
    /// Bytes of room.
    maximum_length: u16,
    buffer: *const u16,
    borrow: PhantomData<&'s [u16]>,
}

impl<'s> UnicodeString<'s> {
    /// A string over `text`; what does not fit a 16-bit length in bytes is cut off.
    pub(crate) fn new(text: &'s [u16]) -> Self {
        let length = u16::try_from(text.len() * 2).unwrap_or(0xFFFE);
        Self { length, maximum_length: length, buffer: text.as_ptr(), borrow: PhantomData }
    }

    /// The text of a string that the kernel handed in; nothing when its buffer is null.
    ///
    /// # Safety
    /// The buffer holds `Length` bytes that stay as they are for `'s`.
    pub(crate) unsafe fn text(&self) -> Option<&'s [u16]> {
        if self.buffer.is_null() || !self.buffer.is_aligned() {
            return None;
        }
        // SAFETY: not null, aligned, and the caller vouches for the length and for the lifetime.
        Some(unsafe { core::slice::from_raw_parts(self.buffer, usize::from(self.length) / 2) })
    }
}

/// `OBJECT_ATTRIBUTES`, 48 bytes.
#[repr(C)]
pub(crate) struct ObjectAttributes<'s> {
    length: u32,
    root_directory: u64,
    object_name: &'s UnicodeString<'s>,
    attributes: u32,
    security_descriptor: *const c_void,
    security_quality_of_service: *const c_void,
}

impl<'s> ObjectAttributes<'s> {
    /// `OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE`.
    const KERNEL: u32 = 0x240;

    /// A kernel handle by name, below `root` (0: an absolute name).
    pub(crate) fn new(root: u64, name: &'s UnicodeString<'s>) -> Self {
        Self {
            length: size_of::<Self>() as u32,
            root_directory: root,
            object_name: name,
            attributes: Self::KERNEL,
            security_descriptor: core::ptr::null(),
            security_quality_of_service: core::ptr::null(),
        }
    }
}

/// `KEVENT`, 24 bytes, opaque here.
#[repr(C, align(8))]
pub(crate) struct Event(pub(crate) [u64; 3]);

/// `IO_STATUS_BLOCK`, 16 bytes.
#[repr(C)]
pub(crate) struct IoStatusBlock {
    /// A status, in an area as wide as a pointer.
    pub(crate) status: u32,
    pub(crate) _pad0: u32,
    pub(crate) information: usize,
}

/// `OSVERSIONINFOW`, 276 bytes.
#[repr(C)]
pub(crate) struct VersionInformation {
    pub(crate) size: u32,
    pub(crate) major: u32,
    pub(crate) minor: u32,
    pub(crate) build: u32,
    pub(crate) platform: u32,
    pub(crate) service_pack: [u16; 128],
}

const _: () = {
    assert!(size_of::<UnicodeString<'_>>() == 16);
    assert!(size_of::<ObjectAttributes<'_>>() == 48);
    assert!(size_of::<Event>() == 24);
    assert!(size_of::<IoStatusBlock>() == 16);
    assert!(size_of::<VersionInformation>() == 276);
};

#[cfg(test)]
impl ObjectAttributes<'_> {
    /// Root and name, for a kernel that is played by a test.
    pub(super) fn parts(&self) -> (u64, &UnicodeString<'_>) {
        (self.root_directory, self.object_name)
    }
}
