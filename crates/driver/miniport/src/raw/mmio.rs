//! One register access, one plain `mov`.
//!
//! A volatile access promises that it happens, not as which instruction: the compiler turns "read and test a bit" into
//! a `test` with a memory operand. Real registers do not mind. A hypervisor or a host that traps register accesses
//! decodes the instruction, and the plain move is what every one of them knows; it is also what C drivers' register
//! macros come out as.

/// A number of a register's width.
pub trait Width: Copy {
    /// Reads a register.
    ///
    /// # Safety
    /// `place` is aligned and mapped.
    unsafe fn load(place: *const Self) -> Self;

    /// Writes a register.
    ///
    /// # Safety
    /// `place` is aligned and mapped, and no Rust reference covers it.
    unsafe fn store(place: *mut Self, value: Self);
}

macro_rules! widths {
    ($($ty:ty: $class:ident $load:literal $store:literal;)*) => { $(
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        impl Width for $ty {
            unsafe fn load(place: *const Self) -> Self {
                let value;
                // SAFETY: the caller's contract; the instruction reads `place` and nothing else.
                unsafe {
                    core::arch::asm!($load, value = out($class) value, place = in(reg) place,
                        options(nostack, preserves_flags));
                }
                value
            }

            unsafe fn store(place: *mut Self, value: Self) {
                // SAFETY: the caller's contract; the instruction writes `place` and nothing else.
                unsafe {
                    core::arch::asm!($store, value = in($class) value, place = in(reg) place,
                        options(nostack, preserves_flags));
                }
            }
        }

        #[cfg(not(all(target_arch = "x86_64", not(miri))))]
        impl Width for $ty {
            unsafe fn load(place: *const Self) -> Self {
                // SAFETY: the caller's contract.
                unsafe { place.read_volatile() }
            }

            unsafe fn store(place: *mut Self, value: Self) {
                // SAFETY: the caller's contract.
                unsafe { place.write_volatile(value) }
            }
        }
    )* };
}

widths! {
    u8: reg_byte "mov {value}, byte ptr [{place}]" "mov byte ptr [{place}], {value}";
    u16: reg "mov {value:x}, word ptr [{place}]" "mov word ptr [{place}], {value:x}";
    u32: reg "mov {value:e}, dword ptr [{place}]" "mov dword ptr [{place}], {value:e}";
    u64: reg "mov {value:r}, qword ptr [{place}]" "mov qword ptr [{place}], {value:r}";
}
