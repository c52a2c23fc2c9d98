//! The one processor that a run has: the block at `gs`, as drivers see it and as thunks and traps use it.
//!
//! The first 0x800 bytes are the `KPCR` (ntddk.h) as far as drivers reach into it: `Self` at 0x18, the level at 0x50, and in the
//! `KPRCB` behind it (0x180) `CurrentThread` at 0x188. From 0x800 on the block is ours: what entry thunks capture of the
//! driver's registers, and what the trap handlers need to find without asking anyone. One operating-system thread is the
//! processor; driver threads are fibers on it.
#![expect(unsafe_code, reason = "sets gs and the alternate signal stack of the thread")]

use std::cell::Cell;
use std::marker::PhantomData;
use std::mem::offset_of;
use std::ptr;

use crate::layout::{LayoutError, Protection, Purpose, Region, RunGuard};
use crate::patch::shared_data;
use crate::run::Run;

const BLOCK_BYTES: u64 = 0x2000;
/// Signal handlers run here; device models called from a trap do too.
pub(crate) const SIGNAL_STACK_BYTES: u64 = 512 << 10;

/// The driver's registers when it called into us: what its caller's frame is found from.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Capture {
    /// Where the call returns to: an address in the driver.
    pub return_address: u64,
    /// The stack pointer at entry, pointing at the return address.
    pub rsp: u64,
    /// Nonvolatile register.
    pub rbx: u64,
    /// Nonvolatile register.
    pub rbp: u64,
    /// Nonvolatile register.
    pub rsi: u64,
    /// Nonvolatile register.
    pub rdi: u64,
    /// Nonvolatile register.
    pub r12: u64,
    /// Nonvolatile register.
    pub r13: u64,
    /// Nonvolatile register.
    pub r14: u64,
    /// Nonvolatile register.
    pub r15: u64,
}

/// The block at `gs`. Cells, because the driver writes it too.
#[repr(C, align(4096))]
pub(crate) struct Block {
    tib_exception_list: Cell<u64>,
    tib_stack_base: Cell<u64>,
    tib_stack_limit: Cell<u64>,
    self_address: Cell<u64>,
    current_prcb: Cell<u64>,
    lock_array: Cell<u64>,
    used_self: Cell<u64>,
    idt_base: Cell<u64>,
    unused: [Cell<u64>; 2],
    irql: Cell<u8>,
    rest_of_pcr: [Cell<u8>; 0x180 - 0x51],
    prcb_head: Cell<u64>,
    current_thread: Cell<u64>,
    rest_of_prcb: [Cell<u64>; (0x800 - 0x190) / 8],
    pub(crate) capture: Cell<Capture>,
    /// 1 while our code runs on the driver's behalf, 0 while the driver's own does.
    pub(crate) in_callback: Cell<u64>,
    pub(crate) boundary: Cell<u64>,
    kernel: Cell<*const ()>,
    /// Not zero: the driver is to be interrupted at the next trap.
    pub(crate) delivery_wanted: Cell<u64>,
}

pub(crate) const CAPTURE: usize = offset_of!(Block, capture);
pub(crate) const IRQL: usize = offset_of!(Block, irql);
pub(crate) const IN_CALLBACK: usize = offset_of!(Block, in_callback);

const _: () = assert!(offset_of!(Block, self_address) == 0x18);
const _: () = assert!(IRQL == 0x50);
const _: () = assert!(offset_of!(Block, current_thread) == 0x188);
const _: () = assert!(CAPTURE == 0x800);
const _: () = assert!(IN_CALLBACK == 0x850);
const _: () = assert!(size_of::<Block>() <= BLOCK_BYTES as usize);

thread_local! {
    static CURRENT: Cell<*const Block> = const { Cell::new(ptr::null()) };
    // Not in the block, which the driver can write.
    static RUN: Cell<*const Run> = const { Cell::new(ptr::null()) };
}

