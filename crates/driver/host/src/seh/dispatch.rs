//! The first phase: every frame's language handler is asked whether it takes the exception.

use super::entry::{self, FRAME_BYTES, RECORD};
use super::frames::{self, Here, MOST_FRAMES, Under};
use super::records::{Context, DispatcherContext, ExceptionRecord, flag};
use super::{Activation, Kind, Pending, give_up};
use crate::guarded;
use crate::layout::HIGHEST_USER_ADDRESS;
use crate::processor::{self, Capture};
use crate::run::{self, Run};
use crate::stop::{Access, ExceptionReport, StopReason};
use crate::unwind::{Registers, State};
use dxgk_abi::NtStatus;

/// What a language handler returns.
mod disposition {
    pub(super) const CONTINUE_EXECUTION: u32 = 0;
    pub(super) const CONTINUE_SEARCH: u32 = 1;
    pub(super) const NESTED: u32 = 2;
}

const SINGLE_STEP: NtStatus = NtStatus(0x8000_0004);
const FLOAT_INVALID_OPERATION: NtStatus = NtStatus(0xC000_0090);
const NONCONTINUABLE: u32 = 0xC000_0025;
const INVALID_DISPOSITION: u32 = 0xC000_0026;
const BAD_STACK: u32 = 0xC000_0028;

/// Stack that must be left below a fault for a dispatcher and handlers to run on.
const ROOM: u64 = 0x8000;

/// Where the interrupted thread goes on after a trap: in the dispatcher.
pub(crate) struct Entry {
    pub(crate) rip: u64,
    /// Stack pointer and first argument.
    pub(crate) frame: u64,
}

/// Prepares the dispatch of a trap in driver code, if a handler of the driver might take it; gives the reason back if none can.
pub(crate) fn begin(run: &Run, reason: Box<StopReason>, float: &[u8; 512]) -> Result<Entry, Box<StopReason>> {
    let StopReason::Exception(report) = &*reason else { return Err(reason) };
    let Some(record) = record_of(report) else { return Err(reason) };
    let context = Context::with_float(&report.registers, zerocopy::transmute!(*float));
    let rsp = context.rsp();
    let (low, high) = run.current_stack();
    if rsp >= high || rsp < low + ROOM || !frames::any_handler(run, &context.state()) {
        return Err(reason);
    }
    // Past what a leaf of ours may keep below its stack pointer.
    let frame = (rsp - 128 - FRAME_BYTES) & !63;
    if context.write(frame).is_err() || guarded::write_struct(frame + RECORD, &record).is_err() {
        return Err(reason);
    }
    run.exceptions.pending.replace(Some(Pending { record, rip: 0, reason: *reason }));
    Ok(Entry { rip: entry::trapped as *const () as u64, frame })
}

/// The record of a trap; `None` for what Windows does not dispatch.
fn record_of(report: &ExceptionReport) -> Option<ExceptionRecord> {
    let make = |parameters: &[u64]| ExceptionRecord::new(report.code.0, 0, report.rip, parameters);
    match report.code {
        NtStatus::ACCESS_VIOLATION => {
            let access = match report.access {
                Access::None | Access::Read => 0,
                Access::Write => 1,
                Access::Execute => 8,
            };
            // A page fault at a kernel address, or at DISPATCH_LEVEL, is a bug check, and no handler is asked. What is not a
            // page fault (an address that is none, u64::MAX) is an exception like others.
            let stops = report.address > HIGHEST_USER_ADDRESS || processor::irql() >= 2;
            (report.address == u64::MAX || !stops).then(|| make(&[access, report.address]))
        }
        NtStatus::BREAKPOINT => Some(make(&[0])),
        NtStatus::INTEGER_DIVIDE_BY_ZERO
        | NtStatus::ILLEGAL_INSTRUCTION
        | NtStatus::DATATYPE_MISALIGNMENT
        | NtStatus::ASSERTION_FAILURE
        | SINGLE_STEP
        | FLOAT_INVALID_OPERATION => Some(make(&[])),
        _ => None,
    }
}

