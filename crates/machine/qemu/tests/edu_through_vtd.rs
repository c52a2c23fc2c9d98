//! QEMU's edu device reaches RAM through QEMU's VT-d and a second-stage table written here by hand.
//!
//! The table's bits are spelled out (VT-d section 9.8: bit 0 read, bit 1 write, bit 7 large page), so that this test
//! proves the harness and QEMU, and nothing of ours.

#![expect(clippy::print_stderr, reason = "a skipped witness has to be heard")]

use std::sync::Arc;

use dxgk_hw::{LogicalAddr, PhysAddr, RequesterId};
use dxgk_qemu::{
    Architecture, ContextEntry, Direction, Edu, FaultLog, FaultRecord, Invalidation, Options, Placement,
    Qemu, QemuError, Vtd, find_qemu,
};

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

const READ: u64 = 1;
const WRITE: u64 = 2;
const LARGE: u64 = 1 << 7;

const QUEUED: Placement = Placement {
    root_table: PhysAddr::new(0x10_0000),
    context_table: PhysAddr::new(0x10_1000),
    queue: Some(PhysAddr::new(0x10_2000)),
};
const BY_REGISTER: Placement = Placement { queue: None, ..QUEUED };

/// The hand-written table: one page for each level.
const L4: u64 = 0x20_0000;
const L3: u64 = 0x20_1000;
const L2: u64 = 0x20_2000;
const L1: u64 = 0x20_3000;

/// The one table's 512 GiB, 1 GiB, 2 MiB and 4 KiB index: all different and none of them 0.
const IOVA: u64 = (1 << 39) | (2 << 30) | (3 << 21) | (4 << 12);
const FRAME: u64 = 5 * GIB + 0x7000;

struct Bench {
    qemu: Arc<Qemu>,
    edu: Edu,
    vtd: Vtd,
}

/// Starts the machine, or says loudly that there is none.
fn bench(placement: Placement) -> Option<Bench> {
    let installed = match find_qemu(Architecture::X86_64) {
        Ok(installed) => installed,
        Err(error) => {
            assert!(std::env::var_os("DXGK_REQUIRE_QEMU").is_none(), "DXGK_REQUIRE_QEMU is set: {error}");
            eprintln!("SKIPPED: edu through vtd: {error}");
            return None;
        }
    };
    let options = Options::new(16 * GIB).device(Vtd::argument(48)).device(Edu::argument(3));
    let qemu = Arc::new(Qemu::start(&installed, &options).unwrap());
    let edu = Edu::attach(Arc::clone(&qemu), RequesterId::new(0, 3, 0), 0xfe00_0000).unwrap();
    let vtd = Vtd::bring_up(Arc::clone(&qemu), placement).unwrap();
    Some(Bench { qemu, edu, vtd })
}

impl Bench {
    fn entry(&self, table: u64, index: u64, value: u64) {
        self.qemu.ram().write(PhysAddr::new(table + index * 8), &value.to_le_bytes()).unwrap();
    }

    /// Maps `IOVA` alone to `FRAME` with `access`.
    fn map_one_page(&mut self, access: u64) {
        for table in [L4, L3, L2, L1] {
            self.qemu.ram().write(PhysAddr::new(table), &[0; 4096]).unwrap();
        }
        self.entry(L4, 1, L3 | READ | WRITE);
        self.entry(L3, 2, L2 | READ | WRITE);
        self.entry(L2, 3, L1 | READ | WRITE);
        self.entry(L1, 4, FRAME | access);
        self.translate();
    }

    fn translate(&mut self) {
        let entry = ContextEntry::SecondStage { domain: 1, root: PhysAddr::new(L4), levels: 4 };
        self.vtd.switch(self.edu.requester(), entry).unwrap();
    }

    fn pass_through(&mut self) {
        self.vtd.switch(self.edu.requester(), ContextEntry::PassThrough { domain: 2 }).unwrap();
    }

    /// Puts `bytes` at the beginning of the device's buffer, untranslated.
    fn fill_device(&mut self, bytes: &[u8]) {
        self.pass_through();
        self.qemu.ram().write(PhysAddr::new(0x30_0000), bytes).unwrap();
        self.dma(Direction::FromRam, 0, 0x30_0000, bytes.len() as u64);
        self.translate();
    }

    /// The first 8 bytes of the device's buffer, untranslated.
    fn device_bytes(&mut self) -> [u8; 8] {
        self.pass_through();
        self.dma(Direction::ToRam, 0, 0x30_1000, 8);
        self.translate();
        self.ram(0x30_1000)
    }

