//! Formats by their names on the command line.

use dxgk_iopt::{Format, VtdSecondStage};

use super::Refused;

/// Something to be done in a format that is known only by name.
pub(super) trait InFormat {
    /// What comes out.
    type Out;

    /// Does it.
    fn go<F: Format>(self, format: F) -> Self::Out;
}

/// The names, in the order in which they are offered.
const NAMES: &[&str] = &["vtd-ss4"];

/// Does `task` in the format of that name.
pub(super) fn in_format<T: InFormat>(name: &str, task: T) -> Result<T::Out, Refused> {
    match name {
        "vtd-ss4" => Ok(task.go(VtdSecondStage::LEVELS_4)),
        _ => Err(Refused(format!("--format: '{name}' is not a format; accepted: {}", NAMES.join(", ")))),
    }
}

/// A leaf's size as people write it ("2M").
pub(super) fn size_name(shift: u32) -> String {
    let units = ["", "K", "M", "G", "T", "P", "E"];
    let unit = units.get((shift / 10) as usize).copied().unwrap_or("");
    format!("{}{unit}", 1u64 << (shift % 10))
}

/// The format's leaf sizes, as log2 of bytes, ascending.
pub(super) fn leaf_shifts<F: Format>(format: F) -> Vec<u32> {
    let sizes = (1..=format.root_level()).fold(0, |sizes, level| sizes | format.leaf_sizes(level));
    (0..64).filter(|shift| sizes >> shift & 1 == 1).collect()
}
