//! aarch64-paging: contiguous ranges with a fixed offset; it does not unmap.

use std::time::Duration;

use aarch64_paging::descriptor::El1Attributes;
use aarch64_paging::linearmap::LinearMap;
use aarch64_paging::paging::{Constraints, El1And0, MemoryRegion, PAGE_SIZE, VaRange};

use super::{AT, Case, Contender, FRAME, measured};

pub(crate) struct Linear;

impl Linear {
    pub(crate) fn new() -> Self {
        Self
    }
}

impl Contender for Linear {
    fn name(&self) -> &'static str {
        "aarch64-paging"
    }

    fn map(&mut self, case: &Case) -> Duration {
        let offset = ((FRAME - AT) as isize) * PAGE_SIZE as isize;
        let mut map = LinearMap::with_asid(1, 0, offset, El1And0, VaRange::Lower);
        let start = AT as usize * PAGE_SIZE;
        let range = MemoryRegion::new(start, start + case.pages as usize * PAGE_SIZE);
        let flags = El1Attributes::VALID
            | El1Attributes::ACCESSED
            | El1Attributes::INNER_SHAREABLE
            | El1Attributes::USER
            | El1Attributes::READ_ONLY
            | El1Attributes::NON_GLOBAL;
        let constraints = if case.large {
            Constraints::empty()
        } else {
            Constraints::NO_BLOCK_MAPPINGS | Constraints::NO_CONTIGUOUS_HINT
        };
        measured(|| map.map_range_with_constraints(&range, flags, constraints).expect("it is free"))
    }

    fn unmap(&mut self, _case: &Case) -> Option<Duration> {
        None
    }
}
