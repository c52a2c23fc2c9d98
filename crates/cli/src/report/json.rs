//! The report as JSON. Addresses and codes are hexadecimal strings; counts and sizes are numbers.

use std::collections::BTreeMap;
use std::path::PathBuf;

use dxgk_abi::{BugCheck as BugCheckCode, InterfaceVersion, NtStatus};
use dxgk_event::{FailureKind, ModeChoice, ModeReason, StopCause, Who};
use dxgk_verify::{Finding, Severity};
use schemars::JsonSchema;
use serde::Serialize;
use sha2::Digest;

use super::outcome::Outcome;
use super::places::Places;
use crate::run::config::RunConfig;
use crate::run::cost::CostLine;
use crate::run::session::{Session, StopSeen, callback_name};
use crate::symbols::{At, Symbols};

/// Version of this structure.
const SCHEMA: u32 = 1;

/// The report.
#[derive(JsonSchema, Serialize, Debug)]
pub(crate) struct Report {
    schema: u32,
    pub(crate) driver: Driver,
    pub(crate) machine: Machine,
    pub(crate) outcome: Outcome,
    pub(crate) failure: Option<String>,
    /// Null for a driver and an adapter that started, and for one that was stopped before that.
    pub(crate) not_started: Option<StartReport>,
    pub(crate) bugcheck: Option<BugCheck>,
    pub(crate) scenario: ScenarioReport,
    pub(crate) life: Vec<Life>,
    pub(crate) callbacks: BTreeMap<&'static str, Calls>,
    pub(crate) dma: Dma,
    pub(crate) events: Events,
    /// Null when the run did not come to its end.
    pub(crate) tally: Option<TallyReport>,
    pub(crate) findings: Vec<FindingReport>,
    pub(crate) log: Vec<String>,
    /// What is to be said of the symbols, such as that they are of another build.
    pub(crate) symbols: Vec<String>,
    /// For the terminal only.
    #[serde(skip)]
    #[schemars(skip)]
    pub(crate) cost: Vec<CostLine>,
}

#[derive(JsonSchema, Serialize, Debug)]
pub(crate) struct Driver {
    pub(crate) path: String,
    pub(crate) sha256: Option<String>,
    pub(crate) imports: Vec<String>,
    pub(crate) missing_imports: Vec<String>,
    pub(crate) interface_version: String,
    pub(crate) kind: &'static str,
}

#[derive(JsonSchema, Serialize, Debug)]
pub(crate) struct Machine {
    pub(crate) iommu_mode: &'static str,
    pub(crate) iommu_mode_reason: String,
    pub(crate) iommu_unit: &'static str,
    pub(crate) hardware: &'static str,
    /// As `--device` names it: `edu`, `none`, or a description's file.
    pub(crate) device: String,
    /// Physical adapters of each logical one.
    pub(crate) adapters: u32,
    pub(crate) logical_adapters: u32,
    pub(crate) ram: String,
    pub(crate) seed: u64,
    pub(crate) wddm: String,
}

#[derive(JsonSchema, Serialize, Debug)]
pub(crate) struct BugCheck {
    pub(crate) code: String,
    pub(crate) name: String,
    pub(crate) parameters: Vec<String>,
    pub(crate) cause: &'static str,
    #[serde(rename = "where")]
    pub(crate) place: Location,
    pub(crate) address: String,
    pub(crate) registers: BTreeMap<&'static str, String>,
}

/// What was played.
#[derive(JsonSchema, Serialize, Debug)]
pub(crate) struct ScenarioReport {
    /// `default`, or the file.
    pub(crate) name: String,
    /// Those that began.
    pub(crate) steps: Vec<StepReport>,
    /// Expectations that were not met, in words.
    pub(crate) unmet: Vec<String>,
}

#[derive(JsonSchema, Serialize, Debug)]
pub(crate) struct StepReport {
    #[serde(rename = "do")]
    pub(crate) verb: String,
    /// Null when it did not end.
    pub(crate) status: Option<String>,
}

