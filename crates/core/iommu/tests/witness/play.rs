//! Plays a scenario on one machine, and compares each access with the flat map.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use dxgk_hw::{Access, Attachment, DomainOps, LogicalPage, PageRun, Pfn};
use dxgk_qemu::Direction;

use crate::blind::Blind;
use crate::family::{CLASS, Family};
use crate::plan::{Extent, Plan, Why};
use crate::side::{DEVICE, Side};

/// One access moves this much, each in a slot of its own of the device's buffer and of the page.
const SLOT: u64 = 16;
type Tag = [u8; SLOT as usize];
/// The most pages tried at once; each is tried both ways.
const MOST_PAGES: usize = 30;
/// An invalidation of more blocks than this takes all of the domain.
const MOST_BLOCKS: usize = 16;

type Outcome<T = ()> = Result<T, String>;

/// What was tried.
#[derive(Default)]
pub(crate) struct Count {
    allowed: u64,
    absent: u64,
    denied: u64,
    beyond: u64,
    stale: u64,
    gone: u64,
    restarts: u64,
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { allowed, absent, denied, beyond, stale, gone, restarts } = self;
        write!(f, "accesses: {allowed} allowed, {absent} to holes, {denied} without permission, ")?;
        write!(
            f,
            "{beyond} beyond the width, {stale} stale before an invalidation, {gone} refused after it; "
        )?;
        write!(f, "{restarts} restarts")
    }
}

impl Count {
    pub(crate) fn is_of_everything(&self, width: u32) -> bool {
        // Nothing is beyond 64 bits.
        let beyond = self.beyond != 0 || width == u64::BITS;
        beyond
            && [self.allowed, self.absent, self.denied, self.stale, self.gone, self.restarts]
                .iter()
                .all(|&count| count != 0)
    }
}

/// One access, and what must come of it.
#[derive(Clone, Debug)]
struct Attempt {
    page: u64,
    write: bool,
    /// The frame that it must reach, or why it must not.
    wanted: Result<u64, Why>,
    /// The frame that it must not reach: the one that was mapped here before.
    before: Option<u64>,
}

struct Player<'a> {
    family: Family,
    side: &'a mut Side,
    blind: &'a [Blind],
    plan: Plan,
    domain: Arc<dyn DomainOps>,
    landing_frame: u64,
}

fn page_of(page: u64) -> LogicalPage {
    LogicalPage::new(page)
}

/// Plays scenario `seed`.
pub(crate) fn play(
    family: Family,
    seed: u64,
    side: &mut Side,
    blind: &[Blind],
    count: &mut Count,
) -> Outcome {
    let plan = Plan::new(family, seed);
    let taken = side.frames.taken();
    let domain = side.unit().create_domain().map_err(|error| error.to_string())?;
    let other = side.unit().create_domain().map_err(|error| error.to_string())?;
    let landing_frame = family.ram().1 - 16;
    let mut player = Player { family, side, blind, plan, domain, landing_frame };
    player.attach(true)?;
    player.map_all()?;
    let warm = player.everything(count)?;
    player.unmapped(&warm, &other, count)?;
    player.reattached(count)?;
    player.side.unit().attach(DEVICE, Attachment::Blocked).map_err(|error| error.to_string())?;
    let Player { domain, side, .. } = player;
    drop((domain, other));
    if side.frames.taken() != taken {
        return Err(format!("{} frames were not given back", side.frames.taken() as i64 - taken as i64));
    }
    Ok(())
}

