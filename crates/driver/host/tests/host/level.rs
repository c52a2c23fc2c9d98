//! Moves of cr8: rewritten where nothing can notice, trapped elsewhere, and the same either way.
#![expect(unsafe_code, reason = "assembles the driver's code")]

use std::arch::global_asm;
use std::cell::Cell;

use dxgk_host::image::Image;
use dxgk_host::layout::{Purpose, Region, RunGuard};
use dxgk_host::patch::Patches;
use dxgk_host::stop::StopReason;
use dxgk_host::trap::set_delivery_hook;
use dxgk_host::unwind::Frame;
use dxgk_host::{CallOutcome, Processor, call_driver, processor, seh, thunk};

use crate::portable::{self, Function, Scope};

global_asm!(
    ".pushsection .text.dxgk_level, \"ax\"",
    "level_text:",
    // __C_specific_handler is imported: a language handler is reached through a stub.
    "jmp [rip + level_text + 0x1200]",
    // Reads and writes one after the other: the level before, in the middle, after.
    "level_raise:",
    "sub rsp, 0x28",
    "mov rax, cr8",
    "mov r9, 2",
    "mov cr8, r9",
    "mov rcx, cr8",
    "mov cr8, rax",
    "mov r8, cr8",
    "shl rcx, 8",
    "or rax, rcx",
    "shl r8, 16",
    "or rax, r8",
    "add rsp, 0x28",
    "ret",
    "level_raise_after:",
    // Two moves side by side: r9 to the level, the level to r10.
    "level_pair:",
    "mov r9d, 7",
    "mov cr8, r9",
    "mov r10, cr8",
    "lea rax, [r10 + r9]",
    "xor r9d, r9d",
    "mov cr8, r9",
    "ret",
    "level_pair_after:",
    // Flags, all registers and the stack stay as they were around a write that lowers.
    "level_keeps:",
    "push rbx",
    "mov r10, rsp",
    "mov ebx, 5",
    "xor eax, eax",
    "stc",
    "mov cr8, rbx",
    "mov cr8, rax",
    "level_keeps_here:",
    "setc al",
    "cmp rsp, r10",
    "sete cl",
    "movzx eax, al",
    "movzx ecx, cl",
    "shl ecx, 8",
    "or eax, ecx",
    "pop rbx",
    "ret",
    "level_keeps_after:",
    // The loop leads between the move and each of its neighbours.
    "level_branch:",
    "mov ecx, 3",
    "xor r8d, r8d",
    "2: mov rax, cr8",
    "3: inc r8",
    "dec ecx",
    "jz 4f",
    "test cl, 1",
    "jz 2b",
    "jmp 3b",
    "4: mov rax, r8",
    "ret",
    "level_branch_after:",
    // The move ends its function; it can only go with what comes before.
    "level_last:",
    "mov eax, 0x77",
    "mov rax, cr8",
    "level_last_after:",
    "ret",
    // Nothing of the function after it, and a call before.
    "level_alone:",
    "sub rsp, 0x28",
    "call level_nothing",
    "mov rax, cr8",
    "level_alone_after:",
    "add rsp, 0x28",
    "ret",
    "level_nothing:",
    "ret",
    // Without an entry in .pdata.
    "level_leaf:",
    "mov rax, cr8",
    "nop",
    "ret",
    // A jump through a table that is not found.
    "level_unknown:",
    "mov rax, cr8",
    "nop",
    "lea r8, [rip + 7f]",
    "jmp r8",
    "7: ret",
    "level_unknown_after:",
    // A jump through a table of distances, as clang makes one: the second entry leads between move and neighbour.
    "level_table:",
    "lea r8, [rip + level_distances]",
    "movsxd rax, dword ptr [r8 + 4 * rcx]",
    "add rax, r8",
    "jmp rax",
    "8: mov rax, cr8",
    "9: lea rax, [rcx + 1]",
    "ret",
    "level_distances:",
    ".long 8b - level_distances, 9b - level_distances",
    "level_table_after:",
    // The neighbour addresses relative to itself, faults, and is named at its place: [data + rcx].
    "level_relative:",
    "mov rax, cr8",
    "mov rax, [rip + level_text + 0x3000]",
    "ret",
    "level_relative_after:",
    "level_faults:",
    "sub rsp, 0x28",
    "nop",
    "level_faults_move:",
    "mov rax, cr8",
    "level_faults_here:",
    "mov rax, [rcx]",
    "add rsp, 0x28",
    "ret",
    "level_faults_after:",
    // The same with a filter that goes on, its address mended: the frame's own.
    "level_mends:",
    "sub rsp, 0x38",
    "mov dword ptr [rsp + 0x28], 0x55",
    "mov dword ptr [rsp + 0x2C], 0",
    "level_mends_try:",
    "nop",
    "mov rax, cr8",
    "mov rax, [rcx]",
    "nop",
    "level_mends_end:",
    "add rsp, 0x38",
    "ret",
    "level_mends_after:",
    "level_mending:",
    "mov rax, [rcx + 8]",
    "lea rdx, [rdx + 0x28]",
    "mov [rax + 0x80], rdx",
    "mov eax, -1",
    "ret",
    "level_end:",
    ".popsection",
);

