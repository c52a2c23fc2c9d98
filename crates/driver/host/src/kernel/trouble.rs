//! How a kernel routine fails when it does not return.

use dxgk_abi::{BugCheck, NtStatus};

/// What keeps an export from returning to the driver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trouble {
    /// The routine touched a pointer of the driver that leads nowhere: an access violation inside the kernel.
    Fault {
        /// The address.
        address: u64,
        /// Whether it was written.
        write: bool,
    },
    /// Windows stops here.
    BugCheck {
        /// With this code.
        code: BugCheck,
        /// And these parameters.
        parameters: [u64; 4],
    },
    /// Memory was freed, unmapped or unlocked wrongly: Windows stops here or is damaged, but going on is defined, because
    /// the routine has undone what could be undone.
    Misuse {
        /// The code with which Windows stops, as far as it does.
        code: BugCheck,
        /// And its parameters.
        parameters: [u64; 4],
    },
    /// The routine raises an exception with this status.
    Raise(NtStatus),
}

/// What an export comes to.
pub(crate) type Outcome<T> = Result<T, Trouble>;

/// A misuse that Windows meets with `code`.
pub(crate) fn misuse<T>(code: BugCheck, parameters: [u64; 4]) -> Outcome<T> {
    Err(Trouble::Misuse { code, parameters })
}

/// A stop with `code`.
pub(crate) fn bug_check<T>(code: BugCheck, parameters: [u64; 4]) -> Outcome<T> {
    Err(Trouble::BugCheck { code, parameters })
}