/// Called with the frame that [`begin`] wrote.
pub(super) extern "sysv64" fn trapped(frame: u64) -> ! {
    dispatched(frame)
}

/// Called with a CONTEXT, of which the registers are valid, and room for a record behind it.
pub(super) extern "sysv64" fn raised(frame: u64) -> ! {
    dispatched(frame)
}

/// Dispatches what is pending, as a callback.
fn dispatched(frame: u64) -> ! {
    let Some(run) = run::current() else { std::process::abort() };
    let Some(block) = processor::block() else { std::process::abort() };
    let pending = run.exceptions.pending.take();
    let (Some(Pending { record, rip, reason }), Ok(found)) = (pending, Context::read(frame)) else {
        give_up(run, BAD_STACK, &Registers::default(), "an exception without a record")
    };
    let mut context = found;
    if rip != 0 {
        let mut registers = found.state().registers;
        registers.rip = rip;
        context = Context::with_float(&registers, found.float);
    }
    let registers = context.state().registers;
    let written = context.write(frame).and_then(|()| guarded::write_struct(frame + RECORD, &record));
    if written.is_err() {
        give_up(run, BAD_STACK, &registers, "no room for an exception on the stack");
    }
    block.capture.set(capture(&registers));
    crate::thunk::enter(|| dispatch(run, frame + RECORD, frame, reason));
    go_on(run, frame)
}

/// As a door would have captured the registers, had the instruction been a call.
fn capture(registers: &Registers) -> Capture {
    let [_, _, _, rbx, rsp, rbp, rsi, rdi, _, _, _, _, r12, r13, r14, r15] = registers.gpr;
    let rsp = rsp.wrapping_sub(8);
    Capture { return_address: registers.rip, rsp, rbx, rbp, rsi, rdi, r12, r13, r14, r15 }
}

/// Loads the context at an address; the frames on the stack are abandoned.
pub(super) fn go_on(run: &Run, context: u64) -> ! {
    let Ok(context) = Context::read(context) else {
        give_up(run, BAD_STACK, &Registers::default(), "the context to go on with is not readable")
    };
    resume(run, context)
}

/// Goes on with a context as driver code.
pub(super) fn resume(run: &Run, context: Context) -> ! {
    let registers = context.state().registers;
    // Where no code can be, the processor would fault in our own code.
    if context.rip() >> 47 != 0 || context.rsp() >> 47 != 0 {
        give_up(run, NtStatus::ACCESS_VIOLATION.0, &registers, "goes on at an address that is none");
    }
    run.exceptions.forget_below(run.current.get(), context.rsp());
    if let Some(block) = processor::block() {
        block.in_callback.set(0);
    }
    let mut context = context.loadable();
    context.set_rip(crate::patch::detour::abroad(context.rip()));
    // SAFETY: the frames between here and the driver's are those of the dispatcher and own nothing any more.
    unsafe { entry::load(&context) }
}

/// What the dispatcher keeps on the driver's stack for language handlers to see.
#[repr(C)]
struct Work {
    dispatcher: DispatcherContext,
    context: Context,
}

/// Where the dispatcher context lies in a work area of its own.
pub(super) struct WorkArea(std::cell::UnsafeCell<std::mem::MaybeUninit<Work>>);

impl WorkArea {
    pub(super) const fn new() -> Self {
        Self(std::cell::UnsafeCell::new(std::mem::MaybeUninit::uninit()))
    }

    pub(super) fn dispatcher(&self) -> u64 {
        self.0.get() as u64 + std::mem::offset_of!(Work, dispatcher) as u64
    }

    pub(super) fn context(&self) -> u64 {
        self.0.get() as u64 + std::mem::offset_of!(Work, context) as u64
    }
}

