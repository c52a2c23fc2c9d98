//! `__C_specific_handler`: the language handler of C's `__try`, and its scope tables.

use super::entry;
use super::records::{DispatcherContext, ExceptionRecord, SCOPE_INDEX, flag};
use super::unwinding::{self, Target};
use crate::guarded;
use crate::processor;
use crate::run;
use crate::unwind::{Registers, State};

const CONTINUE_EXECUTION: i32 = 0;
const CONTINUE_SEARCH: i32 = 1;

/// A scope: the code from `begin` to before `end` is guarded.
struct Scope {
    begin: u64,
    end: u64,
    /// The filter (1: take everything), or the `__finally` block.
    handler: u64,
    /// Where `__except` goes on; 0 for `__finally`.
    target: u64,
}

impl Scope {
    fn read(table: u64, index: u32) -> Option<Self> {
        let at = table.checked_add(4 + u64::from(index) * 16)?;
        let words: [u32; 4] = guarded::read_struct(at).ok()?;
        let [begin, end, handler, target] = words.map(u64::from);
        Some(Self { begin, end, handler, target })
    }

    fn covers(&self, rva: u64) -> bool {
        rva >= self.begin && rva < self.end
    }
}

/// `__C_specific_handler` (EXCEPTION_ROUTINE): called by the dispatcher, by an unwind, or by a handler of the driver's own
/// (`__GSHandlerCheck_SEH`). In the first phase it asks the filters and starts the unwind if one takes the exception, in
/// which case it does not return; in the second it runs the `__finally` blocks.
pub fn c_specific_handler(record: u64, frame: u64, context: u64, dispatcher: u64) -> i32 {
    let (Ok(found), Ok(at)) = (
        guarded::read_struct::<ExceptionRecord>(record),
        guarded::read_struct::<DispatcherContext>(dispatcher),
    ) else {
        return CONTINUE_SEARCH;
    };
    let count = guarded::read_struct::<u32>(at.handler_data).unwrap_or(0);
    let control = at.control.wrapping_sub(at.base);
    if found.flags & flag::UNWIND != 0 {
        terminate(&found, frame, dispatcher, &at, count);
        return CONTINUE_SEARCH;
    }
    for index in at.scope..count {
        let Some(scope) = Scope::read(at.handler_data, index) else { break };
        if !scope.covers(control) || scope.target == 0 {
            continue;
        }
        let verdict = match scope.handler {
            1 => 1,
            filter => {
                // EXCEPTION_POINTERS.
                let pointers = std::cell::Cell::new([record, context]);
                entry::call(at.base + filter, &[pointers.as_ptr() as u64, frame, 0, 0]) as i32
            }
        };
        if verdict < 0 {
            return CONTINUE_EXECUTION;
        }
        if verdict > 0
            && let Some(run) = run::current()
        {
            let registers = Registers::of_capture(&processor::captured());
            let start = State { registers, ..State::default() };
            let target = Target { frame, ip: at.base + scope.target, value: u64::from(found.code), record };
            unwinding::unwind(run, start, target);
        }
    }
    CONTINUE_SEARCH
}

fn terminate(record: &ExceptionRecord, frame: u64, dispatcher: u64, at: &DispatcherContext, count: u32) {
    let control = at.control.wrapping_sub(at.base);
    let target = at.target.wrapping_sub(at.base);
    let ends_here = record.flags & flag::TARGET_UNWIND != 0;
    for index in at.scope..count {
        let Some(scope) = Scope::read(at.handler_data, index) else { break };
        if !scope.covers(control) {
            continue;
        }
        // What goes on inside the scope does not leave it.
        if ends_here && (scope.covers(target) || scope.target != 0 && scope.target == target) {
            break;
        }
        if scope.target == 0 {
            // An exception in the block must not run it again.
            if guarded::write_struct(dispatcher + SCOPE_INDEX, &(index + 1)).is_err() {
                break;
            }
            entry::call(at.base + scope.handler, &[1, frame, 0, 0]);
        }
    }
}
