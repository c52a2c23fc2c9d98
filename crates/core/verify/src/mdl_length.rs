//! The rule about how long an MDL can be: MDL-005.

use alloc::format;
use alloc::vec::Vec;
use core::mem::offset_of;

use dxgk_abi::DxgkrnlInterface;
use dxgk_abi::NtStatus;
use dxgk_abi::callback::PhysicalMemoryType;
use dxgk_abi::mdl::PAGE_SIZE;

use crate::Verifier;
use crate::calls::Call;
use crate::finding::{Finding, Severity};
use crate::rules::MDL_005;

/// "The maximum amount of memory that can be allocated with one call": 4 GiB less a page.
const MOST_BYTES: u64 = (1 << 32) - PAGE_SIZE;

impl Verifier {
    /// Whether the call asks for more pages than an MDL can name, refused or not. One that was refused for its mode has
    /// not come to that.
    pub(crate) fn judge_length(&mut self, call: &Call<'_>) -> bool {
        if call.callback.unimplemented != 0 || call.status() == NtStatus::NOT_SUPPORTED {
            return false;
        }
        let word = |index: usize| call.words.get(index).copied().unwrap_or_default();
        let pages = call.slot() == offset_of!(DxgkrnlInterface, allocate_pages_for_mdl);
        let object = call.slot() == offset_of!(DxgkrnlInterface, create_physical_memory_object)
            && word(2) == u64::from(PhysicalMemoryType::MDL.0);
        let (bytes, severity) = match (pages, object) {
            (true, _) => (word(3), Severity::Error),
            (_, true) => (word(1), Severity::Warning),
            _ => return false,
        };
        if bytes <= MOST_BYTES {
            return false;
        }
        self.found_in_call(&MDL_005, call, |this, moment| {
            let name = call.name();
            let message =
                format!("{name} was asked for {bytes:#x} bytes; an MDL names at most {MOST_BYTES:#x}");
            let history = Vec::from([this.modules.history(format!("{name} called"), &moment)]);
            Finding { history, ..this.told(&MDL_005, severity, &moment, message, MDL_005.mend) }
        });
        true
    }
}
