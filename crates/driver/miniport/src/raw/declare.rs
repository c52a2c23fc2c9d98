//! The macro that turns a [`crate::Miniport`] into a driver. It is here because what it writes into the driver's own
//! crate exports a symbol, which counts as unsafe.

/// Declares a driver: its static state, and its entry point.
///
/// `declare_miniport!(Type, "name.sys")`, once in the driver's crate, at its root. In a `.sys` this exports
/// `DriverEntry`; linked into a host it defines `pub fn image() -> LinkedImage`.
#[macro_export]
macro_rules! declare_miniport {
    ($miniport:ty, $name:literal) => {
        static DRIVER: $crate::Driver = $crate::Driver::new();

        impl $crate::Declared for $miniport {
            fn driver() -> &'static $crate::Driver {
                &DRIVER
            }
        }

        /// The driver's image, for a host that links it.
        #[cfg(not(windows))]
        pub fn image() -> $crate::LinkedImage {
            $crate::LinkedImage {
                name: $name,
                driver_entry: $crate::driver_entry::<$miniport>,
                imports: $crate::IMPORTS,
            }
        }

        /// The system calls this when it has loaded the file.
        ///
        /// # Safety
        /// The system's loader calls it, once, with its own arguments.
        #[cfg(windows)]
        #[unsafe(no_mangle)]
        pub unsafe extern "system" fn DriverEntry(
            driver: *mut ::core::ffi::c_void,
            registry_path: *const ::core::ffi::c_void,
        ) -> $crate::abi::NtStatus {
            // SAFETY: the loader's arguments are passed on, in the loader's call.
            unsafe { $crate::driver_entry::<$miniport>(driver, registry_path) }
        }
    };
}
