//! Text in the kernel's encoding.

/// An ASCII literal as UTF-16, at compile time: `&'static [u16]`.
#[macro_export]
macro_rules! wide {
    ($text:expr) => {{
        const TEXT: &str = $text;
        const UNITS: [u16; TEXT.len()] = $crate::units(TEXT);
        &UNITS as &'static [u16]
    }};
}

/// What [`crate::wide!`] does; the length and the character set are checked at compile time.
#[doc(hidden)]
pub const fn units<const N: usize>(text: &str) -> [u16; N] {
    let bytes = text.as_bytes();
    assert!(bytes.len() == N, "the array is not as long as the text");
    let mut units = [0; N];
    let mut index = 0;
    while index < N {
        assert!(bytes[index].is_ascii(), "not ASCII");
        units[index] = bytes[index] as u16;
        index += 1;
    }
    units
}
