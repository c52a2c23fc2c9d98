//! Who uses an import: the instructions that go through its slot.
//!
//! Compilers reach an import by `call [rip+n]`, `jmp [rip+n]` or `mov register, [rip+n]`, each of which names the slot by its
//! distance. Four bytes that happen to name just this slot are too unlikely to matter, so the bytes are searched as they are,
//! functions without unwind information included.

use std::collections::BTreeMap;

use super::bytes::Bytes;
use super::headers::Headers;

/// Uses of one slot that are listed.
const MOST_CALLERS: usize = 64;

enum Use {
    Call,
    /// A jump: often the stub that a linker makes, whose own callers are what is asked for.
    Jump,
    Address,
}

/// The use that the bytes end in: opcode and operand byte before a distance.
fn use_of(before: [u8; 3]) -> Option<(Use, u32)> {
    match before {
        [_, 0xFF, 0x15] => Some((Use::Call, 2)),
        [_, 0xFF, 0x25] => Some((Use::Jump, 2)),
        // With a REX.W prefix; the operand byte says [rip+n].
        [rex, 0x8B, operand] if rex & 0xF8 == 0x48 && operand & 0xC7 == 0x05 => Some((Use::Address, 3)),
        _ => None,
    }
}

/// For each slot the places that use it, ascending. Places are relative to the image.
pub(super) fn of_slots(image: &Bytes, headers: &Headers, slots: &[u32]) -> BTreeMap<u32, Vec<u32>> {
    let mut found: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    // Stubs that jump to a slot.
    let mut stubs: BTreeMap<u32, u32> = BTreeMap::new();
    let mut wanted = slots.to_vec();
    wanted.sort_unstable();
    for (at, bytes) in code(image, headers) {
        for (offset, window) in bytes.windows(7).enumerate() {
            let [a, b, c, d @ ..] = window else { continue };
            let Some((usage, length)) = use_of([*a, *b, *c]) else { continue };
            let Ok(distance) = <[u8; 4]>::try_from(d) else { continue };
            let end = at.wrapping_add(offset as u32 + 7);
            let slot = end.wrapping_add(u32::from_le_bytes(distance));
            if wanted.binary_search(&slot).is_err() {
                continue;
            }
            let place = end - 4 - length;
            match usage {
                Use::Jump => {
                    stubs.insert(place, slot);
                }
                Use::Call | Use::Address => found.entry(slot).or_default().push(place),
            }
        }
    }
    through_stubs(image, headers, &stubs, &mut found);
    for places in found.values_mut() {
        places.sort_unstable();
        places.dedup();
        places.truncate(MOST_CALLERS);
    }
    found
}

/// Adds the callers of stubs; a stub that nobody calls is a use itself (a tail call).
fn through_stubs(
    image: &Bytes,
    headers: &Headers,
    stubs: &BTreeMap<u32, u32>,
    found: &mut BTreeMap<u32, Vec<u32>>,
) {
    let mut called = std::collections::BTreeSet::new();
    for (at, bytes) in code(image, headers).filter(|_| !stubs.is_empty()) {
        for (offset, window) in bytes.windows(5).enumerate() {
            // call and jmp to a distance.
            let [0xE8 | 0xE9, distance @ ..] = window else { continue };
            let Ok(distance) = <[u8; 4]>::try_from(distance) else { continue };
            let place = at.wrapping_add(offset as u32);
            let target = place.wrapping_add(5).wrapping_add(u32::from_le_bytes(distance));
            if let Some(slot) = stubs.get(&target) {
                called.insert(target);
                found.entry(*slot).or_default().push(place);
            }
        }
    }
    for (stub, slot) in stubs.iter().filter(|(stub, _)| !called.contains(stub)) {
        found.entry(*slot).or_default().push(*stub);
    }
}

/// The executable sections with their places.
pub(super) fn code<'a>(image: &'a Bytes, headers: &'a Headers) -> impl Iterator<Item = (u32, &'a [u8])> {
    headers
        .sections
        .iter()
        .filter(|section| section.executable())
        .filter_map(|section| Some((section.at, image.slice(section.at, section.memory_bytes)?)))
}
