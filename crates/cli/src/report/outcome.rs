//! How a run ended.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The outcome, and with it the exit status.
#[derive(Clone, Copy, PartialEq, Eq, Debug, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// No findings above note.
    Clean,
    /// Findings.
    Findings,
    /// The machine stopped.
    Bugcheck,
    /// The driver did not come back.
    Hang,
    /// Driver code tried to leave the sandbox.
    SandboxViolation,
    /// The driver cannot be loaded.
    LoadFailed,
    /// dxgk failed.
    InternalError,
}

impl Outcome {
    /// In words.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Findings => "findings",
            Self::Bugcheck => "bug check",
            Self::Hang => "hang",
            Self::SandboxViolation => "sandbox violation",
            Self::LoadFailed => "not loaded",
            Self::InternalError => "internal error",
        }
    }

    /// Exit status: 0 clean, 1 findings, 2 cannot be loaded, 3 bug check, hang or violation, 4 our own failure.
    pub(crate) const fn exit_status(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Findings => 1,
            Self::LoadFailed => 2,
            Self::Bugcheck | Self::Hang | Self::SandboxViolation => 3,
            Self::InternalError => 4,
        }
    }
}
