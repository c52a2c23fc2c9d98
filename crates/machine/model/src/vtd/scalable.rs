//! From requester to domain in scalable mode (manual 3.4.3, 9.2, 9.4 to 9.6): root and context entries, PASID
//! directory and PASID table. Requests here have no PASID; the context entry gives them one (RID_PASID).

use dxgk_hw::{MachineMemory, RequesterId};
use dxgk_iopt::vtd::spec::{
    FaultReason, PASID_ENTRY_WORDS, PASID_TABLE_ENTRIES, PasidDirectoryEntry, PasidEntryFirst,
    PasidEntrySecond, PasidEntryThird, PasidTranslationType, RootEntryLow, SCALABLE_CONTEXT_WORDS,
    ScalableContextHigh, ScalableContextLow,
};

use super::config::VtdConfig;
use super::context::{Context, NoContext, Target, beyond_host};
use super::walk::{Stop, load};

/// What a context entry says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct PasidSource {
    quiet: bool,
    /// Frame of the PASID directory.
    directory: u64,
    pub pasid: u32,
}

/// `COUNT` words of entry `index` of the table in a frame, and the entry's address.
fn words<const COUNT: usize>(
    memory: &dyn MachineMemory,
    table: u64,
    index: usize,
) -> (Option<[u64; COUNT]>, u64) {
    let first = index * COUNT;
    let mut words = [0; COUNT];
    let all = words.iter_mut().enumerate().all(|(nth, word)| match load(memory, table, first + nth) {
        Some(value) => {
            *word = value;
            true
        }
        None => false,
    });
    (all.then_some(words), table.wrapping_shl(12) | (first as u64) << 3)
}

fn stop(code: FaultReason, absent: bool, entry: u64, entry_at: u64) -> Stop {
    Stop { code, absent, entry, entry_at, level: 0 }
}

/// Looks a requester's context entry up in memory.
pub(super) fn source(
    memory: &dyn MachineMemory,
    config: &VtdConfig,
    root: u64,
    requester: RequesterId,
) -> Result<PasidSource, NoContext> {
    let loud = |stop| NoContext { stop, quiet: false, domain: 0 };
    let half = usize::from(requester.bus()) * 2 + usize::from(requester.devfn() >> 7);
    let (found, at) = words::<1>(memory, root, half);
    let Some([raw]) = found else { return Err(loud(stop(FaultReason::SM_ROOT_ACCESS, false, 0, at))) };
    let entry = RootEntryLow::from_bits(raw);
    if !entry.p() {
        return Err(loud(stop(FaultReason::SM_ROOT_NOT_PRESENT, true, raw, at)));
    }
    if entry.reserved() != 0 || beyond_host(config, entry.ctp()) {
        return Err(loud(stop(FaultReason::SM_ROOT_RESERVED, false, raw, at)));
    }
    let index = usize::from(requester.devfn() & 0x7f);
    let (found, at) = words::<SCALABLE_CONTEXT_WORDS>(memory, entry.ctp(), index);
    let Some([first, second, rest @ ..]) = found else {
        return Err(loud(stop(FaultReason::SM_CONTEXT_ACCESS, false, 0, at)));
    };
    let (low, high) = (ScalableContextLow::from_bits(first), ScalableContextHigh::from_bits(second));
    let none = |code, absent| NoContext { stop: stop(code, absent, first, at), quiet: low.fpd(), domain: 0 };
    if !low.p() {
        return Err(none(FaultReason::SM_CONTEXT_NOT_PRESENT, true));
    }
    // The unit has neither device TLBs nor requests with PASID nor page requests.
    let reserved = low.reserved() != 0
        || (low.dte() || low.paside() || low.pre() || high.rid_priv())
        || high.reserved() != 0
        || rest != [0; 2]
        || beyond_host(config, low.pasiddirptr());
    if reserved {
        return Err(none(FaultReason::SM_CONTEXT_RESERVED, false));
    }
    if high.rid_pasid() >= PASID_TABLE_ENTRIES << (low.pdts() + 7) {
        return Err(none(FaultReason::SM_RID_PASID, false));
    }
    Ok(PasidSource { quiet: low.fpd(), directory: low.pasiddirptr(), pasid: high.rid_pasid() })
}

