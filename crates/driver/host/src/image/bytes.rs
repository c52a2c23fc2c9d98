//! An image under construction, addressed by relative virtual address.

pub(super) struct Bytes(Vec<u8>);

impl Bytes {
    pub(super) fn zeroed(size: u32) -> Self {
        Self(vec![0; size as usize])
    }

    pub(super) fn all(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn part_mut(&mut self, at: u32, size: u32) -> Option<&mut [u8]> {
        self.0.get_mut(at as usize..)?.get_mut(..size as usize)
    }

    pub(super) fn slice(&self, at: u32, size: u32) -> Option<&[u8]> {
        self.0.get(at as usize..)?.get(..size as usize)
    }

    pub(super) fn put(&mut self, at: u32, bytes: &[u8]) -> Option<()> {
        self.0.get_mut(at as usize..)?.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(())
    }

    pub(super) fn u16(&self, at: u32) -> Option<u16> {
        self.slice(at, 2)?.try_into().ok().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&self, at: u32) -> Option<u32> {
        self.slice(at, 4)?.try_into().ok().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&self, at: u32) -> Option<u64> {
        self.slice(at, 8)?.try_into().ok().map(u64::from_le_bytes)
    }

    /// The zero-terminated text at `at`; what is not ASCII in it is replaced.
    pub(super) fn text(&self, at: u32) -> Option<String> {
        let rest = self.0.get(at as usize..)?;
        // The longest names that compilers emit have 4096 bytes.
        let end = rest.iter().take(4096).position(|&byte| byte == 0)?;
        rest.get(..end).map(|text| String::from_utf8_lossy(text).into_owned())
    }
}
