//! Answers of `DxgkDdiQueryAdapterInfo` that lie where the port driver says.

use dxgk_abi::query::PhysicalMemoryRange;
use dxgk_abi::word::Pointer;

/// Writes ranges into the port driver's array, which has room for `room` of them; none when there is no array yet.
pub(crate) fn fill_ranges(array: Pointer, room: u32, ranges: &[PhysicalMemoryRange]) {
    let array = core::ptr::with_exposed_provenance_mut::<PhysicalMemoryRange>(array.0 as usize);
    if array.is_null() {
        return;
    }
    for (index, range) in ranges.iter().take(room as usize).enumerate() {
        // SAFETY: in the second call the array has `NumRanges` entries ("DXGK_HARDWARERESERVEDRANGES"), and `index` is
        // below that.
        unsafe { array.wrapping_add(index).write_unaligned(*range) };
    }
}
