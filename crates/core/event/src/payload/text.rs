//! Short texts in records.

use zerocopy::{Immutable, IntoBytes, KnownLayout, TryFromBytes};

/// A text of up to `N` bytes, padded with NULs.
#[derive(Clone, Copy, PartialEq, Eq, TryFromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Text<const N: usize> {
    bytes: [u8; N],
}

impl<const N: usize> Text<N> {
    /// The first `N` bytes of `text`, cut at a character.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut cut = text.len().min(N);
        while !text.is_char_boundary(cut) {
            cut -= 1;
        }
        let mut bytes = [0; N];
        bytes.iter_mut().zip(text.as_bytes().iter().take(cut)).for_each(|(to, from)| *to = *from);
        Self { bytes }
    }

    /// The text up to its first NUL; bytes that are not UTF-8 end it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let len = self.bytes.iter().position(|byte| *byte == 0).unwrap_or(N);
        let head = self.bytes.get(..len).unwrap_or_default();
        match core::str::from_utf8(head) {
            Ok(text) => text,
            Err(error) => {
                core::str::from_utf8(head.get(..error.valid_up_to()).unwrap_or_default()).unwrap_or_default()
            }
        }
    }
}

impl<const N: usize> core::fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}