macro_rules! symbols {
    ($($name:ident)*) => {
        // Generic code that refers to them may be compiled apart.
        global_asm!($(concat!(".globl ", stringify!($name))),*);
        // SAFETY: the labels are defined above; only their addresses are taken, and reading their bytes is fine.
        unsafe extern "C" {
            $(safe static $name: u8;)*
        }
    };
}

symbols! {
    level_text level_raise level_raise_after level_pair level_pair_after level_keeps level_keeps_here level_keeps_after level_branch
    level_branch_after level_last level_last_after level_alone level_alone_after level_leaf level_unknown
    level_unknown_after level_table level_table_after level_relative level_relative_after level_faults
    level_faults_here level_faults_after level_mends level_mends_try level_mends_end level_mends_after level_mending
    level_end
}

thunk! {
    /// `__C_specific_handler`.
    fn c_handler(record: u64, frame: u64, context: u64, dispatcher: u64) -> i32 => seh::c_specific_handler;
}

/// The offset of a label.
fn at(symbol: &u8) -> u32 {
    (std::ptr::from_ref(symbol) as u64 - &raw const level_text as u64) as u32
}

/// UWOP_ALLOC_SMALL at prologue offset 4.
fn frame(bytes: u16) -> Vec<u8> {
    portable::info(4, 0, &[4 | 2 << 8 | (bytes / 8 - 1) << 12], 0)
}

/// A function's labels and unwind information.
type Labels<'a> = (&'a u8, &'a u8, Vec<u8>);

fn function((begin, end, info): Labels<'_>) -> Function {
    Function { begin: at(begin), end: at(end), info }
}

/// What a test calls the driver with.
struct Loaded {
    image: Image,
    processor: Processor,
}

impl Loaded {
    fn call(&self, label: &u8, arguments: &[u64]) -> u64 {
        call_driver(self.address(label), arguments).returned().expect("returned")
    }

    fn address(&self, label: &u8) -> u64 {
        self.image.base() + u64::from(portable::TEXT + at(label))
    }

    fn traps(&self) -> u64 {
        self.processor.run().traps().level
    }
}

/// Loads the code with the given functions in its exception directory.
fn load<R>(functions: Vec<Labels<'_>>, body: impl FnOnce(&Loaded) -> R) -> R {
    let guard = RunGuard::acquire();
    let mut images = Region::new(Purpose::Images, &guard);
    let processor = Processor::attach(&guard).expect("a processor");
    let mut text = vec![0; at(&level_end) as usize];
    dxgk_host::guarded::read(&raw const level_text as u64, &mut text).expect("the code");
    let functions: Vec<Function> = functions.into_iter().map(function).collect();
    let sys = portable::driver(&text, 0, &functions, &["__C_specific_handler"]);
    let handler = c_handler as *const () as u64;
    let image = Image::load(&sys, "test.sys", &mut images, &mut |_, _| Some(handler)).expect("loads");
    body(&Loaded { image, processor })
}

fn plain() -> Vec<u8> {
    portable::info(0, 0, &[], 0)
}

fn patches(level: u32, level_left: u32) -> Patches {
    Patches { shared_data: 0, level, level_left }
}

#[test]
fn reads_and_writes_are_rewritten_and_do_what_the_traps_do() {
    load(vec![(&level_raise, &level_raise_after, frame(0x28))], |loaded| {
        assert_eq!(loaded.image.patches(), patches(5, 0));
        processor::set_irql(1);
        assert_eq!(loaded.call(&level_raise, &[]), 0x01_0201);
        assert_eq!((processor::irql(), loaded.traps()), (1, 0));
        processor::set_irql(0);
    });
    // Without the exception directory's word for it nothing is touched.
    load(Vec::new(), |loaded| {
        assert_eq!(loaded.image.patches(), patches(0, 0));
        processor::set_irql(1);
        assert_eq!(loaded.call(&level_raise, &[]), 0x01_0201);
        assert_eq!((processor::irql(), loaded.traps()), (1, 5));
        processor::set_irql(0);
    });
}

#[test]
fn two_moves_side_by_side_share_a_window() {
    load(vec![(&level_pair, &level_pair_after, plain())], |loaded| {
        assert_eq!(loaded.image.patches(), patches(3, 0));
        assert_eq!((loaded.call(&level_pair, &[]), processor::irql(), loaded.traps()), (14, 0, 0));
    });
}

thread_local! {
    static DELIVERED: Cell<(u32, u64)> = const { Cell::new((0, 0)) };
}

