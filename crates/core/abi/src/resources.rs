//! The hardware resources of a device (wdm.h): what `TranslatedResourceList` points at.
//!
//! These structures are packed to 4 bytes, so that a descriptor is 20 bytes long; fields are read by value.

open_enum! {
    /// `INTERFACE_TYPE`: which bus.
    pub struct InterfaceType(u32) {
        UNDEFINED = 0xffffffff, "`InterfaceTypeUndefined`.";
        INTERNAL = 0, "`Internal`.";
        ISA = 1, "`Isa`.";
        EISA = 2, "`Eisa`.";
        MICRO_CHANNEL = 3, "`MicroChannel`.";
        TURBO_CHANNEL = 4, "`TurboChannel`.";
        PCI_BUS = 5, "`PCIBus`.";
        VME_BUS = 6, "`VMEBus`.";
        NU_BUS = 7, "`NuBus`.";
        PCMCIA_BUS = 8, "`PCMCIABus`.";
        C_BUS = 9, "`CBus`.";
        MPI_BUS = 10, "`MPIBus`.";
        MPSA_BUS = 11, "`MPSABus`.";
        PROCESSOR_INTERNAL = 12, "`ProcessorInternal`.";
        INTERNAL_POWER_BUS = 13, "`InternalPowerBus`.";
        PNPISA_BUS = 14, "`PNPISABus`.";
        PNP_BUS = 15, "`PNPBus`.";
        VMCS = 16, "`Vmcs`.";
        ACPI_BUS = 17, "`ACPIBus`.";
        MAXIMUM = 18, "`MaximumInterfaceType`.";
    }
}

open_enum! {
    /// What a descriptor describes (`CmResourceType*`).
    pub struct CmResourceType(u8) {
        NULL = 0, "`CmResourceTypeNull`.";
        PORT = 1, "`CmResourceTypePort`: a range of I/O ports.";
        INTERRUPT = 2, "`CmResourceTypeInterrupt`: an interrupt line or message.";
        MEMORY = 3, "`CmResourceTypeMemory`: a range of device memory.";
        DMA = 4, "`CmResourceTypeDma`: a system DMA channel.";
        DEVICE_SPECIFIC = 5, "`CmResourceTypeDeviceSpecific`.";
        BUS_NUMBER = 6, "`CmResourceTypeBusNumber`.";
        MEMORY_LARGE = 7, "`CmResourceTypeMemoryLarge`: device memory whose length needs a unit; see the flags.";
    }
}

flags! {
    /// Flags of a memory descriptor (`CM_RESOURCE_MEMORY_*`).
    pub struct CmMemoryFlags(u16) {
        READ_ONLY = 0x1, "`CM_RESOURCE_MEMORY_READ_ONLY`.";
        WRITE_ONLY = 0x2, "`CM_RESOURCE_MEMORY_WRITE_ONLY`.";
        PREFETCHABLE = 0x4, "`CM_RESOURCE_MEMORY_PREFETCHABLE`.";
        COMBINEDWRITE = 0x8, "`CM_RESOURCE_MEMORY_COMBINEDWRITE`.";
        MEMORY_24 = 0x10, "`CM_RESOURCE_MEMORY_24`.";
        CACHEABLE = 0x20, "`CM_RESOURCE_MEMORY_CACHEABLE`.";
        BAR = 0x80, "`CM_RESOURCE_MEMORY_BAR`.";
        LARGE_40 = 0x200, "`CM_RESOURCE_MEMORY_LARGE_40`: the length is in units of 256 bytes.";
        LARGE_48 = 0x400, "`CM_RESOURCE_MEMORY_LARGE_48`: the length is in units of 64 KiB.";
        LARGE_64 = 0x800, "`CM_RESOURCE_MEMORY_LARGE_64`: the length is in units of 4 GiB.";
    }
}

flags! {
    /// Flags of a port descriptor (`CM_RESOURCE_PORT_*`).
    pub struct CmPortFlags(u16) {
        IO = 0x1, "`CM_RESOURCE_PORT_IO`: ports, not memory.";
        BAR = 0x100, "`CM_RESOURCE_PORT_BAR`.";
    }
}

flags! {
    /// Flags of an interrupt descriptor (`CM_RESOURCE_INTERRUPT_*`).
    pub struct CmInterruptFlags(u16) {
        LATCHED = 0x1, "`CM_RESOURCE_INTERRUPT_LATCHED`; clear: level sensitive.";
        MESSAGE = 0x2, "`CM_RESOURCE_INTERRUPT_MESSAGE`: message signaled.";
    }
}

