//! DbgPrint and its kin: what a driver prints becomes log events, one a line.

use dxgk_event::{Event, Log, Text};

use super::format;
use super::memory;
use super::state::Kernel;
use super::trouble::Outcome;
use crate::thunk::VaList;

/// Longest format that is read, in bytes (our choice).
const LONGEST_FORMAT: usize = 4096;

fn print(kernel: &Kernel, prefix: &str, text: u64, mut arguments: VaList) -> Outcome<u32> {
    let text = memory::read_text(text, LONGEST_FORMAT)?;
    let line = format::format(&text, &mut || arguments.next_slot().unwrap_or(0))?;
    kernel.log(&format!("{prefix}{line}"));
    Ok(0)
}

/// DbgPrint.
pub(crate) fn dbg_print(kernel: &Kernel, text: u64, arguments: VaList) -> Outcome<u32> {
    print(kernel, "", text, arguments)
}

/// DbgPrintEx. Nothing is filtered by component or level (our choice).
pub(crate) fn dbg_print_ex(
    kernel: &Kernel,
    _component: u32,
    _level: u32,
    text: u64,
    arguments: VaList,
) -> Outcome<u32> {
    print(kernel, "", text, arguments)
}

/// vDbgPrintEx: the list of arguments is a pointer.
pub(crate) fn v_dbg_print_ex(
    kernel: &Kernel,
    _component: u32,
    _level: u32,
    text: u64,
    arguments: u64,
) -> Outcome<u32> {
    print(kernel, "", text, VaList::at(arguments))
}

/// vDbgPrintExWithPrefix.
pub(crate) fn v_dbg_print_ex_with_prefix(
    kernel: &Kernel,
    prefix: u64,
    _component: u32,
    _level: u32,
    text: u64,
    arguments: u64,
) -> Outcome<u32> {
    let prefix: String =
        memory::read_text(prefix, LONGEST_FORMAT)?.iter().map(|byte| char::from(*byte)).collect();
    print(kernel, &prefix, text, VaList::at(arguments))
}

/// DbgPrompt: nobody answers; the length of an empty answer.
pub(crate) fn prompt(kernel: &Kernel, prompt: u64, response: u64, length: u32) -> Outcome<u32> {
    let text: String =
        memory::read_text(prompt, LONGEST_FORMAT)?.iter().map(|byte| char::from(*byte)).collect();
    kernel.log(&text);
    if length != 0 {
        memory::write(response, &0u8)?;
    }
    Ok(0)
}

/// KdRefreshDebuggerNotPresent: TRUE, there is none.
pub(crate) fn debugger_not_present(_kernel: &Kernel) -> Outcome<u8> {
    Ok(1)
}

impl Kernel {
    /// Records text that the driver printed, one event a line, longer lines in parts.
    pub(crate) fn log(&self, text: &str) {
        for line in text.lines() {
            let mut rest = line;
            loop {
                let mut cut = rest.len().min(79);
                while !rest.is_char_boundary(cut) {
                    cut -= 1;
                }
                let (part, more) = rest.split_at(cut);
                self.events
                    .emit(&Event::Log(Log { text: Text::new(part), more: u8::from(!more.is_empty()) }));
                if more.is_empty() {
                    break;
                }
                rest = more;
            }
        }
    }
}
