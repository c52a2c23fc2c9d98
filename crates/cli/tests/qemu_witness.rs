//! QEMU's VT-d walks the tables that `dxgk iopt build --format vtd-ss4` writes, and QEMU's edu device does the DMA.
//!
//! The proof is not circular: the walker and the device are QEMU's, and what must be reachable is kept here as a flat
//! map from page to frame, filled from the same random map and unmap lists and from nothing else. For each list the
//! built image is put into QEMU's RAM; then every sampled page is read and written by the device, and either it
//! reaches exactly its frame and nothing is recorded, or nothing moves and the right fault record stands in the log.
//!
//! Needs `qemu-system-x86_64` (or `DXGK_QEMU`); without it the test says so and passes, or fails if
//! `DXGK_REQUIRE_QEMU` is set. `DXGK_BINARY` names another `dxgk` to be witnessed than the one just built.

#![expect(clippy::print_stderr, reason = "what was witnessed, or that nothing was, has to be heard")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use dxgk_hw::{LogicalAddr, LogicalPage, PhysAddr, RequesterId};
use dxgk_qemu::{
    Architecture, ContextEntry, Direction, Edu, FaultLog, FaultRecord, Options, Placement, Qemu, Vtd,
    find_qemu,
};
use serde_json::{Value, json};

#[path = "qemu_witness/lists.rs"]
mod lists;

use lists::{FIRST_FRAME, GIB, HUGE, LARGE, List, PAGE, READ, Random, WIDTH, WRITE, hex};

const LISTS: u64 = 128;

/// RAM is 2 GiB from 0 and the rest from 4 GiB. Frames to be mapped come from 4 to 60 GiB; the unit's structures, the
/// landing pages and the images keep out of it.
const RAM_BYTES: u64 = 64 * GIB;
const UNIT: Placement = Placement {
    root_table: PhysAddr::new(0x10_0000),
    context_table: PhysAddr::new(0x10_1000),
    queue: Some(PhysAddr::new(0x10_2000)),
};
const LANDING: u64 = 0x20_0000;

/// One access moves this much, each in a slot of its own of the device's buffer and of the page.
const SLOT: u64 = 16;
type Tag = [u8; SLOT as usize];
/// Read probes use the slots from 0, write probes those from `MOST_PAGES`.
const MOST_PAGES: usize = 120;

/// What `dxgk iopt build` made.
struct Built {
    image: Vec<u8>,
    root: u64,
    /// Leaves of 4 KiB, 2 MiB, 1 GiB.
    leaves: [u64; 3],
}

fn build(list: &List, load_address: u64, folder: &Path) -> Result<Built, String> {
    let (operations, image) = (folder.join("OPS.json"), folder.join("OUT.bin"));
    fs::write(&operations, json!(list.operations).to_string()).map_err(|error| error.to_string())?;
    let binary = std::env::var_os("DXGK_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_dxgk").into());
    let output = Command::new(binary)
        .args(["iopt", "build", "--format", "vtd-ss4", "--load-address", &hex(load_address), "--ops"])
        .arg(&operations)
        .arg("--image")
        .arg(&image)
        .output()
        .map_err(|error| error.to_string())?;
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        return Err(format!("dxgk iopt build: {}: {complained}", output.status));
    }
    let summary: Value =
        serde_json::from_str(&said).map_err(|error| format!("not JSON: {error}: {said:?}"))?;
    let missing = |what: &str| format!("no usable `{what}` in {said}");
    if summary["levels"] != 4 || summary["format"] != "vtd-ss4" {
        return Err(missing("levels or format"));
    }
    let root =
        summary["root"].as_str().and_then(|root| u64::from_str_radix(root.strip_prefix("0x")?, 16).ok());
    let mut leaves = [0; 3];
    for (count, size) in leaves.iter_mut().zip(["4K", "2M", "1G"]) {
        *count = summary["leaves"][size].as_u64().ok_or_else(|| missing("leaves"))?;
    }
    let image = fs::read(&image).map_err(|error| error.to_string())?;
    if summary["table_pages"].as_u64() != Some(image.len() as u64 / PAGE) {
        return Err(missing("table_pages"));
    }
    let covered = leaves[0] + leaves[1] * LARGE + leaves[2] * HUGE;
    if covered != list.mapped.len() as u64 {
        return Err(format!("leaves cover {covered} pages, {} are mapped: {said}", list.mapped.len()));
    }
    Ok(Built { image, root: root.ok_or_else(|| missing("root"))?, leaves })
}

/// QEMU with its unit and its device.
struct Bench {
    qemu: Arc<Qemu>,
    edu: Edu,
    vtd: Vtd,
}

/// One access to be tried, and what the reference says of it.
struct Probe {
    page: u64,
    direction: Direction,
    /// Byte in the page, and in the device's buffer.
    in_page: u64,
    in_device: u64,
    /// The frame whose contents tell what happened: the mapped one, or the one that was mapped before.
    frame: Option<u64>,
    allowed: bool,
    /// What the frame holds before, and what the device holds in its slot before.
    of_frame: Tag,
    of_device: Tag,
}

