//! Registry keys as safe values.

use dxgk_abi::NtStatus;

use super::import;
use super::object::{ObjectAttributes, UnicodeString};
use crate::status::{Result, check};

/// `KEY_READ`.
const KEY_READ: u32 = 0x2_0019;
/// `KeyValuePartialInformation`.
const PARTIAL_INFORMATION: u32 = 2;

/// An open key, closed when dropped.
#[derive(Debug)]
pub(crate) struct Key(u64);

impl Key {
    /// `ZwOpenKey` for reading, below `root` or by an absolute name.
    pub(crate) fn open(root: Option<&Key>, name: &[u16]) -> Result<Self> {
        let name = UnicodeString::new(name);
        let attributes = ObjectAttributes::new(root.map_or(0, |key| key.0), &name);
        let mut handle = 0;
        // SAFETY: the out pointer and the attributes are live, and the attributes' name is borrowed by them.
        check(NtStatus(unsafe { import::ZwOpenKey(&mut handle, KEY_READ, &attributes) }))?;
        Ok(Self(handle))
    }

    /// `ZwQueryValueKey` into `buffer` as a `KEY_VALUE_PARTIAL_INFORMATION`; bytes written.
    pub(crate) fn query(&self, name: &[u16], buffer: &mut [u8]) -> Result<usize> {
        let name = UnicodeString::new(name);
        let length = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        let mut written = 0;
        // SAFETY: the key is open, the name is borrowed, and `length` does not exceed the buffer.
        let status = unsafe {
            import::ZwQueryValueKey(
                self.0,
                &name,
                PARTIAL_INFORMATION,
                buffer.as_mut_ptr().cast(),
                length,
                &mut written,
            )
        };
        check(NtStatus(status))?;
        Ok((written as usize).min(buffer.len()))
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: the handle was opened in `open`, and this value is its only owner. A failure to close leaves nothing to do.
        let _ = unsafe { import::ZwClose(self.0) };
    }
}