/// Where a start ended: `findings` may be empty, and the outcome is `findings` all the same.
#[derive(JsonSchema, Serialize, Debug)]
pub(crate) struct StartReport {
    /// The call that the driver refused; null when Dxgkrnl refused the driver.
    pub(crate) ddi: Option<&'static str>,
    /// What the driver returned.
    pub(crate) status: Option<String>,
    pub(crate) why: String,
}

#[derive(JsonSchema, Serialize, Debug)]
pub(crate) struct Life {
    pub(crate) ddi: &'static str,
    pub(crate) argument: String,
    /// Null when the call did not return.
    pub(crate) status: Option<String>,
    pub(crate) count: u64,
}

#[derive(JsonSchema, Serialize, Debug)]
pub(crate) struct Calls {
    pub(crate) calls: u64,
    pub(crate) failed: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) not_supported: bool,
}

/// The stream that everything was decided from.
#[derive(JsonSchema, Serialize, Debug)]
pub(crate) struct Events {
    pub(crate) count: u64,
    /// Of the records' bytes: on the model the same in every run with the same driver, options and seed. Null with
    /// `--in-process`, where the sample lies at random addresses.
    pub(crate) sha256: Option<String>,
}

/// How the driver's code was helped along: sites rewritten at load, and traps of the run by kind.
#[derive(JsonSchema, Serialize, Debug)]
pub(crate) struct TallyReport {
    /// The virtual clock at the end.
    pub(crate) boundaries: u64,
    pub(crate) shared_data_rewritten: u64,
    pub(crate) shared_data_traps: u64,
    pub(crate) register_traps: u64,
    pub(crate) privileged_traps: u64,
    /// Moves from and to cr8 in the driver's code.
    pub(crate) level_rewritten: u32,
    /// Those that were found at load and left to the trap.
    pub(crate) level_not_rewritten: u32,
    pub(crate) level_traps: u64,
    pub(crate) guard_traps: u64,
    pub(crate) exceptions: u64,
    pub(crate) exceptions_handled: u64,
}

#[derive(JsonSchema, Serialize, Debug)]
pub(crate) struct Dma {
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    pub(crate) bytes: u64,
    pub(crate) faults: u64,
}

#[derive(JsonSchema, Serialize, Debug)]
pub(crate) struct FindingReport {
    pub(crate) rule: &'static str,
    pub(crate) severity: &'static str,
    pub(crate) culprit: &'static str,
    pub(crate) message: String,
    #[serde(rename = "where")]
    pub(crate) place: Location,
    pub(crate) object: Option<ObjectReport>,
    pub(crate) history: Vec<History>,
    pub(crate) documentation: Vec<&'static str>,
    pub(crate) windows: &'static str,
    pub(crate) fix: String,
    pub(crate) count: u64,
}

/// `offset` is the address as it was seen: where a call returns to, or the instruction that trapped. `function`, `file` and
/// `line` are of the call or instruction itself, and null without symbols.
#[derive(JsonSchema, Serialize, Debug)]
pub(crate) struct Location {
    pub(crate) module: Option<String>,
    pub(crate) offset: String,
    pub(crate) function: Option<String>,
    pub(crate) file: Option<String>,
    pub(crate) line: Option<u32>,
    /// The functions at the address, innermost first, when some are inlined into others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) inlined: Vec<String>,
    /// Those of them that are the driver's own and called `function`.
    #[serde(skip)]
    pub(crate) callers: Vec<String>,
    pub(crate) stack: Vec<String>,
}

#[derive(JsonSchema, Serialize, Debug)]
pub(crate) struct ObjectReport {
    pub(crate) kind: &'static str,
    pub(crate) handle: String,
    pub(crate) size: u64,
}

#[derive(JsonSchema, Serialize, Debug)]
pub(crate) struct History {
    pub(crate) what: String,
    pub(crate) at: u64,
    #[serde(rename = "where")]
    pub(crate) place: String,
}

