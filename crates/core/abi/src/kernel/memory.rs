//! Pools, cache types, protections: the numbers of memory routines (wdm.h).

open_enum! {
    /// `POOL_TYPE`: which pool an allocation comes from.
    pub struct PoolType(u32) {
        NON_PAGED_POOL = 0, "`NonPagedPool`.";
        NON_PAGED_POOL_EXECUTE = 0, "`NonPagedPoolExecute`.";
        PAGED_POOL = 1, "`PagedPool`.";
        NON_PAGED_POOL_MUST_SUCCEED = 2, "`NonPagedPoolMustSucceed`.";
        DONT_USE_THIS_TYPE = 3, "`DontUseThisType`.";
        NON_PAGED_POOL_CACHE_ALIGNED = 4, "`NonPagedPoolCacheAligned`.";
        PAGED_POOL_CACHE_ALIGNED = 5, "`PagedPoolCacheAligned`.";
        NON_PAGED_POOL_CACHE_ALIGNED_MUST_S = 6, "`NonPagedPoolCacheAlignedMustS`.";
        MAX_POOL_TYPE = 7, "`MaxPoolType`.";
        NON_PAGED_POOL_BASE = 0, "`NonPagedPoolBase`.";
        NON_PAGED_POOL_BASE_MUST_SUCCEED = 2, "`NonPagedPoolBaseMustSucceed`.";
        NON_PAGED_POOL_BASE_CACHE_ALIGNED = 4, "`NonPagedPoolBaseCacheAligned`.";
        NON_PAGED_POOL_BASE_CACHE_ALIGNED_MUST_S = 6, "`NonPagedPoolBaseCacheAlignedMustS`.";
        NON_PAGED_POOL_SESSION = 32, "`NonPagedPoolSession`.";
        PAGED_POOL_SESSION = 33, "`PagedPoolSession`.";
        NON_PAGED_POOL_MUST_SUCCEED_SESSION = 34, "`NonPagedPoolMustSucceedSession`.";
        DONT_USE_THIS_TYPE_SESSION = 35, "`DontUseThisTypeSession`.";
        NON_PAGED_POOL_CACHE_ALIGNED_SESSION = 36, "`NonPagedPoolCacheAlignedSession`.";
        PAGED_POOL_CACHE_ALIGNED_SESSION = 37, "`PagedPoolCacheAlignedSession`.";
        NON_PAGED_POOL_CACHE_ALIGNED_MUST_S_SESSION = 38, "`NonPagedPoolCacheAlignedMustSSession`.";
        NON_PAGED_POOL_NX = 512, "`NonPagedPoolNx`.";
        NON_PAGED_POOL_NX_CACHE_ALIGNED = 516, "`NonPagedPoolNxCacheAligned`.";
        NON_PAGED_POOL_SESSION_NX = 544, "`NonPagedPoolSessionNx`.";
    }
}

flags! {
    /// Flags of `ExAllocatePool2` (`POOL_FLAG_*`).
    pub struct PoolFlags(u64) {
        USE_QUOTA = 0x1, "`POOL_FLAG_USE_QUOTA`.";
        UNINITIALIZED = 0x2, "`POOL_FLAG_UNINITIALIZED`.";
        SESSION = 0x4, "`POOL_FLAG_SESSION`.";
        CACHE_ALIGNED = 0x8, "`POOL_FLAG_CACHE_ALIGNED`.";
        RAISE_ON_FAILURE = 0x20, "`POOL_FLAG_RAISE_ON_FAILURE`.";
        NON_PAGED = 0x40, "`POOL_FLAG_NON_PAGED`.";
        NON_PAGED_EXECUTE = 0x80, "`POOL_FLAG_NON_PAGED_EXECUTE`.";
        PAGED = 0x100, "`POOL_FLAG_PAGED`.";
        SPECIAL_POOL = 0x100000000, "`POOL_FLAG_SPECIAL_POOL`.";
    }
}

