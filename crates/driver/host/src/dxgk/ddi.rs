//! Calling a DDI: the slot is looked up, the call recorded, and what stopped the machine told apart.

use std::sync::Arc;

use dxgk_abi::table::Table;
use dxgk_abi::{BugCheck, Irql, NtStatus};
use dxgk_event::{
    BugCheck as BugCheckEvent, DdiCall, Event, EventSink, FailureKind, ListRef, Phase, StopCause,
};
use dxgk_port::{DdiError, DdiResult};

use super::state::{PortState, Registration};
use crate::call::{CallOutcome, call_driver};
use crate::kernel::Kernel;
use crate::layout::HIGHEST_USER_ADDRESS;
use crate::sink::HostSink;
use crate::stop::{Access, ExceptionReport, NOT_EXECUTABLE, READ_ONLY, STACK_OVERFLOW, StopReason};
use crate::unwind::{Registers, StackTrace};

/// Where a DDI stands in the two tables.
#[derive(Clone, Copy, Debug)]
pub(super) struct DdiSlot {
    /// Offset in DRIVER_INITIALIZATION_DATA; its name in the event stream too.
    pub(super) full: usize,
    /// Offset in KMDDOD_INITIALIZATION_DATA.
    pub(super) display_only: Option<usize>,
}

/// A DDI that both tables have.
macro_rules! both {
    ($field:ident) => {
        $crate::dxgk::ddi::DdiSlot {
            full: core::mem::offset_of!(dxgk_abi::init::DriverInitializationData, $field),
            display_only: Some(core::mem::offset_of!(dxgk_abi::init::KmddodInitializationData, $field)),
        }
    };
}
/// A DDI that only full drivers have.
macro_rules! full_only {
    ($field:ident) => {
        $crate::dxgk::ddi::DdiSlot {
            full: core::mem::offset_of!(dxgk_abi::init::DriverInitializationData, $field),
            display_only: None,
        }
    };
}
pub(super) use {both, full_only};

/// How a call of driver code is recorded.
struct Recorded {
    name: u16,
    adapter: u32,
    argument: u64,
    /// What rax says.
    status: fn(u64) -> NtStatus,
}

impl PortState {
    pub(super) fn ddi_address(&self, slot: DdiSlot) -> Option<u64> {
        let address = match self.registration.get()? {
            Registration::Full(table) => table.slot(slot.full)?,
            Registration::DisplayOnly(table) => table.slot(slot.display_only?)?,
        };
        (address != 0).then_some(address)
    }

    /// Calls a DDI that returns a status.
    pub(super) fn call_ddi(
        &self,
        kernel: &Kernel,
        slot: DdiSlot,
        adapter: u32,
        argument: u64,
        arguments: &[u64],
    ) -> DdiResult<NtStatus> {
        let address = self.ddi_address(slot).ok_or(DdiError::Absent)?;
        self.call_recorded(kernel, slot.full as u16, address, adapter, argument, arguments)
    }

    /// Calls a DDI that returns nothing: whatever its rax holds then is no status.
    pub(super) fn call_void_ddi(
        &self,
        kernel: &Kernel,
        slot: DdiSlot,
        adapter: u32,
        arguments: &[u64],
    ) -> DdiResult<()> {
        let address = self.ddi_address(slot).ok_or(DdiError::Absent)?;
        let call = Recorded { name: slot.full as u16, adapter, argument: 0, status: |_| NtStatus::SUCCESS };
        self.call_and_record(kernel, &call, address, arguments).map(|_| ())
    }

    /// Calls driver code that returns a status, recording it under `name`. Success statuses are returned, failures are
    /// errors.
    pub(super) fn call_recorded(
        &self,
        kernel: &Kernel,
        name: u16,
        address: u64,
        adapter: u32,
        argument: u64,
        arguments: &[u64],
    ) -> DdiResult<NtStatus> {
        let call = Recorded { name, adapter, argument, status: |rax| NtStatus(rax as u32) };
        self.call_and_record(kernel, &call, address, arguments)
    }

    /// Lets `wait`, an export that waits, wait on the thread that calls DDIs: the driver's threads, timers and DPCs and the
    /// device go on meanwhile.
    pub(super) fn wait_in(&self, kernel: &Kernel, wait: u64, arguments: &[u64]) -> DdiResult<()> {
        let outcome = call_driver(wait, arguments);
        self.devices.advance();
        self.deliver();
        match outcome {
            CallOutcome::Returned(_) => Ok(()),
            CallOutcome::Stopped(reason) => {
                record_stop(&self.sink, &reason, kernel.driver_asked_to_stop());
                Err(DdiError::Stopped)
            }
        }
    }

    fn call_and_record(
        &self,
        kernel: &Kernel,
        call: &Recorded,
        address: u64,
        arguments: &[u64],
    ) -> DdiResult<NtStatus> {
        let record = |phase, status: NtStatus| {
            let Recorded { name, adapter, argument, .. } = *call;
            let ddi =
                DdiCall { ddi: name, phase, reserved: 0, status: status.0, adapter, reserved2: 0, argument };
            self.sink.emit(&Event::Ddi(ddi));
        };
        record(Phase::Entered, NtStatus::SUCCESS);
        let outcome = call_driver(address, arguments);
        self.devices.advance();
        self.deliver();
        match outcome {
            CallOutcome::Returned(rax) => {
                let status = (call.status)(rax);
                record(Phase::Returned, status);
                if status.is_success() { Ok(status) } else { Err(DdiError::Failed(status)) }
            }
            CallOutcome::Stopped(reason) => {
                record_stop(&self.sink, &reason, kernel.driver_asked_to_stop());
                Err(DdiError::Stopped)
            }
        }
    }
}

