//! CACHE-001: pages that the processor reaches with two cache types at once.
//!
//! Decided when a map or view is made. Views of sections are left out: their pages move, and all views of a section have
//! the section's own type.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;

use dxgk_event::{Object, ObjectKind};
use dxgk_hw::PAGE_SIZE;

use crate::Verifier;
use crate::finding::{Culprit, Finding, SameAct, Severity};
use crate::intervals::Intervals;
use crate::limits;
use crate::rules::CACHE_001;
use crate::words::{describe, summary, the};

/// Uncached, cached, write-combining.
const TYPES: usize = 3;
/// DXGK_PHYSICAL_MEMORY_TYPE_SECTION.
const SECTION: u8 = 2;

/// A map or view: its type, and its pages as runs.
type Entry = (u8, Box<[(u64, u64)]>);

/// The pages of live maps and views, by cache type.
#[derive(Default)]
pub(crate) struct Caching {
    by_type: [Intervals; TYPES],
    entered: BTreeMap<u64, Entry>,
    blocks: usize,
}

impl Caching {
    /// Whether the processor reaches pages through objects of this kind.
    pub(crate) fn matters(kind: ObjectKind) -> bool {
        matches!(
            kind,
            ObjectKind::RegisterMap
                | ObjectKind::UserRegisterMap
                | ObjectKind::KernelView
                | ObjectKind::UserView
                | ObjectKind::MmMapping
                | ObjectKind::ContiguousMemory
        )
    }

    /// A live object that has one of these pages under another type, and the page.
    fn conflict(&self, cache: u8, pages: &[(u64, u64)]) -> Option<(u64, u64)> {
        let others = self.by_type.iter().enumerate().filter(|(kind, _)| *kind != usize::from(cache));
        others
            .flat_map(|(_, held)| pages.iter().filter_map(|(first, count)| held.touching(*first, *count)))
            .next()
    }

    fn enter(&mut self, number: u64, cache: u8, pages: Vec<(u64, u64)>) {
        let Some(held) = self.by_type.get_mut(usize::from(cache)) else { return };
        if self.entered.contains_key(&number) {
            return;
        }
        let mut kept = Vec::new();
        for (first, count) in pages {
            if self.blocks >= limits::BLOCKS {
                break;
            }
            self.blocks += held.insert(first, count, number, number);
            kept.push((first, count));
        }
        self.entered.insert(number, (cache, kept.into_boxed_slice()));
    }

    /// A map or view is gone, or something else is.
    pub(crate) fn released(&mut self, number: u64) {
        let Some((cache, pages)) = self.entered.remove(&number) else { return };
        if let Some(held) = self.by_type.get_mut(usize::from(cache)) {
            for (first, count) in pages {
                self.blocks -= held.remove(first, count, number, number);
            }
        }
    }
}

impl Verifier {
    /// Whether the pages of a map or view are its own for its life.
    pub(crate) fn stays_where_it_is(&self, object: &Object) -> bool {
        let parent = self.objects.get(object.parent);
        !parent.is_some_and(|parent| {
            parent.object.kind == ObjectKind::PhysicalMemory && parent.object.flags == SECTION
        })
    }

    pub(crate) fn judge_caching(&mut self, object: &Object, pages: Vec<(u64, u64)>) {
        let conflict = self.caching.conflict(object.cache, &pages);
        if let Some((other, page)) = conflict
            && let Some(known) = self.objects.get(object.object)
        {
            let act = SameAct::AtObject(CACHE_001.id, known.created.rip, Some(other), 0);
            let make = || {
                let first = self.objects.get(other);
                let before = first.map_or_else(|| "something that is not remembered".into(), the);
                let types = [first.map_or(u8::MAX, |known| known.object.cache), object.cache];
                let [was, is] = types.map(cache_name);
                let message = format!(
                    "the page at {:#x} is mapped {is} by {} while {before} maps it {was}",
                    page.saturating_mul(PAGE_SIZE),
                    the(known)
                );
                let mut history: Vec<_> = first
                    .map(|known| self.modules.history(format!("{} made", describe(known)), &known.created))
                    .into_iter()
                    .collect();
                history.push(self.modules.history(format!("{} made", describe(known)), &known.created));
                Finding {
                    rule: &CACHE_001,
                    severity: Severity::Error,
                    culprit: Culprit::Driver,
                    message,
                    place: self.modules.at(&known.created),
                    object: Some(summary(known)),
                    history,
                    fix: CACHE_001.mend.into(),
                    count: 1,
                }
            };
            let finding = (!self.findings.knows(&act)).then(make);
            self.findings.found(act, finding);
        }
        self.caching.enter(object.object, object.cache, pages);
    }
}

fn cache_name(cache: u8) -> &'static str {
    match cache {
        0 => "uncached",
        1 => "cached",
        2 => "write-combining",
        _ => "with another type",
    }
}
