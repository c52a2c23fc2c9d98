//! What entries say, in every format's words, and what a unit says of them.

use core::fmt;

use dxgk_hw::{Access, PAGE_SHIFT, Pfn};

/// A translation: a run of memory of one size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Leaf {
    /// First frame, aligned to the size.
    pub frame: Pfn,
    /// log2 of the size in bytes.
    pub shift: u32,
    /// What a device may do, as far as this entry says.
    pub access: Access,
}

impl Leaf {
    /// 4 KiB pages in the leaf.
    #[must_use]
    pub const fn pages(&self) -> u64 {
        1 << (self.shift - PAGE_SHIFT)
    }

    /// The `nth` piece of 2^`shift` bytes.
    #[must_use]
    pub const fn piece(&self, shift: u32, nth: u64) -> Self {
        Self { frame: Pfn::new(self.frame.get() + (nth << (shift - PAGE_SHIFT))), shift, access: self.access }
    }
}

/// Why an entry that is present means nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Malformed {
    /// These reserved bits are set.
    Reserved(u64),
    /// It says that it is a leaf, at a level that has none.
    LeafLevel,
    /// It leads to a table of this level, which is not below its own.
    NextLevel(u32),
    /// It is a leaf of 2^this many bytes, which does not fit the level.
    LeafSize(u32),
    /// It holds a physical address of more bits than these.
    AddressSize(u32),
    /// It is one of a row of entries that make one leaf together, and they do not agree.
    Contiguous,
    /// Its access flag is clear, and hardware does not set it by itself.
    AccessFlag,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Reserved(bits) => write!(f, "reserved bits {bits:#x} are set"),
            Self::LeafLevel => write!(f, "a leaf at a level that has none"),
            Self::NextLevel(level) => write!(f, "the next level {level} is not below this one"),
            Self::LeafSize(shift) => write!(f, "a leaf of 2^{shift} bytes does not fit this level"),
            Self::AddressSize(bits) => write!(f, "the physical address has more than {bits} bits"),
            Self::Contiguous => write!(f, "one leaf in several entries, which do not agree"),
            Self::AccessFlag => write!(f, "the access flag is clear"),
        }
    }
}

/// What an entry says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entry {
    /// Nothing is mapped here.
    Absent,
    /// A lower table follows.
    Table {
        /// The table's (first) frame.
        table: Pfn,
        /// Its level; below the entry's own minus one where the format can skip levels.
        level: u32,
        /// What it lets through; permissions are the AND of all levels.
        access: Access,
    },
    /// A translation, or one part of one that takes several entries.
    Leaf(Leaf),
    /// Present, but not legal.
    Malformed(Malformed),
}

/// What hardware has noted of a leaf's use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Used {
    /// It was used for a translation.
    pub accessed: bool,
    /// It was used for a write.
    pub dirty: bool,
}

/// Why a unit stops a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// The entry is not present, or skipped levels do not have it.
    NotPresent,
    /// The levels together do not permit it.
    NoPermission,
    /// The entry is not legal.
    Malformed(Malformed),
    /// The table cannot be read.
    Unreadable,
    /// The address has more bits than the format, or is not canonical.
    BeyondWidth,
}

/// How a unit names what it reports: the manual's code and name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    /// VT-d: fault reason. AMD-Vi: event code. SMMUv3: event number.
    pub code: u8,
    /// The manual's name, and flags where the code alone does not tell.
    pub name: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:#04x})", self.name, self.code)
    }
}
