//! What is asked of the page allocator.

use dxgk_hw::{PAGE_SIZE, PhysAddr};

/// How the pages of a request lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layout {
    /// Anywhere in the range, laid out as [`Scatter`](crate::policy::Scatter) says.
    Any,
    /// In as few runs as can be had.
    FewRuns,
    /// In blocks of this many pages (a power of two), each contiguous and aligned to its size.
    Blocks(u64),
    /// In one run.
    Contiguous {
        /// The run's first page is a multiple of this many pages (0 and 1: any).
        align: u64,
        /// The run crosses no multiple of this many pages (0: it may; else a power of two).
        boundary: u64,
    },
}

/// A request for pages. Limits are byte addresses; a page counts as inside only as a whole (our choice: the
/// documentation speaks of addresses).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageRequest {
    /// Number of pages, from 1.
    pub pages: u64,
    /// Lowest address.
    pub low: PhysAddr,
    /// Highest address, inclusive; all ones is no limit.
    pub high: PhysAddr,
    /// When the range cannot give enough, `low` and `high` move up by this many pages, again and again; 0: they stay.
    /// Only for [`Layout::Any`] and [`Layout::FewRuns`].
    pub skip: u64,
    /// How the pages lie.
    pub layout: Layout,
    /// Whether they are zeroed; if not, they hold [`Policy::poison`](crate::Policy::poison), or whatever was there.
    pub zeroed: bool,
    /// Only pages of this NUMA node.
    pub node: Option<u32>,
    /// Only from the cache of large pages; only for [`Layout::Blocks`] of whole large pages.
    pub large: bool,
}

impl PageRequest {
    /// `pages` zeroed pages, anywhere.
    #[must_use]
    pub fn anywhere(pages: u64) -> Self {
        Self {
            pages,
            low: PhysAddr::new(0),
            high: PhysAddr::new(u64::MAX),
            skip: 0,
            layout: Layout::Any,
            zeroed: true,
            node: None,
            large: false,
        }
    }

    /// First page number inside, and the one behind the last.
    pub(crate) fn window(&self) -> (u64, u64) {
        let first = self.low.get().div_ceil(PAGE_SIZE);
        let end = match self.high.get().checked_add(1) {
            Some(end) => end / PAGE_SIZE,
            None => u64::MAX / PAGE_SIZE + 1,
        };
        (first, end)
    }
}

/// Whom pages belong to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageOwner {
    /// Objects of the memory manager: what a driver got through its callbacks.
    Driver,
    /// Likewise, and devices may only read it: sections that are not PAGE_READWRITE.
    ReadOnly,
    /// The kernel around the driver: pool, stacks, images, memory from the Mm routines.
    Kernel,
}

/// There are not enough free pages that meet the request. Nothing was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfPages;
