//! Exceptions, processor contexts and unwinding on x86-64 (winnt.h).

use crate::status::NtStatus;
use crate::word::Pointer;

layout! {
    /// An exception.
    "EXCEPTION_RECORD" [152]
    pub struct ExceptionRecord {
        0 => exception_code: NtStatus, "`ExceptionCode`: which exception.";
        4 => exception_flags: u32, "`ExceptionFlags`: bit 0: cannot be continued.";
        8 => exception_record: Pointer, "`ExceptionRecord`: the exception during which this one came.";
        16 => exception_address: Pointer, "`ExceptionAddress`: where.";
        24 => number_parameters: u32, "`NumberParameters`: entries of `exception_information` in use.";
        28 => _pad0: [u8; 4], "Padding.";
        32 => exception_information: [u64; 15], "`ExceptionInformation`: depends on the code: for an access violation, read 0, write 1 or execute 8, and the address.";
    }
}

layout! {
    /// An exception and where it came.
    "EXCEPTION_POINTERS" [16]
    pub struct ExceptionPointers {
        0 => exception_record: Pointer, "`ExceptionRecord`.";
        8 => context_record: Pointer, "`ContextRecord`: the registers.";
    }
}

layout! {
    /// The floating-point and SSE state within a context, in `FXSAVE` format.
    "CONTEXT.FltSave" [512]
    pub struct XmmSaveArea {
        0 => control_word: u16, "`ControlWord`.";
        2 => status_word: u16, "`StatusWord`.";
        4 => tag_word: u8, "`TagWord`.";
        5 => reserved1: u8, "`Reserved1`.";
        6 => error_opcode: u16, "`ErrorOpcode`.";
        8 => error_offset: u32, "`ErrorOffset`.";
        12 => error_selector: u16, "`ErrorSelector`.";
        14 => reserved2: u16, "`Reserved2`.";
        16 => data_offset: u32, "`DataOffset`.";
        20 => data_selector: u16, "`DataSelector`.";
        22 => reserved3: u16, "`Reserved3`.";
        24 => mx_csr: u32, "`MxCsr`.";
        28 => mx_csr_mask: u32, "`MxCsr_Mask`.";
        32 => float_registers: [[u64; 2]; 8], "`FloatRegisters`.";
        160 => xmm_registers: [[u64; 2]; 16], "`XmmRegisters`.";
        416 => reserved4: [u8; 96], "`Reserved4`.";
    }
}

layout! {
    /// A processor's registers; Windows aligns it to 16 bytes.
    "CONTEXT" [1232]
    pub struct Context {
        0 => p1_home: u64, "`P1Home`.";
        8 => p2_home: u64, "`P2Home`.";
        16 => p3_home: u64, "`P3Home`.";
        24 => p4_home: u64, "`P4Home`.";
        32 => p5_home: u64, "`P5Home`.";
        40 => p6_home: u64, "`P6Home`.";
        48 => context_flags: u32, "`ContextFlags`: which parts hold.";
        52 => mx_csr: u32, "`MxCsr`: SSE control and status.";
        56 => seg_cs: u16, "`SegCs`.";
        58 => seg_ds: u16, "`SegDs`.";
        60 => seg_es: u16, "`SegEs`.";
        62 => seg_fs: u16, "`SegFs`.";
        64 => seg_gs: u16, "`SegGs`.";
        66 => seg_ss: u16, "`SegSs`.";
        68 => e_flags: u32, "`EFlags`: flags.";
        72 => dr0: u64, "`Dr0`.";
        80 => dr1: u64, "`Dr1`.";
        88 => dr2: u64, "`Dr2`.";
        96 => dr3: u64, "`Dr3`.";
        104 => dr6: u64, "`Dr6`.";
        112 => dr7: u64, "`Dr7`.";
        120 => rax: u64, "`Rax`.";
        128 => rcx: u64, "`Rcx`.";
        136 => rdx: u64, "`Rdx`.";
        144 => rbx: u64, "`Rbx`.";
        152 => rsp: u64, "`Rsp`: stack pointer.";
        160 => rbp: u64, "`Rbp`.";
        168 => rsi: u64, "`Rsi`.";
        176 => rdi: u64, "`Rdi`.";
        184 => r8: u64, "`R8`.";
        192 => r9: u64, "`R9`.";
        200 => r10: u64, "`R10`.";
        208 => r11: u64, "`R11`.";
        216 => r12: u64, "`R12`.";
        224 => r13: u64, "`R13`.";
        232 => r14: u64, "`R14`.";
        240 => r15: u64, "`R15`.";
        248 => rip: u64, "`Rip`: instruction pointer.";
        256 => flt_save: XmmSaveArea, "`FltSave`.";
        768 => vector_register: [[u64; 2]; 26], "`VectorRegister`.";
        1184 => vector_control: u64, "`VectorControl`.";
        1192 => debug_control: u64, "`DebugControl`.";
        1200 => last_branch_to_rip: u64, "`LastBranchToRip`.";
        1208 => last_branch_from_rip: u64, "`LastBranchFromRip`.";
        1216 => last_exception_to_rip: u64, "`LastExceptionToRip`.";
        1224 => last_exception_from_rip: u64, "`LastExceptionFromRip`.";
    }
}

layout! {
    /// What a language handler is told.
    "DISPATCHER_CONTEXT" [80]
    pub struct DispatcherContext {
        0 => control_pc: u64, "`ControlPc`: address within the function.";
        8 => image_base: u64, "`ImageBase`: where the image is loaded.";
        16 => function_entry: Pointer, "`FunctionEntry`: its [`RuntimeFunction`].";
        24 => establisher_frame: u64, "`EstablisherFrame`: its frame.";
        32 => target_ip: u64, "`TargetIp`: where an unwind goes on.";
        40 => context_record: Pointer, "`ContextRecord`: the registers.";
        48 => language_handler: Pointer, "`LanguageHandler`: the handler.";
        56 => handler_data: Pointer, "`HandlerData`: the handler's data.";
        64 => history_table: Pointer, "`HistoryTable`: search cache.";
        72 => scope_index: u32, "`ScopeIndex`: scope to begin with.";
        76 => fill0: u32, "`Fill0`.";
    }
}

layout! {
    /// One function of an image's exception directory.
    "RUNTIME_FUNCTION" [12]
    pub struct RuntimeFunction {
        0 => begin_address: u32, "`BeginAddress`: offset in the image.";
        4 => end_address: u32, "`EndAddress`: offset in the image.";
        8 => unwind_info_address: u32, "`UnwindInfoAddress`: offset in the image; also `UnwindData`.";
    }
}
