//! The built-in sample: linked into this process, its imports bound as a file's are.

use std::sync::atomic::Ordering;

use dxgk_host::kernel::{DriverImage, Kernel};
use dxgk_host::modules::Registration;
use dxgk_miniport::LinkedImage;

/// The sample, ready to be called.
pub(crate) struct Linked {
    /// Name, as its file would be called, and that it is no file.
    pub(crate) name: String,
    /// Where its code is: this program's.
    pub(crate) place: DriverImage,
    /// Keeps the program known to stack walks.
    pub(crate) registration: Registration,
}

/// Binds the sample's imports; `note` is told of each, and whether it is missing.
pub(crate) fn bind(kernel: &Kernel, note: impl Fn(&str, bool)) -> Result<Linked, String> {
    let image: LinkedImage = dxgk_miniport_edu::image();
    for import in image.imports {
        let export = kernel.resolve("ntoskrnl.exe", import.name);
        note(import.name, export.is_none());
        let export =
            export.ok_or_else(|| format!("the sample imports {}, which is not there", import.name))?;
        let address = usize::try_from(export.address).map_err(|error| error.to_string())?;
        import.slot.store(address, Ordering::Release);
    }
    let name = format!("{} (linked)", image.name);
    let registration = Registration::of_program(&name).ok_or("too many modules are registered")?;
    let module = registration.module();
    let bytes = u32::try_from(module.bytes).unwrap_or(u32::MAX);
    let place = DriverImage { base: module.base, bytes, entry: image.driver_entry as usize as u64 };
    Ok(Linked { name, place, registration })
}
