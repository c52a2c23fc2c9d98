//! Calls through `DXGKRNL_INTERFACE`.

use core::sync::atomic::{AtomicU64, Ordering};

use dxgk_abi::NtStatus;
use dxgk_abi::callback::{
    ArgCbAllocateAdl, ArgCbAllocateContiguousMemory, ArgCbAllocatePagesForMdl,
    ArgCbClosePhysicalMemoryObject, ArgCbCreatePhysicalMemoryObject, ArgCbDestroyPhysicalMemoryObject,
    ArgCbFreeAdl, ArgCbFreeContiguousMemory, ArgCbFreePagesFromMdl, ArgCbMapFrameBufferPointer,
    ArgCbMapMdlToIoMmu, ArgCbMapPhysicalMemory, ArgCbOpenPhysicalMemoryObject, ArgCbPinFrameBufferForSave,
    ArgCbPinFrameBufferForSave2, ArgCbUnmapFrameBufferPointer, ArgCbUnmapMdlFromIoMmu,
    ArgCbUnmapPhysicalMemory, ArgCbUnpinFrameBufferForSave,
};
use dxgk_abi::interface::DxgkrnlInterface;
use dxgk_abi::life::DeviceInfo;
use dxgk_abi::mdl::Mdl;
use dxgk_abi::word::{Handle, Pointer};
use zerocopy::IntoBytes;

use super::list::{AdlPointer, MdlPointer};
use super::memory::Memory;
use crate::resources::{BUS_HEAD, DESCRIPTOR, HEAD, word};
use crate::status::{Result, check};

/// The callbacks, copied from the table that the port driver offered. A slot beyond the offered `Size` is zero here,
/// and calling it answers `STATUS_NOT_SUPPORTED` without a call.
#[derive(Debug)]
pub(crate) struct Callbacks {
    table: DxgkrnlInterface,
    /// The handle of the chain's lead; 0: the device's own.
    lead: AtomicU64,
    /// The first address behind the table that was offered.
    end: u64,
}

/// Bytes of the table's first field, `Size`.
const SIZE_FIELD: usize = 4;

/// The function in a slot, or `STATUS_NOT_SUPPORTED` for an empty slot.
///
/// The transmute is each caller's own unsafe operation, as it is the caller who knows the slot's signature.
macro_rules! slot_function {
    ($address:expr, fn($($ty:ty),* $(,)?) $(-> $return:ty)?) => {{
        let address = $address;
        if address == 0 {
            Err(NtStatus::NOT_SUPPORTED)
        } else {
            // SAFETY: the slot is not zero and came from the port driver's table (`Callbacks::copy`), whose slots
            // hold functions of the signatures written in the interface's documentation; this is that slot's.
            Ok(unsafe { core::mem::transmute::<u64, abi_fn!(fn($($ty),*) $(-> $return)?)>(address) })
        }
    }};
}

