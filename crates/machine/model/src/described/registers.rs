//! The registers' values, and what accesses to them mean.

use std::collections::BTreeMap;

use dxgk_hw::Width;

use super::description::Counts;
use super::plan::{Condition, Effect, Operand, Register};

/// A register file.
pub(super) struct Registers {
    values: Vec<u64>,
    /// Position by BAR and offset.
    at: BTreeMap<(u8, u64), usize>,
}

/// What an access hits: the register, and how far its value is shifted.
#[derive(Clone, Copy)]
pub(super) struct Hit {
    pub(super) register: usize,
    shift: u64,
    /// The bits of the register that the access covers.
    lanes: u64,
}

impl Registers {
    pub(super) fn new(plan: &[Register]) -> Self {
        let position = |(index, register): (usize, &Register)| ((register.bar, register.offset), index);
        Self {
            values: plan.iter().map(|register| register.reset).collect(),
            at: plan.iter().enumerate().map(position).collect(),
        }
    }

    /// The register that decodes this access.
    pub(super) fn hit(&self, plan: &[Register], bar: u8, offset: u64, width: Width) -> Option<Hit> {
        let ((_, start), register) = self.at.range((bar, 0)..=(bar, offset)).next_back()?;
        let found = plan.get(*register)?;
        let within = offset.checked_sub(*start)?;
        let inside = within.checked_add(width.bytes())? <= found.width;
        let decoded = inside && within.is_multiple_of(width.bytes()) && found.access & width.bytes() != 0;
        let shift = 8 * within;
        decoded.then(|| Hit { register: *register, shift, lanes: width.mask() << shift })
    }

    /// What a read sees; what it does to the register is done.
    pub(super) fn read(&mut self, plan: &[Register], hit: Hit) -> u64 {
        let (Some(register), Some(value)) = (plan.get(hit.register), self.values.get_mut(hit.register))
        else {
            return u64::MAX;
        };
        let seen = (*value & register.read_mask & hit.lanes) >> hit.shift;
        *value &= !(register.read_to_clear & hit.lanes);
        if register.counts == Some(Counts::Reads) {
            *value = value.wrapping_add(1) & register.all;
        }
        seen
    }

    /// Puts a written value through the masks; what was written, in the register's bits, unless it is locked.
    pub(super) fn write(&mut self, plan: &[Register], hit: Hit, value: u64) -> Option<u64> {
        let register = plan.get(hit.register)?;
        if register.locked_while.is_some_and(|condition| self.holds(condition, 0)) {
            return None;
        }
        let written = value << hit.shift & hit.lanes;
        let stored = self.values.get_mut(hit.register)?;
        let changed = register.write_mask & hit.lanes;
        *stored = *stored & !changed | (written ^ register.invert) & changed;
        *stored &= !(written & register.write_1_to_clear);
        Some(written)
    }

    /// A register's value, as the device itself sees it.
    pub(super) fn value(&self, register: usize) -> u64 {
        self.values.get(register).copied().unwrap_or(0)
    }

    /// Whether a condition holds; `written` is for those that look at no register.
    pub(super) fn holds(&self, condition: Condition, written: u64) -> bool {
        let value = condition.register.map_or(written, |register| self.value(register));
        value & condition.bits == condition.equal
    }

    /// The number that an operand stands for.
    pub(super) fn operand(&self, operand: &Operand) -> u64 {
        let mut shift = 0;
        let mut value = operand.constant;
        for (register, bits) in &operand.parts {
            value |= self.value(*register).checked_shl(shift).unwrap_or(0);
            shift += bits;
        }
        (value & operand.mask).checked_shl(operand.shift).unwrap_or(0)
    }

    /// Changes a register past its masks.
    pub(super) fn apply(&mut self, plan: &[Register], effect: Effect, written: u64) {
        let (register, bits, value) = match effect {
            Effect::Store { register, bits, value } => (register, bits, value.unwrap_or(written)),
            Effect::Clear { register, bits } => (register, bits.unwrap_or(written), 0),
            Effect::Set { register, bits } => (register, bits.unwrap_or(written), u64::MAX),
            Effect::Start { .. } => return,
        };
        if let (Some(plan), Some(stored)) = (plan.get(register), self.values.get_mut(register)) {
            let bits = bits & plan.all;
            *stored = *stored & !bits | value & bits;
        }
    }

    /// Lets time pass for the counters of it.
    pub(super) fn count(&mut self, plan: &[Register], boundaries: u64) {
        for (register, value) in plan.iter().zip(&mut self.values) {
            if register.counts == Some(Counts::Boundaries) {
                *value = value.wrapping_add(boundaries) & register.all;
            }
        }
    }
}
