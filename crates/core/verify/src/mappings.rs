//! What devices can reach, and could reach once.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use dxgk_event::{ListRef, Mapping};

use crate::Moment;
use crate::intervals::Intervals;
use crate::limits;

/// Bits of a page number that an address can have.
const PAGE_BITS: u32 = u64::BITS - dxgk_hw::PAGE_SHIFT;

/// A mapping and its life.
#[derive(Clone, Debug)]
pub(crate) struct KnownMapping {
    pub(crate) object: u64,
    /// First logical page, and number of pages.
    pub(crate) first: u64,
    pub(crate) pages: u64,
    logical_adapter: u32,
    /// Logical pages equal physical ones.
    identity: bool,
    /// What it was told with: the same list again is the same mapping.
    list: ListRef,
    /// Frames, as runs. Of a dead mapping only where they are the logical pages too.
    frames: Box<[(u64, u64)]>,
    pub(crate) mapped: Moment,
    pub(crate) unmapped: Option<Moment>,
    /// Nothing that a unit may remember of it is left.
    pub(crate) invalidated: bool,
    /// The device may write.
    pub(crate) writable: bool,
}

/// The bit of [`Mapping::access`] for writing.
const WRITE: u8 = 2;

impl KnownMapping {
    /// The logical pages, as runs.
    fn logical(&self) -> Vec<(u64, u64)> {
        if self.identity { self.frames.to_vec() } else { Vec::from([(self.first, self.pages)]) }
    }

    /// The logical page in front of a frame.
    pub(crate) fn logical_page(&self, frame: u64) -> Option<u64> {
        let mut next = self.first;
        self.frames.iter().find_map(|(first, count)| {
            let here = if self.identity { *first } else { next };
            next = next.saturating_add(*count);
            let index = frame.checked_sub(*first).filter(|index| index < count)?;
            here.checked_add(index)
        })
    }

    /// Whether one run of the mapping holds all pages from `first` to `last`.
    pub(crate) fn covers(&self, first: u64, last: u64) -> bool {
        let inside = |start: u64, count: u64| first >= start && last >= first && last - start < count;
        if self.identity {
            self.frames.iter().any(|(start, count)| inside(*start, *count))
        } else {
            inside(self.first, self.pages)
        }
    }

    /// The logical page behind the last, of a mapping that is one run.
    fn end(&self) -> Option<u64> {
        match (&*self.frames, self.identity) {
            ([(first, count)], true) => Some(first.saturating_add(*count)),
            (_, true) => None,
            (_, false) => Some(self.first.saturating_add(self.pages)),
        }
    }
}

/// One logical adapter's mappings.
#[derive(Default)]
struct Space {
    live: Intervals,
    /// By the event of the unmap.
    dead: Intervals,
    /// Frames of live mappings that are not identical.
    frames: Intervals,
    /// First page, page behind the last, and number of live mappings that are one run.
    runs: BTreeSet<(u64, u64, u64)>,
    /// Something that was mapped is not in the book.
    incomplete: bool,
    /// Dead mappings were forgotten.
    forgetful: bool,
}

/// How sure it is that nothing else was mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reach {
    /// All that was ever mapped is known.
    Known,
    /// All that is mapped is known, and the latest of what was.
    Now,
    /// Page lists were lost on the way.
    Unsure,
}

/// A live mapping beside an address.
pub(crate) struct Nearest<'a> {
    pub(crate) mapping: &'a KnownMapping,
    /// Pages from its end to the address, or from the address to its beginning.
    pub(crate) pages: u64,
    /// The address lies behind the mapping's end.
    pub(crate) behind: bool,
}

/// Object, logical adapter, first page, number.
type Place = (u64, u32, u64, u64);

/// The book of mappings.
#[derive(Default)]
pub(crate) struct Mappings {
    all: BTreeMap<u64, KnownMapping>,
    next: u64,
    spaces: BTreeMap<u32, Space>,
    live: BTreeSet<Place>,
    /// Unmapped and not yet invalidated.
    cleared: BTreeSet<Place>,
    dead: VecDeque<u64>,
    blocks: usize,
}

fn place(known: &KnownMapping, number: u64) -> Place {
    (known.object, known.logical_adapter, known.first, number)
}

