//! The life of an adapter: who is called when, over a driver, a memory manager's platform and an IOMMU that keep one
//! journal.

mod chain;
mod claims;
mod enabling;
mod hot_update;
mod miniport;
mod operations;
mod order;
mod paging;
mod platform;
mod rig;
mod stops;
mod unit;
mod video;