/// After a driver has taken a unit over, nothing is cached of the time before: the same page of a domain with the
/// same number leads elsewhere at once.
pub(crate) fn restart(family: Family, side: &mut Side, count: &mut Count) -> Outcome {
    let frames = family.ram().2;
    let (page, frames) = (0x1_2340, [frames.start + 16, frames.start + 32]);
    for (nth, frame) in frames.into_iter().enumerate() {
        side.write(frame, 0, &[nth as u8 + 1; SLOT as usize]);
        let domain = side.unit().create_domain().map_err(|error| error.to_string())?;
        let run = [PageRun::new(Pfn::new(frame), family.granule_pages())];
        domain.map(page_of(page), &run, Access::all()).map_err(|error| error.to_string())?;
        side.unit().attach(DEVICE, Attachment::Domain(domain)).map_err(|error| error.to_string())?;
        side.dma(Direction::FromRam, 0, page << 12, SLOT);
        side.dma(Direction::ToRam, 0, (page << 12) + 64, SLOT);
        let read: Tag = side.read(frame, 64);
        if read != [nth as u8 + 1; SLOT as usize] {
            return Err(format!("page {page:#x} led to {read:x?} at start {nth}"));
        }
        if nth == 0 {
            side.take_over();
        }
    }
    let records = side.records();
    if !records.is_empty() {
        return Err(format!("recorded {records:x?}"));
    }
    side.unit().attach(DEVICE, Attachment::Blocked).map_err(|error| error.to_string())?;
    count.restarts += 1;
    Ok(())
}