impl Report {
    /// Puts together what is known.
    pub(crate) fn new(
        config: &RunConfig,
        sha256: Option<String>,
        outcome: Outcome,
        session: &Session,
        symbols: &Symbols,
    ) -> Self {
        let places = Places { modules: session.verifier.modules(), symbols, sites: &session.sites };
        let mut findings: Vec<&Finding> = session.verifier.findings().iter().collect();
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        Self {
            schema: SCHEMA,
            driver: driver(config, sha256, session),
            machine: machine(config, session),
            outcome,
            failure: session.told_failure(),
            not_started: session.not_started().map(|start| StartReport {
                ddi: start.ddi,
                status: start.status.map(|status| format!("0x{:08X}", status.0)),
                why: start.why,
            }),
            bugcheck: session.machine_stop().map(|stop| bug_check(stop, &places)),
            scenario: scenario(config, session),
            life: session
                .life
                .iter()
                .map(|entry| Life {
                    ddi: entry.ddi,
                    argument: hex(entry.argument),
                    status: entry.status.map(|status| format!("0x{:08X}", status.0)),
                    count: entry.count,
                })
                .collect(),
            callbacks: session
                .callbacks
                .iter()
                .map(|(slot, count)| {
                    let calls = Calls {
                        calls: count.calls,
                        failed: count.failed,
                        not_supported: count.unimplemented,
                    };
                    (callback_name(*slot), calls)
                })
                .collect(),
            dma: Dma {
                reads: session.dma.reads,
                writes: session.dma.writes,
                bytes: session.dma.bytes,
                faults: session.dma.faults,
            },
            events: Events {
                count: session.events,
                sha256: session
                    .bytes
                    .clone()
                    .map(|bytes| bytes.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
            },
            tally: session.tally.map(|tally| TallyReport {
                boundaries: tally.boundaries,
                shared_data_rewritten: tally.patched,
                shared_data_traps: tally.shared_data,
                register_traps: tally.registers,
                privileged_traps: tally.privileged,
                level_rewritten: tally.level_patched,
                level_not_rewritten: tally.level_left,
                level_traps: tally.level,
                guard_traps: tally.guards,
                exceptions: tally.exceptions,
                exceptions_handled: tally.handled,
            }),
            findings: findings.into_iter().map(|finding| finding_report(finding, &places)).collect(),
            log: session.log.clone(),
            // Last: the addresses above are what makes the symbols be read.
            symbols: symbols.notes(),
            cost: Vec::new(),
        }
    }
}

fn driver(config: &RunConfig, sha256: Option<String>, session: &Session) -> Driver {
    let seen = &session.driver;
    Driver {
        path: config
            .driver
            .clone()
            .unwrap_or_else(|| PathBuf::from("(built-in sample)"))
            .display()
            .to_string(),
        sha256,
        imports: seen.imports.clone(),
        missing_imports: seen.missing.clone(),
        interface_version: hex(seen.interface_version.into()),
        kind: if seen.display_only { "display-only" } else { "full" },
    }
}

fn scenario(config: &RunConfig, session: &Session) -> ScenarioReport {
    let status = |status: NtStatus| format!("0x{:08X}", status.0);
    let steps = session
        .steps
        .iter()
        .map(|step| StepReport { verb: step.verb.clone(), status: step.status.map(status) });
    // What the child could not do, and what was not found of what was expected.
    let unmet = match &session.failure {
        Some((FailureKind::Scenario, text)) if session.unmet.is_empty() => vec![text.clone()],
        _ => session.unmet.clone(),
    };
    ScenarioReport { name: config.scenario.name.clone(), steps: steps.collect(), unmet }
}

fn machine(config: &RunConfig, session: &Session) -> Machine {
    Machine {
        iommu_mode: session.mode.map_or("none", |mode| mode_name(mode.mode)),
        iommu_mode_reason: session.mode.map_or_else(
            || "the run ended before a mode was chosen".to_owned(),
            |mode| {
                let refused = if mode.refused != 0 { "start refused: " } else { "" };
                format!("{refused}{}", reason_text(mode.reason))
            },
        ),
        iommu_unit: config.iommu_unit.name(),
        hardware: "model",
        device: config.device.name(),
        adapters: config.adapters,
        logical_adapters: config.logical_adapters,
        ram: config.ram.clone(),
        seed: config.seed,
        wddm: InterfaceVersion(config.wddm).number().map_or_else(|| hex(config.wddm.into()), str::to_owned),
    }
}

/// The mode's name as `--iommu` spells it.
pub(crate) fn mode_name(mode: ModeChoice) -> &'static str {
    match mode {
        ModeChoice::Passthrough => "off",
        ModeChoice::Isolation => "isolation",
        ModeChoice::Remapping => "remapping",
    }
}