open_enum! {
    /// `MEMORY_CACHING_TYPE`: how a mapping is cached; the argument of `DxgkCbMapMemory`.
    pub struct CachingType(u32) {
        NON_CACHED = 0, "`MmNonCached`.";
        CACHED = 1, "`MmCached`.";
        WRITE_COMBINED = 2, "`MmWriteCombined`.";
        HARDWARE_COHERENT_CACHED = 3, "`MmHardwareCoherentCached`.";
        NON_CACHED_UNORDERED = 4, "`MmNonCachedUnordered`.";
        US_WC_CACHED = 5, "`MmUSWCCached`.";
        NOT_MAPPED = 0xFFFF_FFFF, "`MmNotMapped`.";
    }
}

flags! {
    /// Protection of pages (`PAGE_*`).
    pub struct PageProtection(u32) {
        NOACCESS = 0x1, "`PAGE_NOACCESS`.";
        READONLY = 0x2, "`PAGE_READONLY`.";
        READWRITE = 0x4, "`PAGE_READWRITE`.";
        WRITECOPY = 0x8, "`PAGE_WRITECOPY`.";
        EXECUTE = 0x10, "`PAGE_EXECUTE`.";
        EXECUTE_READ = 0x20, "`PAGE_EXECUTE_READ`.";
        EXECUTE_READWRITE = 0x40, "`PAGE_EXECUTE_READWRITE`.";
        GUARD = 0x100, "`PAGE_GUARD`.";
        NOCACHE = 0x200, "`PAGE_NOCACHE`.";
        WRITECOMBINE = 0x400, "`PAGE_WRITECOMBINE`.";
    }
}

flags! {
    /// How a section's pages are had (`SEC_*`).
    pub struct SectionAttributes(u32) {
        RESERVE = 0x400_0000, "`SEC_RESERVE`.";
        COMMIT = 0x800_0000, "`SEC_COMMIT`.";
        NOCACHE = 0x1000_0000, "`SEC_NOCACHE`.";
        LARGE_PAGES = 0x8000_0000, "`SEC_LARGE_PAGES`.";
    }
}

flags! {
    /// Rights on a section (`SECTION_*`).
    pub struct SectionAccess(u32) {
        QUERY = 0x1, "`SECTION_QUERY`.";
        MAP_WRITE = 0x2, "`SECTION_MAP_WRITE`.";
        MAP_READ = 0x4, "`SECTION_MAP_READ`.";
        EXTEND_SIZE = 0x10, "`SECTION_EXTEND_SIZE`.";
        ALL_ACCESS = 0xF_001F, "`SECTION_ALL_ACCESS`: every right on a section.";
    }
}

open_enum! {
    /// `LOCK_OPERATION`: what locked pages will be used for.
    pub struct LockOperation(u32) {
        READ = 0, "`IoReadAccess`.";
        WRITE = 1, "`IoWriteAccess`.";
        MODIFY = 2, "`IoModifyAccess`.";
    }
}

open_enum! {
    /// `MM_PAGE_PRIORITY`: how much a mapping is needed.
    pub struct PagePriority(u32) {
        LOW = 0, "`LowPagePriority`.";
        NORMAL = 16, "`NormalPagePriority`.";
        HIGH = 32, "`HighPagePriority`.";
    }
}

open_enum! {
    /// `WORK_QUEUE_TYPE`: which system threads do a piece of work.
    pub struct WorkQueueType(u32) {
        CRITICAL = 0, "`CriticalWorkQueue`.";
        DELAYED = 1, "`DelayedWorkQueue`.";
        HYPER_CRITICAL = 2, "`HyperCriticalWorkQueue`.";
        NORMAL = 3, "`NormalWorkQueue`.";
        BACKGROUND = 4, "`BackgroundWorkQueue`.";
        REAL_TIME = 5, "`RealTimeWorkQueue`.";
        SUPER_CRITICAL = 6, "`SuperCriticalWorkQueue`.";
        MAXIMUM = 7, "`MaximumWorkQueue`.";
        CUSTOM_PRIORITY = 32, "`CustomPriorityWorkQueue`.";
    }
}
