//! From frame to frame on a driver's stack, over the dispatchers of ours that lie on it.

use super::{Activation, Kind, entry};
use crate::guarded;
use crate::modules;
use crate::run::Run;
use crate::seh::records::{Context, DispatcherContext};
use crate::unwind::{self, State, Unwound};

/// Frames that a walk goes over at most: stacks are 1 MiB, a damaged one may be a ring.
pub(super) const MOST_FRAMES: usize = 8192;

/// What is at a place on a driver's stack.
pub(super) enum Here {
    /// A function of the driver.
    Frame(Frame),
    /// The dispatcher or unwind that called the handler below.
    Under(Under),
    /// The bottom, code of ours, or nonsense.
    End,
}

/// A function of the driver in the middle of its work.
pub(super) struct Frame {
    /// Base of its module; 0 where the processor jumped to no module at all.
    pub(super) base: u64,
    pub(super) unwound: Unwound,
    /// The caller's registers.
    pub(super) caller: State,
}

/// What a walk from a handler comes to.
pub(super) enum Under {
    /// Goes on where the exception happened that the handler was called for, whose handler's frame is `nested`.
    Dispatch { state: State, nested: u64 },
    /// Goes on in the frame that the unwind had got to, with the scopes not yet done.
    Unwind { state: State, scope: u32, dispatcher: DispatcherContext },
}

/// Looks at one place. `first`: the processor itself was there, so that an unknown address is a call gone astray.
pub(super) fn look(run: &Run, state: &State, first: bool) -> Here {
    let registers = &state.registers;
    let rsp = registers.gpr[4];
    let (low, high) = run.current_stack();
    if rsp < low || rsp >= high || !rsp.is_multiple_of(8) {
        return Here::End;
    }
    if registers.rip == entry::handler_return() {
        return under(run, rsp).map_or(Here::End, Here::Under);
    }
    let mut caller = *state;
    match modules::find(registers.rip) {
        Some(module) if module.exceptions != 0 => match unwind::step(&module, &mut caller) {
            Some(unwound) if caller.registers.gpr[4] > rsp => {
                Here::Frame(Frame { base: module.base, unwound, caller })
            }
            _ => Here::End,
        },
        None if first && caller.registers.leave().is_some() => {
            Here::Frame(Frame { base: 0, unwound: Unwound::default(), caller })
        }
        _ => Here::End,
    }
}

fn under(run: &Run, rsp: u64) -> Option<Under> {
    let fiber = run.current.get();
    let (kind, context, dispatcher) = {
        let activations = run.exceptions.activations.borrow();
        let above = |one: &&Activation| one.fiber == fiber && one.at > rsp;
        let nearest = activations.iter().filter(above).min_by_key(|one| one.at)?;
        (nearest.kind, nearest.context, nearest.dispatcher)
    };
    let dispatcher = guarded::read_struct::<DispatcherContext>(dispatcher).ok()?;
    match kind {
        Kind::Dispatch => {
            let state = Context::read(context).ok()?.state();
            Some(Under::Dispatch { state, nested: dispatcher.establisher })
        }
        Kind::Unwind => {
            let state = Context::read(dispatcher.context).ok()?.state();
            Some(Under::Unwind { state, scope: dispatcher.scope, dispatcher })
        }
    }
}

/// Whether any frame from here on has a handler for exceptions.
pub(super) fn any_handler(run: &Run, start: &State) -> bool {
    let mut state = *start;
    for round in 0..MOST_FRAMES {
        match look(run, &state, round == 0) {
            Here::Frame(frame) if frame.unwound.kinds & 1 != 0 => return true,
            Here::Frame(frame) => state = frame.caller,
            Here::Under(Under::Dispatch { state: above, .. } | Under::Unwind { state: above, .. }) => {
                if above.registers.gpr[4] <= state.registers.gpr[4] {
                    return false;
                }
                state = above;
            }
            Here::End => return false,
        }
    }
    false
}
