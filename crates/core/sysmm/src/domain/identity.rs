//! Isolation: logical addresses equal physical ones, and only pages that are mapped can be reached.
//!
//! A page may be mapped by several objects at once, so mappings are counted: 16 bits a page, in chunks of 512 pages
//! that exist where pages are mapped. A page's count and its entry change together under the lock, and the lock is
//! taken for one chunk at a time, which is also one leaf table of most formats.
//!
//! Only single-page entries are made (our choice): one object's unmap may leave a page of a range mapped for another
//! object, and a large entry would then have to be split under the device's eyes.
//!
//! What a device may do with a page is the page's affair (`PageOwner`), not the mapping's, so all mappings of a page
//! ask for the same access and an entry never has to change its own under the device's eyes.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use dxgk_abi::NtStatus;
use dxgk_hw::{Access, DomainId, DomainOps, LogicalPage, PageRun, Pfn, UnitError};
use lock_api::Mutex;

use super::{Cleared, MapFailure, map_status, sync_cleared};
use crate::platform::Platform;
use crate::runs;

const CHUNK: u64 = 512;

type Counts = Box<[u16; CHUNK as usize]>;

/// An isolation domain.
pub(crate) struct IdentityDomain<P: Platform> {
    ops: Arc<dyn DomainOps>,
    chunks: Mutex<P::RawMutex, BTreeMap<u64, Counts>>,
}

impl<P: Platform> IdentityDomain<P> {
    pub(crate) fn new(ops: Arc<dyn DomainOps>) -> Self {
        Self { ops, chunks: Mutex::new(BTreeMap::new()) }
    }

    pub(crate) fn id(&self) -> DomainId {
        self.ops.id()
    }

    pub(crate) fn mapped_pages(&self) -> u64 {
        let chunks = self.chunks.lock();
        chunks.values().map(|counts| counts.iter().filter(|count| **count != 0).count() as u64).sum()
    }

    /// Counts one more mapping of every page of the list, all or nothing.
    pub(crate) fn map(&self, list: &[PageRun], access: Access) -> Result<(), MapFailure> {
        let mut done = 0;
        for (at, pages) in segments(list) {
            let mut undone = Cleared::default();
            match self.map_segment(at, pages, access, &mut undone) {
                Ok(()) => done += pages,
                Err(status) => {
                    let before = self.clear(&runs::slice(list, 0, done));
                    undone.runs.extend(before.runs);
                    undone.failed |= before.failed;
                    let reachable = sync_cleared(&*self.ops, &undone).is_err() || undone.failed;
                    return Err(MapFailure { status, reachable });
                }
            }
        }
        Ok(())
    }

    fn map_segment(&self, at: u64, pages: u64, access: Access, undone: &mut Cleared) -> Result<(), NtStatus> {
        let mut chunks = self.chunks.lock();
        let counts = chunks.entry(at / CHUNK).or_insert_with(|| Box::new([0; CHUNK as usize]));
        let skip = (at % CHUNK) as usize;
        let part = counts.get_mut(skip..skip + pages as usize).ok_or(NtStatus::INVALID_PARAMETER)?;
        if part.contains(&u16::MAX) {
            return Err(NtStatus::INSUFFICIENT_RESOURCES);
        }
        let fresh = stretches(part, at, |count| *count == 0);
        for (index, (start, count)) in fresh.iter().enumerate() {
            let frames = [PageRun::new(Pfn::new(*start), *count)];
            let Err(error) = self.ops.map_singly(LogicalPage::new(*start), &frames, access) else { continue };
            for (start, count) in fresh.iter().take(index) {
                undone.failed |= self.ops.unmap(LogicalPage::new(*start), *count).is_err();
                undone.push(*start, *count);
            }
            return Err(map_status(error));
        }
        part.iter_mut().for_each(|count| *count += 1);
        Ok(())
    }

    /// Counts one mapping less of every page of the list, and clears the entries of those that have none left.
    pub(crate) fn clear(&self, list: &[PageRun]) -> Cleared {
        let mut cleared = Cleared::default();
        for (at, pages) in segments(list) {
            let mut chunks = self.chunks.lock();
            let skip = (at % CHUNK) as usize;
            let part =
                chunks.get_mut(&(at / CHUNK)).and_then(|counts| counts.get_mut(skip..skip + pages as usize));
            let Some(part) = part else {
                cleared.failed = true;
                continue;
            };
            let last = stretches(part, at, |count| *count == 1);
            part.iter_mut().for_each(|count| *count = count.saturating_sub(1));
            for (start, count) in last {
                cleared.failed |= self.ops.unmap(LogicalPage::new(start), count).is_err();
                cleared.push(start, count);
            }
            if chunks.get(&(at / CHUNK)).is_some_and(|counts| counts.iter().all(|count| *count == 0)) {
                chunks.remove(&(at / CHUNK));
            }
        }
        cleared
    }

    pub(crate) fn sync(&self, cleared: &Cleared) -> Result<(), UnitError> {
        sync_cleared(&*self.ops, cleared)
    }
}

/// The list, cut where chunks begin.
fn segments(list: &[PageRun]) -> impl Iterator<Item = (u64, u64)> {
    list.iter().flat_map(|run| {
        let (mut at, end) = (run.start.get(), run.start.get().saturating_add(run.pages));
        core::iter::from_fn(move || {
            let stop = end.min((at / CHUNK + 1) * CHUNK);
            let segment = (at < stop).then_some((at, stop - at));
            at = stop;
            segment
        })
    })
}

/// The stretches of a chunk's part (which begins at page `base`) whose counts satisfy the condition.
fn stretches(part: &[u16], base: u64, wanted: impl Fn(&u16) -> bool) -> Vec<(u64, u64)> {
    let mut out: Vec<(u64, u64)> = Vec::new();
    for (page, _) in (base..).zip(part).filter(|(_, count)| wanted(count)) {
        match out.last_mut() {
            Some((start, count)) if *start + *count == page => *count += 1,
            _ => out.push((page, 1)),
        }
    }
    out
}
