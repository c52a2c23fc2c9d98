//! From requester to domain: root and context entries of legacy mode (manual 3.4.3, 9.1, 9.3).

use dxgk_hw::{MachineMemory, RequesterId};
use dxgk_iopt::vtd::spec::{
    ContextEntryHigh, ContextEntryLow, FaultReason, RootEntryLow, RootTableAddress, TranslationTableMode,
    TranslationType,
};

use super::config::VtdConfig;
use super::walk::{Stop, load};

/// RTADDR_REG.TTM holds a mode that the unit does not have (manual 7.1.3, condition RTA.1).
const UNSUPPORTED_TABLE_MODE: FaultReason = FaultReason(0x30);

/// A context entry that passed its checks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Context {
    pub domain: u16,
    pub quiet: bool,
    pub target: Target,
}

/// Where requests go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Target {
    /// To the same physical address.
    Pass,
    /// Through the table in this frame.
    Tables {
        root: u64,
        levels: u8,
        /// Bits of the widest input address.
        width: u32,
    },
    /// Through the first-stage table in this frame.
    FirstStage { root: u64, pasid: u32 },
}

/// Why there is no context.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NoContext {
    pub stop: Stop,
    /// Fault processing is disabled for this function.
    pub quiet: bool,
    pub domain: u16,
}

/// Looks a requester up in memory.
pub(super) fn find(
    memory: &dyn MachineMemory,
    config: &VtdConfig,
    root: RootTableAddress,
    requester: RequesterId,
) -> Result<Context, NoContext> {
    if root.ttm() != TranslationTableMode::Legacy {
        let stop = Stop { code: UNSUPPORTED_TABLE_MODE, absent: false, entry: 0, entry_at: 0, level: 0 };
        return Err(NoContext { stop, quiet: false, domain: 0 });
    }
    let context_table = root_entry(memory, config, root.rta(), requester.bus())
        .map_err(|stop| NoContext { stop, quiet: false, domain: 0 })?;
    context_entry(memory, config, context_table, requester.devfn())
}

/// Bits of an address field, in pages, that lie beyond the host's addresses.
pub(super) fn beyond_host(config: &VtdConfig, frame: u64) -> bool {
    frame >> (config.host_address_width - 12) != 0
}

fn root_entry(memory: &dyn MachineMemory, config: &VtdConfig, table: u64, bus: u8) -> Result<u64, Stop> {
    let index = usize::from(bus) * 2;
    let low = load(memory, table, index);
    let high = load(memory, table, index + 1);
    let entry_at = table.wrapping_shl(12) | (index as u64) << 3;
    let stop = |code, absent| Stop { code, absent, entry: low.unwrap_or(0), entry_at, level: 0 };
    let (Some(raw), Some(high)) = (low, high) else {
        return Err(stop(FaultReason::ROOT_TABLE_ACCESS, false));
    };
    let entry = RootEntryLow::from_bits(raw);
    if !entry.p() {
        return Err(stop(FaultReason::ROOT_NOT_PRESENT, true));
    }
    if entry.reserved() != 0 || high != 0 || beyond_host(config, entry.ctp()) {
        return Err(stop(FaultReason::ROOT_RESERVED, false));
    }
    Ok(entry.ctp())
}

fn context_entry(
    memory: &dyn MachineMemory,
    config: &VtdConfig,
    table: u64,
    devfn: u8,
) -> Result<Context, NoContext> {
    let index = usize::from(devfn) * 2;
    let low = load(memory, table, index);
    let high = load(memory, table, index + 1);
    let entry_at = table.wrapping_shl(12) | (index as u64) << 3;
    let entry = ContextEntryLow::from_bits(low.unwrap_or(0));
    let second = ContextEntryHigh::from_bits(high.unwrap_or(0));
    let stop = |code, absent| NoContext {
        stop: Stop { code, absent, entry: entry.into_bits(), entry_at, level: 0 },
        quiet: entry.fpd(),
        domain: if entry.p() { second.did() } else { 0 },
    };
    if low.is_none() || high.is_none() {
        return Err(stop(FaultReason::CONTEXT_TABLE_ACCESS, false));
    }
    if !entry.p() {
        return Err(stop(FaultReason::CONTEXT_NOT_PRESENT, true));
    }
    let reserved = entry.reserved() != 0 || second.reserved() || second.reserved_high() != 0;
    // With pass-through the table's address is ignored.
    let pass = entry.tt() == TranslationType::PassThrough;
    if reserved || (!pass && beyond_host(config, entry.ssptptr())) {
        return Err(stop(FaultReason::CONTEXT_RESERVED, false));
    }
    let invalid = || stop(FaultReason::CONTEXT_INVALID, false);
    let levels = second.aw().levels().filter(|_| second.aw().in_sagaw(config.sagaw())).ok_or_else(invalid)?;
    let target = match entry.tt() {
        TranslationType::PassThrough if config.pass_through => Target::Pass,
        TranslationType::Untranslated => {
            Target::Tables { root: entry.ssptptr(), levels: levels as u8, width: 12 + 9 * levels }
        }
        _ => return Err(invalid()),
    };
    Ok(Context { domain: second.did(), quiet: entry.fpd(), target })
}
