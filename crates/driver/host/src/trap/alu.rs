//! Arithmetic with flags, as the processor does it (Intel SDM volume 1, 3.4.3; volume 2 for each instruction).

use iced_x86::Mnemonic;

use super::context::mask;

const CARRY: u64 = 1;
const PARITY: u64 = 1 << 2;
const ADJUST: u64 = 1 << 4;
const ZERO: u64 = 1 << 6;
const SIGN: u64 = 1 << 7;
const OVERFLOW: u64 = 1 << 11;
const STATUS: u64 = CARRY | PARITY | ADJUST | ZERO | SIGN | OVERFLOW;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operation {
    Add,
    AddCarry,
    Subtract,
    SubtractBorrow,
    Compare,
    And,
    Or,
    Xor,
    Test,
    Increment,
    Decrement,
    Negate,
    Not,
    BitTest,
    BitSet,
    BitReset,
    BitComplement,
}

pub(super) struct Computed {
    pub(super) value: u64,
    pub(super) flags: u64,
}

impl Operation {
    pub(super) fn of(mnemonic: Mnemonic) -> Option<Self> {
        Some(match mnemonic {
            Mnemonic::Add => Self::Add,
            Mnemonic::Adc => Self::AddCarry,
            Mnemonic::Sub => Self::Subtract,
            Mnemonic::Sbb => Self::SubtractBorrow,
            Mnemonic::Cmp => Self::Compare,
            Mnemonic::And => Self::And,
            Mnemonic::Or => Self::Or,
            Mnemonic::Xor => Self::Xor,
            Mnemonic::Test => Self::Test,
            Mnemonic::Inc => Self::Increment,
            Mnemonic::Dec => Self::Decrement,
            Mnemonic::Neg => Self::Negate,
            Mnemonic::Not => Self::Not,
            Mnemonic::Bt => Self::BitTest,
            Mnemonic::Bts => Self::BitSet,
            Mnemonic::Btr => Self::BitReset,
            Mnemonic::Btc => Self::BitComplement,
            _ => return None,
        })
    }

    /// Whether the first operand receives a result.
    pub(super) fn writes(self) -> bool {
        !matches!(self, Self::Compare | Self::Test | Self::BitTest)
    }

    pub(super) fn is_bit_test(self) -> bool {
        matches!(self, Self::BitTest | Self::BitSet | Self::BitReset | Self::BitComplement)
    }
}

/// `left op right` at a width of 1, 2, 4 or 8 bytes. Flags that the manual leaves undefined keep their value.
pub(super) fn compute(operation: Operation, left: u64, right: u64, width: u32, flags: u64) -> Computed {
    let bits = width.clamp(1, 8) * 8;
    let (left, right) = (left & mask(width), right & mask(width));
    let carry = flags & CARRY;
    match operation {
        Operation::Add => add(left, right, 0, width, flags, STATUS),
        Operation::AddCarry => add(left, right, carry, width, flags, STATUS),
        Operation::Subtract | Operation::Compare => subtract(left, right, 0, width, flags, STATUS),
        Operation::SubtractBorrow => subtract(left, right, carry, width, flags, STATUS),
        Operation::Increment => add(left, 1, 0, width, flags, STATUS & !CARRY),
        Operation::Decrement => subtract(left, 1, 0, width, flags, STATUS & !CARRY),
        Operation::Negate => subtract(0, left, 0, width, flags, STATUS),
        Operation::And | Operation::Test => logic(left & right, width, flags),
        Operation::Or => logic(left | right, width, flags),
        Operation::Xor => logic(left ^ right, width, flags),
        Operation::Not => Computed { value: !left & mask(width), flags },
        Operation::BitTest | Operation::BitSet | Operation::BitReset | Operation::BitComplement => {
            let bit = 1 << (right % u64::from(bits));
            let value = match operation {
                Operation::BitSet => left | bit,
                Operation::BitReset => left & !bit,
                Operation::BitComplement => left ^ bit,
                _ => left,
            };
            Computed { value, flags: flags & !CARRY | u64::from(left & bit != 0) }
        }
    }
}

