//! Tables of functions that one side hands to the other.

use crate::version::InterfaceVersion;

/// One function's place in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The function's Windows name.
    pub name: &'static str,
    /// Bytes from the table's start; the slot is an 8-byte address.
    pub offset: usize,
    /// The first interface version whose table has it.
    pub since: InterfaceVersion,
}

/// A table of functions, as bytes with named places.
///
/// All version guards append: a slot's offset is the same in every version that has it.
pub trait Table {
    /// All slots in order.
    const SLOTS: &'static [Slot];

    /// The address at a byte offset, or nothing when no slot is there.
    fn slot(&self, offset: usize) -> Option<u64>;

    /// Writes the address at a byte offset; false when no slot is there.
    fn set_slot(&mut self, offset: usize, address: u64) -> bool;

    /// The slot of a function by its Windows name.
    fn find(name: &str) -> Option<&'static Slot> {
        Self::SLOTS.iter().find(|slot| slot.name == name)
    }
}

/// Declares a table: header fields as [`layout!`] has them, then slots `offset => field, "Name", SINCE;`.
macro_rules! table {
    ($(#[$meta:meta])* $windows:literal [$size:literal] pub struct $name:ident {
        header { $($offset:literal => $field:ident : $ty:ty, $doc:expr;)* }
        slots { $($slot_offset:literal => $slot:ident, $member:literal, $since:ident;)* }
    }) => {
        layout! {
            $(#[$meta])*
            $windows [$size]
            pub struct $name {
                $($offset => $field: $ty, $doc;)*
                $($slot_offset => $slot: u64, concat!(
                    "`", $member, "`: address, or 0; since [`", stringify!($since),
                    "`](crate::version::InterfaceVersion::", stringify!($since), ").",
                );)*
            }
        }

        impl $crate::table::Table for $name {
            const SLOTS: &'static [$crate::table::Slot] = &[$($crate::table::Slot {
                name: $member,
                offset: $slot_offset,
                since: $crate::version::InterfaceVersion::$since,
            },)*];

            fn slot(&self, offset: usize) -> Option<u64> {
                match offset {
                    $($slot_offset => Some(self.$slot),)*
                    _ => None,
                }
            }

            fn set_slot(&mut self, offset: usize, address: u64) -> bool {
                match offset {
                    $($slot_offset => self.$slot = address,)*
                    _ => return false,
                }
                true
            }
        }
    };
}