/// Declares callbacks that take the adapter's handle and one argument structure, or the structure alone.
macro_rules! argument_callbacks {
    ($($(#[$meta:meta])* fn $slot:ident($(@$handle:ident,)? $argument:ident: $ty:ty) -> $return:ident;)*) => {
        $(
            $(#[$meta])*
            pub(crate) fn $slot(&self, $argument: &mut $ty) -> Result<()> {
                let function = slot_function!(
                    self.table.$slot, fn($(argument_callbacks!(@handle $handle),)? *mut $ty) -> $return
                )?;
                // SAFETY: the slot's signature is this one, and the argument is a live structure of its type that
                // nothing else refers to during the call.
                let status = unsafe { function($(argument_callbacks!(@given self $handle),)? $argument) };
                status.outcome()
            }
        )*
    };
    (@handle $handle:ident) => { Handle };
    (@given $self:ident lead) => { $self.lead() };
    (@given $self:ident $handle:ident) => { $self.table.device_handle };
}

/// What a callback's return value means.
trait Outcome {
    fn outcome(self) -> Result<()>;
}

impl Outcome for NtStatus {
    fn outcome(self) -> Result<()> {
        check(self)
    }
}

/// The return of a `VOID` callback.
type Nothing = ();

impl Outcome for Nothing {
    fn outcome(self) -> Result<()> {
        Ok(())
    }
}

impl Callbacks {
    /// Copies what the port driver offered: `Size` bytes, and no byte more.
    ///
    /// # Safety
    /// `table` is the pointer that the port driver passed to `DxgkDdiStartDevice`: at least `Size` readable bytes,
    /// whose slots hold the documented callbacks, callable until `DxgkDdiStopDevice` returns.
    pub(crate) unsafe fn copy(table: *const DxgkrnlInterface) -> Result<Self> {
        if table.is_null() || !table.is_aligned() {
            return Err(NtStatus::INVALID_PARAMETER);
        }
        // SAFETY: every table starts with its `Size`; the caller vouches for the table.
        let offered = unsafe { table.cast::<u32>().read() } as usize;
        if offered < SIZE_FIELD {
            return Err(NtStatus::REVISION_MISMATCH);
        }
        let mut copy = DxgkrnlInterface::default();
        let bytes = copy.as_mut_bytes();
        let known = offered.min(bytes.len());
        // SAFETY: the caller vouches for `Size` readable bytes, and the copy is at least `known` long and distinct.
        unsafe { core::ptr::copy_nonoverlapping(table.cast::<u8>(), bytes.as_mut_ptr(), known) };
        // A slot that the offered size cuts in two is none.
        if let Some(cut) = bytes.get_mut(known / 8 * 8..) {
            cut.fill(0);
        }
        copy.size = known as u32;
        let end = (table.expose_provenance() as u64).saturating_add(offered as u64);
        Ok(Self { table: copy, lead: AtomicU64::new(0), end })
    }

    /// The first address behind the table that was offered. Nothing that is there is the driver's.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// The handle for callbacks that want the lead's.
    pub(crate) fn lead(&self) -> Handle {
        match self.lead.load(Ordering::Relaxed) {
            0 => self.table.device_handle,
            lead => Handle(lead),
        }
    }

    /// From now on `lead` is that handle.
    pub(crate) fn set_lead(&self, lead: Handle) {
        self.lead.store(lead.0, Ordering::Relaxed);
    }

    /// The table's head and slots, for information.
    pub(crate) fn table(&self) -> &DxgkrnlInterface {
        &self.table
    }

    /// `DxgkCbGetDeviceInformation`, with the bytes of the resource list.
    pub(crate) fn get_device_information(&self) -> Result<(DeviceInfo, &[u8])> {
        let function =
            slot_function!(self.table.get_device_information, fn(Handle, *mut DeviceInfo) -> NtStatus)?;
        let mut info = DeviceInfo::default();
        // SAFETY: the slot's signature is this one, and the structure is live.
        check(unsafe { function(self.table.device_handle, &mut info) })?;
        // SAFETY: the port driver's list, which stays at least until the device is stopped: so do the callbacks.
        let resources = unsafe { resource_bytes(info.translated_resource_list) };
        Ok((info, resources))
    }

    /// `DxgkCbMapMemory` of a memory range for the kernel; `cache` is a `MEMORY_CACHING_TYPE`.
    pub(crate) fn map_memory(&self, address: u64, length: u32, cache: u32) -> Result<Memory> {
        let function = slot_function!(
            self.table.map_memory,
            fn(Handle, u64, u32, u8, u8, u32, *mut Pointer) -> NtStatus
        )?;
        let mut mapped = Pointer::NULL;
        // SAFETY: the slot's signature is this one, and the out pointer is a live pointer.
        check(unsafe { function(self.table.device_handle, address, length, 0, 0, cache, &mut mapped) })?;
        // SAFETY: the callback mapped `length` bytes there, until `DxgkCbUnmapMemory`, which is called only by the
        // owner of this value.
        unsafe { Memory::new(mapped.0, u64::from(length)) }.ok_or(NtStatus::UNSUCCESSFUL)
    }

    /// `DxgkCbUnmapMemory`.
    pub(crate) fn unmap_memory(&self, address: Pointer) -> Result<()> {
        let function = slot_function!(self.table.unmap_memory, fn(Handle, Pointer) -> NtStatus)?;
        // SAFETY: the slot's signature is this one; it takes an address as a number.
        check(unsafe { function(self.table.device_handle, address) })
    }

    argument_callbacks! {
        fn allocate_contiguous_memory(@handle, argument: ArgCbAllocateContiguousMemory) -> NtStatus;
        fn free_contiguous_memory(@handle, argument: ArgCbFreeContiguousMemory) -> NtStatus;
        fn pin_frame_buffer_for_save(@lead, argument: ArgCbPinFrameBufferForSave) -> NtStatus;
        fn pin_frame_buffer_for_save2(@lead, argument: ArgCbPinFrameBufferForSave2) -> NtStatus;
        fn unpin_frame_buffer_for_save(@lead, argument: ArgCbUnpinFrameBufferForSave) -> NtStatus;
        fn map_frame_buffer_pointer(@lead, argument: ArgCbMapFrameBufferPointer) -> NtStatus;
        fn unmap_frame_buffer_pointer(@lead, argument: ArgCbUnmapFrameBufferPointer) -> NtStatus;
        fn allocate_pages_for_mdl(@handle, argument: ArgCbAllocatePagesForMdl) -> NtStatus;
        fn free_pages_from_mdl(@handle, argument: ArgCbFreePagesFromMdl) -> NtStatus;
        fn map_mdl_to_iommu(@lead, argument: ArgCbMapMdlToIoMmu) -> NtStatus;
        fn unmap_mdl_from_iommu(@lead, argument: ArgCbUnmapMdlFromIoMmu) -> Nothing;
        fn create_physical_memory_object(argument: ArgCbCreatePhysicalMemoryObject) -> NtStatus;
        fn destroy_physical_memory_object(argument: ArgCbDestroyPhysicalMemoryObject) -> Nothing;
        fn open_physical_memory_object(argument: ArgCbOpenPhysicalMemoryObject) -> NtStatus;
        fn close_physical_memory_object(argument: ArgCbClosePhysicalMemoryObject) -> Nothing;
        fn map_physical_memory(argument: ArgCbMapPhysicalMemory) -> NtStatus;
        fn unmap_physical_memory(argument: ArgCbUnmapPhysicalMemory) -> Nothing;
        fn allocate_adl(argument: ArgCbAllocateAdl) -> NtStatus;
        fn free_adl(argument: ArgCbFreeAdl) -> Nothing;
    }

    /// `DxgkCbAllocatePagesForMdl`, with its MDL.
    pub(crate) fn pages(&self, argument: &mut ArgCbAllocatePagesForMdl) -> Result<MdlPointer> {
        self.allocate_pages_for_mdl(argument)?;
        let mdl = core::ptr::with_exposed_provenance_mut::<Mdl>(argument.mdl.0 as usize);
        // SAFETY: the callback made this MDL; it lives until `DxgkCbFreePagesFromMdl`, which only the owner calls.
        unsafe { MdlPointer::new(mdl) }.ok_or(NtStatus::UNSUCCESSFUL)
    }

    /// `DxgkCbAllocateContiguousMemory`, with its memory: as many bytes as were asked for.
    pub(crate) fn contiguous(&self, argument: &mut ArgCbAllocateContiguousMemory) -> Result<Memory> {
        self.allocate_contiguous_memory(argument)?;
        // SAFETY: the callback mapped `NumberOfBytes` bytes there, until `DxgkCbFreeContiguousMemory`, which only the
        // owner calls.
        unsafe { Memory::new(argument.memory.0, argument.number_of_bytes) }.ok_or(NtStatus::UNSUCCESSFUL)
    }

    /// `DxgkCbPinFrameBufferForSave`, with its MDL.
    pub(crate) fn pinned(&self, argument: &mut ArgCbPinFrameBufferForSave) -> Result<MdlPointer> {
        self.pin_frame_buffer_for_save(argument)?;
        let mdl = core::ptr::with_exposed_provenance_mut::<Mdl>(argument.mdl.0 as usize);
        // SAFETY: the callback made this MDL; it lives until `DxgkCbUnpinFrameBufferForSave`, which only the owner calls.
        unsafe { MdlPointer::new(mdl) }.ok_or(NtStatus::UNSUCCESSFUL)
    }

    /// `DxgkCbPinFrameBufferForSave2`, with its list.
    pub(crate) fn pinned2(&self, argument: &mut ArgCbPinFrameBufferForSave2) -> Result<AdlPointer> {
        self.pin_frame_buffer_for_save2(argument)?;
        // SAFETY: the callback made this list; it lives until `DxgkCbUnpinFrameBufferForSave`, which only the owner calls.
        unsafe { AdlPointer::new(argument.adl) }.ok_or(NtStatus::UNSUCCESSFUL)
    }

    /// `DxgkCbMapFrameBufferPointer`, with its view: the part that was asked for, at base plus the returned offset.
    pub(crate) fn piece(&self, argument: &mut ArgCbMapFrameBufferPointer) -> Result<Memory> {
        self.map_frame_buffer_pointer(argument)?;
        let start = argument.base_address.0.checked_add(argument.offset).ok_or(NtStatus::UNSUCCESSFUL)?;
        // SAFETY: the callback mapped `Size` bytes from there on, until `DxgkCbUnmapFrameBufferPointer`, which only the
        // owner calls.
        unsafe { Memory::new(start, argument.size) }.ok_or(NtStatus::UNSUCCESSFUL)
    }

    /// `DxgkCbMapPhysicalMemory`, with its view: base and size as returned.
    pub(crate) fn view(&self, argument: &mut ArgCbMapPhysicalMemory) -> Result<Memory> {
        self.map_physical_memory(argument)?;
        // SAFETY: the callback mapped `Size` bytes there, until `DxgkCbUnmapPhysicalMemory`, which only the owner
        // calls.
        unsafe { Memory::new(argument.mapped_address.0, argument.size) }.ok_or(NtStatus::UNSUCCESSFUL)
    }

    /// `DxgkCbAllocateAdl`, with its list.
    pub(crate) fn list(&self, argument: &mut ArgCbAllocateAdl) -> Result<AdlPointer> {
        self.allocate_adl(argument)?;
        // SAFETY: the callback made this list; it lives until `DxgkCbFreeAdl`, which only the owner calls.
        unsafe { AdlPointer::new(argument.adl) }.ok_or(NtStatus::UNSUCCESSFUL)
    }
}

/// The bytes of a `CM_RESOURCE_LIST`, whose length is found by walking its counts.
///
/// # Safety
/// `list` is null or the port driver's list, which stays as it is for `'l`.
unsafe fn resource_bytes<'l>(list: Pointer) -> &'l [u8] {
    let list = core::ptr::with_exposed_provenance::<u8>(list.0 as usize);
    if list.is_null() {
        return &[];
    }
    // SAFETY: every list has its count.
    let head = unsafe { core::slice::from_raw_parts(list, HEAD) };
    let mut length = HEAD;
    for _ in 0..word(head, 0).unwrap_or(0) {
        // SAFETY: the count says that another bus follows, so its head is there.
        let bus = unsafe { core::slice::from_raw_parts(list.wrapping_add(length), BUS_HEAD) };
        length += BUS_HEAD + word(bus, BUS_HEAD - 4).unwrap_or(0) as usize * DESCRIPTOR;
    }
    // SAFETY: the sum of what the counts say is there.
    unsafe { core::slice::from_raw_parts(list, length) }
}
