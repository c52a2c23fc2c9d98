//! How much is remembered (our choice), so that a stream cannot use up the reader's memory. An honest run stays far below; what is
//! lost beyond a limit makes findings less certain, never wrong: see [`crate::mappings::Reach`].

/// Objects, or mappings, that are alive.
pub(crate) const LIVE: usize = 1 << 20;
/// Objects, or mappings, that are dead: FREE-001 and DMA-002 know this many, the latest.
pub(crate) const DEAD: usize = 1 << 17;
/// Blocks of intervals, over all objects, or all mappings (32 bytes each).
pub(crate) const BLOCKS: usize = 1 << 22;
/// Words of page lists that are read in a run, a list read twice counting twice. 2 GiB.
pub(crate) const LIST_WORDS: u64 = 1 << 28;
/// Frames of a stack; longer ones are forged and not read.
pub(crate) const STACK_FRAMES: u32 = 64;
/// Doorbells whose transfers are still to come.
pub(crate) const DOORBELLS: usize = 1 << 14;
/// Faults whose transfer is still to come.
pub(crate) const FAULTS: usize = 1 << 10;
/// Callbacks that have not returned.
pub(crate) const CALLS: usize = 1 << 14;
/// MDLs that are mapped for a device.
pub(crate) const MDLS: usize = 1 << 14;
/// Adapters, and logical adapters.
pub(crate) const ADAPTERS: usize = 1 << 10;
/// Modules.
pub(crate) const MODULES: usize = 1 << 8;
/// Findings; those beyond are only counted.
pub(crate) const FINDINGS: usize = 1 << 12;
/// Stretches of one transfer that are looked at, beside its last page.
pub(crate) const STRETCHES: usize = 1 << 12;
/// Owned objects that a leak lists one by one.
pub(crate) const LISTED: usize = 16;
