//! Which fences a driver's adapter has come to.
//!
//! Pages "DxgkCbNotifyInterrupt" and "DxgkCbNotifyDpc": the interrupt tells what happened, and the port's scheduler acts on
//! it in the call that the driver's DPC makes. Until then nothing is done.

use alloc::collections::BTreeMap;

use dxgk_abi::interrupt::{ArgCbNotifyInterruptData, InterruptType};

use super::ddi::FenceOutcome;

#[derive(Clone, Copy, Default)]
struct Node {
    /// The last fence of DMA_COMPLETED.
    notified: Option<u32>,
    /// The last fence of DMA_FAULTED.
    faulted: Option<u32>,
    /// What of both the DPC has confirmed.
    done: Option<u32>,
    failed: Option<u32>,
}

/// The fences of one adapter, node by node.
#[derive(Clone, Default)]
pub struct Fences(BTreeMap<u32, Node>);

impl Fences {
    /// DxgkCbNotifyInterrupt. Other types than DMA_COMPLETED and DMA_FAULTED change nothing here.
    pub fn note_interrupt(&mut self, data: &ArgCbNotifyInterruptData) {
        match data.interrupt_type {
            InterruptType::DMA_COMPLETED => {
                let completed = data.dma_completed();
                self.node(completed.node_ordinal).notified = Some(completed.submission_fence_id);
            }
            InterruptType::DMA_FAULTED => {
                let faulted = data.dma_faulted();
                self.node(faulted.node_ordinal).faulted = Some(faulted.faulted_fence_id);
            }
            _ => {}
        }
    }

    /// DxgkCbNotifyDpc.
    pub fn note_dpc(&mut self) {
        for node in self.0.values_mut() {
            (node.done, node.failed) = (node.notified, node.faulted);
        }
    }

    /// How `fence` ended on `node`; `None` while it has not. Fences wrap around: a fence is done when one at most half the
    /// range later is.
    #[must_use]
    pub fn outcome(&self, node: u32, fence: u32) -> Option<FenceOutcome> {
        let node = self.0.get(&node)?;
        if node.failed == Some(fence) {
            return Some(FenceOutcome::Faulted);
        }
        let done = node.done?;
        (done.wrapping_sub(fence) < 1 << 31).then_some(FenceOutcome::Completed)
    }

    /// A driver can name any node; no adapter has as many as are kept here.
    fn node(&mut self, ordinal: u32) -> &mut Node {
        const MOST_NODES: usize = 64;
        let ordinal =
            if self.0.len() < MOST_NODES || self.0.contains_key(&ordinal) { ordinal } else { u32::MAX };
        self.0.entry(ordinal).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dxgk_abi::interrupt::ArgCbNotifyInterruptData;

    fn completed(fence: u32, node: u32) -> ArgCbNotifyInterruptData {
        let mut data =
            ArgCbNotifyInterruptData { interrupt_type: InterruptType::DMA_COMPLETED, ..Default::default() };
        data.per_type[..4].copy_from_slice(&fence.to_le_bytes());
        data.per_type[4..8].copy_from_slice(&node.to_le_bytes());
        data
    }

    #[test]
    fn a_fence_is_done_only_after_the_dpc() {
        let mut fences = Fences::default();
        fences.note_interrupt(&completed(7, 0));
        assert_eq!(fences.outcome(0, 7), None);
        fences.note_dpc();
        assert_eq!(fences.outcome(0, 7), Some(FenceOutcome::Completed));
        assert_eq!(fences.outcome(0, 6), Some(FenceOutcome::Completed), "an earlier one is done too");
        assert_eq!(fences.outcome(0, 8), None);
        assert_eq!(fences.outcome(1, 7), None, "nodes have fences of their own");
    }

    #[test]
    fn fences_wrap_around() {
        let mut fences = Fences::default();
        fences.note_interrupt(&completed(1, 3));
        fences.note_dpc();
        assert_eq!(fences.outcome(3, u32::MAX), Some(FenceOutcome::Completed));
    }

    #[test]
    fn a_fault_is_no_completion() {
        let mut fences = Fences::default();
        let mut data = completed(5, 0);
        data.interrupt_type = InterruptType::DMA_FAULTED;
        fences.note_interrupt(&data);
        fences.note_dpc();
        assert_eq!(fences.outcome(0, 5), Some(FenceOutcome::Faulted));
    }

    #[test]
    fn a_driver_that_names_ever_new_nodes_fills_nothing() {
        let mut fences = Fences::default();
        for node in 0..1000 {
            fences.note_interrupt(&completed(1, node));
        }
        assert!(fences.0.len() <= 65);
    }
}