/// The block of the calling thread, if it is a processor.
#[inline]
pub(crate) fn block() -> Option<&'static Block> {
    let current = CURRENT.get();
    // SAFETY: either null, which as_ref turns into None, or the mapped block of this thread's `Processor`, which clears CURRENT
    // before unmapping. The static lifetime is a simplification that holds as long as no caller keeps it over that drop.
    unsafe { current.as_ref() }
}

/// The run of the calling thread, if it is a processor.
#[inline]
pub(crate) fn run() -> Option<&'static Run> {
    let run = RUN.get();
    // SAFETY: null, or the boxed run of this thread's `Processor`, which sets it to null before it drops the run. The static
    // lifetime is the simplification of `block`.
    unsafe { run.as_ref() }
}

/// The number of the process that the driver runs in; 0 is the system process. See `Kernel::switch_process`.
pub fn process() -> u32 {
    crate::run::current().map_or(0, |run| run.process.get())
}

pub(crate) fn set_process(process: u32) {
    if let Some(run) = crate::run::current() {
        run.process.set(process);
    }
}

/// The calling thread as the processor of a run. Not Send: `gs` and the signal stack belong to the thread.
#[derive(Debug)]
pub struct Processor {
    // The order of fields is the order of drop: the run's stacks lie in `stacks`.
    run: Box<Run>,
    stacks: Region,
    previous_signal_stack: libc::stack_t,
    not_send: PhantomData<*const ()>,
}

