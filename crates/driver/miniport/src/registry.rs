//! Values under the driver's service key.

use dxgk_abi::NtStatus;

use crate::raw::context::Driver;
use crate::raw::registry::Key;
use crate::resources::word;
use crate::status::Result;

/// `REG_SZ`.
const STRING: u32 = 1;
/// `REG_DWORD`.
const DWORD: u32 = 4;
/// Bytes before the data in `KEY_VALUE_PARTIAL_INFORMATION`: index, type, length.
const HEAD: usize = 12;
/// Longest value that is read, with its head, in bytes.
const LONGEST: usize = 256;

/// An open registry key, closed when dropped.
#[derive(Debug)]
pub struct RegistryKey(Key);

impl RegistryKey {
    /// The driver's service key, whose name `DriverEntry` was given.
    ///
    /// # Errors
    /// `ZwOpenKey`'s.
    pub fn service(driver: &Driver) -> Result<Self> {
        Key::open(None, driver.registry_path()).map(Self)
    }

    /// A key below this one.
    ///
    /// # Errors
    /// `ZwOpenKey`'s; `STATUS_OBJECT_NAME_NOT_FOUND` when there is none.
    pub fn subkey(&self, name: &[u16]) -> Result<Self> {
        Key::open(Some(&self.0), name).map(Self)
    }

    /// A `REG_DWORD`; names from [`crate::wide!`].
    ///
    /// # Errors
    /// `STATUS_OBJECT_NAME_NOT_FOUND` without such a value, `STATUS_OBJECT_TYPE_MISMATCH` for another type.
    pub fn dword(&self, name: &[u16]) -> Result<u32> {
        let mut buffer = Buffer::default();
        let data = self.value(name, DWORD, &mut buffer)?;
        word(data, 0).ok_or(NtStatus::OBJECT_TYPE_MISMATCH)
    }

    /// A `REG_SZ` as ASCII bytes into `text`; what is read of it. Characters beyond ASCII become `?`.
    ///
    /// # Errors
    /// As for [`Self::dword`]; `STATUS_BUFFER_OVERFLOW` when it does not fit.
    pub fn string<'t>(&self, name: &[u16], text: &'t mut [u8]) -> Result<&'t str> {
        let mut buffer = Buffer::default();
        let data = self.value(name, STRING, &mut buffer)?;
        let mut length = 0;
        for unit in data.chunks_exact(2) {
            let &[low, high] = unit else { break };
            if (low, high) == (0, 0) {
                break;
            }
            let place = text.get_mut(length).ok_or(NtStatus::BUFFER_OVERFLOW)?;
            *place = if high == 0 && low.is_ascii() { low } else { b'?' };
            length += 1;
        }
        let text = text.get(..length).unwrap_or_default();
        core::str::from_utf8(text).map_err(|_| NtStatus::UNSUCCESSFUL)
    }

    /// The data of a value of one type.
    fn value<'b>(&self, name: &[u16], kind: u32, buffer: &'b mut Buffer) -> Result<&'b [u8]> {
        let written = self.0.query(name, &mut buffer.0)?;
        let information = buffer.0.get(..written).unwrap_or_default();
        if word(information, 4) != Some(kind) {
            return Err(NtStatus::OBJECT_TYPE_MISMATCH);
        }
        let length = word(information, 8).unwrap_or(0) as usize;
        let data = information.get(HEAD..).unwrap_or_default();
        Ok(data.get(..length).unwrap_or(data))
    }
}

/// Where a value is read to: aligned as its structure is.
#[repr(align(8))]
struct Buffer([u8; LONGEST]);

impl Default for Buffer {
    fn default() -> Self {
        Self([0; LONGEST])
    }
}