/// Asks the handlers. Returns when the driver is to go on with the context at `context`, as a filter may have changed it.
fn dispatch(run: &Run, record: u64, context: u64, reason: StopReason) {
    let work = WorkArea::new();
    let fiber = run.current.get();
    let at = work.dispatcher();
    let first = Context::read(context).map(|context| context.state()).unwrap_or_default();
    let empty = DispatcherContext::default();
    if guarded::write_struct(at, &empty).is_err() {
        give_up(run, BAD_STACK, &first.registers, "no room for an exception on the stack");
    }
    run.exceptions.forget_below(fiber, at);
    run.exceptions.activations.borrow_mut().push(Activation {
        fiber,
        at,
        kind: Kind::Dispatch,
        context,
        dispatcher: at,
        reason: Some(reason),
    });
    let ended = search(run, &work, record, context, first);
    let mut activations = run.exceptions.activations.borrow_mut();
    let own = activations.iter().position(|one| one.fiber == fiber && one.at == at);
    let own = own.map(|index| activations.remove(index));
    drop(activations);
    if ended {
        run.exceptions.count_handled();
        return;
    }
    match own.and_then(|own| own.reason) {
        Some(reason) => run.abandon(reason),
        None => give_up(run, BAD_STACK, &first.registers, "an exception that nobody handled"),
    }
}

/// True when a handler wants the driver to go on where it was; false when nobody takes the exception.
fn search(run: &Run, work: &WorkArea, record: u64, context: u64, start: State) -> bool {
    let mut state = start;
    let mut scope = 0;
    let mut nested = 0;
    let mut repeated = None;
    let mut interrupted = true;
    for _ in 0..MOST_FRAMES {
        let frame = match frames::look(run, &state, std::mem::take(&mut interrupted)) {
            Here::End => return false,
            Here::Under(Under::Dispatch { state: above, nested: frame }) => {
                nested = nested.max(frame);
                interrupted = true;
                state = above;
                continue;
            }
            Here::Under(Under::Unwind { state: above, scope: done, dispatcher }) => {
                state = above;
                scope = done;
                repeated = Some(dispatcher.establisher);
                continue;
            }
            Here::Frame(frame) => frame,
        };
        let unwound = frame.unwound;
        if unwound.kinds & 1 != 0 {
            let target = DispatcherContext {
                control: state.registers.rip,
                base: frame.base,
                function: unwound.function,
                establisher: unwound.establisher,
                context: work.context(),
                handler: unwound.handler,
                handler_data: unwound.handler_data,
                scope: if repeated.take() == Some(unwound.establisher) { scope } else { 0 },
                ..DispatcherContext::default()
            };
            set_flag(record, flag::NESTED_CALL, nested != 0);
            let caller = Context::of(&frame.caller);
            if caller
                .write(work.context())
                .and_then(|()| guarded::write_struct(work.dispatcher(), &target))
                .is_err()
            {
                return false;
            }
            let arguments = [record, unwound.establisher, context, work.dispatcher()];
            let answer = entry::call(unwound.handler, &arguments) as u32;
            if nested == unwound.establisher {
                nested = 0;
            }
            let flags = guarded::read_struct::<ExceptionRecord>(record).map_or(0, |record| record.flags);
            match answer {
                disposition::CONTINUE_EXECUTION if flags & flag::NONCONTINUABLE != 0 => give_up(
                    run,
                    NONCONTINUABLE,
                    &start.registers,
                    "a handler goes on after what cannot go on",
                ),
                disposition::CONTINUE_EXECUTION => return true,
                disposition::CONTINUE_SEARCH => {}
                disposition::NESTED => {
                    let found = guarded::read_struct::<DispatcherContext>(work.dispatcher());
                    nested = nested.max(found.map_or(0, |found| found.establisher));
                }
                _ => give_up(
                    run,
                    INVALID_DISPOSITION,
                    &start.registers,
                    "an exception handler of the driver returned no valid disposition",
                ),
            }
        }
        state = frame.caller;
    }
    false
}

fn set_flag(record: u64, bit: u32, on: bool) {
    let at = record + 4;
    if let Ok(flags) = guarded::read_struct::<u32>(at) {
        let flags = if on { flags | bit } else { flags & !bit };
        // The record was written there before.
        let _ = guarded::write_struct(at, &flags);
    }
}
