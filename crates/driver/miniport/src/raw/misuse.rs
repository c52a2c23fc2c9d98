//! What only [`crate::misuse`] needs: levels, and reads where nothing of this driver is any more.

use dxgk_abi::Irql;

use super::import;
use super::mmio::Width;

/// `KfRaiseIrql`; the level before.
pub(crate) fn raise(level: Irql) -> Irql {
    // SAFETY: takes and returns a number. A level below the present one stops the machine, which is no affair of
    // memory.
    Irql(unsafe { import::KfRaiseIrql(level.0) })
}

/// `KeLowerIrql`.
pub(crate) fn lower(level: Irql) {
    // SAFETY: takes a number: the level that `raise` returned.
    unsafe { import::KeLowerIrql(level.0) };
}

/// Reads the word at an address, whatever is there, as one plain move.
pub(crate) fn peek(address: u64) -> u32 {
    let place = core::ptr::with_exposed_provenance::<u32>(address as usize / 4 * 4);
    // SAFETY: not mapped is what a caller is after: then the processor faults and the machine stops at this move, as
    // it would in a C driver. Where something is mapped the move reads it and nothing else; it is no access that the
    // compiler knows of, and it writes nothing.
    unsafe { u32::load(place) }
}