#[test]
fn a_write_that_lowers_delivers_what_waited_and_keeps_flags_and_registers() {
    for functions in [vec![(&level_keeps, &level_keeps_after, plain())], Vec::new()] {
        load(functions, |loaded| {
            set_delivery_hook(|| {
                let (count, _) = DELIVERED.get();
                DELIVERED.set((count + 1, processor::captured().return_address));
            });
            DELIVERED.set((0, 0));
            let before = processor::boundary();
            assert_eq!(loaded.call(&level_keeps, &[]), 0x0101);
            let (count, place) = DELIVERED.get();
            assert_eq!(count, 1, "raising delivers nothing, lowering once");
            // The instruction after the write, whether it was rewritten or not.
            let (_, offset) = Frame::at(place).place().expect("in the image");
            assert_eq!(u64::from(offset), u64::from(portable::TEXT + at(&level_keeps_here)));
            assert!(processor::boundary() > before, "lowering is a boundary");
        });
    }
}

#[test]
fn what_something_jumps_into_is_left_to_the_trap() {
    load(vec![(&level_branch, &level_branch_after, plain())], |loaded| {
        assert_eq!(loaded.image.patches(), patches(0, 1));
        // Three times around, twice past the move.
        assert_eq!((loaded.call(&level_branch, &[]), loaded.traps()), (3, 2));
    });
    load(vec![(&level_table, &level_table_after, plain())], |loaded| {
        assert_eq!(loaded.image.patches(), patches(0, 1));
        assert_eq!((loaded.call(&level_table, &[0]), loaded.traps()), (1, 1));
        assert_eq!((loaded.call(&level_table, &[1]), loaded.traps()), (2, 1));
    });
}

#[test]
fn a_function_that_jumps_where_nobody_knows_is_left_alone() {
    load(vec![(&level_unknown, &level_unknown_after, plain())], |loaded| {
        assert_eq!(loaded.image.patches(), patches(0, 1));
        assert_eq!((loaded.call(&level_unknown, &[]), loaded.traps()), (0, 1));
    });
}

#[test]
fn at_a_function_s_end_the_instruction_before_makes_room_or_nothing_does() {
    load(vec![(&level_last, &level_last_after, plain())], |loaded| {
        assert_eq!(loaded.image.patches(), patches(1, 0));
        processor::set_irql(2);
        assert_eq!((loaded.call(&level_last, &[]), loaded.traps()), (2, 0));
        processor::set_irql(0);
    });
    load(vec![(&level_alone, &level_alone_after, frame(0x28))], |loaded| {
        assert_eq!(loaded.image.patches(), patches(0, 1));
        assert_eq!((loaded.call(&level_alone, &[]), loaded.traps()), (0, 1));
    });
}

#[test]
fn a_leaf_without_unwind_information_is_not_touched() {
    load(vec![(&level_raise, &level_raise_after, frame(0x28))], |loaded| {
        assert_eq!((loaded.call(&level_leaf, &[]), loaded.traps()), (0, 1));
    });
}

#[test]
fn a_neighbour_finds_its_data_from_where_it_was_moved_to() {
    load(vec![(&level_relative, &level_relative_after, plain())], |loaded| {
        assert_eq!(loaded.image.patches(), patches(1, 0));
        let data = loaded.image.base() + u64::from(portable::DATA);
        dxgk_host::guarded::write(data, &0x1234_5678_9ABC_DEF0u64.to_le_bytes()).expect("the driver's data");
        assert_eq!((loaded.call(&level_relative, &[]), loaded.traps()), (0x1234_5678_9ABC_DEF0, 0));
    });
}

#[test]
fn a_fault_of_a_neighbour_is_reported_where_the_driver_has_it() {
    load(vec![(&level_faults, &level_faults_after, frame(0x28))], |loaded| {
        assert_eq!(loaded.image.patches(), patches(1, 0));
        let outcome = call_driver(loaded.address(&level_faults), &[0x10_0000]);
        let CallOutcome::Stopped(StopReason::Exception(report)) = &outcome else { panic!("{outcome}") };
        assert_eq!(report.rip, loaded.address(&level_faults_here));
        // mov rax, [rcx]
        assert_eq!(report.bytes[..3], [0x48, 0x8B, 0x01]);
        assert_eq!(report.stack.frames().next().expect("a frame").address, report.rip);
    });
}

#[test]
fn a_handler_that_goes_on_at_a_moved_instruction_goes_on_there() {
    let scope = Scope {
        begin: at(&level_mends_try),
        end: at(&level_mends_end),
        filter: Some(at(&level_mending)),
        target: at(&level_mends_end),
    };
    let mut info = frame(0x38);
    info[0] |= 1 << 3;
    let info = portable::guarded(info, 0, &[scope]);
    load(vec![(&level_mends, &level_mends_after, info)], |loaded| {
        assert_eq!(loaded.image.patches(), patches(1, 0));
        assert_eq!(loaded.call(&level_mends, &[0x10_0000]), 0x55);
    });
}
