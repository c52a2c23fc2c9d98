//! DXGKRNL_INTERFACE in driver memory, of the version that was negotiated.
//!
//! Size and Version are those of the smaller of what is offered and what the driver was compiled for; every slot holds an
//! entry point. The table ends at the end of a page, and the page behind it cannot be read: the first touch beyond Size is
//! recorded (rule IFC-001), then the page opens, because drivers copy the table with their own compiled size.

use std::rc::Rc;
use std::sync::Arc;

use dxgk_abi::table::Table;
use dxgk_abi::version::interface_size;
use dxgk_abi::{DxgkrnlInterface, Handle, InterfaceVersion};
use dxgk_event::{Event, EventSink, Misuse, MisuseKind};
use dxgk_hw::{NoRoom, PAGE_SIZE};
use zerocopy::IntoBytes;

use super::callbacks::{implemented, unsupported};
use crate::guarded;
use crate::kernel::Kernel;
use crate::sink::HostSink;
use crate::stop::Access;
use crate::trap::{GuardAction, GuardTarget, add_guard};

/// A DXGKRNL_INTERFACE that a driver was given.
pub(crate) struct OfferedInterface {
    /// Address of the table.
    pub(crate) address: u64,
}

/// The version that a driver is offered: the smaller of `offered` and of its own.
pub(crate) fn negotiate(offered: InterfaceVersion, drivers: u32) -> InterfaceVersion {
    InterfaceVersion(offered.0.min(drivers.max(InterfaceVersion::VISTA.0)))
}

impl OfferedInterface {
    /// Lays the table out for one adapter.
    pub(crate) fn lay_out(
        kernel: &Kernel,
        sink: &Arc<HostSink>,
        version: InterfaceVersion,
        device: Handle,
    ) -> Result<Self, NoRoom> {
        let whole = filled(version, device);
        // A version between two known ones has the size of the older.
        let size = interface_size(version).unwrap_or(size_of::<DxgkrnlInterface>());
        let base = kernel.space().map_host(2 * PAGE_SIZE)?.get();
        let boundary = base + PAGE_SIZE;
        let address = boundary - size as u64;
        // The bytes beyond Size are there once the page has opened, so that a copy that is too long copies entry points.
        guarded::write(address, whole.as_bytes()).map_err(|_| NoRoom)?;
        close_page(boundary)?;
        let guard = Guard { sink: Arc::clone(sink), table: address };
        add_guard(boundary, PAGE_SIZE, Rc::new(guard)).map_err(|_| NoRoom)?;
        Ok(Self { address })
    }
}

/// Makes the page behind the table unreadable; the guard opens it again.
#[expect(unsafe_code, reason = "changes the protection of a page")]
fn close_page(address: u64) -> Result<(), NoRoom> {
    // SAFETY: the page was mapped for this table a moment ago, and nothing of ours refers into it.
    let closed = unsafe { libc::mprotect(address as *mut libc::c_void, PAGE_SIZE as usize, libc::PROT_NONE) };
    if closed == 0 { Ok(()) } else { Err(NoRoom) }
}

struct Guard {
    sink: Arc<HostSink>,
    table: u64,
}

impl GuardTarget for Guard {
    fn touched(&self, address: u64, access: Access) -> GuardAction {
        self.sink.emit(&Event::Misuse(Misuse {
            va: address,
            object: 0,
            offset: address.wrapping_sub(self.table),
            kind: MisuseKind::InterfaceOverRead,
            write: (access == Access::Write).into(),
            reserved: [0; 6],
        }));
        GuardAction::MakeAccessible
    }
}

fn filled(version: InterfaceVersion, device: Handle) -> DxgkrnlInterface {
    let mut table = DxgkrnlInterface::default();
    for (offset, address) in unsupported_slots().into_iter().chain(implemented()) {
        let set = table.set_slot(offset, address);
        debug_assert!(set, "{offset:#x} is no slot");
    }
    table.size = interface_size(version).unwrap_or(size_of::<DxgkrnlInterface>()) as u32;
    table.version = version;
    table.device_handle = device;
    table
}

/// An entry point for each slot, which knows its own offset.
fn unsupported_slots() -> Vec<(usize, u64)> {
    macro_rules! slots {
        ($($offset:literal)*) => { vec![$(($offset, unsupported::<$offset> as *const () as u64)),*] };
    }
    slots! {
        0x010 0x018 0x020 0x028 0x030 0x038 0x040 0x048 0x050 0x058 0x060 0x068 0x070 0x078 0x080 0x088 0x090 0x098
        0x0a0 0x0a8 0x0b0 0x0b8 0x0c0 0x0c8 0x0d0 0x0d8 0x0e0 0x0e8 0x0f0 0x0f8 0x100 0x108 0x110 0x118 0x120 0x128
        0x130 0x138 0x140 0x148 0x150 0x158 0x160 0x168 0x170 0x178 0x180 0x188 0x190 0x198 0x1a0 0x1a8 0x1b0 0x1b8
        0x1c0 0x1c8 0x1d0 0x1d8 0x1e0 0x1e8 0x1f0 0x1f8 0x200 0x208 0x210 0x218 0x220 0x228 0x230 0x238
    }
}

#[cfg(test)]
mod tests {
    use super::{filled, negotiate};
    use dxgk_abi::table::Table;
    use dxgk_abi::{DxgkrnlInterface, Handle, InterfaceVersion};

    #[test]
    fn every_slot_of_the_table_has_an_entry_point() {
        let table = filled(InterfaceVersion::WDDM3_1, Handle(1));
        for slot in DxgkrnlInterface::SLOTS {
            assert!(table.slot(slot.offset).is_some_and(|address| address != 0), "{} is empty", slot.name);
        }
    }

    #[test]
    fn the_smaller_version_is_offered() {
        assert_eq!(negotiate(InterfaceVersion::WDDM3_1, 0x300e), InterfaceVersion::WIN8);
        assert_eq!(negotiate(InterfaceVersion::WDDM2_4, 0x1_0004), InterfaceVersion::WDDM2_4);
    }
}
