//! Sealing the process before the driver's first instruction.
//!
//! After [`seal`] the process can compute, map and unmap memory without execution, synchronise, and exit: everything else is
//! refused by seccomp. Landlock, resource limits and namespaces take away what a hole in that would lead to. The order is
//! given by what breaks what: limits and landlock before files are read break set-up, namespaces need a single thread.
//! Whoever seals must have opened, mapped and allocated threads before; memory comes from mmap afterwards, because `brk`
//! answers ENOMEM.
#![expect(unsafe_code, reason = "system calls that restrict the process")]

mod filter;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetStatus,
};

/// How one piece of the sealing went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Piece {
    /// In force.
    Enforced,
    /// In force in part: an older kernel knows less of it.
    Partial,
    /// Not available here; why.
    Missing(String),
    /// Not asked for.
    Skipped,
}

/// What holds the sealed process, piece by piece. Seccomp is always in force: without it [`seal`] fails.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sealing {
    /// Own user, network, IPC, UTS and mount namespaces.
    pub namespaces: Piece,
    /// No file can be opened and no TCP port used, whatever seccomp lets through.
    pub landlock: Piece,
    /// No new descriptors, file growth, processes, core dumps; 4 GiB of private memory.
    pub limits: Piece,
}

/// What to seal.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Move to new namespaces first. Possible only while the process has one thread.
    pub namespaces: bool,
    /// Replace the panic hook by one that only notes where a panic of ours happened, for [`crate::StopReason::HostPanic`]. The
    /// standard one opens files when backtraces are wanted, which ends a sealed process. False keeps the caller's own.
    pub quiet_panics: bool,
    /// Where driver code lies: system calls from there are violations whatever their number.
    pub driver_code: (u64, u64),
}

impl Default for Policy {
    fn default() -> Self {
        Self { namespaces: true, quiet_panics: true, driver_code: crate::layout::Purpose::Images.bounds() }
    }
}

/// Sealing failed at what it cannot do without.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SealError {
    /// The kernel refused `no_new_privs` (errno).
    #[error("the kernel refuses no_new_privs: errno {0}")]
    NoNewPrivileges(i32),
    /// The kernel refused the system-call filter (errno).
    #[error("the kernel refuses a seccomp filter: errno {0}")]
    Filter(i32),
}

/// Seals the process, for ever. Every thread of it gets the system-call filter.
pub fn seal(policy: &Policy) -> Result<Sealing, SealError> {
    crate::trap::install();
    warm_up_allocator();
    if policy.quiet_panics {
        std::panic::set_hook(Box::new(crate::thunk::note_panic));
    }
    let namespaces = if policy.namespaces { namespaces() } else { Piece::Skipped };
    let landlock = landlock();
    let limits = limits();
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1).map_err(SealError::NoNewPrivileges)?;
    // Not dumpable: no other process of the user can attach. Failing is no reason to stop.
    let _ = prctl(libc::PR_SET_DUMPABLE, 0);
    // From here on our own faults end the process through the fatal hook: `sigaction` will not be there any more.
    crate::trap::set_sealed();
    filter::install(policy.driver_code).map_err(SealError::Filter)?;
    Ok(Sealing { namespaces, landlock, limits })
}

/// Makes glibc look up once how it may give memory back: on a thread other than the first it reads a file under /proc for that
/// when an arena shrinks for the first time, and remembers the answer.
fn warm_up_allocator() {
    let blocks: Vec<Vec<u8>> = (0..64).map(|_| Vec::with_capacity(64 << 10)).collect();
    drop(std::hint::black_box(blocks));
}

fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

fn prctl(option: i32, value: u64) -> Result<(), i32> {
    // SAFETY: the options used take one integer and no pointers.
    let result = unsafe { libc::prctl(option, value, 0u64, 0u64, 0u64) };
    if result == 0 { Ok(()) } else { Err(errno()) }
}

fn namespaces() -> Piece {
    let flags = libc::CLONE_NEWUSER
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWNS;
    // SAFETY: changes only what the process can see of the system; memory and descriptors stay.
    let result = unsafe { libc::unshare(flags) };
    match result {
        0 => Piece::Enforced,
        _ => Piece::Missing(format!("unshare: {}", std::io::Error::last_os_error())),
    }
}

fn landlock() -> Piece {
    let version = ABI::V5;
    let restricted = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(version))
        .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(version)))
        .and_then(Ruleset::create)
        .and_then(|ruleset| ruleset.restrict_self());
    match restricted.map(|status| status.ruleset) {
        Ok(RulesetStatus::FullyEnforced) => Piece::Enforced,
        Ok(RulesetStatus::PartiallyEnforced) => Piece::Partial,
        Ok(RulesetStatus::NotEnforced) => Piece::Missing("the kernel has no landlock".to_owned()),
        Err(error) => Piece::Missing(error.to_string()),
    }
}

/// Bytes of private writable memory that the sealed process can have.
const MOST_MEMORY: u64 = 4 << 30;

fn limits() -> Piece {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    let resources = [libc::RLIMIT_NOFILE, libc::RLIMIT_FSIZE, libc::RLIMIT_NPROC, libc::RLIMIT_CORE];
    for resource in resources {
        // SAFETY: a valid structure; the limits concern what the sealed process never does.
        let result = unsafe { libc::setrlimit(resource, &raw const none) };
        if result != 0 {
            return Piece::Missing(format!("setrlimit: {}", std::io::Error::last_os_error()));
        }
    }
    // Private memory that a driver can take: enough for any run, too little to hurt the machine much.
    let memory = libc::rlimit { rlim_cur: MOST_MEMORY, rlim_max: MOST_MEMORY };
    // SAFETY: as above.
    let result = unsafe { libc::setrlimit(libc::RLIMIT_DATA, &raw const memory) };
    if result == 0 {
        Piece::Enforced
    } else {
        Piece::Missing(format!("setrlimit: {}", std::io::Error::last_os_error()))
    }
}
