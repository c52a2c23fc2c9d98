//! The catalogue: one entry a rule, with its documentation and what Windows does.

/// A rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its stable id.
    pub id: &'static str,
    /// What breaks it.
    pub broken_when: &'static str,
    /// Where it is documented.
    pub documentation: &'static [&'static str],
    /// What Windows does.
    pub windows: &'static str,
    /// More about it, for `dxgk explain`.
    pub explanation: &'static str,
    /// How it is mended, in general; a finding's `fix` says it for the case at hand.
    pub mend: &'static str,
}

mod calls;
mod claims;
mod dma;
mod giving;
mod memory;
mod objects;

pub(crate) use calls::{
    EXCL_001, EXCL_002, IFC_001, IMP_001, IRQL_001, IRQL_002, MODE_001, MODE_002, MODE_003,
};
pub(crate) use claims::{RSV_001, SAVE_001};
pub(crate) use dma::{DMA_001, DMA_002, DMA_003, DMA_004, DMA_005, DMA_006, DMA_007};
pub(crate) use giving::{FREE_001, HND_001, HND_002, HND_003, LEAK_001};
pub(crate) use memory::{CPU_001, MDL_001, MDL_002, MDL_003, MDL_004, MDL_005, REG_001};
pub(crate) use objects::{
    ADL_001, ADL_002, ADL_003, ADL_004, ADL_005, CACHE_001, OBJ_001, OBJ_002, OBJ_003, PROC_001, UNINIT_001,
};

/// Every rule that this version decides, by id.
pub static RULES: &[&Rule] = &[
    &ADL_001,
    &ADL_002,
    &ADL_003,
    &ADL_004,
    &ADL_005,
    &CACHE_001,
    &CPU_001,
    &DMA_001,
    &DMA_002,
    &DMA_003,
    &DMA_004,
    &DMA_005,
    &DMA_006,
    &DMA_007,
    &EXCL_001,
    &EXCL_002,
    &FREE_001,
    &HND_001,
    &HND_002,
    &HND_003,
    &IFC_001,
    &IMP_001,
    &IRQL_001,
    &IRQL_002,
    &LEAK_001,
    &MDL_001,
    &MDL_002,
    &MDL_003,
    &MDL_004,
    &MDL_005,
    &MODE_001,
    &MODE_002,
    &MODE_003,
    &OBJ_001,
    &OBJ_002,
    &OBJ_003,
    &PROC_001,
    &REG_001,
    &RSV_001,
    &SAVE_001,
    &UNINIT_001,
];

#[cfg(test)]
mod tests {
    use super::RULES;

    #[test]
    fn every_rule_is_told_in_full_and_stands_once_in_order() {
        assert!(RULES.is_sorted_by(|one, next| one.id < next.id));
        for rule in RULES {
            assert!(!rule.documentation.is_empty() && !rule.windows.is_empty(), "{}", rule.id);
            for text in [rule.broken_when, rule.explanation, rule.mend] {
                assert!(text.len() > 20, "{}: {text}", rule.id);
                assert!(!text.contains("  "), "{}: {text}", rule.id);
            }
        }
    }
}
