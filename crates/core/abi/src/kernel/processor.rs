//! What the kernel shares with all code: the processor's control region and the user-shared page (ntddk.h).

use crate::word::{Boolean, Pointer};

layout! {
    /// A time that is written in parts: high, low, high again.
    "KSYSTEM_TIME" [12]
    pub struct KsystemTime {
        0 => low_part: u32, "`LowPart`: low 32 bits.";
        4 => high1_time: i32, "`High1Time`: high 32 bits.";
        8 => high2_time: i32, "`High2Time`: high 32 bits again; unlike the first while it is being written.";
    }
}

layout! {
    /// The processor control region, at `gs:0`; the current thread is at `gs:[0x188]`, beyond it.
    "KPCR" [376]
    pub struct Kpcr {
        0 => gdt_base: Pointer, "`GdtBase`.";
        8 => tss_base: Pointer, "`TssBase`.";
        16 => user_rsp: u64, "`UserRsp`.";
        24 => self_pointer: Pointer, "`Self`.";
        32 => current_prcb: Pointer, "`CurrentPrcb`: processor control block.";
        40 => lock_array: Pointer, "`LockArray`.";
        48 => used_self: Pointer, "`Used_Self`.";
        56 => idt_base: Pointer, "`IdtBase`.";
        64 => unused: [u64; 2], "`Unused`.";
        80 => irql: u8, "`Irql`: not the current level on x86-64.";
        81 => second_level_cache_associativity: u8, "`SecondLevelCacheAssociativity`.";
        82 => obsolete_number: u8, "`ObsoleteNumber`.";
        83 => fill0: u8, "`Fill0`.";
        84 => unused0: [u32; 3], "`Unused0`.";
        96 => major_version: u16, "`MajorVersion`.";
        98 => minor_version: u16, "`MinorVersion`.";
        100 => stall_scale_factor: u32, "`StallScaleFactor`.";
        104 => unused1: [Pointer; 3], "`Unused1`.";
        128 => kernel_reserved: [u32; 15], "`KernelReserved`.";
        188 => second_level_cache_size: u32, "`SecondLevelCacheSize`.";
        192 => hal_reserved: [u32; 16], "`HalReserved`.";
        256 => unused2: u32, "`Unused2`.";
        260 => _pad0: [u8; 4], "Padding.";
        264 => kd_version_block: Pointer, "`KdVersionBlock`.";
        272 => unused3: Pointer, "`Unused3`.";
        280 => pcr_align1: [u32; 24], "`PcrAlign1`.";
    }
}

