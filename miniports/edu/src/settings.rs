//! What the registry asks of the driver.

use dxgk_miniport::abi::NtStatus;
use dxgk_miniport::{Driver, RegistryKey, Result, log, wide};

use crate::demo::{self, Demo};

/// Which memory callbacks the driver uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryApi {
    /// `MemoryApi` = 24: pages for MDLs and MDL maps (WDDM 2.4).
    Wddm24,
    /// `MemoryApi` = 29: physical memory objects and address descriptor lists (WDDM 2.9).
    Wddm29,
}

/// The values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Nothing for `MemoryApi` = 20: no memory callbacks, as in a driver from before WDDM 2.4.
    pub(crate) api: Option<MemoryApi>,
    pub(crate) demo: Option<&'static Demo>,
    /// `Twin` = 1: what the demo shows is done as it is right.
    pub(crate) twin: bool,
}

/// Longest name of a demo, in characters.
const LONGEST_NAME: usize = 32;

impl Settings {
    /// Reads the service key, and its `Parameters` subkey for what is not there. A key or value that is missing means
    /// the default; one that is there and makes no sense is refused, so that a slip of the pen is not a clean run.
    pub(crate) fn read(driver: &Driver) -> Result<Self> {
        let service = RegistryKey::service(driver).ok();
        let parameters = service.as_ref().and_then(|key| key.subkey(wide!("Parameters")).ok());
        let keys = [service.as_ref(), parameters.as_ref()];

        let api = match keys.iter().flatten().find_map(|key| key.dword(wide!("MemoryApi")).ok()) {
            None | Some(29) => Some(MemoryApi::Wddm29),
            Some(24) => Some(MemoryApi::Wddm24),
            Some(20) => None,
            Some(other) => {
                log!("edu: MemoryApi is {other}; it must be 20, 24 or 29");
                return Err(NtStatus::INVALID_PARAMETER);
            }
        };

        let mut text = [0; LONGEST_NAME];
        let mut demo = None;
        for key in keys.into_iter().flatten() {
            let name = match key.string(wide!("Demo"), &mut text) {
                Ok(name) => name,
                Err(NtStatus::OBJECT_NAME_NOT_FOUND) => continue,
                Err(status) => return Err(status),
            };
            if !name.is_empty() {
                demo = Some(demo::find(name).ok_or_else(|| {
                    log!("edu: there is no demo {name}");
                    NtStatus::INVALID_PARAMETER
                })?);
            }
            break;
        }
        if let Some(demo) = demo
            && (api.is_none() || demo.memory_api.is_some_and(|needed| Some(needed) != api))
        {
            log!("edu: the demo {} needs another MemoryApi", demo.name);
            return Err(NtStatus::INVALID_PARAMETER);
        }
        let twin = keys.into_iter().flatten().find_map(|key| key.dword(wide!("Twin")).ok());
        Ok(Self { api, demo, twin: twin.unwrap_or(0) != 0 })
    }
}
