//! The second phase: the frames below the one that goes on are unwound, running their `__finally` blocks.

use super::dispatch::{self, WorkArea};
use super::entry;
use super::frames::{self, Here, MOST_FRAMES, Under};
use super::records::{Context, DispatcherContext, ExceptionRecord, flag};
use super::{Activation, Kind, give_up};
use crate::guarded;
use crate::run::Run;
use crate::unwind::State;

const INVALID_UNWIND_TARGET: u32 = 0xC000_0029;
const INVALID_DISPOSITION: u32 = 0xC000_0026;
const UNWIND: u32 = 0xC000_0027;

const CONTINUE_SEARCH: u32 = 1;
const COLLIDED: u32 = 3;

/// Where an unwind goes.
#[derive(Clone, Copy)]
pub(super) struct Target {
    /// The frame that goes on; 0: none, everything is unwound.
    pub(super) frame: u64,
    /// Where in it.
    pub(super) ip: u64,
    /// What it finds in rax.
    pub(super) value: u64,
    /// Address of the exception's record, or 0.
    pub(super) record: u64,
}

/// Unwinds from `start` to the target, and goes on there (`RtlUnwindEx`).
pub(super) fn unwind(run: &Run, start: State, target: Target) -> ! {
    let work = WorkArea::new();
    let own = std::cell::Cell::new(ExceptionRecord::new(UNWIND, 0, start.registers.rip, &[]));
    let record = if target.record == 0 { own.as_ptr() as u64 } else { target.record };
    let fiber = run.current.get();
    let at = work.dispatcher();
    if guarded::write_struct(at, &DispatcherContext::default()).is_err() {
        give_up(run, INVALID_UNWIND_TARGET, &start.registers, "no room to unwind on the stack");
    }
    run.exceptions.activations.borrow_mut().push(Activation {
        fiber,
        at,
        kind: Kind::Unwind,
        context: 0,
        dispatcher: at,
        reason: None,
    });
    let Some(state) = walk(run, &work, start, target, record) else {
        give_up(
            run,
            INVALID_UNWIND_TARGET,
            &start.registers,
            "an unwind did not find the frame it was to end at",
        )
    };
    // A handler of the exception that is unwound may have changed nothing but memory: the frame's registers are the walk's.
    let mut context = Context::of(&state);
    context.set_rax(target.value);
    context.set_rip(target.ip);
    run.exceptions.count_handled();
    dispatch::resume(run, context)
}

fn walk(run: &Run, work: &WorkArea, start: State, target: Target, record: u64) -> Option<State> {
    let mut state = start;
    let mut resumed: Option<DispatcherContext> = None;
    let base = flag::UNWINDING | if target.frame == 0 { flag::EXIT_UNWIND } else { 0 };
    let mut interrupted = false;
    for _ in 0..MOST_FRAMES {
        let frame = match frames::look(run, &state, std::mem::take(&mut interrupted)) {
            Here::End => return None,
            Here::Under(Under::Dispatch { state: above, .. }) => {
                interrupted = true;
                state = above;
                continue;
            }
            Here::Under(Under::Unwind { state: above, dispatcher, .. }) => {
                state = above;
                resumed = Some(dispatcher);
                continue;
            }
            Here::Frame(frame) => frame,
        };
        let unwound = frame.unwound;
        let is_frame = unwound.function != 0;
        let is_target = is_frame && target.frame != 0 && unwound.establisher == target.frame;
        if is_frame && target.frame != 0 && unwound.establisher > target.frame {
            return None;
        }
        if unwound.kinds & 2 != 0 {
            let collided = resumed.take().filter(|earlier| earlier.establisher == unwound.establisher);
            let mut flags = base;
            flags |= if is_target { flag::TARGET_UNWIND } else { 0 };
            flags |= if collided.is_some() { flag::COLLIDED_UNWIND } else { 0 };
            let mut context = Context::of(&state);
            context.set_rax(target.value);
            let dispatcher = DispatcherContext {
                control: state.registers.rip,
                base: frame.base,
                function: unwound.function,
                establisher: unwound.establisher,
                target: target.ip,
                context: work.context(),
                handler: unwound.handler,
                handler_data: unwound.handler_data,
                scope: collided.map_or(0, |earlier| earlier.scope),
                ..DispatcherContext::default()
            };
            context.write(work.context()).ok()?;
            guarded::write_struct(work.dispatcher(), &dispatcher).ok()?;
            let mut shown = guarded::read_struct::<ExceptionRecord>(record).ok()?;
            shown.flags = shown.flags & !flag::UNWIND | flags;
            guarded::write_struct(record, &shown).ok()?;
            let arguments = [record, unwound.establisher, work.context(), work.dispatcher()];
            match entry::call(unwound.handler, &arguments) as u32 {
                CONTINUE_SEARCH => {}
                COLLIDED => {
                    let taken = guarded::read_struct::<DispatcherContext>(work.dispatcher()).ok()?;
                    state = Context::read(taken.context).ok()?.state();
                    resumed = Some(taken);
                    continue;
                }
                _ => give_up(
                    run,
                    INVALID_DISPOSITION,
                    &start.registers,
                    "an unwind handler of the driver returned no valid disposition",
                ),
            }
        }
        if is_target {
            return Some(state);
        }
        state = frame.caller;
    }
    None
}