layout! {
    /// The page every process and the kernel can read; the kernel's address is `0xFFFF_F780_0000_0000`.
    "KUSER_SHARED_DATA" [1848]
    pub struct KuserSharedData {
        0 => tick_count_low_deprecated: u32, "`TickCountLowDeprecated`.";
        4 => tick_count_multiplier: u32, "`TickCountMultiplier`: milliseconds a tick, times 2^24.";
        8 => interrupt_time: KsystemTime, "`InterruptTime`: time since the start, 100 ns.";
        20 => system_time: KsystemTime, "`SystemTime`: time since 1601, 100 ns.";
        32 => time_zone_bias: KsystemTime, "`TimeZoneBias`: 100 ns.";
        44 => image_number_low: u16, "`ImageNumberLow`.";
        46 => image_number_high: u16, "`ImageNumberHigh`.";
        48 => nt_system_root: [u16; 260], "`NtSystemRoot`: path of Windows, UTF-16.";
        568 => max_stack_trace_depth: u32, "`MaxStackTraceDepth`.";
        572 => crypto_exponent: u32, "`CryptoExponent`.";
        576 => time_zone_id: u32, "`TimeZoneId`.";
        580 => large_page_minimum: u32, "`LargePageMinimum`.";
        584 => ait_sampling_value: u32, "`AitSamplingValue`.";
        588 => app_compat_flag: u32, "`AppCompatFlag`.";
        592 => rng_seed_version: u64, "`RNGSeedVersion`.";
        600 => global_validation_runlevel: u32, "`GlobalValidationRunlevel`.";
        604 => time_zone_bias_stamp: i32, "`TimeZoneBiasStamp`.";
        608 => nt_build_number: u32, "`NtBuildNumber`: build.";
        612 => nt_product_type: u32, "`NtProductType`.";
        616 => product_type_is_valid: Boolean, "`ProductTypeIsValid`.";
        617 => reserved0: [Boolean; 1], "`Reserved0`: reserved.";
        618 => native_processor_architecture: u16, "`NativeProcessorArchitecture`.";
        620 => nt_major_version: u32, "`NtMajorVersion`: major version.";
        624 => nt_minor_version: u32, "`NtMinorVersion`: minor version.";
        628 => processor_features: [Boolean; 64], "`ProcessorFeatures`: one truth value a feature.";
        692 => reserved1: u32, "`Reserved1`: reserved.";
        696 => reserved3: u32, "`Reserved3`: reserved.";
        700 => time_slip: u32, "`TimeSlip`.";
        704 => alternative_architecture: u32, "`AlternativeArchitecture`.";
        708 => boot_id: u32, "`BootId`.";
        712 => system_expiration_date: i64, "`SystemExpirationDate`.";
        720 => suite_mask: u32, "`SuiteMask`.";
        724 => kd_debugger_enabled: Boolean, "`KdDebuggerEnabled`: whether a debugger is on.";
        725 => mitigation_policies: u8, "`MitigationPolicies`.";
        726 => cycles_per_yield: u16, "`CyclesPerYield`.";
        728 => active_console_id: u32, "`ActiveConsoleId`.";
        732 => dismount_count: u32, "`DismountCount`.";
        736 => com_plus_package: u32, "`ComPlusPackage`.";
        740 => last_system_rit_event_tick_count: u32, "`LastSystemRITEventTickCount`.";
        744 => number_of_physical_pages: u32, "`NumberOfPhysicalPages`: pages.";
        748 => safe_boot_mode: Boolean, "`SafeBootMode`.";
        749 => virtualization_flags: u8, "`VirtualizationFlags`.";
        750 => reserved12: [u8; 2], "`Reserved12`: reserved.";
        752 => shared_data_flags: u32, "`SharedDataFlags`.";
        756 => data_flags_pad: [u32; 1], "`DataFlagsPad`.";
        760 => test_ret_instruction: u64, "`TestRetInstruction`.";
        768 => qpc_frequency: i64, "`QpcFrequency`: counts a second.";
        776 => system_call: u32, "`SystemCall`.";
        780 => reserved2: u32, "`Reserved2`: reserved.";
        784 => system_call_pad: [u64; 2], "`SystemCallPad`.";
        800 => tick_count: KsystemTime, "`TickCount`: clock ticks.";
        812 => tick_count_pad: [u32; 1], "`TickCountPad`.";
        816 => cookie: u32, "`Cookie`: seed of pointer encoding.";
        820 => cookie_pad: [u32; 1], "`CookiePad`.";
        824 => console_session_foreground_process_id: i64, "`ConsoleSessionForegroundProcessId`.";
        832 => time_update_lock: u64, "`TimeUpdateLock`.";
        840 => baseline_system_time_qpc: u64, "`BaselineSystemTimeQpc`.";
        848 => baseline_interrupt_time_qpc: u64, "`BaselineInterruptTimeQpc`.";
        856 => qpc_system_time_increment: u64, "`QpcSystemTimeIncrement`.";
        864 => qpc_interrupt_time_increment: u64, "`QpcInterruptTimeIncrement`.";
        872 => qpc_system_time_increment_shift: u8, "`QpcSystemTimeIncrementShift`.";
        873 => qpc_interrupt_time_increment_shift: u8, "`QpcInterruptTimeIncrementShift`.";
        874 => unparked_processor_count: u16, "`UnparkedProcessorCount`.";
        876 => enclave_feature_mask: [u32; 4], "`EnclaveFeatureMask`.";
        892 => telemetry_coverage_round: u32, "`TelemetryCoverageRound`.";
        896 => user_mode_global_logger: [u16; 16], "`UserModeGlobalLogger`.";
        928 => image_file_execution_options: u32, "`ImageFileExecutionOptions`.";
        932 => lang_generation_count: u32, "`LangGenerationCount`.";
        936 => reserved4: u64, "`Reserved4`: reserved.";
        944 => interrupt_time_bias: u64, "`InterruptTimeBias`.";
        952 => qpc_bias: u64, "`QpcBias`.";
        960 => active_processor_count: u32, "`ActiveProcessorCount`: processors.";
        964 => active_group_count: u8, "`ActiveGroupCount`.";
        965 => reserved9: u8, "`Reserved9`: reserved.";
        966 => qpc_data: u16, "`QpcData`.";
        968 => time_zone_bias_effective_start: i64, "`TimeZoneBiasEffectiveStart`.";
        976 => time_zone_bias_effective_end: i64, "`TimeZoneBiasEffectiveEnd`.";
        984 => _gap0: [u8; 840], "Members and padding that nothing here uses.";
        1824 => feature_configuration_change_stamp: KsystemTime, "`FeatureConfigurationChangeStamp`.";
        1836 => spare: u32, "`Spare`.";
        1840 => user_pointer_auth_mask: u64, "`UserPointerAuthMask`.";
    }
}

/// Where the kernel sees [`KuserSharedData`].
pub const KUSER_SHARED_DATA_ADDRESS: u64 = 0xFFFF_F780_0000_0000;

/// Offset from `gs` of the current thread's pointer.
pub const CURRENT_THREAD_OFFSET: u64 = 0x188;