    fn dma(&self, direction: Direction, offset: u64, iova: u64, bytes: u64) {
        self.edu.dma(direction, offset, LogicalAddr::new(iova), bytes).unwrap();
    }

    fn ram(&self, physical: u64) -> [u8; 8] {
        let mut bytes = [0; 8];
        self.qemu.ram().read(PhysAddr::new(physical), &mut bytes).unwrap();
        bytes
    }

    fn fault(&self) -> FaultLog {
        self.vtd.take_faults().unwrap()
    }

    fn one_fault(&self, page: u64, read: bool, reason: u8) {
        let record = FaultRecord {
            requester: self.edu.requester(),
            page: LogicalAddr::new(page).page(),
            read,
            reason,
        };
        assert_eq!(self.fault(), FaultLog { records: vec![record], overflowed: false });
    }
}

#[test]
fn a_mapped_page_is_reached_both_ways_and_its_neighbours_are_blocked_and_recorded() {
    for placement in [QUEUED, BY_REGISTER] {
        let Some(mut bench) = bench(placement) else { return };
        bench.map_one_page(READ | WRITE);
        bench.qemu.ram().write(PhysAddr::new(FRAME + 0x10), b"of-frame").unwrap();
        bench.dma(Direction::FromRam, 0, IOVA + 0x10, 8);
        assert!(bench.fault().is_empty());
        assert_eq!(&bench.device_bytes(), b"of-frame");

        bench.fill_device(b"from-edu");
        bench.dma(Direction::ToRam, 0, IOVA + 0xff8, 8);
        assert!(bench.fault().is_empty());
        assert_eq!(&bench.ram(FRAME + 0xff8), b"from-edu");

        for hole in [IOVA - 4096, IOVA + 4096, IOVA + 2 * MIB, IOVA - GIB, IOVA + (1 << 39), 0] {
            bench.dma(Direction::ToRam, 0, hole + 0x20, 8);
            bench.one_fault(hole, false, FaultRecord::NO_WRITE_PERMISSION);
            bench.dma(Direction::FromRam, 0, hole + 0x20, 8);
            bench.one_fault(hole, true, FaultRecord::NO_READ_PERMISSION);
        }
        assert_eq!(bench.ram(FRAME + 0x20), [0; 8]);
        assert_ne!(&bench.device_bytes(), b"of-frame");
        assert!(bench.qemu.is_running());
    }
}

#[test]
fn a_missing_permission_blocks_that_way_only() {
    let Some(mut bench) = bench(QUEUED) else { return };
    bench.fill_device(b"from-edu");
    for (access, blocked, reason) in [
        (READ, Direction::ToRam, FaultRecord::NO_WRITE_PERMISSION),
        (WRITE, Direction::FromRam, FaultRecord::NO_READ_PERMISSION),
    ] {
        bench.map_one_page(access);
        for direction in [Direction::ToRam, Direction::FromRam] {
            bench.qemu.ram().write(PhysAddr::new(FRAME), b"original").unwrap();
            bench.vtd.invalidate(Invalidation::Domain(1)).unwrap();
            bench.dma(direction, 16, IOVA, 8);
            if direction == blocked {
                bench.one_fault(IOVA, direction == Direction::FromRam, reason);
                assert_eq!(&bench.ram(FRAME), b"original");
            } else {
                assert!(bench.fault().is_empty());
            }
        }
    }
}

#[test]
fn large_pages_and_three_levels_translate() {
    let Some(mut bench) = bench(QUEUED) else { return };
    bench.map_one_page(READ | WRITE);
    bench.entry(L3, 5, (6 * GIB) | LARGE | READ | WRITE);
    bench.entry(L2, 6, (5 * GIB + 4 * MIB) | LARGE | READ | WRITE);
    bench.fill_device(b"from-edu");
    let in_1g = 0x1234_5678;
    bench.dma(Direction::ToRam, 0, (1 << 39) | (5 << 30) | in_1g, 8);
    assert_eq!(&bench.ram(6 * GIB + in_1g), b"from-edu");
    let in_2m = 0x12_3456;
    bench.dma(Direction::ToRam, 0, (1 << 39) | (2 << 30) | (6 << 21) | in_2m, 8);
    assert_eq!(&bench.ram(5 * GIB + 4 * MIB + in_2m), b"from-edu");
    assert!(bench.fault().is_empty());

    // The same tree without its top level.
    let three = ContextEntry::SecondStage { domain: 3, root: PhysAddr::new(L3), levels: 3 };
    bench.vtd.switch(bench.edu.requester(), three).unwrap();
    bench.dma(Direction::ToRam, 0, (5 << 30) | 0x40, 8);
    assert_eq!(&bench.ram(6 * GIB + 0x40), b"from-edu");
    assert!(bench.fault().is_empty());
    bench.dma(Direction::ToRam, 0, (1 << 39) | (5 << 30), 8);
    bench.one_fault((1 << 39) | (5 << 30), false, FaultRecord::BEYOND_ADDRESS_WIDTH);
}

