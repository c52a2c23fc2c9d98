//! The context cache (manual 6.2.3): decoded context entries by source, tagged with their domain, kept until an
//! invalidation covers them. Fully associative, round robin.

use super::context::{Context, NoContext};

/// What a look at the tables gave. Absence is kept in caching mode only, and under domain 0 (6.1).
type Found = Result<Context, NoContext>;

fn domain_of(found: &Found) -> u16 {
    found.map_or(0, |context| context.domain)
}

pub(super) struct ContextCache {
    entries: Vec<Option<(u16, Found)>>,
    victim: usize,
}

impl ContextCache {
    pub(super) fn new(entries: usize) -> Self {
        Self { entries: vec![None; entries], victim: 0 }
    }

    pub(super) fn lookup(&self, source: u16) -> Option<Found> {
        self.entries.iter().flatten().find(|(of, _)| *of == source).map(|(_, found)| *found)
    }

    pub(super) fn insert(&mut self, source: u16, found: Found) {
        let place = self.entries.iter().position(Option::is_none).unwrap_or_else(|| {
            let way = self.victim;
            self.victim = (way + 1) % self.entries.len();
            way
        });
        if let Some(place) = self.entries.get_mut(place) {
            *place = Some((source, found));
        }
    }

    pub(super) fn invalidate_all(&mut self) {
        self.entries.fill(None);
    }

    pub(super) fn invalidate_domain(&mut self, domain: u16) {
        for entry in &mut self.entries {
            entry.take_if(|(_, found)| domain_of(found) == domain);
        }
    }

    /// Drops entries of `source` with `domain`. Function mask `mask` (two bits): how many of the function number's
    /// bits, from the most significant, are not compared.
    pub(super) fn invalidate_device(&mut self, domain: u16, source: u16, mask: u8) {
        let ignored = ignored_function_bits(mask);
        for entry in &mut self.entries {
            entry.take_if(|(of, found)| domain_of(found) == domain && (*of ^ source) & !ignored == 0);
        }
    }
}

/// The bits of a source that a function mask leaves out of comparisons.
pub(super) const fn ignored_function_bits(mask: u8) -> u16 {
    match mask & 0b11 {
        0 => 0,
        1 => 0b100,
        2 => 0b110,
        _ => 0b111,
    }
}
