//! Machine memory over a file.

use std::os::fd::AsFd;
use std::sync::atomic::Ordering;

use dxgk_hw::{MachineMemory, NotRam, PageRun, Pfn, PhysAddr};
use dxgk_shm::{Ram, RamLayout, ShmError};

fn layout(text: &str) -> RamLayout {
    text.parse().expect(text)
}

fn ram(text: &str) -> Ram {
    Ram::create(&layout(text)).expect("RAM")
}

/// Blocks of 512 bytes that the host has given to the file.
fn blocks(ram: &Ram) -> u64 {
    rustix::fs::fstat(ram.fd()).expect("fstat").st_blocks as u64
}

#[test]
fn two_tebibytes_cost_nothing_until_touched() {
    let ram = ram("1T@0x100000000,1T@8T");
    assert_eq!(blocks(&ram), 0);
    ram.write(PhysAddr::new((8 << 40) + 0x5008), &[1, 2, 3]).expect("RAM");
    let mut out = [0; 4];
    ram.read(PhysAddr::new((8 << 40) + 0x5008), &mut out).expect("RAM");
    assert_eq!(out, [1, 2, 3, 0]);
    assert!(blocks(&ram) <= 8, "one page, not {} blocks", blocks(&ram));
}

#[test]
fn frames_outside_the_ranges_are_refused() {
    let ram = ram("8K@0,4K@16K");
    for (frame, is_ram) in
        [(0, true), (1, true), (2, false), (3, false), (4, true), (5, false), (u64::MAX, false)]
    {
        assert_eq!(ram.live(Pfn::new(frame)).is_some(), is_ram, "frame {frame}");
        assert_eq!(ram.file_offset(Pfn::new(frame)).is_some(), is_ram, "frame {frame}");
    }
    // A page number whose address would wrap to 0 is not frame 0.
    assert!(ram.live(Pfn::new(1 << 52)).is_none());
}

#[test]
fn ranges_stand_in_the_file_without_holes() {
    let ram = ram("8K@0,4K@16K");
    for (frame, offset) in [(0, 0), (1, 0x1000), (4, 0x2000)] {
        assert_eq!(ram.file_offset(Pfn::new(frame)), Some(offset));
        assert_eq!(ram.frame_at(offset + 5), Some(Pfn::new(frame)));
    }
    assert_eq!(ram.frame_at(0x3000), None);
}

#[test]
fn copies_of_any_alignment_keep_the_bytes_around_them() {
    let ram = ram("64K");
    let mut expected = vec![0u8; 0x4000];
    for start in [0usize, 1, 7, 8, 13, 4090] {
        for length in [0usize, 1, 3, 8, 9, 16, 31, 4096, 5000] {
            let bytes: Vec<u8> = (0..length).map(|i| (start * 31 + length * 7 + i + 1) as u8).collect();
            ram.write(PhysAddr::new(start as u64), &bytes).expect("RAM");
            expected[start..start + length].copy_from_slice(&bytes);
            let mut out = vec![0; expected.len()];
            ram.read(PhysAddr::new(0), &mut out).expect("RAM");
            assert!(out == expected, "start {start}, length {length}");
            let mut part = vec![0; length];
            ram.read(PhysAddr::new(start as u64), &mut part).expect("RAM");
            assert_eq!(part, bytes);
        }
    }
}

#[test]
fn a_copy_crosses_ranges_that_touch_and_stops_at_a_hole_before_writing_anything() {
    let ram = ram("8K@0:node0,8K@8K:node1,4K@20K");
    ram.write(PhysAddr::new(0x1ffc), &[7; 8]).expect("both ranges are RAM");
    let mut out = [0; 8];
    ram.read(PhysAddr::new(0x1ffc), &mut out).expect("RAM");
    assert_eq!(out, [7; 8]);

    assert_eq!(ram.write(PhysAddr::new(0x3ff0), &[9; 32]), Err(NotRam(PhysAddr::new(0x4000))));
    ram.read(PhysAddr::new(0x3ff0), &mut out).expect("RAM");
    assert_eq!(out, [0; 8], "nothing was written");
    assert!(ram.read(PhysAddr::new(u64::MAX - 3), &mut out).is_err());
}

#[test]
fn fill_writes_every_word_of_the_run_or_none() {
    let ram = ram("8K@0,8K@16K");
    ram.fill(PageRun::new(Pfn::new(1), 1), 0x1111_2222_3333_4444).expect("RAM");
    let words = |frame| ram.live(Pfn::new(frame)).expect("RAM");
    assert!(words(1).iter().all(|word| word.load(Ordering::Relaxed) == 0x1111_2222_3333_4444));
    assert!(words(0).iter().all(|word| word.load(Ordering::Relaxed) == 0));
    assert_eq!(ram.fill(PageRun::new(Pfn::new(0), 3), 5), Err(NotRam(PhysAddr::new(0x2000))));
    assert!(words(0).iter().all(|word| word.load(Ordering::Relaxed) == 0));
    assert!(ram.fill(PageRun::new(Pfn::new(1 << 52), 1), 5).is_err());
    assert!(ram.fill(PageRun::new(Pfn::new(0), u64::MAX), 5).is_err());
}

#[test]
fn a_second_mapping_of_the_file_sees_the_same_memory() {
    let layout = layout("1M@0,1M@1T");
    let ours = Ram::create(&layout).expect("RAM");
    let file = ours.fd().try_clone_to_owned().expect("a duplicate");
    let theirs = Ram::from_fd(file, &layout).expect("RAM");
    ours.write(PhysAddr::new((1 << 40) + 12), b"across").expect("RAM");
    let mut out = [0; 6];
    theirs.read(PhysAddr::new((1 << 40) + 12), &mut out).expect("RAM");
    assert_eq!(&out, b"across");
}

#[test]
fn nobody_can_truncate_the_file_under_us() {
    let ram = ram("1M");
    assert!(rustix::fs::ftruncate(ram.fd(), 4096).is_err());
    assert!(rustix::fs::ftruncate(ram.fd(), 2 << 20).is_err());
}

#[test]
fn a_file_that_is_not_sealed_or_has_another_size_is_refused() {
    let flags = rustix::fs::MemfdFlags::ALLOW_SEALING;
    let plain = rustix::fs::memfd_create("plain", flags).expect("memfd");
    rustix::fs::ftruncate(&plain, 1 << 20).expect("size");
    assert!(matches!(Ram::from_fd(plain, &layout("1M")), Err(ShmError::NotSealed)));
    let ram = ram("1M");
    let file = ram.fd().as_fd().try_clone_to_owned().expect("a duplicate");
    assert!(matches!(Ram::from_fd(file, &layout("2M")), Err(ShmError::WrongSize { .. })));
}