impl Bench {
    fn start() -> Option<Self> {
        let installed = match find_qemu(Architecture::X86_64) {
            Ok(installed) => installed,
            Err(error) => {
                assert!(std::env::var_os("DXGK_REQUIRE_QEMU").is_none(), "DXGK_REQUIRE_QEMU is set: {error}");
                eprintln!("SKIPPED: qemu witness: {error}");
                return None;
            }
        };
        let options = Options::new(RAM_BYTES).device(Vtd::argument(48)).device(Edu::argument(3));
        let qemu = Arc::new(Qemu::start(&installed, &options).unwrap());
        let edu = Edu::attach(Arc::clone(&qemu), RequesterId::new(0, 3, 0), 0xfe00_0000).unwrap();
        let vtd = Vtd::bring_up(Arc::clone(&qemu), UNIT).unwrap();
        Some(Self { qemu, edu, vtd })
    }

    fn dma(&self, direction: Direction, in_device: u64, at: u64, bytes: u64) {
        self.edu.dma(direction, in_device, LogicalAddr::new(at), bytes).unwrap();
    }

    /// Copies all of the device's slots between its buffer and the landing pages, untranslated.
    fn whole_buffer(&mut self, direction: Direction) {
        self.vtd.switch(self.edu.requester(), ContextEntry::PassThrough { domain: 0xffff }).unwrap();
        let half = 2048;
        self.dma(direction, 0, LANDING, half);
        self.dma(direction, half, LANDING + half, half - SLOT);
    }

    /// Tries sampled pages of `list` through the table in `built` and says how many accesses agreed, or which did not.
    fn witness(&mut self, list: &mut List, built: &Built, load_address: u64) -> Result<u64, String> {
        let ram = |at: u64| PhysAddr::new(at);
        self.qemu.ram().write(ram(load_address), &built.image).unwrap();
        let mut probes = probes(list);
        // QEMU blocks, but does not record, a forbidden access to a page that an allowed one has brought into its
        // IOTLB, so what must be blocked is tried first.
        probes.sort_by_key(|probe| probe.allowed);
        let mut device = vec![0; 4096];
        for probe in &probes {
            device[probe.in_device as usize..][..SLOT as usize].copy_from_slice(&probe.of_device);
            if let Some(frame) = probe.frame {
                self.qemu.ram().write(ram(frame * PAGE + probe.in_page), &probe.of_frame).unwrap();
            }
        }
        self.qemu.ram().write(ram(LANDING), &device).unwrap();
        self.whole_buffer(Direction::FromRam);
        let domain = list.seed as u16;
        let entry = ContextEntry::SecondStage { domain, root: ram(built.root), levels: 4 };
        self.vtd.switch(self.edu.requester(), entry).unwrap();
        for probe in &probes {
            self.dma(probe.direction, probe.in_device, probe.page * PAGE + probe.in_page, SLOT);
            let (found, wanted) = (self.vtd.take_faults().unwrap(), probe.wanted(self.edu.requester()));
            if found != wanted {
                return Err(probe.disagreement(&format!("recorded {found:?}, expected {wanted:?}")));
            }
        }
        self.whole_buffer(Direction::ToRam);
        self.qemu.ram().read(ram(LANDING), &mut device).unwrap();
        let frame_tags: BTreeSet<Tag> = probes.iter().map(|probe| probe.of_frame).collect();
        for probe in &probes {
            let mut in_frame = probe.of_frame;
            if let Some(frame) = probe.frame {
                self.qemu.ram().read(ram(frame * PAGE + probe.in_page), &mut in_frame).unwrap();
            }
            let mut in_device = [0; SLOT as usize];
            in_device.copy_from_slice(&device[probe.in_device as usize..][..SLOT as usize]);
            let right = match (probe.direction, probe.allowed) {
                (Direction::FromRam, true) => in_device == probe.of_frame,
                (Direction::FromRam, false) => !frame_tags.contains(&in_device),
                (Direction::ToRam, true) => in_frame == probe.of_device,
                (Direction::ToRam, false) => in_frame == probe.of_frame,
            };
            if !right {
                return Err(
                    probe.disagreement(&format!("the device has {in_device:x?}, the frame {in_frame:x?}"))
                );
            }
        }
        Ok(probes.len() as u64)
    }
}

impl Probe {
    fn wanted(&self, requester: RequesterId) -> FaultLog {
        if self.allowed {
            return FaultLog::default();
        }
        let read = self.direction == Direction::FromRam;
        let reason = match read {
            _ if self.page >= WIDTH => FaultRecord::BEYOND_ADDRESS_WIDTH,
            true => FaultRecord::NO_READ_PERMISSION,
            false => FaultRecord::NO_WRITE_PERMISSION,
        };
        let record = FaultRecord { requester, page: LogicalPage::new(self.page), read, reason };
        FaultLog { records: vec![record], overflowed: false }
    }

