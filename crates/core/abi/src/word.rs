//! The elementary words: handles, addresses, truth values, identifiers.

use core::fmt;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A `HANDLE`: a number the other side gave out. Zero is "none".
#[repr(transparent)]
#[derive(
    Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Handle(pub u64);

impl Handle {
    /// No object.
    pub const NULL: Self = Self(0);

    /// Whether this names no object.
    pub const fn is_null(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({:#x})", self.0)
    }
}

/// A pointer as a driver wrote it: an address in the driver's address space, valid or not. Nothing may be
/// read through it before it is checked.
#[repr(transparent)]
#[derive(
    Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Pointer(pub u64);

impl Pointer {
    /// The null pointer.
    pub const NULL: Self = Self(0);

    /// Whether this is the null pointer.
    pub const fn is_null(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Debug for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pointer({:#x})", self.0)
    }
}

/// A `BOOLEAN`: one byte, true when not zero.
#[repr(transparent)]
#[derive(
    Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Boolean(pub u8);

impl Boolean {
    /// `FALSE`.
    pub const FALSE: Self = Self(0);
    /// `TRUE`.
    pub const TRUE: Self = Self(1);

    /// Whether the byte means true.
    pub const fn is_true(self) -> bool {
        self.0 != 0
    }
}

impl From<bool> for Boolean {
    fn from(value: bool) -> Self {
        Self(u8::from(value))
    }
}

impl fmt::Debug for Boolean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("FALSE"),
            1 => f.write_str("TRUE"),
            other => write!(f, "Boolean({other:#x})"),
        }
    }
}

layout! {
    /// A globally unique identifier.
    "GUID" [16]
    pub struct Guid {
        0 => data1: u32, "`Data1`: the first eight hexadecimal digits.";
        4 => data2: u16, "`Data2`: the first group of four digits.";
        6 => data3: u16, "`Data3`: the second group of four digits.";
        8 => data4: [u8; 8], "`Data4`: the remaining sixteen digits, byte by byte.";
    }
}

layout! {
    /// A locally unique identifier: unique until the machine restarts.
    "LUID" [8]
    pub struct Luid {
        0 => low_part: u32, "`LowPart`: the low 32 bits.";
        4 => high_part: i32, "`HighPart`: the high 32 bits.";
    }
}
