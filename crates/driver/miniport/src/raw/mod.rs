//! The one room of this crate where unsafe code is allowed: calls through the port driver's table and into the
//! kernel, volatile access to registers and shared memory, and the functions that the kernel calls.
//!
//! Everything that leaves this module is safe to use. What makes it so: a [`table::Callbacks`] is only ever made of
//! the table that the port driver handed to `DxgkDdiStartDevice`; memory is only ever made by the call that maps it;
//! and pointers that the kernel hands in are turned into borrows that end with the call.

#![expect(
    unsafe_code,
    reason = "calls through kernel tables and exports kernel entry points; see the module head"
)]

/// The type of a function across the driver boundary.
#[cfg(target_arch = "x86_64")]
macro_rules! abi_fn {
    (fn($($ty:ty),* $(,)?) $(-> $return:ty)?) => { unsafe extern "win64" fn($($ty),*) $(-> $return)? };
}
#[cfg(not(target_arch = "x86_64"))]
macro_rules! abi_fn {
    (fn($($ty:ty),* $(,)?) $(-> $return:ty)?) => { unsafe extern "C" fn($($ty),*) $(-> $return)? };
}

/// Defines functions that the kernel calls. A panic cannot leave one: it stops the process, or the machine.
#[cfg(target_arch = "x86_64")]
macro_rules! abi_entries {
    ($($(#[$meta:meta])* $vis:vis fn $name:ident $([$generic:ident: $bound:path])? (
        $($argument:ident: $ty:ty),* $(,)?
    ) $(-> $return:ty)? $body:block)*) => {
        $($(#[$meta])* $vis unsafe extern "win64" fn $name $(<$generic: $bound>)? ($($argument: $ty),*)
            $(-> $return)? $body)*
    };
}
#[cfg(not(target_arch = "x86_64"))]
macro_rules! abi_entries {
    ($($(#[$meta:meta])* $vis:vis fn $name:ident $([$generic:ident: $bound:path])? (
        $($argument:ident: $ty:ty),* $(,)?
    ) $(-> $return:ty)? $body:block)*) => {
        $($(#[$meta])* $vis unsafe extern "C" fn $name $(<$generic: $bound>)? ($($argument: $ty),*)
            $(-> $return)? $body)*
    };
}

pub(crate) mod context;
mod declare;
pub(crate) mod displib;
pub(crate) mod entry;
#[cfg_attr(
    not(windows),
    expect(non_snake_case, non_upper_case_globals, reason = "imports and slots have the kernel's names")
)]
#[cfg_attr(
    not(windows),
    expect(clippy::too_many_arguments, reason = "as many as the kernel's routines have")
)]
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod kernel;
pub(crate) mod list;
pub(crate) mod memory;
pub(crate) mod misuse;
mod mmio;
pub(crate) mod object;
pub(crate) mod query;
pub(crate) mod registry;
#[cfg(windows)]
mod runtime;
pub(crate) mod table;
#[cfg(test)]
mod test;
