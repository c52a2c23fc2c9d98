//! Registers.

use std::collections::BTreeMap;

use super::super::check::{BadDescription, Place};
use super::super::description::{self, BarContent, Counts};
use super::actions::Occasion;
use super::{Action, Condition, Resolver};

/// A register; masks have no bits beyond its width.
#[derive(Clone, Debug)]
pub(in super::super) struct Register {
    pub(in super::super) bar: u8,
    pub(in super::super) offset: u64,
    /// Bytes.
    pub(in super::super) width: u64,
    /// All bits that it has.
    pub(in super::super) all: u64,
    /// Access widths in bytes, or'ed: 1, 2, 4, 8 are their own bits.
    pub(in super::super) access: u64,
    pub(in super::super) reset: u64,
    pub(in super::super) read_mask: u64,
    pub(in super::super) write_mask: u64,
    pub(in super::super) write_1_to_clear: u64,
    pub(in super::super) read_to_clear: u64,
    pub(in super::super) invert: u64,
    pub(in super::super) counts: Option<Counts>,
    pub(in super::super) locked_while: Option<Condition>,
    pub(in super::super) on_write: Vec<Action>,
}

/// Checks all registers.
pub(super) fn plan(resolver: &Resolver<'_>) -> Result<Vec<Register>, BadDescription> {
    let mut taken: BTreeMap<(u8, u64), (u64, &str)> = BTreeMap::new();
    let mut registers = Vec::new();
    for (index, from) in resolver.description.register.iter().enumerate() {
        let place = Place::table("register").index(index);
        let register = register(resolver, &place, from)?;
        let end = register.offset + register.width;
        let before = taken.range(..(register.bar, end)).next_back();
        if let Some(((bar, _), (other_end, name))) = before
            && *bar == register.bar
            && *other_end > register.offset
        {
            return Err(place.field("offset").bad(format!("{:#x} overlaps register {name:?}", from.offset)));
        }
        taken.insert((register.bar, register.offset), (end, &from.name));
        registers.push(register);
    }
    Ok(registers)
}

fn register(
    resolver: &Resolver<'_>,
    place: &Place,
    from: &description::Register,
) -> Result<Register, BadDescription> {
    let width = u64::from(from.width);
    place.field("width").require(matches!(width, 1 | 2 | 4 | 8), || {
        format!("{width} is no width; accepted: 1, 2, 4, 8 bytes")
    })?;
    for (position, access) in from.access.iter().enumerate() {
        place
            .field("access")
            .index(position)
            .require(matches!(access, 1 | 2 | 4 | 8) && *access <= from.width, || {
                format!("{access} is no access width; accepted: 1, 2, 4, 8, at most the register's {width}")
            })?;
    }
    let bar = resolver.description.bar.iter().find(|bar| bar.index == from.bar);
    let Some(bar) = bar.filter(|bar| bar.content == BarContent::Registers) else {
        return Err(place.bad(format!("BAR {} has no registers; needs a [[bar]] of that index", from.bar)));
    };
    let fits = from.offset.checked_add(width).is_some_and(|end| end <= bar.size);
    place.field("offset").require(fits && from.offset.is_multiple_of(width), || {
        format!("{:#x} is no offset; accepted: multiples of {width} below {:#x}", from.offset, bar.size)
    })?;
    let all = u64::MAX >> (64 - 8 * width);
    let masks = [
        ("reset", from.reset),
        ("read-mask", from.read_mask.unwrap_or(0)),
        ("write-mask", from.write_mask.unwrap_or(0)),
        ("write-1-to-clear", from.write_1_to_clear),
        ("read-to-clear", from.read_to_clear),
        ("invert", from.invert),
    ];
    for (field, value) in masks {
        place
            .field(field)
            .require(value & !all == 0, || format!("{value:#x} has more than {width} bytes"))?;
    }
    let locked_while = from
        .locked_while
        .as_ref()
        .map(|condition| resolver.condition(&place.field("locked-while"), condition, false))
        .transpose()?;
    let access = from.access.iter().fold(0, |widths, width| widths | u64::from(*width));
    Ok(Register {
        bar: from.bar,
        offset: from.offset,
        width,
        all,
        access: if access == 0 { width } else { access },
        reset: from.reset,
        read_mask: from.read_mask.unwrap_or(all),
        write_mask: from.write_mask.unwrap_or(all) & !from.write_1_to_clear,
        write_1_to_clear: from.write_1_to_clear,
        read_to_clear: from.read_to_clear,
        invert: from.invert,
        counts: from.counts,
        locked_while,
        on_write: resolver.actions(&place.field("on-write"), &from.on_write, Occasion::Write)?,
    })
}