    fn disagreement(&self, what: &str) -> String {
        format!(
            "{:?} at {:#x} (frame {:x?}, {}): {what}; of_frame {:x?}, of_device {:x?}",
            self.direction,
            self.page * PAGE + self.in_page,
            self.frame,
            if self.allowed { "allowed" } else { "to be blocked" },
            self.of_frame,
            self.of_device,
        )
    }
}

/// Both ways for each sampled page. Every probe has bytes of its own in the page, so that two that reach the same
/// frame cannot be taken for each other.
fn probes(list: &mut List) -> Vec<Probe> {
    let pages = list.sample(MOST_PAGES);
    let mut slots: Vec<u64> = (0..PAGE / SLOT).collect();
    list.random.shuffle(&mut slots);
    let mut slots = slots.into_iter();
    let mut probes = Vec::new();
    for (index, &page) in pages.iter().enumerate() {
        let mapped = list.mapped.get(&page).copied();
        for (direction, needs, buffer_slot) in
            [(Direction::FromRam, READ, index), (Direction::ToRam, WRITE, MOST_PAGES + index)]
        {
            probes.push(Probe {
                page,
                direction,
                in_page: slots.next().expect("a page has more slots than there are probes") * SLOT,
                in_device: buffer_slot as u64 * SLOT,
                frame: mapped.map(|(frame, _)| frame).or_else(|| list.unmapped.get(&page).copied()),
                allowed: mapped.is_some_and(|(_, access)| access & needs != 0),
                of_frame: tag(&mut list.random),
                of_device: tag(&mut list.random),
            });
        }
    }
    list.random.shuffle(&mut probes);
    probes
}

fn tag(random: &mut Random) -> Tag {
    let mut tag = [0; SLOT as usize];
    tag[..8].copy_from_slice(&random.next().to_le_bytes());
    tag[8..].copy_from_slice(&random.next().to_le_bytes());
    tag
}

/// Below 2 GiB, or above all the frames.
fn load_address(random: &mut Random) -> u64 {
    let start = random.pick(&[GIB, 61 * GIB]);
    start + random.below(GIB / 2 / PAGE) * PAGE
}

#[test]
fn qemu_reaches_through_built_tables_exactly_what_the_lists_map() {
    let Some(mut bench) = Bench::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let (mut accesses, mut leaves) = (0, [0; 3]);
    for seed in 0..LISTS {
        let mut list = List::new(seed);
        let at = load_address(&mut list.random);
        let agreed = build(&list, at, folder.path()).and_then(|built| {
            leaves.iter_mut().zip(built.leaves).for_each(|(sum, count)| *sum += count);
            bench.witness(&mut list, &built, at)
        });
        match agreed {
            Ok(count) => accesses += count,
            Err(why) => panic!("list {seed}, image at {at:#x}: {why}\n{}", json!(list.operations)),
        }
    }
    let installed = bench.qemu.installed();
    assert!(leaves.iter().all(|&count| count > 0), "not every leaf size was witnessed: {leaves:?}");
    eprintln!("{installed} agreed on {LISTS} lists, {accesses} accesses");
    let [small, large, huge] = leaves;
    eprintln!("leaves: {small} of 4K, {large} of 2M, {huge} of 1G; {:.1} s", start.elapsed().as_secs_f64());
}

#[test]
fn a_spoiled_table_is_noticed() {
    let Some(mut bench) = Bench::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let at = GIB;
    let build_one = || {
        let mut list = List::empty(1);
        let frame = FIRST_FRAME + 0x1234;
        list.record_map(0x1_2345_6789, READ | WRITE, 1, vec![frame], json!(hex(frame * PAGE)));
        let built = build(&list, at, folder.path()).unwrap();
        let is_leaf = |entry: &[u8]| {
            let entry = u64::from_le_bytes(entry.try_into().unwrap());
            (entry >> 12) & 0xff_ffff_ffff == frame
        };
        let leaf = built.image.chunks_exact(8).position(is_leaf).expect("the image holds the leaf") * 8;
        (list, built, leaf)
    };
    let (mut list, built, _) = build_one();
    bench.witness(&mut list, &built, at).unwrap();
    // Another frame, no read permission, no write permission, a leaf in the neighbour's place.
    for (byte, bit) in [(1, 0x10), (0, 0x01), (0, 0x02)] {
        let (mut list, mut built, leaf) = build_one();
        built.image[leaf + byte] ^= bit;
        assert!(bench.witness(&mut list, &built, at).is_err(), "bit {bit:#x} of byte {byte} went unnoticed");
    }
    let (mut list, mut built, leaf) = build_one();
    built.image.copy_within(leaf..leaf + 8, leaf + 8);
    assert!(bench.witness(&mut list, &built, at).is_err(), "a mapped hole went unnoticed");
}
