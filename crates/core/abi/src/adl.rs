//! The address descriptor list: what the memory manager gives a driver to put into its device (WDDM 2.9).

use crate::word::Pointer;

flags! {
    /// `DXGK_ADL_FLAGS`, since WDDM 2.9.
    pub struct AdlFlags(u32) {
        CONTIGUOUS = 0x1, "`Contiguous`: the list is one run that starts at `BasePageNumber`; clear: `Pages` is an array.";
    }
}

layout! {
    /// `DXGK_ADL`, since WDDM 2.9: pages of logical addresses, in the device's address space.
    ///
    /// The last word is a union: read it through [`Adl::base_page_number`] or [`Adl::pages`].
    "DXGK_ADL" [16]
    pub struct Adl {
        0 => page_count: u32, "`PageCount`: pages of 4 KiB in the list.";
        4 => flags: AdlFlags, "`Flags`: which member of the union holds.";
        8 => base_page_number_or_pages: u64, "`BasePageNumber` (a page number) or `Pages` (address of the array of 8-byte page numbers).";
    }
}

impl Adl {
    /// Whether the list is one contiguous run.
    pub const fn is_contiguous(&self) -> bool {
        self.flags.contains(AdlFlags::CONTIGUOUS)
    }

    /// `BasePageNumber`: the first page's number (address divided by 4096), when the list is contiguous.
    pub const fn base_page_number(&self) -> Option<u64> {
        if self.is_contiguous() { Some(self.base_page_number_or_pages) } else { None }
    }

    /// `Pages`: where the array of `PageCount` page numbers lies, when the list is not contiguous.
    pub const fn pages(&self) -> Option<Pointer> {
        if self.is_contiguous() { None } else { Some(Pointer(self.base_page_number_or_pages)) }
    }

    /// A contiguous list.
    pub const fn contiguous(base_page_number: u64, page_count: u32) -> Self {
        Self { page_count, flags: AdlFlags::CONTIGUOUS, base_page_number_or_pages: base_page_number }
    }

    /// A list whose page numbers are in the array at `pages`.
    pub const fn array(pages: Pointer, page_count: u32) -> Self {
        Self { page_count, flags: AdlFlags(0), base_page_number_or_pages: pages.0 }
    }
}
