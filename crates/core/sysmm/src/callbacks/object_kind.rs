//! What the four types of physical memory objects ask for.

use dxgk_abi::NtStatus;
use dxgk_abi::bugcheck::SysMmFatalError;
use dxgk_abi::callback::{
    ArgCbCreatePhysicalMemoryObject, IoSpaceParameters, MemoryCachingType, PhysicalMemoryParameters,
    SectionParameters,
};
use dxgk_abi::kernel::PageProtection;
use dxgk_hw::{PAGE_SIZE, PageRun, PhysAddr};

use super::contiguous_memory::contiguous_request;
use super::pages_for_mdl::MdlRequest;
use super::{Caller, INVALID, pages_of};
use crate::adapters::ResourceKind;
use crate::error::CallError;
use crate::objects::{Adapter, Entry, Records};
use crate::pages::{PageOwner, PageRequest};
use crate::platform::Platform;
use crate::policy::Strictness;

/// What an object is to be made of.
pub(super) enum Wanted {
    /// Pages that stay.
    Pages(PageRequest),
    /// Pages that come and go, and whose they are.
    Section(PageRequest, PageOwner),
    /// Pages of a device.
    Device(PageRun),
}

/// Reads the member of the union that the type selects, and nothing else.
pub(super) fn wanted<P: Platform>(
    records: &Records<P>,
    strictness: Strictness,
    caller: &Caller,
    args: &ArgCbCreatePhysicalMemoryObject,
) -> Result<Wanted, CallError> {
    match args.parameters() {
        Some(PhysicalMemoryParameters::Mdl(mdl)) => {
            let request = MdlRequest {
                low: mdl.low_address,
                high: mdl.high_address,
                skip: mdl.skip_bytes,
                bytes: args.size,
                flags: mdl.flags,
            };
            request.page_request(caller).map(Wanted::Pages)
        }
        Some(PhysicalMemoryParameters::Contiguous(contiguous)) => {
            contiguous_request(args.size, &contiguous).map(Wanted::Pages)
        }
        Some(PhysicalMemoryParameters::Section(section)) => section_request(args, &section),
        Some(PhysicalMemoryParameters::IoSpace(range)) => device_range(records, args, &range),
        None if strictness == Strictness::Windows => {
            Err(CallError::fatal(SysMmFatalError::INVALID_PHYSICAL_OBJECT_TYPE))
        }
        None => Err(INVALID),
    }
}

/// A section: exactly one of the four protections that the page names, cached or write-combined. It is committed at once,
/// as SEC_COMMIT says, and our choice is that a committed page has a frame until it is taken. `DesiredAccess` and
/// `ObjectAttributes` describe a handle that nobody is given, and `AllocationAttributes` is fixed by the callback, so none
/// of them is looked at (our choice).
///
/// Devices may write the pages of PAGE_READWRITE only (our choice; the pages do not speak of devices): PAGE_READONLY and
/// PAGE_EXECUTE say so, and under PAGE_WRITECOPY a write must not reach the section.
fn section_request(
    args: &ArgCbCreatePhysicalMemoryObject,
    section: &SectionParameters,
) -> Result<Wanted, CallError> {
    let cacheable = matches!(args.cache_type, MemoryCachingType::CACHED | MemoryCachingType::WRITE_COMBINED);
    let owner = match PageProtection(section.page_protection) {
        PageProtection::READWRITE => PageOwner::Driver,
        PageProtection::READONLY | PageProtection::EXECUTE | PageProtection::WRITECOPY => PageOwner::ReadOnly,
        _ => return Err(INVALID),
    };
    if !cacheable {
        return Err(INVALID);
    }
    Ok(Wanted::Section(PageRequest::anywhere(pages_of(args.size)?), owner))
}

/// A range of a device's memory: whole pages, all of them inside one memory resource of the adapter or, since linked
/// adapters share a domain, of one linked to it. Without an adapter any adapter's will do, which is how one device is let
/// reach another's memory (our choice).
fn device_range<P: Platform>(
    records: &Records<P>,
    args: &ArgCbCreatePhysicalMemoryObject,
    range: &IoSpaceParameters,
) -> Result<Wanted, CallError> {
    let pages = pages_of(args.size)?;
    let bytes = pages.checked_mul(PAGE_SIZE).ok_or(INVALID)?;
    let end = range.base_address.checked_add(bytes).ok_or(INVALID)?;
    if !range.base_address.is_multiple_of(PAGE_SIZE) {
        return Err(INVALID);
    }
    let logical = match records.adapter(args.adapter) {
        Ok(adapter) => Some(adapter.logical),
        Err(_) => None,
    };
    let within = |adapter: &Adapter| {
        logical.is_none_or(|logical| adapter.logical == logical)
            && adapter.resources.iter().any(|resource| {
                resource.kind == ResourceKind::Memory
                    && range.base_address >= resource.base
                    && end <= resource.base.saturating_add(resource.bytes)
            })
    };
    let assigned = records
        .handles
        .iter()
        .any(|(_, entry)| matches!(entry, Entry::Adapter(adapter) if !adapter.stopped && within(adapter)));
    if assigned {
        Ok(Wanted::Device(PageRun::new(PhysAddr::new(range.base_address).page(), pages)))
    } else {
        Err(NtStatus::ACCESS_DENIED.into())
    }
}
