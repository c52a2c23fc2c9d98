//! The context cache (manual 6.2.3): decoded context entries by source, tagged with their domain, kept until an
//! invalidation covers them. Fully associative, round robin.

use super::context::Context;

pub(super) struct ContextCache {
    entries: Vec<Option<(u16, Context)>>,
    victim: usize,
}

impl ContextCache {
    pub(super) fn new(entries: usize) -> Self {
        Self { entries: vec![None; entries], victim: 0 }
    }

    pub(super) fn lookup(&self, source: u16) -> Option<Context> {
        self.entries.iter().flatten().find(|(of, _)| *of == source).map(|(_, context)| *context)
    }

    pub(super) fn insert(&mut self, source: u16, context: Context) {
        let place = self.entries.iter().position(Option::is_none).unwrap_or_else(|| {
            let way = self.victim;
            self.victim = (way + 1) % self.entries.len();
            way
        });
        if let Some(place) = self.entries.get_mut(place) {
            *place = Some((source, context));
        }
    }

    pub(super) fn invalidate_all(&mut self) {
        self.entries.fill(None);
    }

    pub(super) fn invalidate_domain(&mut self, domain: u16) {
        for entry in &mut self.entries {
            entry.take_if(|(_, context)| context.domain == domain);
        }
    }

    /// Drops entries of `source` with `domain`. Function mask `mask` (two bits): how many of the function number's
    /// bits, from the most significant, are not compared.
    pub(super) fn invalidate_device(&mut self, domain: u16, source: u16, mask: u8) {
        let ignored: u16 = match mask & 0b11 {
            0 => 0,
            1 => 0b100,
            2 => 0b110,
            _ => 0b111,
        };
        for entry in &mut self.entries {
            entry.take_if(|(of, context)| context.domain == domain && (*of ^ source) & !ignored == 0);
        }
    }
}