/// Records why the run ended.
fn record_stop(sink: &Arc<HostSink>, reason: &StopReason, driver_asked: bool) {
    match reason {
        StopReason::BugCheck { code, parameters, stack } => {
            let cause = if driver_asked { StopCause::DriverAsked } else { StopCause::Port };
            stopped(sink, *code, *parameters, cause, 0, None, stack);
        }
        StopReason::Exception(report) => exception(sink, report),
        StopReason::SystemCall { number, rip, stack } => {
            let parameters = [*number as u64, *rip, 0, 0];
            stopped(sink, BugCheck(0), parameters, StopCause::Sandbox, *rip, None, stack);
        }
        StopReason::WaitsForEver { stack } => {
            let text = format!(
                "every thread of the driver waits for something that nothing can bring about ({stack})"
            );
            sink.fail(FailureKind::Hang, &text);
        }
        StopReason::Watchdog { stack } => {
            let mut frames = stack.frames().map(|frame| frame.address);
            let rip = frames.next().unwrap_or_default();
            sink.fail(
                FailureKind::Hang,
                &format!("the driver did not come back in time; it was at {stack} ({rip:#x})"),
            );
        }
        StopReason::HostPanic { message, stack } => {
            sink.fail(FailureKind::Internal, &format!("dxgk panicked: {message} (while serving {stack})"));
        }
        StopReason::NoProcessor => sink.fail(FailureKind::Internal, "the calling thread is no processor"),
    }
}

/// Parameter 1 of UNEXPECTED_KERNEL_MODE_TRAP when a kernel stack overflows (page "Bug Check 0x7F").
const DOUBLE_FAULT: u64 = 8;

/// Parameter 2 of PAGE_FAULT_IN_NONPAGED_AREA on x64 (page "Bug Check 0x50").
fn fault_access(access: Access) -> u64 {
    match access {
        Access::None | Access::Read => 0,
        Access::Write => 2,
        Access::Execute => 0x10,
    }
}

/// Parameter 3 of DRIVER_IRQL_NOT_LESS_OR_EQUAL (page "Bug Check 0xD1").
fn raised_access(access: Access) -> u64 {
    match access {
        Access::None | Access::Read => 0,
        Access::Write => 1,
        Access::Execute => 8,
    }
}

/// The bug check that Windows ends in when an exception in a driver meets no handler. A fault at a user address (a null
/// pointer, most often) is an exception like others; one at a kernel address, or at a raised level, is dispatched to nobody.
fn exception(sink: &Arc<HostSink>, report: &ExceptionReport) {
    let code = u64::from(report.code.0);
    let write = u64::from(report.access == Access::Write);
    // Dxgkrnl calls the driver in system threads. Parameters 3 and 4 are the addresses of a record and a context in
    // Windows, and here what the record would hold (our choice).
    let unhandled = (
        BugCheck::SYSTEM_THREAD_EXCEPTION_NOT_HANDLED,
        [code, report.rip, report.address, write],
        StopCause::Exception,
    );
    let (bug_check, parameters, cause) = match report.code {
        NtStatus::STACK_BUFFER_OVERRUN => {
            (BugCheck::KERNEL_SECURITY_CHECK_FAILURE, [report.address, report.rip, 0, 0], StopCause::FastFail)
        }
        NtStatus::ACCESS_VIOLATION if report.note == STACK_OVERFLOW => (
            BugCheck::UNEXPECTED_KERNEL_MODE_TRAP,
            [DOUBLE_FAULT, report.address, report.rip, 0],
            StopCause::Exception,
        ),
        NtStatus::ACCESS_VIOLATION if report.note == NOT_EXECUTABLE => (
            BugCheck::ATTEMPTED_EXECUTE_OF_NOEXECUTE_MEMORY,
            [report.address, 0, report.rip, 0],
            StopCause::Exception,
        ),
        NtStatus::ACCESS_VIOLATION if report.note == READ_ONLY => (
            BugCheck::ATTEMPTED_WRITE_TO_READONLY_MEMORY,
            [report.address, 0, report.rip, 0],
            StopCause::Exception,
        ),
        // An address that no processor can reach is no page fault, at whatever level.
        NtStatus::ACCESS_VIOLATION if report.address == u64::MAX => unhandled,
        NtStatus::ACCESS_VIOLATION if report.irql >= Irql::DISPATCH_LEVEL.0 => (
            BugCheck::DRIVER_IRQL_NOT_LESS_OR_EQUAL,
            [report.address, report.irql.into(), raised_access(report.access), report.rip],
            StopCause::Exception,
        ),
        NtStatus::ACCESS_VIOLATION if report.address > HIGHEST_USER_ADDRESS => (
            BugCheck::PAGE_FAULT_IN_NONPAGED_AREA,
            [report.address, fault_access(report.access), report.rip, 0],
            StopCause::Exception,
        ),
        _ => unhandled,
    };
    stopped(sink, bug_check, parameters, cause, report.address, Some(&report.registers), &report.stack);
}

fn stopped(
    sink: &Arc<HostSink>,
    code: BugCheck,
    parameters: [u64; 4],
    cause: StopCause,
    address: u64,
    registers: Option<&Registers>,
    stack: &StackTrace,
) {
    let list = registers.map_or_else(ListRef::default, |registers| {
        sink.list(&mut registers.gpr.iter().copied().chain([registers.rip, registers.rflags]))
    });
    let event = BugCheckEvent { parameters, registers: list, address, code: code.0, cause, reserved: [0; 3] };
    let mut frames = stack.frames().map(|frame| frame.address);
    let rip = frames.next().unwrap_or_default();
    sink.emit_at(&Event::BugCheck(event), rip, &mut frames);
}
