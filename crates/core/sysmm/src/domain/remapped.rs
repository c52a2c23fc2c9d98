//! Remapping: each mapping has logical addresses of its own.

use alloc::sync::Arc;
use alloc::vec::Vec;

use dxgk_abi::NtStatus;
use dxgk_hw::{Access, DomainId, DomainOps, PageRun, UnitError, total_pages};
use lock_api::Mutex;

use super::{Cleared, MapFailure, map_status, sync_cleared};
use crate::logical::{LogicalRun, LogicalSpace};
use crate::low_resources::{Allocation, LowResources};
use crate::platform::Platform;
use crate::runs;

/// A remapping domain.
pub(crate) struct RemappedDomain<P: Platform> {
    ops: Arc<dyn DomainOps>,
    space: Mutex<P::RawMutex, LogicalSpace>,
    low: Arc<LowResources>,
}

impl<P: Platform> RemappedDomain<P> {
    pub(crate) fn new(ops: Arc<dyn DomainOps>, space: LogicalSpace, low: Arc<LowResources>) -> Self {
        Self { ops, space: Mutex::new(space), low }
    }

    pub(crate) fn id(&self) -> DomainId {
        self.ops.id()
    }

    pub(crate) fn used(&self) -> u64 {
        self.space.lock().used()
    }

    /// Maps the list at fresh addresses, all or nothing. The lock is held for the choice of addresses only.
    pub(crate) fn map(
        &self,
        list: &[PageRun],
        access: Access,
        contiguous: bool,
    ) -> Result<Vec<LogicalRun>, MapFailure> {
        let pages = total_pages(list);
        let refused = self.low.refuses(Allocation::LogicalRange);
        let room = if refused { None } else { self.space.lock().allocate(pages, contiguous) };
        let pieces = room.ok_or(MapFailure { status: NtStatus::INSUFFICIENT_RESOURCES, reachable: false })?;
        let mut skip = 0;
        for (index, piece) in pieces.iter().enumerate() {
            let mapped = if piece.pages == pages {
                self.ops.map(piece.start, list, access)
            } else {
                self.ops.map(piece.start, &runs::slice(list, skip, piece.pages), access)
            };
            if let Err(error) = mapped {
                let (before, rest) = pieces.split_at(index);
                let cleared = self.clear(before);
                let reachable = self.sync(&cleared).is_err() || cleared.failed;
                if !reachable {
                    self.release(before);
                }
                self.release(rest);
                return Err(MapFailure { status: map_status(error), reachable });
            }
            skip += piece.pages;
        }
        Ok(pieces)
    }

    pub(crate) fn clear(&self, pieces: &[LogicalRun]) -> Cleared {
        let mut cleared = Cleared::default();
        for piece in pieces {
            cleared.failed |= self.ops.unmap(piece.start, piece.pages).is_err();
            cleared.push(piece.start.get(), piece.pages);
        }
        cleared
    }

    pub(crate) fn sync(&self, cleared: &Cleared) -> Result<(), UnitError> {
        sync_cleared(&*self.ops, cleared)
    }

    pub(crate) fn release(&self, pieces: &[LogicalRun]) {
        let mut space = self.space.lock();
        pieces.iter().for_each(|piece| space.free(*piece));
    }
}
