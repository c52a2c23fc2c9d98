//! The lists that the kernel and the port driver own and a driver reads in place: MDLs and ADLs.

use core::ptr::NonNull;

use dxgk_abi::adl::Adl;
use dxgk_abi::mdl::Mdl;
use dxgk_abi::word::Pointer;

/// A live MDL.
#[derive(Debug)]
pub(crate) struct MdlPointer(NonNull<Mdl>);

// SAFETY: an MDL belongs to no thread; this type only reads it.
unsafe impl Send for MdlPointer {}
// SAFETY: as above.
unsafe impl Sync for MdlPointer {}

impl MdlPointer {
    /// Takes an MDL; nothing when the pointer is null or misaligned.
    ///
    /// # Safety
    /// It points to an MDL with its page array, which stays until the value is dropped.
    pub(super) unsafe fn new(mdl: *mut Mdl) -> Option<Self> {
        NonNull::new(mdl).filter(|mdl| mdl.is_aligned()).map(Self)
    }

    /// The pointer as the kernel's imports want it.
    pub(super) fn as_ptr(&self) -> *mut Mdl {
        self.0.as_ptr()
    }

    /// The pointer as a callback's argument.
    pub(crate) fn pointer(&self) -> Pointer {
        Pointer(self.0.as_ptr().expose_provenance() as u64)
    }

    /// The header as it is now.
    pub(crate) fn header(&self) -> Mdl {
        // SAFETY: it points to a live MDL; volatile, as the kernel may change flags meanwhile.
        unsafe { self.0.as_ptr().read_volatile() }
    }

    /// The page frame number of the buffer's page `index`; nothing beyond the buffer.
    pub(crate) fn page_frame(&self, index: usize) -> Option<u64> {
        if index as u64 >= self.header().page_count() {
            return None;
        }
        let entry = self.0.as_ptr().wrapping_add(1).cast::<u64>().wrapping_add(index);
        // SAFETY: the array behind the header has an entry for every page that the buffer touches, and `index` is
        // one of those; 8-byte alignment follows from the header's.
        Some(unsafe { entry.read_volatile() })
    }

    /// Writes `ByteCount`, as a driver may that fills headers by hand.
    pub(crate) fn set_byte_count(&self, bytes: u32) {
        let field = self.0.as_ptr().wrapping_byte_add(core::mem::offset_of!(Mdl, byte_count)).cast::<u32>();
        // SAFETY: a field of a live MDL, aligned as its header is; no Rust reference covers it.
        unsafe { field.write_volatile(bytes) };
    }

    /// Exchanges two page frame numbers, as a driver may that uses the MDL again; nothing beyond the buffer.
    pub(crate) fn swap_page_frames(&self, one: usize, other: usize) {
        let (Some(first), Some(second)) = (self.page_frame(one), self.page_frame(other)) else { return };
        let array = self.0.as_ptr().wrapping_add(1).cast::<u64>();
        // SAFETY: `page_frame` found the entry inside the array; no Rust reference covers it.
        unsafe { array.wrapping_add(one).write_volatile(second) };
        // SAFETY: as above.
        unsafe { array.wrapping_add(other).write_volatile(first) };
    }
}

/// A live ADL.
#[derive(Debug)]
pub(crate) struct AdlPointer(NonNull<Adl>);

// SAFETY: an ADL belongs to no thread; this type only reads it.
unsafe impl Send for AdlPointer {}
// SAFETY: as above.
unsafe impl Sync for AdlPointer {}

impl AdlPointer {
    /// Takes an ADL; nothing when the pointer is null or misaligned.
    ///
    /// # Safety
    /// It points to an ADL whose page array, if it has one, is there too; both stay until the value is dropped.
    pub(super) unsafe fn new(adl: Pointer) -> Option<Self> {
        NonNull::new(core::ptr::with_exposed_provenance_mut::<Adl>(adl.0 as usize))
            .filter(|adl| adl.is_aligned())
            .map(Self)
    }

    /// The pointer as a callback's argument.
    pub(crate) fn pointer(&self) -> Pointer {
        Pointer(self.0.as_ptr().expose_provenance() as u64)
    }

    /// The list's head.
    pub(crate) fn head(&self) -> Adl {
        // SAFETY: it points to a live ADL.
        unsafe { self.0.as_ptr().read_volatile() }
    }

    /// The page number at `index`, whichever form the list has; nothing beyond its end.
    pub(crate) fn page(&self, index: usize) -> Option<u64> {
        let head = self.head();
        if index >= head.page_count as usize {
            return None;
        }
        if let Some(base) = head.base_page_number() {
            return base.checked_add(index as u64);
        }
        let array = core::ptr::with_exposed_provenance::<u64>(head.pages()?.0 as usize);
        if array.is_null() || !array.is_aligned() {
            return None;
        }
        // SAFETY: the list has the array form, so its pointer is to `page_count` page numbers that live as long as
        // the list; `index` is below that count.
        Some(unsafe { array.wrapping_add(index).read_volatile() })
    }
}