layout! {
    /// One resource. The union is three 32-bit words and more, read by the methods.
    "CM_PARTIAL_RESOURCE_DESCRIPTOR" [20 packed 4]
    pub struct CmPartialResourceDescriptor {
        0 => kind: CmResourceType, "`Type`: which member of the union holds.";
        1 => share_disposition: u8, "`ShareDisposition`: 1 device exclusive, 2 driver exclusive, 3 shared.";
        2 => flags: u16, "`Flags`: [`CmMemoryFlags`], [`CmPortFlags`] or [`CmInterruptFlags`].";
        4 => start: u64, "`u.Generic.Start` of memory and ports: physical address or port; else the union's first two words.";
        12 => length: u32, "`u.Generic.Length` of memory and ports; else the union's third word.";
        16 => last: u32, "The union's fourth word: high half of an interrupt's affinity.";
    }
}

/// An interrupt as a resource, line or message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CmInterrupt {
    /// `u.Interrupt.Level`, `u.MessageInterrupt.Translated.Level`: the level (IRQL when translated).
    pub level: u32,
    /// `u.Interrupt.Vector`: the vector.
    pub vector: u32,
    /// `u.Interrupt.Affinity`: one bit for each processor.
    pub affinity: u64,
}

impl CmPartialResourceDescriptor {
    /// A range of device memory: physical address and length, bytes, below 4 GiB long.
    pub const fn memory(start: u64, length: u32, flags: CmMemoryFlags) -> Self {
        Self { kind: CmResourceType::MEMORY, share_disposition: 1, flags: flags.0, start, length, last: 0 }
    }

    /// A range of I/O ports: first port and count.
    pub const fn port(start: u64, length: u32, flags: CmPortFlags) -> Self {
        Self { kind: CmResourceType::PORT, share_disposition: 1, flags: flags.0, start, length, last: 0 }
    }

    /// An interrupt.
    pub const fn interrupt(interrupt: CmInterrupt, flags: CmInterruptFlags, shared: bool) -> Self {
        Self {
            kind: CmResourceType::INTERRUPT,
            share_disposition: if shared { 3 } else { 1 },
            flags: flags.0,
            start: interrupt.level as u64 | (interrupt.vector as u64) << 32,
            length: interrupt.affinity as u32,
            last: (interrupt.affinity >> 32) as u32,
        }
    }

    /// The union as an interrupt, when the descriptor is one.
    pub const fn as_interrupt(&self) -> Option<CmInterrupt> {
        match self.kind {
            CmResourceType::INTERRUPT => Some(CmInterrupt {
                level: self.start as u32,
                vector: (self.start >> 32) as u32,
                affinity: self.length as u64 | (self.last as u64) << 32,
            }),
            _ => None,
        }
    }

    /// Length of a range of memory in bytes, of ports in ports; nothing for other kinds, or when it overflows.
    pub const fn range_length(&self) -> Option<u64> {
        let length = self.length as u64;
        let flags = CmMemoryFlags(self.flags);
        match self.kind {
            CmResourceType::MEMORY | CmResourceType::PORT => Some(length),
            CmResourceType::MEMORY_LARGE if flags.contains(CmMemoryFlags::LARGE_40) => Some(length << 8),
            CmResourceType::MEMORY_LARGE if flags.contains(CmMemoryFlags::LARGE_48) => Some(length << 16),
            CmResourceType::MEMORY_LARGE if flags.contains(CmMemoryFlags::LARGE_64) => Some(length << 32),
            _ => None,
        }
    }
}

layout! {
    /// The head of a list of descriptors, which follow it.
    "CM_PARTIAL_RESOURCE_LIST" [28 packed 4]
    pub struct CmPartialResourceList {
        0 => version: u16, "`Version`: 1.";
        2 => revision: u16, "`Revision`: 1.";
        4 => count: u32, "`Count`: descriptors.";
        8 => partial_descriptors: [CmPartialResourceDescriptor; 1], "`PartialDescriptors`: the first.";
    }
}

layout! {
    /// The resources on one bus.
    "CM_FULL_RESOURCE_DESCRIPTOR" [36 packed 4]
    pub struct CmFullResourceDescriptor {
        0 => interface_type: InterfaceType, "`InterfaceType`: which bus.";
        4 => bus_number: u32, "`BusNumber`.";
        8 => partial_resource_list: CmPartialResourceList, "`PartialResourceList`.";
    }
}

layout! {
    /// All resources of a device: the head of a list.
    "CM_RESOURCE_LIST" [40 packed 4]
    pub struct CmResourceList {
        0 => count: u32, "`Count`: full descriptors.";
        4 => list: [CmFullResourceDescriptor; 1], "`List`: the first.";
    }
}
