//! The books: objects and mappings, live and dead, as the stream told them.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use dxgk_event::{Mapping, MappingStep, Object, ObjectKind, ObjectStep};

use crate::finding::ObjectSummary;
use crate::{Lists, Moment};

/// An object and its life.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) object: Object,
    /// Physical pages, as (first, count).
    pub(crate) pages: Vec<(u64, u64)>,
    pub(crate) created: Moment,
    pub(crate) released: Option<Moment>,
}

/// A mapping and its life.
#[derive(Clone, Debug)]
pub(crate) struct KnownMapping {
    pub(crate) object: u64,
    pub(crate) logical_adapter: u32,
    /// Logical and physical pages together, as (logical, physical, count).
    pub(crate) runs: Vec<(u64, u64, u64)>,
    pub(crate) mapped: Moment,
    pub(crate) unmapped: Option<Moment>,
    pub(crate) invalidated: bool,
}

impl KnownMapping {
    /// The physical page behind a logical one.
    pub(crate) fn frame(&self, logical_page: u64) -> Option<u64> {
        self.runs.iter().find_map(|(logical, physical, count)| {
            let index = logical_page.checked_sub(*logical)?;
            (index < *count).then(|| physical.wrapping_add(index))
        })
    }

    /// The logical page in front of a physical one.
    pub(crate) fn logical_page(&self, frame: u64) -> Option<u64> {
        self.runs.iter().find_map(|(logical, physical, count)| {
            let index = frame.checked_sub(*physical)?;
            (index < *count).then(|| logical.wrapping_add(index))
        })
    }
}

#[derive(Default)]
pub(crate) struct Ledger {
    objects: BTreeMap<u64, Known>,
    mappings: Vec<KnownMapping>,
    logical_adapters: BTreeMap<u32, u32>,
}

/// Runs as they stand in the arena: two words each; a word left over is dropped.
fn runs(words: &[u64]) -> Vec<(u64, u64)> {
    words
        .chunks_exact(2)
        .filter_map(|pair| match pair {
            [first, count] => Some((*first, *count)),
            _ => None,
        })
        .collect()
}

impl Ledger {
    pub(crate) fn add_adapter(&mut self, adapter: u32, logical_adapter: u32) {
        self.logical_adapters.insert(adapter, logical_adapter);
    }

    pub(crate) fn object(&mut self, object: &Object, moment: Moment, lists: &dyn Lists) {
        match object.step {
            ObjectStep::Created => {
                let pages = runs(&lists.get(object.pages).unwrap_or_default());
                self.objects
                    .insert(object.object, Known { object: *object, pages, created: moment, released: None });
            }
            ObjectStep::Released => {
                if let Some(known) = self.objects.get_mut(&object.object) {
                    known.released.get_or_insert(moment);
                }
            }
        }
    }

    pub(crate) fn mapping(&mut self, mapping: &Mapping, moment: Moment, lists: &dyn Lists) {
        if mapping.step == MappingStep::Mapped {
            let frames = runs(&lists.get(mapping.frames).unwrap_or_default());
            let mut next = mapping.logical_page;
            let runs = frames
                .into_iter()
                .map(|(first, count)| {
                    let logical = if mapping.identity != 0 { first } else { next };
                    next = next.wrapping_add(count);
                    (logical, first, count)
                })
                .collect();
            self.mappings.push(KnownMapping {
                object: mapping.object,
                logical_adapter: mapping.logical_adapter,
                runs,
                mapped: moment,
                unmapped: None,
                invalidated: false,
            });
            return;
        }
        let mine = |known: &&mut KnownMapping| {
            known.object == mapping.object && known.logical_adapter == mapping.logical_adapter
        };
        for known in self.mappings.iter_mut().filter(mine) {
            match mapping.step {
                MappingStep::Unmapped => {
                    known.unmapped.get_or_insert_with(|| moment.clone());
                }
                MappingStep::Invalidated => known.invalidated = true,
                MappingStep::Mapped | MappingStep::PagesReturned => {}
            }
        }
    }

    pub(crate) fn get(&self, object: u64) -> Option<&Known> {
        self.objects.get(&object)
    }

    /// Every object, by number.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &Known> {
        self.objects.values()
    }

    /// Objects that are alive.
    pub(crate) fn alive(&self) -> impl Iterator<Item = &Known> {
        self.objects.values().filter(|known| known.released.is_none())
    }

    /// The live mapping of a logical adapter that holds a logical page.
    pub(crate) fn mapped(&self, logical_adapter: u32, page: u64) -> Option<&KnownMapping> {
        self.mappings_of(logical_adapter)
            .find(|known| known.unmapped.is_none() && known.frame(page).is_some())
    }

    /// The mapping that held a logical page last and holds it no more.
    pub(crate) fn formerly_mapped(&self, logical_adapter: u32, page: u64) -> Option<&KnownMapping> {
        self.mappings_of(logical_adapter)
            .filter(|known| known.unmapped.is_some() && known.frame(page).is_some())
            .max_by_key(|known| known.unmapped.as_ref().map(|moment| moment.event))
    }

    pub(crate) fn mappings_of(&self, logical_adapter: u32) -> impl Iterator<Item = &KnownMapping> {
        self.mappings.iter().filter(move |known| known.logical_adapter == logical_adapter)
    }

    /// The live object whose physical pages hold `frame`; the smallest, when objects share it.
    pub(crate) fn owner_of_frame(&self, frame: u64) -> Option<&Known> {
        self.alive()
            .filter(|known| known.pages.iter().any(|(first, count)| frame.wrapping_sub(*first) < *count))
            .min_by_key(|known| known.object.bytes)
    }
}

/// What a kind is called in a sentence.
pub(crate) fn kind_name(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::MdlPages => "MDL pages (AllocatePagesForMdl)",
        ObjectKind::ContiguousMemory => "contiguous memory (AllocateContiguousMemory)",
        ObjectKind::MdlMapping => "MDL mapping (MapMdlToIoMmu)",
        ObjectKind::PhysicalMemory => "physical memory object",
        ObjectKind::AdapterMemory => "adapter memory object",
        ObjectKind::Adl => "ADL (AllocateAdl)",
        ObjectKind::RegisterMap => "register map (MapMemory)",
        ObjectKind::UserRegisterMap => "user-mode register map (MapMemory)",
        ObjectKind::PortMap => "port range (MapMemory)",
        ObjectKind::KernelView => "CPU view (MapPhysicalMemory)",
        ObjectKind::UserView => "user-mode CPU view (MapPhysicalMemory)",
        ObjectKind::Pin => "pinned save area",
        ObjectKind::Pool => "pool block",
        ObjectKind::Mdl => "MDL of the driver's own",
        ObjectKind::MmMemory => "memory from an Mm routine",
        ObjectKind::MmMapping => "mapping from an Mm routine",
    }
}

pub(crate) fn summary(known: &Known) -> ObjectSummary {
    ObjectSummary {
        number: known.object.object,
        kind: kind_name(known.object.kind),
        handle: known.object.handle,
        bytes: known.object.bytes,
    }
}

/// An object in a sentence: what it is, how big, under which handle.
pub(crate) fn describe(known: &Known) -> String {
    format!(
        "{} of {} bytes, handle {:#x}",
        kind_name(known.object.kind),
        known.object.bytes,
        known.object.handle
    )
}
