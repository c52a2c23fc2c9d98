//! Arm SMMUv3: the tables of VMSAv8-64, stage 1 and stage 2, granules of 4, 16 and 64 KiB.

mod geometry;
pub mod spec;
mod stage1;
mod stage2;

pub use geometry::Granule;
pub use stage1::SmmuStage1;
pub use stage2::SmmuStage2;

/// The options that both stages have, and the shape that both take from their geometry.
macro_rules! shared_options {
    ($stage:ident) => {
        impl $stage {
            /// The same for a unit whose physical addresses have `bits` bits (SMMU_IDR5.OAS), 48 at most.
            #[must_use]
            pub const fn with_output_width(mut self, bits: u32) -> Self {
                self.geometry.output =
                    if bits < super::geometry::MOST_BITS { bits } else { super::geometry::MOST_BITS };
                self
            }

            /// The same without the contiguous hint.
            #[must_use]
            pub const fn without_contiguous(mut self) -> Self {
                self.geometry.contiguous = false;
                self
            }

            /// The same with leaves of the granule's size only.
            #[must_use]
            pub const fn without_blocks(mut self) -> Self {
                self.geometry.blocks = false;
                self.geometry.contiguous = false;
                self
            }

            /// The same for a unit that manages access flag and dirty state (SMMU_IDR0.HTTU 2, HA and HD set).
            #[must_use]
            pub const fn with_tracking(mut self) -> Self {
                self.geometry.tracks = true;
                self
            }

            /// The same for a unit that takes leaves of another size in the place of a live one without a break
            /// in between (SMMU_IDR3.BBML 1 or 2).
            #[must_use]
            pub const fn with_live_size_changes(mut self) -> Self {
                self.geometry.changes_size = true;
                self
            }
        }
    };
}

/// The functions of [`Format`](super::Format) that the geometry answers.
macro_rules! geometry_answers {
    () => {
        fn root_level(&self) -> u32 {
            self.geometry.levels
        }

        fn width(&self) -> u32 {
            self.geometry.input
        }

        fn output_width(&self) -> u32 {
            self.geometry.output
        }

        fn entry_shift(&self, level: u32) -> u32 {
            self.geometry.entry_shift(level)
        }

        fn index_bits(&self, level: u32) -> u32 {
            self.geometry.index_bits(level)
        }

        fn leaf_sizes(&self, level: u32) -> u64 {
            self.geometry.leaf_sizes(level)
        }

        fn table(&self, _level: u32, _next: u32, table: Pfn) -> u64 {
            Geometry::table(table)
        }

        fn fault(&self, _level: u32, stop: Stop, _access: Access) -> Fault {
            geometry::fault(stop)
        }

        fn full_mark(&self) -> u64 {
            TableDescriptor::new().with_ignored_51(1 << 4).into_bits()
        }

        fn break_before_make(&self) -> bool {
            !self.geometry.changes_size
        }
    };
}

use {geometry_answers, shared_options};
