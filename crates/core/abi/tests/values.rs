//! Numbers, names and unions.

use dxgk_abi::bugcheck::SysMmFatalError;
use dxgk_abi::callback::{
    AllocatePagesFlags, ArgCbCreatePhysicalMemoryObject, ContiguousParameters, IoSpaceParameters,
    MdlParameters, PhysicalMemoryParameters, PhysicalMemoryType, SectionParameters,
};
use dxgk_abi::paging::{ArgBuildPagingBuffer, MapApertureSegment2, PagingOperation, PagingParameters};
use dxgk_abi::query::IommuCaps;
use dxgk_abi::resources::{
    CmInterrupt, CmInterruptFlags, CmMemoryFlags, CmPartialResourceDescriptor, CmResourceType,
};
use dxgk_abi::version::UnknownVersion;
use dxgk_abi::{Adl, AdlFlags, BugCheck, Handle, InterfaceVersion, Irql, Mdl, NtStatus, Pointer};
use zerocopy::{FromBytes, IntoBytes};

#[test]
fn a_status_prints_its_name_and_number() {
    assert_eq!(NtStatus::NO_MEMORY.to_string(), "STATUS_NO_MEMORY (0xC0000017)");
    assert_eq!(NtStatus(0xC000_0ABC).to_string(), "0xC0000ABC");
    assert_eq!(NtStatus::SUCCESS, NtStatus(0));
}

#[test]
fn success_is_a_clear_sign_bit() {
    assert!(NtStatus::SUCCESS.is_success());
    assert!(NtStatus::PENDING.is_success());
    assert!(NtStatus::OBJECT_NAME_EXISTS.is_success());
    assert!(!NtStatus::BUFFER_OVERFLOW.is_success());
    assert!(!NtStatus::BUFFER_OVERFLOW.is_error());
    assert!(NtStatus::INVALID_PARAMETER.is_error());
}

#[test]
fn a_bug_check_prints_its_name_and_number() {
    assert_eq!(BugCheck(0x1E4).to_string(), "VIDEO_DXGKRNL_SYSMM_FATAL_ERROR (0x1E4)");
    assert_eq!(BugCheck(0xE6).to_string(), "DRIVER_VERIFIER_DMA_VIOLATION (0xE6)");
    assert_eq!(BugCheck(0x3).to_string(), "0x3");
    assert_eq!(SysMmFatalError(5), SysMmFatalError::UNLOCKED_WITH_LIVE_ADLS);
}

#[test]
fn levels_between_dispatch_and_clock_belong_to_devices() {
    assert_eq!(Irql(1).to_string(), "APC_LEVEL");
    assert_eq!(Irql(9).to_string(), "DIRQL 9");
    assert!(!Irql::CLOCK_LEVEL.is_device());
    assert!(Irql::PASSIVE_LEVEL < Irql::DISPATCH_LEVEL);
}

#[test]
fn every_version_reads_back_from_its_own_text() {
    for (version, _) in InterfaceVersion::NAMED {
        assert_eq!(version.to_string().parse(), Ok(*version));
    }
    assert_eq!("3.1".parse(), Ok(InterfaceVersion::WDDM3_1));
    assert_eq!(" wddm2.4 ".parse(), Ok(InterfaceVersion::WDDM2_4));
    assert_eq!("3.2".parse::<InterfaceVersion>(), Err(UnknownVersion));
    assert_eq!("".parse::<InterfaceVersion>(), Err(UnknownVersion));
    assert_eq!("äöü".parse::<InterfaceVersion>(), Err(UnknownVersion));
}

#[test]
fn a_version_between_two_has_the_older_sizes_and_none_below_the_first() {
    assert_eq!(InterfaceVersion(0x9007).sizes(), InterfaceVersion::WDDM2_4.sizes());
    assert_eq!(InterfaceVersion(0x11007).sizes(), InterfaceVersion::WDDM3_1.sizes());
    assert_eq!(InterfaceVersion(0x1051).sizes(), None);
}

#[test]
fn an_unknown_number_of_an_enumeration_is_kept_and_shown() {
    let kind = PhysicalMemoryType(7);
    assert_eq!(kind.name(), None);
    assert_eq!(format!("{kind:?}"), "PhysicalMemoryType(0x7)");
    assert_eq!(format!("{:?}", PhysicalMemoryType::SECTION), "SECTION");
}

#[test]
fn unnamed_flag_bits_are_kept_and_shown() {
    let caps = IommuCaps(0x8000_0004);
    assert!(caps.contains(IommuCaps::DMA_REMAPPING_SUPPORTED));
    assert_eq!((caps | IommuCaps::IOMMU_ISOLATION_SUPPORTED).0, 0x8000_0005);
    assert_eq!(format!("{caps:?}"), "IommuCaps(DMA_REMAPPING_SUPPORTED | 0x80000000)");
    assert_eq!(IommuCaps::from_bits_retain(0xFFFF_FFFF).0, 0xFFFF_FFFF);
}

