//! Memory pressure: pages of sections that nothing locks lose their frames, and come back when they are touched.
//!
//! When pages go is our choice: when somebody asks ([`SysMm::trim`]), never because an allocation failed, so that what a
//! call answers depends on nothing but what was asked for before.

use alloc::sync::Arc;
use alloc::vec::Vec;

use dxgk_abi::NtStatus;
use dxgk_hw::{CpuVa, total_pages};

use crate::SysMm;
use crate::objects::{Entry, Memory, Records, ViewOf};
use crate::platform::Platform;
use crate::section::{BATCH, Paging, Section};

/// The base of a view, and the section that it shows.
type Found<P> = (CpuVa, Arc<Section<P>>);

fn section_at<P: Platform>(records: &Records<P>, touched: CpuVa) -> Option<Found<P>> {
    let (base, view) = records.views.range(..=touched.get()).next_back()?;
    match &view.of {
        ViewOf::Section(section) => Some((CpuVa::new(*base), Arc::clone(section))),
        ViewOf::Ram | ViewOf::Device => None,
    }
}

impl<P: Platform> SysMm<P> {
    /// Takes the frames of up to `pages` pages of sections that are not locked by an ADL or a pin, whoever has views of
    /// them; their contents go to the platform's page store. Returns how many frames are free by it: fewer than asked
    /// for when there are no more such pages, or the store is full or there is none.
    pub fn trim(&self, pages: u64) -> u64 {
        let sections: Vec<(u64, Arc<Section<P>>)> = {
            let records = self.records.lock();
            let entries = records.handles.iter().filter_map(|(_, entry)| match entry {
                Entry::Physical(object) => match &object.memory {
                    Memory::Section(section) => Some((object.object, Arc::clone(section))),
                    Memory::Ram(_) | Memory::Device(_) => None,
                },
                _ => None,
            });
            entries.collect()
        };
        let mut freed = 0;
        for (object, section) in sections {
            while freed < pages {
                let frames = section.trim(&self.paging(), (pages - freed).min(BATCH));
                if frames.is_empty() {
                    break;
                }
                freed += total_pages(&frames);
                self.note_frames_taken(object, &frames);
            }
        }
        freed
    }

    /// The processor touched a page that was taken from under a view: it gets a frame with the contents that it had.
    ///
    /// # Errors
    /// STATUS_ACCESS_VIOLATION when the address lies in no view of a section; STATUS_NO_MEMORY without a free frame;
    /// STATUS_IN_PAGE_ERROR when the page store lost the contents; STATUS_INSUFFICIENT_RESOURCES when the frame cannot
    /// be put into the view.
    pub fn page_in(&self, touched: CpuVa) -> Result<(), NtStatus> {
        self.page_in_found(touched, section_at(&self.records.lock(), touched))
    }

    /// As [`page_in`](Self::page_in), for somebody who may hold locks of the memory manager: who looks at the driver's
    /// memory on its behalf in the midst of something.
    ///
    /// # Errors
    /// As [`page_in`](Self::page_in); STATUS_ACCESS_VIOLATION when it would have to wait.
    pub fn page_in_at_once(&self, touched: CpuVa) -> Result<(), NtStatus> {
        let records = self.records.try_lock().ok_or(NtStatus::ACCESS_VIOLATION)?;
        let found = section_at(&records, touched);
        drop(records);
        self.page_in_found(touched, found)
    }

    fn page_in_found(&self, touched: CpuVa, found: Option<Found<P>>) -> Result<(), NtStatus> {
        let (base, section) = found.ok_or(NtStatus::ACCESS_VIOLATION)?;
        section.page_in(&self.paging(), base, touched.get())
    }

    pub(crate) fn paging(&self) -> Paging<'_, P> {
        Paging { platform: &self.platform, pages: &self.pages }
    }
}
