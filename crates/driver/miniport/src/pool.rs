//! Nonpaged pool, and MDLs of it.

use core::marker::PhantomData;
use core::ops::Deref;

use crate::raw::kernel::{BlockMdl, PoolMemory};
use crate::raw::list::MdlPointer;
use crate::raw::memory::Memory;
use crate::status::Result;

/// A block of nonpaged pool, zeroed at the start. Freed when dropped.
#[derive(Debug)]
pub struct NonPagedPool(PoolMemory);

impl NonPagedPool {
    /// Allocates; from one page on the block is page-aligned.
    ///
    /// # Errors
    /// `STATUS_INVALID_PARAMETER` for no bytes, `STATUS_NO_MEMORY`.
    pub fn allocate(bytes: usize) -> Result<Self> {
        PoolMemory::new(bytes).map(Self)
    }

    /// An MDL of the whole block (`MmBuildMdlForNonPagedPool`).
    ///
    /// # Errors
    /// `STATUS_INSUFFICIENT_RESOURCES`, or `STATUS_INVALID_PARAMETER` for more than 4 GiB - 1.
    pub fn mdl(&self) -> Result<PoolMdl<'_>> {
        Ok(PoolMdl { mdl: BlockMdl::new(&self.0)?, block: PhantomData })
    }

    /// An MDL of the whole block that was not built: for misuse.
    pub(crate) fn unpopulated_mdl(&self) -> Result<PoolMdl<'_>> {
        Ok(PoolMdl { mdl: BlockMdl::unpopulated(&self.0)?, block: PhantomData })
    }
}

impl Deref for NonPagedPool {
    type Target = Memory;

    /// The whole block.
    fn deref(&self) -> &Memory {
        self.0.memory()
    }
}

/// An MDL of a pool block, which it borrows: the block outlives it. Freed when dropped.
#[derive(Debug)]
pub struct PoolMdl<'p> {
    mdl: BlockMdl,
    block: PhantomData<&'p NonPagedPool>,
}

impl PoolMdl<'_> {
    pub(crate) fn list(&self) -> &MdlPointer {
        self.mdl.list()
    }

    /// Pages that the block touches.
    pub fn page_count(&self) -> u64 {
        self.list().header().page_count()
    }
}
