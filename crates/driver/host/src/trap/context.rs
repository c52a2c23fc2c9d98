//! The interrupted context: registers by the names that the decoder uses.

use iced_x86::Register;

use crate::leaf;
use crate::patch::detour;
use crate::processor::Capture;
use crate::unwind::Registers;

/// How far below the interrupted stack pointer a diversion puts its frame: past what leaf code may keep there (128 bytes in our
/// own code, nothing in the driver's).
pub(super) const DIVERT_GAP: u64 = 256;

/// The kernel's order of registers in `gregs`, by register number.
const GREGS: [i32; 16] = [
    libc::REG_RAX,
    libc::REG_RCX,
    libc::REG_RDX,
    libc::REG_RBX,
    libc::REG_RSP,
    libc::REG_RBP,
    libc::REG_RSI,
    libc::REG_RDI,
    libc::REG_R8,
    libc::REG_R9,
    libc::REG_R10,
    libc::REG_R11,
    libc::REG_R12,
    libc::REG_R13,
    libc::REG_R14,
    libc::REG_R15,
];

pub(super) struct Interrupted<'a> {
    context: &'a mut libc::ucontext_t,
    pub(super) signal: i32,
    /// The address touched, or for SIGSYS the number of the call.
    pub(super) address: u64,
}

impl<'a> Interrupted<'a> {
    #[expect(unsafe_code, reason = "reads the union in siginfo_t")]
    pub(super) fn new(context: &'a mut libc::ucontext_t, signal: i32, info: &libc::siginfo_t) -> Self {
        let address = match signal {
            // struct { void *call_addr; int syscall; unsigned arch; } at 16 ("sigaction(2)").
            libc::SIGSYS => {
                let base = std::ptr::from_ref(info).cast::<i32>();
                // SAFETY: siginfo_t is 128 bytes; the number is the int at byte 24.
                let number = unsafe { base.add(6) };
                // SAFETY: inside the structure and initialised by the kernel for this signal.
                unsafe { number.read() as u64 }
            }
            // SAFETY: valid for the fault signals, and only they and SIGSYS are handled.
            _ => unsafe { info.si_addr() as u64 },
        };
        Self { context, signal, address }
    }

    fn greg(&self, index: i32) -> u64 {
        self.context.uc_mcontext.gregs.get(index as usize).map_or(0, |&value| value as u64)
    }

    fn set_greg(&mut self, index: i32, value: u64) {
        if let Some(slot) = self.context.uc_mcontext.gregs.get_mut(index as usize) {
            *slot = value as i64;
        }
    }

    pub(super) fn rip(&self) -> u64 {
        self.greg(libc::REG_RIP)
    }

    pub(super) fn set_rip(&mut self, rip: u64) {
        self.set_greg(libc::REG_RIP, rip);
    }

    pub(super) fn trap_number(&self) -> u64 {
        self.greg(libc::REG_TRAPNO)
    }

    pub(super) fn error_code(&self) -> u64 {
        self.greg(libc::REG_ERR)
    }

    pub(super) fn flags(&self) -> u64 {
        self.greg(libc::REG_EFL)
    }

    pub(super) fn set_flags(&mut self, flags: u64) {
        self.set_greg(libc::REG_EFL, flags);
    }

    /// Register by its number in instructions, rax 0 to r15 15.
    pub(super) fn gpr(&self, number: usize) -> u64 {
        GREGS.get(number).map_or(0, |&index| self.greg(index))
    }

    pub(super) fn set_gpr(&mut self, number: usize, value: u64) {
        if let Some(&index) = GREGS.get(number) {
            self.set_greg(index, value);
        }
    }

    /// The value of a general register of any width; 0 for other registers.
    pub(super) fn get(&self, register: Register) -> u64 {
        if register == Register::RIP {
            return self.rip();
        }
        if !register.is_gpr() {
            return 0;
        }
        let full = self.gpr(register.full_register().number());
        match register {
            Register::AH | Register::CH | Register::DH | Register::BH => full >> 8 & 0xFF,
            _ => full & mask(register.size() as u32),
        }
    }

