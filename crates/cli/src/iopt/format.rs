//! Formats by their names on the command line.

use dxgk_iopt::{AmdV1, Format, Granule, SmmuStage1, SmmuStage2, VtdFirstStage, VtdSecondStage};

use super::Refused;

/// Something to be done in a format that is known only by name.
pub(super) trait InFormat {
    /// What comes out.
    type Out;

    /// Does it.
    fn go<F: Format>(self, format: F) -> Self::Out;
}

/// Names with their formats, in the order in which they are offered.
macro_rules! formats {
    ($($name:literal => $format:expr,)*) => {
        const NAMES: &[&str] = &[$($name),*];

        /// Does `task` in the format of that name.
        pub(super) fn in_format<T: InFormat>(name: &str, task: T) -> Result<T::Out, Refused> {
            match name {
                $($name => Ok(task.go($format)),)*
                _ => Err(Refused(format!("--format: '{name}' is not a format; accepted: {}", NAMES.join(", ")))),
            }
        }
    };
}

formats! {
    "vtd-ss3" => VtdSecondStage::LEVELS_3,
    "vtd-ss4" => VtdSecondStage::LEVELS_4,
    "vtd-ss5" => VtdSecondStage::LEVELS_5,
    "vtd-fs4" => VtdFirstStage::LEVELS_4,
    "amdv1-3" => AmdV1::MODE_3,
    "amdv1-4" => AmdV1::MODE_4,
    "amdv1-5" => AmdV1::MODE_5,
    "amdv1-6" => AmdV1::MODE_6,
    "smmu-s1-4k" => SmmuStage1::new(Granule::K4),
    "smmu-s1-16k" => SmmuStage1::new(Granule::K16),
    "smmu-s1-64k" => SmmuStage1::new(Granule::K64),
    "smmu-s2-4k" => SmmuStage2::new(Granule::K4),
    "smmu-s2-16k" => SmmuStage2::new(Granule::K16),
    "smmu-s2-64k" => SmmuStage2::new(Granule::K64),
}

/// A leaf's size as people write it ("2M").
pub(super) fn size_name(shift: u32) -> String {
    let units = ["", "K", "M", "G", "T", "P", "E"];
    let unit = units.get((shift / 10) as usize).copied().unwrap_or("");
    format!("{}{unit}", 1u64 << (shift % 10))
}

/// The sizes that one entry of some level covers and that a leaf can have, as log2 of bytes, ascending.
pub(super) fn entry_leaf_shifts<F: Format>(format: F) -> Vec<u32> {
    (1..=format.root_level())
        .map(|level| (level, format.entry_shift(level)))
        .filter(|&(level, shift)| format.leaf_sizes(level) >> shift & 1 == 1)
        .map(|(_, shift)| shift)
        .collect()
}