/// The mappings of a set that a later step speaks of: those that begin at its page, or, when it names no pages (which
/// is how passthrough is told), all of the object.
fn meant(set: &BTreeSet<Place>, step: &Mapping) -> Vec<u64> {
    let (low, high) = if step.pages == 0 { (0, u64::MAX) } else { (step.logical_page, step.logical_page) };
    let range =
        (step.object, step.logical_adapter, low, 0)..=(step.object, step.logical_adapter, high, u64::MAX);
    set.range(range).map(|(_, _, _, number)| *number).collect()
}

/// A run cut off where addresses end; `None` when nothing is left of it.
fn within_addresses((first, count): (u64, u64)) -> Option<(u64, u64)> {
    let left = (1u64 << PAGE_BITS).checked_sub(first)?;
    Some((first, count.min(left))).filter(|(_, count)| *count != 0)
}

impl Mappings {
    /// A logical adapter begins to exist. What is told of others is not believed.
    pub(crate) fn add_space(&mut self, logical_adapter: u32) {
        if self.spaces.len() < limits::ADAPTERS {
            self.spaces.entry(logical_adapter).or_default();
        }
    }

    /// Enters a mapping. `runs` is what stands in its list of frames, if that could be read.
    pub(crate) fn mapped(&mut self, told: &Mapping, runs: Option<Vec<(u64, u64)>>, moment: Moment) {
        if self.known_already(told) {
            return;
        }
        let room = self.room();
        let Some(space) = self.spaces.get_mut(&told.logical_adapter) else { return };
        let identity = told.identity != 0;
        let complete = runs.is_some() || told.pages == 0;
        let Some((first, pages)) = within_addresses((told.logical_page, told.pages)) else { return };
        if !room || (identity && !complete) {
            space.incomplete = true;
            return;
        }
        let frames = runs.unwrap_or_default().into_iter().filter_map(within_addresses).collect();
        let number = self.next;
        let mut known = KnownMapping {
            object: told.object,
            first,
            pages,
            logical_adapter: told.logical_adapter,
            identity,
            list: told.frames,
            frames,
            mapped: moment,
            unmapped: None,
            invalidated: told.domain == u32::MAX,
            writable: told.access & WRITE != 0,
        };
        let mut entered = 0;
        for (first, count) in known.logical() {
            self.blocks += space.live.insert(first, count, number, number);
            entered += 1;
            if self.blocks >= limits::BLOCKS {
                break;
            }
        }
        if identity && entered < known.frames.len() {
            space.incomplete = true;
            known.frames = known.frames.iter().copied().take(entered).collect();
        }
        if !identity {
            for (first, count) in &known.frames {
                if self.blocks < limits::BLOCKS {
                    self.blocks += space.frames.insert(*first, *count, number, number);
                }
            }
        }
        if let Some(end) = known.end() {
            space.runs.insert((known.first, end, number));
        }
        self.live.insert(place(&known, number));
        self.all.insert(number, known);
        self.next += 1;
    }

    /// Whether this is told a second time: what was mapped in passthrough is told again when a domain is filled with it.
    fn known_already(&mut self, told: &Mapping) -> bool {
        let one = (told.object, told.logical_adapter, told.logical_page);
        let range = (one.0, one.1, one.2, 0)..=(one.0, one.1, one.2, u64::MAX);
        let last = self.live.range(range).next_back().and_then(|(_, _, _, number)| self.all.get_mut(number));
        let Some(known) = last.filter(|known| {
            known.identity && told.identity != 0 && known.list == told.frames && known.pages == told.pages
        }) else {
            return false;
        };
        known.invalidated &= told.domain == u32::MAX;
        known.writable = told.access & WRITE != 0;
        true
    }

    /// Makes room for one more mapping, at the cost of the oldest dead ones.
    fn room(&mut self) -> bool {
        while self.dead.len() > limits::DEAD || self.blocks >= limits::BLOCKS {
            if !self.forget_oldest() {
                return false;
            }
        }
        self.live.len() < limits::LIVE
    }

    fn forget_oldest(&mut self) -> bool {
        let Some(number) = self.dead.pop_front() else { return false };
        let Some(known) = self.all.remove(&number) else { return true };
        self.cleared.remove(&place(&known, number));
        if let Some(space) = self.spaces.get_mut(&known.logical_adapter) {
            let key = known.unmapped.as_ref().map_or(0, |moment| moment.event);
            for (first, count) in known.logical() {
                self.blocks -= space.dead.remove(first, count, key, number);
            }
            space.forgetful = true;
        }
        true
    }

