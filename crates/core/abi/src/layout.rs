//! How a structure is declared here, and the record of where every field lies.
//!
//! A declaration puts the offset before each field, as the manual's table does. The macro makes the structure and,
//! from the same lines, compile-time assertions of its size and of every offset; a field cannot be added
//! without them. [`STRUCTURES`](crate::structures::STRUCTURES) lists all of them as data.

/// One field: its name here, where it starts and how long it is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The field's Rust name.
    pub name: &'static str,
    /// Bytes from the structure's start.
    pub offset: usize,
    /// Length in bytes.
    pub size: usize,
}

/// One structure as data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Structure {
    /// The Rust name.
    pub name: &'static str,
    /// The Windows name. Members of unnamed unions have the name of their structure and a dot before their own.
    pub windows: &'static str,
    /// Length in bytes.
    pub size: usize,
    /// All fields in order, padding included.
    pub fields: &'static [Field],
}

/// What every structure of this crate knows of itself.
pub trait Layout {
    /// The structure as data.
    const LAYOUT: Structure;
}

/// The length in bytes of the field that a projection names.
pub(crate) const fn size_of_field<S, F>(_: fn(&S) -> F) -> usize {
    size_of::<F>()
}

/// Declares a structure: `"WINDOWS_NAME" [size] pub struct Name { offset => field: Type, "documentation"; ... }`.
macro_rules! layout {
    (@struct [$($repr:tt)*] $(#[$meta:meta])* $windows:literal [$size:literal] pub struct $name:ident {
        $($offset:literal => $field:ident : $ty:ty, $doc:expr;)*
    }) => {
        $(#[$meta])*
        #[doc = ""]
        #[doc = concat!("Windows: `", $windows, "`, ", $size, " bytes.")]
        #[repr($($repr)*)]
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq,
            zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout,
        )]
        pub struct $name {
            $(#[doc = $doc] pub $field: $ty,)*
        }

        impl Default for $name {
            fn default() -> Self {
                zerocopy::FromZeros::new_zeroed()
            }
        }

        impl $crate::layout::Layout for $name {
            const LAYOUT: $crate::layout::Structure = $crate::layout::Structure {
                name: stringify!($name),
                windows: $windows,
                size: size_of::<$name>(),
                fields: &[$($crate::layout::Field {
                    name: stringify!($field),
                    offset: core::mem::offset_of!($name, $field),
                    size: $crate::layout::size_of_field::<$name, $ty>(|it| it.$field),
                },)*],
            };
        }

        const _: () = {
            assert!(size_of::<$name>() == $size, concat!("size of ", stringify!($name)));
            $(assert!(
                core::mem::offset_of!($name, $field) == $offset,
                concat!("offset of ", stringify!($name), ".", stringify!($field))
            );)*
        };
    };
    ($(#[$meta:meta])* $windows:literal [$size:literal packed 4] $($rest:tt)*) => {
        layout! { @struct [C, packed(4)] $(#[$meta])* $windows [$size] $($rest)* }
    };
    ($(#[$meta:meta])* $windows:literal [$size:literal packed 1] $($rest:tt)*) => {
        layout! { @struct [C, packed(1)] $(#[$meta])* $windows [$size] $($rest)* }
    };
    ($(#[$meta:meta])* $windows:literal [$size:literal] $($rest:tt)*) => {
        layout! { @struct [C] $(#[$meta])* $windows [$size] $($rest)* }
    };
}
