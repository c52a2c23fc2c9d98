//! Ranges of physical memory that the hardware of an adapter uses for itself: not the memory manager's, and reachable
//! for the device 1:1 where it is isolated.
//!
//! Topic "IOMMU-based GPU isolation", reserved memory: they are in the domain by the time of the attach, and a range that
//! meets memory of the memory manager is detected, so that a wrong report does not widen what the device reaches.

use alloc::sync::Arc;
use alloc::vec::Vec;

use dxgk_event::{ListRef, ObjectKind};
use dxgk_hw::{PAGE_SIZE, PageRun, PhysAddr};

use crate::SysMm;
use crate::adapters::LogicalAdapterId;
use crate::domain::retire::{Frames, Retired};
use crate::domain::{Domain, Placement, READ_WRITE};
use crate::error::CallError;
use crate::platform::Platform;
use crate::record::ObjectNote;

/// A range that was taken in.
pub(crate) struct Reserved<P: Platform> {
    pub(crate) object: u64,
    pub(crate) logical: u32,
    pub(crate) runs: Arc<[PageRun]>,
    pub(crate) list: ListRef,
    pub(crate) placement: Placement<P>,
}

impl<P: Platform> Reserved<P> {
    fn note(&self) -> ObjectNote {
        let run = self.runs.first();
        let base = run.map_or(0, |run| run.start.address().get());
        let bytes = run.map_or(0, |run| run.pages.saturating_mul(PAGE_SIZE));
        ObjectNote {
            pages: self.list,
            ..ObjectNote::new(self.object, ObjectKind::ReservedRange, base, bytes)
        }
    }
}

/// Why a range was not taken in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RangeRefused {
    /// Empty, beyond the address space, or not of whole pages (our choice: the rest of a page would be reachable, too).
    Malformed,
    /// This page of it is the memory manager's.
    InUse(PhysAddr),
    /// It could not be mapped for the device.
    NotMapped(CallError),
}

fn whole_pages(base: u64, bytes: u64) -> Option<PageRun> {
    let sane = bytes != 0
        && base.is_multiple_of(PAGE_SIZE)
        && bytes.is_multiple_of(PAGE_SIZE)
        && base.checked_add(bytes).is_some();
    sane.then(|| PageRun::new(PhysAddr::new(base).page(), bytes / PAGE_SIZE))
}

impl<P: Platform> SysMm<P> {
    /// Lets the devices of a logical adapter reach a range that is theirs: now, when they are isolated, or when they will
    /// be. In remapping mode nothing is mapped (our choice: the topic has it for isolation, and logical addresses are ours
    /// to give). The range stays until the logical adapter is removed; reporting it again changes nothing.
    ///
    /// # Errors
    /// [`RangeRefused`]; nothing was changed.
    pub fn reserve_range(
        &self,
        logical: LogicalAdapterId,
        base: u64,
        bytes: u64,
    ) -> Result<(), RangeRefused> {
        let run = whole_pages(base, bytes).ok_or(RangeRefused::Malformed)?;
        if let Some(page) = self.pages.first_managed(run) {
            return Err(RangeRefused::InUse(page.address()));
        }
        let mut records = self.records.lock();
        let known = |it: &Reserved<P>| it.logical == logical.0 && it.runs.first() == Some(&run);
        if records.reserved.iter().any(known) {
            return Ok(());
        }
        let domain = records.domain(logical.0);
        let runs: Arc<[PageRun]> = Arc::from(Vec::from([run]));
        let placement = match &domain {
            Domain::Isolation(_) => domain
                .map(&runs, READ_WRITE, false)
                .map_err(|failure| RangeRefused::NotMapped(failure.into()))?,
            _ => Placement::Physical,
        };
        let list = self.note_list(&runs);
        let reserved = Reserved { object: self.object_number(), logical: logical.0, runs, list, placement };
        self.note_created(&reserved.note());
        if !domain.is_remapping() {
            self.note_mapped(
                reserved.object,
                logical.0,
                &reserved.placement,
                READ_WRITE,
                &reserved.runs,
                list,
            );
        }
        records.reserved.push(reserved);
        Ok(())
    }

    /// Takes the ranges of a logical adapter out of its domain.
    pub(crate) fn release_ranges(&self, logical: u32) {
        let mut records = self.records.lock();
        let gone: Vec<Reserved<P>> = records.reserved.extract_if(.., |it| it.logical == logical).collect();
        drop(records);
        for range in gone {
            let note = range.note();
            self.retire(Retired {
                object: range.object,
                logical_adapter: logical,
                placement: range.placement,
                frames: Frames::Borrowed,
            });
            self.note_released(&note);
        }
    }
}
