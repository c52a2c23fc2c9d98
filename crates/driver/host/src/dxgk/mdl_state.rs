//! What an MDL looks like when the driver has it mapped for a device, and when it has it unmapped: the rules about MDLs
//! compare the two. The memory manager itself never looks at an MDL again after the map.

use dxgk_abi::Handle;
use dxgk_abi::mdl::{Mdl, PFN_SIZE};
use dxgk_event::{Event, EventSink, MdlMoment, MdlState, digest};

use super::state::PortState;
use crate::guarded;

/// Words that are read at a time: a page.
const PIECE: usize = 512;

/// A look at the MDL at `mdl`, which may be anything.
pub(super) fn look_at(mdl: u64) -> MdlState {
    let unreadable = MdlState {
        mdl,
        handle: 0,
        pages_digest: 0,
        next: 0,
        start_va: 0,
        byte_count: 0,
        byte_offset: 0,
        size: 0,
        flags: 0,
        moment: MdlMoment::Map,
        readable: 0,
        reserved: [0; 2],
    };
    let Ok(header) = guarded::read_struct::<Mdl>(mdl) else { return unreadable };
    let Some(pages) = page_numbers(mdl.wrapping_add(size_of::<Mdl>() as u64), header.page_count()) else {
        return unreadable;
    };
    MdlState {
        pages_digest: digest(&pages),
        next: header.next.0,
        start_va: header.start_va.0,
        byte_count: header.byte_count,
        byte_offset: header.byte_offset,
        size: header.size,
        flags: header.mdl_flags.0,
        readable: 1,
        ..unreadable
    }
}

/// The page numbers of a buffer, at most 2^20 and one: `ByteCount` has 32 bits.
fn page_numbers(at: u64, count: u64) -> Option<Vec<u64>> {
    let mut numbers = Vec::new();
    let mut piece = [0u8; PIECE * PFN_SIZE as usize];
    while (numbers.len() as u64) < count {
        let step = (count - numbers.len() as u64).min(PIECE as u64) as usize;
        let part = piece.get_mut(..step * PFN_SIZE as usize)?;
        guarded::read(at.wrapping_add(numbers.len() as u64 * PFN_SIZE), part).ok()?;
        let (words, _) = part.as_chunks::<8>();
        numbers.extend(words.iter().map(|word| u64::from_le_bytes(*word)));
    }
    Some(numbers)
}

impl PortState {
    /// Records an MDL that was mapped, or (`handle` null) refused; `seen` is from before the map.
    pub(super) fn note_mdl_mapped(&self, seen: MdlState, handle: Handle) {
        if handle != Handle::NULL {
            self.mapped_mdls().insert(handle.0, seen.mdl);
        }
        self.sink.emit_with_stack(&Event::MdlState(MdlState { handle: handle.0, ..seen }));
    }

    /// Records how the MDL of a mapping looks now; nothing for a handle that is none.
    pub(super) fn note_mdl_before_unmap(&self, handle: Handle) {
        let mdl = self.mapped_mdls().get(&handle.0).copied();
        if let Some(mdl) = mdl {
            let state = MdlState { handle: handle.0, moment: MdlMoment::Unmap, ..look_at(mdl) };
            self.sink.emit_with_stack(&Event::MdlState(state));
        }
    }

    /// The mapping is gone.
    pub(super) fn forget_mdl(&self, handle: Handle) {
        self.mapped_mdls().remove(&handle.0);
    }
}