impl Player<'_> {
    fn attach(&self, on: bool) -> Outcome {
        let what = if on { Attachment::Domain(Arc::clone(&self.domain)) } else { Attachment::Blocked };
        self.side.unit().attach(DEVICE, what).map_err(|error| error.to_string())
    }

    fn map(&self, first: u64, runs: &[PageRun], access: Access) -> Outcome {
        self.domain.map(page_of(first), runs, access).map_err(|error| format!("map {first:#x}: {error}"))
    }

    fn map_all(&self) -> Outcome {
        let landing = [PageRun::new(Pfn::new(self.landing_frame), self.plan.step)];
        self.map(self.plan.landing, &landing, Access::all())?;
        self.plan.extents.iter().try_for_each(|extent| self.map(extent.first, &extent.runs, extent.access))
    }

    fn sync(&self, domain: &Arc<dyn DomainOps>, first: u64, pages: u64) -> Outcome {
        if self.side.forgets {
            return Ok(());
        }
        domain.sync(page_of(first), pages).map_err(|error| format!("sync {first:#x}: {error}"))
    }

    fn sees(&self, what: Blind) -> bool {
        !self.blind.contains(&what)
    }

    /// Tries sampled pages both ways. Returns the accesses that went through: their translations are cached now.
    fn everything(&mut self, count: &mut Count) -> Outcome<BTreeSet<(u64, bool)>> {
        let mut list: Vec<Attempt> = Vec::new();
        for page in self.plan.sample(MOST_PAGES) {
            for write in [false, true] {
                let wanted = self.plan.verdict(page, write);
                let before = self.plan.lookup(page).map(|(frame, _)| frame);
                list.push(Attempt { page, write, wanted, before });
                match wanted {
                    Ok(_) => count.allowed += 1,
                    Err(Why::Absent) => count.absent += 1,
                    Err(Why::Denied) => count.denied += 1,
                    Err(Why::BeyondWidth) => count.beyond += 1,
                }
            }
        }
        // QEMU's VT-d blocks, but does not record, a forbidden access to a page that an allowed one has brought into
        // its IOTLB, so what must be refused is tried first.
        list.sort_by_key(|access| access.wanted.is_ok());
        self.attempt(&list)?;
        Ok(list.iter().filter(|it| it.wanted.is_ok()).map(|it| (it.page, it.write)).collect())
    }

    /// Unmaps, and follows what becomes of what was cached, invalidation by invalidation.
    fn unmapped(
        &mut self,
        warm: &BTreeSet<(u64, bool)>,
        other: &Arc<dyn DomainOps>,
        count: &mut Count,
    ) -> Outcome {
        let all = warm;
        let mut warm = warm.clone();
        let mut gone = Vec::new();
        for nth in (0..self.plan.extents.len()).rev() {
            if self.plan.random.below(3) != 0 {
                gone.push(self.plan.extents.remove(nth));
            }
        }
        // Few blocks first: what takes many is invalidated with all of the domain.
        gone.sort_by_key(|extent| extent.blocks().len());
        for extent in &gone {
            self.domain
                .unmap(page_of(extent.first), extent.pages)
                .map_err(|error| format!("unmap {:#x}: {error}", extent.first))?;
        }
        let phase = |name: &'static str| move |why| format!("{name}: {why}");
        self.still_reached(&gone, &warm, count).map_err(phase("before any invalidation"))?;
        self.sync(other, self.plan.landing, self.plan.step)?;
        self.still_reached(&gone, &warm, count).map_err(phase("after another domain's invalidation"))?;
        if self.sees(Blind::PagesAlone) {
            let (first, runs, access) = (self.plan.landing, Vec::new(), Access::all());
            let landing = Extent { first, pages: self.plan.step, runs, access };
            self.sync(&self.domain, first, self.plan.step)?;
            if !self.sees(Blind::HighPageBits) {
                warm.retain(|&(page, _)| !landing.is_like(page));
            }
            self.still_reached(&gone, &warm, count).map_err(phase("after another page's invalidation"))?;
        }
        let mut left = gone.clone();
        for extent in &gone {
            self.sync(&self.domain, extent.first, extent.pages)?;
            self.refused(std::slice::from_ref(extent), all, count)?;
            // Where tables were emptied, all that they covered is invalidated. With something left in the third table
            // that is 1 GiB, which every unit can select.
            // (Emptied tables make blocks of 2^9 pages and more, of which a mask of eight bits leaves nothing.)
            let alone = self.family.selects_blocks()
                && extent.blocks().len() <= MOST_BLOCKS
                && self.plan.has_neighbours(extent)
                && self.sees(Blind::PagesAlone)
                && self.sees(Blind::HighPageBits);
            left.retain(|other| alone && other.is_apart(extent, 18));
            self.still_reached(&left, &warm, count)
                .map_err(|why| format!("after the invalidation of {extent:x?} alone: {why}"))?;
        }
        self.refused(&gone, all, count)
    }

    /// Unmaps the rest, and takes the device away and back, which invalidates the domain.
    fn reattached(&mut self, count: &mut Count) -> Outcome {
        let mut warm = BTreeSet::new();
        for extent in &self.plan.extents {
            for write in [false, true] {
                if self.plan.verdict(extent.first, write).is_ok() {
                    warm.insert((extent.first, write));
                }
            }
        }
        let gone = std::mem::take(&mut self.plan.extents);
        self.still_reached(&gone, &warm, count)?;
        for extent in &gone {
            self.domain
                .unmap(page_of(extent.first), extent.pages)
                .map_err(|error| format!("unmap {:#x}: {error}", extent.first))?;
        }
        self.still_reached(&gone, &warm, count)?;
        self.attach(false)?;
        self.attach(true)?;
        self.refused(&gone, &warm, count)?;
        for extent in &gone {
            self.sync(&self.domain, extent.first, extent.pages)?;
        }
        let (landing, pages) = (self.plan.landing, self.plan.step);
        self.domain.unmap(page_of(landing), pages).map_err(|error| error.to_string())?;
        self.sync(&self.domain, landing, pages)
    }

    /// What was unmapped is reached as before.
    fn still_reached(&mut self, gone: &[Extent], warm: &BTreeSet<(u64, bool)>, count: &mut Count) -> Outcome {
        let list = accesses(gone, warm, true);
        count.stale += list.len() as u64;
        self.attempt(&list)
    }

    /// What was unmapped is no more.
    fn refused(&mut self, gone: &[Extent], warm: &BTreeSet<(u64, bool)>, count: &mut Count) -> Outcome {
        let list = accesses(gone, warm, false);
        count.gone += list.len() as u64;
        self.attempt(&list)
    }

    /// Tries accesses, and says which of them did not do what it must.
    fn attempt(&mut self, list: &[Attempt]) -> Outcome {
        let tags: Vec<[Tag; 2]> = list.iter().map(|_| [self.tag(), self.tag()]).collect();
        let buffer: Vec<u8> = tags.iter().flat_map(|[_, of_device]| *of_device).collect();
        for (nth, (access, [of_frame, _])) in list.iter().zip(&tags).enumerate() {
            if let Some(frame) = access.wanted.ok().or(access.before) {
                self.side.write(frame, slot(nth), of_frame);
            }
        }
        // What the device is to write comes in through the landing page, what it has read goes out the same way.
        self.side.write(self.landing_frame, 0, &buffer);
        let (landing, bytes) = (self.plan.landing << 12, buffer.len() as u64);
        if list.is_empty() {
            return Ok(());
        }
        self.side.dma(Direction::FromRam, 0, landing, bytes);
        for (nth, access) in list.iter().enumerate() {
            let direction = if access.write { Direction::ToRam } else { Direction::FromRam };
            self.side.dma(direction, slot(nth), (access.page << 12) + slot(nth), SLOT);
            self.judge_records(access)?;
        }
        self.side.dma(Direction::ToRam, 0, landing, bytes);
        for (nth, (access, [of_frame, of_device])) in list.iter().zip(&tags).enumerate() {
            let in_device: Tag = self.side.read(self.landing_frame, slot(nth));
            let frame = access.wanted.ok().or(access.before);
            let in_frame: Option<Tag> = frame.map(|frame| self.side.read(frame, slot(nth)));
            let right = match (access.write, access.wanted) {
                (false, Ok(_)) => in_device == *of_frame,
                (false, Err(_)) => in_device != *of_frame,
                (true, Ok(_)) => in_frame == Some(*of_device),
                (true, Err(_)) => in_frame.is_none_or(|tag| tag == *of_frame),
            };
            if !right {
                return Err(format!("{access:x?}: the device has {in_device:x?}, the frame {in_frame:x?}"));
            }
        }
        Ok(())
    }

    fn judge_records(&self, access: &Attempt) -> Outcome {
        let mut found = self.side.records();
        if !self.sees(Blind::OneRecord) {
            found.dedup();
        }
        let mut wanted: Vec<_> = match access.wanted {
            Err(Why::BeyondWidth) if !self.sees(Blind::WideStage2) => Vec::new(),
            Err(_) if access.page >> 36 != 0 && !self.sees(Blind::WideAddresses) => Vec::new(),
            Err(why) if self.sees(Blind::Records) => {
                let told = if self.sees(Blind::ScalableReasons) { self.family } else { Family::VtdLegacy };
                vec![told.record(access.page, access.write, why)]
            }
            _ => Vec::new(),
        };
        if !self.sees(Blind::EventClass) {
            for record in found.iter_mut().chain(&mut wanted) {
                record.flags &= !CLASS;
            }
        }
        if found == wanted {
            return Ok(());
        }
        Err(format!("{access:x?}: recorded {found:x?}, expected {wanted:x?}"))
    }

    fn tag(&mut self) -> Tag {
        let mut tag = [0; SLOT as usize];
        tag[..8].copy_from_slice(&self.plan.random.next().to_le_bytes());
        tag[8..].copy_from_slice(&self.plan.random.next().to_le_bytes());
        tag
    }
}

/// Where an access is in its page and in the device's buffer: no two of a list at the same place, as frames may be
/// mapped twice.
fn slot(nth: usize) -> u64 {
    nth as u64 * SLOT
}

/// The accesses that had gone through to what is gone.
fn accesses(gone: &[Extent], warm: &BTreeSet<(u64, bool)>, reached: bool) -> Vec<Attempt> {
    let mut list = Vec::new();
    for extent in gone {
        for &(page, write) in warm.range((extent.first, false)..(extent.first + extent.pages, false)) {
            let frame = extent.frame(page);
            let wanted = frame.filter(|_| reached).ok_or(Why::Absent);
            list.push(Attempt { page, write, wanted, before: frame });
        }
    }
    list
}
