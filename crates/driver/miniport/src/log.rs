//! Lines for the kernel debugger.

use core::ffi::CStr;
use core::fmt::{self, Write};

use crate::raw::kernel;

/// Longest line, in bytes; the rest is cut off. The kernel's own limit is 512.
const LONGEST: usize = 255;

/// A line being written: always ends with a zero byte.
struct Line {
    text: [u8; LONGEST + 1],
    length: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            // A zero byte would end the line early; the last place stays zero.
            if byte == 0 || self.length >= LONGEST {
                continue;
            }
            if let Some(place) = self.text.get_mut(self.length) {
                *place = byte;
                self.length += 1;
            }
        }
        Ok(())
    }
}

/// Writes one line to the kernel debugger's log (`DbgPrintEx`); [`crate::log!`] is the short way.
pub fn print(arguments: fmt::Arguments<'_>) {
    let mut line = Line { text: [0; LONGEST + 1], length: 0 };
    // What a `Display` fails to write is missing from the line, no more.
    let _ = line.write_fmt(arguments);
    if let Ok(line) = CStr::from_bytes_until_nul(&line.text) {
        kernel::print(line);
    }
}

/// Writes a formatted line to the kernel debugger's log.
#[macro_export]
macro_rules! log {
    ($($argument:tt)*) => { $crate::print(::core::format_args!($($argument)*)) };
}

/// Waits `microseconds` without giving up the processor (`KeStallExecutionProcessor`); for short waits on hardware.
pub fn stall(microseconds: u32) {
    kernel::stall(microseconds);
}
