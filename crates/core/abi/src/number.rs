//! How open enumerations and flag words are declared.
//!
//! Both are numbers that come from outside, so both keep every value: an enumeration is a newtype with named
//! constants, a flag word keeps bits that have no name.

/// Declares an open enumeration: `pub struct Name(u32) { CONSTANT = value, "documentation"; ... }`.
///
/// `name()` gives the constant's name, `Debug` prints it. Where two constants have one value the first wins.
macro_rules! open_enum {
    ($(#[$meta:meta])* pub struct $name:ident($repr:ty) {
        $($constant:ident = $value:literal, $doc:literal;)*
    }) => {
        $(#[$meta])*
        #[repr(transparent)]
        #[derive(
            Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash,
            zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout,
        )]
        pub struct $name(#[doc = "The number as Windows has it; any value can occur."] pub $repr);

        impl $name {
            $(#[doc = $doc] pub const $constant: Self = Self($value);)*

            /// Every named value with its name, in the order of declaration.
            pub const NAMED: &'static [(Self, &'static str)] = &[$((Self::$constant, stringify!($constant)),)*];

            /// The constant's name, or nothing for a number without one.
            pub fn name(self) -> Option<&'static str> {
                Self::NAMED.iter().find(|(value, _)| *value == self).map(|(_, name)| *name)
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, concat!(stringify!($name), "({:#x})"), self.0),
                }
            }
        }
    };
}

/// Declares a flag word: `pub struct Name(u32) { CONSTANT = mask, "documentation"; ... }`.
///
/// A field of several bits is a constant that covers them all. Bits without a name are kept.
macro_rules! flags {
    ($(#[$meta:meta])* pub struct $name:ident($repr:ty) {
        $($constant:ident = $value:literal, $doc:literal;)*
    }) => {
        $(#[$meta])*
        #[repr(transparent)]
        #[derive(
            Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash,
            zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout,
        )]
        pub struct $name(#[doc = "The whole word as Windows has it, unnamed bits included."] pub $repr);

        bitflags::bitflags! {
            impl $name: $repr {
                $(#[doc = $doc] const $constant = $value;)*
                const _ = !0;
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(concat!(stringify!($name), "("))?;
                bitflags::parser::to_writer(self, &mut *f)?;
                f.write_str(")")
            }
        }
    };
}