/// Looks a PASID's entry up in memory.
pub(super) fn find(
    memory: &dyn MachineMemory,
    config: &VtdConfig,
    source: PasidSource,
) -> Result<Context, NoContext> {
    let mut quiet = source.quiet;
    let none = |stop, quiet, domain| NoContext { stop, quiet, domain };
    let nth = source.pasid / PASID_TABLE_ENTRIES;
    // A directory of more than 512 entries goes on in the frames behind.
    let (found, at) = words::<1>(memory, source.directory + u64::from(nth >> 9), (nth & 511) as usize);
    let Some([raw]) = found else {
        return Err(none(stop(FaultReason::PASID_DIRECTORY_ACCESS, false, 0, at), quiet, 0));
    };
    let directory = PasidDirectoryEntry::from_bits(raw);
    quiet |= directory.fpd();
    if !directory.p() {
        return Err(none(stop(FaultReason::PASID_DIRECTORY_NOT_PRESENT, true, raw, at), quiet, 0));
    }
    if directory.reserved() != 0 || beyond_host(config, directory.smptblptr()) {
        return Err(none(stop(FaultReason::PASID_DIRECTORY_RESERVED, false, raw, at), quiet, 0));
    }
    let index = (source.pasid % PASID_TABLE_ENTRIES) as usize;
    let (found, at) = words::<PASID_ENTRY_WORDS>(memory, directory.smptblptr(), index);
    let Some([first, second, third, rest @ ..]) = found else {
        return Err(none(stop(FaultReason::PASID_TABLE_ACCESS, false, 0, at), quiet, 0));
    };
    let entry = PasidEntryFirst::from_bits(first);
    let (domain, first_stage) = (PasidEntrySecond::from_bits(second), PasidEntryThird::from_bits(third));
    quiet |= entry.fpd();
    let stopped = |code, absent| {
        let domain = if absent { 0 } else { domain.did() };
        none(stop(code, absent, first, at), quiet, domain)
    };
    if !entry.p() {
        return Err(stopped(FaultReason::PASID_ENTRY_NOT_PRESENT, true));
    }
    let reserved = (entry.reserved() || entry.ssade() || entry.reserved_10() != 0)
        || (domain.reserved() != 0
            || domain.pgsnp()
            || domain.memory_type() != 0
            || domain.reserved_91() != 0)
        || (first_stage.sre()
            || first_stage.reserved()
            || first_stage.eafe()
            || first_stage.reserved_8() != 0)
        || beyond_host(config, entry.ssptptr())
        || beyond_host(config, first_stage.fsptptr())
        || rest != [0; PASID_ENTRY_WORDS - 3];
    if reserved {
        return Err(stopped(FaultReason::PASID_ENTRY_RESERVED, false));
    }
    let invalid = || stopped(FaultReason::PASID_ENTRY_INVALID, false);
    let target = match entry.pgtt() {
        PasidTranslationType::PASS_THROUGH if config.pass_through => Target::Pass,
        PasidTranslationType::SECOND_STAGE => {
            let levels =
                entry.aw().levels().filter(|_| entry.aw().in_sagaw(config.sagaw())).ok_or_else(invalid)?;
            Target::Tables { root: entry.ssptptr(), levels: levels as u8, width: 12 + 9 * levels }
        }
        // Four levels only, as CAP_REG.FS5LP is 0.
        PasidTranslationType::FIRST_STAGE if config.first_stage && first_stage.fspm() == 0 => {
            Target::FirstStage { root: first_stage.fsptptr(), pasid: source.pasid }
        }
        _ => return Err(invalid()),
    };
    Ok(Context { domain: domain.did(), quiet, target })
}
