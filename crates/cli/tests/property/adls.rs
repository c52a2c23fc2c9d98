//! Address descriptor lists.

use std::collections::BTreeSet;

use dxgk_abi::callback::{AllocateAdlFlags, ArgCbAllocateAdl, ArgCbFreeAdl};
use dxgk_abi::{Handle, Pointer};

use crate::reference::{Adl, BAD_HANDLE, INVALID, Made, Mapping, Mode, SHORT, Verdict};
use crate::rig::{ABSENT, lock};
use crate::world::{KERNEL, Start, Step, World};

const REQUIRE: AllocateAdlFlags = AllocateAdlFlags::REQUIRE_CONTIGUOUS;
const PREFER: AllocateAdlFlags = AllocateAdlFlags::PREFER_CONTIGUOUS;

impl World {
    pub(crate) fn allocate_adl(&mut self) -> Step {
        let opened: Vec<u64> = self.reference.adapter_memory.keys().copied().collect();
        let handle = self.draw_handle(&opened);
        let physical = self.reference.adapter_memory.get(&handle).map_or(0, |it| it.physical);
        let pages = self.reference.physical.get(&physical).map_or(1, |it| it.pages.len() as u64);
        let whole = self.rng.one_in(2);
        let first = if whole { 0 } else { self.rng.below(pages) };
        let count = if whole { pages } else { 1 + self.rng.below(pages - first) };
        let mut args = ArgCbAllocateAdl {
            adapter_memory_object: Handle(handle),
            offset: first << 12,
            size: count << 12,
            flags: self.rng.of(&[
                AllocateAdlFlags::empty(),
                PREFER,
                REQUIRE,
                PREFER,
                AllocateAdlFlags::empty(),
            ]),
            ..ArgCbAllocateAdl::default()
        };
        match self.rng.below(24) {
            0 => args.size = 0,
            1 => args.size += 4096 * (pages + 1 - first - count),
            2 => args.offset += 1,
            3 => args.size -= 1,
            4 => args.offset = !0xfff,
            5 => args.flags |= AllocateAdlFlags(self.rng.of(&[4, 0x8000_0000])),
            _ => {}
        }
        if count > 64 && self.rng.one_in(3) {
            // The tables of a large list run out in its midst.
            *lock(&self.bench.frames.left) = Some(self.rng.below(3));
        }
        let asked = self.adl_expected(&args);
        let part = asked.as_ref().map_or(&[][..], |(.., frames)| frames.as_slice());
        let (brought, length) = (self.absent(part), part.len() as u64);
        if brought > self.free_frames() {
            // Some would come back and some not.
            return Ok(());
        }
        // Pages come back before it is known whether there is room for them in the device's addresses.
        let required = args.flags.contains(REQUIRE);
        let wanted =
            asked.and_then(
                |asked| {
                    if self.logical_room(asked.2, length, required) { Ok(asked) } else { Err(SHORT) }
                },
            );
        let got = self.bench.sysmm.allocate_adl(&KERNEL, &args);
        if brought != 0 {
            self.learn(physical, args.offset >> 12, length)?;
        }
        let wanted = self.limited(wanted, brought, true)?;
        self.agree(format!("AllocateAdl({args:x?})"), &wanted, &got)?;
        let (Ok((physical, owner, logical, frames)), Ok(made)) = (wanted, got) else { return Ok(()) };
        let object = self.reference.live_physical(physical).expect("live");
        let first = (args.offset >> 12) as usize;
        let frames = if frames.contains(&ABSENT) {
            object.pages[first..first + frames.len()].to_vec()
        } else {
            frames
        };
        let writable = object.made != Made::Section { writable: false };
        let at = made.adl.get();
        let laid = lock(&self.bench.stage.desk.adls).get(&at).cloned().ok_or("the ADL does not exist")?;
        self.fresh_handle(at)?;
        let one_run = laid.pages.windows(2).all(|pair| pair[0] + 1 == pair[1]);
        let contiguous = one_run && args.flags.intersects(REQUIRE | PREFER);
        if laid.contiguous != made.contiguous || made.contiguous != contiguous {
            return Err(format!("{made:x?} was laid out as {laid:x?}"));
        }
        self.check_device_pages(logical, &laid.pages, &frames)?;
        let map = Mapping { logical, frames, device: laid.pages, writable };
        self.reference.map(&map);
        let adl = Adl { adapter_memory: handle, physical, adapter: owner, map: map.clone() };
        self.reference.adls.insert(at, adl);
        self.reference.adapter_memory.get_mut(&handle).expect("live").adls += 1;
        self.reference.physical.get_mut(&physical).expect("live").adls += 1;
        self.probe(&map)
    }

