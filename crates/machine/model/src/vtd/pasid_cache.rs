//! The caches of scalable mode (manual 6.2.3): context entries by source, and PASID-table entries by source and PASID,
//! tagged with their domain. Fully associative, round robin. Absence is kept in caching mode only, under domain 0.

use super::context::{Context, NoContext};
use super::scalable::PasidSource;

type Line<K, V> = Option<(K, Result<V, NoContext>)>;

/// A cache of what looks at tables gave.
struct Cache<K, V> {
    lines: Vec<Line<K, V>>,
    victim: usize,
}

impl<K: Copy + Eq, V: Copy> Cache<K, V> {
    fn new(entries: usize) -> Self {
        Self { lines: vec![None; entries], victim: 0 }
    }

    fn lookup(&self, key: K) -> Option<Result<V, NoContext>> {
        self.lines.iter().flatten().find(|(of, _)| *of == key).map(|(_, found)| *found)
    }

    fn insert(&mut self, key: K, found: Result<V, NoContext>) {
        let place = self.lines.iter().position(Option::is_none).unwrap_or_else(|| {
            let way = self.victim;
            self.victim = (way + 1) % self.lines.len();
            way
        });
        if let Some(place) = self.lines.get_mut(place) {
            *place = Some((key, found));
        }
    }

    fn drop_if(&mut self, covered: impl Fn(K, &Result<V, NoContext>) -> bool) {
        for line in &mut self.lines {
            line.take_if(|(key, found)| covered(*key, found));
        }
    }
}

fn domain_of(found: &Result<Context, NoContext>) -> u16 {
    found.map_or(0, |context| context.domain)
}

pub(super) struct PasidCaches {
    sources: Cache<u16, PasidSource>,
    pasids: Cache<(u16, u32), Context>,
}

impl PasidCaches {
    pub(super) fn new(entries: usize) -> Self {
        Self { sources: Cache::new(entries), pasids: Cache::new(entries) }
    }

    pub(super) fn source(&self, source: u16) -> Option<Result<PasidSource, NoContext>> {
        self.sources.lookup(source)
    }

    pub(super) fn insert_source(&mut self, source: u16, found: Result<PasidSource, NoContext>) {
        self.sources.insert(source, found);
    }

    pub(super) fn context(&self, source: u16, pasid: u32) -> Option<Result<Context, NoContext>> {
        self.pasids.lookup((source, pasid))
    }

    pub(super) fn insert_context(&mut self, source: u16, pasid: u32, found: Result<Context, NoContext>) {
        self.pasids.insert((source, pasid), found);
    }

    pub(super) fn forget_sources(&mut self) {
        self.sources.drop_if(|_, _| true);
    }

    /// As with legacy mode's contexts, but that the domain is not looked at: these entries have none (6.5.2.1).
    pub(super) fn forget_source(&mut self, source: u16, ignored: u16) {
        self.sources.drop_if(|of, _| (of ^ source) & !ignored == 0);
    }

    pub(super) fn forget_pasids(&mut self) {
        self.pasids.drop_if(|_, _| true);
    }

    /// Those of a domain, all or one PASID.
    pub(super) fn forget_pasids_of(&mut self, domain: u16, pasid: Option<u32>) {
        self.pasids
            .drop_if(|(_, of), found| domain_of(found) == domain && pasid.is_none_or(|pasid| pasid == of));
    }
}
