//! The built-in sample: linked into this process, its imports bound as a file's are.

use std::sync::atomic::Ordering;

use dxgk_host::kernel::{DriverImage, Kernel};
use dxgk_miniport::LinkedImage;

/// The sample, ready to be called.
pub(crate) struct Linked {
    /// Name, as its file would be called.
    pub(crate) name: &'static str,
    /// Where its code is: this program's.
    pub(crate) place: DriverImage,
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
    let entry = image.driver_entry as usize as u64;
    let (base, bytes) = program_around(entry)?;
    Ok(Linked { name: image.name, place: DriverImage { base, bytes, entry } })
}

/// The part of this program's image that holds `address`: from its first mapping to its last.
fn program_around(address: u64) -> Result<(u64, u32), String> {
    let maps =
        std::fs::read_to_string("/proc/self/maps").map_err(|error| format!("/proc/self/maps: {error}"))?;
    let mappings: Vec<(u64, u64, &str)> = maps.lines().filter_map(mapping).collect();
    let (_, _, file) = *mappings
        .iter()
        .find(|(start, end, _)| (*start..*end).contains(&address))
        .ok_or("the sample's code is in no mapping")?;
    let own = || mappings.iter().filter(|(_, _, other)| *other == file);
    let base = own().map(|(start, _, _)| *start).min().unwrap_or(address);
    let end = own().map(|(_, end, _)| *end).max().unwrap_or(address);
    Ok((base, u32::try_from(end - base).unwrap_or(u32::MAX)))
}

/// `start-end permissions offset device inode file`.
fn mapping(line: &str) -> Option<(u64, u64, &str)> {
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let file = rest.split_whitespace().nth(4)?;
    Some((u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?, file))
}
