//! A cache of translations.
//!
//! It keeps what a walk found until an invalidation covers it or another entry needs its place; it never looks at
//! memory again. Replacement is round robin in each set, so that two runs with the same accesses agree.

/// What a unit tells address spaces apart by.
pub(crate) trait Tag: Copy + Eq {
    /// A number that spreads tags over sets; equal tags give equal numbers.
    fn spread(self) -> u64;
}

impl Tag for u16 {
    fn spread(self) -> u64 {
        self.into()
    }
}

/// A cached translation of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Translation {
    /// Physical address of the page.
    pub base: u64,
    /// log2 of the page's size, from 12.
    pub shift: u32,
    /// May be read: the AND over all levels.
    pub read: bool,
    /// May be written.
    pub write: bool,
    /// Nothing has to be noted in memory when it is written.
    pub dirty: bool,
    /// The leaf, as it stood in memory at the walk.
    pub entry: u64,
    /// Where it stood.
    pub entry_at: u64,
    /// Its level.
    pub level: u8,
}

impl Translation {
    /// The address bits within the page.
    pub(crate) const fn mask(&self) -> u64 {
        low_bits(self.shift)
    }
}

const fn low_bits(count: u32) -> u64 {
    if count >= u64::BITS { u64::MAX } else { (1 << count) - 1 }
}

#[derive(Clone, Copy)]
struct Line<T> {
    tag: T,
    /// Input address shifted right by the page's shift.
    page: u64,
    translation: Translation,
}

impl<T> Line<T> {
    /// First and last 4 KiB page number that the line covers.
    fn pages(&self) -> (u64, u64) {
        let extra = self.translation.shift - 12;
        let start = self.page.checked_shl(extra).unwrap_or(0);
        (start, start | low_bits(extra))
    }
}

pub(crate) struct Iotlb<T> {
    ways: usize,
    lines: Vec<Option<Line<T>>>,
    /// The way of each set that is replaced next.
    victims: Vec<usize>,
    /// Bit n: some line may be for pages of 2^n bytes.
    shifts: u64,
}

impl<T: Tag> Iotlb<T> {
    pub(crate) fn new(sets: usize, ways: usize) -> Self {
        Self { ways, lines: vec![None; sets * ways], victims: vec![0; sets], shifts: 0 }
    }

    fn set_of(&self, tag: T, page: u64) -> usize {
        ((page ^ tag.spread()) % self.victims.len() as u64) as usize
    }

    fn set(&self, index: usize) -> &[Option<Line<T>>] {
        self.lines.get(index * self.ways..(index + 1) * self.ways).unwrap_or_default()
    }

    pub(crate) fn lookup(&self, tag: T, address: u64) -> Option<Translation> {
        (12..u64::BITS).filter(|shift| self.shifts >> shift & 1 == 1).find_map(|shift| {
            let page = address >> shift;
            let hit =
                |line: &&Line<T>| line.tag == tag && line.page == page && line.translation.shift == shift;
            self.set(self.set_of(tag, page)).iter().flatten().find(hit).map(|line| line.translation)
        })
    }

    pub(crate) fn insert(&mut self, tag: T, address: u64, translation: Translation) {
        let translation = Translation { shift: translation.shift.clamp(12, u64::BITS - 1), ..translation };
        self.shifts |= 1 << translation.shift;
        let page = address >> translation.shift;
        let index = self.set_of(tag, page);
        let free = self.set(index).iter().position(Option::is_none);
        let way = free.unwrap_or_else(|| {
            let ways = self.ways;
            self.victims.get_mut(index).map_or(0, |next| {
                let way = *next;
                *next = (way + 1) % ways;
                way
            })
        });
        if let Some(place) = self.lines.get_mut(index * self.ways + way) {
            *place = Some(Line { tag, page, translation });
        }
    }

    fn drop_if(&mut self, covered: impl Fn(&Line<T>) -> bool) {
        for line in &mut self.lines {
            line.take_if(|line| covered(line));
        }
    }

    pub(crate) fn invalidate_all(&mut self) {
        self.drop_if(|_| true);
    }

    /// Drops the lines whose tag `of` selects.
    pub(crate) fn invalidate_tags(&mut self, of: impl Fn(T) -> bool) {
        self.drop_if(|line| of(line.tag));
    }

    /// Drops the lines whose tag `of` selects and that overlap the 4 KiB pages `first..=last`.
    pub(crate) fn invalidate_pages(&mut self, of: impl Fn(T) -> bool, first: u64, last: u64) {
        self.drop_if(|line| {
            let (start, end) = line.pages();
            of(line.tag) && start <= last && first <= end
        });
    }
}
