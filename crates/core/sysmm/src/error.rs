//! Errors, by who must react.

use core::fmt;

use dxgk_abi::bugcheck::SysMmFatalError;
use dxgk_abi::{BugCheck, NtStatus};

/// Why a callback did not do what it was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallError {
    /// The driver is told, with this status. Nothing was changed.
    Status(NtStatus),
    /// Windows stops the machine here. What state is left depends on
    /// [`Strictness`](crate::policy::Strictness).
    BugCheck {
        /// The code.
        code: BugCheck,
        /// Its four parameters.
        parameters: [u64; 4],
    },
}

impl CallError {
    /// The status that the driver sees if the machine goes on: a bug check in a run that records it and continues
    /// becomes STATUS_INVALID_PARAMETER (our choice; the verbs concerned return nothing in Windows).
    #[must_use]
    pub fn status(&self) -> NtStatus {
        match *self {
            Self::Status(status) => status,
            Self::BugCheck { .. } => NtStatus::INVALID_PARAMETER,
        }
    }

    pub(crate) fn fatal(reason: SysMmFatalError) -> Self {
        Self::BugCheck { code: BugCheck::VIDEO_DXGKRNL_SYSMM_FATAL_ERROR, parameters: [reason.0, 0, 0, 0] }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::BugCheck { code, parameters } => write!(f, "bug check {code}, parameters {parameters:#x?}"),
        }
    }
}

impl core::error::Error for CallError {}

impl From<NtStatus> for CallError {
    fn from(status: NtStatus) -> Self {
        Self::Status(status)
    }
}
