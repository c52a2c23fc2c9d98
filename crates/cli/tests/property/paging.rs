//! Memory pressure, and pages that come back when they are touched.

use dxgk_abi::NtStatus;
use dxgk_hw::{CpuVa, Pfn};

use crate::reference::{Frame, Made, Physical};
use crate::rig::{ABSENT, lock};
use crate::world::{MARK, Step, World};

impl World {
    /// Pages of a list that have no frame.
    pub(crate) fn absent(&self, pages: &[u64]) -> u64 {
        pages.iter().filter(|page| **page == ABSENT).count() as u64
    }

    pub(crate) fn free_frames(&self) -> u64 {
        let free = self.reference.frames.iter().filter(|frame| **frame == Frame::Free).count();
        (free - self.tables().len()) as u64
    }

    /// A call brought pages of a section back: to which frames, and with what in them.
    pub(crate) fn learn(&mut self, handle: u64, first: u64, count: u64) -> Step {
        let frames = self.look_into(handle, first, count)?;
        (first as usize..).zip(frames).try_for_each(|(page, frame)| self.page_is_at(handle, page, frame))
    }

    fn page_is_at(&mut self, handle: u64, page: usize, frame: u64) -> Step {
        let object = self.reference.physical.get_mut(&handle).ok_or("no such object")?;
        let Made::Section { writable } = object.made else { return Ok(()) };
        let before = *object.pages.get(page).ok_or("no such page")?;
        if before != ABSENT {
            let same = before == frame;
            return if same { Ok(()) } else { Err(format!("page {page} is at {frame:#x}, not {before:#x}")) };
        }
        object.pages[page] = frame;
        let kept = object.kept.remove(&page).ok_or("a page without a frame that was not taken")?;
        let state = if writable { Frame::Driver } else { Frame::ReadOnly };
        self.came_back(frame, kept, state)
    }

    /// Pages of sections that can lose their frame: object, page, frame.
    fn loose_pages(&self) -> Vec<(u64, usize, u64)> {
        let pins = |frame: u64| self.reference.index(frame).is_some_and(|at| self.reference.pins[at] != 0);
        let loose = |it: &Physical| matches!(it.made, Made::Section { .. }) && it.adls == 0;
        let mut all = Vec::new();
        for (handle, object) in self.reference.physical.iter().filter(|(_, it)| loose(it)) {
            let there =
                object.pages.iter().enumerate().filter(|(_, frame)| **frame != ABSENT && !pins(**frame));
            all.extend(there.map(|(page, frame)| (*handle, page, *frame)));
        }
        all
    }

    /// Memory pressure.
    pub(crate) fn trim(&mut self) -> Step {
        let wanted = self.rng.of(&[0, 1, 5, 60, 64, 65, 200, u64::MAX]);
        let loose = self.loose_pages();
        // A frame that is freed is overwritten.
        let held = |frame: u64| [0, MARK, 511].map(|index| self.word(frame, index).unwrap_or(0));
        let before: Vec<[u64; 3]> = loose.iter().map(|(_, _, frame)| held(*frame)).collect();
        let got = self.bench.sysmm.trim(wanted);
        self.note(format!("trim({wanted}) -> {got}"));
        if got != wanted.min(loose.len() as u64) {
            return Err(format!("trim({wanted}) took {got} of {} pages", loose.len()));
        }
        let mut taken = 0;
        for ((handle, page, frame), kept) in loose.into_iter().zip(before) {
            if self.bench.pages.owner(Pfn::new(frame)).is_some() {
                continue;
            }
            taken += 1;
            self.reference.set_frame(frame, Frame::Free);
            let object = self.reference.physical.get_mut(&handle).expect("it is there");
            object.pages[page] = ABSENT;
            object.kept.insert(page, kept);
            let views = self.reference.views.iter().filter(|(_, it)| it.physical == handle);
            for (base, view) in views {
                let shown = lock(&self.bench.stage.desk.views).get(base).cloned();
                let Some(index) = (page as u64).checked_sub(view.first) else { continue };
                let under = shown.and_then(|(_, frames)| frames.get(index as usize).copied());
                if under.is_some_and(|under| under != ABSENT) {
                    return Err(format!("view {base:#x} still shows page {page}, at {under:x?}"));
                }
            }
        }
        self.totals.taken += taken;
        if taken == got { Ok(()) } else { Err(format!("trim says {got}, and {taken} frames are free")) }
    }

    /// The processor touches a place in a view, or near one.
    pub(crate) fn touch_view(&mut self) -> Step {
        let live: Vec<u64> = self.reference.views.keys().copied().collect();
        let Some(base) = self.rng.pick(&live).copied() else { return Ok(()) };
        let view = &self.reference.views[&base];
        let (handle, first, bytes) = (view.physical, view.first, view.bytes);
        let made = self.reference.physical.get(&handle).ok_or("a view of nothing")?.made;
        let outside = self.rng.one_in(10);
        let address = if outside { base + bytes } else { base + self.rng.below(bytes) };
        let page = (first + (address - base) / 4096) as usize;
        let absent = !outside && self.reference.physical[&handle].pages.get(page) == Some(&ABSENT);
        let expected = match made {
            Made::Section { .. } if outside => Err(NtStatus::ACCESS_VIOLATION),
            Made::Section { .. } if absent && self.free_frames() == 0 => Err(NtStatus::NO_MEMORY),
            Made::Section { .. } => Ok(()),
            Made::Ram { .. } | Made::Device => Err(NtStatus::ACCESS_VIOLATION),
        };
        let got = self.bench.sysmm.page_in(CpuVa::new(address));
        self.note(format!("touch {address:#x} -> {got:?}"));
        if got != expected {
            return Err(format!("touch of {address:#x}: expected {expected:?}, got {got:?}"));
        }
        if got.is_ok() {
            let shown = lock(&self.bench.stage.desk.views).get(&base).cloned();
            let index = ((address - base) / 4096) as usize;
            let frame = shown.and_then(|(_, frames)| frames.get(index).copied()).ok_or("no such view")?;
            self.page_is_at(handle, page, frame)?;
            self.totals.brought += u64::from(absent);
        }
        Ok(())
    }
}