    /// Sets a general register; a 32-bit one clears the upper half, smaller ones leave the rest.
    pub(super) fn set(&mut self, register: Register, value: u64) {
        if !register.is_gpr() {
            return;
        }
        let number = register.full_register().number();
        let full = self.gpr(number);
        let new = match (register, register.size()) {
            (Register::AH | Register::CH | Register::DH | Register::BH, _) => {
                full & !0xFF00 | (value & 0xFF) << 8
            }
            (_, 8) => value,
            (_, 4) => value & 0xFFFF_FFFF,
            (_, size) => full & !mask(size as u32) | value & mask(size as u32),
        };
        self.set_gpr(number, new);
    }

    #[expect(unsafe_code, reason = "follows the context's pointer to the floating-point state")]
    fn state(&mut self) -> Option<&mut libc::_libc_fpstate> {
        // SAFETY: null, or the kernel's save area inside the signal frame, which lives as long as the context.
        unsafe { self.context.uc_mcontext.fpregs.as_mut() }
    }

    /// The floating-point state as FXSAVE writes it; zeroes when the kernel saved none.
    pub(super) fn float_bytes(&self) -> [u8; 512] {
        let mut bytes = [0; 512];
        let at = self.context.uc_mcontext.fpregs as u64;
        if crate::guarded::read(at, &mut bytes).is_err() {
            bytes = [0; 512];
        }
        bytes
    }

    /// A vector register's low 128 bits, as two words.
    pub(super) fn xmm(&mut self, register: Register) -> Option<[u64; 2]> {
        let number = register.is_xmm().then(|| register.number())?;
        let [a, b, c, d] = self.state()?._xmm.get(number)?.element;
        Some([u64::from(a) | u64::from(b) << 32, u64::from(c) | u64::from(d) << 32])
    }

    pub(super) fn set_xmm(&mut self, register: Register, value: [u64; 2]) -> Option<()> {
        let number = register.is_xmm().then(|| register.number())?;
        let [low, high] = value;
        let slot = self.state()?._xmm.get_mut(number)?;
        slot.element = [low as u32, (low >> 32) as u32, high as u32, (high >> 32) as u32];
        Some(())
    }

    /// As a thunk would have captured it, had the instruction been a call. In a routine that we lend the driver, what
    /// called that routine.
    pub(super) fn capture(&self) -> Capture {
        let mut registers = self.registers();
        leaf::pretend_at_caller(&mut registers);
        let [_, _, _, rbx, rsp, rbp, rsi, rdi, _, _, _, _, r12, r13, r14, r15] = registers.gpr;
        let rsp = rsp.wrapping_sub(8);
        Capture { return_address: registers.rip, rsp, rbx, rbp, rsi, rdi, r12, r13, r14, r15 }
    }

    /// The registers as the driver knows them: the instruction is the one in its image.
    pub(super) fn registers(&self) -> Registers {
        Registers {
            gpr: std::array::from_fn(|number| self.gpr(number)),
            rip: detour::home(self.rip()),
            rflags: self.flags(),
        }
    }

    /// Makes the thread go on with a context suspended by `switch::exchange`; the interrupted one is gone.
    pub(super) fn resume(&mut self, to: u64) {
        self.set_gpr(7, to);
        self.set_gpr(4, to);
        self.set_rip(crate::switch::resume as *const () as u64);
        // Direction, alignment check and single step are the driver's, not ours.
        self.set_flags(self.flags() & !0x4_0500);
    }

    /// Makes the thread go on in `routine`, with `frame` as stack pointer and first argument.
    pub(super) fn enter(&mut self, routine: u64, frame: u64) {
        self.set_gpr(7, frame);
        self.set_gpr(4, frame);
        self.set_rip(routine);
        self.set_flags(self.flags() & !0x4_0500);
    }

    /// Makes the thread run `routine` first and then come back to where it is: leaves the address on the stack below what the
    /// interrupted code may use.
    pub(super) fn divert(&mut self, routine: u64) {
        let rsp = self.gpr(4).wrapping_sub(DIVERT_GAP);
        if crate::guarded::write(rsp, &self.rip().to_le_bytes()).is_ok() {
            self.set_gpr(4, rsp);
            self.set_rip(routine);
        }
    }
}

/// The bits of a value of `width` bytes.
pub(super) const fn mask(width: u32) -> u64 {
    if width >= 8 { u64::MAX } else { (1 << (width * 8)) - 1 }
}
