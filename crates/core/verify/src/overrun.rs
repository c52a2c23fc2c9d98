//! DMA-006 for transfers that no unit refused: they began in one object's mapping and ended in another's.
//!
//! The pages of one transfer may be held by several mappings each (in isolation several objects can map a page), so the
//! question is whether there is one object whose mappings hold them all. An object is what the driver made: ADLs of the same
//! physical memory object are one.

use alloc::collections::BTreeSet;

use dxgk_event::DmaTransfer;
use dxgk_hw::{LogicalAddr, LogicalPage};

use crate::Verifier;
use crate::mappings::KnownMapping;

/// Mappings of one page that are looked at.
const MAPPINGS: usize = 16;
/// Pages of one transfer that are looked at one by one.
const PAGES: u64 = 256;

/// Where a transfer left one mapping for another.
pub(crate) struct Crossing<'a> {
    pub(crate) at: LogicalAddr,
    pub(crate) left: &'a KnownMapping,
    pub(crate) entered: &'a KnownMapping,
}

impl Verifier {
    /// Where a transfer that went through as a whole ran from one object's mapping into another's.
    pub(crate) fn crossing(&self, transfer: &DmaTransfer, logical_adapter: u32) -> Option<Crossing<'_>> {
        let last = transfer.address.checked_add(transfer.done.min(transfer.bytes).checked_sub(1)?)?;
        let (first, last) =
            (LogicalAddr::new(transfer.address).page().get(), LogicalAddr::new(last).page().get());
        if first == last {
            return None;
        }
        let holding = |page| self.mappings.all_holding(logical_adapter, page, MAPPINGS);
        if holding(first).any(|mapping| mapping.covers(first, last)) {
            return None;
        }
        let mut owners: BTreeSet<u64> = self.owners(holding(first));
        for page in (first + 1..=last).take(PAGES as usize) {
            let here = self.owners(holding(page));
            if here.is_empty() {
                return None;
            }
            owners = owners.intersection(&here).copied().collect();
            if owners.is_empty() {
                let left = self.mappings.holding(logical_adapter, page - 1)?;
                let entered = self.mappings.holding(logical_adapter, page)?;
                return Some(Crossing { at: LogicalPage::new(page).address(), left, entered });
            }
        }
        None
    }

    fn owners<'m>(&self, mappings: impl Iterator<Item = &'m KnownMapping>) -> BTreeSet<u64> {
        mappings.map(|mapping| self.objects.root(mapping.object)).collect()
    }
}
