//! The type of a function across the driver boundary.

/// The type of a function that a driver calls or offers: the Windows x64 calling convention on x86-64, the C one
/// on AArch64, where Windows uses the platform's own.
///
/// `driver_fn!(fn(Type, Type) -> Type)`; names before the types are documentation.
#[cfg(target_arch = "x86_64")]
macro_rules! driver_fn {
    (fn($($argument:ident : $ty:ty),* $(,)?) $(-> $return:ty)?) => {
        unsafe extern "win64" fn($($argument: $ty),*) $(-> $return)?
    };
}

#[cfg(not(target_arch = "x86_64"))]
macro_rules! driver_fn {
    (fn($($argument:ident : $ty:ty),* $(,)?) $(-> $return:ty)?) => {
        unsafe extern "C" fn($($argument: $ty),*) $(-> $return)?
    };
}
