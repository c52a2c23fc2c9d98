//! Addresses as people write them.

use dxgk_verify::{HistoryEntry, Modules};

use super::json::Location;
use crate::symbols::{At, Frame, Sites, Symbols, is_library};

/// What is known of addresses.
pub(super) struct Places<'a> {
    pub(super) modules: &'a Modules,
    pub(super) symbols: &'a Symbols,
    pub(super) sites: &'a Sites,
}

impl Places<'_> {
    /// The functions at an address, innermost first.
    fn frames(&self, address: u64, at: At) -> Vec<Frame> {
        let found = self.modules.find(address);
        found.map(|(module, offset)| self.symbols.frames(module, offset, at)).unwrap_or_default()
    }

    /// `edu.sys+0x1234 function file:line`, as much of it as is known; the bare address when no module holds it.
    fn address(&self, address: u64, at: At) -> String {
        let Some((module, offset)) = self.modules.find(address) else { return format!("{address:#x}") };
        let raw = format!("{}+{offset:#x}", module.name);
        let frames = self.frames(address, at);
        let own = frames.iter().find(|frame| !is_library(frame));
        match own.or(frames.first()).and_then(told) {
            Some(known) => format!("{raw} {known}"),
            None => raw,
        }
    }

    /// Where a step of an object's life happened; `-` when no driver code was running.
    pub(super) fn step(&self, entry: &HistoryEntry) -> String {
        match entry.place.rip {
            0 => "-".to_owned(),
            rip => self.address(rip, self.sites.at_moment(rip, entry.boundary)),
        }
    }

    /// What a finding's address is: its history knows when it was there.
    pub(super) fn at(&self, rip: u64, history: &[HistoryEntry]) -> At {
        let mut moments = history.iter().filter(|entry| entry.place.rip == rip);
        let trapped = moments.any(|entry| self.sites.at_moment(rip, entry.boundary) == At::Instruction);
        if trapped { At::Instruction } else { self.sites.at(rip) }
    }

    /// A place and the calls that led there. Its line is the innermost one in the driver's own source: a mistake is not
    /// mended in the library through which it was made.
    pub(super) fn location(&self, rip: u64, at: At, stack: &[u64]) -> Location {
        let found = self.modules.find(rip);
        let frames = self.frames(rip, at);
        let own: Vec<&Frame> = frames.iter().filter(|frame| !is_library(frame)).collect();
        let above = || {
            let calls = stack.iter().flat_map(|address| self.frames(*address, At::Return));
            calls.into_iter().find(|frame| !is_library(frame))
        };
        let place = match own.first() {
            Some(frame) => (*frame).clone(),
            None if frames.is_empty() => Frame::default(),
            None => above().or_else(|| frames.first().cloned()).unwrap_or_default(),
        };
        Location {
            module: found.map(|(module, _)| module.name.clone()),
            offset: format!("{:#x}", found.map_or(rip, |(_, offset)| offset)),
            function: place.function,
            file: place.file,
            line: place.line,
            inlined: if frames.len() > 1 { frames.iter().filter_map(told).collect() } else { Vec::new() },
            callers: own.iter().skip(1).filter_map(|frame| told(frame)).collect(),
            stack: stack.iter().map(|address| self.address(*address, At::Return)).collect(),
        }
    }
}

/// A path as a line of text has room for: its last parts.
pub(super) fn short(path: &str) -> &str {
    const PARTS: usize = 3;
    let cut = path.rmatch_indices(['/', '\\']).nth(PARTS - 1);
    cut.and_then(|(at, _)| path.get(at + 1..)).unwrap_or(path)
}

/// `function file:line`, as much of it as is known.
fn told(frame: &Frame) -> Option<String> {
    let line = frame.file.as_deref().map(short).map(|file| match frame.line {
        Some(line) => format!("{file}:{line}"),
        None => file.to_owned(),
    });
    match (&frame.function, line) {
        (Some(function), Some(line)) => Some(format!("{function} {line}")),
        (Some(function), None) => Some(function.clone()),
        (None, line) => line,
    }
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn paths_of_either_system_are_cut_to_their_last_parts() {
        assert_eq!(short("/home/me/miniports/edu/src/demo/leak.rs"), "src/demo/leak.rs");
        assert_eq!(short(r"C:\work\gpu\src\hw.cpp"), r"gpu\src\hw.cpp");
        assert_eq!(short("hw.c"), "hw.c");
    }
}