impl Processor {
    /// Makes the calling thread the processor: block at `gs`, signal stack, trap handlers, and the stack on which driver code
    /// entered with [`crate::call::call_driver`] runs. Everything that needs system calls forbidden by the sandbox happens here.
    pub fn attach(run: &RunGuard) -> Result<Self, LayoutError> {
        let mut stacks = Region::new(Purpose::Stacks, run);
        let memory = stacks.reserve(BLOCK_BYTES, 0)?;
        memory.commit(0, memory.bytes(), Protection::ReadWrite)?;
        let signal_stack = stacks.reserve(SIGNAL_STACK_BYTES, SIGNAL_STACK_BYTES)?;
        signal_stack.commit(0, signal_stack.bytes(), Protection::ReadWrite)?;
        // The trap handler loads it before anything else: see `trap::on_entry`.
        let kept = crate::guarded::write_struct(signal_stack.address(), &thread_pointer());
        debug_assert!(kept.is_ok(), "the pages were just mapped");
        let shared_data = stacks.reserve(shared_data::BYTES, 0)?;
        shared_data.commit(0, shared_data.bytes(), Protection::ReadWrite)?;
        let state = Box::new(Run::new(&mut stacks)?);
        state.shared_data.place(shared_data.address());

        let address = memory.address();
        // SAFETY: the pages were just mapped zeroed, are big and aligned enough, and all-zero bytes are a valid Block.
        let block = unsafe { &*(address as *const Block) };
        block.self_address.set(address);
        block.used_self.set(address);
        block.current_prcb.set(address + 0x180);
        RUN.set(&raw const *state);

        let new = libc::stack_t {
            ss_sp: signal_stack.address() as *mut libc::c_void,
            ss_flags: 0,
            ss_size: SIGNAL_STACK_BYTES as usize,
        };
        let mut previous = libc::stack_t { ss_sp: ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
        // SAFETY: both structures are valid; the new stack stays mapped until drop puts the previous one back.
        unsafe { libc::sigaltstack(&raw const new, &raw mut previous) };
        set_gs(address);
        CURRENT.set(block);
        crate::trap::install();
        Ok(Self { run: state, stacks, previous_signal_stack: previous, not_send: PhantomData })
    }

    /// The run's state: why it stopped, if it did.
    pub fn run(&self) -> &Run {
        &self.run
    }
}

impl Drop for Processor {
    fn drop(&mut self) {
        CURRENT.set(ptr::null());
        RUN.set(ptr::null());
        if crate::trap::is_sealed() {
            // Neither gs nor the signal stack can be changed any more, so they stay, and the memory with them: the process ends soon.
            self.stacks.keep_mapped();
            return;
        }
        set_gs(0);
        // SAFETY: the structure is the one that the system gave us, and that stack belongs to this thread.
        unsafe { libc::sigaltstack(&raw const self.previous_signal_stack, ptr::null_mut()) };
    }
}

/// The base of fs, where user code may change it; else 0.
fn thread_pointer() -> u64 {
    const AT_HWCAP2: u64 = 26;
    const FSGSBASE: u64 = 2;
    // SAFETY: reads what the kernel told the process at its start.
    let capabilities = unsafe { libc::getauxval(AT_HWCAP2) };
    if capabilities & FSGSBASE == 0 {
        return 0;
    }
    let base: u64;
    // SAFETY: the kernel says that the instruction is there, and it changes a register only.
    unsafe { std::arch::asm!("rdfsbase {}", out(reg) base, options(nomem, nostack, preserves_flags)) };
    base
}

fn set_gs(address: u64) {
    const ARCH_SET_GS: i32 = 0x1001;
    // SAFETY: nothing else in a Linux process of this architecture uses gs; fs, not gs, is the thread pointer.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_SET_GS, address) };
}

/// Clears the integer registers that a callback need not preserve: what we leave in them (a random key, a flag of whether a
/// system call was made) differs from run to run, and reports show it.
#[inline(always)]
pub(crate) fn clear_volatile_registers() {
    // SAFETY: changes registers only, each of which it declares.
    unsafe {
        std::arch::asm!(
            "xor ecx, ecx",
            "xor edx, edx",
            "xor r8d, r8d",
            "xor r9d, r9d",
            "xor r10d, r10d",
            "xor r11d, r11d",
            out("rcx") _,
            out("rdx") _,
            out("r8") _,
            out("r9") _,
            out("r10") _,
            out("r11") _,
            options(nomem, nostack),
        )
    };
}

/// The current level (`KeGetCurrentIrql`); 0 when the thread is no processor.
pub fn irql() -> u8 {
    block().map_or(0, |block| block.irql.get())
}

/// Sets the level and returns the one before. Delivering what the lower level lets through is the caller's business.
pub fn set_irql(level: u8) -> u8 {
    block().map_or(0, |block| block.irql.replace(level & 15))
}

/// What the innermost entry thunk captured of the driver.
pub fn captured() -> Capture {
    block().map_or_else(Capture::default, |block| block.capture.get())
}

/// Counted boundaries so far: callback entries, traps, waits. The virtual clock's only source.
pub fn boundary() -> u64 {
    block().map_or(0, |block| block.boundary.get())
}

/// Counts one more boundary.
#[inline]
pub fn next_boundary() -> u64 {
    let Some(block) = block() else { return 0 };
    let next = block.boundary.get() + 1;
    block.boundary.set(next);
    next
}

/// The pointer set with [`set_kernel`], null before.
pub fn kernel() -> *const () {
    block().map_or(ptr::null(), |block| block.kernel.get())
}

/// Leaves a pointer for callbacks to find: the upper layer's kernel, whose type this layer does not know.
pub fn set_kernel(kernel: *const ()) {
    if let Some(block) = block() {
        block.kernel.set(kernel);
    }
}

/// What `gs:[188h]` holds (`KeGetCurrentThread`).
pub fn current_thread() -> u64 {
    block().map_or(0, |block| block.current_thread.get())
}

/// Sets what `gs:[188h]` holds: the address of a KTHREAD of the upper layer. Fibers keep their own.
pub fn set_current_thread(thread: u64) {
    if let Some(block) = block() {
        block.current_thread.set(thread);
    }
}

/// Asks that the delivery hook ([`crate::trap::set_delivery_hook`]) runs right after the trap being handled, before the
/// driver's next instruction: how an interrupt raised by a register access arrives.
pub fn request_delivery() {
    if let Some(block) = block() {
        block.delivery_wanted.set(1);
    }
}
