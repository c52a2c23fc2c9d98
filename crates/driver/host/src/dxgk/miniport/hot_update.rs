//! The DDIs of a hot update, marshalled.
//!
//! No public header has DXGKDDI_DRIVERHOTUPDATE_INTERFACE, its GUID or its members; only that the DDIs take its context is
//! documented. Here it is the common head of every interface, under a GUID of our own (our choice).

use dxgk_abi::life::{
    ArgRestoreMemoryForHotUpdate, ArgSaveMemoryForHotUpdate, QueryInterface, RestoreMemoryFlags,
};
use dxgk_abi::{Guid, NtStatus, Pointer};
use dxgk_port::{DdiError, DdiResult, DeviceContext, Restored};

use super::super::ddi::{both, full_only};
use super::{DISPLAY_ADAPTER_HW_ID, LoadedMiniport, OUT_OF_ROOM};
use crate::guarded;

/// GUID_DEVINTERFACE_... has none for it: {6478676b-6875-4d49-8f0c-9d5a2c1e7b34}, ours.
const HOT_UPDATE_INTERFACE: [u8; 16] = *b"\x6b\x67\x78\x64\x75\x68\x49\x4d\x8f\x0c\x9d\x5a\x2c\x1e\x7b\x34";
/// INTERFACE (wdm.h): size, version, context, reference, dereference.
const INTERFACE_BYTES: u16 = 32;
const CONTEXT_OFFSET: u64 = 8;

impl LoadedMiniport {
    pub(super) fn query_hot_update(&self, device: DeviceContext) -> DdiResult<u64> {
        const _: () = assert!(size_of::<Guid>() == HOT_UPDATE_INTERFACE.len());
        self.with_scratch(|scratch| {
            let guid = scratch.put(&HOT_UPDATE_INTERFACE).ok_or(OUT_OF_ROOM)?;
            let interface = scratch.take(INTERFACE_BYTES.into()).ok_or(OUT_OF_ROOM)?;
            let question = QueryInterface {
                interface_type: Pointer(guid),
                size: INTERFACE_BYTES,
                version: 1,
                interface: Pointer(interface),
                device_uid: DISPLAY_ADAPTER_HW_ID as u32,
                ..QueryInterface::default()
            };
            let question = scratch.put(&question).ok_or(OUT_OF_ROOM)?;
            self.call(both!(query_interface), device, 0, &[device.0, question])?;
            guarded::read_struct::<u64>(interface + CONTEXT_OFFSET).map_err(|_| OUT_OF_ROOM)
        })
    }

    pub(super) fn save_for_hot_update(&self, device: DeviceContext, context: u64) -> DdiResult<()> {
        self.with_scratch(|scratch| {
            let argument = scratch.put(&ArgSaveMemoryForHotUpdate(0)).ok_or(OUT_OF_ROOM)?;
            self.call(full_only!(save_memory_for_hot_update), device, 0, &[context, argument])
        })
    }

    pub(super) fn restore_after_hot_update(
        &self,
        device: DeviceContext,
        context: u64,
        block: Option<Restored<'_>>,
    ) -> DdiResult<()> {
        let mdl = match block {
            None => 0,
            Some(block) => self.kernel.adopt_pages(block.pages).map_err(|_| OUT_OF_ROOM)?,
        };
        let metadata = block.map_or(&[][..], |block| block.metadata);
        let outcome = self.with_scratch(|scratch| {
            let mut argument = ArgRestoreMemoryForHotUpdate::default();
            if block.is_none() {
                argument.flags = RestoreMemoryFlags::RESTORE_COMPLETE;
            }
            argument.data_mdl = Pointer(mdl);
            if !metadata.is_empty() {
                let at = scratch.take(metadata.len()).ok_or(OUT_OF_ROOM)?;
                guarded::write(at, metadata).map_err(|_| OUT_OF_ROOM)?;
                argument.meta_data = Pointer(at);
                argument.meta_data_size = metadata.len() as u32;
            }
            let argument = scratch.put(&argument).ok_or(OUT_OF_ROOM)?;
            self.call(full_only!(restore_memory_for_hot_update), device, mdl, &[context, argument])
        });
        if matches!(outcome, Err(DdiError::Failed(_) | DdiError::Absent)) && mdl != 0 {
            // The pages are still the port's; the MDL goes.
            self.kernel.disown_pages(mdl);
        }
        outcome.map_err(|error| {
            if error == OUT_OF_ROOM { DdiError::Failed(NtStatus::INSUFFICIENT_RESOURCES) } else { error }
        })
    }
}
