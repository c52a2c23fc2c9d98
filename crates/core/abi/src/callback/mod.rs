//! What a driver passes to the memory callbacks, by the topic that introduced them.
//!
//! `ArgCb...` is Windows' `DXGKARGCB_...`.

mod feature;
mod frame_buffer;
mod handle_data;
mod isolation;
mod object;
mod remapping;

pub use feature::*;
pub use frame_buffer::*;
pub use handle_data::*;
pub use isolation::*;
pub use object::*;
pub use remapping::*;

open_enum! {
    /// `DXGK_MEMORY_CACHING_TYPE`, since WDDM 2.4: how memory is cached.
    pub struct MemoryCachingType(u32) {
        NON_CACHED = 0, "`DXGK_MEMORY_CACHING_TYPE_NON_CACHED`.";
        CACHED = 1, "`DXGK_MEMORY_CACHING_TYPE_CACHED`.";
        WRITE_COMBINED = 2, "`DXGK_MEMORY_CACHING_TYPE_WRITE_COMBINED`.";
    }
}

flags! {
    /// The `MM_ALLOCATE_*` flags of page allocations.
    pub struct AllocatePagesFlags(u32) {
        DONT_ZERO_ALLOCATION = 0x1, "`MM_DONT_ZERO_ALLOCATION`: contents may be anything.";
        ALLOCATE_FROM_LOCAL_NODE_ONLY = 0x2, "`MM_ALLOCATE_FROM_LOCAL_NODE_ONLY`: the ideal node's pages only.";
        ALLOCATE_FULLY_REQUIRED = 0x4, "`MM_ALLOCATE_FULLY_REQUIRED`: all of it or none.";
        ALLOCATE_NO_WAIT = 0x8, "`MM_ALLOCATE_NO_WAIT`: do not wait for pages.";
        ALLOCATE_PREFER_CONTIGUOUS = 0x10, "`MM_ALLOCATE_PREFER_CONTIGUOUS`: long runs are liked.";
        ALLOCATE_REQUIRE_CONTIGUOUS_CHUNKS = 0x20, "`MM_ALLOCATE_REQUIRE_CONTIGUOUS_CHUNKS`: runs of `SkipBytes` bytes.";
        ALLOCATE_FAST_LARGE_PAGES = 0x40, "`MM_ALLOCATE_FAST_LARGE_PAGES`: large pages at hand.";
        ALLOCATE_TRIM_IF_NECESSARY = 0x80, "`MM_ALLOCATE_TRIM_IF_NECESSARY`: take pages from others first.";
        ALLOCATE_AND_HOT_REMOVE = 0x100, "`MM_ALLOCATE_AND_HOT_REMOVE`: the pages leave the machine's stock for good.";
    }
}
