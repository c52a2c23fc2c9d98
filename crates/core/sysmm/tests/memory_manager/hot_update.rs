//! SaveMemoryForHotUpdate: the three forms, what is refused, and what becomes of what was saved.

use dxgk_abi::callback::ArgCbSaveMemoryForHotUpdate;
use dxgk_abi::mdl::MdlFlags;
use dxgk_abi::{Handle, NtStatus, Pointer};
use dxgk_hw::{MachineMemory, PAGE_SIZE, Pfn};
use dxgk_sysmm::pages::{PageOwner, PageRequest};
use dxgk_sysmm::{CallError, SavedBlock};

use crate::machine::{ALL_MODES, CALLER, Kind, Machine, Run, mdl_header, pages, status};

fn save(run: &Run, args: &ArgCbSaveMemoryForHotUpdate) -> Result<(), CallError> {
    run.sysmm.save_memory_for_hot_update(&CALLER, run.lead, args)
}

/// The block's bytes, whole pages.
fn bytes(run: &Run, block: &SavedBlock<Machine>) -> Vec<u8> {
    let mut all = Vec::new();
    for page in pages(block.pages()) {
        let mut part = vec![0; PAGE_SIZE as usize];
        run.machine.ram.read(Pfn::new(page).address(), &mut part).expect("RAM");
        all.extend(part);
    }
    all
}

/// Pages of the kernel's, each filled with its place in the list and one.
fn filled(run: &Run, count: u64) -> Vec<u64> {
    let taken = run.pages.allocate(&PageRequest::anywhere(count), PageOwner::Kernel).expect("room");
    let list: Vec<u64> = pages(&taken).collect();
    for (number, page) in (1u8..).zip(&list) {
        run.machine.ram.write(Pfn::new(*page).address(), &[number; 4096]).expect("RAM");
    }
    list
}

fn own(run: &Run, words: &[u64]) -> Pointer {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    Pointer(run.machine.driver.own_block(&bytes))
}

fn of_mdl(mdl: u64) -> ArgCbSaveMemoryForHotUpdate {
    ArgCbSaveMemoryForHotUpdate { data_mdl: Pointer(mdl), ..ArgCbSaveMemoryForHotUpdate::default() }
}

/// Shows S-SHU-01, S-SHU-03, S-SHU-05, S-SHU-07, S-SHUA-01, S-SHUA-04, S-SHUA-05.
#[test]
fn ranges_an_mdl_and_a_buffer_are_kept_with_their_metadata_whatever_becomes_of_the_driver() {
    for kind in ALL_MODES {
        let run = Run::new(kind);
        let list = filled(&run, 6);
        let metadata = Pointer(run.machine.driver.own_block(b"which block"));
        let ranges = own(&run, &[list[0] << 12 | 1, list[1] << 12 | 1]);
        let mdl = run.machine.driver.own_mdl(mdl_header(2, MdlFlags::PAGES_LOCKED), &list[2..4]);
        let data = Pointer(run.machine.driver.own_block(&[7u8; 5000]));
        run.sysmm.begin_hot_update(run.logical).expect("first");
        let with_ranges = ArgCbSaveMemoryForHotUpdate {
            num_data_memory_ranges: 2,
            data_memory_ranges: ranges,
            meta_data: metadata,
            meta_data_size: 11,
            ..ArgCbSaveMemoryForHotUpdate::default()
        };
        save(&run, &with_ranges).expect("ranges");
        save(&run, &of_mdl(mdl)).expect("an MDL");
        let with_data =
            ArgCbSaveMemoryForHotUpdate { data, data_size: 5000, ..ArgCbSaveMemoryForHotUpdate::default() };
        save(&run, &with_data).expect("a buffer");
        // What the driver does to its pages afterwards, and its going, change nothing.
        run.machine.ram.write(Pfn::new(list[0]).address(), &[0xff; 4096]).expect("RAM");
        let blocks = run.sysmm.end_hot_update(run.logical);
        run.sysmm.remove_adapter(run.linked).expect("live");
        run.sysmm.remove_adapter(run.lead).expect("live");
        let [first, second, third] = blocks.as_slice() else { panic!("three blocks") };
        assert_eq!(bytes(&run, first), [[1u8; 4096], [2; 4096]].concat());
        assert_eq!(first.metadata(), b"which block");
        assert_eq!(bytes(&run, second), [[3u8; 4096], [4; 4096]].concat());
        assert!(second.metadata().is_empty());
        let mut expected = vec![7u8; 5000];
        expected.resize(8192, 0);
        assert_eq!((third.bytes(), bytes(&run, third)), (5000, expected));
        let held = run.sysmm.statistics().pages.kernel;
        assert_eq!(held, 6 + 6, "the driver's pages and the copies");
        drop(blocks);
        assert_eq!(run.sysmm.statistics().pages.kernel, 6, "given up");
    }
}

