//! The IOTLB (manual 6.2.4).
//!
//! It keeps what a walk found until an invalidation covers it or another entry needs its place; it never looks at
//! memory again. Replacement is round robin in each set, so that two runs with the same accesses agree.

/// A cached translation of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Translation {
    /// Physical address of the page.
    pub base: u64,
    /// log2 of the page's size: 12, 21 or 30.
    pub shift: u32,
    /// May be read: the AND over all levels.
    pub read: bool,
    /// May be written.
    pub write: bool,
    /// The leaf, as it stood in memory at the walk.
    pub entry: u64,
    /// Where it stood.
    pub entry_at: u64,
    /// Its level.
    pub level: u8,
}

#[derive(Clone, Copy)]
struct Line {
    domain: u16,
    /// Input address shifted right by the page's shift.
    page: u64,
    translation: Translation,
}

const SHIFTS: [u32; 3] = [12, 21, 30];

pub(super) struct Iotlb {
    ways: usize,
    lines: Vec<Option<Line>>,
    /// The way of each set that is replaced next.
    victims: Vec<usize>,
}

impl Iotlb {
    pub(super) fn new(sets: usize, ways: usize) -> Self {
        Self { ways, lines: vec![None; sets * ways], victims: vec![0; sets] }
    }

    fn set_of(&self, domain: u16, page: u64) -> usize {
        ((page ^ u64::from(domain)) % self.victims.len() as u64) as usize
    }

    fn set(&self, index: usize) -> &[Option<Line>] {
        self.lines.get(index * self.ways..(index + 1) * self.ways).unwrap_or_default()
    }

    pub(super) fn lookup(&self, domain: u16, address: u64) -> Option<Translation> {
        SHIFTS.iter().find_map(|shift| {
            let page = address >> shift;
            let hit =
                |line: &&Line| line.domain == domain && line.page == page && line.translation.shift == *shift;
            self.set(self.set_of(domain, page)).iter().flatten().find(hit).map(|line| line.translation)
        })
    }

    pub(super) fn insert(&mut self, domain: u16, address: u64, translation: Translation) {
        let page = address >> translation.shift;
        let index = self.set_of(domain, page);
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
            *place = Some(Line { domain, page, translation });
        }
    }

    fn drop_if(&mut self, covered: impl Fn(&Line) -> bool) {
        for line in &mut self.lines {
            line.take_if(|line| covered(line));
        }
    }

    pub(super) fn invalidate_all(&mut self) {
        self.drop_if(|_| true);
    }

    pub(super) fn invalidate_domain(&mut self, domain: u16) {
        self.drop_if(|line| line.domain == domain);
    }

    /// Drops the domain's entries that overlap the 2^`mask` pages around page number `page`, naturally aligned.
    pub(super) fn invalidate_pages(&mut self, domain: u16, page: u64, mask: u8) {
        let below = (1u64 << mask) - 1;
        let (first, last) = (page & !below, page | below);
        self.drop_if(|line| {
            let pages_shift = line.translation.shift - 12;
            let start = line.page << pages_shift;
            let end = start | ((1 << pages_shift) - 1);
            line.domain == domain && start <= last && first <= end
        });
    }
}
