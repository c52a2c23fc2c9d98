//! Memory that a driver keeps over its own update: saved by the old driver, held while none is loaded, given to the new.
//!
//! Pages "DxgkCbSaveMemoryForHotUpdate", "DXGKARGCB_SAVEMEMORYFORHOTUPDATE" and "DxgkDdiRestoreMemoryForHotUpdate". A block
//! is copied when it is saved (our choice: what the driver does to its pages afterwards changes nothing), into pages of
//! the kernel's; they go to the new driver, or back to the page database when the saved memory is dropped unused.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

use dxgk_abi::NtStatus;
use dxgk_hw::{PAGE_SIZE, PageRun};

use crate::SysMm;
use crate::adapters::LogicalAdapterId;
use crate::error::CallError;
use crate::pages::{PageDatabase, PageOwner};
use crate::platform::Platform;

/// A block that was saved.
pub struct SavedBlock<P: Platform> {
    /// Its pages, the kernel's; `None` once somebody has taken them.
    pages: Option<Vec<PageRun>>,
    bytes: u64,
    metadata: Vec<u8>,
    database: Arc<PageDatabase<P>>,
}

impl<P: Platform> SavedBlock<P> {
    pub(crate) fn new(
        pages: Vec<PageRun>,
        bytes: u64,
        metadata: Vec<u8>,
        database: Arc<PageDatabase<P>>,
    ) -> Self {
        Self { pages: Some(pages), bytes, metadata, database }
    }

    /// The pages, in the order of the block.
    #[must_use]
    pub fn pages(&self) -> &[PageRun] {
        self.pages.as_deref().unwrap_or_default()
    }

    /// Bytes that were saved; the rest of the last page is zero.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What the driver gave along.
    #[must_use]
    pub fn metadata(&self) -> &[u8] {
        &self.metadata
    }

    /// Hands the pages to somebody who gives them back as [`PageOwner::Kernel`]'s.
    #[must_use]
    pub fn into_pages(mut self) -> Vec<PageRun> {
        self.pages.take().unwrap_or_default()
    }
}

impl<P: Platform> Drop for SavedBlock<P> {
    fn drop(&mut self) {
        if let Some(pages) = self.pages.take() {
            // Our own record names our own pages, which nothing maps.
            let _ = self.database.release(&pages, PageOwner::Kernel);
        }
    }
}

impl<P: Platform> core::fmt::Debug for SavedBlock<P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SavedBlock")
            .field("bytes", &self.bytes)
            .field("pages", &self.pages)
            .finish_non_exhaustive()
    }
}

/// A logical adapter's hot update, between its driver's being asked to save and the end of that call.
pub(crate) struct HotUpdate<P: Platform> {
    pub(crate) logical: u32,
    pub(crate) blocks: Vec<SavedBlock<P>>,
    /// Pages that were saved: none is saved twice.
    pub(crate) saved: BTreeSet<u64>,
}

impl<P: Platform> SysMm<P> {
    /// The driver of a logical adapter is about to be asked to save: DxgkCbSaveMemoryForHotUpdate works from now on.
    ///
    /// # Errors
    /// STATUS_INVALID_PARAMETER: no such logical adapter. STATUS_INVALID_DEVICE_STATE: it is being asked already.
    pub fn begin_hot_update(&self, logical: LogicalAdapterId) -> Result<(), CallError> {
        let mut records = self.records.lock();
        if records.logical.get(logical.0 as usize).is_none_or(|adapter| adapter.removed) {
            return Err(NtStatus::INVALID_PARAMETER.into());
        }
        if records.hot_updates.iter().any(|update| update.logical == logical.0) {
            return Err(NtStatus::INVALID_DEVICE_STATE.into());
        }
        let update = HotUpdate { logical: logical.0, blocks: Vec::new(), saved: BTreeSet::new() };
        records.hot_updates.push(update);
        Ok(())
    }

    /// The driver has saved: the blocks, in the order of its calls. Dropped, they are given up.
    pub fn end_hot_update(&self, logical: LogicalAdapterId) -> Vec<SavedBlock<P>> {
        let mut records = self.records.lock();
        let ended = records.hot_updates.extract_if(.., |update| update.logical == logical.0).next();
        ended.map(|update| update.blocks).unwrap_or_default()
    }
}

/// The pages that `bytes` bytes take.
pub(crate) fn pages_for(bytes: u64) -> u64 {
    bytes.div_ceil(PAGE_SIZE)
}
