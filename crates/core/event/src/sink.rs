//! Where events go.

use crate::payload::Event;
use crate::record::{EventId, ListRef};

/// Takes events. The implementation knows the thread, the IRQL and the driver's place, and stamps them.
pub trait EventSink: Send + Sync {
    /// Records an event; returns its number. Blocks rather than dropping one.
    fn emit(&self, event: &Event) -> EventId;

    /// As [`emit`](Self::emit), with the driver's stack where the settings ask for one here.
    fn emit_with_stack(&self, event: &Event) -> EventId {
        self.emit(event)
    }

    /// Writes a list into the arena, once. When the arena is full the reference is empty and the sink notes the loss
    /// in the stream.
    fn list(&self, words: &mut dyn Iterator<Item = u64>) -> ListRef;
}

/// Drops everything: for users of the libraries who want no record, and for benchmarks.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoEvents;

impl EventSink for NoEvents {
    fn emit(&self, _event: &Event) -> EventId {
        EventId(0)
    }

    fn list(&self, _words: &mut dyn Iterator<Item = u64>) -> ListRef {
        ListRef::default()
    }
}