fn result_flags(value: u64, width: u32) -> u64 {
    let sign = value >> (width * 8 - 1) & 1;
    let even = (value as u8).count_ones().is_multiple_of(2);
    (u64::from(value == 0) * ZERO) | (sign * SIGN) | (u64::from(even) * PARITY)
}

fn logic(value: u64, width: u32, flags: u64) -> Computed {
    let changed = STATUS & !ADJUST;
    Computed { value, flags: flags & !changed | result_flags(value, width) }
}

fn add(left: u64, right: u64, carry: u64, width: u32, flags: u64, changed: u64) -> Computed {
    let wide = u128::from(left) + u128::from(right) + u128::from(carry);
    let value = wide as u64 & mask(width);
    let top = width * 8 - 1;
    let mut new = result_flags(value, width);
    new |= u64::from(wide > u128::from(mask(width))) * CARRY;
    new |= u64::from((left ^ right ^ value) & 0x10 != 0) * ADJUST;
    new |= (((left ^ value) & (right ^ value)) >> top & 1) * OVERFLOW;
    Computed { value, flags: flags & !changed | new & changed }
}

fn subtract(left: u64, right: u64, borrow: u64, width: u32, flags: u64, changed: u64) -> Computed {
    let value = left.wrapping_sub(right).wrapping_sub(borrow) & mask(width);
    let top = width * 8 - 1;
    let mut new = result_flags(value, width);
    new |= u64::from(u128::from(right) + u128::from(borrow) > u128::from(left)) * CARRY;
    new |= u64::from((left ^ right ^ value) & 0x10 != 0) * ADJUST;
    new |= (((left ^ right) & (left ^ value)) >> top & 1) * OVERFLOW;
    Computed { value, flags: flags & !changed | new & changed }
}

#[cfg(test)]
mod tests {
    use std::arch::asm;

    use super::*;

    /// What the real processor makes of a 32-bit operation.
    macro_rules! real {
        ($name:literal, $left:expr, $right:expr) => {{
            let mut value: u32 = $left;
            let flags: u64;
            #[expect(unsafe_code, reason = "the processor is the reference")]
            // SAFETY: the instructions touch the two registers and the flags, and the stack in balance.
            unsafe {
                asm!(concat!($name, " {0:e}, {1:e}"), "pushfq", "pop {2}", inout(reg) value, in(reg) $right, out(reg) flags);
            }
            (value, flags)
        }};
    }

    #[test]
    fn results_and_flags_are_those_of_the_processor() {
        let numbers = [0, 1, 2, 7, 0xF, 0x10, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 0xDEAD_BEEF];
        for left in numbers {
            for right in numbers {
                let check = |operation, (value, flags): (u32, u64), defined: u64| {
                    let ours = compute(operation, u64::from(left), u64::from(right), 4, 2);
                    assert_eq!(ours.flags & defined, flags & defined, "{operation:?} {left:#x} {right:#x}");
                    if operation.writes() {
                        assert_eq!(ours.value, u64::from(value), "{operation:?} {left:#x} {right:#x}");
                    }
                };
                check(Operation::Add, real!("add", left, right), STATUS);
                check(Operation::Subtract, real!("sub", left, right), STATUS);
                check(Operation::Compare, real!("cmp", left, right), STATUS);
                check(Operation::And, real!("and", left, right), STATUS & !ADJUST);
                check(Operation::Or, real!("or", left, right), STATUS & !ADJUST);
                check(Operation::Xor, real!("xor", left, right), STATUS & !ADJUST);
                check(Operation::Test, real!("test", left, right), STATUS & !ADJUST);
            }
        }
    }

    #[test]
    fn increment_and_decrement_keep_the_carry() {
        assert_eq!(compute(Operation::Increment, 0xFF, 0, 1, CARRY).flags & (CARRY | ZERO), CARRY | ZERO);
        assert_eq!(compute(Operation::Decrement, 0, 0, 1, 0).flags & (CARRY | SIGN), SIGN);
    }
}
