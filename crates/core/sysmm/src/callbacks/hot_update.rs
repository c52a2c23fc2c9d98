//! DxgkCbSaveMemoryForHotUpdate.

use alloc::vec;
use alloc::vec::Vec;

use dxgk_abi::callback::ArgCbSaveMemoryForHotUpdate;
use dxgk_abi::{Handle, NtStatus};
use dxgk_hw::{CpuVa, DriverMemory, MachineMemory, PAGE_SIZE, PageRun, total_pages};

use super::mdl_map::readable_mdl;
use super::{Caller, INVALID};
use crate::SysMm;
use crate::error::CallError;
use crate::hot_update::{SavedBlock, pages_for};
use crate::pages::{PageOwner, PageRequest};
use crate::platform::Platform;
use crate::runs;

/// Ranges in one block at most, and bytes of its metadata (our choice).
const MOST_RANGES: u32 = 4096;
const MOST_METADATA: u32 = 64 << 10;

/// What a block is made of.
enum Source {
    /// Whole physical pages.
    Pages(Vec<PageRun>),
    /// A buffer of the driver's: where, and bytes.
    Buffer(CpuVa, u64),
}

impl<P: Platform> SysMm<P> {
    /// DxgkCbSaveMemoryForHotUpdate: one block of the driver's memory is kept over its update, with its metadata.
    ///
    /// A DXGK_KSR_MEMORY_RANGE is one number whose meaning no public page or header tells; here it is the page-aligned
    /// physical address of a range with the number of its pages in the low 12 bits (our choice).
    ///
    /// # Errors
    /// STATUS_INVALID_HANDLE, STATUS_DEVICE_NOT_READY; STATUS_INVALID_DEVICE_STATE outside DxgkDdiSaveMemoryForHotUpdate
    /// (our choice); STATUS_INVALID_PARAMETER unless exactly one of pDataMemoryRanges, pDataMdl and pData is given, with a
    /// length, for what cannot be read, a range or MDL that cannot be right, pages that are not RAM or belong to nobody, and
    /// a page that was saved before, or that the block names twice; STATUS_NO_MEMORY.
    pub fn save_memory_for_hot_update(
        &self,
        _caller: &Caller,
        adapter: Handle,
        args: &ArgCbSaveMemoryForHotUpdate,
    ) -> Result<(), CallError> {
        let records = self.records.lock();
        let logical = records.place(adapter)?.logical;
        if !records.hot_updates.iter().any(|update| update.logical == logical) {
            return Err(NtStatus::INVALID_DEVICE_STATE.into());
        }
        drop(records);
        let source = self.block_source(args)?;
        let metadata = self.metadata(args)?;
        if let Source::Pages(list) = &source {
            self.claim_pages(logical, list)?;
        }
        let block = self.copy_block(&source, metadata);
        let mut records = self.records.lock();
        let Some(update) = records.hot_updates.iter_mut().find(|update| update.logical == logical) else {
            return Err(NtStatus::INVALID_DEVICE_STATE.into());
        };
        match block {
            Ok(block) => {
                update.blocks.push(block);
                Ok(())
            }
            Err(error) => {
                if let Source::Pages(list) = &source {
                    pages(list).for_each(|page| _ = update.saved.remove(&page));
                }
                Err(error)
            }
        }
    }

    fn block_source(&self, args: &ArgCbSaveMemoryForHotUpdate) -> Result<Source, CallError> {
        let (ranges, mdl, data) = (args.data_memory_ranges, args.data_mdl, args.data);
        match (ranges.is_null(), mdl.is_null(), data.is_null()) {
            (false, true, true) => {
                self.ranges(CpuVa::new(ranges.0), args.num_data_memory_ranges).map(Source::Pages)
            }
            (true, false, true) => readable_mdl(self.platform.driver(), CpuVa::new(mdl.0)).map(Source::Pages),
            (true, true, false) if args.data_size != 0 => {
                Ok(Source::Buffer(CpuVa::new(data.0), args.data_size.into()))
            }
            _ => Err(INVALID),
        }
    }

