//! CPU views of physical memory objects.

use dxgk_abi::callback::{AccessMode, ArgCbMapPhysicalMemory, ArgCbUnmapPhysicalMemory};
use dxgk_abi::{Handle, Pointer};
use dxgk_sysmm::Caller;

use crate::reference::{INVALID, Made, Verdict, View};
use crate::rig::lock;
use crate::world::{KERNEL, Step, World};

impl World {
    pub(crate) fn map_view(&mut self) -> Step {
        let all: Vec<u64> = self.reference.physical.keys().copied().collect();
        let handle = self.draw_handle(&all);
        let pages = self.reference.physical.get(&handle).map_or(1, |it| it.pages.len() as u64);
        let offset = self.rng.below(pages << 12);
        let mut args = ArgCbMapPhysicalMemory {
            physical_memory_object: Handle(handle),
            offset,
            size: 1 + self.rng.below((pages << 12) - offset),
            ..ArgCbMapPhysicalMemory::default()
        };
        match self.rng.below(20) {
            0 => args.size = 0,
            1 => args.size = self.rng.of(&[(pages << 12) + 1 - offset, u64::MAX]),
            2..=5 => args.access_mode = AccessMode::USER_MODE,
            6 => args.access_mode = AccessMode(7),
            _ => {}
        }
        let caller = Caller { process: self.rng.below(3) as u32, ..KERNEL };
        let user = args.access_mode == AccessMode::USER_MODE;
        let decide = || {
            let object = self.reference.live_physical(handle)?;
            self.reference.object_ready(handle)?;
            match args.access_mode.0 {
                1 if object.made == Made::Device => return Err(INVALID),
                0 | 1 => {}
                _ => return Err(INVALID),
            }
            let end = args.offset.checked_add(args.size).filter(|_| args.size != 0).ok_or(INVALID)?;
            let (first, last) = (args.offset >> 12, end.div_ceil(4096));
            let part = object.pages.get(first as usize..last as usize).ok_or(INVALID)?;
            Ok((part.to_vec(), args.offset & 0xfff))
        };
        let wanted: Verdict<(Vec<u64>, u64)> = decide();
        let first = args.offset >> 12;
        let brought = wanted.as_ref().map_or(0, |(part, _)| self.absent(part));
        if brought > self.free_frames() {
            // Some would come back and some not.
            return Ok(());
        }
        let count = wanted.as_ref().map_or(0, |(part, _)| part.len() as u64);
        let got = self.bench.sysmm.map_physical_memory(&caller, &args);
        if brought != 0 {
            self.learn(handle, first, count)?;
        }
        let wanted = self.limited(wanted, 0, true)?;
        self.agree(format!("MapPhysicalMemory({args:x?})"), &wanted, &got)?;
        let (Ok((part, offset)), Ok(view)) = (wanted, got) else { return Ok(()) };
        let (base, bytes) = (view.mapped_address.get(), (part.len() as u64) << 12);
        let shown = lock(&self.bench.stage.desk.views).get(&base).cloned();
        let object = self.reference.live_physical(handle).expect("live");
        let made = object.made;
        let part = match made {
            Made::Device => Vec::new(),
            _ => object.pages[first as usize..first as usize + part.len()].to_vec(),
        };
        let read_only = lock(&self.bench.stage.desk.read_only).contains(&base);
        if read_only != (user && made == Made::Section { writable: false }) {
            return Err(format!("view {view:x?} is read-only: {read_only}"));
        }
        if shown != Some((bytes, part)) || view.offset != offset || view.size != bytes {
            return Err(format!("view {view:x?} shows {shown:x?}"));
        }
        self.fresh_handle(base)?;
        let process = user.then_some(caller.process);
        self.reference.views.insert(base, View { physical: handle, bytes, first, process });
        self.reference.physical.get_mut(&handle).expect("live").views += 1;
        Ok(())
    }

    pub(crate) fn unmap_view(&mut self, process: u32, physical: u64, base: u64, size: u64) -> Step {
        let decide = || {
            self.reference.object_ready(physical)?;
            let same = |it: &&View| {
                it.physical == physical && it.bytes == size && it.process.is_none_or(|owner| owner == process)
            };
            self.reference.views.get(&base).filter(same).map(|_| ()).ok_or(INVALID)
        };
        let wanted: Verdict<()> = decide();
        let args = ArgCbUnmapPhysicalMemory {
            physical_memory_object: Handle(physical),
            base_address: Pointer(base),
            size,
        };
        let caller = Caller { process, ..KERNEL };
        let got = self.bench.sysmm.unmap_physical_memory(&caller, &args);
        self.agree(format!("UnmapPhysicalMemory({physical:#x}, {base:#x}, {size:#x})"), &wanted, &got)?;
        if wanted.is_ok() {
            self.reference.end_view(base);
        }
        Ok(())
    }

    pub(crate) fn unmap_some_view(&mut self) -> Step {
        let live: Vec<u64> = self.reference.views.keys().copied().collect();
        let base = self.draw_handle(&live);
        let (mut physical, mut size) =
            self.reference.views.get(&base).map_or((0, 4096), |it| (it.physical, it.bytes));
        let mut process = self.reference.views.get(&base).and_then(|it| it.process).unwrap_or(0);
        if self.rng.one_in(8) {
            process = self.rng.below(4) as u32;
        }
        match self.rng.below(12) {
            0 => physical = self.draw_handle(&[]),
            1 => size += self.rng.of(&[1, 4096]),
            _ => {}
        }
        self.unmap_view(process, physical, base, size)
    }
}
