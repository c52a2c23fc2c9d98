//! The instructions of a function: decoded along its branches, because compilers put jump tables and other data between them.
//!
//! What is a function the exception directory says (`.pdata`); code without unwind information (leaves) is therefore not seen,
//! nor are blocks that only an exception handler's tables lead to.

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, Register};

use super::bytes::Bytes;
use super::headers::{Directory, Headers};

/// Entries of a jump table that are followed at most.
const MOST_ENTRIES: u32 = 1 << 14;

/// The ranges of code that the exception directory names, ascending and joined where they overlap, and how many entries
/// there are.
pub(super) fn functions(image: &Bytes, headers: &Headers) -> (usize, Vec<(u32, u32)>) {
    let Some((at, size)) = headers.directory(Directory::EXCEPTION) else { return (0, Vec::new()) };
    let entries = image.slice(at, size).unwrap_or_default().chunks_exact(12);
    let word = |entry: &[u8], at: usize| entry.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    let mut ranges: Vec<(u32, u32)> = entries
        .filter_map(|entry| Some((word(entry, 0)?, word(entry, 4)?)))
        .filter(|(start, end)| start < end)
        .collect();
    let count = ranges.len();
    ranges.sort_unstable();
    let mut joined: Vec<(u32, u32)> = Vec::new();
    for (start, end) in ranges {
        match joined.last_mut() {
            // Only what overlaps: where one function ends the next begins with a whole instruction.
            Some((_, last)) if start < *last => *last = end.max(*last),
            _ => joined.push((start, end)),
        }
    }
    (count, joined)
}

/// What is known of a function's code.
#[derive(Default)]
pub(super) struct Flow {
    /// Every instruction that its first one leads to, by its place relative to the image.
    pub(super) instructions: BTreeMap<u32, Instruction>,
    /// Where its jump tables lead.
    pub(super) table_targets: BTreeSet<u32>,
    /// Jumps through a register whose table was not found: they may lead anywhere.
    pub(super) unresolved: bool,
}

impl Flow {
    /// Follows the code of the function from `start` to before `end`.
    pub(super) fn of(image: &Bytes, start: u32, end: u32) -> Self {
        let mut walk = Walk {
            image,
            start,
            end,
            flow: Self::default(),
            to_do: vec![start],
            indirect: 0,
            tables: 0,
            far: BTreeSet::new(),
        };
        walk.follow();
        // Tables outside of the function are taken for such only where something must jump through one.
        if walk.indirect > walk.tables {
            for table in std::mem::take(&mut walk.far) {
                walk.table(table, table);
            }
            walk.follow();
        }
        walk.flow.unresolved = walk.indirect > walk.tables;
        walk.flow
    }
}

struct Walk<'a> {
    image: &'a Bytes,
    start: u32,
    end: u32,
    flow: Flow,
    to_do: Vec<u32>,
    /// Jumps through a register, and tables that were found for them.
    indirect: usize,
    tables: usize,
    /// Addresses outside of the function that it takes.
    far: BTreeSet<u32>,
}

impl Walk<'_> {
    fn inside(&self, target: u64) -> Option<u32> {
        u32::try_from(target).ok().filter(|at| (self.start..self.end).contains(at))
    }

    fn follow(&mut self) {
        while let Some(at) = self.to_do.pop() {
            let Some(code) = self.end.checked_sub(at).and_then(|bytes| self.image.slice(at, bytes)) else {
                continue;
            };
            let mut decoder = Decoder::with_ip(64, code, at.into(), DecoderOptions::NONE);
            while decoder.can_decode() {
                let instruction = decoder.decode();
                let place = instruction.ip() as u32;
                if instruction.is_invalid() || self.flow.instructions.insert(place, instruction).is_some() {
                    break;
                }
                self.note(&instruction);
                if matches!(
                    instruction.flow_control(),
                    FlowControl::UnconditionalBranch | FlowControl::IndirectBranch | FlowControl::Return
                ) {
                    break;
                }
            }
        }
    }

    fn note(&mut self, instruction: &Instruction) {
        match instruction.flow_control() {
            FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch => {
                self.to_do.extend(self.inside(instruction.near_branch_target()));
            }
            // A jump through a fixed slot goes to another function.
            FlowControl::IndirectBranch => {
                self.indirect += usize::from(!instruction.is_ip_rel_memory_operand());
            }
            _ => {
                if instruction.mnemonic() == Mnemonic::Lea && instruction.is_ip_rel_memory_operand() {
                    let address = instruction.ip_rel_memory_address();
                    match self.inside(address) {
                        Some(table) => self.table(table, table),
                        None => self.far.extend(u32::try_from(address)),
                    }
                }
                // `mov eax, [base of the image + index * 4 + table]`.
                let indexed =
                    instruction.memory_index() != Register::None && instruction.memory_index_scale() == 4;
                if let (true, Ok(table)) = (indexed, u32::try_from(instruction.memory_displacement64()))
                    && table != 0
                {
                    self.table(table, 0);
                }
            }
        }
    }

    /// Follows a table of distances from `base`, as long as its entries stay in the function.
    fn table(&mut self, table: u32, base: u32) {
        let places = (0..MOST_ENTRIES).map_while(|index| table.checked_add(index * 4));
        let entries = places.map_while(|at| self.image.u32(at)).map(|distance| base.wrapping_add(distance));
        let targets: Vec<u32> =
            entries.take_while(|target| (self.start..self.end).contains(target)).collect();
        self.tables += usize::from(!targets.is_empty());
        self.to_do.extend(&targets);
        self.flow.table_targets.extend(targets);
    }
}
