//! Starting a process whose addresses are the same each time.
//!
//! What a driver sees lies at addresses of our own choice ([`crate::layout`]), but our code and that of a linked driver lie where
//! the kernel puts them, at random. Their addresses get into events (where a linked driver called from) and into registers, and
//! two runs of the same seed are to give the same bytes.
#![expect(unsafe_code, reason = "a system call that has no safe wrapper")]

/// `ADDR_NO_RANDOMIZE` (personality(2)).
const NO_RANDOM_ADDRESSES: libc::c_ulong = 0x004_0000;
/// Asks for the personality without changing it.
const ASK: libc::c_ulong = 0xFFFF_FFFF;

/// Calls `start`; processes that the calling thread starts meanwhile are not given random addresses. Where the system refuses
/// that (containers may), they are.
pub fn at_fixed_addresses<R>(start: impl FnOnce() -> R) -> R {
    let before = personality(ASK);
    if before >= 0 {
        personality(before as libc::c_ulong | NO_RANDOM_ADDRESSES);
    }
    let result = start();
    if before >= 0 {
        personality(before as libc::c_ulong);
    }
    result
}

fn personality(new: libc::c_ulong) -> i32 {
    // SAFETY: changes how programs are laid out that this thread executes later, nothing of this one.
    unsafe { libc::personality(new) }
}