#[test]
fn the_last_word_of_an_adl_is_read_as_its_flag_says() {
    let run = Adl::contiguous(0x1234, 8);
    assert_eq!((run.base_page_number(), run.pages()), (Some(0x1234), None));
    let list = Adl::array(Pointer(0xFFFF_8000_0000_1000), 8);
    assert_eq!((list.base_page_number(), list.pages()), (None, Some(Pointer(0xFFFF_8000_0000_1000))));
    assert!(Adl { flags: AdlFlags(0xFFFF_FFFF), ..list }.is_contiguous());
}

#[test]
fn an_mdl_counts_the_pages_it_touches_and_has_room_for() {
    let mdl = Mdl { size: 48 + 3 * 8, byte_count: 4097, byte_offset: 4095, ..Mdl::default() };
    assert_eq!((mdl.page_count(), mdl.page_capacity()), (2, 3));
    let edge = Mdl { byte_count: 4098, byte_offset: 4095, ..Mdl::default() };
    assert_eq!((edge.page_count(), edge.page_capacity()), (3, 0));
    let wild = Mdl { byte_count: u32::MAX, byte_offset: u32::MAX, size: u16::MAX, ..Mdl::default() };
    assert_eq!(wild.page_count(), (2 * u64::from(u32::MAX)).div_ceil(4096));
}

#[test]
fn the_union_of_a_physical_memory_object_reads_back_what_was_set() {
    let all = [
        PhysicalMemoryParameters::Mdl(MdlParameters {
            low_address: 1,
            high_address: 2,
            skip_bytes: 3,
            flags: AllocatePagesFlags::ALLOCATE_FULLY_REQUIRED,
            ..MdlParameters::default()
        }),
        PhysicalMemoryParameters::Contiguous(ContiguousParameters {
            lowest_acceptable_address: 4,
            highest_acceptable_address: 5,
            boundary_address_multiple: 6,
        }),
        PhysicalMemoryParameters::Section(SectionParameters {
            desired_access: 7,
            object_attributes: Pointer(8),
            page_protection: 9,
            allocation_attributes: 10,
            ..SectionParameters::default()
        }),
        PhysicalMemoryParameters::IoSpace(IoSpaceParameters { base_address: 11 }),
    ];
    for (number, parameters) in (0..).zip(all) {
        let mut argument = ArgCbCreatePhysicalMemoryObject { per_type: [0xFF; 32], ..Default::default() };
        argument.set_parameters(parameters);
        assert_eq!(argument.kind, PhysicalMemoryType(number));
        assert_eq!(argument.parameters(), Some(parameters));
    }
    let unknown = ArgCbCreatePhysicalMemoryObject { kind: PhysicalMemoryType(4), ..Default::default() };
    assert_eq!(unknown.parameters(), None);
}

#[test]
fn a_section_lies_where_the_header_puts_it() {
    let mut bytes = [0u8; 80];
    bytes[24] = 2;
    bytes[40] = 0x55;
    bytes[48] = 0x04;
    let argument = ArgCbCreatePhysicalMemoryObject::read_from_bytes(&bytes).expect("80 bytes");
    let section = argument.section();
    assert_eq!((section.object_attributes, section.page_protection), (Pointer(0x55), 4));
}

#[test]
fn a_paging_operation_reads_back_what_was_set() {
    let map = MapApertureSegment2 {
        allocation: Handle(5),
        segment_id: 1,
        offset_in_pages: 16,
        number_of_pages: 4,
        adl: Adl::contiguous(0x100, 4),
        ..Default::default()
    };
    let mut argument = ArgBuildPagingBuffer::default();
    argument.set_operation(PagingParameters::MapApertureSegment2(map));
    assert_eq!(argument.operation, PagingOperation(17));
    assert_eq!(argument.parameters(), Some(PagingParameters::MapApertureSegment2(map)));
    assert_eq!(argument.as_bytes()[88..96], 0x100u64.to_le_bytes());
    argument.operation = PagingOperation::FLUSH_TLB;
    assert_eq!(argument.parameters(), None);
}

#[test]
fn a_resource_descriptor_is_twenty_packed_bytes() {
    let memory = CmPartialResourceDescriptor::memory(0x1_2345_6000, 0x1000, CmMemoryFlags::BAR);
    assert_eq!(
        memory.as_bytes(),
        [3, 1, 0x80, 0, 0, 0x60, 0x45, 0x23, 1, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0]
    );
    assert_eq!(memory.range_length(), Some(0x1000));
    let large = CmPartialResourceDescriptor {
        kind: CmResourceType::MEMORY_LARGE,
        flags: CmMemoryFlags::LARGE_40.0,
        ..memory
    };
    assert_eq!(large.range_length(), Some(0x10_0000));
}

#[test]
fn an_interrupt_descriptor_reads_back_what_was_set() {
    let interrupt = CmInterrupt { level: 9, vector: 0x81, affinity: 0xF0_0000_000F };
    let descriptor = CmPartialResourceDescriptor::interrupt(interrupt, CmInterruptFlags::MESSAGE, false);
    assert_eq!(descriptor.as_interrupt(), Some(interrupt));
    assert_eq!(descriptor.range_length(), None);
}