#[test]
fn a_changed_entry_goes_on_translating_until_an_invalidation_covers_it() {
    for placement in [QUEUED, BY_REGISTER] {
        let Some(mut bench) = bench(placement) else { return };
        bench.map_one_page(READ | WRITE);
        bench.fill_device(b"from-edu");
        bench.dma(Direction::ToRam, 0, IOVA, 8);
        bench.entry(L1, 4, 0);
        for elsewhere in [
            Invalidation::Domain(7),
            Invalidation::Pages { domain: 1, first: LogicalAddr::new(IOVA + 4096).page(), order: 0 },
            Invalidation::Pages { domain: 7, first: LogicalAddr::new(IOVA).page(), order: 0 },
        ] {
            bench.vtd.invalidate(elsewhere).unwrap();
            bench.dma(Direction::ToRam, 0, IOVA + 64, 8);
            assert!(bench.fault().is_empty(), "{elsewhere:?} does not cover the page");
        }
        assert_eq!(&bench.ram(FRAME + 64), b"from-edu");
        bench
            .vtd
            .invalidate(Invalidation::Pages { domain: 1, first: LogicalAddr::new(IOVA).page(), order: 0 })
            .unwrap();
        bench.dma(Direction::ToRam, 0, IOVA + 128, 8);
        bench.one_fault(IOVA, false, FaultRecord::NO_WRITE_PERMISSION);
        assert_eq!(bench.ram(FRAME + 128), [0; 8]);
    }
}

#[test]
fn reserved_bits_and_absent_contexts_are_recorded_as_such() {
    let Some(mut bench) = bench(QUEUED) else { return };
    bench.map_one_page(READ | WRITE);
    bench.entry(L1, 4, FRAME | READ | WRITE | (1 << 51));
    bench.dma(Direction::FromRam, 0, IOVA, 8);
    bench.one_fault(IOVA, true, FaultRecord::RESERVED_BIT);
    bench.vtd.switch(bench.edu.requester(), ContextEntry::Absent).unwrap();
    bench.dma(Direction::FromRam, 0, IOVA, 8);
    bench.one_fault(IOVA, true, FaultRecord::CONTEXT_NOT_PRESENT);
}

#[test]
fn what_qemu_refuses_is_an_error_that_names_it() {
    let Some(bench) = bench(QUEUED) else { return };
    let version = bench.qemu.installed().version().to_owned();
    let refused = bench.qemu.ask("frobnicate").unwrap_err();
    assert!(matches!(refused, QemuError::Refused { .. }));
    assert!(refused.to_string().contains(&format!("QEMU {version}")), "{refused}");
    assert!(matches!(
        bench.edu.dma(Direction::FromRam, 4000, LogicalAddr::new(0), 96),
        Err(QemuError::Unsupported { .. })
    ));
    let bad = Qemu::start(bench.qemu.installed(), &Options::new(GIB).device("no-such-device")).unwrap_err();
    assert!(
        matches!(&bad, QemuError::NotStarted { stderr, .. } if stderr.contains("no-such-device")),
        "{bad}"
    );
}

#[test]
fn memory_written_through_the_socket_is_the_memory_in_the_file() {
    let Some(bench) = bench(QUEUED) else { return };
    bench.qemu.write(PhysAddr::new(4 * GIB + 3), &[1, 2, 3]).unwrap();
    let mut file = [0; 8];
    bench.qemu.ram().read(PhysAddr::new(4 * GIB), &mut file).unwrap();
    assert_eq!(file, [0, 0, 0, 1, 2, 3, 0, 0]);
    bench.qemu.ram().write(PhysAddr::new(2 * GIB - 8), &0x1122_3344_5566_7788_u64.to_le_bytes()).unwrap();
    assert_eq!(bench.qemu.readq(PhysAddr::new(2 * GIB - 8)).unwrap(), 0x1122_3344_5566_7788);
    assert_eq!(bench.qemu.readb(PhysAddr::new(2 * GIB - 1)).unwrap(), 0x11);
    bench.qemu.writew(PhysAddr::new(2 * GIB - 2), 0xbeef).unwrap();
    assert_eq!(bench.qemu.read(PhysAddr::new(2 * GIB - 2), 2).unwrap(), [0xef, 0xbe]);
}
