//! `--device`: a name, a file that describes one, or where one in another process is.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use dxgk_model::Description;
use dxgk_model::described::limits::TEXT_BYTES;

use super::config::DeviceChoice;
use crate::usage::Usage;

/// In front of the socket of a device model in another process.
pub(super) const OUTSIDE: &str = "vfio-user:";

/// What `--device` takes.
const ACCEPTED: &str = "edu, none, FILE.toml, vfio-user:SOCKET";

/// The device that is meant; a file is read and checked.
pub(super) fn choose(text: &str) -> Result<DeviceChoice, Usage> {
    match text {
        "edu" => Ok(DeviceChoice::Edu),
        "none" => Ok(DeviceChoice::None),
        other => match other.strip_prefix(OUTSIDE) {
            Some("") => {
                Err(Usage::option("--device", "vfio-user: names no socket; accepted: vfio-user:SOCKET"))
            }
            Some(socket) => Ok(DeviceChoice::VfioUser { socket: PathBuf::from(socket) }),
            None if has_ending(other) => describe(Path::new(other)),
            None if other == "virtio-gpu" => Err(Usage::option(
                "--device",
                format!(
                    "virtio-gpu is not built in; docs/devices/virtio-gpu.toml describes its registers, \
                     a model that answers commands has to come by vfio-user:SOCKET; accepted: {ACCEPTED}"
                ),
            )),
            None if other == "gpu" || other.starts_with("qemu:") => {
                Err(Usage::option("--device", format!("{other:?} is not there yet; accepted: {ACCEPTED}")))
            }
            None => Err(Usage::option("--device", format!("unknown device {other:?}; accepted: {ACCEPTED}"))),
        },
    }
}

fn has_ending(file: &str) -> bool {
    Path::new(file).extension().is_some_and(|ending| ending.eq_ignore_ascii_case("toml"))
}

fn describe(path: &Path) -> Result<DeviceChoice, Usage> {
    let file = File::open(path).map_err(|error| Usage::file(path, error))?;
    let mut bytes = Vec::new();
    // One byte more than is accepted, so that the reader sees a text that is too long.
    file.take(TEXT_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(|error| Usage::file(path, error))?;
    let text = String::from_utf8(bytes).map_err(|error| Usage::file(path, error))?;
    let description = Description::parse(&text).map_err(|error| Usage::file(path, error))?;
    Ok(DeviceChoice::File { path: path.to_owned(), description: Box::new(description) })
}