    pub(crate) fn unmapped(&mut self, step: &Mapping, moment: &Moment) {
        for number in meant(&self.live, step) {
            let Some(known) = self.all.get_mut(&number) else { continue };
            self.live.remove(&place(known, number));
            if !known.invalidated {
                self.cleared.insert(place(known, number));
            }
            known.unmapped = Some(moment.clone());
            let Some(space) = self.spaces.get_mut(&known.logical_adapter) else { continue };
            if let Some(end) = known.end() {
                space.runs.remove(&(known.first, end, number));
            }
            if !known.identity {
                for (first, count) in core::mem::take(&mut known.frames) {
                    self.blocks -= space.frames.remove(first, count, number, number);
                }
            }
            for (first, count) in known.logical() {
                self.blocks -= space.live.remove(first, count, number, number);
                self.blocks += space.dead.insert(first, count, moment.event, number);
            }
            self.dead.push_back(number);
        }
    }

    pub(crate) fn invalidated(&mut self, step: &Mapping) {
        for number in meant(&self.cleared, step) {
            let Some(known) = self.all.get_mut(&number) else { continue };
            known.invalidated = true;
            self.cleared.remove(&place(known, number));
        }
    }

    /// The latest live mapping that holds a logical page.
    pub(crate) fn holding(&self, logical_adapter: u32, page: u64) -> Option<&KnownMapping> {
        self.all.get(&self.spaces.get(&logical_adapter)?.live.last(page)?)
    }

    /// A page behind `page` up to which all are mapped; `None` when `page` is not.
    pub(crate) fn held_up_to(&self, logical_adapter: u32, page: u64) -> Option<u64> {
        self.spaces.get(&logical_adapter)?.live.held_up_to(page)
    }

    /// The mapping that held a logical page last and holds it no more.
    pub(crate) fn formerly_holding(&self, logical_adapter: u32, page: u64) -> Option<&KnownMapping> {
        self.all.get(&self.spaces.get(&logical_adapter)?.dead.last(page)?)
    }

    /// The latest live mapping through which a device reaches a frame at another number than its own.
    pub(crate) fn leading_to(&self, logical_adapter: u32, frame: u64) -> Option<&KnownMapping> {
        self.all.get(&self.spaces.get(&logical_adapter)?.frames.last(frame)?)
    }

    /// Some live mapping of whichever adapter that leads to a frame.
    pub(crate) fn reaching(&self, frame: u64) -> Option<&KnownMapping> {
        self.spaces.values().find_map(|space| {
            let same =
                space.live.last(frame).and_then(|number| self.all.get(&number)).filter(|it| it.identity);
            same.or_else(|| self.all.get(&space.frames.last(frame)?))
        })
    }

    /// Live mappings that hold a logical page, at most `limit` of them.
    pub(crate) fn all_holding(
        &self,
        logical_adapter: u32,
        page: u64,
        limit: usize,
    ) -> impl Iterator<Item = &KnownMapping> {
        let numbers = self.spaces.get(&logical_adapter).map(|space| space.live.all(page, limit));
        numbers.unwrap_or_default().into_iter().filter_map(|number| self.all.get(&number))
    }

    /// The live mapping of one run that is nearest to a page which none holds.
    pub(crate) fn nearest(&self, logical_adapter: u32, page: u64) -> Option<Nearest<'_>> {
        let runs = &self.spaces.get(&logical_adapter)?.runs;
        let before = runs.range(..(page, 0, 0)).next_back().and_then(|(_, end, number)| {
            Some(Nearest { mapping: self.all.get(number)?, pages: page.checked_sub(*end)?, behind: true })
        });
        let after = runs.range((page, 0, 0)..).next().and_then(|(first, _, number)| {
            Some(Nearest { mapping: self.all.get(number)?, pages: first.checked_sub(page)?, behind: false })
        });
        // At the same distance the one that was overrun.
        before.into_iter().chain(after).min_by_key(|near| near.pages)
    }

    pub(crate) fn reach(&self, logical_adapter: u32) -> Reach {
        match self.spaces.get(&logical_adapter) {
            Some(space) if space.incomplete => Reach::Unsure,
            Some(space) if space.forgetful => Reach::Now,
            _ => Reach::Known,
        }
    }
}
