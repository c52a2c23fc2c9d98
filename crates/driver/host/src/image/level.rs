//! Which moves of cr8 can be rewritten at load: `KeGetCurrentIrql`, and what older headers make of `KeLowerIrql`, are inlined
//! as an instruction of four bytes, and the jump that replaces it takes five.
//!
//! A window is the move and one instruction beside it, of the same function. Nothing may jump between the two: whatever
//! in the image could be a branch, a table's entry or an address that leads there leaves the move to the trap, as does a
//! jump of the function that cannot be followed. Refusing one too many costs time; rewriting one too many would change
//! what the driver does.

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, Register};

use super::bytes::Bytes;
use super::callers;
use super::flow::{self, Flow};
use super::headers::Headers;

/// Two neighbouring instructions that can be rewritten, one of them or both a move of cr8.
pub(super) struct Window {
    /// Relative to the image.
    pub(super) at: u32,
    /// Together at least a jump long; decoded at the address where the image lies.
    pub(super) instructions: [Instruction; 2],
}

/// What becomes of the moves in an image.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) windows: Vec<Window>,
    /// Moves that are left to the trap.
    pub(super) left: u32,
}

/// `mov r, cr8` or `mov cr8, r`.
pub(super) fn is_level(instruction: &Instruction) -> bool {
    instruction.mnemonic() == Mnemonic::Mov
        && [instruction.op0_register(), instruction.op1_register()].contains(&Register::CR8)
}

/// Chooses the windows of an image that will lie at `base`.
pub(super) fn plan(image: &Bytes, headers: &Headers, base: u64) -> Plan {
    let flows = functions_with_moves(image, headers);
    let between = flows.iter().flat_map(pairs).map(|(_, second)| second).collect();
    let reached = Reached::of(image, headers, base, &between);
    let mut plan = Plan::default();
    for flow in &flows {
        choose(image, flow, base, &reached.0, &mut plan);
    }
    plan
}

/// The functions that hold such a move, of which most drivers have none: only these are decoded.
fn functions_with_moves(image: &Bytes, headers: &Headers) -> Vec<Flow> {
    let mut found = BTreeSet::new();
    let (_, functions) = flow::functions(image, headers);
    for (at, code) in callers::code(image, headers) {
        // REX with R, 0F, 20 or 22, and an operand byte that names two registers, the first of them the eighth.
        let moves = code.windows(4).enumerate().filter(|(_, bytes)| {
            matches!(bytes, [rex, 0x0F, 0x20 | 0x22, operand] if rex & 0xF4 == 0x44 && operand & 0xF8 == 0xC0)
        });
        for (offset, _) in moves {
            let place = at.wrapping_add(offset as u32);
            let after = functions.partition_point(|(start, _)| *start <= place);
            let function = after.checked_sub(1).and_then(|index| functions.get(index));
            found.extend(function.filter(|(_, end)| place < *end));
        }
    }
    found.into_iter().map(|(start, end)| Flow::of(image, start, end)).collect()
}

/// The pairs of neighbours of which one is a move: the places of both.
fn pairs(flow: &Flow) -> impl Iterator<Item = (u32, u32)> {
    let moves = flow.instructions.iter().filter(|(_, instruction)| is_level(instruction));
    moves.flat_map(|(at, instruction)| {
        let next = instruction.next_ip() as u32;
        let following = flow.instructions.contains_key(&next).then_some((*at, next));
        let preceding = before(flow, *at).map(|before| (before, *at));
        following.into_iter().chain(preceding)
    })
}

/// The instruction that runs into the one at `at`.
fn before(flow: &Flow, at: u32) -> Option<u32> {
    let (place, instruction) = flow.instructions.range(..at).next_back()?;
    (instruction.next_ip() == u64::from(at)).then_some(*place)
}

/// Whether it does the same at another address: what it does next follows from the instruction alone, and what it leaves
/// behind does not tell where it was.
fn can_move(instruction: &Instruction) -> bool {
    match instruction.flow_control() {
        FlowControl::Next => true,
        FlowControl::Return => instruction.mnemonic() == Mnemonic::Ret,
        FlowControl::ConditionalBranch => instruction.is_jcc_short_or_near(),
        FlowControl::UnconditionalBranch => instruction.is_jmp_short_or_near(),
        _ => false,
    }
}

