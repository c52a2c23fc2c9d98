//! What `--ram` accepts.

use dxgk_hw::{PhysAddr, RamRange};
use dxgk_shm::RamLayout;

fn ranges(text: &str) -> Vec<(u64, u64, u32)> {
    let layout: RamLayout = text.parse().expect(text);
    layout.ranges().iter().map(|range| (range.start.get(), range.bytes, range.node)).collect()
}

fn refused(text: &str) -> String {
    text.parse::<RamLayout>().expect_err(text).to_string()
}

const G: u64 = 1 << 30;

#[test]
fn a_plain_size_is_laid_out_around_the_device_hole_of_a_pc() {
    assert_eq!(ranges("4G"), [(0, 2 * G, 0), (4 * G, 2 * G, 0)]);
    assert_eq!(ranges("1G"), [(0, G, 0)]);
    assert_eq!(ranges("2G"), [(0, 2 * G, 0)]);
    assert_eq!(ranges("64m"), [(0, 64 << 20, 0)]);
}

#[test]
fn ranges_are_taken_as_given_and_sorted() {
    assert_eq!(ranges("2G@0,2G@4G"), [(0, 2 * G, 0), (4 * G, 2 * G, 0)]);
    assert_eq!(ranges("1G@1T,1G@0"), [(0, G, 0), (1 << 40, G, 0)]);
    assert_eq!(ranges("2G@0:node0,2G@4G:node1"), [(0, 2 * G, 0), (4 * G, 2 * G, 1)]);
    assert_eq!(ranges("4096@0x1000"), [(0x1000, 0x1000, 0)]);
}

#[test]
fn the_text_of_a_layout_reads_back_as_the_same_layout() {
    for text in ["2G@0,2G@4G", "1G@0,1G@1T", "2G@0,2G@4G:node1", "4K@0,12K@20K"] {
        let layout: RamLayout = text.parse().expect(text);
        assert_eq!(layout.to_string(), text);
    }
}

#[test]
fn the_highest_address_is_that_of_the_last_byte() {
    let layout: RamLayout = "1G@0,1G@1T".parse().expect("layout");
    assert_eq!(layout.highest_physical_address(), PhysAddr::new((1 << 40) + G - 1));
    assert_eq!(layout.total_bytes(), 2 * G);
}

#[test]
fn what_is_no_layout_is_refused_with_a_reason() {
    assert!(refused("").contains("no size"));
    assert!(refused("G").contains("no size"));
    assert!(refused("+4G").contains("no size"));
    assert!(refused("-1G").contains("no size"));
    assert!(refused("4X").contains("no size"));
    assert!(refused("4é").contains("no size"));
    assert!(refused("0").contains("empty"));
    assert!(refused("1G@").contains("no size"));
    assert!(refused("1G@0,").contains("says no address"));
    assert!(refused("1G@0:one").contains("NUMA node"));
    assert!(refused("1G@0:nodex").contains("NUMA node"));
    assert!(refused("1000@0").contains("whole 4 KiB pages"));
    assert!(refused("1G@5").contains("whole 4 KiB pages"));
    assert!(refused("1G@0,1G@512M").contains("overlaps"));
    assert!(refused("8G@0").contains("device registers"));
    assert!(refused("1G@3G").contains("device registers"));
    assert!(refused("20000000T").contains("64 bits"));
    assert!(refused("4096T").contains("2^52"));
    assert!(refused("1G@0xfffffffffffff000").contains("2^52"));
    assert!(refused("4X").contains("accepted: a size (4G)"));
    assert!(RamLayout::new(Vec::new()).is_err());
}

#[test]
fn sums_of_ranges_cannot_overflow() {
    let range = |start: u64, bytes: u64| RamRange { start: PhysAddr::new(start), bytes, node: 0 };
    assert!(RamLayout::new(vec![range(!0xfff, !0xfff)]).is_err());
}