#[test]
fn pages_that_somebody_takes_over_are_his_to_give_back() {
    let run = Run::new(Kind::Isolation);
    let data = Pointer(run.machine.driver.own_block(&[7u8; 4096]));
    run.sysmm.begin_hot_update(run.logical).expect("first");
    save(&run, &ArgCbSaveMemoryForHotUpdate { data, data_size: 4096, ..Default::default() }).expect("room");
    let block = run.sysmm.end_hot_update(run.logical).pop().expect("a block");
    let taken = block.into_pages();
    assert_eq!(run.sysmm.statistics().pages.kernel, 1);
    run.pages.release(&taken, PageOwner::Kernel).expect("the kernel's");
    run.assert_balanced();
}

/// Shows S-SHU-02, S-SHU-06, S-SHUA-06.
#[test]
fn save_memory_for_hot_update_refuses() {
    let invalid = NtStatus::INVALID_PARAMETER;
    let run = Run::new(Kind::Isolation);
    let list = filled(&run, 4);
    let free = (1..0x4000).find(|page| !list.contains(page)).expect("one");
    let locked = mdl_header(1, MdlFlags::PAGES_LOCKED);
    let mdl = run.machine.driver.own_mdl(locked, &list[..1]);
    let twice = run.machine.driver.own_mdl(mdl_header(2, MdlFlags::PAGES_LOCKED), &[list[1], list[1]]);
    let unowned = run.machine.driver.own_mdl(locked, &[free]);
    let chain = run.machine.driver.own_mdl(dxgk_abi::mdl::Mdl { next: Pointer(mdl), ..locked }, &list[1..2]);
    let block = Pointer(run.machine.driver.own_block(&[1u8; 100]));
    let ranges = |words: &[u64]| ArgCbSaveMemoryForHotUpdate {
        num_data_memory_ranges: words.len() as u32,
        data_memory_ranges: own(&run, words),
        ..ArgCbSaveMemoryForHotUpdate::default()
    };
    let buffer = |data_size| ArgCbSaveMemoryForHotUpdate { data: block, data_size, ..Default::default() };
    let before = run.sysmm.statistics();
    let outside = save(&run, &of_mdl(mdl));
    assert_eq!(status(outside), NtStatus::INVALID_DEVICE_STATE, "nobody asked");
    run.sysmm.begin_hot_update(run.logical).expect("first");
    assert_eq!(status(run.sysmm.begin_hot_update(run.logical)), NtStatus::INVALID_DEVICE_STATE);
    let both = ArgCbSaveMemoryForHotUpdate { data: block, data_size: 8, ..of_mdl(mdl) };
    let three = ArgCbSaveMemoryForHotUpdate {
        data_mdl: Pointer(mdl),
        data: block,
        data_size: 8,
        ..ranges(&[list[1] << 12 | 1])
    };
    let cases = [
        ("no pointer", ArgCbSaveMemoryForHotUpdate::default()),
        ("two pointers", both),
        ("three pointers", three),
        ("no ranges", ArgCbSaveMemoryForHotUpdate { num_data_memory_ranges: 0, ..ranges(&[1]) }),
        (
            "more ranges than can be read",
            ArgCbSaveMemoryForHotUpdate { num_data_memory_ranges: 2, ..ranges(&[list[1] << 12 | 1]) },
        ),
        (
            "all ranges that can be said",
            ArgCbSaveMemoryForHotUpdate { num_data_memory_ranges: u32::MAX, ..ranges(&[1]) },
        ),
        (
            "ranges at no address",
            ArgCbSaveMemoryForHotUpdate { data_memory_ranges: Pointer(0x10), ..ranges(&[1]) },
        ),
        ("a range of no pages", ranges(&[list[1] << 12])),
        ("a range of free pages", ranges(&[free << 12 | 1])),
        ("a range of what is no RAM", ranges(&[0xfff_0000_0000 | 1])),
        ("a range up to the last address", ranges(&[u64::MAX])),
        ("one page in two ranges", ranges(&[list[1] << 12 | 1, list[1] << 12 | 1])),
        ("an MDL that names a page twice", of_mdl(twice)),
        ("an MDL of a free page", of_mdl(unowned)),
        ("a chain of MDLs", of_mdl(chain)),
        ("no MDL", of_mdl(0x10)),
        ("a buffer of nothing", buffer(0)),
        ("a buffer longer than it is", buffer(101)),
        ("metadata at null", ArgCbSaveMemoryForHotUpdate { meta_data_size: 1, ..buffer(8) }),
        (
            "metadata at no address",
            ArgCbSaveMemoryForHotUpdate { meta_data_size: 1, meta_data: Pointer(0x10), ..buffer(8) },
        ),
        (
            "more metadata than there is",
            ArgCbSaveMemoryForHotUpdate { meta_data_size: 101, meta_data: block, ..buffer(8) },
        ),
        (
            "very much metadata",
            ArgCbSaveMemoryForHotUpdate { meta_data_size: u32::MAX, meta_data: block, ..buffer(8) },
        ),
    ];
    for (name, args) in cases {
        assert_eq!(status(save(&run, &args)), invalid, "{name}");
        assert_eq!(run.sysmm.statistics(), before, "{name}");
    }
    let strange = run.sysmm.save_memory_for_hot_update(&CALLER, Handle(8), &of_mdl(mdl));
    assert_eq!(status(strange), NtStatus::INVALID_HANDLE);
    save(&run, &of_mdl(mdl)).expect("a good one, after all that");
    assert_eq!(status(save(&run, &of_mdl(mdl))), invalid, "saved twice");
    assert_eq!(status(save(&run, &ranges(&[list[0] << 12 | 1]))), invalid, "saved twice, in another form");
    save(&run, &ranges(&[list[1] << 12 | 1])).expect("another page, though a refused block named it");
    assert_eq!(run.sysmm.end_hot_update(run.logical).len(), 2);
    assert_eq!(run.sysmm.statistics(), before);
}

#[test]
fn a_block_for_which_there_is_no_memory_may_be_tried_again() {
    let run = Run::with(Kind::Isolation, dxgk_sysmm::Policy::default(), &[(0, 64 * PAGE_SIZE, 0)]);
    let list = filled(&run, 2);
    let mdl = run.machine.driver.own_mdl(mdl_header(2, MdlFlags::PAGES_LOCKED), &list);
    run.sysmm.begin_hot_update(run.logical).expect("first");
    let rest = run.pages.allocate(&PageRequest::anywhere(60), PageOwner::Kernel).expect("all but one");
    assert_eq!(status(save(&run, &of_mdl(mdl))), NtStatus::NO_MEMORY);
    run.pages.release(&rest, PageOwner::Kernel).expect("ours");
    save(&run, &of_mdl(mdl)).expect("room");
    assert_eq!(run.sysmm.end_hot_update(run.logical).len(), 1);
}