fn choose(image: &Bytes, flow: &Flow, base: u64, reached: &BTreeSet<u32>, plan: &mut Plan) {
    // Where the last window ends.
    let mut taken = 0;
    let moves = flow.instructions.iter().filter(|(_, instruction)| is_level(instruction));
    for (at, instruction) in moves {
        if *at < taken {
            // The second of a window.
            continue;
        }
        let next = instruction.next_ip() as u32;
        let choices =
            [Some((*at, next)), before(flow, *at).filter(|before| *before >= taken).map(|it| (it, *at))];
        let window = choices.into_iter().flatten().find_map(|(first, second)| {
            let free =
                !flow.unresolved && !reached.contains(&second) && !flow.table_targets.contains(&second);
            free.then(|| window(image, flow, base, first, second)).flatten()
        });
        match window {
            Some(window) => {
                let [first, second] = &window.instructions;
                taken = window.at + (first.len() + second.len()) as u32;
                plan.windows.push(window);
            }
            None => plan.left += 1,
        }
    }
}

fn window(image: &Bytes, flow: &Flow, base: u64, first: u32, second: u32) -> Option<Window> {
    let pair = [flow.instructions.get(&first)?, flow.instructions.get(&second)?];
    // The first must run into the second.
    let fits = pair.iter().all(|instruction| can_move(instruction))
        && !matches!(pair[0].flow_control(), FlowControl::Return | FlowControl::UnconditionalBranch);
    if !fits {
        return None;
    }
    let decode = |at: u32, length: usize| {
        let bytes = image.slice(at, length as u32)?;
        let instruction = Decoder::with_ip(64, bytes, base + u64::from(at), DecoderOptions::NONE).decode();
        (!instruction.is_invalid()).then_some(instruction)
    };
    let instructions = [decode(first, pair[0].len())?, decode(second, pair[1].len())?];
    Some(Window { at: first, instructions })
}

/// Those of some places that something may lead to. Bytes are taken for whatever they could be, at every offset.
struct Reached(BTreeSet<u32>);

impl Reached {
    fn of(image: &Bytes, headers: &Headers, base: u64, places: &BTreeSet<u32>) -> Self {
        let mut found = BTreeSet::new();
        let (Some(low), Some(high)) = (places.first(), places.last()) else { return Self(found) };
        let mut note = |place: u32| {
            if (*low..=*high).contains(&place) && places.contains(&place) {
                found.insert(place);
            }
        };
        for (at, code) in callers::code(image, headers) {
            for (offset, bytes) in code.windows(2).enumerate() {
                // Short branches, `loop` and `jrcxz`.
                if let [0x70..=0x7F | 0xEB | 0xE0..=0xE3, distance] = bytes {
                    let next = at.wrapping_add(offset as u32 + 2);
                    note(next.wrapping_add(i32::from(distance.cast_signed()) as u32));
                }
            }
            // Near branches and calls, and addresses taken by `lea`: a distance from the end of the instruction.
            for (offset, bytes) in code.windows(4).enumerate() {
                let distance = <[u8; 4]>::try_from(bytes).map_or(0, u32::from_le_bytes);
                note(at.wrapping_add(offset as u32 + 4).wrapping_add(distance));
            }
        }
        // Tables of functions, scopes and jumps, exports; pointers.
        let words: BTreeMap<u64, u32> =
            places.iter().map(|place| (base + u64::from(*place), *place)).collect();
        let mut before = 0;
        for bytes in image.all().chunks_exact(4) {
            let word = <[u8; 4]>::try_from(bytes).map_or(0, u32::from_le_bytes);
            note(word);
            let address = u64::from(word) << 32 | u64::from(before);
            if let Some(place) = words.get(&address) {
                note(*place);
            }
            before = word;
        }
        Self(found)
    }
}
