//! Everything that the documentation leaves open and this project decides. Nothing here is Windows behaviour.
//!
//! Choices that are no switch stand at their place and are listed here, so that they can be found:
//!
//! | choice | where |
//! | --- | --- |
//! | which status a refusal has | [`callbacks`](crate::callbacks) |
//! | an MDL chain is refused by MapMdlToIoMmu | [`callbacks`](crate::callbacks), `mdl_map` |
//! | HighAddress moves with LowAddress when SkipBytes moves the range | [`pages`](crate::pages) |
//! | a page counts as inside a limit only as a whole | [`pages`](crate::pages) |
//! | the cache of large pages: how many, from where, when they come back | [`pages`](crate::pages) |
//! | contiguous memory holds the poison pattern; a boundary below a page is refused | `contiguous_memory` |
//! | FreePagesFromMdl frees the MDL too; ByteCount is TotalBytes rounded up to pages | `pages_for_mdl` |
//! | save areas: pinned once at a time, views from multiples of 64 KiB, an index without an area is refused | `save_area` |
//! | reserved ranges: whole pages, not mapped in remapping mode | `reserved` |
//! | hot update: blocks are copied at the call; how a KSR range is encoded | `hot_update` |
//! | the size of a physical memory object is rounded up to pages | `physical_object` |
//! | an ADL without RequireContiguous and PreferContiguous has the page-array form | `adl` |
//! | views that outlive their object keep its pages | `physical_object` |
//! | a section's committed pages have frames at once, and lose them only when they are asked for | `object_kind`, `pressure` |
//! | DesiredAccess, ObjectAttributes and AllocationAttributes of a section are not looked at | `object_kind` |
//! | devices and user views may write the pages of PAGE_READWRITE sections only; kernel views may write all | `object_kind`, `view` |
//! | a user view of a PAGE_WRITECOPY section is no copy, and for reading only | `view` |
//! | MapMdlToIoMmu refuses pages that devices may only read | `mdl_map` |
//! | the pages of an IO_SPACE object lie, as whole pages, inside one memory resource of a linked adapter; of an object without an adapter, of any | `object_kind` |
//! | all pages of a section are locked while an ADL of a part of it is alive | `section` |
//! | a process is let see pages that hold the poison pattern, and the verifier says so | `view` |
//! | isolation maps single pages only, so that a page that stays mapped never forces a large entry to be split | `domain::identity` |
//! | a register mapped with two cache types is mapped, and left to the verifier | `registers` |

use core::ops::Range;

/// Where logical addresses come from in remapping mode.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LogicalBase {
    /// From addresses that are no RAM as long as the device's limit leaves room, first above all RAM; when there is
    /// no room any more, drawn at random by seed. A physical address given to the device by mistake then faults.
    #[default]
    Safe,
    /// From the lowest address up, as Windows does (page 0 excepted). A mistaken physical address is then often a
    /// valid logical one of another object.
    Windows,
}

/// How pages are laid out when the driver asks for no particular arrangement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scatter {
    /// Runs of this many pages, at places drawn by seed, so that a driver that takes pages for contiguous is found
    /// out. Requests of 16 MiB and more use runs of 512 pages whatever is set here: hosts have a limit on mappings.
    Runs(u64),
    /// As few runs as possible, from the lowest address up.
    Dense,
}

/// What happens where Windows stops the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Strictness {
    /// The violation is answered with [`CallError::BugCheck`](crate::CallError::BugCheck), and the objects concerned
    /// are left in a state that is safe to go on with: their handles are dead for every verb but those that are
    /// still owed (FreeAdl, Close, UnmapPhysicalMemory), and their pages go back when the last debt is paid, or at
    /// the adapter's removal. An unknown object type is answered with STATUS_INVALID_PARAMETER.
    #[default]
    Report,
    /// The violation is answered with a bug check, and nothing is changed: the machine stops.
    Windows,
}

/// The choices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    /// Everything that may vary is drawn from it.
    pub seed: u64,
    /// Where logical addresses come from.
    pub logical_base: LogicalBase,
    /// Unmapped logical pages behind each mapping, so that a transfer that runs over its end faults.
    pub guard_pages: u64,
    /// Written to every 8-byte word of pages that are handed out unzeroed; `None` leaves what was there.
    pub poison: Option<u64>,
    /// Written to every 8-byte word of a page at the moment when it becomes free, so that whoever still reaches it is
    /// found out; `None` leaves what was there. It costs a write of each freed page under the page database's lock.
    pub freed: Option<u64>,
    /// How pages are laid out.
    pub scatter: Scatter,
    /// Large pages (2 MiB) that are kept whole for MM_ALLOCATE_FAST_LARGE_PAGES, as long as nobody else needs them; at
    /// most a quarter of RAM.
    pub large_pages: u64,
    /// What happens where Windows stops.
    pub strictness: Strictness,
}

impl Policy {
    /// The poison pattern of verifying runs.
    pub const POISON: u64 = 0xBAD0_DA7A_BAD0_DA7A;

    /// A pattern for [`freed`](Self::freed). As a table entry it leads to no RAM.
    pub const FREED: u64 = 0xF4EE_D0DD_F4EE_D0DD;
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            seed: 1,
            logical_base: LogicalBase::Safe,
            guard_pages: 1,
            poison: Some(Self::POISON),
            freed: None,
            scatter: Scatter::Runs(16),
            large_pages: 8,
            strictness: Strictness::Report,
        }
    }
}

/// Page numbers that no logical address is drawn from: requests to 0xFEE0_0000..=0xFEEF_FFFF are interrupts, not
/// memory accesses, on x86 (Intel VT-d specification, "Interrupt requests"; AMD IOMMU specification, "Special
/// address ranges"). Kept free on every machine.
pub(crate) const INTERRUPT_WINDOW: Range<u64> = 0xF_EE00..0xF_EF00;

/// Requests from this many pages on are laid out in runs of [`LARGE_RUN`].
pub(crate) const LARGE_REQUEST: u64 = 4096;
/// Pages in a run of a large request: what one 2 MiB entry maps.
pub(crate) const LARGE_RUN: u64 = 512;
/// When more runs than this were unmapped together, one invalidation covers the range from the first to the last.
pub(crate) const SEPARATE_INVALIDATIONS: usize = 8;