fn reason_text(reason: ModeReason) -> &'static str {
    match reason {
        ModeReason::Asked => "asked for",
        ModeReason::StrongestClaimed => "the strongest that the driver claims",
        ModeReason::NeededByAddressLimit => "the device cannot see all of RAM",
        ModeReason::DriverClaimsNothing => "the driver claims no support for the IOMMU",
        ModeReason::SwitchedOff => "IOMMUFlags leaves the IOMMU off",
        ModeReason::Forced => {
            "forced: the driver does not claim it (in Windows only IOMMUFlags can do that, for isolation)"
        }
        ModeReason::RequiredByDriver => "the driver requires isolation, which did not come about",
        ModeReason::InterfaceTooOld => "the interface offered is older than the mode that the driver claims",
        ModeReason::FlagsIncomplete => "IOMMUFlags does not enable, map and attach",
        ModeReason::NoUnit => "the machine has no IOMMU",
        ModeReason::CapsDisagree => {
            "DRIVERCAPS contradicts IOMMU_CAPS, or remapping is claimed without MapAperture2"
        }
        ModeReason::LimitNotMet => "the device cannot see all of RAM, and remapping cannot come about",
        ModeReason::AttachFailed => "the domain could not be made, filled or attached",
        ModeReason::SecureVm => "a secure virtual machine was created",
        ModeReason::OptedOut => "the registry opts the device out of DMA remapping (DmaRemappingCompatible)",
        ModeReason::SaveAreaRefused => "the driver reports a save area that cannot be had",
        ModeReason::ReservedRangeRefused => "the driver reports a reserved range that cannot be right",
    }
}

fn bug_check(seen: &StopSeen, places: &Places<'_>) -> BugCheck {
    const NAMES: [&str; 18] = [
        "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
        "r14", "r15", "rip", "eflags",
    ];
    let code = BugCheckCode(seen.stop.code);
    BugCheck {
        code: format!("0x{:X}", code.0),
        name: code.name().unwrap_or("unknown").to_owned(),
        parameters: seen.stop.parameters.iter().map(|parameter| hex(*parameter)).collect(),
        cause: match seen.stop.cause {
            StopCause::DriverAsked => "driver-asked",
            StopCause::Port => "port",
            StopCause::Exception => "exception",
            StopCause::FastFail => "fast-fail",
            StopCause::Sandbox => "sandbox",
            StopCause::Host => "host",
        },
        place: places.location(seen.rip, At::of_stop(seen.stop.cause), &seen.stack),
        address: hex(seen.stop.address),
        registers: NAMES.iter().copied().zip(seen.registers.iter().map(|word| hex(*word))).collect(),
    }
}

fn finding_report(finding: &Finding, places: &Places<'_>) -> FindingReport {
    let at = places.at(finding.place.rip, &finding.history);
    FindingReport {
        rule: finding.rule.id,
        severity: match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        },
        culprit: match finding.culprit {
            Who::Driver => "driver",
            Who::Device => "device",
            Who::Port => "port",
        },
        message: finding.message.clone(),
        place: places.location(finding.place.rip, at, &finding.place.stack),
        object: finding.object.as_ref().map(|object| ObjectReport {
            kind: object.kind,
            handle: hex(object.handle),
            size: object.bytes,
        }),
        history: finding
            .history
            .iter()
            .map(|entry| History { what: entry.what.clone(), at: entry.boundary, place: places.step(entry) })
            .collect(),
        documentation: finding.rule.documentation.to_vec(),
        windows: finding.rule.windows,
        fix: finding.fix.clone(),
        count: finding.count,
    }
}

fn hex(value: u64) -> String {
    format!("{value:#x}")
}
