//! What happened, told to the event sink.

use dxgk_event::{Event, EventSink, ListRef, Mapping, MappingStep, Object, ObjectKind, ObjectStep};
use dxgk_hw::{Access, CacheType, PageRun, total_pages};

use crate::SysMm;
use crate::domain::Placement;
use crate::platform::Platform;
use crate::runs;

/// Stands for "no adapter" and "no domain" in events.
const NONE: u32 = u32::MAX;

/// What an object event says.
pub(crate) struct ObjectNote {
    pub(crate) object: u64,
    pub(crate) kind: ObjectKind,
    pub(crate) handle: u64,
    pub(crate) parent: u64,
    pub(crate) bytes: u64,
    pub(crate) va: u64,
    pub(crate) logical_page: u64,
    pub(crate) pages: ListRef,
    pub(crate) adapter: Option<u32>,
    pub(crate) cache: CacheType,
    pub(crate) flags: u8,
}

impl ObjectNote {
    /// A note with the fields that every object has; the others say "none".
    pub(crate) fn new(object: u64, kind: ObjectKind, handle: u64, bytes: u64) -> Self {
        Self {
            object,
            kind,
            handle,
            parent: 0,
            bytes,
            va: 0,
            logical_page: u64::MAX,
            pages: ListRef::default(),
            adapter: None,
            cache: CacheType::Cached,
            flags: 0,
        }
    }
}

impl<P: Platform> SysMm<P> {
    /// Writes a page list into the arena, once.
    pub(crate) fn note_list(&self, list: &[PageRun]) -> ListRef {
        self.platform.events().list(&mut runs::words(list))
    }

    fn note_object(&self, note: &ObjectNote, step: ObjectStep) {
        let event = Event::Object(Object {
            object: note.object,
            handle: note.handle,
            parent: note.parent,
            bytes: note.bytes,
            va: note.va,
            logical_page: note.logical_page,
            pages: note.pages,
            adapter: note.adapter.unwrap_or(NONE),
            kind: note.kind,
            step,
            cache: note.cache as u8,
            flags: note.flags,
        });
        match step {
            ObjectStep::Created => self.platform.events().emit_with_stack(&event),
            ObjectStep::Released => self.platform.events().emit(&event),
        };
    }

    pub(crate) fn note_created(&self, note: &ObjectNote) {
        self.note_object(note, ObjectStep::Created);
    }

    pub(crate) fn note_released(&self, note: &ObjectNote) {
        self.note_object(note, ObjectStep::Released);
    }

    fn note_mapping(&self, mapping: Mapping) {
        self.platform.events().emit(&Event::Mapping(mapping));
    }

    fn mapping(object: u64, logical_adapter: u32, placement: &Placement<P>, step: MappingStep) -> Mapping {
        Mapping {
            object,
            logical_page: 0,
            pages: 0,
            frames: ListRef::default(),
            domain: placement.domain_id().map_or(NONE, |id| u32::from(id.0)),
            logical_adapter,
            step,
            access: placement.access().bits(),
            identity: 0,
            reserved: [0; 5],
        }
    }

    /// Entries were written for `list`, which stands in the arena as `frames`. In passthrough nothing is written, but
    /// the device may use the pages from now on, and `access` is what it may do in a domain. One event for a list mapped 1:1, one for each logical range else.
    pub(crate) fn note_mapped(
        &self,
        object: u64,
        logical_adapter: u32,
        placement: &Placement<P>,
        access: Access,
        list: &[PageRun],
        frames: ListRef,
    ) {
        let told = Self::mapping(object, logical_adapter, placement, MappingStep::Mapped);
        let event = Mapping { access: access.bits(), ..told };
        match placement {
            Placement::Physical | Placement::Identity { .. } => self.note_mapping(Mapping {
                logical_page: list.first().map_or(0, |run| run.start.get()),
                pages: total_pages(list),
                frames,
                identity: 1,
                ..event
            }),
            Placement::Logical { pieces, .. } => {
                let mut skip = 0;
                for piece in pieces {
                    let frames = if pieces.len() == 1 {
                        frames
                    } else {
                        self.note_list(&runs::slice(list, skip, piece.pages))
                    };
                    skip += piece.pages;
                    self.note_mapping(Mapping {
                        logical_page: piece.start.get(),
                        pages: piece.pages,
                        frames,
                        ..event
                    });
                }
            }
        }
    }

    /// A later step in the life of what `placement` says.
    pub(crate) fn note_step(
        &self,
        object: u64,
        logical_adapter: u32,
        placement: &Placement<P>,
        step: MappingStep,
    ) {
        let event = Self::mapping(object, logical_adapter, placement, step);
        match placement {
            Placement::Physical => self.note_mapping(Mapping { identity: 1, ..event }),
            Placement::Identity { runs, .. } => self.note_mapping(Mapping {
                logical_page: runs.first().map_or(0, |run| run.start.get()),
                pages: total_pages(runs),
                identity: 1,
                ..event
            }),
            Placement::Logical { pieces, .. } => pieces.iter().for_each(|piece| {
                self.note_mapping(Mapping { logical_page: piece.start.get(), pages: piece.pages, ..event });
            }),
        }
    }

    /// A section's pages lost their frames, or went back with it while nothing mapped them.
    pub(crate) fn note_frames_taken(&self, object: u64, list: &[PageRun]) {
        let event = Self::mapping(object, u32::MAX, &Placement::Physical, MappingStep::PagesReturned);
        let pages = total_pages(list);
        let frames = self.note_list(list);
        self.note_mapping(Mapping { logical_page: u64::MAX, pages, frames, access: 0, ..event });
    }

    /// Pages went back to the page database.
    pub(crate) fn note_pages_returned(&self, object: u64, logical_adapter: u32, pages: u64) {
        let event = Self::mapping(object, logical_adapter, &Placement::Physical, MappingStep::PagesReturned);
        self.note_mapping(Mapping { logical_page: u64::MAX, pages, access: 0, ..event });
    }
}
