//! DXGK_DEVICE_INFO, and the translated resource list in it.

use dxgk_abi::Pointer;
use dxgk_abi::life::DeviceInfo;
use dxgk_abi::resources::{
    CmInterrupt, CmInterruptFlags, CmMemoryFlags, CmPartialResourceDescriptor, CmPortFlags, InterfaceType,
};
use dxgk_hw::{Bar, BarKind, NoRoom, PciFunction, Width};
use dxgk_sysmm::callbacks::DeviceMemory;
use zerocopy::IntoBytes;

use super::interrupts::DEVICE_LEVEL;
use super::state::AdapterState;
use crate::guarded;
use crate::kernel::Kernel;

/// Fills the structure for an adapter.
pub(super) fn fill(adapter: &AdapterState, memory: &DeviceMemory, info: &mut DeviceInfo) {
    info.miniport_device_context = Pointer(adapter.context);
    info.physical_device_object = Pointer(adapter.device_object);
    info.device_registry_path = adapter.registry_path;
    info.translated_resource_list = Pointer(adapter.resources);
    info.system_memory_size = memory.system_memory_size;
    info.highest_physical_address = memory.highest_physical_address.get();
}

/// Lays out a device's CM_RESOURCE_LIST in driver memory; its address.
pub(super) fn lay_out_resources(kernel: &Kernel, function: &dyn PciFunction) -> Result<u64, NoRoom> {
    let list = resource_list(&function.bars(), interrupt(function), function.requester().bus().into());
    let at = kernel.space().map_host(list.len() as u64)?.get();
    guarded::write(at, &list).map_err(|_| NoRoom)?;
    Ok(at)
}

const INTERRUPT_LINE: u16 = 0x3c;
const INTERRUPT_PIN: u16 = 0x3d;

/// The interrupt of a function that has a pin. Vectors of a level follow each other (our choice; a driver only passes them on).
fn interrupt(function: &dyn PciFunction) -> Option<CmInterrupt> {
    let byte = |offset| function.config_read(offset, Width::Byte) as u32;
    let level = DEVICE_LEVEL.into();
    let vector = u32::from(DEVICE_LEVEL) << 4 | byte(INTERRUPT_LINE) & 15;
    (byte(INTERRUPT_PIN) != 0).then_some(CmInterrupt { level, vector, affinity: 1 })
}

/// One full descriptor: the bus, and a partial descriptor a BAR, and one for the interrupt line, which may be shared (wdm.h,
/// CM_RESOURCE_LIST; the array follows its head without a gap).
fn resource_list(bars: &[Bar], interrupt: Option<CmInterrupt>, bus: u32) -> Vec<u8> {
    let mut list = Vec::new();
    let mut word = |value: u32| list.extend_from_slice(&value.to_le_bytes());
    word(1);
    word(InterfaceType::PCI_BUS.0);
    word(bus);
    // Version 1, revision 1.
    word(0x0001_0001);
    word(bars.len() as u32 + u32::from(interrupt.is_some()));
    for bar in bars {
        list.extend_from_slice(descriptor(bar).as_bytes());
    }
    if let Some(interrupt) = interrupt {
        let level_sensitive = CmInterruptFlags(0);
        let descriptor = CmPartialResourceDescriptor::interrupt(interrupt, level_sensitive, true);
        list.extend_from_slice(descriptor.as_bytes());
    }
    list
}

fn descriptor(bar: &Bar) -> CmPartialResourceDescriptor {
    let length = u32::try_from(bar.size).unwrap_or(u32::MAX);
    match bar.kind {
        BarKind::Io => {
            CmPartialResourceDescriptor::port(bar.base.get(), length, CmPortFlags::IO | CmPortFlags::BAR)
        }
        BarKind::Memory { prefetchable } => {
            let flags = if prefetchable { CmMemoryFlags::PREFETCHABLE } else { CmMemoryFlags(0) };
            CmPartialResourceDescriptor::memory(bar.base.get(), length, flags | CmMemoryFlags::BAR)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{fill, resource_list};
    use crate::dxgk::state::AdapterState;
    use crate::dxgk::tests::Nothing;
    use dxgk_abi::Pointer;
    use dxgk_abi::kernel::UnicodeString;
    use dxgk_abi::life::DeviceInfo;
    use dxgk_abi::resources::{CmInterrupt, CmResourceList};
    use dxgk_hw::{Bar, BarKind, PhysAddr};
    use dxgk_port::vidmm::Fences;
    use dxgk_sysmm::callbacks::DeviceMemory;
    use zerocopy::FromBytes;

    /// Shows S-DVI-01, S-DVI-02, S-DVI-03, S-DVI-04, S-GDI-01.
    #[test]
    fn each_member_is_the_adapters_own() {
        let adapter = AdapterState {
            number: 0,
            function: Arc::new(Nothing),
            device_object: 0x1000,
            context: 0x2000,
            resources: 0x3000,
            registry_path: UnicodeString { length: 8, maximum_length: 10, ..UnicodeString::default() },
            interrupts_on: false,
            dpc_queued: false,
            fences: Fences::default(),
        };
        let highest_physical_address = PhysAddr::new(0x1_7fff_ffff);
        let memory = DeviceMemory { system_memory_size: 6 << 30, highest_physical_address };
        let mut info = DeviceInfo::default();
        fill(&adapter, &memory, &mut info);
        assert_eq!(info.physical_device_object, Pointer(0x1000));
        assert_eq!(info.miniport_device_context, Pointer(0x2000));
        assert_eq!(info.translated_resource_list, Pointer(0x3000));
        assert_eq!(info.device_registry_path, adapter.registry_path);
        assert_eq!((info.system_memory_size, info.highest_physical_address), (6 << 30, 0x1_7fff_ffff));
    }

    #[test]
    fn the_list_has_the_layout_of_the_header() {
        let bar = Bar {
            index: 0,
            kind: BarKind::Memory { prefetchable: false },
            base: PhysAddr::new(0xfe00_0000),
            size: 0x10_0000,
        };
        let bytes = resource_list(&[bar], None, 3);
        let list = CmResourceList::read_from_bytes(&bytes).expect("one full descriptor with one partial one");
        let full = list.list;
        let [full] = full;
        let partial = full.partial_resource_list;
        let [first] = partial.partial_descriptors;
        let (bus, count, start) = (full.bus_number, partial.count, first.start);
        assert_eq!((bus, count, start), (3, 1, 0xfe00_0000));
        assert_eq!(first.range_length(), Some(0x10_0000));
    }

    #[test]
    fn the_interrupt_follows_the_bars() {
        let line = CmInterrupt { level: 8, vector: 0x80, affinity: 1 };
        let bytes = resource_list(&[], Some(line), 0);
        let list = CmResourceList::read_from_bytes(&bytes).expect("one full descriptor with one partial one");
        let [full] = list.list;
        let partial = full.partial_resource_list;
        let [first] = partial.partial_descriptors;
        let (count, flags) = (partial.count, first.flags);
        assert_eq!((count, first.share_disposition, flags), (1, 3, 0));
        assert_eq!(first.as_interrupt(), Some(line));
    }
}
