//! IOMMU domains: what the memory manager asks of whoever owns the translation tables.

use alloc::sync::Arc;
use core::fmt;

use crate::{LogicalAddr, LogicalPage, PageRun, Pfn, RequesterId};

bitflags::bitflags! {
    /// What a device may do with a page.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
    pub struct Access: u8 {
        /// The device may read.
        const READ = 1;
        /// The device may write.
        const WRITE = 2;
    }
}

/// Why a domain refused; nothing was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapError {
    /// No page for a table could be had.
    NoFrame,
    /// This page is mapped already.
    Occupied(LogicalPage),
    /// This page is not mapped.
    NotMapped(LogicalPage),
    /// The page lies above what the table format can address.
    BeyondWidth(LogicalPage),
    /// The frame has more bits than the table format holds, or the unit puts out.
    FrameBeyondWidth(Pfn),
    /// This page, its frame, or the end of the pages that belong together is off the format's granule (16 or 64 KiB
    /// in some of Arm's).
    OffGranule(LogicalPage),
    /// This page is in a larger leaf that has to be taken away, and its invalidation be completed, before smaller
    /// ones take its place.
    BreakFirst(LogicalPage),
    /// The format has no such permission (write-only in some formats, none at all in every one).
    Inexpressible(Access),
    /// The unit caches that pages are absent, and did not answer when told that this one is there now.
    Unanswered(LogicalPage),
    /// A table is not as this code left it: an entry that decodes to nothing legal, or a table outside RAM.
    Malformed(LogicalPage),
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |page: LogicalPage| page.address();
        match *self {
            Self::NoFrame => write!(f, "no memory for a translation table"),
            Self::Occupied(page) => write!(f, "logical address {} is mapped already", at(page)),
            Self::NotMapped(page) => write!(f, "logical address {} is not mapped", at(page)),
            Self::BeyondWidth(page) => write!(f, "logical address {} is beyond the format's width", at(page)),
            Self::FrameBeyondWidth(frame) => {
                write!(f, "physical address {} is beyond the format's width", frame.address())
            }
            Self::OffGranule(page) => {
                write!(f, "logical address {} is mapped off the format's granule", at(page))
            }
            Self::BreakFirst(page) => {
                write!(f, "the leaf at logical address {} must be broken before it is split", at(page))
            }
            Self::Inexpressible(access) => write!(f, "the format cannot express access {access:?}"),
            Self::Unanswered(page) => {
                write!(f, "the IOMMU does not answer, logical address {} stays unmapped", at(page))
            }
            Self::Malformed(page) => write!(f, "the tables for logical address {} are damaged", at(page)),
        }
    }
}

impl core::error::Error for MapError {}

/// The unit did not do what its manual says it does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UnitError {
    /// No domain identifier, or no page for the unit's own tables, is left.
    NoResources,
    /// A command was not acknowledged within the driver's bound of register reads.
    Hung,
    /// The unit reported an error in its queue; the raw status register.
    Queue(u32),
    /// The hardware lacks something the driver needs; what.
    Unsupported(&'static str),
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoResources => write!(f, "the IOMMU driver is out of domain numbers or memory"),
            Self::Hung => write!(f, "the IOMMU did not acknowledge a command"),
            Self::Queue(status) => write!(f, "the IOMMU reported a queue error (status {status:#x})"),
            Self::Unsupported(what) => write!(f, "the IOMMU lacks {what}"),
        }
    }
}

impl core::error::Error for UnitError {}

/// A domain's number in its unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord, Hash)]
pub struct DomainId(pub u16);

/// One I/O address space.
///
/// The three verbs exist because their order is a security property: after [`unmap`](Self::unmap) a device may
/// still reach the page through what the unit has cached; only when [`sync`](Self::sync) has returned may the
/// page be given to anybody else.
pub trait DomainOps: Send + Sync {
    /// The domain's number.
    fn id(&self) -> DomainId;

    /// The highest address that the tables can hold.
    fn highest(&self) -> LogicalAddr;

    /// Maps the frames of `runs`, one after the other, from `at` upwards. All or nothing.
    ///
    /// # Errors
    /// See [`MapError`]; nothing stays mapped then.
    fn map(&self, at: LogicalPage, runs: &[PageRun], access: Access) -> Result<(), MapError>;

    /// As [`map`](Self::map), by leaves of the smallest size only: for pages that are later unmapped one by one. With
    /// a larger leaf, unmapping one page would mean splitting the leaf of its neighbours under the device's eyes.
    ///
    /// Who owns tables that no leaf has to be split in need not provide it.
    ///
    /// # Errors
    /// Those of `map`.
    fn map_singly(&self, at: LogicalPage, runs: &[PageRun], access: Access) -> Result<(), MapError> {
        self.map(at, runs, access)
    }

    /// Clears the entries of `pages` pages from `at`. The unit may go on using what it has cached.
    ///
    /// # Errors
    /// [`MapError::NotMapped`] with the first page that is not mapped; nothing was cleared then.
    fn unmap(&self, at: LogicalPage, pages: u64) -> Result<(), MapError>;

    /// Invalidates what the unit has cached of the range, and waits until it has said that this is done. Table
    /// pages emptied by earlier unmaps of the range are given back after that.
    ///
    /// # Errors
    /// [`UnitError`]; the range must then be treated as still reachable.
    fn sync(&self, at: LogicalPage, pages: u64) -> Result<(), UnitError>;
}

/// What a device's requests meet.
#[derive(Clone)]
pub enum Attachment {
    /// Every request is refused and recorded.
    Blocked,
    /// Requests are physical addresses and pass untranslated.
    PassThrough,
    /// Requests are translated by this domain, which must come from the same unit.
    Domain(Arc<dyn DomainOps>),
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blocked => write!(f, "Blocked"),
            Self::PassThrough => write!(f, "PassThrough"),
            Self::Domain(domain) => write!(f, "Domain({})", domain.id().0),
        }
    }
}

/// An IOMMU unit, driven.
pub trait IommuUnit: Send + Sync {
    /// The unit's name as `--iommu-unit` spells it ("vtd", "amdvi").
    fn name(&self) -> &'static str;

    /// A new, empty domain.
    ///
    /// # Errors
    /// [`UnitError`].
    fn create_domain(&self) -> Result<Arc<dyn DomainOps>, UnitError>;

    /// Lets requests of `requester` meet `what` from now on. Returns when the unit's caches hold nothing of what
    /// was before.
    ///
    /// # Errors
    /// [`UnitError`]; the device is then blocked, or still where it was.
    fn attach(&self, requester: RequesterId, what: Attachment) -> Result<(), UnitError>;
}
