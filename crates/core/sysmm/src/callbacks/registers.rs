//! DxgkCbMapMemory and DxgkCbUnmapMemory: registers and I/O ports.

use dxgk_abi::Handle;
use dxgk_abi::callback::MemoryCachingType;
use dxgk_event::{ListRef, ObjectKind};
use dxgk_hw::{CacheType, CpuVa, DriverMemory, PAGE_SIZE, PageRun, PhysAddr, RegisterWindow, ViewOwner};

use super::{Caller, INVALID, cache_type};
use crate::SysMm;
use crate::adapters::{Resource, ResourceKind};
use crate::error::CallError;
use crate::objects::RegisterMap;
use crate::platform::Platform;
use crate::record::ObjectNote;
use dxgk_abi::NtStatus;

/// The arguments of DxgkCbMapMemory, which has no structure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MapMemoryArgs {
    /// `TranslatedAddress`: physical address, or first port.
    pub translated_address: u64,
    /// `Length` in bytes, or ports.
    pub length: u32,
    /// `InIoSpace`.
    pub in_io_space: bool,
    /// `MapToUserMode`; ignored for ports.
    pub map_to_user_mode: bool,
    /// `CacheType` (MEMORY_CACHING_TYPE): MmNonCached, MmCached or MmWriteCombined; ignored for ports (our choice).
    pub cache_type: u32,
}

/// The pages that hold a window of registers, whose address was checked not to overflow.
fn window_pages(args: &MapMemoryArgs) -> PageRun {
    let first = PhysAddr::new(args.translated_address).page();
    let end = args.translated_address.saturating_add(u64::from(args.length)).div_ceil(PAGE_SIZE);
    PageRun::new(first, end - first.get())
}

impl<P: Platform> SysMm<P> {
    /// DxgkCbMapMemory. Returns the mapped address, which has the offset in its page of the physical one, or the port
    /// number. The same range may be mapped several times. With another cache type it is mapped all the same (our
    /// choice): what Windows does then is not documented, and the verifier reports it.
    ///
    /// # Errors
    /// STATUS_INVALID_HANDLE, STATUS_DEVICE_NOT_READY; STATUS_INVALID_PARAMETER for length 0, an address that
    /// overflows, or an unknown cache type; STATUS_ACCESS_DENIED when the range does not lie inside one resource of
    /// the adapter; STATUS_INSUFFICIENT_RESOURCES when there is no room for the view.
    pub fn map_memory(
        &self,
        caller: &Caller,
        device: Handle,
        args: &MapMemoryArgs,
    ) -> Result<CpuVa, CallError> {
        let number = {
            let records = self.records.lock();
            let number = records.place(device)?.number;
            let bytes = u64::from(args.length);
            let end = args.translated_address.checked_add(bytes).filter(|_| bytes != 0).ok_or(INVALID)?;
            if !args.in_io_space {
                cache_type(MemoryCachingType(args.cache_type))?;
            }
            let wanted = if args.in_io_space { ResourceKind::Port } else { ResourceKind::Memory };
            let inside = |it: &Resource| {
                it.kind == wanted
                    && args.translated_address >= it.base
                    && end <= it.base.saturating_add(it.bytes)
            };
            if !records.adapter(device)?.resources.iter().any(inside) {
                return Err(NtStatus::ACCESS_DENIED.into());
            }
            number
        };
        let bytes = u64::from(args.length);
        let cache = if args.in_io_space {
            CacheType::NonCached
        } else {
            cache_type(MemoryCachingType(args.cache_type))?
        };
        let (kind, owner) = match (args.in_io_space, args.map_to_user_mode) {
            (true, _) => (ObjectKind::PortMap, ViewOwner::Kernel),
            (false, false) => (ObjectKind::RegisterMap, ViewOwner::Kernel),
            (false, true) => (ObjectKind::UserRegisterMap, ViewOwner::Process(caller.process)),
        };
        let address = if args.in_io_space {
            CpuVa::new(args.translated_address)
        } else {
            let base = PhysAddr::new(args.translated_address);
            let window = RegisterWindow { base, bytes, cache, owner };
            self.driver().map_registers(window).map_err(|_| NtStatus::INSUFFICIENT_RESOURCES)?
        };
        let object = self.object_number();
        let list = if args.in_io_space { ListRef::default() } else { self.note_list(&[window_pages(args)]) };
        let map = RegisterMap { object, kind, adapter: number, bytes, list, cache, owner };
        let note = map.note(address.get());
        let mut records = self.records.lock();
        if let Err(error) = records.place(device) {
            drop(records);
            if kind != ObjectKind::PortMap {
                self.driver().unmap_registers(address, bytes);
            }
            return Err(error);
        }
        records.registers.entry(address.get()).or_default().push(map);
        drop(records);
        self.note_created(&note);
        Ok(address)
    }

    /// DxgkCbUnmapMemory: undoes one map by its start address or first port; of several maps of the same ports, the
    /// latest.
    ///
    /// # Errors
    /// STATUS_INVALID_HANDLE, STATUS_DEVICE_NOT_READY; STATUS_INVALID_PARAMETER when the address is no start of a live
    /// map of this adapter, or of a user map that another process made.
    pub fn unmap_memory(&self, caller: &Caller, device: Handle, address: CpuVa) -> Result<(), CallError> {
        let mut records = self.records.lock();
        let number = records.place(device)?.number;
        let maps = records.registers.get_mut(&address.get()).ok_or(INVALID)?;
        let latest = maps.iter().rposition(|map| map.adapter == number).ok_or(INVALID)?;
        let map = maps.get(latest).ok_or(INVALID)?;
        if matches!(map.owner, ViewOwner::Process(process) if process != caller.process) {
            return Err(INVALID);
        }
        let map = maps.remove(latest);
        if maps.is_empty() {
            records.registers.remove(&address.get());
        }
        drop(records);
        if map.kind != ObjectKind::PortMap {
            self.driver().unmap_registers(address, map.bytes);
        }
        let note: ObjectNote = map.note(address.get());
        self.note_released(&note);
        Ok(())
    }
}
