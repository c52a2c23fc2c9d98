//! A driver hot update: what the old driver saves, and what the new one is given back.
//!
//! Pages "DxgkDdiSaveMemoryForHotUpdate" and "DxgkDdiRestoreMemoryForHotUpdate". The order: the old driver saves, in as many
//! calls as it likes; it is stopped, removed and unloaded; the new one is loaded and its device added; before the start it
//! gets every block with its metadata, and then a last call that says that this was all. Both DDIs take the context of the
//! interface that the driver gives out in DxgkDdiQueryInterface.

use alloc::vec::Vec;

use dxgk_sysmm::{Platform, SavedBlock};

use crate::life::{Halt, LogicalAdapter, Port};
use crate::miniport::{DdiError, Miniport, Restored};

/// What a driver saved. Dropped, it is given up.
#[derive(Debug)]
pub struct SavedForHotUpdate<P: Platform>(Vec<SavedBlock<P>>);

impl<P: Platform> SavedForHotUpdate<P> {
    /// How many blocks were saved.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.0.len()
    }
}

impl<M: Miniport, P: Platform> Port<'_, M, P> {
    /// Asks the lead's driver to save for its update. The adapter is then to be stopped, removed, and its driver unloaded.
    ///
    /// # Errors
    /// [`Halt::Stopped`]; [`Halt::NotStarted`] with the driver's status when it cannot be updated so, or refuses: it goes on
    /// as it is, and what it had saved is given up.
    pub fn save_for_hot_update(&self, logical: &LogicalAdapter) -> Result<SavedForHotUpdate<P>, Halt> {
        let halt = |error| match error {
            DdiError::Stopped => Halt::Stopped,
            error => Halt::NotStarted(crate::life::status_of(error)),
        };
        let lead =
            logical.adapters.first().ok_or(Halt::NotStarted(dxgk_abi::NtStatus::INVALID_DEVICE_STATE))?;
        let context = self.miniport.hot_update_context(lead.device).map_err(halt)?;
        self.sysmm.begin_hot_update(logical.id).map_err(|error| Halt::NotStarted(error.status()))?;
        let outcome = self.miniport.save_memory_for_hot_update(lead.device, context);
        let saved = SavedForHotUpdate(self.sysmm.end_hot_update(logical.id));
        outcome.map(|()| saved).map_err(halt)
    }

    /// Gives an added adapter's driver back what the driver before it saved; the start comes next. A block that the driver
    /// refuses is given up, and the others follow (our choice).
    ///
    /// # Errors
    /// [`Halt::Stopped`]; [`Halt::NotStarted`] for a driver that has no such interface.
    pub fn restore_after_hot_update(
        &self,
        logical: &LogicalAdapter,
        saved: SavedForHotUpdate<P>,
    ) -> Result<(), Halt> {
        let lead =
            logical.adapters.first().ok_or(Halt::NotStarted(dxgk_abi::NtStatus::INVALID_DEVICE_STATE))?;
        let context = match self.miniport.hot_update_context(lead.device) {
            Err(DdiError::Stopped) => return Err(Halt::Stopped),
            Err(error) => return Err(Halt::NotStarted(crate::life::status_of(error))),
            Ok(context) => context,
        };
        for block in saved.0 {
            let restored = Restored { pages: block.pages(), metadata: block.metadata() };
            match self.miniport.restore_memory_for_hot_update(lead.device, context, Some(restored)) {
                // They are the driver's now, who gives them back as the kernel's.
                Ok(()) => drop(block.into_pages()),
                Err(DdiError::Stopped) => return Err(Halt::Stopped),
                Err(_) => {}
            }
        }
        match self.miniport.restore_memory_for_hot_update(lead.device, context, None) {
            Err(DdiError::Stopped) => Err(Halt::Stopped),
            _ => Ok(()),
        }
    }
}
