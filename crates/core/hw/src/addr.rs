//! Address spaces as types.
//!
//! There is no `From` between any two of these, on purpose: the one place where a physical page number becomes
//! a logical one is an identity (1:1) domain, and that code spells it out through [`Pfn::get`].

use core::fmt;

/// log2 of the page size; every page number in this project counts 4 KiB pages.
pub const PAGE_SHIFT: u32 = 12;
/// Bytes in a page.
pub const PAGE_SIZE: u64 = 1 << PAGE_SHIFT;

macro_rules! word {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        #[repr(transparent)]
        pub struct $name(u64);

        impl $name {
            /// Wraps a raw value.
            #[must_use]
            pub const fn new(raw: u64) -> Self {
                Self(raw)
            }

            /// The raw value.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }

            /// `self + by`, or `None` on overflow; `by` in the unit of the type (bytes, or pages).
            #[must_use]
            pub const fn checked_add(self, by: u64) -> Option<Self> {
                match self.0.checked_add(by) {
                    Some(sum) => Some(Self(sum)),
                    None => None,
                }
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:#x})"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }
    };
}

macro_rules! address_and_page {
    ($address:ident, $page:ident) => {
        impl $address {
            /// The page that holds this byte.
            #[must_use]
            pub const fn page(self) -> $page {
                $page(self.0 >> PAGE_SHIFT)
            }

            /// Bytes from the start of the page, below [`PAGE_SIZE`].
            #[must_use]
            pub const fn offset(self) -> u64 {
                self.0 & (PAGE_SIZE - 1)
            }
        }

        impl $page {
            /// The address of the page's first byte. Page numbers above 2^52 wrap, as they have no address.
            #[must_use]
            pub const fn address(self) -> $address {
                $address(self.0 << PAGE_SHIFT)
            }
        }
    };
}

word! {
    /// A physical address in bytes: where RAM or a device range is. What the IOMMU produces.
    PhysAddr
}
word! {
    /// A physical page number: a [`PhysAddr`] divided by 4096 (Windows: PFN).
    Pfn
}
word! {
    /// A logical address in bytes: what a device puts on the bus. What the IOMMU consumes.
    LogicalAddr
}
word! {
    /// A logical page number: a [`LogicalAddr`] divided by 4096.
    LogicalPage
}
word! {
    /// An address in the driver's (kernel) or a process's address space.
    CpuVa
}
word! {
    /// An address in a GPU's own address space, translated by the GPU before it reaches the bus.
    GpuVa
}

address_and_page!(PhysAddr, Pfn);
address_and_page!(LogicalAddr, LogicalPage);