    fn adl_expected(&self, args: &ArgCbAllocateAdl) -> Verdict<(u64, u64, usize, Vec<u64>)> {
        let opened = self.reference.live_adapter_memory(args.adapter_memory_object.0)?;
        self.reference.ready(opened.owner)?;
        let logical = self.reference.place(opened.owner)?;
        let object = self.reference.live_physical(opened.physical)?;
        let end = args.offset.checked_add(args.size).ok_or(INVALID)?;
        let required = args.flags.contains(REQUIRE);
        let whole = args.size != 0 && (args.offset | args.size).is_multiple_of(4096);
        if !whole
            || args.flags.bits() & !3 != 0
            || (required && !matches!(object.made, Made::Device | Made::Ram { one_run: true }))
        {
            return Err(INVALID);
        }
        let part = object.pages.get((args.offset >> 12) as usize..(end >> 12) as usize).ok_or(INVALID)?;
        Ok((opened.physical, opened.owner, logical, part.to_vec()))
    }

    /// Whether there are so many logical pages left, in one run if need be. Where there are guard pages there is always
    /// room in these tests.
    fn logical_room(&self, logical: usize, count: u64, one_run: bool) -> bool {
        let Start::Remapping(limit) = self.setup.starts[logical.min(1)] else { return true };
        let space = &self.reference.logical[logical];
        if space.mode != Mode::Remapping || self.reference.guard != 0 {
            return true;
        }
        let (mut free, mut longest, mut run) = (0, 0, 0);
        for page in 1..(limit + 1) >> 12 {
            run = if space.reach.contains_key(&page) { 0 } else { run + 1 };
            free += u64::from(run != 0);
            longest = longest.max(run);
        }
        if one_run { longest >= count } else { free >= count }
    }

    /// The numbers that the device was given: its own in remapping, and nobody else's; else those of the frames.
    fn check_device_pages(&self, logical: usize, device: &[u64], frames: &[u64]) -> Step {
        let space = &self.reference.logical[logical];
        if space.mode != Mode::Remapping {
            let same = device == frames;
            return if same { Ok(()) } else { Err(format!("ADL has {device:x?}, not {frames:x?}")) };
        }
        let Start::Remapping(limit) = self.setup.starts[logical.min(1)] else {
            return Err("not to be remapped".into());
        };
        let mut seen = BTreeSet::new();
        let sane = |page: &u64| *page != 0 && *page <= limit >> 12 && !space.reach.contains_key(page);
        let fits = device.len() == frames.len() && device.iter().all(|page| sane(page) && seen.insert(*page));
        if fits { Ok(()) } else { Err(format!("ADL of {frames:x?} has logical pages {device:x?}")) }
    }

    pub(crate) fn free_adl(&mut self, adapter_memory: u64, at: u64) -> Step {
        let decide = || {
            let opened = self.reference.adapter_memory.get(&adapter_memory).ok_or(BAD_HANDLE)?;
            self.reference.ready(opened.owner)?;
            let same = |it: &&Adl| it.adapter_memory == adapter_memory;
            self.reference.adls.get(&at).filter(same).map(|_| ()).ok_or(INVALID)
        };
        let wanted: Verdict<()> = decide();
        let args = ArgCbFreeAdl { adapter_memory_object: Handle(adapter_memory), adl: Pointer(at) };
        let got = self.bench.sysmm.free_adl(&KERNEL, &args);
        self.agree(format!("FreeAdl({adapter_memory:#x}, {at:#x})"), &wanted, &got)?;
        if wanted.is_err() {
            return Ok(());
        }
        let gone = self.reference.end_adl(at);
        self.probe(&gone)
    }

    pub(crate) fn free_some_adl(&mut self) -> Step {
        let live: Vec<u64> = self.reference.adls.keys().copied().collect();
        let at = self.draw_handle(&live);
        let owner = self.reference.adls.get(&at).map(|it| it.adapter_memory);
        let adapter_memory = match owner {
            Some(owner) if !self.rng.one_in(10) => owner,
            _ => {
                let opened: Vec<u64> = self.reference.adapter_memory.keys().copied().collect();
                self.draw_handle(&opened)
            }
        };
        self.free_adl(adapter_memory, at)
    }
}