    fn ranges(&self, at: CpuVa, count: u32) -> Result<Vec<PageRun>, CallError> {
        if count == 0 || count > MOST_RANGES {
            return Err(INVALID);
        }
        let mut list = Vec::new();
        let mut word = [0u8; 8];
        for index in 0..u64::from(count) {
            let place = at.get().checked_add(index * 8).ok_or(INVALID)?;
            self.platform.driver().read(CpuVa::new(place), &mut word).map_err(|_| INVALID)?;
            let description = u64::from_le_bytes(word);
            let (first, count) = (description / PAGE_SIZE, description % PAGE_SIZE);
            if count == 0 {
                return Err(INVALID);
            }
            runs::push(&mut list, first, count);
        }
        Ok(list)
    }

    fn metadata(&self, args: &ArgCbSaveMemoryForHotUpdate) -> Result<Vec<u8>, CallError> {
        let bytes = args.meta_data_size;
        if bytes > MOST_METADATA || (bytes != 0 && args.meta_data.is_null()) {
            return Err(INVALID);
        }
        let mut metadata = vec![0; bytes as usize];
        if bytes != 0 {
            let at = CpuVa::new(args.meta_data.0);
            self.platform.driver().read(at, &mut metadata).map_err(|_| INVALID)?;
        }
        Ok(metadata)
    }

    /// Notes pages as saved; none of them was before.
    fn claim_pages(&self, logical: u32, list: &[PageRun]) -> Result<(), CallError> {
        if total_pages(list) > self.pages.counts().total || pages(list).any(|page| !self.has_owner(page)) {
            return Err(INVALID);
        }
        let mut records = self.records.lock();
        let update = records.hot_updates.iter_mut().find(|update| update.logical == logical);
        let update = update.ok_or(NtStatus::INVALID_DEVICE_STATE)?;
        for (done, page) in pages(list).enumerate() {
            if !update.saved.insert(page) {
                pages(list).take(done).for_each(|page| _ = update.saved.remove(&page));
                return Err(INVALID);
            }
        }
        Ok(())
    }

    fn has_owner(&self, page: u64) -> bool {
        self.pages.owner(dxgk_hw::Pfn::new(page)).is_some()
    }

    fn copy_block(&self, source: &Source, metadata: Vec<u8>) -> Result<SavedBlock<P>, CallError> {
        let bytes = match source {
            Source::Pages(list) => total_pages(list).saturating_mul(PAGE_SIZE),
            Source::Buffer(_, bytes) => *bytes,
        };
        let request = PageRequest::anywhere(pages_for(bytes));
        let copy = self.pages.allocate(&request, PageOwner::Kernel).map_err(|_| NtStatus::NO_MEMORY)?;
        // From here on the block gives them back when it is dropped.
        let block = SavedBlock::new(copy.clone(), bytes, metadata, alloc::sync::Arc::clone(&self.pages));
        let memory = self.platform.memory();
        let mut page = [0u8; PAGE_SIZE as usize];
        match source {
            Source::Pages(list) => {
                for (from, to) in pages(list).zip(pages(&copy)) {
                    let [from, to] = [from, to].map(|page| dxgk_hw::Pfn::new(page).address());
                    memory.read(from, &mut page).map_err(|_| INVALID)?;
                    memory.write(to, &page).map_err(|_| INVALID)?;
                }
            }
            Source::Buffer(at, bytes) => {
                for (done, to) in (0..*bytes).step_by(PAGE_SIZE as usize).zip(pages(&copy)) {
                    let part = page.get_mut(..(bytes - done).min(PAGE_SIZE) as usize).unwrap_or_default();
                    let from = at.get().checked_add(done).ok_or(INVALID)?;
                    self.platform.driver().read(CpuVa::new(from), part).map_err(|_| INVALID)?;
                    memory.write(dxgk_hw::Pfn::new(to).address(), part).map_err(|_| INVALID)?;
                }
            }
        }
        Ok(block)
    }
}

fn pages(list: &[PageRun]) -> impl Iterator<Item = u64> {
    list.iter().flat_map(|run| run.start.get()..run.start.get().saturating_add(run.pages))
}
